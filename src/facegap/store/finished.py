"""Read a finished run for commands that do not change it."""

from __future__ import annotations

import shutil
from pathlib import Path

from facegap.errors import RunError
from facegap.store.run import Run, broken_hashes, explained, finish, fitting_together, read_run, remove_leftovers

PAGE, FIGURES = "report.html", "figures"
REMADE = (f"{PAGE}:", f"{FIGURES}/")  # can be regenerated at any time; never read


def changes_that_count(folder: Path) -> list[str]:
    """Return the discrepancies with SHA256SUMS, ignoring the report and its figures."""
    return [said for said in broken_hashes(folder) if not said.startswith(REMADE)]


def read_finished(folder: Path) -> Run:
    """Verify the hashes of a run and read it.

    Raises
    ------
    RunError : If the run is not finished, or its tables were changed afterwards.
    """
    if changed := changes_that_count(folder):
        raise RunError(
            f"{folder}: the run in it was changed after it finished: {'; '.join(changed[:3])}; run the audit again "
            f"with another --out"
        )
    with fitting_together(folder):
        return read_run(folder)


def read_to_resume(folder: Path) -> Run:
    """Read a finished run for --resume; its report may be incomplete.

    Raises
    ------
    RunError : If the run was changed after it finished.
    """
    remove_leftovers(folder)  # from a kill after the end of the run, before its parts were deleted
    remove_broken_report(folder)
    return read_finished(folder)


def remove_broken_report(folder: Path) -> None:
    """Delete an incomplete or changed report from a finished run, and hash the run without it.

    A kill while figures are written leaves figures without a hash. They can be regenerated from the tables.

    Raises
    ------
    RunError : If anything else differs as well; then nothing is deleted.
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
