"""Models side by side."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegap.options import Verbose


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Two run folders or more; the others are held against the first", show_default=False),
    ],
    out: Annotated[Path | None, typer.Option(help="New folder for compare.html and the tables as CSV")] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="What to call a run, once for each in their order [default: models]"),
    ] = None,
    allow_different_people: Annotated[
        bool,
        typer.Option(
            "--allow-different-people", help="Compare what runs share whose manifests differ; it is said what differs"
        ),
    ] = False,
    verbose: Verbose = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the joint draws of people behind the intervals")] = 0,
) -> None:
    """Models side by side on the same people: who errs more, which gaps grew or shrank, and at how many ms per face.

    Differences are paired: images on which both models err say nothing about which is better. Runs over different people
    are refused.

    facegap compare run-a run-b --out comparison
    """
    from facegap.compare import build as command
    from facegap.report.terminal import print_sentences, print_tables, print_warnings

    found = command.compare(runs, names=names or (), allow_different_people=allow_different_people, seed=seed)
    if verbose:
        print_tables([*command.text_tables(found)])
    print_sentences(command.sentences(found))
    if not verbose:
        print_sentences([""])
        print_tables(command.short_tables(found))
    print_warnings(found.warnings)
    if out is not None:
        files = command.write_comparison(found, out)
        print_sentences([f"Written to {out}: {', '.join(files)}"])
    elif not verbose:
        print_sentences(["All tables: --verbose, or --out FOLDER for compare.html and the tables as CSV"])
