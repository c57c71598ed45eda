"""Simulated false matches that depend on the exposure of both images: is the ratio after balancing the true one?

Two groups of 100 people, one image each, at exposures 0.8 standard deviations apart. Trials are impostor pairs within a
group: every false match, and a weighted sample of the others. The probability of a false match increases with the mean
exposure of the pair and with the similarity of the two exposures, and in one group it is higher by a constant factor at
all exposures: the true ratio. Scores have effects of both people.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from scipy.special import ndtr

from facegap.statistics.covariates.balancing import Trials, balanced_gap
from facegap.types import FloatArray

Route = Literal["through", "half", "beside"]
PEOPLE, SHIFT, RHO = 100, 0.8, 0.1
OTHERS = 2_000  # pairs without an error sampled in each group
BASE = {"through": 0.006, "half": 0.006, "beside": 0.012}
FACTOR = {"through": 1.0, "half": 1.5, "beside": 2.0}  # at equal exposures: the truth


def world(route: Route, rng: np.random.Generator) -> tuple[Trials, FloatArray]:
    """One simulated dataset: its pairs with minimum, maximum and difference of the exposures, as in facegap explain."""
    left, right = np.triu_indices(PEOPLE, 1)
    left, right = np.r_[left, left + PEOPLE], np.r_[right, right + PEOPLE]
    group = left < PEOPLE
    exposure = rng.normal(size=2 * PEOPLE) + SHIFT * (np.arange(2 * PEOPLE) < PEOPLE)
    pair = np.stack([exposure[left], exposure[right]])
    columns = np.stack([pair.min(axis=0), pair.max(axis=0), np.abs(pair[0] - pair[1])], axis=1)
    rises = np.zeros(len(left)) if route == "beside" else 0.6 * pair.mean(axis=0) - 0.2 * columns[:, 2]
    chance = np.minimum(BASE[route] * np.exp(rises) * np.where(group, FACTOR[route], 1.0), 0.5)
    person = rng.normal(size=2 * PEOPLE)
    score = RHO**0.5 * (person[left] + person[right]) + (1 - 2 * RHO) ** 0.5 * rng.normal(size=len(left))
    wrong = ndtr(score) < chance
    kept, weights = np.flatnonzero(wrong), np.ones(len(left))
    for side in (group, ~group):
        others = np.flatnonzero(side & ~wrong)
        drawn = rng.choice(others, OTHERS, replace=False)
        weights[drawn] = len(others) / OTHERS
        kept = np.r_[kept, drawn]
    return Trials(wrong[kept], group[kept], left[kept], weights[kept], right[kept]), columns[kept]


def covered(route: Route, worlds: int, *, level: float = 0.95) -> tuple[float, float, float, float]:
    """Coverage of the interval of the adjusted ratio; geometric means of the raw and adjusted ratios; undefined."""
    rng = np.random.default_rng([0, 18, len(route)])
    held, raw, left, undefined = 0, [], [], 0
    for _ in range(worlds):
        trials, columns = world(route, rng)
        found = balanced_gap(trials, columns, scale="ratio", level=level, replicates=2, rng=rng)
        held += found.low <= FACTOR[route] <= found.high
        undefined += np.isnan(found.gap)
        rates = trials.errors[trials.in_group].sum(), trials.errors[~trials.in_group].sum()
        if min(rates) > 0 and found.gap > 0:
            raw.append(np.log(rates[0] / rates[1]))
            left.append(np.log(found.gap))
    return held / worlds, float(np.exp(np.mean(raw))), float(np.exp(np.mean(left))), undefined / worlds


@pytest.mark.parametrize("route", ["through", "half", "beside"])
def test_a_few_worlds_hold_the_true_ratio_and_balancing_moves_towards_it(route: Route) -> None:
    coverage, raw, left, undefined = covered(route, 12)
    assert undefined == 0
    assert coverage >= 0.75
    assert abs(np.log(left / FACTOR[route])) < 0.35
    assert route == "beside" or raw > 1.2 * FACTOR[route]


@pytest.mark.campaign
@pytest.mark.parametrize("route", ["through", "half", "beside"])
def test_a_thousand_worlds_hold_the_true_ratio_in_at_least_93_per_cent(route: Route) -> None:
    coverage, raw, left, _ = covered(route, 1000)
    assert coverage >= 0.93, (coverage, raw, left)
