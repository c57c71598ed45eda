"""Population rates: weighted trials, and groups standardised to a common composition.

A rate is the weighted mean of errors (Hajek's ratio of two estimated totals). With population proportions, each cell of
a group (such as an age band) has its weight in the population, however many trials it has: post-stratification, or
direct standardisation. Intervals use the variance between sampling units, by the rules of statistics/effective.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facegap.errors import StatisticsError
from facegap.statistics.effective import effective_trials
from facegap.statistics.family_tests import deciding_intervals, deciding_tails, gap_tests, limits_at, z_of
from facegap.statistics.intervals import clopper_pearson, two_sided_z, wilson
from facegap.statistics.verdicts import EXPLORATORY, verdicts
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray, Scale


@dataclass(frozen=True, eq=False)
class WeightedRates:
    """Weighted rates of G groups; value, interval and effective trials are NaN for a group without weight.

    errors, trials, subjects : int64 [G], unweighted counts
    value, low, high : float64 [G]
    effective_trials : float64 [G], equivalent number of independent trials of equal weight
    effective_units  : float64 [G], (sum W)^2 / sum W^2 over the weights W of the sampling units
    correlation      : float64 [G, G] of the rates of groups that share units; None if no unit is in two groups
    empty_cell       : int64 [G], the first cell with a positive proportion but no trial in the group, which therefore
                       has no rate; else -1
    """

    errors: IntArray
    trials: IntArray
    subjects: IntArray
    value: FloatArray
    low: FloatArray
    high: FloatArray
    effective_trials: FloatArray
    effective_units: FloatArray
    level: float
    correlation: FloatArray | None
    empty_cell: IntArray


@dataclass(frozen=True, eq=False)
class WeightedGaps:
    """All gaps of a family of weighted rates, as columns [m]; names and meaning as in `Gap`."""

    first: IntArray
    second: IntArray
    difference: FloatArray
    difference_low: FloatArray
    difference_high: FloatArray
    ratio: FloatArray
    ratio_low: FloatArray
    ratio_high: FloatArray
    p: FloatArray
    p_adjusted: FloatArray
    differs: BoolArray
    verdict: AnyArray
    decided_low: FloatArray
    decided_high: FloatArray
    decided_level: FloatArray


def weighted_rates(
    errors: BoolArray,
    weights: FloatArray,
    units: IntArray,
    groups: IntArray,
    *,
    n_groups: int,
    subjects: IntArray | None = None,
    cells: IntArray | None = None,
    shares: FloatArray | None = None,
    level: float = 0.95,
) -> WeightedRates:
    """Weighted error rate of each group, with an interval based on the sampling unit.

    Parameters
    ----------
    errors, weights : bool and float64 (n,)
        One entry per trial; weights are at least 0.
    units, subjects : int64 (n,)
        Sampling unit and person of each trial; without `subjects` the unit is the person.
    groups : int64 (n,)
        Codes 0..n_groups-1; -1 for trials in no group.
    cells, shares : int64 (n,) and float64 [G, C]
        Cell of each trial, and population proportion of each cell in each group; rows sum to 1. A group whose row is
        NaN has no rate. Within a cell, trials are weighted by `weights`.

    Returns
    -------
    WeightedRates
        A group with a cell of positive proportion but no weight has no rate, because part of its population was not observed.

    Raises
    ------
    StatisticsError
        If a weight is negative or not finite.

    Notes
    -----
    The variance is that of a ratio of totals by units, linearised: sum over units of (sum of w (e - m))^2 / (sum w)^2,
    times S / (S - 1), m being the rate, or with proportions the mean of the trial's own cell (Särndal, Swensson,
    Wretman 1992, Model Assisted Survey Sampling, 5.7 and 7.6). With no errors or only errors, the interval is
    Clopper-Pearson's on the effective units.

    Examples
    --------
    >>> found = weighted_rates(np.array([True, False, False]), np.array([3.0, 1.0, 2.0]), np.arange(3),
    ...                        np.zeros(3, np.int64), n_groups=1)
    >>> found.value, found.errors, found.trials
    (array([0.5]), array([1]), array([3]))
    """
    if np.any(~np.isfinite(weights) | (weights < 0)):
        raise StatisticsError("a weight is negative or not finite; weights must be at least 0")
    inside = groups >= 0
    wrong, group, unit = errors[inside].astype(np.float64), groups[inside], units[inside]
    person = unit if subjects is None else subjects[inside]
    weight, mean_of, empty = _calibrated(wrong, weights[inside], group, cells, shares, inside, n_groups)

    def total(values: FloatArray) -> FloatArray:
        return np.bincount(group, weights=values, minlength=n_groups).astype(np.float64)

    # Relative to the largest of the group, so that the scale of the weights does not matter.
    mass = total(weight)
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(mass[group] > 0, weight / mass[group], 0.0)
        value = np.where((mass > 0) & (empty < 0), total(weight * wrong), np.nan)
        residual = weight * (wrong - (value[group] if mean_of is None else mean_of))
        members, code = np.unique(unit * n_groups + group, return_inverse=True)
        of_group = members % n_groups
        sums, held = (
            np.bincount(code, weights=part, minlength=len(members)).astype(np.float64) for part in (residual, weight)
        )

        def over_units(values: FloatArray) -> FloatArray:
            return np.bincount(of_group, weights=values, minlength=n_groups).astype(np.float64)

        size, squares = over_units((held > 0).astype(np.float64)), over_units(sums**2)
        alone = total(residual**2)
        variance = np.maximum(squares * size / (size - 1), alone)
        own_units, own_trials = 1 / over_units(held**2), 1 / total(weight**2)
        # With unequal weights the variance is an estimate even if no unit repeats, so Student's t applies in full.
        is_even = np.isclose(own_trials, total(np.ones(len(group)))) & (mean_of is None)
        found = effective_trials(
            value,
            own_trials,
            variance=variance,
            shared=np.where(is_even, np.clip(1 - alone / variance, 0.0, 1.0), 1.0),
            carriers=squares**2 / over_units(sums**4),
            # Kish's number of units is a bound on the variance only if weights are not correlated with errors.
            at_least=np.where(is_even, own_units, 1.0),
            level=level,
        )
    extreme = (value <= 0) | (value >= 1)
    used = np.where(size > 1, np.where(extreme, own_units, found), np.nan)
    low, high = wilson(value * used, used, level=level)
    if (extreme & ~np.isnan(used)).any():
        at = extreme & ~np.isnan(used)
        low[at], high[at] = clopper_pearson(np.round(value[at]) * used[at], used[at], level=level)
    people = np.unique(np.stack([person, group]), axis=1)[1]
    return WeightedRates(
        errors=total(wrong).astype(np.int64),
        trials=np.bincount(group, minlength=n_groups).astype(np.int64),
        subjects=np.bincount(people, minlength=n_groups).astype(np.int64),
        value=value,
        low=low,
        high=high,
        effective_trials=used,
        effective_units=own_units,
        level=level,
        correlation=_correlation(members // n_groups, of_group, sums, n_groups),
        empty_cell=empty,
    )


def _calibrated(
    wrong: FloatArray,
    weight: FloatArray,
    group: IntArray,
    cells: IntArray | None,
    shares: FloatArray | None,
    inside: BoolArray,
    n_groups: int,
) -> tuple[FloatArray, FloatArray | None, IntArray]:
    """Weights that give each cell its proportion, the mean of each trial's own cell, and the first empty cell per group."""
    if cells is None or shares is None:
        return weight, None, np.full(n_groups, -1)
    cell, size = cells[inside], shares.shape[1]
    place = group * size + cell
    held = np.bincount(place, weights=weight, minlength=n_groups * size).reshape(n_groups, size)
    cell_errors = np.bincount(place, weights=weight * wrong, minlength=n_groups * size).reshape(n_groups, size)
    missing = (shares > 0) & (held == 0)
    empty = np.where(missing.any(axis=1), missing.argmax(axis=1), np.where(np.isnan(shares).any(axis=1), 0, -1))
    with np.errstate(divide="ignore", invalid="ignore"):
        factor, mean = np.nan_to_num(shares / held, posinf=0.0), np.nan_to_num(cell_errors / held)
    return weight * factor[group, cell], mean[group, cell], empty


def _correlation(unit: IntArray, group: IntArray, sums: FloatArray, n_groups: int) -> FloatArray | None:
    """Correlation of the rates of groups that share units; None if no unit is in two groups."""
    if len(np.unique(unit)) == len(unit):
        return None
    _, row = np.unique(unit, return_inverse=True)
    influence = np.zeros((int(row.max(initial=-1)) + 1, n_groups))
    influence[row, group] = np.nan_to_num(sums)
    length = np.sqrt((influence**2).sum(axis=0))
    part = np.divide(influence, length, out=np.zeros_like(influence), where=length > 0)
    correlation = np.clip(part.T @ part, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation, dtype=np.float64)


def weighted_gaps(
    rates: WeightedRates,
    *,
    margin: float,
    scale: Scale,
    alpha: float,
    minimum_subjects: int,
    known: Sequence[bool],
    is_primary: bool = True,
) -> WeightedGaps:
    """All pairwise gaps of weighted rates, tested as in `gap_family`.

    known      : whether the labels of each group are known; other groups, and those with fewer effective units than
                 `minimum_subjects`, are excluded
    is_primary : whether gaps get a verdict; exploratory ones keep p and the interval at Holm's step
    """
    enough = np.nan_to_num(rates.effective_units) >= minimum_subjects
    kept = np.flatnonzero(np.asarray(known, np.bool_) & enough)
    first, second = (kept[side] for side in np.triu_indices(len(kept), 1))
    effective = np.nan_to_num(rates.effective_trials)
    sides = rates.value[first], effective[first], rates.value[second], effective[second]
    shared = np.zeros(len(first)) if rates.correlation is None else rates.correlation[first, second]
    is_ratio = scale == "ratio"
    z = two_sided_z(rates.level)
    difference, ratio = (limits_at(sides, z, shared, is_ratio=as_ratio) for as_ratio in (False, True))
    found = gap_tests(sides, shared, is_ratio=is_ratio, margin=margin, alpha=alpha)
    said = verdicts(beyond_margin=found.beyond_margin, within_margin=found.within_margin, differs=found.differs)
    said = said if is_primary else np.full(len(said), EXPLORATORY)
    tails = deciding_tails(said, found.p, found.p_adjusted, alpha)
    interval = deciding_intervals(
        limits_at(sides, z_of(tails), shared, is_ratio=is_ratio), tails, said, found.differs, is_ratio=is_ratio
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        quotient = sides[0] / sides[2]
    return WeightedGaps(
        first,
        second,
        sides[0] - sides[2],
        *difference,
        quotient,
        *ratio,
        found.p,
        found.p_adjusted,
        found.differs,
        said,
        interval.low,
        interval.high,
        interval.level,
    )
