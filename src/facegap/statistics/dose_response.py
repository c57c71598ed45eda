"""How error rates of groups change under a perturbation of their own images, and whether they change alike.

Every person is their own control: the rate with the perturbation and the rate without it are over the same trials of the same
people, so what makes a person hard in both cancels. The interaction of two groups is the change in one less the change in the
other: a difference of differences. Its variance is the sum over people of their squared share in it, so that several images of
one person, and people who are in both groups, count as they must.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy import stats

from facegap.errors import StatisticsError
from facegap.statistics.family_tests import inside, outside
from facegap.statistics.verdicts import WITHIN, holm, verdicts
from facegap.types import FloatArray

ADDED = 2  # people of one trial in each group: one who errs with the perturbation alone, one without it alone


@dataclass(frozen=True)
class Estimate:
    """A change, or a difference of changes: value, interval, and p of no change; NaN without trials."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, eq=False)
class Doses:
    """The errors that a perturbation adds to each person in each group, and the trials of that person.

    added  : float64 [G, S], errors with the perturbation less errors without it
    trials : float64 [G, S]
    """

    added: FloatArray
    trials: FloatArray

    def change(self, group: int, *, level: float = 0.95) -> Estimate:
        """The rate with the perturbation less that without it, of one group, with its paired interval."""
        return self._sum([(group, 1.0)], level)

    def interaction(self, first: int, second: int, *, level: float = 0.95) -> Estimate:
        """The change in one group less the change in another."""
        return self._sum([(first, 1.0), (second, -1.0)], level)

    def _sum(self, parts: Sequence[tuple[int, float]], level: float) -> Estimate:
        """A sum of changes with signs.

        The interval is that of Bonett and Price (2012) for paired proportions, carried over to people with several trials: two
        discordant people are added to each group, so that it never has width zero, and Student's t has the degrees of freedom
        of Welch and Satterthwaite over the people of the groups.
        """
        value, centre = 0.0, 0.0
        shares = np.zeros(self.added.shape[1])
        apart, freedom = 0.0, 0.0
        for group, sign in parts:
            added, trials = self.added[group], self.trials[group]
            total, people = float(trials.sum()), int((trials > 0).sum())
            if people < 2:
                return Estimate(np.nan, np.nan, np.nan, np.nan)
            value += sign * float(added.sum()) / total
            mean = float(added.sum()) / (total + ADDED)
            centre += sign * mean
            own = (added - mean * trials) / (total + ADDED)
            extra = ((1 - mean) ** 2 + (1 + mean) ** 2) / (total + ADDED) ** 2
            shares += sign * own
            apart += extra
            freedom += (float((own**2).sum()) + extra) ** 2 / (people + ADDED - 1)
        variance = float((shares**2).sum()) + apart
        degrees = variance**2 / freedom
        spread = float(np.sqrt(variance))
        reach = float(stats.t.ppf((1 + level) / 2, degrees)) * spread
        bound = float(len(parts))
        p = float(2 * stats.t.sf(abs(centre) / spread, degrees))
        return Estimate(value, max(centre - reach, -bound), min(centre + reach, bound), p)


def doses_of(before: FloatArray, after: FloatArray, trials: FloatArray) -> Doses:
    """Errors of every person in every group without and with a perturbation, over the same trials.

    Parameters
    ----------
    before, after, trials
        Float64 [G, S]: errors, at most as many as trials; a person outside a group has no trials there.

    Raises
    ------
    StatisticsError
        Other shapes, or more errors than trials.

    Examples
    --------
    >>> import numpy as np
    >>> found = doses_of(np.zeros((1, 40)), np.repeat([[1.0, 0.0]], 20, axis=1), np.ones((1, 40))).change(0)
    >>> found.value, round(found.low, 3), round(found.high, 3)
    (0.5, 0.306, 0.646)
    """
    if before.shape != after.shape or before.shape != trials.shape or before.ndim != 2:
        raise StatisticsError(
            "trials and errors without and with the perturbation must be of the same groups and people"
        )
    if (before > trials).any() or (after > trials).any() or min(before.min(initial=0), after.min(initial=0)) < 0:
        raise StatisticsError("the errors of a person must be from 0 to the number of trials")
    return Doses(np.asarray(after - before, np.float64), np.asarray(trials, np.float64))


@dataclass(frozen=True)
class Interaction:
    """One difference of differences with its verdict.

    group_a, group_b : places of the groups, the one whose rate changed more in front
    plain   : with its interval at the level of the run
    decided : with the interval that decided the verdict, and its level
    verdict : of statistics/verdicts.py: the difference against the margin
    """

    group_a: int
    group_b: int
    plain: Estimate
    decided: Estimate
    decided_level: float
    p_adjusted: float
    verdict: str


def judged_interactions(
    doses: Sequence[Doses], ranked: Sequence[int], *, margin: float, alpha: float, level: float
) -> list[list[Interaction]]:
    """Per dose the interactions of all pairs of groups, tested together as one family over all doses.

    Parameters
    ----------
    doses
        Every perturbation and dose of the family.
    ranked
        Places of the groups that are large enough to be tested.
    margin
        The difference of changes that matters, in (0, 1).
    alpha
        Of the whole family.
    level
        Of the plain intervals.

    Notes
    -----
    The verdict of a difference larger than the margin, or of none, is from the interval at 1 - alpha / m or 1 - 2 alpha / m
    of the m interactions, the verdict of any difference from Holm's p. An interaction without an interval counts in m.
    """
    pairs = list(combinations(ranked, 2))
    tests = max(len(doses) * len(pairs), 1)
    placed: list[tuple[int, int, int]] = []
    for k, dose in enumerate(doses):
        for g, h in pairs:
            ahead = dose.interaction(g, h, level=level).value >= 0
            placed.append((k, g, h) if ahead else (k, h, g))
    plain = [doses[k].interaction(g, h, level=level) for k, g, h in placed]
    outer = [doses[k].interaction(g, h, level=1 - alpha / tests) for k, g, h in placed]
    inner = [doses[k].interaction(g, h, level=1 - 2 * alpha / tests) for k, g, h in placed]
    adjusted = holm(np.array([one.p for one in plain])) if plain else np.empty(0)
    found: list[list[Interaction]] = [[] for _ in doses]
    told = verdicts(
        beyond_margin=outside(limits(outer), margin, is_ratio=False),
        within_margin=inside(limits(inner), margin, is_ratio=False),
        differs=adjusted <= alpha,
    )
    for i, (k, g, h) in enumerate(placed):
        within = str(told[i]) == WITHIN
        decided, tail = (inner[i], 2 * alpha / tests) if within else (outer[i], alpha / tests)
        found[k].append(Interaction(g, h, plain[i], decided, 1 - tail, float(adjusted[i]), str(told[i])))
    return found


def limits(estimates: Sequence[Estimate]) -> tuple[FloatArray, FloatArray]:
    """Lower and upper ends of intervals."""
    return np.array([one.low for one in estimates]), np.array([one.high for one in estimates])
