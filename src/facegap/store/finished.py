"""A finished run, read by commands that only look at it."""

from __future__ import annotations

import shutil
from pathlib import Path

from facegap.errors import RunError
from facegap.store.run import Run, broken_hashes, explained, finish, fitting_together, read_run, remove_leftovers

PAGE, FIGURES = "report.html", "figures"
REMADE = (f"{PAGE}:", f"{FIGURES}/")  # may be made again at any time; nothing is read from them


def changes_that_count(folder: Path) -> list[str]:
    """What differs from SHA256SUMS, the report and its figures left aside."""
    return [said for said in broken_hashes(folder) if not said.startswith(REMADE)]


def read_finished(folder: Path) -> Run:
    """The run in a folder, after a look at its hashes.

    Raises
    ------
    RunError : no finished run, or its tables are not those that it ended with
    """
    if changed := changes_that_count(folder):
        raise RunError(
            f"{folder}: the run in it was changed after it finished: {'; '.join(changed[:3])}; run the audit again "
            f"with another --out"
        )
    with fitting_together(folder):
        return read_run(folder)


def taken_up_whole(folder: Path) -> Run:
    """The run of a folder that is to be resumed and reached its end, though perhaps not the end of its report.

    Raises
    ------
    RunError : it was changed after it finished
    """
    remove_leftovers(folder)  # of a kill between the end of the run and the removal of its parts
    without_broken_report(folder)
    return read_finished(folder)


def without_broken_report(folder: Path) -> None:
    """Take a report that was broken off, or changed, out of a finished run, and hash the run without it.

    A kill while figures are written leaves some that no hash is of. They say nothing that the tables do not say.

    Raises
    ------
    RunError : something else differs as well; then nothing is removed
    """
    broken = broken_hashes(folder)
    if not broken:
        return
    if changed := changes_that_count(folder):
        raise RunError(
            f"{folder}: the run in it was changed after it finished: {'; '.join(changed[:3])}; choose another --out"
        )
    with explained(folder):
        (folder / PAGE).unlink(missing_ok=True)
        if (folder / FIGURES).exists():
            shutil.rmtree(folder / FIGURES)
    finish(folder)
