"""The error versus discard characteristic (EDC): a rate after the comparisons of lowest quality are discarded.

The quality of a comparison is the lower of those of its two samples. Comparisons are discarded in order of increasing
quality, ties together.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegap.errors import StatisticsError
from facegap.types import AnyArray, FloatArray, IntArray

DRAWS_AT_ONCE = 64  # bounds memory: draws times comparisons


@dataclass(frozen=True, eq=False)
class DiscardCurve:
    """An EDC as exact counts; point k is after discarding all comparisons of a quality below `quality[k]`.

    Attributes
    ----------
    quality : numpy.ndarray
        Lowest remaining quality, float64 (k,), increasing. The last is infinite: no comparison remains.
    discarded, errors, trials : numpy.ndarray
        Comparisons discarded so far, errors and comparisons remaining, int64 (k,).
    """

    quality: FloatArray
    discarded: IntArray
    errors: IntArray
    trials: IntArray

    @property
    def share(self) -> FloatArray:
        """Proportion discarded, float64 (k,), from 0 to 1."""
        return np.asarray(self.discarded / self.discarded[-1], np.float64)

    @property
    def rate(self) -> FloatArray:
        """Errors / comparisons remaining, float64 (k,); 0 at the last point, where none remains."""
        return np.asarray(self.errors / np.maximum(self.trials, 1))

    def at(self, share: float) -> tuple[int, int]:
        """Return errors and comparisons remaining at a proportion discarded; the curve is a step function."""
        k = int(np.searchsorted(self.share, share, side="right")) - 1
        return int(self.errors[k]), int(self.trials[k])


def discard_curve(quality: FloatArray, errors: AnyArray) -> DiscardCurve:
    """The EDC of comparisons.

    Parameters
    ----------
    quality : array of float (n,)
        Quality of each comparison, higher is better: the lower of its two samples, ``numpy.minimum(first, second)``.
    errors : array of bool (n,)
        FNMR: mated and score < threshold. FMR: non-mated and score >= threshold.

    Returns
    -------
    DiscardCurve
        One point before anything is discarded and one after each distinct quality.

    Raises
    ------
    StatisticsError
        If there is no comparison, the lengths differ, or a quality is NaN.

    References
    ----------
    Grother and Tabassi, Performance of biometric quality measures, IEEE TPAMI 29 (2007); ISO/IEC 29794-1, error
    versus discard characteristic; Schlett, Rathgeb, Tapia and Busch, Considerations on the evaluation of biometric
    quality assessment algorithms, IEEE TBIOM 6 (2024).

    Examples
    --------
    >>> curve = discard_curve([10, 20, 20, 30], [True, True, False, False])
    >>> curve.share.tolist(), curve.errors.tolist(), curve.trials.tolist()
    ([0.0, 0.25, 0.75, 1.0], [2, 1, 0, 0], [4, 3, 1, 0])
    >>> curve.at(0.5)  # the next step is at 0.75, because two comparisons are tied
    (1, 3)
    """
    ordered, wrong, _ = _checked(quality, errors)
    found, starts = np.unique(ordered, return_index=True)
    discarded = np.append(starts, len(ordered)).astype(np.int64)
    sums = np.concatenate([[0], np.cumsum(wrong.astype(np.int64))])
    return DiscardCurve(np.append(found, np.inf), discarded, sums[-1] - sums[discarded], len(ordered) - discarded)


def discard_area(quality: FloatArray, errors: AnyArray, limit: float) -> float:
    """Partial area under the EDC as a step function, from 0 to a proportion discarded.

    Parameters
    ----------
    quality, errors
        As in `discard_curve`.
    limit : float
        Proportion discarded, above 0 and at most 1.

    Returns
    -------
    float
        Lower is better. The lower bound for any quality measure is `best_discard_area` of the rate before discarding.

    Raises
    ------
    StatisticsError
        As in `discard_curve`, or if the limit is not a proportion.

    Examples
    --------
    >>> round(discard_area([10, 20, 20, 30], [True, True, False, False], 0.5), 6)  # 0.25 * 2/4 + 0.25 * 1/3
    0.208333
    """
    ordered, wrong, _ = _checked(quality, errors)
    return float(_areas(ordered, wrong, np.ones((1, len(ordered))), _limit(limit))[0])


def best_discard_area(rate: float, limit: float) -> float:
    """Area under max(0, rate - d) for d from 0 to a limit: the area if errors were discarded first.

    Examples
    --------
    >>> round(best_discard_area(0.05, 0.2), 6)
    0.00125
    """
    reach = min(rate, _limit(limit))
    return rate * reach - reach * reach / 2


def discard_area_interval(
    quality: FloatArray,
    errors: AnyArray,
    subjects: IntArray,
    limit: float,
    *,
    rng: np.random.Generator,
    level: float = 0.95,
    draws: int = 1000,
) -> tuple[float, float]:
    """Percentile interval of `discard_area` when subjects are resampled with all their comparisons.

    Parameters
    ----------
    quality, errors, limit
        As in `discard_area`; mated comparisons only, as each has one subject.
    subjects : array of int (n,)
        Code of the subject of each comparison, 0 and above.
    rng : numpy.random.Generator
        Random number generator for the replicates.
    level, draws
        Confidence, and number of bootstrap replicates.

    Returns
    -------
    (float, float)
        NaN with fewer than two subjects or without errors, since resampling cannot produce errors then.

    Raises
    ------
    StatisticsError
        As in `discard_area`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> quality, people = rng.random(400), np.repeat(np.arange(200), 2)
    >>> errors = rng.random(400) < 0.3 * (1 - quality)
    >>> low, high = discard_area_interval(quality, errors, people, 0.2, rng=rng)
    >>> low < discard_area(quality, errors, 0.2) < high
    True
    """
    ordered, wrong, order = _checked(quality, errors)
    codes = np.unique(np.asarray(subjects), return_inverse=True)[1][order]
    people = int(codes.max()) + 1
    if people < 2 or not wrong.any():
        return float("nan"), float("nan")
    areas = []
    for start in range(0, draws, DRAWS_AT_ONCE):
        count = min(DRAWS_AT_ONCE, draws - start)
        drawn = rng.multinomial(people, np.full(people, 1 / people), size=count)
        areas.append(_areas(ordered, wrong, drawn[:, codes].astype(np.float64), _limit(limit)))
    low, high = np.quantile(np.concatenate(areas), [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def _checked(quality: FloatArray, errors: AnyArray) -> tuple[FloatArray, AnyArray, IntArray]:
    """Qualities and errors by increasing quality, and their order."""
    values, wrong = np.asarray(quality, np.float64), np.asarray(errors, np.bool_)
    if values.ndim != 1 or values.shape != wrong.shape or not len(values):
        raise StatisticsError(
            f"qualities of shape {values.shape} and errors of shape {wrong.shape}: give one of each per comparison"
        )
    if np.isnan(values).any():
        raise StatisticsError(
            f"{int(np.isnan(values).sum())} of {len(values)} comparisons have no quality; omit them and report how many"
        )
    order = np.argsort(values, kind="stable")
    return values[order], wrong[order], order


def _limit(limit: float) -> float:
    """Return the limit of an area; raise StatisticsError unless it is a proportion above 0."""
    if not 0 < limit <= 1:
        raise StatisticsError(f"limit {limit}: the proportion discarded must be above 0 and at most 1")
    return float(limit)


def _areas(ordered: FloatArray, wrong: AnyArray, weights: FloatArray, limit: float) -> FloatArray:
    """Area for each row of weights (draws, n): the steps between distinct qualities, truncated at the limit."""
    starts = np.flatnonzero(np.r_[True, np.diff(ordered) != 0])
    trials = np.add.reduceat(weights, starts, axis=1)
    mistakes = np.add.reduceat(weights * wrong, starts, axis=1)
    whole = trials.sum(axis=1, keepdims=True)
    gone = np.cumsum(trials, axis=1)
    # Summed from the end, so that the last point is exactly 0.
    left, wrong_left = (np.cumsum(part[:, ::-1], axis=1)[:, ::-1] for part in (trials, mistakes))
    rate = np.divide(wrong_left, left, out=np.zeros_like(left), where=left > 0)
    ends = np.minimum(gone / whole, limit)
    widths = np.diff(ends, axis=1, prepend=0.0)
    return np.asarray((rate * widths).sum(axis=1))
