"""The auditor audited: planted worlds whose truth is known."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facegap.cli.app import PROOF, app

if TYPE_CHECKING:
    from facegap.simulate.planted_run import OwnPower
    from facegap.store import Run


@app.command(rich_help_panel=PROOF)
def calibrate(
    worlds: Annotated[
        Path | None, typer.Option(help="TOML that names the worlds, see docs/calibrate.md", show_default=False)
    ] = None,
    preset: Annotated[
        Literal["small", "medium", "nist-like"], typer.Option(help="Worlds that come with facegap, without --worlds")
    ] = "medium",
    quick: Annotated[bool, typer.Option("--quick", help="Fewer worlds, under a minute")] = False,
    out: Annotated[Path, typer.Option(help="New folder for calibration.html and calibration.json")] = Path("calibration"),
    seed: Annotated[int, typer.Option(min=0, help="Of all draws; one seed, one result")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Processes [default: processors]; the numbers do not depend on it")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with a calibration that was broken off")] = False,
    run: Annotated[
        Path | None,
        typer.Option(help="Instead: a finished run folder, to say which gaps between its own groups it could have found",
                     show_default=False),
    ] = None,
) -> None:
    """Prove facegap on itself: does it find planted gaps, and none where there is none?

    Draws people whose error rates are known, audits them with the statistics of an audit, and says what holds: how often
    the intervals hold the truth, false alarms, power, verdicts. No image, no model, no network.

    facegap calibrate --preset small --quick --out calibration

    facegap calibrate --run run
    """
    if run is not None:
        print_own(run, seed, workers)
        return
    from facegap.commands.calibrate import PAGE
    from facegap.commands.calibrate import calibrate as run_calibration
    from facegap.report.calibration import claim_lines
    from facegap.report.terminal import print_sentences, progress_bar

    with progress_bar("settings") as progress:
        found = run_calibration(
            worlds, preset=preset, quick=quick, out=out, seed=seed, workers=workers, resume=resume, progress=progress
        )
    print_sentences(claim_lines(found.claims))
    print_sentences([f"Written to {out}: open {out / PAGE}"])


def print_own(run: Path, seed: int, workers: int | None) -> None:
    """Plant gaps between the groups of a finished run, attach the page to it, and print what it says."""
    from facegap.commands.own_calibration import calibrate_run
    from facegap.report.terminal import progress_bar

    with progress_bar("draws") as progress:
        powers, left_out = calibrate_run(run, seed=seed, workers=workers, progress=progress)
    print_powers(run, powers, left_out)


def attach_calibration(run: Run, folder: Path, *, seed: int, workers: int | None) -> None:
    """`print_own` for an audit that has just ended."""
    from facegap.commands.own_calibration import add_own_calibration
    from facegap.report.terminal import progress_bar

    with progress_bar("draws") as progress:
        powers, left_out = add_own_calibration(folder, run, seed=seed, workers=workers, progress=progress)
    print_powers(folder, powers, left_out)


def print_powers(run: Path, powers: Sequence[OwnPower], left_out: Sequence[str]) -> None:
    """What a run could have found: tables, sentences, and where the page is."""
    from facegap.commands.calibrate import PAGE
    from facegap.report.own_calibration import own_lines, own_tables
    from facegap.report.terminal import print_sentences, print_tables

    print_tables(own_tables(powers))
    print_sentences([*own_lines(powers, left_out), f"Written to {run / PAGE}"])
