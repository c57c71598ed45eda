"""The inner loops in two implementations with identical integers: compiled by numba, or numpy only.

The *score* of two rows is defined here once for the whole package: the float64 dot product of the stored float32 rows,
padded with zeros to a multiple of 16, accumulated in 16 interleaved partial sums that are then folded in halves.
"""

from __future__ import annotations

import functools
from importlib.util import find_spec
from typing import Any, Literal, NamedTuple, Protocol

from facegap.errors import MatchingError
from facegap.matching.rows import Float32Array
from facegap.types import AnyArray, FloatArray, IntArray

LARGEST_CODE = 127  # largest magnitude of a component in int8
KernelChoice = Literal["auto", "numba", "numpy"]


class Norms(NamedTuple):
    """Terms of the error bound of a product; float64 (n,) for single rows, scalars (the maximum) for a block of rows.

    unit      : value of one code step
    residual  : |row - quantised row|
    quantised : |quantised row|
    row       : |row|
    rest      : norm of the components omitted from the product; 0 if there are none
    """

    unit: Any
    residual: Any
    quantised: Any
    row: Any
    rest: Any = 0.0

    def first(self, n: int) -> Norms:
        """The norms of the first n rows."""
        rest = self.rest if isinstance(self.rest, float) else self.rest[:n]
        return Norms(self.unit[:n], self.residual[:n], self.quantised[:n], self.row[:n], rest)


def error_bound(left: Norms, right: Norms) -> FloatArray:
    """Bound on |score - unit * product| of each left row with any row of the right block, float64 (n,); see filters.py."""
    bound: FloatArray = left.residual * right.row + left.quantised * right.residual + left.rest * right.rest
    return bound


class Table(NamedTuple):
    """Everything needed to sort the scored pairs of two super-blocks into counts.

    left_index, right_index : int64, row numbers in the caller's tables
    left_subject, ...       : int64; a pair of the same subject is genuine and is counted elsewhere
    left_group, ...         : int64, codes 0..G-1
    one_table               : both sides are from the same table, so the smaller index is called left
    excluded                : int64, sorted, left index * span + right index of pairs that are not counted
    span                    : rows of the right table
    edges                   : float64 (bins + 1,)
    """

    left_index: IntArray
    right_index: IntArray
    left_subject: IntArray
    right_subject: IntArray
    left_group: IntArray
    right_group: IntArray
    one_table: bool
    excluded: IntArray
    span: int
    edges: FloatArray


class Kernels(Protocol):
    """Functions of kernels_numba and kernels_numpy. i, j: int32 rows of the left and right super-blocks."""

    def score_listed(self, left: Float32Array, right: Float32Array, i: AnyArray, j: AnyArray, out: FloatArray) -> None:
        """Write the score of each pair left[i[k]], right[j[k]] to out[k]."""

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
        """Append the pairs of a tile whose product is above the limit of their row to i, j from `found` on, and the product to p.

        products       : int32 or float32 (rows, columns) of a tile with corner (first_row, first_column)
        limits         : (rows,) of the same dtype
        above_diagonal : only pairs with column > row
        row            : the row of the tile at which to begin
        returns        : number of pairs now in i, j, p, and the row reached; stops early if the next row might not fit
        """

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
        """Add the impostor pairs that reach the first edge to counts [G, G, bins]; list those at or above tail_floor.

        returns : number of pairs written to `tail`, a PAIR_SCORE array with room for all
        """

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
        """Add the impostor pairs that reach edges[0] to the counts of both rows, by the group of the other row.

        edges             : float64 (bins,), rising; the last bin has no end
        of_left, of_right : int32 [rows, G, bins] of the left and of the right super-block
        """

    def tally_all(self, table: Table, i: AnyArray, j: AnyArray, scores: FloatArray, counts: IntArray) -> None:
        """Add every impostor pair, excluded or not, to counts; the outer bins include scores beyond the edges."""

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
        """Add the pairs whose float32 product determines their bin to counts; append the others to i, j.

        margins : (rows,), a bound on |product - score|. Edges must be equally spaced. Pairs of the same subject are also
                  appended.
        returns : as for emit_above
        """

    def insert_best(
        self,
        i: AnyArray,
        j: AnyArray,
        scores: FloatArray,
        index: IntArray,
        best_scores: FloatArray,
        best_index: IntArray,
    ) -> None:
        """Insert the scored pairs into the sorted lists (q, k) of each left row; ties are ordered by index[j]."""

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
        """Raise lower bounds on the best scores from products: each pair of row r has a score of unit[r] p +- bound[r].

        i, p  : pairs of one block, as emitted; row r is i - first_row
        lower : (rows, k), the highest lower limits of each row so far, descending; the new ones are inserted
        floor : (rows,), raised to the k-th lower limit if that is higher: at least k gallery rows reach it
        upper : (pairs,), written: the upper limit of each pair
        """

    def kth_largest(self, products: AnyArray, k: int) -> AnyArray:
        """k-th largest product of each row (rows,); requires at least k columns."""

    def quantise_left(self, values: Float32Array, codes: AnyArray, zero_point: int, most: int) -> Norms:
        """Write codes, uint8 (n or more, d or more), offset by `zero_point` modulo 256; each row has its own unit.

        most : code of the largest component of a row
        """

    def worst_norms(self, values: Float32Array, unit: float, most: int) -> Norms:
        """The largest norms of the rows quantised with `unit`, with components beyond `most` units clipped."""

    def codes_of_columns(self, values: Float32Array, unit: float, most: int) -> AnyArray:
        """int8 codes (d, n) of rows (n, d), clipped in the same way."""

    def limits(self, left: Norms, right: Norms, floor: FloatArray) -> AnyArray:
        """One int32 limit per left row: a pair whose score reaches `floor` (rows,) has a product above it."""

    def largest_of_rows(self, values: AnyArray, out: AnyArray) -> None:
        """Write max |x| of each float32 row (n, d) to out (n,); a NaN in a row makes its maximum NaN."""

    def row_norms(self, values: Float32Array) -> FloatArray:
        """Euclidean norm of each row, float64 (n,)."""


def choose_kernels(choice: KernelChoice = "auto") -> Kernels:
    """The inner loops: numba's if it is installed, otherwise numpy's; any other `choice` than auto is used or raises an error.

    Raises
    ------
    MatchingError : if numba was requested and is not installed, or the name is unknown
    """
    if choice not in ("auto", "numba", "numpy"):
        raise MatchingError(f"kernels={choice!r} is not one of auto, numba, numpy")
    if choice == "numpy" or (choice == "auto" and not numba_is_installed()):
        from facegap.matching.kernels_numpy import NumpyKernels

        return NumpyKernels()
    if not numba_is_installed():
        raise MatchingError("kernels='numba' needs numba: pip install numba, or use kernels='auto'")
    from facegap.matching.kernels_numba import NumbaKernels

    return NumbaKernels()


@functools.cache
def numba_is_installed() -> bool:
    """Whether numba can be imported; it is not imported here, as that takes a second."""
    return find_spec("numba") is not None
