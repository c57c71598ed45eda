"""Changes of group error rates under a perturbation of the same images, and differences between these changes.

Subjects are their own controls: the rates with and without the perturbation are over the same trials of the same
subjects, so effects of the subject common to both cancel. The interaction of two groups is the change in one minus the
change in the other, a difference of differences. Its variance is the sum of the squared contributions of the subjects,
which accounts for several images per subject and for subjects in both groups.
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

ADDED = 2  # with one trial in each group: one with an error only with the perturbation, one only without


@dataclass(frozen=True)
class Estimate:
    """A change, or a difference of changes: value, interval, and p-value of no change; NaN without trials."""

    value: float
    low: float
    high: float
    p: float


@dataclass(frozen=True, eq=False)
class Doses:
    """The errors that a perturbation adds to each person in each group, and the trials of that person.

    added  : float64 [G, S], errors with the perturbation minus errors without it
    trials : float64 [G, S]
    """

    added: FloatArray
    trials: FloatArray

    def change(self, group: int, *, level: float = 0.95) -> Estimate:
        """Return the rate with the perturbation minus that without it for one group, with a paired interval."""
        return self._sum([(group, 1.0)], level)

    def interaction(self, first: int, second: int, *, level: float = 0.95) -> Estimate:
        """Return the change in one group minus the change in another."""
        return self._sum([(first, 1.0), (second, -1.0)], level)

    def _sum(self, parts: Sequence[tuple[int, float]], level: float) -> Estimate:
        """Return a signed sum of changes.

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
    """Errors of each subject in each group without and with a perturbation, over the same trials.

    Parameters
    ----------
    before, after, trials
        Float64 [G, S]: errors, at most as many as trials; a subject outside a group has no trials there.

    Raises
    ------
    StatisticsError
        If shapes differ, or there are more errors than trials.

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
    """One difference of differences and its verdict.

    group_a, group_b : indices of the groups, the one with the larger change first
    plain   : estimate with its interval at the level of the run
    decided : estimate with the interval that determined the verdict, and its level
    verdict : one of statistics/verdicts.py, on the difference and the margin
    """

    group_a: int
    group_b: int
    plain: Estimate
    decided: Estimate
    decided_level: float
    p_adjusted: float
    verdict: str


def interaction_tests(
    doses: Sequence[Doses], ranked: Sequence[int], *, margin: float, alpha: float, level: float
) -> list[list[Interaction]]:
    """The interactions of all pairs of groups at each dose, tested as one family over all doses.

    Parameters
    ----------
    doses
        Every perturbation and dose of the family.
    ranked
        Indices of the groups that are large enough to be tested.
    margin
        The smallest difference of changes that matters, in (0, 1).
    alpha
        Family-wise false-alarm rate.
    level
        Confidence level of the unadjusted intervals.

    Notes
    -----
    With m interactions, a difference larger than the margin is decided by the interval at 1 - alpha / m, one within the
    margin by that at 1 - 2 alpha / m, and any difference by Holm's p. An interaction without an interval counts in m.
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
    found_verdicts = verdicts(
        beyond_margin=outside(limits(outer), margin, is_ratio=False),
        within_margin=inside(limits(inner), margin, is_ratio=False),
        differs=adjusted <= alpha,
    )
    for i, (k, g, h) in enumerate(placed):
        within = str(found_verdicts[i]) == WITHIN
        decided, tail = (inner[i], 2 * alpha / tests) if within else (outer[i], alpha / tests)
        found[k].append(Interaction(g, h, plain[i], decided, 1 - tail, float(adjusted[i]), str(found_verdicts[i])))
    return found


def limits(estimates: Sequence[Estimate]) -> tuple[FloatArray, FloatArray]:
    """Lower and upper ends of intervals."""
    return np.array([one.low for one in estimates]), np.array([one.high for one in estimates])
