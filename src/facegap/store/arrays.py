"""Arrays in the .npy format, mapped into memory from a file that is opened once: no size is believed that the file has not."""

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
# What numpy raises for a header that is no dictionary of a shape, an order and a type: it is parsed as an expression of Python.
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
    """The array in an .npy file, mapped into memory, read only; nothing in the file is executed.

    Parameters
    ----------
    path
        The file.
    follow
        Whether it may be a link, as a file that a person names may be.

    Returns
    -------
    numpy.ndarray
        An empty array of the stated shape where the array holds nothing, since nothing cannot be mapped.

    Raises
    ------
    ValueError
        No .npy file, objects instead of numbers, or fewer bytes than its header states.
    OSError
        What `opened` raises.
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
    """Shape, whether columns come first, and type, as the header states them; the file is then at the numbers.

    Raises ValueError for anything else than a header.
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
