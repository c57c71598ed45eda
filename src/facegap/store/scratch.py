"""Arrays of many millions of rows outside private memory, in mapped temporary files without a name.

The files are in the folder for temporary files (set TMPDIR to use another). No other process can open them. The system frees
them when the last array that uses them is deleted or the process ends, even if it is killed.
"""

from __future__ import annotations

import contextlib
import math
import mmap
import os
import tempfile
import weakref
from collections.abc import Iterator
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from facegap.errors import RunError
from facegap.types import AnyArray, BoolArray, IntArray

LEAST_MAPPED = 16 * 2**20  # bytes; smaller arrays are kept in memory
CHUNK = 2**20  # rows processed at once


def rows_at_once() -> int:
    """CHUNK, looked up at each call so that tests can lower it."""
    return CHUNK


def chunks(rows: int) -> Iterator[slice]:
    """Slices of at most CHUNK rows that cover all of them, in order.

    Examples
    --------
    >>> list(chunks(3))
    [slice(0, 3, None)]
    """
    for start in range(0, rows, CHUNK):
        yield slice(start, min(start + CHUNK, rows))


def scratch(shape: int | tuple[int, ...], dtype: DTypeLike) -> AnyArray:
    """A writable array of zeros; a large one uses disk space instead of private memory.

    Raises
    ------
    RunError : not enough disk space for temporary files
    """
    kind = np.dtype(dtype)
    size = kind.itemsize * math.prod((shape,) if isinstance(shape, int) else shape)
    if size < LEAST_MAPPED:
        return np.zeros(shape, kind)
    with explained(size), tempfile.TemporaryFile() as file:
        if hasattr(os, "posix_fallocate"):  # otherwise a full disk would kill the process at a later write
            os.posix_fallocate(file.fileno(), 0, size)
        else:
            file.truncate(size)
        return mapped(file, kind).reshape(shape)


class Column:
    """Values that are appended in pieces. dtype : of all values"""

    def __init__(self, dtype: DTypeLike) -> None:
        self._dtype = np.dtype(dtype)
        self._held: list[AnyArray] = []
        self._bytes = 0
        self._file: BinaryIO | None = None

    def append(self, values: ArrayLike) -> None:
        """Append values. Raises RunError if there is not enough disk space."""
        piece = np.array(values, self._dtype)
        self._bytes += piece.nbytes
        self._held.append(piece)
        if self._bytes < LEAST_MAPPED and self._file is None:
            return
        with explained(self._bytes):
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115  # stays open until the last piece
                weakref.finalize(self, self._file.close)
            for held in self._held:
                self._file.write(held.data)
        self._held.clear()

    def array(self) -> AnyArray:
        """All values. Nothing can be appended afterwards."""
        if self._file is None:
            return np.concatenate([np.empty(0, self._dtype), *self._held])
        with explained(self._bytes), self._file as file:
            file.flush()
            return mapped(file, self._dtype)


def mapped(file: Any, dtype: np.dtype[Any]) -> AnyArray:
    """The content of an open file as an array, which stays valid after the file is closed."""
    return np.frombuffer(mmap.mmap(file.fileno(), 0), dtype)


@contextlib.contextmanager
def explained(size: int) -> Iterator[None]:
    """Turn an error of the file system into a RunError that says what to do. size : bytes requested"""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{tempfile.gettempdir()}: {size:,} bytes of temporary files cannot be written ({error.strerror or error}); free "
            f"some space, or name a folder on another disk with TMPDIR"
        ) from error


def places(chosen: Iterator[BoolArray]) -> IntArray:
    """Positions of true flags, int64, ascending. The flags come in pieces of CHUNK rows; the last may be shorter."""
    found, before = Column(np.int64), 0
    for flags in chosen:
        found.append(np.flatnonzero(flags) + before)
        before += len(flags)
    return found.array()


def taken(values: AnyArray, rows: IntArray) -> AnyArray:
    """`values[rows]`, outside private memory."""
    found = scratch((len(rows), *values.shape[1:]), values.dtype)
    for part in chunks(len(rows)):
        found[part] = values[rows[part]]
    return found
