"""The folder of a run from the first file to SHA256SUMS: held against a second process, ended, or entered again.

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
    """Make (or with `resume` enter) a run folder and hold it against a second process until the end of the block.

    What killed writers left there is removed.

    Raises
    ------
    RunError : not empty without `resume`; held by another process; not writable; a name that is not UTF-8
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
        except (BlockingIOError, PermissionError) as error:  # the second is of Windows
            raise RunError(f"{folder}: another process is writing this run; wait until it ends") from error
        with explained(folder):
            # again: another process may have begun and ended a run since
            require_usable(folder, resume=resume, record=record)
            remove_scratch(folder)
        yield
    finally:
        os.close(lock)


def make_empty(folder: Path) -> None:
    """Make the folder of results that are written in one go, readable by its owner alone.

    Raises
    ------
    RunError : something is in it, or it cannot be written
    """
    with explained(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise RunError(f"{folder}: not empty; choose another --out")
        folder.chmod(0o700)


def hold_alone(lock: int) -> None:
    """Hold an open file against other processes until it is closed; an OSError where another one holds it."""
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(lock, msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


def require_usable(folder: Path, *, resume: bool, record: str = RECORD) -> None:
    """Raise RunError unless a folder is free for a new run, or holds one to resume."""
    occupied = any(not is_scratch(entry) for entry in folder.iterdir())
    if occupied and not resume:
        raise RunError(f"{folder}: not empty; choose another --out, or continue that run with --resume")
    if occupied and not (folder / record).is_file():
        raise RunError(f"{folder}: contains no run to resume (no {record}); choose another --out")
    require_own_files(folder)


def finish(folder: Path, *, keep_embeddings: bool = True) -> None:
    """Write SHA256SUMS, from where on the run is whole, then remove the parts: a kill in between loses nothing."""
    require_unsealed(folder)
    with explained(folder):
        (folder / THRESHOLD_SET / "embeddings.npy").unlink(missing_ok=True)  # only their counts are results
        if not keep_embeddings:
            (folder / "embeddings.npy").unlink(missing_ok=True)
        write_bytes(folder / SUMS, sums_of(hashed_files(folder), folder).encode())
    remove_leftovers(folder)


def remove_leftovers(folder: Path) -> None:
    """Remove the parts of a whole run, and what killed writers left."""
    with explained(folder):
        for place in (folder, folder / THRESHOLD_SET):
            if (place / PARTS).exists():
                shutil.rmtree(place / PARTS)
        remove_scratch(folder)


def remove_scratch(folder: Path) -> None:
    """Remove what killed writers left; the folder is held, so that none of them is alive."""
    for place in (folder, folder / THRESHOLD_SET):
        for left in place.glob(".*.tmp"):
            left.unlink(missing_ok=True)


def reopen(folder: Path) -> None:
    """Make a whole run one that is to be run again: its results go, what was kept beside its parts stays."""
    require_unsealed(folder)
    with explained(folder):
        (folder / SUMS).unlink(missing_ok=True)
        (folder / "embeddings.npy").unlink(missing_ok=True)
        if (folder / PARTS).exists():
            shutil.rmtree(folder / PARTS)
