"""Estimate the compression quality of a JPEG file from its quantisation table, without decoding."""

from __future__ import annotations

import functools
import math
import struct

# Luminance table of ITU-T T.81, annex K.1, row by row. Only the sum of a table is used, which does not depend on the zigzag order
# in files.
# fmt: off
LUMINANCE_TABLE = (
    16, 11, 10, 16, 24, 40, 51, 61,
    12, 12, 14, 19, 26, 58, 60, 55,
    14, 13, 16, 24, 40, 57, 69, 56,
    14, 17, 22, 29, 51, 87, 80, 62,
    18, 22, 37, 56, 68, 109, 103, 77,
    24, 35, 55, 64, 81, 104, 113, 92,
    49, 64, 78, 87, 103, 121, 120, 101,
    72, 92, 95, 98, 112, 100, 103, 99,
)
# fmt: on
TABLES, SCAN, END = 0xDB, 0xDA, 0xD9
ENTRIES = 64


def jpeg_quality(data: bytes) -> float:
    """Return the libjpeg quality, 1..100, that corresponds to the file's luminance table.

    Parameters
    ----------
    data : bytes
        The content of an image file.

    Returns
    -------
    float
        Quality at which the sum of libjpeg's luminance table is nearest to that of the file's table 0; the higher one in a
        tie. NaN if the file is not a JPEG, or has no such table before its first scan.

    Notes
    -----
    Only the last compression can be seen: a file saved at 30 and again at 95 has 95. Cameras and photo editors use their own
    tables; the value is then that of a libjpeg table with the same overall coarseness.

    References
    ----------
    Independent JPEG Group, libjpeg, jcparam.c, `jpeg_quality_scaling` and `jpeg_add_quant_table`.

    Examples
    --------
    >>> jpeg_quality(b"no JPEG")
    nan
    """
    total = table_sum(data)
    return math.nan if total is None else nearest_quality(total)


@functools.lru_cache(maxsize=1024)
def nearest_quality(total: int) -> float:
    """Return the quality of the libjpeg table with the sum nearest to `total`."""
    sums = libjpeg_sums()
    return float(max(range(1, 101), key=lambda quality: (-abs(sums[quality - 1] - total), quality)))


@functools.cache
def libjpeg_sums() -> tuple[int, ...]:
    """Return the sum of libjpeg's luminance table at each quality from 1 to 100."""
    return tuple(
        sum(min(max((entry * scaling(quality) + 50) // 100, 1), 255) for entry in LUMINANCE_TABLE)
        for quality in range(1, 101)
    )


def scaling(quality: int) -> int:
    """Return the percentage by which libjpeg scales its tables."""
    return 5000 // quality if quality < 50 else 200 - 2 * quality


def table_sum(data: bytes) -> int | None:
    """Return the sum of quantisation table 0 before the first scan (ITU-T T.81, B.2.4.1); None if missing or truncated."""
    if not data.startswith(b"\xff\xd8"):
        return None
    at, found = 2, None
    while at + 4 <= len(data) and data[at] == 0xFF:
        marker = data[at + 1]
        if marker == 0xFF:  # a fill byte
            at += 1
            continue
        (length,) = struct.unpack_from(">H", data, at + 2)
        if marker in (SCAN, END) or length < 2:
            break
        if marker == TABLES:
            found = table_sum_within(data[at + 4 : at + 2 + length], found)
        at += 2 + length
    return found


def table_sum_within(segment: bytes, found: int | None) -> int | None:
    """Return the sum of table 0 in a segment of tables, or `found` if it has none."""
    at = 0
    while at < len(segment):
        size, number = (2 if segment[at] >> 4 else 1), segment[at] & 15
        entries = segment[at + 1 : at + 1 + ENTRIES * size]
        if len(entries) < ENTRIES * size:
            break
        if number == 0:
            found = sum(struct.unpack(f">{ENTRIES}{'BH'[size - 1]}", entries))
        at += 1 + len(entries)
    return found
