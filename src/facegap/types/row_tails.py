"""Number of impostor pairs of each row of a table at or above each of some scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from facegap.errors import MatchingError
from facegap.types.arrays import AnyArray, FloatArray, IntArray

PART_ROWS = 65_536
Int32Array = NDArray[np.int32]  # a row is in fewer pairs than the table has rows


@dataclass(frozen=True, eq=False)
class RowTails:
    """Exact counts of the impostor pairs of each row, by group of the other row and by score.

    edges  : float64 [bins], increasing; bin b counts edges[b] <= score < edges[b + 1], the last all scores from edges[-1]
    rows   : number of rows of the table, including those without subject or group
    groups : number of groups of the other rows
    parts  : int32 [at most PART_ROWS, groups, bins] by number: part k begins at row k * PART_ROWS. A missing part has
             only zeros. Sums share parts with their terms, so parts must not be modified

    A pair counts for both of its rows; excluded pairs do not count, as in ScoreCounts.
    """

    edges: FloatArray
    rows: int
    groups: int
    parts: Mapping[int, Int32Array]

    def __add__(self, other: RowTails) -> RowTails:
        """Return the counts of two disjoint sets of pairs of one table; parts in only one of them are not copied.

        Raises
        ------
        MatchingError : if edges, groups or rows differ
        """
        if (self.rows, self.groups) != (other.rows, other.groups) or not np.array_equal(self.edges, other.edges):
            raise MatchingError("counts of rows with different tables or edges cannot be added; use the same for both")
        parts = dict(self.parts)
        for number, part in other.parts.items():
            parts[number] = parts[number] + part if number in parts else part
        return replace(self, parts=dict(sorted(parts.items())))

    def reaching(self, bin: int) -> IntArray:
        """Return the number of impostor pairs of each row with each group at or above edges[bin], int64 [rows, groups]."""
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
