"""In how many impostor pairs each row of a table is, from each of some scores on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facegap.errors import MatchingError
from facegap.types.arrays import AnyArray, FloatArray, IntArray

PART_ROWS = 65_536
Int32Array = NDArray[np.int32]  # a row is in fewer pairs than a table has rows


@dataclass(frozen=True, eq=False)
class RowTails:
    """Impostor pairs of each row, by the group of the other row and by score; exact integers, data and `+` only.

    edges  : float64 [bins], rising; bin b counts edges[b] <= score < edges[b + 1], the last every score from edges[-1] on
    rows   : of the table, those without subject or group among them
    groups : how many groups the other rows are counted by
    parts  : int32 [at most PART_ROWS, groups, bins] by number: part k is of rows k * PART_ROWS and on. Where there is none,
             every count is 0. Sums share parts with what they are sums of, so that none may be written to

    A pair is counted in both of its rows, and excluded pairs in neither, as in ScoreCounts.
    """

    edges: FloatArray
    rows: int
    groups: int
    parts: Mapping[int, Int32Array]

    def __add__(self, other: RowTails) -> RowTails:
        """Counts of two disjoint sets of pairs of one table; a part that only one of them has is not copied.

        Raises
        ------
        MatchingError : other edges, groups or rows
        """
        if (self.rows, self.groups) != (other.rows, other.groups) or not np.array_equal(self.edges, other.edges):
            raise MatchingError("counts of rows with different tables or edges cannot be added; use the same for both")
        parts = dict(self.parts)
        for number, part in other.parts.items():
            parts[number] = parts[number] + part if number in parts else part
        return replace(self, parts=dict(sorted(parts.items())))

    def reaching(self, bin: int) -> IntArray:
        """Impostor pairs of each row with rows of each group whose score is at least edges[bin], int64 [rows, groups]."""
        found = np.zeros((self.rows, self.groups), np.int64)
        for number, part in self.parts.items():
            part[:, :, bin:].sum(axis=2, dtype=np.int64, out=found[number * PART_ROWS : number * PART_ROWS + len(part)])
        return found


def add_counts(parts: dict[int, Int32Array], rows: int, index: IntArray, counts: AnyArray) -> None:
    """Add counts int32 [m, groups, bins] of distinct rows `index` of a table of `rows` to the parts they belong to."""
    numbers = index // PART_ROWS
    for number in np.unique(numbers).tolist():
        inside = numbers == number
        if number not in parts:
            size = min(PART_ROWS, rows - number * PART_ROWS)
            parts[number] = np.zeros((size, *counts.shape[1:]), np.int32)
        parts[number][index[inside] - number * PART_ROWS] += counts[inside]
