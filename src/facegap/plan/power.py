"""What an audit of the people of a run could have found: their numbers of images, the observed rate, planted gaps.

Everyone keeps the number of images, pairs or searches of the run, people vary as much as observed, and all groups get one
rate. Then each group in turn gets a higher rate, and the audit's own functions test the family: how often is the gap
found?
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from facegap.statistics.clusters import rates_of_clusters
from facegap.statistics.dyadic import dyadic_fmr
from facegap.statistics.family_tests import GapTests, holm_among
from facegap.statistics.lending import lent_trials
from facegap.statistics.verdicts import GAPS_FOUND, WITHIN, verdicts
from facegap.types import AnyArray, FloatArray, IntArray
from facegap.worlds.families import evaluate_rates, pairs_of
from facegap.worlds.pairs import sparse_false_matches
from facegap.worlds.people import binomial, person_chances
from facegap.worlds.rates import covers
from facegap.worlds.searches import normal_nodes

DIFFERENCES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
RATIOS = (1.5, 2.0, 3.0, 5.0, 10.0)
HIGHEST_RATE = 0.95
STRONGEST_PAIRS, STRONGEST = 0.4, 0.9
PEOPLE_AT_ONCE = 2_000_000  # people x simulations per part


@dataclass(frozen=True, eq=False)
class People:
    """A group of a run.

    trials : of each subject, int64 [S], all positive; for `pairs`, the images of each subject
    """

    name: str
    trials: IntArray


@dataclass(frozen=True, eq=False)
class OwnFamily:
    """A family of gaps of a run, and the parameters of its simulation.

    sort     : singles (each trial belongs to one person) or pairs (of two people, all images against all)
    rate     : observed rate of all groups together, planted in each of them
    strength : variation between people: intraclass correlation for singles, rho for pairs
    margin   : of the run: a ratio if `is_ratio`, otherwise a difference
    alpha    : false-alarm rate of the primary family
    beside   : number of gaps of other metrics that are tested together with these; assumed never to be found
    notes    : assumptions
    """

    metric: str
    grouping: str
    threshold: float
    threshold_from: str
    sort: Literal["singles", "pairs"]
    groups: tuple[People, ...]
    errors: int
    trials: int
    rate: float
    strength: float
    is_ratio: bool
    margin: float
    alpha: float
    notes: tuple[str, ...] = ()
    beside: int = 0


@dataclass(frozen=True, eq=False)
class OwnPower:
    """How often gaps between these groups are found.

    gaps        : planted, [D]
    found       : float64 [pairs, D], proportion of simulations in which this pair gets `gap` or a larger verdict; the minimum
                  of either group being the worse one; NaN if the rate would be too high
    found_any   : float64 [D], proportion in which any pair with the worse group gets it; the minimum over worse groups
    false_alarm : proportion of simulations without any gap in which some pair gets it
    cleared     : float64 [pairs], proportion of these in which the pair gets `no gap larger than the margin`
    covered     : float64 [groups], proportion of these whose interval covers the planted rate
    """

    family: OwnFamily
    worlds: int
    gaps: FloatArray
    found: FloatArray
    found_any: FloatArray
    false_alarm: float
    cleared: FloatArray
    covered: FloatArray


Rates = tuple[FloatArray, FloatArray]  # value and effective trials, [worlds] each


def own_power(family: OwnFamily, worlds: int, seed: Sequence[int], step: Callable[[], None] = lambda: None) -> OwnPower:
    """Plant every gap in every group and test the family.

    seed : of this family; step : called after each of the groups x (gaps + 1) simulations
    """
    gaps = np.array(RATIOS if family.is_ratio else DIFFERENCES)
    first, second = pairs_of(len(family.groups))
    covered = np.empty(len(family.groups))
    base: list[Rates] = []
    for place, group in enumerate(family.groups):
        value, effective, low, high = simulated_rates(family, group, family.rate, worlds, [*seed, place, 0])
        covered[place] = covers(low, high, family.rate).mean()
        base.append((value, effective))
        step()
    alike = evaluated_worlds(family, base, first, second)
    said = verdicts(beyond_margin=alike.beyond_margin, within_margin=alike.within_margin, differs=alike.differs)
    found = np.full((len(family.groups), len(first), len(gaps)), np.nan)
    found_any = np.full((len(family.groups), len(gaps)), np.nan)
    for place, group in enumerate(family.groups):
        for level, gap in enumerate(gaps):
            rate = family.rate * gap if family.is_ratio else family.rate + gap
            if rate <= HIGHEST_RATE:
                value, effective, _, _ = simulated_rates(family, group, rate, worlds, [*seed, place, level + 1])
                raised = [*base[:place], (value, effective), *base[place + 1 :]]
                found[place, :, level], found_any[place, level] = proportions_found(
                    family, raised, alike, place, first, second
                )
            step()
    mine = np.stack([found[first[k], k] for k in range(len(first))])
    other = np.stack([found[second[k], k] for k in range(len(first))])
    return OwnPower(
        family,
        worlds,
        gaps,
        np.minimum(mine, other),
        found_any.min(axis=0),
        float(np.isin(said, GAPS_FOUND).any(axis=1).mean()),
        (said == WITHIN).mean(axis=0),
        covered,
    )


def evaluated_worlds(family: OwnFamily, rates: Sequence[Rates], first: IntArray, second: IntArray) -> GapTests:
    """The family of every simulation, tested as in an audit."""
    value, effective = together(family, rates)
    return evaluate_rates(
        value,
        effective,
        first,
        second,
        is_ratio=family.is_ratio,
        margin=family.margin,
        alpha=family.alpha,
        others=p_of_other_gaps(family, len(value)),
    )


def p_of_other_gaps(family: OwnFamily, worlds: int) -> FloatArray:
    """p of the gaps that are tested together with a family, float64 [worlds, beside]: none of them is found."""
    return np.ones((worlds, family.beside))


def together(family: OwnFamily, rates: Sequence[Rates]) -> Rates:
    """Value and effective trials for the tests of all groups, float64 [worlds, groups] each."""
    value, effective = (np.stack([one[side] for one in rates], axis=1) for side in (0, 1))
    trials = np.array([trials_of(family, group) for group in family.groups], np.int64)
    subjects = np.array([len(group.trials) for group in family.groups], np.int64)
    errors = np.rint(np.nan_to_num(value) * trials).astype(np.int64)
    return value, lent_trials(errors, trials, subjects, effective)


def trials_of(family: OwnFamily, group: People) -> int:
    """Trials of a group: the sum over its people, or all pairs of images of two people."""
    total = int(group.trials.sum())
    return (total * total - int((group.trials**2).sum())) // 2 if family.sort == "pairs" else total


def proportions_found(
    family: OwnFamily, raised: Sequence[Rates], alike: GapTests, worse: int, first: IntArray, second: IntArray
) -> tuple[FloatArray, float]:
    """Per pair the proportion of simulations with `gap` or a larger verdict, float64 [pairs], and the proportion with any.

    Pairs without the worse group are unchanged except for their place in Holm's order.
    """
    value, effective = together(family, raised)
    touched = np.flatnonzero((first == worse) | (second == worse))
    # The intervals for the margin are at alpha over all pairs of the family, not only over the pairs that are updated.
    alpha = family.alpha * len(touched) / (len(first) + family.beside)
    again = evaluate_rates(
        value, effective, first[touched], second[touched], is_ratio=family.is_ratio, margin=family.margin, alpha=alpha
    )
    p, within, beyond = alike.p.copy(), alike.within_margin.copy(), alike.beyond_margin.copy()
    p[:, touched], within[:, touched], beyond[:, touched] = again.p, again.within_margin, again.beyond_margin
    differs = holm_among(p, p_of_other_gaps(family, len(p))) <= family.alpha
    said = np.isin(verdicts(beyond_margin=beyond, within_margin=within, differs=differs), GAPS_FOUND)
    return said.mean(axis=0), float(said[:, touched].any(axis=1).mean())


def simulated_rates(
    family: OwnFamily, group: People, rate: float, worlds: int, seed: Sequence[int]
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Rates of a group in many simulations: value, effective trials, low and high, float64 [worlds] each."""
    rng = np.random.default_rng(list(seed))
    if family.sort == "pairs":
        rows = [matched_rate(group.trials, rate, family.strength, rng) for _ in range(worlds)]
        return tuple(np.array(column, np.float64) for column in zip(*rows, strict=True))  # type: ignore[return-value]
    size = max(1, PEOPLE_AT_ONCE // len(group.trials))
    parts = [
        single_rates(group.trials, rate, family.strength, min(size, worlds - k), rng) for k in range(0, worlds, size)
    ]
    return tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[return-value]


def single_rates(
    trials: IntArray, rate: float, strength: float, worlds: int, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Rates of simulations whose trials belong to one person each."""
    shape = (worlds, len(trials))
    chance = person_chances(rate, "beta", strength, shape, rng)
    errors = binomial(1 if (trials == 1).all() else trials, chance, shape, rng)
    cells = np.repeat(np.arange(worlds), len(trials))
    found = rates_of_clusters(errors.ravel(), np.tile(trials, worlds), cells, n_cells=worlds)
    return found.value, found.effective_trials, found.low, found.high


def matched_rate(
    images: IntArray, rate: float, strength: float, rng: np.random.Generator
) -> tuple[float, float, float, float]:
    """The rate of one simulation of pairs of two people."""
    left, right = sparse_false_matches(images, rate, strength, rng)
    found = dyadic_fmr(left, right, np.ones(len(left), np.int64), images=images)
    return found.value, found.effective_trials, found.low, found.high


# ---- variation between people ----


def intraclass_correlation(errors: Sequence[FloatArray], trials: Sequence[FloatArray]) -> float:
    """Excess correlation of two trials of one person, given the rate of the group, pooled over groups: 0 to 0.9.

    errors, trials : per group, float64 [S]
    Formula        : sum_i [(e_i - p m_i)^2 S/(S-1) - p (1-p) m_i] / sum_i p (1-p) m_i (m_i - 1), with each group's own p
    Edge           : 0 if no person has two trials or there are no errors
    """
    above, below = 0.0, 0.0
    for wrong, tried in zip(errors, trials, strict=True):
        people, total = len(tried), tried.sum()
        if people < 2 or not total:
            continue
        rate = wrong.sum() / total
        spread = rate * (1 - rate)
        above += float((((wrong - rate * tried) ** 2) * people / (people - 1) - spread * tried).sum())
        below += float((spread * tried * (tried - 1)).sum())
    return float(np.clip(above / below, 0.0, STRONGEST)) if below else 0.0


def shared_correlation(matches: Sequence[tuple[IntArray, IntArray]], images: Sequence[IntArray]) -> tuple[float, float]:
    """Correlation of two trials of pairs that share one person, pooled over groups, and the rate: (correlation, rate).

    matches : per group, the two people of every false match, codes of `images`
    Formula : sum_i [E_i^2 - sum_j E_ij^2] / p (1-p) sum_i [T_i^2 - sum_j T_ij^2] with E = errors - p T, T trials
    """
    above = below = errors_all = trials_all = 0.0
    for (left, right), count in zip(matches, images, strict=True):
        m = count.astype(np.float64)
        trials = m * (m.sum() - m)
        total = trials.sum() / 2
        if not total:
            continue
        rate = len(left) / total
        size = len(m)
        pairs, wrong = np.unique(np.minimum(left, right) * size + np.maximum(left, right), return_counts=True)
        low, high = pairs // size, pairs % size
        changed = wrong * (wrong - 2 * rate * m[low] * m[high])
        own = sum(np.bincount(side, weights=wrong, minlength=size) for side in (low, high))
        squares = sum(np.bincount(side, weights=changed, minlength=size) for side in (low, high))
        trial_squares = m**2 * ((m**2).sum() - m**2)
        above += float(((own - rate * trials) ** 2 - squares - rate**2 * trial_squares).sum())
        below += float(rate * (1 - rate) * (trials**2 - trial_squares).sum())
        errors_all, trials_all = errors_all + len(left), trials_all + total
    rate_all = errors_all / trials_all if trials_all else float("nan")
    return (above / below if below else 0.0), rate_all


def rho_of(correlation: float, rate: float) -> float:
    """The rho at which two pairs that share a person match together as often as observed: 0 to 0.4."""
    if not correlation > 0 or not 0 < rate < 1:
        return 0.0
    from scipy.optimize import brentq  # imported here because it takes half a second, which workers can save

    nodes, weights = normal_nodes(80)
    threshold, aimed = ndtri(rate), correlation * rate * (1 - rate)

    def excess(rho: float) -> float:
        chance = ndtr((threshold + np.sqrt(rho) * nodes) / np.sqrt(1 - rho))
        return float(weights @ chance**2) - rate**2 - aimed

    return float(brentq(excess, 0.0, STRONGEST_PAIRS)) if excess(STRONGEST_PAIRS) > 0 else STRONGEST_PAIRS


def crossing(gaps: AnyArray, curve: AnyArray, share: float) -> float:
    """The point at which an increasing curve reaches a proportion; NaN if it does not."""
    above = np.flatnonzero(curve >= share)
    if not len(above):
        return float("nan")
    k = int(above[0])
    if k == 0:
        return float(gaps[0])
    part = (share - curve[k - 1]) / (curve[k] - curve[k - 1])
    return float(gaps[k - 1] + part * (gaps[k] - gaps[k - 1]))
