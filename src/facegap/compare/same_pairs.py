"""The comparisons that two runs have in common, and the decisions of each run at one threshold."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from facegap.compare.shared_people import Together, evaluated_by_both
from facegap.derive.comparisons import Comparisons, PairRows, both, finest_cells, templates_of, without
from facegap.derive.cuts import Cut, limits_of
from facegap.derive.pair_list_rates import listed_people
from facegap.types import BoolArray, FloatArray, IntArray

CUT = 0.5  # between the scores 0 (no) and 1 (yes)


@dataclass(frozen=True, eq=False)
class SamePairs:
    """Comparisons of two runs over their common images.

    Attributes
    ----------
    first, other : Comparisons
        Over the images that both evaluate, in one order.
    usable : numpy.ndarray
        bool (n,), evaluated images with a template in both runs.
    genuine : numpy.ndarray
        int64 (g, 2), the mated comparisons of both.
    genuine_a, genuine_b : numpy.ndarray
        float64 (g,), their scores in the first and in the other run.
    cells : numpy.ndarray
        int64 (n,), cell of all attributes that define groups.
    """

    first: Comparisons
    other: Comparisons
    usable: BoolArray
    genuine: PairRows
    genuine_a: FloatArray
    genuine_b: FloatArray
    cells: IntArray

    def decisions(self, kind: str, cut: Cut) -> tuple[PairRows, BoolArray, BoolArray]:
        """The relevant comparisons at one threshold, or at those of the folds of the first run, and whether each run accepts
        them: all mated ones, and the non-mated ones that a run accepts (others cannot flip), without those that a run
        excludes.

        Raises
        ------
        StatisticsError : the list of non-mated comparisons of a run ends above the threshold
        """
        if kind == "genuine":
            limits = limits_of(cut, self.genuine)
            return self.genuine, self.genuine_a >= limits, self.genuine_b >= limits
        size = len(self.usable)
        keys = []
        for pairs in (self.first, self.other):
            accepted = pairs.false_matches(cut)
            made = both(self.usable, accepted) & without(accepted, self.excluded, size)
            keys.append(np.unique(keys_of(accepted[made], size)))
        either = np.union1d(*keys)
        rows = np.stack(np.divmod(either, size), axis=1) if len(either) else np.empty((0, 2), np.int64)
        return rows, np.isin(either, keys[0]), np.isin(either, keys[1])

    def as_errors(self, kind: str, rows: PairRows, chosen: BoolArray) -> Comparisons:
        """The chosen comparisons as errors among all of their kind: FNMR (or FMR) at CUT is the proportion chosen."""
        if kind == "genuine":
            scores = np.where(chosen, 0.0, 1.0)
            return replace(self.first, enrolled=self.usable, genuine=rows, genuine_scores=scores, genuine_weights=None)
        wrong = rows[chosen]
        if not self.first.listed_only:
            ones = np.ones(len(wrong))
            return replace(
                self.first,
                enrolled=self.usable,
                impostor=wrong,
                impostor_scores=ones,
                floor=-np.inf,
                excluded=self.excluded,
            )
        return self._listed(wrong)

    def _listed(self, wrong: PairRows) -> Comparisons:
        """As `as_errors`, if the non-mated comparisons were listed: those in both lists."""
        size, pairs = len(self.usable), self.first
        made = [
            np.unique(keys_of(one.impostor[np.isfinite(one.impostor_scores)], size)) for one in (self.first, self.other)
        ]
        common = np.intersect1d(made[0], made[1])
        hit = np.isin(common, keys_of(wrong, size))
        ordered = np.concatenate([common[hit], common[~hit]])
        rows = np.stack(np.divmod(ordered, size), axis=1).reshape(-1, 2)
        units = None if pairs.units is None else pairs.units[pairs.subjects]
        return replace(
            pairs,
            enrolled=self.usable,
            impostor=rows,
            impostor_scores=np.repeat([1.0, 0.0], [int(hit.sum()), int((~hit).sum())]),
            floor=-np.inf,
            people=listed_people(pairs.subjects, self.cells, rows, len(rows), units),
        )

    def lost(self, kind: str, groups: Sequence[BoolArray]) -> list[tuple[int, int]]:
        """Per group, the comparisons that only the first run lost, because it lacks a template or a score, and those that only
        the other run lost. groups : bool (n,) each
        """
        sides = [self._lost(kind, *runs, groups) for runs in ((self.first, self.other), (self.other, self.first))]
        return list(zip(*sides, strict=True))

    def _lost(self, kind: str, lacking: Comparisons, made: Comparisons, groups: Sequence[BoolArray]) -> list[int]:
        """Comparisons within each group that `made` has and `lacking` lost."""
        there, size = made.enrolled & made.counted, len(self.usable)
        if kind != "genuine" and not made.listed_only:
            return [self._strangers(group & there) - self._strangers(group & self.usable) for group in groups]
        (rows, scores), (others, theirs) = (listed(one, kind) for one in (made, lacking))
        scored = np.isfinite(theirs)
        if scored.all() and np.array_equal(there, self.usable):
            return [0] * len(groups)
        done = rows[np.isfinite(scores) & both(there, rows)]
        keys, places = np.unique(keys_of(done, size), return_index=True)
        done = done[places]
        lost = ~both(self.usable, done) | np.isin(keys, keys_of(others[~scored], size))
        lost &= ~np.isin(keys, keys_of(others[scored], size)) & without(done, self.excluded, size)
        return [int(both(group, done[lost]).sum()) for group in groups]

    def _strangers(self, images: BoolArray) -> int:
        """Number of pairs of different people among some images, without the pairs that either run excludes."""
        people = templates_of(self.first.subjects, images)
        left, right = self.excluded[both(images, self.excluded)].T
        apart = int((self.first.subjects[left] != self.first.subjects[right]).sum())
        return int(people.sum() ** 2 - (people**2).sum()) // 2 - apart

    @property
    def one_design(self) -> bool:
        """Whether both runs compared all pairs, or both a list; otherwise their common non-mated comparisons are unknown."""
        return self.first.listed_only == self.other.listed_only

    @property
    def excluded(self) -> PairRows:
        """Pairs that either run excludes, each once."""
        size = len(self.usable)
        keys = np.unique(np.concatenate([keys_of(pairs.excluded, size) for pairs in (self.first, self.other)]))
        return np.stack(np.divmod(keys, size), axis=1).astype(np.int64).reshape(-1, 2)


def same_pairs(runs: Together, other: int) -> SamePairs | None:
    """The comparisons of the first run and of another; None if one of them has none."""
    pairs, also = runs.comparisons(0), runs.comparisons(other)
    if pairs is None or also is None:
        return None
    pairs, also = evaluated_by_both(pairs, also)
    usable = pairs.enrolled & also.enrolled & pairs.counted & also.counted
    size = len(usable)
    sides = []
    for one in (pairs, also):
        kept = both(usable, one.genuine) & np.isfinite(one.genuine_scores)
        keys, places = np.unique(keys_of(one.genuine[kept], size), return_index=True)
        sides.append((keys, one.genuine_scores[kept][places]))
    (keys, scores), (other_keys, other_scores) = sides
    common, here, there = np.intersect1d(keys, other_keys, assume_unique=True, return_indices=True)
    rows = np.stack(np.divmod(common, size), axis=1).astype(np.int64).reshape(-1, 2)
    cells = finest_cells(runs.manifest, runs.groupings)
    return SamePairs(pairs, also, usable, rows, scores[here], other_scores[there], cells)


def listed(pairs: Comparisons, kind: str) -> tuple[PairRows, FloatArray]:
    """The listed comparisons of a kind and their scores."""
    return (pairs.genuine, pairs.genuine_scores) if kind == "genuine" else (pairs.impostor, pairs.impostor_scores)


def keys_of(rows: PairRows, size: int) -> IntArray:
    """A unique number for each unordered pair of rows."""
    return np.asarray(rows.min(axis=1, initial=size) * size + rows.max(axis=1, initial=0), np.int64)
