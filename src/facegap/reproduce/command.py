"""Published tables, rebuilt and audited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def reproduce(
    study: Annotated[Literal["gender-shades"], typer.Argument(help="A published table", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="New folder for the rebuilt files and the run folder of each vendor")
    ] = None,
) -> None:
    """Rebuild the people of a published table, audit them, and show print beside what they give.

    facegap reproduce gender-shades --out gender-shades
    """
    from facegap.report.terminal import console, print_sentences, print_tables
    from facegap.reproduce.gender_shades import REPRODUCTIONS

    found = REPRODUCTIONS[study](out, console().width)
    print_sentences(found.introduction)
    print_tables(found.tables)
    print_sentences([f"Written to {folder}; check it with facegap recheck {folder}" for folder in found.folders])
