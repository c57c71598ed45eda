"""The comparisons of a run in a common form, whether all pairs were compared or only those of a list.

Templates are compared; rows are those of the table of images, or of templates pooled from several. False matches are
few, so only the highest impostor pairs are listed; the number of pairs follows from the templates of each subject. If
the pairs come from a list (scores of a black box), all of them are listed.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from facegap.derive.cuts import Cut, FoldCut, fold_cut, limits_of, lowest_of
from facegap.derive.groupings import Cells, Grouping, attribute_columns, cells_of
from facegap.derive.pair_list_rates import ListedPeople, listed_people, placed, times_listed
from facegap.derive.units import units_of_subjects
from facegap.errors import StatisticsError
from facegap.statistics.dyadic import dyadic_fmr, dyadic_fnmr
from facegap.statistics.intervals import clopper_pearson, wilson
from facegap.statistics.sampled_pairs import sampled_fmr, sampled_fnmr
from facegap.store.record import Operating, TransferPoint
from facegap.store.scratch import Column, chunks, places, scratch, taken
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray, Rate, ScoreCounts

PairRows = IntArray  # (m, 2) rows of two templates; a row of the table of images represents its template
WEIGHT = "weight"  # column of listed pairs: number of pairs represented by each, if they are a sample
MOST_COUNTED_GROUPS = 64  # counts are kept per pair of groups; with more groups, all are counted as one


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Pairs of n templates, including lost ones.

    subjects        : int64 (n,), code of the person of each template, 0..S-1
    enrolled        : bool (n,), whether there is a template; False if it was lost
    counted         : bool (n,), whether the template is evaluated (others are in the threshold set)
    impostor        : int64 (m, 2), rows of the listed impostor pairs, by decreasing score; lost templates last
    impostor_scores : float64 (m,), NaN if a template was lost
    floor           : every impostor pair with at least this score is listed; -inf if all are
    genuine, genuine_scores : the same for all genuine pairs, in any order
    excluded        : int64 (k, 2), rows of pairs excluded from all counts, each once
    tail_limit      : maximum length of the list of impostor pairs
    listed_only     : whether only the listed pairs were compared; otherwise all pairs of counted templates, except `excluded`
    people          : if so, the listed impostor pairs summed by people; needed for rates of groups, not for thresholds
    units           : int64 (S,), sampling unit of each person, if not the person; see derive/units.py
    folds           : int64 (n,), fold of each template, if thresholds were set by folds
    impostor_weights, genuine_weights : float64, number of pairs represented by each listed pair, if the list is a
                                        sample of all pairs; None if each represents only itself
    """

    subjects: IntArray
    enrolled: BoolArray
    counted: BoolArray
    impostor: PairRows
    impostor_scores: FloatArray
    floor: float
    genuine: PairRows
    genuine_scores: FloatArray
    excluded: PairRows
    tail_limit: int = 0
    listed_only: bool = False
    people: ListedPeople | None = None
    units: IntArray | None = None
    folds: IntArray | None = None
    impostor_weights: FloatArray | None = None
    genuine_weights: FloatArray | None = None

    @property
    def varying(self) -> IntArray:
        """The sampling unit of each template, int64 (n,)."""
        return self.subjects if self.units is None else self.units[self.subjects]

    @property
    def complete(self) -> bool:
        """Whether every impostor pair is listed."""
        return bool(np.isneginf(self.floor))

    @property
    def made(self) -> int:
        """How many listed impostor pairs have a score; the others come last."""
        scores = self.impostor_scores
        return bisect.bisect_left(range(len(scores)), True, key=lambda row: not np.isfinite(scores[row]))

    def cut(self, point: Operating | TransferPoint) -> Cut:
        """Return where comparisons are accepted at a threshold of the run: by pair of folds, or the threshold itself."""
        if point.by_folds is not None and self.folds is not None:
            return fold_cut(point.by_folds, self.folds)
        return np.nan if point.threshold is None else point.threshold

    def false_match_places(self, cut: Cut) -> IntArray | slice:
        """Return which of the listed impostor pairs are false matches: at or above the threshold.

        Raises
        ------
        StatisticsError : if the list ends above the threshold
        """
        lowest = lowest_of(cut)
        if lowest < self.floor:
            raise StatisticsError(
                f"the list of impostor pairs ends at score {self.floor:.4f}, above the threshold {lowest:.4f}; "
                f"run again with a tail limit above {self.tail_limit} (--tail-limit)"
            )
        rising = self.impostor_scores[: self.made][::-1]
        reached = len(rising) - int(np.searchsorted(rising, lowest, side="left"))
        if not isinstance(cut, FoldCut):
            return slice(reached)
        return np.flatnonzero(self.impostor_scores[:reached] >= cut.of(self.impostor[:reached]))

    def false_matches(self, cut: Cut) -> PairRows:
        """Return the impostor pairs at or above the threshold. Raises StatisticsError as in `false_match_places`."""
        return self.impostor[self.false_match_places(cut)]


def false_match_rate(
    pairs: Comparisons, cut: Cut, first: BoolArray, second: BoolArray | None, *, generalised: bool, level: float
) -> Rate:
    """FMR of the templates in a group (`second` is None), or of one group against another; GFAR if `generalised`.

    first, second : bool (n,), templates of each group; the groups are disjoint
    generalised   : pairs with a lost template are trials too, but not false matches: GFAR = false matches / all pairs
    """
    if pairs.impostor_weights is not None:
        return sampled_match_rate(pairs, cut, first, second, generalised=generalised, level=level)
    if pairs.listed_only:
        assert pairs.people is not None
        places = pairs.false_match_places(cut)
        return pairs.people.rate(places, first, second, generalised=generalised, level=level)
    taking_part = pairs.counted if generalised else pairs.counted & pairs.enrolled
    wrong = between(pairs.false_matches(cut), first & taking_part, None if second is None else second & taking_part)
    templates = templates_of(pairs.subjects, first & taking_part)
    others = None if second is None else templates_of(pairs.subjects, second & taking_part)
    left, right = pairs.subjects[wrong[:, 0]], pairs.subjects[wrong[:, 1]]
    ones = np.ones(len(wrong), np.int64)
    rate = dyadic_fmr(left, right, ones, images=templates, other_images=others, level=level, units=pairs.units)
    return without_excluded_trials(rate, impostors_left_out(pairs, first, second, generalised=generalised))


def impostors_left_out(pairs: Comparisons, first: BoolArray, second: BoolArray | None, *, generalised: bool) -> int:
    """Number of impostor pairs of a group, or between two, that were excluded after review."""
    taking_part = pairs.counted if generalised else pairs.counted & pairs.enrolled
    left_out = between(pairs.excluded, first & taking_part, None if second is None else second & taking_part)
    return int((pairs.subjects[left_out[:, 0]] != pairs.subjects[left_out[:, 1]]).sum())


def sampled_match_rate(
    pairs: Comparisons, cut: Cut, first: BoolArray, second: BoolArray | None, *, generalised: bool, level: float
) -> Rate:
    """`false_match_rate` over all pairs, if the listed ones are a weighted sample."""
    assert pairs.impostor_weights is not None
    matched = np.zeros(len(pairs.impostor), np.bool_)
    matched[pairs.false_match_places(cut)] = True
    inside, swapped = placed(pairs.impostor[:, 0], pairs.impostor[:, 1], first, second)
    inside &= generalised | np.isfinite(pairs.impostor_scores)
    rows = np.where(swapped[inside, None], pairs.impostor[inside][:, ::-1], pairs.impostor[inside])
    size = len(pairs.subjects)
    return sampled_fmr(
        pairs.subjects[rows[:, 0]],
        pairs.subjects[rows[:, 1]],
        matched[inside],
        pairs.impostor_weights[inside],
        across=second is not None,
        units=pairs.units,
        comparisons=np.minimum(rows[:, 0], rows[:, 1]) * size + np.maximum(rows[:, 0], rows[:, 1]),
        level=level,
    )


def false_non_match_rate(pairs: Comparisons, cut: Cut, group: BoolArray, *, generalised: bool, level: float) -> Rate:
    """FNMR of genuine pairs with both templates in a group; GFRR if `generalised`: a lost template is an error too."""
    chosen, wrong = genuine_errors(pairs, cut, group, generalised=generalised)
    mates = pairs.genuine[chosen]
    subjects = pairs.subjects[mates[:, 0]]
    if pairs.genuine_weights is not None:
        return sampled_fnmr(subjects, wrong, pairs.genuine_weights[chosen], units=pairs.units, level=level)
    ones = np.ones(len(wrong), np.int64)
    squares = times_listed(mates) if pairs.listed_only else None
    return dyadic_fnmr(subjects, wrong.astype(np.int64), trials=ones, squares=squares, level=level, units=pairs.units)


def genuine_errors(pairs: Comparisons, cut: Cut, group: BoolArray, *, generalised: bool) -> tuple[BoolArray, BoolArray]:
    """Which genuine pairs are trials of a group, bool (pairs,), and which of these are errors, bool (trials,)."""
    scores = pairs.genuine_scores
    usable = np.ones(len(scores), np.bool_) if generalised else np.isfinite(scores)
    chosen = usable & both(group & pairs.counted, pairs.genuine)
    with np.errstate(invalid="ignore"):
        return chosen, ~(
            scores[chosen] >= limits_of(cut, pairs.genuine[chosen])
        )  # NaN is never at or above a threshold


def between(rows: PairRows, first: BoolArray, second: BoolArray | None) -> PairRows:
    """The pairs within a group, or between two with the template of the first group first."""
    inside, swapped = placed(rows[:, 0], rows[:, 1], first, second)
    return np.where(swapped[inside, None], rows[inside][:, ::-1], rows[inside])


def both(chosen: BoolArray, rows: PairRows) -> BoolArray:
    """Whether both templates of each pair are chosen; several times faster than a reduction over an axis of two."""
    return np.asarray(chosen[rows[:, 0]] & chosen[rows[:, 1]])


def templates_of(subjects: IntArray, rows: BoolArray) -> IntArray:
    """Number of templates per subject among some rows, int64 (S,)."""
    return np.bincount(subjects[rows], minlength=int(subjects.max(initial=-1)) + 1).astype(np.int64)


def without_excluded_trials(rate: Rate, excluded: int) -> Rate:
    """The rate without `excluded` pairs, which were counted as trials without an error; NaN if no trial remains.

    Excluded pairs are some dozens among millions, so the effective trials decrease in proportion.
    """
    trials = rate.trials - excluded
    if not excluded or not rate.trials:
        return rate
    if not trials:
        return replace(Rate(0, 0, subjects=rate.subjects, level=rate.level), effective_subjects=0.0)
    effective = rate.effective_trials * trials / rate.trials
    if rate.errors in (0, trials):
        effective = min(rate.effective_trials, float(trials))
        low, high = clopper_pearson(effective * (rate.errors > 0), effective, level=rate.level)
    else:
        low, high = wilson(effective * rate.errors / trials, effective, level=rate.level)
    return replace(rate, trials=trials, effective_trials=effective, low=float(low), high=float(high))


def lost_genuine_pairs(subjects: IntArray, enrolled: BoolArray, counted: BoolArray) -> PairRows:
    """Genuine pairs of counted templates of which at least one was lost, int64 (m, 2), left < right."""
    lost = np.flatnonzero(counted & ~enrolled)
    members = np.flatnonzero(counted & np.isin(subjects, subjects[lost]))
    order = members[np.argsort(subjects[members], kind="stable")]
    starts = np.flatnonzero(np.r_[True, np.diff(subjects[order]) != 0]) if len(order) else np.empty(0, np.int64)
    found = [np.empty((0, 2), np.int64)]
    for block in np.split(order, starts[1:]) if len(order) else []:
        block = np.sort(block)
        left, right = np.triu_indices(len(block), 1)
        pairs = np.stack([block[left], block[right]], axis=1)
        found.append(pairs[~both(enrolled, pairs)])
    return np.concatenate(found)


def without(pairs: PairRows, excluded: PairRows, templates: int) -> BoolArray:
    """Whether each pair is kept, bool (m,): those not excluded in either order."""
    if not len(excluded):
        return np.ones(len(pairs), np.bool_)
    keys = [np.sort(rows, axis=1) @ np.array([templates, 1]) for rows in (pairs, excluded)]
    return ~np.isin(*keys)


def as_rows(structured: AnyArray, rows: IntArray) -> PairRows:
    """Pairs of a structured (left, right, score) array as rows of the run's templates, int64 (m, 2)."""
    return rows[np.stack([structured["left"], structured["right"]], axis=1).astype(np.int64)]


def impostors_within(pairs: Comparisons, group: BoolArray) -> tuple[FloatArray, int]:
    """Scores of the listed impostor pairs within a group, decreasing, and the number of all, listed or not.

    group : bool (n,); pairs with a lost template are not comparisons and are excluded
    """
    inside = group & pairs.counted & pairs.enrolled
    scores: FloatArray = scores_within(pairs, inside)
    if pairs.listed_only:
        return scores, len(scores)
    templates = templates_of(pairs.subjects, inside)
    left_out = between(pairs.excluded, inside, None)
    impostors = int((pairs.subjects[left_out[:, 0]] != pairs.subjects[left_out[:, 1]]).sum())
    return scores, int(templates.sum() ** 2 - (templates**2).sum()) // 2 - impostors


def scores_within(pairs: Comparisons, inside: BoolArray) -> FloatArray:
    """Scores of the listed impostor pairs with both templates inside, falling."""
    made = pairs.made
    if inside.all() and pairs.listed_only:
        return pairs.impostor_scores[:made]
    found = Column(np.float64)
    for part in chunks(made):
        found.append(pairs.impostor_scores[part][both(inside, pairs.impostor[part])])
    return found.array()


def counted_comparisons(
    counts: ScoreCounts,
    subjects: IntArray,
    enrolled: BoolArray,
    counted: BoolArray,
    excluded: PairRows,
    units: IntArray | None = None,
    folds: IntArray | None = None,
) -> Comparisons:
    """All pairs of the counted templates, from the counts of the matching loop over those that were not lost.

    units : int64 (n,), sampling unit of each template, see `units_of_run`
    folds : int64 (n,), fold of each template; None if thresholds were not set by folds
    """
    rows = np.flatnonzero(enrolled & counted)
    lost = lost_genuine_pairs(subjects, enrolled, counted)
    lost = lost[without(lost, excluded, len(subjects))]
    whole = len(counts.tail) == int(counts.impostor_pairs.sum())
    return Comparisons(
        subjects=subjects,
        enrolled=enrolled,
        counted=counted,
        impostor=as_rows(counts.tail, rows),
        impostor_scores=counts.tail["score"],
        floor=-np.inf if whole else counts.tail_floor,
        genuine=np.concatenate([as_rows(counts.genuine_scores, rows), lost]),
        genuine_scores=np.concatenate([counts.genuine_scores["score"], np.full(len(lost), np.nan)]),
        excluded=excluded,
        tail_limit=counts.tail_limit,
        units=None if units is None else units_of_subjects(subjects, units),
        folds=folds,
    )


def listed_comparisons(
    pairs: pd.DataFrame,
    subjects: IntArray,
    enrolled: BoolArray,
    counted: BoolArray,
    excluded: PairRows,
    cells: IntArray | None = None,
    units: IntArray | None = None,
    folds: IntArray | None = None,
) -> Comparisons:
    """Only the pairs of a list: left, right (rows of the run's templates), genuine, score (NaN: lost), optionally weight.

    cells : int64 (n,), cell of the attributes of all groups, see `finest_cells`; None if no rates of groups are needed
    units : int64 (n,), sampling unit of each template, see `units_of_run`
    folds : int64 (n,), as in `counted_comparisons`
    """
    rows = pair_rows(pairs)
    genuine = pairs["genuine"].to_numpy(np.bool_)
    scores = pairs["score"].to_numpy(np.float64)

    def kept(kind: bool) -> Iterator[BoolArray]:
        for part in chunks(len(rows)):
            stays = both(counted, rows[part]) & without(rows[part], excluded, len(subjects))
            yield stays & (genuine[part] == kind)

    impostor, mates = by_falling_score(scores, places(kept(False))), places(kept(True))
    of_impostor, others = taken(rows, impostor), taken(scores, impostor)
    made = sum(int(np.isfinite(others[part]).sum()) for part in chunks(len(others)))
    weights = pairs[WEIGHT].to_numpy(np.float64) if WEIGHT in pairs.columns else None
    summed = None
    if cells is not None and weights is None:
        summed = listed_people(subjects, cells, of_impostor, made, units)
    return Comparisons(
        subjects=subjects,
        enrolled=enrolled,
        counted=counted,
        impostor=of_impostor,
        impostor_scores=others,
        floor=-np.inf,
        genuine=rows[mates],
        genuine_scores=scores[mates],
        excluded=excluded,
        listed_only=True,
        people=summed,
        units=None if units is None else units_of_subjects(subjects, units),
        folds=folds,
        impostor_weights=None if weights is None else weights[impostor],
        genuine_weights=None if weights is None else weights[mates],
    )


def by_falling_score(scores: FloatArray, rows: IntArray) -> IntArray:
    """Some rows by their scores, the highest first and NaN last; rows of one score stay in their order."""
    keys = scratch(len(rows), np.float64)
    for part in chunks(len(rows)):
        keys[part] = -scores[rows[part]]
    return taken(rows, np.argsort(keys, kind="stable"))


def pair_rows(pairs: pd.DataFrame) -> PairRows:
    """Both sides of listed pairs, int64 (m, 2). pairs : left, right"""
    found: PairRows = scratch((len(pairs), 2), np.int64)
    for k, side in enumerate(("left", "right")):
        values = pairs[side].to_numpy(np.int64)
        for part in chunks(len(values)):
            found[part, k] = values[part]
    return found


def finest_cells(manifest: pd.DataFrame, groupings: Sequence[Grouping]) -> IntArray:
    """Cell of each template by the attributes of all groupings, int64 (n,); every group is a union of cells."""
    columns = [name for name in attribute_columns(groupings) if name in manifest.columns]
    if not columns:
        return np.zeros(len(manifest), np.int64)
    return np.asarray(manifest.groupby(columns, sort=True).ngroup(), np.int64)


def counted_groups(manifest: pd.DataFrame, groupings: Sequence[Grouping]) -> Cells:
    """The finest groups, of which every group is a union; a single group if there are too many to count separately."""
    columns = attribute_columns(groupings)
    if len(manifest[list(columns)].drop_duplicates()) > MOST_COUNTED_GROUPS:
        return cells_of(manifest, ())
    return cells_of(manifest, columns)
