"""Run a suite file and write the leaderboard: one pass over the images of each set, an ordinary run for each model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facegap.audit.phases import REPORT
from facegap.audit.resolved import ResolvedAudit
from facegap.audit.settings import changed
from facegap.audit.together import audit_together, resolved_together
from facegap.errors import FacegapError
from facegap.report.page import add_report
from facegap.store.finished import PAGE, read_finished
from facegap.store.folder import open_folder
from facegap.store.run import Run, write_bytes
from facegap.suite.page import page
from facegap.suite.results import results_json
from facegap.suite.rows import Board, boards_of
from facegap.suite.settings import SUITE, SetPlan, Suite, read_suite

LEADERBOARD, RESULTS = "leaderboard.html", "results.json"
RANKING = "ranking the models"


@dataclass(frozen=True)
class Leaderboard:
    """The result of a suite. folder : with suite.toml, leaderboard.html, results.json and runs/SET/MODEL"""

    title: str
    folder: Path
    boards: tuple[Board, ...]


def run_suite(
    path: Path,
    out: Path,
    *,
    words: Mapping[str, Any],
    resume: bool = False,
    progress: Callable[[int, int], None] = lambda done, total: None,
    phase: Callable[[str], None] = lambda name: None,
) -> Leaderboard:
    """Run the unfinished parts of a suite, and write its leaderboard.

    words    : settings for every audit from the caller, such as models_dir and workers
    resume   : continue in the folder of a suite; finished runs and committed parts are not repeated
    progress : called with the number of finished images and of all images of a set
    phase    : called with the name of each phase

    Raises
    ------
    TableError   : see `read_suite`
    RunError     : the folder has other content, or a run in it differs from the suite file
    FacegapError : errors of a set, with its name
    """
    suite = read_suite(path, out, words={**words, "resume": True})
    plans = [(one, resolved_set(one, progress)) for one in suite.sets]  # fail before the first image if possible
    with open_folder(out, resume=resume, record=SUITE):
        write_bytes(out / SUITE, suite.content)
        for number, (one, audits) in enumerate(plans, start=1):
            phase(f"{number} of {len(plans)}: {one.title}, {len(audits)} models")
            run_set(one, audits, phase)
        phase(RANKING)
        boards = tuple(board for one in suite.sets for board in boards_of_set(one))
        return written(suite, out, boards)


def resolved_set(one: SetPlan, progress: Callable[[int, int], None]) -> list[ResolvedAudit]:
    """The audits of a set, resolved before its first image; errors name the set."""
    with set_named(one):
        return resolved_together(one.manifest, [changed(audit.settings, progress=progress) for audit in one.audits])


def boards_of_set(one: SetPlan) -> list[Board]:
    """The boards of the finished runs of a set; errors name the set."""
    with set_named(one):
        return boards_of(one, finished(one))


@contextmanager
def set_named(one: SetPlan) -> Iterator[None]:
    """Add the name of the set to errors."""
    try:
        yield
    except FacegapError as error:
        raise type(error)(f"[[set]] {one.name}: {error}") from error


def run_set(one: SetPlan, audits: list[ResolvedAudit], phase: Callable[[str], None]) -> None:
    """The runs of a set, each with its report."""
    runs = audit_together(audits)
    lacking = [
        (audit.settings.output.folder, run)
        for audit, run in zip(one.audits, runs, strict=True)
        if audit.settings.output.folder is not None and not (audit.settings.output.folder / PAGE).is_file()
    ]
    if lacking:
        phase(REPORT)
    for folder, run in lacking:
        add_report(folder, run, include_ids=False)


def finished(one: SetPlan) -> dict[str, Run]:
    """The finished runs of a set by model."""
    folders = {audit.name: audit.settings.output.folder for audit in one.audits}
    return {name: read_finished(folder) for name, folder in folders.items() if folder is not None}


def written(suite: Suite, out: Path, boards: tuple[Board, ...]) -> Leaderboard:
    """Write the page and results.json."""
    write_bytes(out / RESULTS, results_json(suite.title, suite.content, boards, out).encode())
    write_bytes(out / LEADERBOARD, page(suite.title, boards, out).encode())
    return Leaderboard(suite.title, out, boards)
