"""The inner loops in numpy only: the reference version, used if numba is not installed."""

from __future__ import annotations

import numpy as np

from facegap.matching.kernels import Norms, Table, error_bound
from facegap.matching.rows import LANES, Float32Array
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray

SCORED_AT_ONCE = 1 << 19  # float32 values gathered from each side: 2 MiB
QUANTISED_AT_ONCE = 1 << 18  # float64 values: 2 MiB


class NumpyKernels:
    """The protocol Kernels documents each method."""

    def score_listed(self, left: Float32Array, right: Float32Array, i: AnyArray, j: AnyArray, out: FloatArray) -> None:
        depth = left.shape[1]
        step = max(1, SCORED_AT_ONCE // depth)
        for start in range(0, len(i), step):
            part = slice(start, start + step)
            out[part] = scores_of_rows(left[i[part]], right[j[part]])

    def emit_above(
        self,
        products: AnyArray,
        limits: AnyArray,
        first_row: int,
        first_column: int,
        above_diagonal: bool,
        row: int,
        i: AnyArray,
        j: AnyArray,
        p: AnyArray,
        found: int,
    ) -> tuple[int, int]:
        above = products[row:] > limits[row:, None]
        if above_diagonal:
            above &= beyond_diagonal(above.shape, first_row + row, first_column)
        stop, reached = append(above, first_row, first_column, row, i, j, found)
        p[found:stop] = products[i[found:stop] - first_row, j[found:stop] - first_column]
        return stop, reached

    def tally(
        self,
        table: Table,
        i: AnyArray,
        j: AnyArray,
        scores: FloatArray,
        tail_floor: float,
        counts: IntArray,
        tail: AnyArray,
    ) -> int:
        kept = (scores >= table.edges[0]) & (table.left_subject[i] != table.right_subject[j])
        left, right = table_indices(table, i, j)
        kept &= ~np.isin(left * table.span + right, table.excluded)
        add_to_bins(table, i[kept], j[kept], scores[kept], counts)
        kept &= scores >= tail_floor
        listed = int(kept.sum())
        tail["left"][:listed], tail["right"][:listed], tail["score"][:listed] = left[kept], right[kept], scores[kept]
        return listed

    def tally_rows(
        self,
        table: Table,
        i: AnyArray,
        j: AnyArray,
        scores: FloatArray,
        edges: FloatArray,
        of_left: AnyArray,
        of_right: AnyArray,
    ) -> None:
        kept = (scores >= edges[0]) & (table.left_subject[i] != table.right_subject[j])
        left, right = table_indices(table, i, j)
        kept &= ~np.isin(left * table.span + right, table.excluded)
        i, j, place = i[kept], j[kept], np.searchsorted(edges, scores[kept], side="right") - 1
        np.add.at(of_left, (i, table.right_group[j], place), 1)
        np.add.at(of_right, (j, table.left_group[i], place), 1)

    def tally_all(self, table: Table, i: AnyArray, j: AnyArray, scores: FloatArray, counts: IntArray) -> None:
        kept = table.left_subject[i] != table.right_subject[j]
        add_to_bins(table, i[kept], j[kept], scores[kept], counts)

    def histogram(
        self,
        products: AnyArray,
        margins: Float32Array,
        table: Table,
        first_row: int,
        first_column: int,
        above_diagonal: bool,
        row: int,
        counts: IntArray,
        i: AnyArray,
        j: AnyArray,
        found: int,
    ) -> tuple[int, int]:
        # As many rows as fit even if all pairs are uncertain; the rest waits for the next call.
        stop = min(len(products), row + (len(i) - found) // products.shape[1])
        rows = np.arange(first_row + row, first_row + stop)
        columns = np.arange(first_column, first_column + products.shape[1])
        values, margin = products[row:stop].astype(np.float64), margins[row:stop, None].astype(np.float64)
        asked = beyond_diagonal(values.shape, rows[0] if len(rows) else 0, first_column) if above_diagonal else True
        certain = bins_of(values - margin, table.edges) == bins_of(values + margin, table.edges)
        certain &= table.left_subject[rows][:, None] != table.right_subject[columns]
        at = np.nonzero(certain & asked)
        add_to_bins(table, rows[at[0]], columns[at[1]], values[at], counts)
        return append(~certain & asked, first_row, first_column, row, i, j, found)

    def insert_best(
        self,
        i: AnyArray,
        j: AnyArray,
        scores: FloatArray,
        index: IntArray,
        best_scores: FloatArray,
        best_index: IntArray,
    ) -> None:
        k = best_scores.shape[1]
        for row in np.unique(i):
            here = i == row
            both_scores = np.concatenate([best_scores[row], scores[here]])
            both_index = np.concatenate([best_index[row], index[j[here]]])
            order = np.lexsort((both_index, -both_scores))[:k]
            best_scores[row], best_index[row] = both_scores[order], both_index[order]

    def raise_floors(
        self,
        i: AnyArray,
        p: AnyArray,
        first_row: int,
        unit: FloatArray,
        bound: FloatArray,
        lower: FloatArray,
        floor: FloatArray,
        upper: FloatArray,
    ) -> None:
        at = i - first_row
        value = p * unit[at]
        upper[:] = value + bound[at]
        for row in np.unique(at):
            both = np.concatenate([lower[row], value[at == row] - bound[row]])
            lower[row] = -np.sort(-both)[: lower.shape[1]]
        np.maximum(floor, lower[:, -1], out=floor)

    def kth_largest(self, products: AnyArray, k: int) -> AnyArray:
        return np.asarray(np.partition(products, -k, axis=1)[:, -k])

    def quantise_left(self, values: Float32Array, codes: AnyArray, zero_point: int, most: int) -> Norms:
        norms = np.empty((4, len(values)))
        for part in parts_of_rows(values):
            rows = values[part].astype(np.float64)
            unit = np.abs(rows).max(axis=1) / most
            steps = np.rint(rows / unit[:, None])
            quantised = steps * unit[:, None]
            codes[part.start : part.start + len(rows), : rows.shape[1]] = (steps.astype(np.int64) + zero_point).astype(
                np.uint8
            )
            norms[:, part] = unit, norm(rows - quantised), norm(quantised), norm(rows)
        return Norms(*norms)

    def limits(self, left: Norms, right: Norms, floor: FloatArray) -> AnyArray:
        steps = (floor - error_bound(left, right)) / (left.unit * right.unit)
        # One step of slack covers the rounding of the quotient, which is below 2**27.
        clipped: FloatArray = np.clip(np.floor(steps) - 1, -(2.0**31), 2.0**31 - 1)
        return clipped.astype(np.int32)

    def worst_norms(self, values: Float32Array, unit: float, most: int) -> Norms:
        worst = np.zeros(3)
        for part in parts_of_rows(values):
            rows = values[part].astype(np.float64)
            quantised = codes_with(rows, unit, most) * unit
            worst = np.maximum(worst, [norm(x).max() for x in (rows - quantised, quantised, rows)])
        return Norms(unit, *worst.tolist())

    def codes_of_columns(self, values: Float32Array, unit: float, most: int) -> AnyArray:
        codes = np.empty(values.shape[::-1], np.int8)
        for part in parts_of_rows(values):
            codes[:, part] = codes_with(values[part].astype(np.float64), unit, most).T
        return codes

    def largest_of_rows(self, values: AnyArray, out: AnyArray) -> None:
        np.maximum(values.max(axis=1), -values.min(axis=1), out=out)

    def row_norms(self, values: Float32Array) -> FloatArray:
        norms = np.empty(len(values))
        for part in parts_of_rows(values):
            norms[part] = norm(values[part].astype(np.float64))
        return norms


def scores_of_rows(left: Float32Array, right: Float32Array) -> FloatArray:
    """Score of each row of `left` with the same row of `right`, as defined in kernels.py, float64 (n,)."""
    lanes = np.zeros((len(left), LANES))
    for start in range(0, left.shape[1], LANES):
        part = slice(start, start + LANES)
        lanes += left[:, part].astype(np.float64) * right[:, part]
    while lanes.shape[1] > 1:
        half = lanes.shape[1] // 2
        lanes = lanes[:, :half] + lanes[:, half:]
    scores: FloatArray = lanes[:, 0]
    return scores


def parts_of_rows(values: Float32Array) -> list[slice]:
    """Slices of rows that need little memory in float64."""
    step = max(1, QUANTISED_AT_ONCE // values.shape[1])
    return [slice(start, start + step) for start in range(0, len(values), step)]


def codes_with(rows: FloatArray, unit: float, most: int) -> FloatArray:
    """Nearest codes in -most..most, as integer-valued float64 numbers."""
    return np.clip(np.rint(rows / unit), -most, most)


def norm(rows: FloatArray) -> FloatArray:
    """Euclidean norm of each row."""
    length: FloatArray = np.sqrt((rows * rows).sum(axis=1))
    return length


def bins_of(scores: FloatArray, edges: FloatArray) -> IntArray:
    """Bin of each score; the outer bins include scores beyond the edges."""
    place: IntArray = np.searchsorted(edges[1:-1], scores, side="right")
    return place


def beyond_diagonal(shape: tuple[int, ...], first_row: int, first_column: int) -> BoolArray:
    """Mask of column > row in a tile of this shape and corner."""
    return np.arange(first_column, first_column + shape[1]) > np.arange(first_row, first_row + shape[0])[:, None]


def append(
    chosen: BoolArray, first_row: int, first_column: int, row: int, i: AnyArray, j: AnyArray, found: int
) -> tuple[int, int]:
    """Append the chosen pairs of a tile from its row `row` on, in whole rows only; see Kernels.emit_above."""
    ends = found + np.cumsum(chosen.sum(axis=1))
    rows = int(np.searchsorted(ends, len(i), side="right"))
    at = np.nonzero(chosen[:rows])
    stop = found + len(at[0])
    i[found:stop], j[found:stop] = at[0] + first_row + row, at[1] + first_column
    return stop, row + rows


def table_indices(table: Table, i: AnyArray, j: AnyArray) -> tuple[IntArray, IntArray]:
    """Left and right index of each pair in the caller's tables."""
    left, right = table.left_index[i], table.right_index[j]
    return (np.minimum(left, right), np.maximum(left, right)) if table.one_table else (left, right)


def add_to_bins(table: Table, i: AnyArray, j: AnyArray, scores: FloatArray, counts: IntArray) -> None:
    """Add one to counts [g, h, bin] of each pair, g <= h."""
    g, h = table.left_group[i], table.right_group[j]
    place = np.ravel_multi_index((np.minimum(g, h), np.maximum(g, h), bins_of(scores, table.edges)), counts.shape)
    counts += np.bincount(place, minlength=counts.size).reshape(counts.shape)
