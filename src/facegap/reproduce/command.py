"""Published tables, reconstructed and audited."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def reproduce(
    study: Annotated[
        Literal["gender-shades", "actionable-auditing", "nist-2020"],
        typer.Argument(help="Published result", show_default=False),
    ],
    out: Annotated[
        Path | None,
        typer.Option(help="New folder for tables, charts, reconstructed files and the run of each company"),
    ] = None,
) -> None:
    """Recompute a published result from its published figures and show both next to each other.

    facegap reproduce nist-2020 --out nist-2020

    gender-shades, actionable-auditing: a manifest is reconstructed from the printed tables and audited. nist-2020: differentials
    of the false match rates of 240 algorithms.
    """
    from facegap.report.terminal import console, print_sentences, print_tables
    from facegap.reproduce.studies import REPRODUCTIONS

    found = REPRODUCTIONS[study](out, console().width)
    print_sentences(found.introduction)
    print_tables(found.tables)
    print_sentences([f"Written to {folder}; check it with facegap recheck {folder}" for folder in found.folders])
    if found.files and out is not None:
        print_sentences([f"Written to {out}: {', '.join(path.name for path in found.files)}"])
