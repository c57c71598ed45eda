"""A finished run, read by commands that only look at it."""

from __future__ import annotations

from pathlib import Path

from facegap.errors import RunError
from facegap.store.run import Run, broken_hashes, fitting_together, read_run

REMADE = ("report.html:", "figures/")  # may be made again at any time; nothing is read from them


def read_finished(folder: Path) -> Run:
    """The run in a folder, after a look at its hashes.

    Raises
    ------
    RunError : no finished run, or its tables are not those that it ended with
    """
    changed = [said for said in broken_hashes(folder) if not said.startswith(REMADE)]
    if changed:
        raise RunError(
            f"{folder}: the run there was changed after its end: {'; '.join(changed[:3])}; run the audit again"
        )
    with fitting_together(folder):
        run = read_run(folder)
        require_record(run, folder)
    return run


def require_record(run: Run, folder: Path) -> None:
    """Raise RunError where run.json lacks what every table is read by."""
    missing = [
        key for key in ("manifest", "models", "groupings", "level", "min_subjects", "timing") if key not in run.record
    ]
    if missing:
        raise RunError(f"{folder}: run.json has no {missing[0]!r}; no run that this version wrote")
