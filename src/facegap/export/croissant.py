"""A manifest as a Croissant description: JSON-LD with its file, columns and types, but no rows.

Source: the Croissant format, version 1.0, docs.mlcommons.org/croissant.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from facegap.inputs.manifests.read import read_manifest
from facegap.inputs.records import read_records

VERSION = "http://mlcommons.org/croissant/1.0"
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
MEANING = {
    "image": "Path of the image file, relative to the manifest",
    "subject": "Id of the person",
    "gender": "Gender as labelled by the source of the data",
    "age": "Age in years or a range of years, as labelled by the source of the data",
    "race": "Race as labelled by the source of the data",
    "tone": "Skin tone as labelled by the source of the data",
}


def croissant(manifest: Path, *, name: str, licence: str | None, address: str | None) -> str:
    """The description as JSON.

    Parameters
    ----------
    manifest : path of the CSV file
    name : name of the data set
    licence, address : of the data set; omitted if None, although the format recommends them

    Raises
    ------
    TableError : the manifest cannot be read
    """
    images = len(read_manifest(manifest).frame)
    records = read_records(manifest)
    columns = [str(column) for column in records.frame.columns]
    whole: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": VERSION,
        "name": name,
        "description": f"A manifest of {images:,} images of faces for an audit by group, with the columns {', '.join(columns)}.",
        **({"license": licence} if licence else {}),
        **({"url": address} if address else {}),
        "isLiveDataset": False,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": "manifest",
                "name": manifest.name,
                "contentUrl": manifest.name,
                "contentSize": f"{manifest.stat().st_size} B",
                "encodingFormat": "application/vnd.apache.parquet" if manifest.suffix == ".parquet" else "text/csv",
                "sha256": records.sha256,
            }
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "images",
                "name": "images",
                "description": "One row per image.",
                "key": {"@id": "images/image"},
                "field": [field_of(column, place) for place, column in enumerate(columns)],
            }
        ],
    }
    return json.dumps(whole, indent=2, ensure_ascii=True) + "\n"


def field_of(column: str, place: int) -> dict[str, Any]:
    """One column. All columns of a manifest are text: an age may be a range."""
    return {
        "@type": "cr:Field",
        "@id": f"images/{column if PLAIN.fullmatch(column) else f'column-{place + 1}'}",
        "name": column,
        "description": MEANING.get(column, "A label of the source of the data"),
        "dataType": "sc:Text",
        "source": {"fileObject": {"@id": "manifest"}, "extract": {"column": column}},
    }
