"""Possible reasons for a gap: how much of it remains after balancing measured covariates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegap.options import Verbose


def explain(
    run: Annotated[Path, typer.Argument(help="Run folder", show_default=False)],
    covariates: Annotated[
        str,
        typer.Option(
            help="Covariates to balance, separated by commas: columns of faces.parquet, age, or columns of --covariates-file"
        ),
    ] = "",
    by: Annotated[
        str | None, typer.Option(help="Grouping, such as gender*race [default: the first of the run]")
    ] = None,
    covariates_file: Annotated[
        Path | None,
        typer.Option(help="CSV or parquet file with a column image and one column of numbers per covariate"),
    ] = None,
    within: Annotated[
        str,
        typer.Option(help="Covariates to compare between images of the same person [default: those of --covariates]"),
    ] = "",
    metric: Annotated[
        str | None, typer.Option(help="Metric of the run [default: the classifier's error rate, FMR and FNMR]")
    ] = None,
    reference: Annotated[
        str | None, typer.Option(help="Reference group [default: the group with the most people]")
    ] = None,
    reliability: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME=NUMBER: proportion of a covariate's within-group variance that is not measurement error [default: 1]"
        ),
    ] = None,
    allow_overadjustment: Annotated[
        bool,
        typer.Option(
            "--allow-overadjustment",
            help="Allow balancing of skin brightness between groups of skin tone; every output states this",
        ),
    ] = False,
    out: Annotated[Path | None, typer.Option(help="New folder for explain.html and explain.csv")] = None,
    replicates: Annotated[
        int, typer.Option(min=50, max=100_000, help="Number of bootstrap resamples of people for the intervals")
    ] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the resamples and for sampled impostor pairs")] = 0,
    verbose: Verbose = False,
) -> None:
    """Estimate how much of a gap remains after balancing measured covariates: exposure, pose, size, sharpness, or your own.

    Three estimates are given: groups weighted to have the same covariates, a regression decomposition of the gap, and the change
    between images of the same person. All are associations, not causes. The brightness of skin is refused as a covariate between
    groups of skin tone.

    facegap explain run --by gender --covariates background_luminance_50,sharpness --out why
    """
    from facegap.derive.balanced import work
    from facegap.explain import build
    from facegap.report import balanced as text
    from facegap.report.terminal import print_sentences, print_tables, print_warnings, progress_bar

    choices = work.Choices(
        by=by,
        covariates=names_of(covariates),
        covariates_file=covariates_file,
        within=names_of(within),
        reliability=tuple(reliability or ()),
        metric=metric,
        reference=reference,
        allow_overadjustment=allow_overadjustment,
        replicates=replicates,
        seed=seed,
    )
    with progress_bar("gaps") as progress:
        found = build.explain(run, choices, progress)
    print_sentences([*text.findings(found.rows), ""])
    print_tables(text.balance_tables(found.rows, short=not verbose))
    if verbose:
        print_sentences([""])
        print_tables([*text.regression_tables(found.rows), *text.within_tables(found.rows)])
        print_sentences(text.without_change(found.rows))
    print_sentences(["", text.CAVEAT])
    print_warnings([*([f"over-adjusted: {found.overadjusted}"] if found.overadjusted else []), *found.notes])
    if out is not None:
        files = build.write_explained(found, out)
        print_sentences([f"Written to {out}: {', '.join(files)}"])
    elif not verbose:
        print_sentences(
            [
                "For the regression and the change within people, use --verbose, or --out FOLDER for explain.html and explain.csv"
            ]
        )


def names_of(text: str) -> tuple[str, ...]:
    """Names with commas between them.

    >>> names_of("yaw, pitch")
    ('yaw', 'pitch')
    """
    return tuple(name.strip() for name in text.split(",") if name.strip())
