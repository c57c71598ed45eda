"""What an audit needs: manifests checked and made, cards, weights, data sets."""

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
        ),
    ],
    include_ids: Annotated[
        bool, typer.Option("--include-ids", help="Name the files that are missing or cannot be decoded")
    ] = False,
) -> None:
    """Check a manifest before any model runs: its files, its groups, and the difference that they could show.

    facegap check people.csv --by 'gender,gender*race'

    Every image is decoded once. If a file is missing, or more than 1% cannot be decoded, the exit code is 2, as that of
    the audit would be.
    """
    from facegap.catalogue.tables import check_manifest
    from facegap.errors import TableError
    from facegap.report.terminal import print_tables, print_warnings, progress_bar

    with progress_bar() as progress:
        checked = check_manifest(manifest, settings, include_ids=include_ids, progress=progress)
    print_tables(checked.tables)
    print_warnings(checked.warnings)
    if checked.problem:
        raise TableError(checked.problem)


@with_settings
def models(settings: Annotated[AuditSettings, Only("models_dir")]) -> None:
    """List the model cards: task, size, licence, commercial use, and whether the file is on this machine.

    facegap models --models-dir MODELS
    """
    from facegap.catalogue.tables import models_table
    from facegap.report.terminal import print_tables

    print_tables([models_table(settings.models.models_dir)])


def datasets(
    name: Annotated[str | None, typer.Argument(help="Show one data set in full")] = None,
    markdown: Annotated[bool, typer.Option("--markdown", help="All cards as the text of datasets.md")] = False,
) -> None:
    """List the data sets that facegap knows: labels, consent, licence, and what they cannot tell.

    facegap datasets fairface
    """
    from facegap.catalogue.tables import datasets_table, datasets_text
    from facegap.report.terminal import print_tables

    if name or markdown:
        typer.echo(datasets_text(name))
    else:
        print_tables([datasets_table()])


def fetch(
    names: Annotated[list[str], typer.Argument(help="Cards, by name", show_default=False)],
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="Accept the licences shown, for scripts")
    ] = False,
) -> None:
    """Download weights by card into the user's cache: https only, checked by sha256 before first use.

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
        str, typer.Argument(help="Layout of the folder: ppb, fairface, lfw, rfw, bfw, utkface, folders")
    ],
    folder: Annotated[Path, typer.Argument(help="The data set's folder")],
    out: Annotated[Path | None, typer.Option(help="CSV to write [default: manifest.csv in the folder]")] = None,
    subject: Annotated[
        Literal["folder", "name", "nobody"] | None,
        typer.Option(help="folders: what names the person, where the folders do not show it"),
    ] = None,
) -> None:
    """Turn a folder of a public data set, or one folder per person, into a manifest.

    `folders` reads <person>/<image>, and sees years, dates, splits and genders that are no people: it says what it did.

    facegap manifest fairface FairFace --out people.csv
    """
    from facegap.catalogue.tables import write_manifest
    from facegap.report.text import clean

    for sentence in write_manifest(adapter, folder, out, subject=subject):
        typer.echo(clean(sentence))
