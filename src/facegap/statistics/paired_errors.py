"""Error rates of two models on the same trials, compared with the person, not the image, as the sampling unit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats

from facegap.errors import StatisticsError
from facegap.statistics.paired import paired_shares
from facegap.types import BoolArray, FloatArray, IntArray

EXACT = "exact McNemar"
CLUSTERED = "McNemar test with subjects as clusters"
UNDEFINED = "none"


@dataclass(frozen=True)
class PairedErrors:
    """Errors of two models over the same trials.

    only_a, only_b : discordant trials, on which only one model has an error
    difference     : rate of b minus rate of a, NaN without trials; low and high are its interval at `level`
    p              : two-sided, NaN if undefined
    """

    trials: int
    subjects: int
    errors_a: int
    errors_b: int
    only_a: int
    only_b: int
    difference: float
    low: float
    high: float
    p: float
    level: float
    method: str


def paired_errors(
    errors_a: ArrayLike, errors_b: ArrayLike, subjects: ArrayLike, *, level: float = 0.95
) -> PairedErrors:
    """Compare the error rates of models a and b on the same trials.

    errors_a, errors_b : bool [n], whether each trial is an error of the model
    subjects           : int codes [n] of the people
    returns            : if no person has a second trial, p is from McNemar's exact test of the discordant trials, and
                         the interval is Bonett and Price's, which adds a discordant trial to each side so that it never
                         has zero width. Otherwise both use the variance over people, see `clustered_difference`.
                         Without trials all are NaN; with one person with several trials, interval and p are
    Raises             : StatisticsError if arrays have different lengths
    Source             : McNemar (1947), exact binomial; Bonett and Price (2012); checked against statsmodels
    """
    a, b = np.asarray(errors_a, np.bool_), np.asarray(errors_b, np.bool_)
    people, codes = np.unique(np.asarray(subjects), return_inverse=True)
    if not len(a) == len(b) == len(codes):
        raise StatisticsError(f"errors and subjects have {len(a)}, {len(b)} and {len(codes)} rows; give one per trial")
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if len(people) == len(a):
        plain = paired_shares(b.astype(np.float64) - a, level=level)
        low, high, p, method = plain.low, plain.high, exact_p(only_a, only_b), EXACT
    else:
        low, high, p = clustered_difference(a, b, codes.reshape(-1).astype(np.int64), level=level)
        method = CLUSTERED
    if len(people) < 2:
        p, method = np.nan, UNDEFINED
    difference = (only_b - only_a) / len(a) if len(a) else np.nan
    return PairedErrors(
        len(a), len(people), int(a.sum()), int(b.sum()), only_a, only_b, difference, low, high, p, level, method
    )


def exact_p(only_a: int, only_b: int) -> float:
    """Two-sided p of McNemar's exact test: discordant trials are binomial with probability 1/2; 1 if there are none."""
    discordant = only_a + only_b
    return float(stats.binomtest(min(only_a, only_b), discordant).pvalue) if discordant else 1.0


def clustered_difference(a: BoolArray, b: BoolArray, codes: IntArray, *, level: float) -> tuple[float, float, float]:
    """Interval and p of the paired difference for people with several trials; NaN with one person.

    The difference is that of the rates over trials, so a person with more images has more weight. Two people with one
    trial each are added, one with an error of a only and one with an error of b only: the same two trials that Bonett
    and Price add. The variance over people is at least that of independent trials. Student's t applies to the
    proportion of it that is due to trials sharing people, as in statistics/effective.py.

    Source : linearised cluster variance of a ratio, e.g. Cochran (1977) chapter 3, applied to the discordances
    """
    ones, both = np.ones(len(a)), b.astype(np.float64) - a
    trials = np.append(np.bincount(codes, weights=ones), [1.0, 1.0])
    sums = np.append(np.bincount(codes, weights=both), [1.0, -1.0])
    people, total = len(trials), float(trials.sum())
    if people < 4:
        return np.nan, np.nan, np.nan
    centre = float(sums.sum()) / total
    influence = sums - centre * trials
    independent = (float((both**2).sum()) + 2 - total * centre**2) / total**2
    clustered = float((influence**2).sum()) / total**2 * people / (people - 1)
    variance = max(clustered, independent)
    return t_interval(centre, variance, carriers=carriers_of(influence), shared=1 - independent / variance, level=level)


def carriers_of(influence: FloatArray) -> float:
    """Effective number of people in a variance: (sum of squares)^2 / sum of fourth powers of influences; at least 1."""
    squares = influence**2
    fourths = float((squares**2).sum())
    return max(float(squares.sum()) ** 2 / fourths, 1.0) if fourths > 0 else float(len(influence))


def t_interval(
    centre: float, variance: float, *, carriers: float, shared: float, level: float, bound: float = 1.0
) -> tuple[float, float, float]:
    """Student's t interval within [-bound, bound] and its two-sided p; NaN without a variance.

    carriers : effective number of people in the variance, see `carriers_of`
    shared   : the proportion of the variance, 0 to 1, that was estimated over people; if 0, the variance follows from
               the rates themselves and no t is needed. Degrees of freedom: (carriers - 1) / sqrt(shared)
    """
    deviation = float(np.sqrt(variance))
    if not deviation > 0:
        return np.nan, np.nan, np.nan
    freedom = min(max((carriers - 1) / np.sqrt(shared), 1.0), 1e9) if shared > 0 else 1e9
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * deviation
    p = float(2 * stats.t.sf(abs(centre) / deviation, freedom))
    return max(centre - half, -bound), min(centre + half, bound), p
