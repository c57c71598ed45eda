"""Validate facegap by simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def selfcheck(
    worlds: Annotated[
        Path | None,
        typer.Option(help="TOML file that defines the simulated worlds, see docs/selfcheck.md", show_default=False),
    ] = None,
    preset: Annotated[
        Literal["bands", "small", "medium"], typer.Option(help="Worlds included in facegap, used without --worlds")
    ] = "bands",
    quick: Annotated[
        bool | None,
        typer.Option(
            "--quick/--long",
            help="Fewer worlds, or the number in the file [default: --quick with a preset, --long with --worlds]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="New folder for selfcheck.html and selfcheck.json")] = Path("selfcheck"),
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed of the simulation; the same seed gives the same result")
    ] = 0,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Number of processes [default: processors]; results do not depend on it"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue an interrupted self-check")] = False,
) -> None:
    """Validate facegap by simulation: are planted gaps detected, and none reported where there is none?

    Simulates people whose error rates are known, evaluates them with the statistics of an audit, and reports coverage of the
    intervals, false alarms, power and verdicts. Needs no images, model or network.

    facegap selfcheck --out selfcheck
    """
    from facegap.report.terminal import print_sentences, progress_bar
    from facegap.selfcheck.page import claim_lines
    from facegap.selfcheck.run import PAGE
    from facegap.selfcheck.run import selfcheck as run_selfcheck

    with progress_bar("settings") as progress:
        found = run_selfcheck(
            worlds,
            preset=preset,
            quick=worlds is None if quick is None else quick,
            out=out,
            seed=seed,
            workers=workers,
            resume=resume,
            progress=progress,
        )
    print_sentences(claim_lines(found.claims))
    print_sentences([f"Written to {out}: open {out / PAGE}"])
