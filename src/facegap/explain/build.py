"""`facegap explain RUN`: all estimates of the gaps to a reference group, before and after balancing measured covariates."""

from __future__ import annotations

from pathlib import Path

from facegap.derive.balanced.question import Answer, Progress, explained_run, silent
from facegap.derive.balanced.work import Choices
from facegap.derive.run import all_comparisons_of
from facegap.store.finished import read_finished
from facegap.store.folder import make_empty
from facegap.store.run import Run, fitting_together, write_csv
from facegap.tables import EXPLAIN

TABLE, PAGE = "explain.csv", "explain.html"


def explain(folder: Path, choices: Choices, progress: Progress = silent) -> Answer:
    """Estimate how much of the gaps of a finished run remains after balancing covariates.

    progress : called with the number of finished gaps and their total

    Raises
    ------
    RunError     : if there is no finished run, or it contains no suitable gap
    SettingError : if a covariate, group, metric or reliability is invalid, or a covariate defines the groups
    TableError   : if a grouping or a file of covariates cannot be used
    """
    run = read_finished(folder)
    with fitting_together(folder):
        return explain_run(run, choices, progress)


def explain_run(run: Run, choices: Choices, progress: Progress = silent) -> Answer:
    """Like `explain`, for a run in memory."""
    return explained_run(run, all_comparisons_of(run, "facegap explain"), choices, progress)


def write_explained(found: Answer, out: Path) -> list[str]:
    """Write the table and the page to a new or empty folder; return the file names.

    Raises
    ------
    RunError : if the folder is not empty, or cannot be written
    """
    from facegap.explain.page import write_page

    make_empty(out)
    write_csv(out / TABLE, found.frame, EXPLAIN)
    write_page(out / PAGE, found)
    return [TABLE, PAGE]
