"""Several models on several data sets, and one leaderboard."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegap.options import Verbose


def suite(
    file: Annotated[Path, typer.Argument(help="TOML file with the models and data sets", show_default=False)],
    out: Annotated[Path, typer.Option(help="Suite folder to create")] = Path("suite"),
    resume: Annotated[
        bool, typer.Option("--resume", help="Continue an interrupted suite; completed audits are not repeated")
    ] = False,
    models_dir: Annotated[
        list[Path] | None,
        typer.Option(help="Folder with .onnx files; repeatable. FACEGAP_MODELS adds more folders"),
    ] = None,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Number of parts of a manifest to process in parallel [default: processors]"),
    ] = None,
    no_isolation: Annotated[
        bool,
        typer.Option("--no-isolation", help="Run models in this process, without restrictions; recorded in the runs"),
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Which of these models? One pass over the images of each set, a run for each model, and one leaderboard.

    Models are ranked on the same people, with all ranks that the data cannot rule out. The folder contains leaderboard.html,
    results.json, and runs/SET/MODEL, each an ordinary run for report, compare and explore. Use --resume to continue an
    interrupted suite, or one with an additional model or set.

    facegap suite suite.toml --out suite
    """
    from facegap.report.terminal import announce, print_sentences, print_tables, progress_bar
    from facegap.suite.run import LEADERBOARD, RESULTS, run_suite
    from facegap.suite.text import board_table, differences_table, findings, thresholds_table

    given = (("models_dir", models_dir), ("workers", workers), ("no_isolation", no_isolation))
    words = {name: value for name, value in given if value}
    with progress_bar() as progress:
        found = run_suite(file, out, words=words, resume=resume, progress=progress, phase=announce)
    for board in found.boards:
        further = [differences_table(board), thresholds_table(board)] if verbose else []
        print_tables([board_table(board), *(table for table in further if table.rows)])
        print_sentences([""])
    print_sentences(findings(found.boards))
    print_sentences(["", f"Written to {out}: {LEADERBOARD}, {RESULTS}, runs/SET/MODEL"])
