"""Temporary folders for names, pictures and templates: they go at the end of a block, and after a kill with the next one.

A folder is locked for as long as its process lives. What a killed process left has no lock any more, and is removed by the
next command of the same account that makes a folder here. On Windows, where a folder has no such lock, it stays.
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
    """An empty folder that only its owner can enter, removed at the end of the block.

    Raises
    ------
    OSError : it cannot be made
    """
    remove_abandoned(Path(tempfile.gettempdir()))
    folder, lock = held_folder()
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        if lock is not None:
            os.close(lock)


def remove_abandoned(place: Path) -> None:
    """Remove the temporary folders of this account whose process has ended; whatever else is there stays."""
    with contextlib.suppress(OSError):
        for entry in os.scandir(place):
            if entry.name.startswith(PREFIX):
                remove_if_abandoned(Path(entry.path))


def held_folder() -> tuple[Path, int | None]:
    """A new folder, and the descriptor that holds its lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        if sys.platform == "win32":
            return folder, None
        import fcntl

        with contextlib.suppress(FileNotFoundError):  # another process took it for abandoned before it was locked
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            with contextlib.suppress(OSError):  # a file system without locks: nobody there takes a folder for abandoned
                fcntl.flock(lock, fcntl.LOCK_EX)
            if os.fstat(lock).st_nlink:
                return folder, lock
            os.close(lock)


def remove_if_abandoned(folder: Path) -> None:
    """Remove a folder that is this account's alone and that no process holds."""
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
