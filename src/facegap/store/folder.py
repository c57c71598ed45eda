"""Open, lock, finish and reopen a run folder.

The folder is 0700 and its files 0600: faces and templates are biometric data.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from facegap.errors import RunError
from facegap.store.begun import RECORD, SUMS
from facegap.store.checksums import PARTS, THRESHOLD_SET, hashed_files, require_unsealed, sums_of
from facegap.store.files import LOCK, explained, is_scratch, require_own_files, require_text_name, write_bytes
from facegap.store.opened import NOFOLLOW


@contextlib.contextmanager
def open_folder(folder: Path, *, resume: bool, record: str = RECORD) -> Iterator[None]:
    """Create a run folder, or reopen it with `resume`, and lock it until the end of the block.

    Temporary files of killed processes are deleted.

    Raises
    ------
    RunError : If the folder is not empty and `resume` is false, is locked or not writable, or its name is not UTF-8.
    """
    require_text_name(folder)
    with explained(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_usable(folder, resume=resume, record=record)
        folder.chmod(0o700)
        lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | NOFOLLOW, 0o600)
    try:
        try:
            hold_alone(lock)
        except (BlockingIOError, PermissionError) as error:  # the second on Windows
            raise RunError(f"{folder}: another process is writing this run; wait until it ends") from error
        with explained(folder):
            # again: another process may have written a run in the meantime
            require_usable(folder, resume=resume, record=record)
            remove_scratch(folder)
        yield
    finally:
        os.close(lock)


def make_empty(folder: Path) -> None:
    """Create a folder for results that are written at once, readable only by its owner.

    Raises
    ------
    RunError : If the folder is not empty or cannot be created.
    """
    with explained(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RunError(f"{folder}: not empty; choose another --out")
        folder.chmod(0o700)


def hold_alone(lock: int) -> None:
    """Lock an open file until it is closed; raises OSError if another process has locked it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def require_usable(folder: Path, *, resume: bool, record: str = RECORD) -> None:
    """Raise RunError unless a folder is empty or missing, or contains a run to resume."""
    occupied = any(not is_scratch(entry) for entry in folder.iterdir())
    if occupied and not resume:
        raise RunError(f"{folder}: not empty; choose another --out, or continue that run with --resume")
    if occupied and not (folder / record).is_file():
        raise RunError(f"{folder}: contains no run to resume (no {record}); choose another --out")
    require_own_files(folder)


def finish(folder: Path, *, keep_embeddings: bool = True) -> None:
    """Write SHA256SUMS, which marks the run as finished, then delete the parts; a kill in between loses nothing."""
    require_unsealed(folder)
    with explained(folder):
        (folder / THRESHOLD_SET / "embeddings.npy").unlink(missing_ok=True)  # only their counts are results
        if not keep_embeddings:
            (folder / "embeddings.npy").unlink(missing_ok=True)
        write_bytes(folder / SUMS, sums_of(hashed_files(folder), folder).encode())
    remove_leftovers(folder)


def remove_leftovers(folder: Path) -> None:
    """Delete the parts of a finished run and the temporary files of killed processes."""
    with explained(folder):
        for place in (folder, folder / THRESHOLD_SET):
            if (place / PARTS).exists():
                shutil.rmtree(place / PARTS)
        remove_scratch(folder)


def remove_scratch(folder: Path) -> None:
    """Delete the temporary files of killed processes. The folder is locked, so no writer is running."""
    for place in (folder, folder / THRESHOLD_SET):
        for left in place.glob(".*.tmp"):
            left.unlink(missing_ok=True)


def reopen(folder: Path) -> None:
    """Delete the results of a finished run so that it runs again; files stored next to its parts are kept."""
    require_unsealed(folder)
    with explained(folder):
        (folder / SUMS).unlink(missing_ok=True)
        (folder / "embeddings.npy").unlink(missing_ok=True)
        if (folder / PARTS).exists():
            shutil.rmtree(folder / PARTS)
