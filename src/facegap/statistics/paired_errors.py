"""Two models evaluated on the same trials: who errs more, with people, not images, as what varies."""

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

    only_a, only_b : trials on which one model alone errs; the others say nothing about which is better
    difference     : rate of b less rate of a, NaN without trials; low and high its interval at `level`
    p              : two-sided, NaN where it cannot be known
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
    """Whether model b errs more often than model a on the same trials.

    errors_a, errors_b : bool [n], whether each model errs on each trial
    subjects           : int codes [n] of the people
    returns            : nobody with a second trial: p is McNemar's exact one, from the discordant trials alone, and the
                         interval is Bonett and Price's, which adds a discordant trial to either side so that it never
                         has width zero. Else both come from the variance over people, see `clustered_difference`.
                         No trials: NaN throughout; one person with several trials: no interval and no p
    Raises             : StatisticsError for arrays of different lengths
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
    """McNemar's exact two-sided p: the discordant trials fall on either side like a fair coin; 1 where there are none."""
    discordant = only_a + only_b
    return float(stats.binomtest(min(only_a, only_b), discordant).pvalue) if discordant else 1.0


def clustered_difference(a: BoolArray, b: BoolArray, codes: IntArray, *, level: float) -> tuple[float, float, float]:
    """Interval and p of the paired difference over people who have several trials; NaN for one person alone.

    The difference is that of the rates over trials, so a person with more images weighs more. Two people with one trial
    each are added, one on whom only a errs and one on whom only b does: the same two trials that Bonett and Price add.
    The variance over people is never taken to be under that of independent trials. Student's t is for the share of it
    that exists only because trials share people, as in statistics/effective.py.

    Source : linearised variance of a ratio by clusters, e.g. Cochran (1977) chapter 3, of the discordances
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
    """How many people carry a variance: (sum of squares)^2 / sum of fourth powers of their influences; 1 at least."""
    squares = influence**2
    fourths = float((squares**2).sum())
    return max(float(squares.sum()) ** 2 / fourths, 1.0) if fourths > 0 else float(len(influence))


def t_interval(
    centre: float, variance: float, *, carriers: float, shared: float, level: float, bound: float = 1.0
) -> tuple[float, float, float]:
    """Student's interval inside [-bound, bound] and its two-sided p; NaN without a variance.

    carriers : people who carry the variance, see `carriers_of`
    shared   : the share of the variance, 0 to 1, that had to be estimated over people; where it is 0 the variance is
               known from the rates themselves and no t is needed. Degrees of freedom: (carriers - 1) / sqrt(shared)
    """
    deviation = float(np.sqrt(variance))
    if not deviation > 0:
        return np.nan, np.nan, np.nan
    freedom = min(max((carriers - 1) / np.sqrt(shared), 1.0), 1e9) if shared > 0 else 1e9
    half = float(stats.t.ppf((1 + level) / 2, freedom)) * deviation
    p = float(2 * stats.t.sf(abs(centre) / deviation, freedom))
    return max(centre - half, -bound), min(centre + half, bound), p
