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
        return read_run(folder)
