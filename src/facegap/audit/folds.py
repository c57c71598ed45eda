"""Thresholds by folds: all subjects are evaluated, each pair at a threshold set on other subjects.

The sampling units are assigned to K folds. A pair of subjects in folds a and b is accepted at or above the threshold
that meets the target among the impostor pairs of subjects in neither fold, so there are K (K + 1) / 2 thresholds.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons, between, both, scores_within, templates_of
from facegap.derive.cuts import fold_pairs
from facegap.errors import StatisticsError, TableError
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.statistics.curves import allowed_false_matches
from facegap.store.record import MOST_FOLDS, FoldThresholds
from facegap.store.scratch import Column, chunks
from facegap.types import BoolArray, FloatArray, IntArray

# With ten folds, each threshold is set on 64% of the impostor pairs (81% within a fold); five would leave 36%. So few of the
# false matches that a target allows are lost, and the 55 thresholds fit into the 400 words that run.json can hold.
FOLDS = 10
SOME_MORE = 100  # scores read beyond four times the number allowed
FEWEST_UNITS = 4  # two folds take two, which leaves two
FEWEST_NAMED = 3  # two folds taken leave one


def deal_folds(units: pd.Series, strata: IntArray, seed: int) -> IntArray:
    """The fold of each row, int64 (rows,) from 0: units are assigned at random, with every stratum spread evenly over the folds.

    units  : what must stay in one fold, per row: its subject, or its unit with --cluster
    strata : int64 (rows,), group of each row; a unit belongs to the group of most of its rows

    Raises
    ------
    TableError : if there are fewer than four units

    Examples
    --------
    >>> people = pd.Series(list("aabbccdd"))
    >>> deal_folds(people, np.zeros(8, np.int64), seed=0).tolist()
    [1, 1, 0, 0, 2, 2, 3, 3]
    """
    codes = np.asarray(pd.factorize(units)[0], np.int64)
    count = int(codes.max(initial=-1)) + 1
    if count < FEWEST_UNITS:
        raise TableError(
            f"{count} subjects are too few to set the threshold of each pair on other subjects; give --threshold, "
            "--threshold-on, or --in-sample"
        )
    rows_of_stratum = np.zeros((count, int(strata.max(initial=0)) + 1), np.int64)
    np.add.at(rows_of_stratum, (codes, strata), 1)
    shuffled = np.random.default_rng(seed).permutation(count)
    order = shuffled[np.argsort(rows_of_stratum.argmax(axis=1)[shuffled], kind="stable")]
    fold = np.empty(count, np.int64)
    fold[order] = np.arange(count) % min(FOLDS, count)
    return fold[codes]


def named_folds(table: pd.DataFrame, column: str, units: pd.Series) -> IntArray:
    """The fold of each row from a column of the manifest, int64 (rows,) from 0 in the order of their names.

    units : what must stay in one fold, per row: its subject, or its unit with --cluster

    Raises
    ------
    TableError : if the column is missing, a row has no fold, a unit is in two folds, or there are fewer than three folds or
        more than run.json can hold
    """
    if column not in table.columns:
        raise TableError(
            f"--fold-column {column}: the manifest has no such column; its columns are {', '.join(table.columns[5:])}"
        )
    names = table[column].astype("str")
    empty = np.flatnonzero(((names == "") | (names == UNKNOWN)).to_numpy(np.bool_))
    if len(empty):
        line = table["line"].iloc[empty[0]]
        raise TableError(
            f"manifest line {line}, column {column}: no fold ({len(empty):,} such rows); give every row a fold"
        )
    folds, of = np.unique(names.to_numpy(), return_inverse=True)
    if not FEWEST_NAMED <= len(folds) <= MOST_FOLDS:
        raise TableError(f"column {column}: {len(folds)} folds; {FEWEST_NAMED} to {MOST_FOLDS} are allowed")
    torn = names.groupby(units.to_numpy()).nunique()
    if (torn > 1).any():
        raise TableError(
            f"column {column}: {int((torn > 1).sum()):,} people (or units of --cluster) are in several folds, so a "
            f"threshold would be evaluated on the people on whom it was set; assign each to one fold"
        )
    return np.asarray(of, np.int64).reshape(-1)


def thresholds_by_folds(pairs: Comparisons, group: BoolArray, target: float) -> FoldThresholds:
    """For each pair of folds, the threshold that meets a target among the impostor pairs within a group outside both.

    group : bool (n,), templates whose impostor pairs define the target

    Raises
    ------
    StatisticsError : if there are too few impostor pairs outside a pair of folds, or more allowed false matches than listed scores
    """
    from facegap.audit.thresholds import threshold_among

    assert pairs.folds is not None
    trials = pairs_of_folds(pairs, group)
    count = len(trials)
    scores, cells = listed_by_folds(pairs, group, count)
    kept = [outside(count, first, second) for first, second in zip(*fold_pairs(count), strict=True)]
    tried = [int(trials[cells_kept].sum()) for cells_kept in kept]
    least = int(np.argmin(tried))
    require_allowed(target, tried[least], *(int(of[least]) for of in fold_pairs(count)))
    found = [
        threshold_among(highest(scores, one.ravel(), cells, allowed_false_matches(target, many)), many, target, pairs)
        for one, many in zip(kept, tried, strict=True)
    ]
    return FoldThresholds(
        count,
        tuple(choice.threshold for choice in found),
        tuple(choice.false_matches for choice in found),
        tuple(choice.impostor_pairs for choice in found),
    )


def outside(folds: int, first: int, second: int) -> BoolArray:
    """Which pairs of folds include neither of two folds, bool (K, K)."""
    kept = np.ones(folds, np.bool_)
    kept[[first, second]] = False
    return np.outer(kept, kept)


def highest(scores: FloatArray, kept: BoolArray, cells: IntArray, allowed: int) -> FloatArray:
    """The highest scores of the kept cells: more than `allowed`, or all that are listed. The end of the list is rarely read."""
    start = scores[: 4 * allowed + SOME_MORE]
    found = start[kept[cells[: len(start)]]]
    return found if len(found) > allowed else scores[kept[cells]]


def require_allowed(target: float, tried: int, first: int, second: int) -> None:
    """Raise StatisticsError if the pairs outside two folds allow no false match."""
    try:
        allowed_false_matches(target, tried)
    except StatisticsError as error:
        where = f"outside fold {first + 1}" if first == second else f"outside folds {first + 1} and {second + 1}"
        raise StatisticsError(f"a threshold by folds, set on the people {where}: {error}") from None


def fewest_outside(pairs: Comparisons, group: BoolArray) -> int:
    """The smallest number of impostor pairs within a group outside any pair of folds."""
    trials = pairs_of_folds(pairs, group)
    return min(int(trials[outside(len(trials), *both)].sum()) for both in zip(*fold_pairs(len(trials)), strict=True))


def pairs_of_folds(pairs: Comparisons, group: BoolArray) -> IntArray:
    """Impostor pairs compared within a group, by the folds of their subjects, int64 (K, K), upper triangle."""
    assert pairs.folds is not None
    count = int(pairs.folds.max()) + 1
    inside = group & pairs.counted & pairs.enrolled
    if pairs.listed_only:
        _, cells = listed_by_folds(pairs, group, count)
        found = np.zeros(count * count, np.int64)
        for part in chunks(len(cells)):
            found += np.bincount(cells[part], minlength=len(found))
        return found.reshape(count, count)
    templates = templates_of(pairs.subjects, inside)
    of_person = np.zeros(len(templates), np.int64)
    of_person[pairs.subjects] = pairs.folds
    own = np.bincount(of_person, weights=templates, minlength=count).astype(np.int64)
    same = np.bincount(of_person, weights=templates**2, minlength=count).astype(np.int64)
    found = np.triu(np.outer(own, own))
    np.fill_diagonal(found, (own**2 - same) // 2)
    left_out = between(pairs.excluded, inside, None)
    left_out = left_out[pairs.subjects[left_out[:, 0]] != pairs.subjects[left_out[:, 1]]]
    np.subtract.at(found, tuple(np.sort(pairs.folds[left_out], axis=1).T), 1)
    return found


def listed_by_folds(pairs: Comparisons, group: BoolArray, count: int) -> tuple[FloatArray, IntArray]:
    """Scores of the listed impostor pairs within a group, descending, and the position of their folds in a (K, K) table."""
    assert pairs.folds is not None
    inside = group & pairs.counted & pairs.enrolled
    cells = Column(np.int32)
    for part in chunks(pairs.made):
        rows = pairs.impostor[part]
        left, right = (pairs.folds[side] for side in rows[both(inside, rows)].T)
        cells.append(np.minimum(left, right) * count + np.maximum(left, right))
    return scores_within(pairs, inside), cells.array()


def least_outside(images: IntArray, folds: IntArray) -> tuple[int, int, int]:
    """The smallest number of impostor pairs outside any pair of folds if every image gives a template, and those two folds.

    images : int64 (S,), of each subject; folds : int64 (S,)
    """
    count = int(folds.max(initial=0)) + 1
    own = np.bincount(folds, weights=images, minlength=count).astype(np.int64)
    same = np.bincount(folds, weights=images**2, minlength=count).astype(np.int64)
    first, second = fold_pairs(count)
    once = first != second
    left = own.sum() - own[first] - own[second] * once
    squares = same.sum() - same[first] - same[second] * once
    pairs = (left**2 - squares) // 2
    least = int(np.argmin(pairs))
    return int(pairs[least]), int(first[least]), int(second[least])
