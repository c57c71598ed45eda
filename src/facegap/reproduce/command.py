"""Published tables, rebuilt and audited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def reproduce(
    study: Annotated[
        Literal["gender-shades", "actionable-auditing", "nist-2020"],
        typer.Argument(help="A published result", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="New folder for tables, charts and rebuilt files, and for the run of each company"),
    ] = None,
) -> None:
    """Compute a published result again from its published figures, and show print beside what they give.

    facegap reproduce nist-2020 --out nist-2020

    gender-shades, actionable-auditing: the people of the printed tables are rebuilt and audited. nist-2020: differentials of
    the false match rates of 240 algorithms.
    """
    from facegap.report.terminal import console, print_sentences, print_tables
    from facegap.reproduce.studies import REPRODUCTIONS

    found = REPRODUCTIONS[study](out, console().width)
    print_sentences(found.introduction)
    print_tables(found.tables)
    print_sentences([f"Written to {folder}; check it with facegap recheck {folder}" for folder in found.folders])
    if found.files and out is not None:
        print_sentences([f"Written to {out}: {', '.join(path.name for path in found.files)}"])
