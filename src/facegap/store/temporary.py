"""Temporary folders for names, images and templates, deleted at the end of a block or, after a kill, by a later command.

A folder is locked for as long as its process lives. A folder without a lock was left by a killed process and is deleted by the
next command of the same account that creates one here. On Windows, where folders cannot be locked this way, it remains.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = "facegap-held-"


@contextlib.contextmanager
def temporary_folder() -> Iterator[Path]:
    """Create an empty folder that only its owner can enter, and delete it at the end of the block.

    Raises
    ------
    OSError : If it cannot be created.
    """
    remove_abandoned(Path(tempfile.gettempdir()))
    folder, lock = locked_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def remove_abandoned(place: Path) -> None:
    """Delete this account's temporary folders whose process has ended, and nothing else."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(place):
            if entry.name.startswith(PREFIX):
                remove_if_abandoned(Path(entry.path))


def locked_folder() -> tuple[Path, int | None]:
    """Create a folder and return it with the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        if sys.platform == "win32":
            return folder, None
        import fcntl

        with contextlib.suppress(FileNotFoundError):  # another process deleted it as abandoned before it was locked
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            with contextlib.suppress(OSError):  # without file locks, no folder is considered abandoned
                fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock).st_nlink:
                return folder, lock
            os.close(lock)


def remove_if_abandoned(folder: Path) -> None:
    """Delete a folder that only this account can use and no process has locked."""
    if sys.platform == "win32":
        return
    import fcntl

    with contextlib.suppress(OSError):
        held = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            kind = os.fstat(held)
            if kind.st_uid == os.getuid() and stat.S_IMODE(kind.st_mode) == stat.S_IRWXU:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(held)
