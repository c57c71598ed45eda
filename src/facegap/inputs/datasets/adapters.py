"""Convert folders of public data sets to manifests: one function per layout, returning image, subject and labels.

Image paths are relative to the folder, or to its subfolder in attrs["root"], where the manifest must be saved. Nothing is
downloaded. A folder with another layout raises TableError, with what was expected. Hidden files and files that are not images are
ignored. Labels are copied as in the set; the card (datasets.toml) states what was read of each layout, and the source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pandas as pd

from facegap.errors import TableError
from facegap.inputs.datasets.by_name import bupt_balancedface, casia_face_africa, cfd, demogpairs
from facegap.inputs.datasets.by_table import facet, fhibe, meds, morph, mst_e
from facegap.inputs.datasets.conversations import casual_conversations, casual_conversations_v2
from facegap.inputs.datasets.folder_levels import SubjectFrom, levels_of
from facegap.inputs.datasets.layout import (
    by_race,
    first_folder,
    has_any,
    images_of,
    one_folder_per_person,
    other_shape,
    prefix_of,
)
from facegap.inputs.records import read_records
from facegap.plugins import extended

FAIRFACE_TABLES = ("fairface_label_train.csv", "fairface_label_val.csv", "labels.csv")
BFW_RACES = ("asian", "black", "indian", "white")
UTKFACE_GENDERS = {"0": "male", "1": "female"}
UTKFACE_RACES = {"0": "White", "1": "Black", "2": "Asian", "3": "Indian", "4": "Others"}


def ppb(folder: Path) -> pd.DataFrame:
    """Pilot Parliaments Benchmark: PPB-2017-metadata.csv next to imgs/. One photograph per person, so no subject column.

    Labels : gender (male, female), tone (darker, lighter: Fitzpatrick IV-VI and I-III), country
    Source : the columns as public code reads them: an index, the file name, gender, a numeric code, bi.fitz (darker or lighter)
             and country, in this order. Their exact spelling is not confirmed, so the columns are identified by words in their
             names, and otherwise by position.
    """
    base = first_folder(folder, ("", "PPB-2017", "PPB"), lambda at: (at / "PPB-2017-metadata.csv").is_file())
    if base is None or not (base / "imgs").is_dir():
        raise other_shape(
            "ppb", folder, "PPB-2017-metadata.csv and the folder imgs/ (in the folder given, or in PPB-2017/)"
        )
    cells = read_records(base / "PPB-2017-metadata.csv").frame
    if len(cells.columns) < 6:
        raise other_shape("ppb", folder, "a metadata file of six columns: index, file, gender, numeric, tone, country")
    found = {
        "image": _column(cells, ("file",), 1),
        "gender": _column(cells, ("gender",), 2),
        "tone": _column(cells, ("fitz", "skin"), 4),
        "country": _column(cells, ("country",), 5),
    }
    frame = cells[list(found.values())].set_axis(list(found), axis=1)
    frame["image"] = prefix_of(base, folder) + "imgs/" + frame["image"].str.strip()
    frame["gender"] = frame["gender"].str.strip().str.lower()
    frame["tone"] = frame["tone"].str.strip().str.lower()
    return frame


def fairface(folder: Path) -> pd.DataFrame:
    """FairFace, as released or as a table labels.csv. People are not identified, so there is no subject column; they can repeat.

    Labels : age (nine ranges), gender, race (seven), service_test, as the files spell them
    Source : github.com/dchen236/FairFace: fairface_label_train.csv and fairface_label_val.csv, columns file, age,
             gender, race, service_test, file as train/1.jpg; the images are in the same folder or in
             fairface-img-margin025-trainval/ (or margin125). labels.csv has image instead of file.
    """
    tables = [folder / name for name in FAIRFACE_TABLES]
    tables = [table for table in tables if table.is_file()]
    if not tables:
        raise other_shape("fairface", folder, "fairface_label_val.csv, fairface_label_train.csv or labels.csv")
    return pd.concat([_fairface_table(folder, table) for table in tables], ignore_index=True)


def _fairface_table(folder: Path, table: Path) -> pd.DataFrame:
    """Read one label file of FairFace, with its images in one of the folders to which the archives unpack."""
    cells = read_records(table).frame.rename(columns={"file": "image"})
    missing = [name for name in ("image", "age", "gender", "race") if name not in cells.columns]
    if missing:
        raise TableError(f"{table.name} line 1: no column {missing[0]}; FairFace has file, age, gender, race")
    for prefix in ("", "fairface-img-margin025-trainval/", "fairface-img-margin125-trainval/"):
        if cells.empty or (folder / (prefix + cells["image"].iloc[0])).is_file():
            return cells.assign(image=prefix + cells["image"])
    raise other_shape("fairface", folder, f"the images that {table.name} names, such as {cells['image'].iloc[0]}")


def lfw(folder: Path) -> pd.DataFrame:
    """Labeled Faces in the Wild: Name/Name_0001.jpg. The set has no gender, age or tone labels.

    Accepts the folder itself, or the data_home of scikit-learn's loader with lfw_home/lfw_funneled (or lfw).
    Source : vis-www.cs.umass.edu/lfw; sklearn.datasets.fetch_lfw_people keeps <data_home>/lfw_home/lfw_funneled
    """
    inner = ("lfw_funneled", "lfw", "lfw-deepfunneled", "lfw-funneled")
    places = ("", *inner, *(f"lfw_home/{name}" for name in inner))
    base = first_folder(folder, places, lambda at: next(at.glob("*/*_[0-9][0-9][0-9][0-9].jpg"), None) is not None)
    if base is None:
        raise other_shape(
            "lfw", folder, "Name/Name_0001.jpg (in the folder given, or in scikit-learn's lfw_home/lfw_funneled)"
        )
    return one_folder_per_person(base, folder)


def rfw(folder: Path) -> pd.DataFrame:
    """Racial Faces in the Wild: data/<race>/<person>/<image>, race one of African, Asian, Caucasian, Indian.

    Labels : race, the term of the set, assigned from nationality and by a commercial service, not self-reported
    Source : the archive test.tar.gz, as described in the README of github.com/zseljee/re-faircal (data/ and txts/)
    """
    return by_race(folder, ("", "data", "test/data", "test"), "rfw", "data/<race>/<person>/")


def bfw(folder: Path) -> pd.DataFrame:
    """Balanced Faces in the Wild: <race>_<gender>/<person>/<image>, such as asian_females/n000009/0010_01.jpg.

    Labels : gender and race, read from the folder's name. The pair table of the set is not needed.
    Source : README of github.com/visionjo/facerec-bias-bfw (column p1 of its pair table has these paths)
    """
    groups = {f"{race}_{gender}s": (race, gender) for race in BFW_RACES for gender in ("female", "male")}
    inner = sorted(child.name for child in folder.iterdir() if child.is_dir()) if folder.is_dir() else []
    base = first_folder(folder, ("", *inner), lambda at: has_any(at, groups))
    if base is None:
        raise other_shape(
            "bfw", folder, "asian_females/<person>/ ... white_males/<person>/ (in the folder given, or one level below)"
        )
    parts = [
        one_folder_per_person(base / name, folder).assign(gender=gender, race=race.title())
        for name, (race, gender) in groups.items()
        if (base / name).is_dir()
    ]
    return pd.concat(parts, ignore_index=True)


def utkface(folder: Path) -> pd.DataFrame:
    """UTKFace: age_gender_race_date.jpg, flat or in parts. People are not identified, so there is no subject column; they can repeat.

    Labels : age (years), gender, race (White, Black, Asian, Indian, Others), read from the file name. A few file names of the
             release lack a field; uncertain labels are left empty, so that no image is lost.
    Source : susanqq.github.io/UTKFace: gender 0 male, 1 female; race 0 White to 4 Others
    """
    images = [path for path in images_of(folder) if re.match(r"\d{1,3}_", path.name)]
    if not images:
        raise other_shape("utkface", folder, "images named age_gender_race_date.jpg, such as 26_0_1_20170116.jpg")
    rows = [(path.relative_to(folder).as_posix(), *_utkface_labels(path.name)) for path in images]
    return pd.DataFrame(rows, columns=["image", "age", "gender", "race"], dtype="str")


def _utkface_labels(name: str) -> tuple[str, str, str]:
    """Return the age, gender and race in a file name; gender and race are empty unless both fields are present."""
    fields = name.partition(".")[0].split("_")
    if len(fields) != 4:
        return fields[0], "", ""
    return fields[0], UTKFACE_GENDERS.get(fields[1], ""), UTKFACE_RACES.get(fields[2], "")


def folders(folder: Path, subject: SubjectFrom | None = None) -> pd.DataFrame:
    """One folder per person, <person>/**/<image>, with the folder name as subject; or folders by year, date, split or gender.

    A folder with a label table in the layout of FairFace is read as `fairface`. attrs["notes"] of the frame describes how the
    folders were read.

    subject : what determines the subject if it is ambiguous: the name of the folder, of the file, or nobody
    """
    if subject is None and any((folder / name).is_file() for name in FAIRFACE_TABLES):
        frame = fairface(folder)
        frame.attrs["notes"] = [
            "the label table next to the images was read, in the layout of FairFace; it names no subjects"
        ]
        return frame
    paths = [PurePosixPath(path.relative_to(folder).as_posix()) for path in images_of(folder)]
    if not paths:
        raise other_shape("folders", folder, "<person>/<image>")
    frame, notes = levels_of(paths, subject)
    frame.attrs["notes"] = notes
    return frame


def _column(cells: pd.DataFrame, words: tuple[str, ...], position: int) -> str:
    """Return the column with one of the words in its name, else the one at the position."""
    named = [str(name) for name in cells.columns if any(word in str(name).lower() for word in words)]
    return named[0] if len(named) == 1 else str(cells.columns[position])


Adapter = Callable[[Path], pd.DataFrame]
ADAPTERS: Mapping[str, Adapter] = {
    "ppb": ppb,
    "fairface": fairface,
    "lfw": lfw,
    "rfw": rfw,
    "bfw": bfw,
    "utkface": utkface,
    "fhibe": fhibe,
    "morph": morph,
    "meds": meds,
    "casia_face_africa": casia_face_africa,
    "demogpairs": demogpairs,
    "bupt_balancedface": bupt_balancedface,
    "cfd": cfd,
    "casual_conversations": casual_conversations,
    "casual_conversations_v2": casual_conversations_v2,
    "mst_e": mst_e,
    "facet": facet,
    "folders": folders,
}


def adapters() -> Mapping[str, Adapter]:
    """Return ADAPTERS and those that installed packages add, see docs/extending.md."""
    return extended("facegap.adapters", ADAPTERS, _of_plugin)


def _of_plugin(_name: str, value: Any) -> Adapter:
    if not callable(value):
        raise ValueError("an adapter is a function from a folder to a DataFrame with a column image")
    adapter: Adapter = value
    return adapter
