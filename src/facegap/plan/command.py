"""What a set of people can show."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def plan(
    run: Annotated[Path, typer.Option(help="A finished run folder", show_default=False)],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the simulation")] = 0,
    workers: Annotated[int | None, typer.Option(min=1, max=256, help="Processes [default: processors]")] = None,
) -> None:
    """Say which gaps between its own groups a run could have found: its power.

    facegap plan --run run
    """
    from facegap.plan.page import own_lines, own_tables
    from facegap.plan.run import PAGE, power_of_finished_run
    from facegap.report.terminal import print_sentences, print_tables, progress_bar

    with progress_bar("simulations") as progress:
        powers, left_out = power_of_finished_run(run, seed=seed, workers=workers, progress=progress)
    print_tables(own_tables(powers))
    print_sentences([*own_lines(powers, left_out), f"Written to {run / PAGE}"])
