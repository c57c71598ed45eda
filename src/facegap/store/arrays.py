"""Memory-mapped .npy files; the size in the header is checked against the size of the file."""

from __future__ import annotations

import math
import os
import tokenize
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from facegap.store.opened import opened

LONGEST_HEADER = 4096
# Errors that numpy raises for an invalid header, which it parses as a Python expression.
NO_HEADER = (
    SyntaxError,
    tokenize.TokenError,
    TypeError,
    KeyError,
    AttributeError,
    OverflowError,
    RecursionError,
    MemoryError,
)


def mapped_npy(path: Path, *, follow: bool = False) -> NDArray[Any]:
    """Map the array of an .npy file into memory, read-only; nothing in the file is executed.

    Parameters
    ----------
    path
        The file.
    follow
        Whether the path may be a link, as for a file that a user names.

    Returns
    -------
    numpy.ndarray
        Read-only array; an array without elements is not mapped, because an empty mapping is impossible.

    Raises
    ------
    ValueError
        If it is not an .npy file, contains objects instead of numbers, or is shorter than its header states.
    OSError
        As raised by `opened`.
    """
    with opened(path, follow=follow) as file:
        shape, fortran, dtype = header_of(file)
        size, offset = os.fstat(file.fileno()).st_size, file.tell()
        if dtype.hasobject:
            raise ValueError("Python objects instead of numbers")
        if any(side < 0 for side in shape) or math.prod(shape) * dtype.itemsize > size - offset:
            raise ValueError(f"the header states an array of {shape}, and the file has {size - offset:,} bytes for it")
        if not math.prod(shape) or not dtype.itemsize:
            return np.empty(shape, dtype)
        return np.memmap(file, dtype, "r", offset, shape, "F" if fortran else "C")


def header_of(file: BinaryIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Read the shape, the Fortran-order flag and the dtype from a header, and leave the file positioned at the data.

    Raises ValueError if the header is invalid.
    """
    version = np.lib.format.read_magic(file)
    readers = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
    if version not in readers:
        raise ValueError(f"version {version} of the format, which facegap does not read")
    try:
        shape, fortran, dtype = readers[version](file, max_header_size=LONGEST_HEADER)
    except NO_HEADER as error:
        raise ValueError(f"no header of an array: {error}") from None
    return shape, fortran, dtype
