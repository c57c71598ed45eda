"""Sequential tests of group error rates: intervals and p-values that hold at all looks simultaneously.

An interval for a fixed number of subjects misses the true value far more often than its level suggests if it is
computed after every batch until it decides. Here a gambler starts with 1 and bets a fixed proportion f of the current
capital that the mean over subjects is above (or below) m. If it is not, the probability that the capital ever exceeds
1 / alpha is at most alpha (Ville's inequality). The capital is averaged over many f, which is also a valid bet. The
unit is a subject, whose value is the mean of their trials, a number from 0 to 1.

Two groups are tested jointly: the product of the capitals of two gamblers, one per group, is itself a capital for every
pair of means in the null hypothesis, so the smallest product over these pairs is compared with 1 / alpha. This is far
more powerful than comparing two separate intervals.

Proof. (1) Let x be the value of the next subject and E[x | past] <= m. For 0 <= f <= 1 the factor 1 + f (x / m - 1) is
nonnegative with conditional mean at most 1, so the capital is a nonnegative supermartingale that starts at 1, and so is
its average over f. (2) Each subject belongs to one group and multiplies one of the two capitals by such a factor,
whichever group comes next, so the product of both, at the true pair of means, is also such a supermartingale. (3) If
the null hypothesis holds, the smallest product over its pairs is at most that at the true pair; Ville (1939) bounds the
probability that it ever reaches 1 / alpha. Given the past, each subject must have the mean of their group, as in a
random sample from a population. A subject in two groups would violate (2).

Sources: Ville (1939); Waudby-Smith and Ramdas (2024), Estimating means of bounded random variables by betting, Journal
of the Royal Statistical Society B 86: the capital process, averaged over fixed bets (their "diversified Kelly"), not
their predictable plug-in bets; Spertus and Stark (2022), Sweeter than SUITE: products over strata, at the least
favourable means under the null hypothesis.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp

from facegap.errors import StatisticsError
from facegap.statistics.verdicts import holm, verdicts
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray

# Proportions of the capital that are bet. Small ones detect small gaps with many subjects, large ones the absence of errors.
PARTS = np.concatenate([2.0 ** np.arange(-10.0, -1.5), [0.4, 0.6, 0.8, 0.95]])
GRID = np.unique(np.concatenate([np.linspace(0.0, 1.0, 81), np.geomspace(1e-4, 0.3, 60)]))
HALVINGS = 50


@dataclass(frozen=True, eq=False)
class Observed:
    """The subjects of one group so far: the distinct values of their means, and the number of subjects with each value.

    values : float64 (V,), 0 to 1; counts : float64 (V,)
    """

    values: FloatArray
    counts: FloatArray

    @property
    def people(self) -> int:
        """Number of subjects so far."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mean over the subjects; NaN without subjects."""
        return float(self.values @ self.counts / self.counts.sum()) if self.people else float("nan")


def observed(means: FloatArray) -> Observed:
    """Collect the means of some subjects; their order does not matter.

    means : float64 (n,), each from 0 to 1

    Raises
    ------
    StatisticsError : a mean outside 0 to 1, or NaN
    """
    found = np.asarray(means, np.float64)
    if not np.all((found >= 0) & (found <= 1)):
        raise StatisticsError("each value must be the proportion of errors of one person, from 0 to 1")
    values, counts = np.unique(found, return_counts=True)
    return Observed(values, counts.astype(np.float64))


def observed_by_group(
    errors: BoolArray, trials: BoolArray, people: IntArray, codes: IntArray, groups: int
) -> tuple[Observed, ...]:
    """For each group, its subjects with a trial, each with the proportion of their trials that are errors.

    errors, trials : bool (n,); people : int64 (n,), 0..; codes : int64 (n,), the group of each row; outside
                     0..groups-1: no group

    Examples
    --------
    >>> yes, who = np.array([True, True, False]), np.array([0, 0, 1])
    >>> [group.mean for group in observed_by_group(~yes | [True, False, True], ~yes | True, who, np.array([0, 0, 1]), 2)]
    [0.5, 1.0]
    """
    found = []
    for group in range(groups):
        inside = trials & (codes == group)
        count = np.bincount(people[inside])
        wrong = np.bincount(people[inside & errors], minlength=len(count))
        found.append(observed(wrong[count > 0] / count[count > 0]))
    return tuple(found)


def log_capital_above(group: Observed, bounds: FloatArray) -> FloatArray:
    """Log of the capital of a gambler who bets that the mean is above each bound, float64 (m,), decreasing in the bound.

    bounds : float64 (m,), 0 to 1. At 0 it is infinite as soon as there is an error

    Examples
    --------
    >>> group = observed(np.array([1.0, 1.0, 1.0, 1.0, 0.0]))
    >>> bool(log_capital_above(group, np.array([0.1]))[0] > 3), bool(log_capital_above(group, np.array([0.9]))[0] < 0.1)
    (True, True)
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = np.where(group.values > 0, group.values / np.asarray(bounds)[:, None], 0.0)
        factors = np.log(1 - PARTS[:, None, None] + PARTS[:, None, None] * odds)
    return np.asarray(logsumexp(factors @ group.counts, axis=0) - np.log(len(PARTS)), np.float64)


def log_capital_below(group: Observed, bounds: FloatArray) -> FloatArray:
    """Log of the capital of a gambler who bets that the mean is below each bound, float64 (m,), increasing in the bound."""
    return log_capital_above(Observed(1 - group.values, group.counts), 1 - np.asarray(bounds))


def _last(rejected: Callable[[float], bool], low: float, high: float) -> float:
    """Return the largest bound up to which all bounds are rejected; `low` if the first one is not."""
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rejected(middle) else (low, middle)
    return low


def log_evidence(first: Observed, second: Observed, *, difference: float = 0.0, ratio: float = 1.0) -> float:
    """Log of the evidence against: mean of the first <= ratio * mean of the second + difference.

    returns : a lower bound of the log of the smallest capital under that hypothesis, so exp(-returned) is a valid
              p-value at any time; -inf where the hypothesis cannot be false
    """
    # The first capital decreases with its mean, the second increases: within a cell of the grid the product is at least the
    # first capital at the upper end times the second at the lower end.
    lower, upper = GRID[:-1], GRID[1:]
    possible = ratio * upper + difference >= 0
    edge = np.clip(ratio * upper + difference, 0.0, 1.0)
    with np.errstate(invalid="ignore"):
        total = log_capital_above(first, edge) + log_capital_below(second, lower)
    total = total[possible & ~np.isnan(total)]
    return float(total.min()) if len(total) else -np.inf


def gap_limits(first: Observed, second: Observed, alpha: float, *, is_ratio: bool) -> tuple[float, float]:
    """Limits of the difference or ratio of two means that hold at all looks simultaneously with probability 1 - alpha.

    Examples
    --------
    >>> first, second = observed(np.repeat([1.0, 0.0], [60, 140])), observed(np.repeat([1.0, 0.0], [10, 190]))
    >>> low, high = gap_limits(first, second, 0.05, is_ratio=False)
    >>> bool(low > 0.05), bool(high < 0.45)
    (True, True)
    """
    needed = np.log(2 / alpha)
    if not first.people or not second.people:
        return (0.0, np.inf) if is_ratio else (-1.0, 1.0)
    if is_ratio:
        low = _last(lambda part: log_evidence(first, second, ratio=part / (1 - part)) >= needed, 0.0, 1 - 1e-9)
        high = _last(lambda part: log_evidence(second, first, ratio=part / (1 - part)) >= needed, 0.0, 1 - 1e-9)
        return low / (1 - low), (1 - high) / high if high > 0 else np.inf
    low = _last(lambda bound: log_evidence(first, second, difference=bound) >= needed, -1.0, 1.0)
    high = _last(lambda bound: log_evidence(second, first, difference=bound) >= needed, -1.0, 1.0)
    return low, -high


def gap_p(first: Observed, second: Observed) -> float:
    """Two-sided p-value of no difference between two means, valid at any look and for any stopping rule.

    Examples
    --------
    >>> gap_p(observed(np.repeat([1.0, 0.0], [60, 140])), observed(np.repeat([1.0, 0.0], [10, 190]))) < 1e-6
    True
    """
    if not first.people or not second.people:
        return 1.0
    most = max(log_evidence(first, second), log_evidence(second, first))
    return float(min(1.0, 2 * np.exp(-most)))


@dataclass(frozen=True)
class AnytimeGap:
    """One gap of a family at any look at the data.

    Attributes
    ----------
    first, second
        Groups.
    p, p_adjusted
        Two-sided p-value, and the same adjusted by Holm over the family.
    low, high
        Limits of the difference (or ratio) at level 1 - alpha / m, which hold simultaneously at all looks.
    verdict
        One of those of `verdicts`.
    """

    first: str
    second: str
    p: float
    p_adjusted: float
    low: float
    high: float
    verdict: str


@dataclass(frozen=True, eq=False)
class GapSoFar:
    """Two groups so far, and the margin of the gap between them. margin : a difference, or a ratio above 1"""

    first: Observed
    second: Observed
    margin: float
    is_ratio: bool = False

    def limits(self, alpha: float) -> tuple[float, float]:
        """Limits of the gap on its margin's scale; see `gap_limits`."""
        return gap_limits(self.first, self.second, alpha, is_ratio=self.is_ratio)

    def exceeds(self, needed: float) -> bool:
        """Whether the log evidence for a gap larger than the margin, in either direction, reaches `needed`."""
        return max(self._above(self.first, self.second), self._above(self.second, self.first)) >= needed

    def lies_within(self, needed: float) -> bool:
        """Whether the log evidence for a gap no larger than the margin reaches `needed` in both directions."""
        return min(self._not_above(self.first, self.second), self._not_above(self.second, self.first)) >= needed

    def _above(self, one: Observed, other: Observed) -> float:
        """Log of the evidence against: one exceeds the other by at most the margin."""
        if self.is_ratio:
            return log_evidence(one, other, ratio=self.margin)
        return log_evidence(one, other, difference=self.margin)

    def _not_above(self, one: Observed, other: Observed) -> float:
        """Log of the evidence against: one exceeds the other by at least the margin."""
        if self.is_ratio:
            return log_evidence(other, one, ratio=1 / self.margin)
        return log_evidence(other, one, difference=-self.margin)


@dataclass(frozen=True, eq=False)
class VerdictsSoFar:
    """Verdicts on the gaps of one family, in their order, valid at any look.

    p, p_adjusted : float64 [m], two-sided p-values, and the same adjusted by Holm over the family
    beyond, within, differs : bool [m], as `verdicts` takes them
    verdict : str [m]
    """

    p: FloatArray
    p_adjusted: FloatArray
    beyond: BoolArray
    within: BoolArray
    differs: BoolArray
    verdict: AnyArray


def verdicts_so_far(gaps: Sequence[GapSoFar], *, alpha: float, tests: int | None = None) -> VerdictsSoFar:
    """Verdicts on the gaps of one family, of any metrics, which may be computed after every batch of subjects.

    alpha : probability, over all looks, of any false alarm or any wrong verdict about a margin
    tests : number of gaps in the whole family if `gaps` is only part of it; the others count as undecided
    """
    size = max(len(gaps), tests or 0)
    p = np.array([gap_p(one.first, one.second) for one in gaps], np.float64)
    adjusted = holm(np.concatenate([p, np.ones(size - len(gaps))]))[: len(gaps)]
    # Equivalence needs both of two one-sided tests, so each may use all of alpha.
    beyond = np.array([one.exceeds(np.log(2 * size / alpha)) for one in gaps], np.bool_)
    within = np.array([one.lies_within(np.log(size / alpha)) for one in gaps], np.bool_)
    differs = adjusted <= alpha
    said = verdicts(beyond_margin=beyond, within_margin=within, differs=differs)
    return VerdictsSoFar(p, adjusted, beyond, within, differs, said)


def anytime_gaps(
    groups: Mapping[str, FloatArray], *, margin: float, is_ratio: bool = False, alpha: float = 0.05
) -> list[AnytimeGap]:
    """All gaps of a family of groups, which may be tested after every batch until each has a verdict.

    Parameters
    ----------
    groups : mapping of str to float64 (n,)
        Proportion of errors of each subject so far. Subjects must arrive in an order unrelated to their errors, such as
        a random order.
    margin : float
        The smallest gap that matters: a difference, or a ratio above 1.
    is_ratio : bool
        Whether rates are compared by ratio.
    alpha : float
        Probability, over all looks, of any false alarm or any wrong verdict about the margin.

    Returns
    -------
    list of AnytimeGap
        `not enough data` means that sampling should continue. Pairs follow the order of `groups`.

    Raises
    ------
    StatisticsError
        If a mean is outside 0 to 1.

    Examples
    --------
    >>> seen_so_far = {"women": np.repeat([1.0, 0.0], [60, 140]), "men": np.repeat([1.0, 0.0], [10, 190])}
    >>> [gap.verdict for gap in anytime_gaps(seen_so_far, margin=0.02)]
    ['gap larger than the margin']
    """
    names = list(groups)
    sides = [observed(means) for means in groups.values()]
    pairs = [(a, b) for a in range(len(names)) for b in range(a + 1, len(names))]
    gaps = [GapSoFar(sides[a], sides[b], margin, is_ratio) for a, b in pairs]
    said = verdicts_so_far(gaps, alpha=alpha)
    return [
        AnytimeGap(
            names[a],
            names[b],
            float(said.p[k]),
            float(said.p_adjusted[k]),
            *gaps[k].limits(alpha / len(pairs)),
            str(said.verdict[k]),
        )
        for k, (a, b) in enumerate(pairs)
    ]
