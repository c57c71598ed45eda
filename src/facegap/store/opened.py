"""Files that somebody else may change while they are read: opened once, without waiting, and looked at only when open.

Between a check of a name and the opening of that name anybody who may write in the folder can put a link or a pipe in its
place. So the name is opened first, without following a link and without waiting for the other end of a pipe; what was
opened is then asked what it is, and read from that descriptor within its bound.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator, Sequence
from io import BufferedReader
from pathlib import Path, PurePosixPath

# 0 where the platform has no such flag: then the check of the open file is what remains. O_BINARY is of Windows, which would
# else end lines anew and end a file at the first Ctrl-Z.
NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_UNFOLLOWED = NOFOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_FOLDER = getattr(os, "O_DIRECTORY", 0) | getattr(os, "O_CLOEXEC", 0)


class NotRegularError(OSError):
    """What was opened is a folder, a pipe, a device or a socket."""

    def __init__(self) -> None:
        super().__init__("not a regular file")
        self.strerror = "not a regular file"


class TooLargeError(OSError):
    """What was opened has more bytes than the bound. size, most : bytes"""

    def __init__(self, size: int, most: int) -> None:
        super().__init__(f"{size:,} bytes, more than the limit of {most:,}")
        self.strerror = str(self)
        self.size, self.most = size, most


@contextlib.contextmanager
def opened(path: Path, *, follow: bool = True) -> Iterator[BufferedReader]:
    """A regular file, open for reading from its start.

    Parameters
    ----------
    path
        The file.
    follow
        Whether the name itself may be a link. A table that a person names on the command line may be one; a file of a run
        folder or of a manifest may not.

    Raises
    ------
    NotRegularError
        A folder, pipe, device or socket; a pipe is not waited for.
    OSError
        It cannot be opened; ELOOP for a link with ``follow=False``.
    ValueError
        A name that no file can have.

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
    """A regular file below a folder, open for reading, with no link followed on the way from that folder.

    Parameters
    ----------
    root
        The folder, which may itself be reached through links: whoever names it trusts it.
    relative
        Path from it with ``/`` between the parts, as in the column ``path`` of a manifest. ``..`` is gone up.

    Raises
    ------
    NotRegularError, OSError, ValueError
        As `opened`; a link at any part is an OSError.

    Notes
    -----
    Windows opens nothing relative to an open folder. There each part is looked at by its name before the file is opened, so that
    who may write in the folder can still swap one in between.
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
    """A folder below a root, opened once to read small pieces of many of its files.

    Parameters
    ----------
    root, inside
        As of `opened_below`; `inside` is empty for the root itself.

    Raises
    ------
    OSError, ValueError
        As `opened_below`; a link at any part of `inside` is an OSError.
    """

    def __init__(self, root: Path, inside: str) -> None:
        self._root, self._inside = root, inside
        self._place = _descended(root, PurePosixPath(inside).parts) if os.open in os.supports_dir_fd else None

    def read_at(self, name: str, start: int, most: int) -> bytes:
        """At most `most` bytes of a file of this folder from byte `start` on; OSError for a link, a folder or a pipe."""
        if self._place is None:
            found = _opened_by_names(self._root, str(PurePosixPath(self._inside, name)))
        else:
            found = os.open(name, os.O_RDONLY | _UNFOLLOWED, dir_fd=self._place)
        try:
            return os.pread(found, most, start)
        finally:
            os.close(found)

    def close(self) -> None:
        """Let go of the folder."""
        if self._place is not None:
            os.close(self._place)
            self._place = None


def _descended(root: Path, folders: Sequence[str]) -> int:
    """The descriptor of a folder below another, no link followed on the way; folders that begin with `/` begin there."""
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
    """A folder inside an open one; a link in its place is ELOOP, where some systems would say that it is no folder."""
    try:
        return os.open(part, os.O_RDONLY | _FOLDER | NOFOLLOW, dir_fd=place)
    except NotADirectoryError as error:
        if stat.S_ISLNK(os.lstat(part, dir_fd=place).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP)) from error
        raise


def _opened_by_names(root: Path, relative: str) -> int:
    """A file below a folder where the system opens nothing relative to a folder: every part is asked whether it is a link."""
    path = Path(relative)
    place, parts = (Path(path.anchor), path.parts[1:]) if path.is_absolute() else (root, path.parts)
    for part in parts:
        place /= part
        if place.is_symlink() or _is_junction(place):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
    return os.open(place, os.O_RDONLY | _UNFOLLOWED)


def _is_junction(path: Path) -> bool:
    """Whether a folder is a junction of Windows, which leads elsewhere as a link does."""
    tag = getattr(os.lstat(path), "st_reparse_tag", 0)  # of Windows alone
    return tag == getattr(stat, "IO_REPARSE_TAG_MOUNT_POINT", -1)


@contextlib.contextmanager
def _regular(descriptor: int) -> Iterator[BufferedReader]:
    """An open descriptor as a file; closed, and refused, where it is no regular one."""
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
    """All bytes of an open file, at most `most`; one that grows while it is read is cut where it ended when it was opened.

    Raises
    ------
    TooLargeError
        More than `most` bytes.
    """
    size = os.fstat(file.fileno()).st_size
    if size > most:
        raise TooLargeError(size, most)
    return file.read(size)  # of this size and no more: a buffer of the bound would be taken for a small file, too


def read_file(path: Path, most: int, *, follow: bool = True) -> bytes:
    """All bytes of a regular file; raises what `opened` and `read_within` raise."""
    with opened(path, follow=follow) as file:
        return read_within(file, most)
