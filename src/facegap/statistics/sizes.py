"""Number of people needed in each of two groups for a verdict, before data are collected.

Normal approximations with the design effects of repeated photographs and of clusters. An audit estimates the variance
of a rate from few people with errors and widens its intervals accordingly (Student's t, partial subtraction of the
noise of pairs), so both the true and the estimated variance are needed. `tests/worlds/test_sizes.py` checks the
predicted power on simulated people, with the tests of an audit.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import betaln, gammaln, ndtr, ndtri, stdtrit, xlogy

from facegap.errors import StatisticsError
from facegap.statistics.jackknife import PAIR_NOISE_REMOVED

Kind = Literal["image", "genuine pair", "impostor pair", "mated search", "non-mated search"]
Goal = Literal["find", "exclude"]
MOST_PEOPLE = 10_000_000  # of a group; a margin that needs more is infeasible
MOST_TRIALS = 2_000  # of a unit, to sum its distribution
NOISE_KEPT = 1 - PAIR_NOISE_REMOVED  # of the second count of the noise of pairs in an audit's variance
SQRT_2PI = math.sqrt(2 * math.pi)


@dataclass(frozen=True)
class Sampling:
    """Sampling design of a group.

    photographs         : number per person
    correlation         : between errors of two trials of one person (intraclass correlation); for impostor pairs, the
                          proportion of the variance of a score explained by one of its two people
    people_per_cluster  : people per cluster (photographer, session, family, source) in one group; 1: no clusters
    cluster_correlation : between trials of two people of one cluster; for impostor pairs as in `correlation`
    """

    photographs: int = 1
    correlation: float = 0.0
    people_per_cluster: float = 1.0
    cluster_correlation: float = 0.0


def trials_per_person(kind: Kind, photographs: int) -> int:
    """Trials per person: images, genuine pairs, or searches with one image enrolled. Not defined for impostor pairs.

    Examples
    --------
    >>> trials_per_person("image", 3), trials_per_person("genuine pair", 3), trials_per_person("mated search", 3)
    (3, 3, 2)
    """
    if kind == "genuine pair":
        return photographs * (photographs - 1) // 2
    return photographs - 1 if kind == "mated search" else photographs


@dataclass(frozen=True)
class Spread:
    """Variance of an error rate. true : its sampling variance; stated : as an audit will estimate it, widened as needed."""

    true: float
    stated: float


def rate_spread(kind: Kind, rate: float, people: int, sampling: Sampling) -> Spread:
    """Variance of an error rate measured on a number of people; infinite without trials.

    kind    : kind of trial. For `impostor pair` all people of the group are compared with each other
    Formula : rate (1 - rate) / (people t) [1 + (t - 1) r + t (c - 1) s] for t trials per person with correlation r, and
              c people per cluster with correlation s. For impostor pairs of n people with m photographs each: rate (1 -
              rate) {[1 + (m^2 - 1) z(2 r)] / (m^2 n (n - 1) / 2) + 4 / n [z(r + s) + (c - 1) z(s)]}, where z(v) is the
              correlation of errors of two scores that share a proportion v of their variance
    """
    return (
        _pairs_spread(rate, people, sampling)
        if kind == "impostor pair"
        else _single_spread(kind, rate, people, sampling)
    )


def _single_spread(kind: Kind, rate: float, people: int, sampling: Sampling) -> Spread:
    c, r, s = sampling.people_per_cluster, sampling.correlation, sampling.cluster_correlation
    t = trials_per_person(kind, sampling.photographs)
    if t < 1 or people <= 0:
        return Spread(math.inf, math.inf)
    effect = 1 + (t - 1) * r + t * (c - 1) * s
    true = rate * (1 - rate) * effect / (people * t)
    of_unit = max(round(t * c), 1)
    if of_unit == 1:
        return Spread(true, true)
    alike = min((effect - 1) / (of_unit - 1), 0.99)
    second, fourth = _moments(rate, of_unit, alike)
    carriers = people / c * second**2 / fourth
    return Spread(true, true * _widening(carriers, 1 - 1 / effect))


def _pairs_spread(rate: float, people: int, sampling: Sampling) -> Spread:
    c, r, s, m = (
        sampling.people_per_cluster,
        sampling.correlation,
        sampling.cluster_correlation,
        sampling.photographs,
    )
    if people < 3:
        return Spread(math.inf, math.inf)
    of_pair = (1 + (m * m - 1) * shared_errors(rate, 2 * r)) / (m * m * people * (people - 1) / 2)
    of_people = 4 / people * (shared_errors(rate, r + s) + (c - 1) * shared_errors(rate, s))
    trials = m * m * (people - 1)
    nodes, weights = hermegauss(80)
    chance = trials * ndtr((ndtri(rate) + math.sqrt(r + s) * nodes) / math.sqrt(1 - r - s))
    mean, off = trials * rate, chance - trials * rate
    # For the errors of a person: a Poisson variable with the person's own mean.
    second = float(weights @ (chance + off**2)) / SQRT_2PI
    fourth = float(weights @ (chance + 3 * chance**2 + 4 * chance * off + 6 * chance * off**2 + off**4)) / SQRT_2PI
    assert mean > 0
    carriers = people / c * second**2 / fourth
    stated = (1 + NOISE_KEPT) * of_pair + of_people
    true, widening = rate * (1 - rate), _widening(carriers, of_people / (of_pair + of_people))
    return Spread(true * (of_pair + of_people), true * stated * widening)


def _widening(carriers: float, shared: float) -> float:
    """Factor by which Student's t increases a variance; see `effective_trials`."""
    if not shared > 0:
        return 1.0
    freedom = min(max((carriers - 1) / math.sqrt(shared), 1.0), 1e9)
    return float((stdtrit(freedom, 0.975) / ndtri(0.975)) ** 2)


def _moments(rate: float, trials: int, icc: float) -> tuple[float, float]:
    """Second and fourth central moments of the errors of a unit, beta-binomial."""
    trials = min(trials, MOST_TRIALS)
    errors = np.arange(trials + 1)
    if icc > 1e-6:
        strength = (1 - icc) / icc
        a, b = rate * strength, (1 - rate) * strength
        logs = betaln(errors + a, trials - errors + b) - betaln(a, b)
    else:
        logs = xlogy(errors, rate) + xlogy(trials - errors, 1 - rate)
    chance = np.exp(logs + gammaln(trials + 1) - gammaln(errors + 1) - gammaln(trials - errors + 1))
    off = errors - rate * trials
    return float(chance @ off**2), float(chance @ off**4)


def shared_errors(rate: float, part: float) -> float:
    """Correlation of the errors of two normal scores at the threshold of a rate, if they share a proportion of their variance.

    Examples
    --------
    >>> round(shared_errors(0.001, 0.1), 4), shared_errors(0.001, 0.0)
    (0.0018, 0.0)
    """
    if not part > 0:
        return 0.0
    nodes, weights = hermegauss(80)
    chance = ndtr((ndtri(rate) + math.sqrt(part) * nodes) / math.sqrt(1 - min(part, 0.999)))
    both = float(weights @ chance**2) / SQRT_2PI
    return max(both - rate**2, 0.0) / (rate * (1 - rate))


def power_of_plan(
    kind: Kind,
    people: int,
    sampling: Sampling,
    *,
    rate: float,
    margin: float,
    is_ratio: bool,
    alpha: float,
    goal: Goal = "find",
) -> float:
    """Probability of a verdict on two groups of `people` subjects each.

    rate  : of the group with the lower rate, or of both
    alpha : of one test: that of the run divided by the number of gaps in its primary family, as in Holm's first step
    goal  : "find": detect a gap as large as the margin. "exclude": conclude "no gap larger than the margin" if both
            rates are equal
    """
    worse = rate if goal == "exclude" else rate * margin if is_ratio else rate + margin
    if not 0 < rate < 1 or not 0 < worse < 1:
        return math.nan
    first, second = (rate_spread(kind, one, people, sampling) for one in (worse, rate))
    weights = (1 / worse**2, 1 / rate**2) if is_ratio else (1.0, 1.0)
    size = math.log(margin) if is_ratio else margin
    varies = math.sqrt(first.true * weights[0] + second.true * weights[1])
    stated = math.sqrt(first.stated * weights[0] + second.stated * weights[1])
    if not math.isfinite(stated):
        return 0.0
    if goal == "find":
        return float(ndtr((size + ndtri(alpha / 2) * stated) / varies))
    return max(2 * float(ndtr((size + ndtri(alpha) * stated) / varies)) - 1, 0.0)


def people_needed(
    kind: Kind,
    sampling: Sampling,
    *,
    rate: float,
    margin: float,
    is_ratio: bool,
    alpha: float,
    power: float = 0.8,
    goal: Goal = "find",
) -> float:
    """The smallest number of people per group for which `power_of_plan` reaches `power`; NaN if there is none.

    Examples
    --------
    >>> people_needed("image", Sampling(), rate=0.05, margin=0.02, is_ratio=False, alpha=0.05)
    2210.0

    Raises
    ------
    StatisticsError : if a rate, a correlation or a number is out of range
    """
    most = 0.5 if kind == "impostor pair" else 1.0
    correlations = sampling.correlation, sampling.cluster_correlation
    if not (0 < rate < 1 and min(correlations) >= 0 and sum(correlations) < most):
        raise StatisticsError(
            f"rate {rate:g}, correlations {correlations[0]:g} and {correlations[1]:g}: a rate must be between 0 and "
            f"1, and the correlations at least 0 with a sum below {most:g}"
        )

    def reached(people: int) -> bool:
        found = power_of_plan(
            kind, people, sampling, rate=rate, margin=margin, is_ratio=is_ratio, alpha=alpha, goal=goal
        )
        return found >= power

    if not reached(MOST_PEOPLE):
        return math.nan
    low, high = 1, MOST_PEOPLE
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle, high)
    return float(np.ceil(high))
