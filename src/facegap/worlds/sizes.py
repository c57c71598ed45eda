"""Simulated audits of a planned size: how often the planned verdict is reached."""

from __future__ import annotations

import numpy as np

from facegap.statistics.clusters import rates_of_clusters
from facegap.statistics.dyadic import dyadic_fmr
from facegap.statistics.lending import lent_trials
from facegap.statistics.sizes import Goal, Kind, Sampling, trials_per_person
from facegap.statistics.verdicts import GAPS_FOUND, WITHIN, verdicts
from facegap.types import FloatArray
from facegap.worlds.clusters import beta_rates
from facegap.worlds.families import evaluate_rates
from facegap.worlds.pairs import sparse_false_matches


def power_reached(
    kind: Kind,
    people: int,
    sampling: Sampling,
    *,
    rate: float,
    margin: float,
    is_ratio: bool,
    alpha: float,
    goal: Goal,
    worlds: int,
    seed: int,
) -> float:
    """Proportion of simulations in which two groups of `people` get the verdict of `power_of_plan`.

    Parameters as in `power_of_plan`. Errors of people in a cluster are correlated, and so are trials of one person; if both
    are requested, people have one trial each.
    """
    rng = np.random.default_rng([seed, 44, people, round(rate * 1e6), round(1000 * margin), sampling.photographs])
    worse = rate if goal == "exclude" else rate * margin if is_ratio else rate + margin
    simulated = [simulated_rates(kind, people, sampling, one, worlds, rng) for one in (worse, rate)]
    value, effective = (np.stack([one[k] for one in simulated], axis=1) for k in (0, 1))
    units, trials = (np.array([one[k] for one in simulated], np.int64) for k in (2, 3))
    effective = lent_trials(np.rint(value * trials).astype(np.int64), trials, units, effective)
    one, other = np.array([0]), np.array([1])
    found = evaluate_rates(value, effective, one, other, is_ratio=is_ratio, margin=margin, alpha=alpha)
    verdict = verdicts(beyond_margin=found.beyond_margin, within_margin=found.within_margin, differs=found.differs)[
        :, 0
    ]
    return float(np.isin(verdict, GAPS_FOUND if goal == "find" else (WITHIN,)).mean())


def simulated_rates(
    kind: Kind, people: int, sampling: Sampling, rate: float, worlds: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, int, int]:
    """Rates of one group in many simulations: value and effective trials, float64 [worlds]; sampling units, and trials of each."""
    if kind == "impostor pair":
        images = np.full(people, sampling.photographs)
        listed = [sparse_false_matches(images, rate, sampling.correlation, rng) for _ in range(worlds)]
        rates = [dyadic_fmr(left, right, np.ones(len(left), np.int64), images=images) for left, right in listed]
        numbers = [np.array([getattr(one, name) for one in rates]) for name in ("value", "effective_trials")]
        return numbers[0], numbers[1], people, rates[0].trials
    tried, c = trials_per_person(kind, sampling.photographs), round(sampling.people_per_cluster)
    units, of_unit = (people // c, tried * c) if c > 1 else (people, tried)
    icc = sampling.cluster_correlation if c > 1 else sampling.correlation
    errors = rng.binomial(of_unit, beta_rates(rate, icc, (worlds, units), rng))
    cells = np.repeat(np.arange(worlds), units)
    found = rates_of_clusters(errors.ravel(), np.full(errors.size, of_unit), cells, n_cells=worlds)
    return found.value, found.effective_trials, units, units * of_unit
