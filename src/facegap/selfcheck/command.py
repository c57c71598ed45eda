"""facegap validated by simulation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def selfcheck(
    worlds: Annotated[
        Path | None, typer.Option(help="TOML that names the worlds, see docs/selfcheck.md", show_default=False)
    ] = None,
    preset: Annotated[
        Literal["bands", "small", "medium"], typer.Option(help="Worlds that come with facegap, without --worlds")
    ] = "bands",
    quick: Annotated[
        bool | None,
        typer.Option(
            "--quick/--long",
            help="Fewer worlds, or as many as the file says [default: --quick with a preset, --long with --worlds]",
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path, typer.Option(help="New folder for selfcheck.html and selfcheck.json")] = Path("selfcheck"),
    seed: Annotated[int, typer.Option(min=0, help="Of all draws; one seed, one result")] = 0,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes [default: processors]; the numbers do not depend on it"),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a self-check that was broken off")] = False,
) -> None:
    """Validate facegap by simulation: are planted gaps detected, and none reported where there is none?

    Draws people whose error rates are known, audits them with the statistics of an audit, and says what holds: how often
    the intervals hold the truth, false alarms, power, verdicts. No image, no model, no network.

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
