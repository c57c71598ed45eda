"""The comparisons of a run in one shape, whether all pairs were compared or only those that a list names.

False matches are few, so only the highest impostor pairs are listed; how many pairs there were is counted from the
images of each subject. Where a list named the pairs (a closed box hands over scores), all of them are listed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from facegap.errors import StatisticsError
from facegap.statistics.dyadic import dyadic_fmr, dyadic_fnmr
from facegap.statistics.intervals import wilson
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray, Rate

PairRows = IntArray  # (m, 2) rows of the table of images


@dataclass(frozen=True, eq=False)
class Comparisons:
    """Pairs of n images.

    subjects        : int64 (n,), code of the person of each image, 0..S-1
    enrolled        : bool (n,), the image gave a template
    counted         : bool (n,), the image takes part (others are of the calibration set)
    impostor        : int64 (m, 2), rows of the listed impostor pairs, by falling score; lost templates last
    impostor_scores : float64 (m,), NaN where a template was lost
    floor           : every impostor pair with a score from here on is listed; -inf where all are
    genuine, genuine_scores : every genuine pair likewise, in any order
    listed_only     : only the listed pairs were compared; otherwise all pairs of counted images, less `excluded`
    excluded        : int64 (k, 2), rows of pairs that are counted nowhere
    tail_limit      : length that the list of impostor pairs was bounded to
    """

    subjects: IntArray
    enrolled: BoolArray
    counted: BoolArray
    impostor: PairRows
    impostor_scores: FloatArray
    floor: float
    genuine: PairRows
    genuine_scores: FloatArray
    listed_only: bool
    excluded: PairRows
    tail_limit: int = 0

    def false_matches(self, threshold: float) -> PairRows:
        """Impostor pairs with a score at or above the threshold.

        Raises
        ------
        StatisticsError : the list does not reach down to the threshold
        """
        if threshold < self.floor:
            raise StatisticsError(
                f"the list of impostor pairs ends at score {self.floor:.4f}, above the threshold {threshold:.4f}; "
                f"run again with a tail limit above {self.tail_limit} (--tail-limit)"
            )
        return self.impostor[: int(np.searchsorted(-self.impostor_scores, -threshold, side="right"))]


def false_match_rate(
    pairs: Comparisons, threshold: float, first: BoolArray, second: BoolArray | None, *, generalised: bool, level: float
) -> Rate:
    """FMR of the images in a group (`second` None), or of one group against another; GFAR where `generalised`.

    first, second : bool (n,), images of each group; no image is in both
    generalised   : pairs with a lost template are trials too, and no false match: GFAR = false matches / all pairs
    """
    if pairs.listed_only:
        return listed_false_match_rate(pairs, threshold, first, second, generalised=generalised, level=level)
    taking_part = pairs.counted if generalised else pairs.counted & pairs.enrolled
    wrong = between(
        pairs.false_matches(threshold), first & taking_part, None if second is None else second & taking_part
    )
    images = images_of(pairs.subjects, first & taking_part)
    others = None if second is None else images_of(pairs.subjects, second & taking_part)
    left, right = pairs.subjects[wrong[:, 0]], pairs.subjects[wrong[:, 1]]
    rate = dyadic_fmr(left, right, np.ones(len(wrong), np.int64), images=images, other_images=others, level=level)
    left_out = between(pairs.excluded, first & taking_part, None if second is None else second & taking_part)
    impostors = pairs.subjects[left_out[:, 0]] != pairs.subjects[left_out[:, 1]]
    return less_trials(rate, int(impostors.sum()))


def listed_false_match_rate(
    pairs: Comparisons, threshold: float, first: BoolArray, second: BoolArray | None, *, generalised: bool, level: float
) -> Rate:
    """`false_match_rate` where only listed pairs were compared: each is a trial of its own."""
    usable = np.ones(len(pairs.impostor), np.bool_) if generalised else np.isfinite(pairs.impostor_scores)
    inside, swapped = placed(pairs.impostor, first, second)
    chosen = inside & usable & pairs.counted[pairs.impostor].all(axis=1)
    rows = np.where(swapped[chosen, None], pairs.impostor[chosen][:, ::-1], pairs.impostor[chosen])
    with np.errstate(invalid="ignore"):
        wrong = (pairs.impostor_scores[chosen] >= threshold).astype(np.int64)
    left, right = pairs.subjects[rows[:, 0]], pairs.subjects[rows[:, 1]]
    return dyadic_fmr(left, right, wrong, trials=np.ones(len(rows), np.int64), across=second is not None, level=level)


def false_non_match_rate(
    pairs: Comparisons, threshold: float, group: BoolArray, *, generalised: bool, level: float
) -> Rate:
    """FNMR of genuine pairs with both images in a group; GFRR where `generalised`: a lost template is an error too."""
    chosen, wrong = genuine_errors(pairs, threshold, group, generalised=generalised)
    subjects = pairs.subjects[pairs.genuine[chosen, 0]]
    return dyadic_fnmr(subjects, wrong.astype(np.int64), trials=np.ones(len(wrong), np.int64), level=level)


def genuine_errors(
    pairs: Comparisons, threshold: float, group: BoolArray, *, generalised: bool
) -> tuple[BoolArray, BoolArray]:
    """Which genuine pairs are trials of a group, bool (pairs,), and which of those are in error, bool (trials,)."""
    scores = pairs.genuine_scores
    usable = np.ones(len(scores), np.bool_) if generalised else np.isfinite(scores)
    chosen = usable & (group & pairs.counted)[pairs.genuine].all(axis=1)
    with np.errstate(invalid="ignore"):
        return chosen, ~(scores[chosen] >= threshold)  # NaN is not at or above any threshold


def between(rows: PairRows, first: BoolArray, second: BoolArray | None) -> PairRows:
    """The pairs within a group, or between two with the first group's image in front."""
    inside, swapped = placed(rows, first, second)
    return np.where(swapped[inside, None], rows[inside][:, ::-1], rows[inside])


def placed(rows: PairRows, first: BoolArray, second: BoolArray | None) -> tuple[BoolArray, BoolArray]:
    """Per pair: whether it lies within the group or between the two, and whether its images stand the other way round."""
    left, right = rows[:, 0], rows[:, 1]
    if second is None:
        return first[left] & first[right], np.zeros(len(rows), np.bool_)
    swapped = second[left] & first[right]
    return (first[left] & second[right]) | swapped, swapped


def images_of(subjects: IntArray, rows: BoolArray) -> IntArray:
    """Images per subject among some rows, int64 (S,)."""
    return np.bincount(subjects[rows], minlength=int(subjects.max(initial=-1)) + 1).astype(np.int64)


def less_trials(rate: Rate, excluded: int) -> Rate:
    """The rate without `excluded` pairs that were counted as trials without an error.

    The reviewed pairs are some dozens among millions: the effective trials shrink in proportion.
    """
    if not excluded or not rate.trials:
        return rate
    trials = rate.trials - excluded
    effective = rate.effective_trials * trials / rate.trials
    if not rate.errors or not trials:
        return replace(rate, trials=trials)
    low, high = wilson(effective * rate.errors / trials, effective, level=rate.level)
    return replace(rate, trials=trials, effective_trials=effective, low=float(low), high=float(high))


def lost_genuine_pairs(subjects: IntArray, enrolled: BoolArray, counted: BoolArray) -> PairRows:
    """Genuine pairs of counted images of which at least one gave no template, int64 (m, 2), left < right."""
    lost = np.flatnonzero(counted & ~enrolled)
    members = np.flatnonzero(counted & np.isin(subjects, subjects[lost]))
    order = members[np.argsort(subjects[members], kind="stable")]
    starts = np.flatnonzero(np.r_[True, np.diff(subjects[order]) != 0]) if len(order) else np.empty(0, np.int64)
    found = [np.empty((0, 2), np.int64)]
    for block in np.split(order, starts[1:]) if len(order) else []:
        block = np.sort(block)
        left, right = np.triu_indices(len(block), 1)
        pairs = np.stack([block[left], block[right]], axis=1)
        found.append(pairs[~enrolled[pairs].all(axis=1)])
    return np.concatenate(found)


def without(pairs: PairRows, excluded: PairRows, images: int) -> BoolArray:
    """Whether each pair stays, bool (m,): it is not among the excluded, in either order."""
    keys = [np.sort(rows, axis=1) @ np.array([images, 1]) for rows in (pairs, excluded)]
    return ~np.isin(*keys)


def as_rows(structured: AnyArray, rows: IntArray) -> PairRows:
    """Pairs of a structured (left, right, score) array as rows of the table of images, int64 (m, 2)."""
    return rows[np.stack([structured["left"], structured["right"]], axis=1).astype(np.int64)]
