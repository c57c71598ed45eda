"""Comparison of models."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegap.options import Verbose


def compare(
    runs: Annotated[
        list[Path],
        typer.Argument(help="Two or more run folders; the others are compared with the first", show_default=False),
    ],
    out: Annotated[Path | None, typer.Option(help="New folder for compare.html and the tables as CSV")] = None,
    names: Annotated[
        list[str] | None,
        typer.Option("--name", help="Name of a run; repeat for each run in order [default: its models]"),
    ] = None,
    allow_different_people: Annotated[
        bool,
        typer.Option(
            "--allow-different-people",
            help="Compare the images common to runs with different manifests, and report what differs",
        ),
    ] = False,
    verbose: Verbose = False,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the joint bootstrap resamples of people")] = 0,
) -> None:
    """Compare models on the same people: differences in error rates, changes of gaps, and time in ms per face.

    Differences are paired: images on which both models err provide no evidence about which model is better. Runs on different
    people are rejected.

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
        print_sentences(["For all tables, use --verbose, or --out FOLDER for compare.html and the tables as CSV"])
