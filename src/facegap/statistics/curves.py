"""Verification errors as a function of the threshold, from plain arrays of scores.

Throughout, higher scores mean more similar, and a pair is accepted if score >= threshold. NaN is a failure to acquire:
such a pair is never accepted. It is excluded from FMR and FNMR, which refer to completed comparisons, and counts as a
rejection in the generalised rates (`generalised_counts`).
"""

from __future__ import annotations

import bisect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.types import AnyArray, FloatArray, IntArray

EerConvention = Literal["midpoint", "fvc"]
EER_CONVENTION = "least |FMR - FNMR| among midpoints of adjacent distinct scores, value (FMR + FNMR) / 2"
FVC_CONVENTION = (
    "FVC2000: middle of the interval between FMR and FNMR where they cross, at the last score with FNMR <= FMR or the first with "
    "FNMR >= FMR, whichever has the lower sum"
)
EER_CONVENTIONS: dict[EerConvention, str] = {"midpoint": EER_CONVENTION, "fvc": FVC_CONVENTION}


@dataclass(frozen=True, eq=False)
class DetPoints:
    """Error counts at each observed threshold, in increasing order, without interpolation.

    Attributes
    ----------
    thresholds
        float64 [t], every distinct score and one just above the highest.
    false_matches
        int64 [t], impostor pairs with score >= threshold, of impostor_pairs.
    false_non_matches
        int64 [t], genuine pairs with score < threshold, of genuine_pairs.
    """

    thresholds: FloatArray
    false_matches: IntArray
    impostor_pairs: int
    false_non_matches: IntArray
    genuine_pairs: int

    @property
    def fmr(self) -> FloatArray:
        """False match rate at each threshold; NaN without impostor pairs."""
        return _share(self.false_matches, self.impostor_pairs)

    @property
    def fnmr(self) -> FloatArray:
        """False non-match rate at each threshold; NaN without genuine pairs."""
        return _share(self.false_non_matches, self.genuine_pairs)


@dataclass(frozen=True)
class ThresholdChoice:
    """A threshold for a target FMR and the counts from which it was chosen; reported wherever the threshold is used.

    Attributes
    ----------
    threshold
        The smallest impostor score whose FMR is at most the target, or just above the highest score.
    false_matches
        Number of impostor pairs that reach it, of impostor_pairs.
    allowed
        False matches that the target allows, floor(target * impostor_pairs).
    """

    threshold: float
    target: float
    false_matches: int
    allowed: int
    impostor_pairs: int

    @property
    def fmr(self) -> float:
        """The rate reached; at most the target."""
        return self.false_matches / self.impostor_pairs if self.impostor_pairs else float("nan")


@dataclass(frozen=True)
class EqualErrorRate:
    """The EER by one of several conventions; FVC's interval and the ROC convex hull are others."""

    value: float
    threshold: float
    fmr: float
    fnmr: float
    convention: str = EER_CONVENTION


def accepted(scores: ArrayLike, thresholds: ArrayLike) -> AnyArray:
    """Number of scores >= each threshold: int64 of the shape of `thresholds`; NaN scores do not count.

    Raises
    ------
    StatisticsError
        If a threshold is NaN.

    Examples
    --------
    >>> accepted([0.2, 0.5, 0.9], [0.5, 0.8])
    array([2, 1])
    """
    limits = np.asarray(thresholds, dtype=np.float64)
    if np.isnan(limits).any():
        raise StatisticsError("a threshold is NaN; give finite thresholds")
    ordered = np.sort(_comparisons(scores))
    return np.asarray(len(ordered) - np.searchsorted(ordered, limits, side="left"))


def false_match_counts(impostor: ArrayLike, thresholds: ArrayLike) -> tuple[AnyArray, int]:
    """Errors, int64 of the shape of `thresholds`, and trials: impostor comparisons with a score (not NaN).

    Examples
    --------
    >>> errors, trials = false_match_counts([0.1, 0.4, 0.8], 0.4)
    >>> int(errors), trials
    (2, 3)
    """
    return accepted(impostor, thresholds), len(_comparisons(impostor))


def false_non_match_counts(genuine: ArrayLike, thresholds: ArrayLike) -> tuple[AnyArray, int]:
    """Errors, int64 of the shape of `thresholds`, and trials: genuine comparisons with a score (not NaN).

    Examples
    --------
    >>> errors, trials = false_non_match_counts([0.3, 0.7, 0.9], 0.5)
    >>> int(errors), trials
    (1, 3)
    """
    trials = len(_comparisons(genuine))
    return trials - accepted(genuine, thresholds), trials


def generalised_counts(
    impostor: ArrayLike, genuine: ArrayLike, threshold: float
) -> tuple[tuple[int, int], tuple[int, int]]:
    """(errors, trials) of GFAR and of GFRR for data without gallery and probe roles; every pair counts.

    GFAR: impostor pairs with score >= threshold over all impostor pairs, including those without a template.
    GFRR: genuine pairs with a missing template (NaN) or score < threshold over all genuine pairs.

    Examples
    --------
    >>> generalised_counts([0.1, float("nan"), 0.8], [0.9, float("nan")], 0.5)
    ((1, 3), (1, 2))
    """
    pairs, mates = np.asarray(impostor, dtype=np.float64), np.asarray(genuine, dtype=np.float64)
    matched, found = int(accepted(pairs, threshold)), int(accepted(mates, threshold))
    return (matched, pairs.size), (mates.size - found, mates.size)


def generalised_rates(
    fmr: ArrayLike, fnmr: ArrayLike, *, fta: ArrayLike = 0.0, fte: ArrayLike = 0.0
) -> tuple[AnyArray, AnyArray, AnyArray, AnyArray]:
    """FAR, FRR, GFAR and GFRR of a system in which enrolment and acquisition of a probe can each fail.

    Parameters
    ----------
    fmr, fnmr, fta, fte
        Rates in [0, 1], broadcast against each other; fta of probes (attempts), fte of enrolments.

    Returns
    -------
    tuple[AnyArray, AnyArray, AnyArray, AnyArray]
        FAR = FMR (1 - FTA); FRR = FTA + FNMR (1 - FTA); GFAR = FAR (1 - FTE); GFRR = FTE + FRR (1 - FTE).

    References
    ----------
    ISO/IEC 19795-1. For data without roles use `generalised_counts`.

    Examples
    --------
    >>> far, frr, gfar, gfrr = generalised_rates(0.01, 0.02, fta=0.1)
    >>> round(float(far), 3), round(float(frr), 3)
    (0.009, 0.118)
    """
    fmr, fnmr = np.asarray(fmr, np.float64), np.asarray(fnmr, np.float64)
    fta, fte = np.asarray(fta, np.float64), np.asarray(fte, np.float64)
    far, frr = fmr * (1 - fta), fta + fnmr * (1 - fta)
    return far, frr, far * (1 - fte), fte + frr * (1 - fte)


def threshold_at_fmr(impostor: ArrayLike, target: float) -> ThresholdChoice:
    """The smallest impostor score at which FMR <= target; just above the highest impostor score if there is none.

    The nearest score would not do, as its FMR can exceed the target. Tied scores stay together, so FMR can be well
    below the target. For a target of 0 the threshold is just above the highest score.

    Raises
    ------
    StatisticsError
        If the target is outside [0, 1], or there are fewer than 1 / target impostor pairs, so that not even one false
        match is allowed: "needs at least n impostor pairs".

    Examples
    --------
    >>> choice = threshold_at_fmr([0.1, 0.2, 0.3, 0.4], 0.25)
    >>> choice.threshold, choice.fmr
    (0.4, 0.25)
    """
    scores = np.sort(_comparisons(impostor))[::-1]
    allowed = allowed_false_matches(target, len(scores))
    if allowed >= len(scores):
        return ThresholdChoice(float(scores[-1]), target, len(scores), allowed, len(scores))
    # The first score too many, in decreasing order; all scores tied with it are excluded as well.
    reached = int(np.searchsorted(-scores, -scores[allowed], side="left"))
    threshold = scores[reached - 1] if reached else np.nextafter(scores[0], np.inf)
    return ThresholdChoice(float(threshold), target, reached, allowed, len(scores))


def allowed_false_matches(target: float, impostor_pairs: int) -> int:
    """floor(target * impostor_pairs), at least 1 unless the target is 0; raises the errors of `threshold_at_fmr`."""
    if not 0 <= target <= 1:
        raise StatisticsError(f"target FMR {target} is outside 0 to 1")
    # 0.001 * 3000 must give 3 despite rounding; the tolerance is far below one pair.
    allowed = int(np.floor(target * impostor_pairs * (1 + 1e-12)))
    if impostor_pairs == 0 or (target > 0 and allowed == 0):
        least = int(np.ceil(1 / target * (1 - 1e-12))) if target > 0 else 1
        raise StatisticsError(
            f"FMR {target:g} needs at least {least} impostor pairs; there are {impostor_pairs}; "
            "add subjects or choose a higher FMR"
        )
    return allowed


def det_points(genuine: ArrayLike, impostor: ArrayLike) -> DetPoints:
    """Both error counts at every distinct score and just above the highest, for a DET curve or a table.

    Without scores of one kind, its rate is NaN at all points; without any scores there are no points.

    Examples
    --------
    >>> points = det_points([0.6, 0.9], [0.1, 0.7])
    >>> points.thresholds, points.fmr, points.fnmr
    (array([0.1, 0.6, 0.7, 0.9, 0.9]), array([1. , 0.5, 0.5, 0. , 0. ]), array([0. , 0. , 0.5, 0.5, 1. ]))
    """
    mates, others = _comparisons(genuine), _comparisons(impostor)
    distinct = np.unique(np.concatenate([mates, others]))
    if len(distinct):
        distinct = np.append(distinct, np.nextafter(distinct[-1], np.inf))
    missed = len(mates) - accepted(mates, distinct)
    return DetPoints(distinct, accepted(others, distinct), len(others), missed, len(mates))


def equal_error_rate(
    genuine: ArrayLike, impostor: ArrayLike, *, convention: EerConvention = "midpoint"
) -> EqualErrorRate:
    """The error rate at which FMR and FNMR are closest; the result names the convention.

    NaN without scores of one kind. With a single distinct score there is no midpoint: everything is accepted, value 0.5.

    Convention "midpoint": candidate thresholds are the midpoints between adjacent distinct scores of both kinds; in a
    tie the lowest is used. Convention "fvc": see `fvc_equal_error_rate`.

    Examples
    --------
    >>> found = equal_error_rate([0.4, 0.8, 0.9], [0.1, 0.3, 0.5])
    >>> round(found.value, 3)
    0.333
    """
    return equal_error_rate_of_sorted(
        np.sort(_comparisons(genuine)), np.sort(_comparisons(impostor)), convention=convention
    )


def equal_error_rate_of_sorted(
    mates: FloatArray, others: FloatArray, *, convention: EerConvention = "midpoint"
) -> EqualErrorRate:
    """`equal_error_rate` of genuine and impostor scores that rise and have no NaN: it looks at a few dozen of them.

    FMR falls with the threshold and FNMR rises, so that the place where they cross is found by halving.
    """
    if not len(mates) or not len(others):
        nothing = EER_CONVENTIONS[convention]
        return EqualErrorRate(value=np.nan, threshold=np.nan, fmr=np.nan, fnmr=np.nan, convention=nothing)
    if convention == "fvc":
        return fvc_equal_error_rate(mates, others)
    last = float(max(mates[-1], others[-1]))
    if min(mates[0], others[0]) == last:
        return EqualErrorRate(0.5, last, 1.0, 0.0)

    def excess(score: float) -> float:
        """FMR - FNMR between an observed score and the next higher one; it falls as the score rises."""
        fmr, fnmr = _rates_after(score, mates, others)
        return fmr - fnmr

    # The crossing is between the last score after which FMR is above FNMR (or equal) and the first after which it is below.
    below = _lowest(mates, others, lambda score: excess(score) < 0)
    above = max((float(kind[k - 1]) for kind in (mates, others) if (k := np.searchsorted(kind, below))), default=None)
    closest = [] if above is None else [_lowest(mates, others, lambda score: excess(score) <= excess(above))]
    if below < last:  # after the highest score there is no midpoint
        closest.append(below)
    chosen = min(closest, key=lambda score: abs(excess(score)))
    higher = min(kind[k] for kind in (mates, others) if (k := np.searchsorted(kind, chosen, "right")) < len(kind))
    # A midpoint of adjacent doubles may round down to the lower one, but must separate it from the upper.
    halfway = chosen / 2 + higher / 2
    fmr, fnmr = _rates_after(chosen, mates, others)
    return EqualErrorRate((fmr + fnmr) / 2, float(halfway if halfway > chosen else higher), fmr, fnmr)


def _rates_after(score: float, mates: FloatArray, others: FloatArray) -> tuple[float, float]:
    """FMR and FNMR at thresholds between an observed score and the next higher one."""
    matches, found = (len(kind) - int(np.searchsorted(kind, score, "right")) for kind in (others, mates))
    return matches / len(others), 1 - found / len(mates)


def _lowest(mates: FloatArray, others: FloatArray, reached: Callable[[float], bool]) -> float:
    """The lowest score of either kind for which a condition is true that stays true above it; infinity for none."""
    return min(_lowest_of(kind, reached) for kind in (mates, others))


def _lowest_of(scores: FloatArray, reached: Callable[[float], bool]) -> float:
    place = bisect.bisect_left(range(len(scores)), True, key=lambda k: reached(float(scores[k])))
    return float(scores[place]) if place < len(scores) else np.inf


def fvc_equal_error_rate(mates: FloatArray, others: FloatArray) -> EqualErrorRate:
    """The EER as in the fingerprint verification competitions, from both errors at every observed threshold.

    With t1 the highest threshold at which FNMR <= FMR and t2 the lowest at which FNMR >= FMR, the EER lies between FNMR
    and FMR at t1, or between FMR and FNMR at t2, whichever pair has the lower sum; its value is the midpoint of that
    interval.

    mates, others : genuine and impostor scores that rise and have no NaN, at least one of each
    Source : Maio, Maltoni, Cappelli, Wayman, Jain (2002), FVC2000: Fingerprint Verification Competition, IEEE
    Transactions
             on Pattern Analysis and Machine Intelligence 24, section 3.2

    Examples
    --------
    >>> found = fvc_equal_error_rate(np.array([0.4, 0.9]), np.array([0.1, 0.3, 0.5]))
    >>> round(found.value, 3), found.threshold
    (0.167, 0.4)
    """
    above_all = float(np.nextafter(max(mates[-1], others[-1]), np.inf))

    def rates(threshold: float) -> tuple[float, float]:
        refused = int(np.searchsorted(mates, threshold))
        return (len(others) - int(np.searchsorted(others, threshold))) / len(others), refused / len(mates)

    def lowest(reached: Callable[[float, float], bool]) -> float:
        return min(_lowest(mates, others, lambda threshold: reached(*rates(threshold))), above_all)

    first, beyond = lowest(lambda fmr, fnmr: fnmr >= fmr), lowest(lambda fmr, fnmr: fnmr > fmr)
    last = max(float(kind[k - 1]) for kind in (mates, others) if (k := np.searchsorted(kind, beyond)))
    chosen = last if sum(rates(last)) <= sum(rates(first)) else first
    fmr, fnmr = rates(chosen)
    return EqualErrorRate((fmr + fnmr) / 2, chosen, fmr, fnmr, FVC_CONVENTION)


def area_under_roc(genuine: ArrayLike, impostor: ArrayLike) -> float:
    """The probability that a genuine score exceeds an impostor score, with ties counting half; NaN without scores of one kind.

    Examples
    --------
    >>> area_under_roc([0.6, 0.9], [0.1, 0.7])
    0.75
    """
    mates, others = _comparisons(genuine), np.sort(_comparisons(impostor))
    if not len(mates) or not len(others):
        return float("nan")
    below = np.searchsorted(others, mates, side="left") + np.searchsorted(others, mates, side="right")
    return float(below.sum() / (2 * len(mates) * len(others)))


def _comparisons(scores: ArrayLike) -> FloatArray:
    """Scores of completed comparisons: flattened, without NaN."""
    flat = np.asarray(scores, dtype=np.float64).reshape(-1)
    return flat[~np.isnan(flat)]


def _share(errors: IntArray, trials: int) -> FloatArray:
    return errors / trials if trials else np.full(errors.shape, np.nan)
