"""Read MATLAB files of version 5, as far as image lists need them: cells, structs, text and numbers.

SciPy's reader is not used: it allocates the sizes stated in a file, and a few changed bytes can crash the process. Here, every
size is compared with the available bytes before anything is allocated, and nothing is executed.
"""

from __future__ import annotations

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from facegap.errors import TableError

MAX_UNPACKED = 64 * 2**20
MAX_MATRICES = 1_000_000
MOST_NUMBERS = 1_000_000  # in one array
MAX_LEVELS = 12
MOST_EXTENTS = 32
MATRIX, COMPRESSED = 14, 15  # types of elements
CELLS, STRUCT, TEXT, NUMBERS = 1, 2, 4, range(6, 16)  # classes of arrays
COMPLEX = 0x800  # a flag
KINDS = MappingProxyType(
    {1: "i1", 2: "u1", 3: "<i2", 4: "<u2", 5: "<i4", 6: "<u4", 7: "<f4", 9: "<f8", 12: "<i8", 13: "<u8"}
)
CODES = MappingProxyType({1: "latin-1", 2: "latin-1", 4: "utf-16-le", 16: "utf-8", 17: "utf-16-le", 18: "utf-32-le"})


@dataclass(frozen=True)
class Array:
    """An array of a file.

    kind    : its class
    extents : its dimensions
    cells   : arrays in column order; for a struct, its fields in file order; empty for other classes
    text    : for characters, in column order
    numbers : in column order
    """

    kind: Literal["cells", "struct", "text", "numbers"]
    extents: tuple[int, ...]
    cells: tuple[Array, ...] = ()
    text: str = ""
    numbers: tuple[float, ...] = ()


NOTHING = Array("numbers", (0, 0))


def read_matlab(content: bytes, variable: str, place: str) -> Array:
    """Return the array named `variable`. place : name of the file for messages

    Raises
    ------
    TableError : If the file is not of version 5, is damaged, exceeds a limit, has other array classes, or lacks the variable.
    """
    reader = _Reader(place)
    try:
        for payload in reader.elements(content):
            name, start = reader.head(payload)[2:]
            if name == variable:
                return reader.array(payload, start, level=1)
    except (struct.error, UnicodeDecodeError):
        raise TableError(f"{place}: a truncated or damaged MATLAB file") from None
    raise TableError(f"{place}: not a MATLAB file with a cell array '{variable}'")


class _Reader:
    """Reads one file and counts its arrays."""

    def __init__(self, place: str) -> None:
        self.place, self.arrays = place, 0

    def refused(self, why: str) -> TableError:
        """Return the error for a file that cannot be read."""
        return TableError(f"{self.place}: {why}")

    def elements(self, content: bytes) -> Iterator[memoryview]:
        """Yield the payloads of the top-level arrays, decompressed if necessary."""
        if len(content) < 128 or content[126:128] not in (b"IM", b"MI"):
            raise self.refused("not a MATLAB file of version 5")
        if content[126:128] == b"MI":
            raise self.refused("a MATLAB file with a byte order that the protocol does not use; save it again")
        left = MAX_UNPACKED
        for kind, payload in tagged(memoryview(content), 128):
            if kind == MATRIX:
                yield payload
            elif kind == COMPRESSED:
                unpacker = zlib.decompressobj()
                try:
                    unpacked = unpacker.decompress(payload, left)
                except zlib.error:
                    raise self.refused("damaged compressed data") from None
                left -= len(unpacked)
                if unpacker.unconsumed_tail or left <= 0:
                    raise self.refused(f"expands to more than {MAX_UNPACKED:,} bytes")
                yield from (inner for found, inner in tagged(memoryview(unpacked), 0) if found == MATRIX)

    def head(self, payload: memoryview) -> tuple[int, tuple[int, ...], str, int]:
        """Parse flags with the class, dimensions and name of an array, and the offset of its content."""
        _, flags, at = element(payload, 0)
        _, sizes, at = element(payload, at)
        _, name, at = element(payload, at)
        (word,) = struct.unpack_from("<I", flags)
        if not 2 <= len(sizes) // 4 <= MOST_EXTENTS:
            raise self.refused("an array without dimensions, or with too many")
        extents = struct.unpack_from(f"<{len(sizes) // 4}i", sizes)
        if min(extents) < 0:
            raise self.refused("an array with a negative dimension")
        return word, extents, bytes(name).decode("latin-1"), at

    def array(self, payload: memoryview, at: int, *, level: int) -> Array:
        """Read an array whose content begins at an offset."""
        flags, extents, _, _ = self.head(payload)
        kind, count = flags & 0xFF, math.prod(extents)
        if kind == CELLS:
            return Array("cells", extents, self.inside(payload, at, count, level))
        if kind == STRUCT:
            _, length, at = element(payload, at)
            _, names, at = element(payload, at)
            (letters,) = struct.unpack_from("<i", length)
            fields = len(names) // letters if letters > 0 else 0
            return Array("struct", extents, self.inside(payload, at, count * fields, level))
        if kind != TEXT and (kind not in NUMBERS or flags & COMPLEX):
            raise self.refused(f"an array of class {kind}; cells, structs, texts and real numbers are read")
        if kind != TEXT and count > MOST_NUMBERS:
            raise self.refused(f"{count:,} numbers in one array, more than {MOST_NUMBERS:,}")
        written, content, _ = element(payload, at) if count else (min(KINDS), payload[:0], at)
        if kind == TEXT:
            if written not in CODES:
                raise self.refused("a text in an unknown encoding")
            text = bytes(content).decode(CODES[written])
            return Array("text", extents, text=text)
        if written not in KINDS or len(content) != count * np.dtype(KINDS[written]).itemsize:
            raise self.refused("a stated count of numbers that does not match the data")
        return Array("numbers", extents, numbers=tuple(np.frombuffer(content, KINDS[written]).tolist()))

    def inside(self, payload: memoryview, at: int, count: int, level: int) -> tuple[Array, ...]:
        """Read the elements of an array, whose stated number is checked first: each has at least eight bytes."""
        if count > (len(payload) - at) // 8:
            raise self.refused("an array with fewer parts than stated")
        if level >= MAX_LEVELS:
            raise self.refused(f"nested deeper than {MAX_LEVELS} levels, the limit for a protocol")
        self.arrays += count
        if self.arrays > MAX_MATRICES:
            raise self.refused(f"more than {MAX_MATRICES:,} arrays, the limit for a protocol")
        found = []
        for _ in range(count):
            kind, inner, at = element(payload, at)
            if kind != MATRIX:
                raise self.refused("something other than an array where one is expected")
            found.append(self.array(inner, self.head(inner)[3], level=level + 1) if len(inner) else NOTHING)
        return tuple(found)


def element(payload: memoryview, at: int) -> tuple[int, memoryview, int]:
    """Return type and content of the element at an offset, and the offset of the next; short ones have both in eight bytes.

    Raises
    ------
    struct.error : If it is truncated.
    """
    kind, size = struct.unpack_from("<II", payload, at)
    start, after = at + 8, at + 8 + (size if kind == COMPRESSED else (size + 7) // 8 * 8)
    if kind >> 16:
        kind, size, start, after = kind & 0xFFFF, kind >> 16, at + 4, at + 8
    if size > len(payload) - start or (start == at + 4 and size > 4):
        raise struct.error
    return kind, payload[start : start + size], after


def tagged(content: memoryview, at: int) -> Iterator[tuple[int, memoryview]]:
    """Yield type and content of each element from an offset on; fewer than eight bytes at the end are padding."""
    while at + 8 <= len(content):
        kind, payload, at = element(content, at)
        yield kind, payload
