"""Open files that someone else may change while they are read: open first, without blocking, and check the open file.

Between a check of a path and its opening, anyone with write access to the folder can replace it by a link or a pipe. The path is
therefore opened first, without following a link and without waiting for the other end of a pipe. The type of the open file is
then checked, and it is read through that descriptor up to a limit.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path, PurePosixPath

# 0 if the platform has no such flag; the check of the open file still applies. Windows needs O_BINARY: it would otherwise
# convert line ends and end a file at the first Ctrl-Z.
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_UNFOLLOWED = NOFOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class NotRegularError(OSError):
    """The path is a folder, pipe, device or socket."""

    def __init__(self) -> None:
        super().__init__("not a regular file")
        self.strerror = "not a regular file"


class TooLargeError(OSError):
    """The file is larger than the limit. size, most : bytes"""

    def __init__(self, size: int, most: int) -> None:
        super().__init__(f"{size:,} bytes, more than the limit of {most:,}")
        self.strerror = str(self)
        self.size, self.most = size, most


@contextlib.contextmanager
def opened(path: Path, *, follow: bool = True) -> Iterator[BufferedReader]:
    """Open a regular file for reading.

    Parameters
    ----------
    path
        The file.
    follow
        Whether the path itself may be a link. A table named on the command line may be one; a file of a run
        folder or of a manifest may not.

    Raises
    ------
    NotRegularError
        If the path is a folder, pipe, device or socket; opening a pipe does not block.
    OSError
        If the file cannot be opened; ELOOP for a link with ``follow=False``.
    ValueError
        If the path is not a valid file name.

    Examples
    --------
    >>> from pathlib import Path
    >>> with opened(Path(__file__)) as file:
    ...     file.read(3)
    b'\"\"\"'
    """
    flags = _UNFOLLOWED & ~NOFOLLOW if follow else _UNFOLLOWED
    with _regular(os.open(path, os.O_RDONLY | flags)) as file:
        yield file


@contextlib.contextmanager
def opened_below(root: Path, relative: str) -> Iterator[BufferedReader]:
    """Open a regular file below a folder for reading, without following any link below that folder.

    Parameters
    ----------
    root
        Folder that the user named and therefore trusts; its own path may contain links.
    relative
        Path relative to it, with ``/`` as separator, as in the column ``path`` of a manifest. ``..`` leads up.

    Raises
    ------
    NotRegularError, OSError, ValueError
        As raised by `opened`; a link in any part of the path is an OSError.

    Notes
    -----
    Windows cannot open a path relative to an open folder. There each part is checked by name before the file is opened, so
    someone with write access to the folder can still insert a link in between.
    """
    if os.open not in os.supports_dir_fd:
        with _regular(_opened_by_names(root, relative)) as file:
            yield file
        return
    *folders, name = PurePosixPath(relative).parts
    place = _descended(root, folders)
    try:
        found = os.open(name, os.O_RDONLY | _UNFOLLOWED, dir_fd=place)
    finally:
        os.close(place)
    with _regular(found) as file:
        yield file


class OpenFolder:
    """A folder below a root, opened once to read short ranges of many of its files.

    Parameters
    ----------
    root, inside
        As for `opened_below`; `inside` is empty for the root itself.

    Raises
    ------
    OSError, ValueError
        As raised by `opened_below`; a link in any part of `inside` is an OSError.
    """

    def __init__(self, root: Path, inside: str) -> None:
        self._root, self._inside = root, inside
        self._place = _descended(root, PurePosixPath(inside).parts) if os.open in os.supports_dir_fd else None

    def read_at(self, name: str, start: int, most: int) -> bytes:
        """Read up to `most` bytes of a file in this folder, from byte `start`; OSError for a link, folder or pipe."""
        if self._place is None:
            found = _opened_by_names(self._root, str(PurePosixPath(self._inside, name)))
        else:
            found = os.open(name, os.O_RDONLY | _UNFOLLOWED, dir_fd=self._place)
        try:
            return os.pread(found, most, start)
        finally:
            os.close(found)

    def close(self) -> None:
        """Close the folder."""
        if self._place is not None:
            os.close(self._place)
            self._place = None


def _descended(root: Path, folders: Sequence[str]) -> int:
    """Open a folder below another without following links and return its descriptor; `/` restarts at the root."""
    absolute = list(folders[:1]) == ["/"]
    place = os.open("/" if absolute else root, os.O_RDONLY | _FOLDER)
    try:
        for part in folders[1:] if absolute else folders:
            inner = _folder_in(place, part)
            os.close(place)
            place = inner
    except BaseException:
        os.close(place)
        raise
    return place


def _folder_in(place: int, part: str) -> int:
    """Open a folder inside an open one; a link raises ELOOP, also on systems that would report ENOTDIR."""
    try:
        return os.open(part, os.O_RDONLY | _FOLDER | NOFOLLOW, dir_fd=place)
    except NotADirectoryError as error:
        if stat.S_ISLNK(os.lstat(part, dir_fd=place).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
        raise


def _opened_by_names(root: Path, relative: str) -> int:
    """Open a file below a folder on a system without relative opening; each part is checked for links by name."""
    path = Path(relative)
    place, parts = (Path(path.anchor), path.parts[1:]) if path.is_absolute() else (root, path.parts)
    for part in parts:
        place /= part
        if place.is_symlink() or _is_junction(place):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return os.open(place, os.O_RDONLY | _UNFOLLOWED)


def _is_junction(path: Path) -> bool:
    """Return whether a folder is a Windows junction, which acts like a link."""
    tag = getattr(os.lstat(path), "st_reparse_tag", 0)  # only on Windows
    return tag == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)


@contextlib.contextmanager
def _regular(descriptor: int) -> Iterator[BufferedReader]:
    """Wrap a descriptor in a file object; close it and raise NotRegularError if it is not a regular file."""
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise NotRegularError
        file = os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise
    with file:
        yield file


def read_within(file: BufferedReader, most: int) -> bytes:
    """Read an open file of at most `most` bytes; bytes appended after the size check are not read.

    Raises
    ------
    TooLargeError
        If the file has more than `most` bytes.
    """
    size = os.fstat(file.fileno()).st_size
    if size > most:
        raise TooLargeError(size, most)
    return file.read(size)  # not the limit, which would allocate a large buffer even for a small file


def read_file(path: Path, most: int, *, follow: bool = True) -> bytes:
    """Read a regular file; raises the errors of `opened` and `read_within`."""
    with opened(path, follow=follow) as file:
        return read_within(file, most)
