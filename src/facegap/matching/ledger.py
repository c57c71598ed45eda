"""What is known of the pairs without comparing anyone: totals by arithmetic, and the genuine pairs by name."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegap.errors import MatchingError
from facegap.matching.rows import Rows
from facegap.types import BoolArray, IntArray

UNKNOWN = -1


@dataclass(frozen=True)
class Pairing:
    """Which pairs of rows are compared: all i < j of one table, or every row of one with every row of another.

    left, right : the rows whose subject and group are known; `right` is `left` for one table
    left_rows   : rows of the whole left table, unknown ones included
    excluded    : int64 (m, 2), rising and without repeats, pairs with both sides known, left < right for one table
    excluded_unknown : number of excluded pairs with an unknown side
    """

    left: Rows
    right: Rows
    one_table: bool
    left_rows: int
    right_rows: int
    excluded: IntArray
    excluded_unknown: int


@dataclass(frozen=True)
class Totals:
    """Numbers of pairs of any score, int64 [G, G] upper triangle, and the genuine pairs, int64 (n,) each side."""

    impostor: IntArray
    genuine: IntArray
    genuine_left: IntArray
    genuine_right: IntArray
    unknown: int


def codes(values: NDArray[np.generic], rows: int, name: str) -> IntArray:
    """`values` as int64 (rows,), each -1 for unknown or a code from 0 on.

    Raises
    ------
    MatchingError : another shape, no whole numbers, or a code below -1
    """
    array = np.asarray(values)
    if array.shape != (rows,) or array.dtype.kind not in "iu":
        raise MatchingError(f"{name}: need {rows} whole numbers, one per row; got {array.dtype} {array.shape}")
    array = array.astype(np.int64)
    if len(array) and array.min() < UNKNOWN:
        raise MatchingError(f"{name}: row {int(np.argmax(array < UNKNOWN))} is {array.min()}; unknown is -1")
    return array


def known_rows(subjects: IntArray, groups: IntArray) -> Rows:
    """The rows with both a subject and a group."""
    index = np.flatnonzero((subjects != UNKNOWN) & (groups != UNKNOWN))
    return Rows(index, subjects[index], groups[index])


def excluded_pairs(
    exclude: NDArray[np.generic] | None, left_rows: int, right_rows: int, *, one_table: bool
) -> IntArray:
    """The pairs of `exclude` in rising order and without repeats; for one table left < right, and no row with itself.

    Raises
    ------
    MatchingError : not whole numbers (m, 2), or a row that is not in the table
    """
    pairs = np.empty((0, 2), np.int64) if exclude is None else np.asarray(exclude)
    if pairs.size == 0:
        return np.empty((0, 2), np.int64)
    if pairs.ndim != 2 or pairs.shape[1] != 2 or pairs.dtype.kind not in "iu":
        raise MatchingError(f"exclude: need whole numbers (m, 2); got {pairs.dtype}, shape {pairs.shape}")
    pairs = pairs.astype(np.int64)
    outside = ((pairs < 0) | (pairs >= (left_rows, right_rows))).any(axis=1)
    if outside.any():
        line = int(np.argmax(outside))
        raise MatchingError(f"exclude: line {line}, {pairs[line].tolist()}, is outside {left_rows} x {right_rows} rows")
    if one_table:
        pairs = np.sort(pairs[pairs[:, 0] != pairs[:, 1]], axis=1)
    return np.unique(pairs, axis=0)


def pairing(
    left_subjects: IntArray,
    left_groups: IntArray,
    right_subjects: IntArray,
    right_groups: IntArray,
    exclude: NDArray[np.generic] | None,
    *,
    one_table: bool,
) -> Pairing:
    """The pairs to compare, of one table (the right arrays are then not looked at) or of two."""
    left = known_rows(left_subjects, left_groups)
    right = left if one_table else known_rows(right_subjects, right_groups)
    sizes = len(left_subjects), len(left_subjects if one_table else right_subjects)
    excluded = excluded_pairs(exclude, *sizes, one_table=one_table)
    known = members(excluded[:, 0], left.index, sizes[0]) & members(excluded[:, 1], right.index, sizes[1])
    return Pairing(left, right, one_table, *sizes, excluded[known], int((~known).sum()))


def members(values: IntArray, index: IntArray, rows: int) -> BoolArray:
    """Which of `values` are in `index`, both row numbers of a table of `rows`."""
    present = np.zeros(rows, bool)
    present[index] = True
    return present[values]


def totals(pairing: Pairing, group_count: int) -> Totals:
    """Pair totals of every kind. A pair of an unknown row is in `unknown` alone, an excluded one nowhere."""
    left, right = pairing.left, pairing.right
    sizes = [np.bincount(rows.group, minlength=group_count) for rows in (left, right)]
    pairs = np.outer(*sizes)
    if pairing.one_table:
        np.fill_diagonal(pairs, sizes[0] * (sizes[0] - 1) // 2)
        all_pairs = pairing.left_rows * (pairing.left_rows - 1) // 2
        pairs = np.triu(pairs)
    else:
        all_pairs = pairing.left_rows * pairing.right_rows
        pairs = np.triu(pairs) + np.tril(pairs, -1).T
    genuine_left, genuine_right = genuine_pairs(pairing)
    group_of = table_of(left, left.group, pairing.left_rows), table_of(right, right.group, pairing.right_rows)
    genuine = pair_table(group_of[0][genuine_left], group_of[1][genuine_right], group_count)
    excluded = pair_table(group_of[0][pairing.excluded[:, 0]], group_of[1][pairing.excluded[:, 1]], group_count)
    excluded_genuine = same_subject(pairing, pairing.excluded)
    kept = pairing.excluded[excluded_genuine]
    genuine_excluded = pair_table(group_of[0][kept[:, 0]], group_of[1][kept[:, 1]], group_count)
    # `genuine` is without the excluded ones already, so that they are taken off the rest once.
    impostor = pairs - genuine - genuine_excluded - (excluded - genuine_excluded)
    unknown = all_pairs - int(pairs.sum()) - pairing.excluded_unknown
    return Totals(impostor, genuine, genuine_left, genuine_right, unknown)


def table_of(rows: Rows, values: IntArray, size: int) -> IntArray:
    """`values` of the known rows at their place in the whole table, -1 elsewhere."""
    table = np.full(size, UNKNOWN, np.int64)
    table[rows.index] = values
    return table


def pair_table(g: IntArray, h: IntArray, group_count: int) -> IntArray:
    """Number of pairs of each two groups, int64 [G, G] upper triangle."""
    place = np.minimum(g, h) * group_count + np.maximum(g, h)
    return np.bincount(place, minlength=group_count**2).reshape(group_count, group_count).astype(np.int64)


def same_subject(pairing: Pairing, pairs: IntArray) -> BoolArray:
    """Which of `pairs` (m, 2) of known rows are genuine."""
    left = table_of(pairing.left, pairing.left.subject, pairing.left_rows)
    right = table_of(pairing.right, pairing.right.subject, pairing.right_rows)
    return np.asarray(left[pairs[:, 0]] == right[pairs[:, 1]])


def genuine_pairs(pairing: Pairing) -> tuple[IntArray, IntArray]:
    """Left and right row of every genuine pair that is not excluded, rising by left, then right."""
    left, right = pairing.left, pairing.right
    order = np.argsort(right.subject, kind="stable")
    subject = right.subject[order]
    begin = np.searchsorted(subject, left.subject, side="left")
    count = np.searchsorted(subject, left.subject, side="right") - begin
    # The k-th partner of a row stands k places after the first row of its subject.
    step = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    pairs_left = np.repeat(left.index, count)
    pairs_right = right.index[order[np.repeat(begin, count) + step]]
    if pairing.one_table:
        kept = pairs_left < pairs_right
        pairs_left, pairs_right = pairs_left[kept], pairs_right[kept]
    if len(pairing.excluded):
        keys = pairing.excluded[:, 0] * pairing.right_rows + pairing.excluded[:, 1]
        kept = ~np.isin(pairs_left * pairing.right_rows + pairs_right, keys)
        pairs_left, pairs_right = pairs_left[kept], pairs_right[kept]
    return pairs_left, pairs_right
