"""Commands that prepare an audit: manifests, cards, weights, data sets."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import ManifestPath, Only, with_settings


@with_settings
def check(
    manifest: ManifestPath,
    settings: Annotated[
        AuditSettings,
        Only(
            "by",
            "where",
            "images_dir",
            "allow_outside",
            "allow_missing",
            "keep_words",
            "merge_spellings",
            "subjects_as_written",
            "map",
            "detect",
            "points",
            "classify",
            "embed",
            "quality",
            said={
                "detect": "'aligned': check that every image fits the models of --embed, --classify and --quality",
                "points": "CSV or parquet file with five points per image, checked against the manifest and the images",
                "classify": "Classifier against which aligned images are checked",
                "embed": "Embedder against which aligned images are checked",
                "quality": "Quality model against which aligned images are checked",
            },
        ),
    ],
    include_ids: Annotated[
        bool, typer.Option("--include-ids", help="Name the files that are missing or cannot be decoded")
    ] = False,
    decode: Annotated[
        int, typer.Option(min=0, help="Number of files to decode, as a random sample if there are more")
    ] = 20_000,
    decode_all: Annotated[bool, typer.Option("--decode-all", help="Decode every file")] = False,
) -> None:
    """Check a manifest before any model runs: its files, its groups, and the differences that the groups could show.

    facegap check people.csv --by 'gender,gender*race'

    With --detect aligned or --points FILE, the check also finds images whose size does not fit the models or whose points are not
    usable.

    Every file is located, and up to 20,000 are decoded. If a file is missing, or more than 1% of the decoded files are unreadable,
    the exit code is 2, as it would be for the audit.
    """
    from facegap.catalogue.tables import check_manifest
    from facegap.errors import TableError
    from facegap.report.terminal import print_tables, print_warnings, progress_bar

    with progress_bar() as progress:
        decoded = None if decode_all else decode
        checked = check_manifest(manifest, settings, include_ids=include_ids, decode=decoded, progress=progress)
    print_tables(checked.tables)
    print_warnings(checked.warnings)
    if checked.problem:
        raise TableError(checked.problem)


@with_settings
def models(
    settings: Annotated[AuditSettings, Only("models_dir")],
    task: Annotated[
        Literal["detect", "embed", "classify", "quality", "verify", "search"] | None,
        typer.Option(help="Only cards of this task"),
    ] = None,
    licence: Annotated[
        Literal["commercial", "non-commercial", "unknown"] | None,
        typer.Option(help="Only cards whose licence allows commercial use, forbids it, or leaves it open"),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print all cards as Markdown, the text of docs/models.md")
    ] = False,
) -> None:
    """List the model cards: task, size, licence, commercial use, and whether the weights are on this machine.

    facegap models --models-dir MODELS

    facegap models --task embed --licence commercial
    """
    if markdown:
        from facegap.inputs.cards.pages import models_markdown

        typer.echo(models_markdown().rstrip("\n"))
        return
    from facegap.catalogue.tables import models_table
    from facegap.report.terminal import print_tables

    print_tables([models_table(settings.models.models_dir, task=task, licence=licence)])


def datasets(
    name: Annotated[str | None, typer.Argument(help="Show one data set in full")] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print all cards as Markdown, the text of datasets.md")
    ] = False,
) -> None:
    """List the data sets that facegap describes: labels, consent, licence and limitations.

    facegap datasets fairface
    """
    from facegap.catalogue.tables import datasets_table, datasets_text
    from facegap.report.terminal import print_tables

    if name or markdown:
        typer.echo(datasets_text(name))
    else:
        print_tables([datasets_table()])


def fetch(
    names: Annotated[list[str], typer.Argument(help="Names of cards", show_default=False)],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licences without asking, for scripts")
    ] = False,
) -> None:
    """Download the weights of a card into the user's cache, over https only and checked by sha256 before first use.

    facegap fetch yunet faceapi_age_gender
    """
    from facegap.catalogue.tables import fetch_all
    from facegap.report.terminal import confirm_licence, download_bar

    with download_bar() as progress:
        for path in fetch_all(
            names, accept=lambda card: confirm_licence(card, accepted=accept_licence), progress=progress
        ):
            typer.echo(str(path))


def make_manifest(
    adapter: Annotated[
        str,
        typer.Argument(
            help="Layout of the folder, such as fairface or fhibe (see facegap datasets); or folders; or csv"
        ),
    ],
    folder: Annotated[Path, typer.Argument(help="Folder of the data set; for csv, the table")],
    out: Annotated[Path | None, typer.Option(help="CSV file to write [default: manifest.csv in the folder]")] = None,
    subject: Annotated[
        str | None,
        typer.Option(
            help="folders: folder, name or nobody, if the folders do not determine the person. csv: column with the person"
        ),
    ] = None,
    image: Annotated[str, typer.Option(help="csv: column with the image")] = "image",
    label: Annotated[
        list[str] | None,
        typer.Option(help="csv: NAME=COLUMN, a label, such as gender=Sex; repeatable", show_default=False),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Option(
            "--map", help="csv: NAME:WORD=LABEL, such as gender:0=male,1=female; repeatable", show_default=False
        ),
    ] = None,
    swatch: Annotated[
        list[str] | None,
        typer.Option(
            help="csv: NAME=COLUMN or NAME=RED,GREEN,BLUE, a skin colour in sRGB, converted to a tone",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        Literal["monk", "ita", "l_hue", "lighter_darker"], typer.Option(help="csv: tone scale of --swatch")
    ] = "monk",
    age: Annotated[
        list[str] | None,
        typer.Option(
            help="csv: NAME=BORN,TAKEN, the age computed from two columns of dates or years", show_default=False
        ),
    ] = None,
    dates: Annotated[
        str | None, typer.Option(help="csv: date format, such as %d/%m/%Y [default: ISO, or 31.12.1999]")
    ] = None,
    root: Annotated[
        Path | None, typer.Option(help="csv: folder to which image paths are relative [default: that of the table]")
    ] = None,
    strip: Annotated[str, typer.Option(help="csv: prefix to remove from image paths, such as C:\\data\\")] = "",
    encoding: Annotated[str, typer.Option(help="csv: encoding of the table, such as latin-1 or cp1252")] = "utf-8",
    separator: Annotated[str, typer.Option(help="csv: cell separator, such as ;")] = ",",
) -> None:
    """Write a manifest for a public data set, for folders of people, or for a table of your own.

    facegap manifest fairface FairFace --out people.csv

    facegap manifest csv faces.csv --image File --subject Person --label gender=Sex --map gender:0=male,1=female

    `folders` reads <person>/<image>, recognises folders that are years, dates, splits or genders rather than people, and reports
    how it read them. `csv` uses only the columns that you name.
    """
    from facegap.catalogue.own_csv import OwnColumns
    from facegap.catalogue.tables import write_manifest
    from facegap.report.text import clean

    own = OwnColumns(
        image=image,
        labels=tuple(label or ()),
        words=tuple(words or ()),
        swatches=tuple(swatch or ()),
        scale=scale,
        ages=tuple(age or ()),
        dates=dates,
        root=root,
        strip=strip,
        encoding=encoding,
        separator=separator,
    )
    for sentence in write_manifest(adapter, folder, out, subject=subject, own=own):
        typer.echo(clean(sentence))
