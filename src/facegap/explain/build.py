"""`facegap explain RUN`: every estimate of every gap to one group, before and after balancing measured covariates."""

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
    """Look into the gaps of a finished run.

    progress : is told of gaps done, and gaps in all

    Raises
    ------
    RunError     : no finished run, or nothing in it that could be looked into
    SettingError : a covariate, group, metric or reliability that cannot be; a covariate that is part of the groups
    TableError   : a grouping or a file of covariates that cannot be used
    """
    run = read_finished(folder)
    with fitting_together(folder):
        return explain_run(run, choices, progress)


def explain_run(run: Run, choices: Choices, progress: Progress = silent) -> Answer:
    """Look into the gaps of a run in memory."""
    return explained_run(run, all_comparisons_of(run, "facegap explain"), choices, progress)


def write_explained(found: Answer, out: Path) -> list[str]:
    """Write the table and the page to a folder that is new or empty; the names of the files.

    Raises
    ------
    RunError : the folder holds something, or cannot be written
    """
    from facegap.explain.page import write_page

    make_empty(out)
    write_csv(out / TABLE, found.frame, EXPLAIN)
    write_page(out / PAGE, found)
    return [TABLE, PAGE]
