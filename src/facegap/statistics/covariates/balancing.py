"""The gap between two groups after balancing measured covariates.

Overlap weights (Li, Morgan and Zaslavsky 2018): the weight of a trial is the probability that a trial with its
covariates belongs to the other group. With a logistic model of the group, both groups then have exactly the same mean
of every column of the model, and trials without a counterpart have weight 0. The comparison refers to the population in
which both groups overlap.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit, stdtrit

from facegap.errors import StatisticsError
from facegap.statistics.covariates.logistic import fit_logistic, ridge_of, spline_basis, standardised, with_constant
from facegap.statistics.jackknife import PAIR_NOISE_REMOVED
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray, Scale

CELLS = 10  # of each covariate, by quantiles of both groups together; cells without one of the groups are excluded
LEAST_UNITS_IN_CELL = 2
UNITS_PER_COLUMN = 4  # a group with fewer sampling units per column of its model is too small
FEW_ERRORS = 10.0  # with at least so many, the variance is that of the resampling alone
BINS = 10  # of the probability of a group, to compute the overlap


@dataclass(frozen=True, eq=False)
class Trials:
    """Trials of two groups, one of which is the reference.

    errors, in_group : bool (n,); False in `in_group` is the reference
    units   : int64 (n,), sampling unit; for a pair of two people, that of the first
    others  : int64 (n,), unit of the second person of a pair; None if each trial has one unit
    weights : float64 (n,), number of trials represented by each row; 1 unless rows were sampled
    """

    errors: BoolArray
    in_group: BoolArray
    units: IntArray
    weights: FloatArray
    others: IntArray | None = None

    def only(self, rows: BoolArray) -> Trials:
        """Return the selected trials."""
        others = None if self.others is None else self.others[rows]
        return Trials(self.errors[rows], self.in_group[rows], self.units[rows], self.weights[rows], others)


@dataclass(frozen=True, eq=False)
class Balanced:
    """Rates of two groups and their gap; NaN if undefined, in which case `reason` says why.

    rate, reference_rate : weighted error rates
    gap, low, high : difference or ratio of the two, by `scale`, and its interval
    comparable     : bool (n,), trials within the range of covariates of both groups
    effective, reference_effective : effective sampling units
    overlap        : common proportion of the two distributions of the probability of the group, 0 to 1; 1 without covariates
    """

    comparable: BoolArray
    scale: Scale
    level: float
    rate: float = np.nan
    reference_rate: float = np.nan
    gap: float = np.nan
    low: float = np.nan
    high: float = np.nan
    effective: float = 0.0
    reference_effective: float = 0.0
    overlap: float = np.nan
    reason: str = ""


def comparable_trials(
    covariates: FloatArray, in_group: BoolArray, units: IntArray
) -> tuple[BoolArray, tuple[int, ...]]:
    """Trials in the covariate range of both groups, and the number of cells of each covariate with only one group.

    Each covariate is divided into ten cells at the quantiles of both groups together, before any model is fitted. A
    cell in which a group has fewer than two sampling units is excluded with all its trials.

    Parameters
    ----------
    covariates : float64 (n, k)
    in_group, units : bool and int64 (n,)

    Returns
    -------
    bool (n,), and the number of cells without one of the groups for each of the k covariates

    Examples
    --------
    >>> values = np.r_[np.arange(100.0), np.arange(50.0, 150.0)][:, None]
    >>> kept, empty = comparable_trials(values, np.arange(200) < 100, np.arange(200))
    >>> int(kept.sum()), empty
    (120, (4,))
    """
    kept, empty = np.ones(len(in_group), np.bool_), []
    for column in covariates.T:
        edges = np.unique(np.quantile(column, np.linspace(0, 1, CELLS + 1)[1:-1]))
        cell = np.searchsorted(edges, column, side="right")
        counts = np.zeros((len(edges) + 1, 2), np.int64)
        distinct = np.unique(np.stack([cell, in_group.astype(np.int64), units]), axis=1)
        np.add.at(counts, (distinct[0], distinct[1]), 1)
        alone = np.asarray((counts < LEAST_UNITS_IN_CELL).any(axis=1))
        kept &= ~alone[cell]
        empty.append(int((alone & (counts.sum(axis=1) > 0)).sum()))
    return kept, tuple(empty)


def basis_of(covariates: FloatArray) -> FloatArray:
    """Model columns of covariates: a spline of each, float64 (n, p)."""
    parts = [spline_basis(column) for column in covariates.T]
    return standardised(np.concatenate(parts, axis=1)) if parts else np.empty((len(covariates), 0))


def balanced_gap(
    trials: Trials,
    covariates: FloatArray,
    *,
    scale: Scale,
    level: float,
    replicates: int,
    rng: np.random.Generator,
) -> Balanced:
    """The gap between a group and its reference after balancing covariates, with an interval by resampling units.

    Parameters
    ----------
    trials : Trials
        n rows.
    covariates : float64 (n, k)
        Finite; without covariates (k = 0) the gap is the unadjusted one.
    scale : {"difference", "ratio"}
    level : float
        Confidence level of the interval, between 0 and 1.
    replicates : int
        At least 2.

    Returns
    -------
    Balanced
        NaN with a reason if a group has no comparable subjects or too few units for the covariates, or, for a ratio, no errors.

    Raises
    ------
    StatisticsError
        If a covariate is not finite, or shapes do not match.

    Notes
    -----
    Every replicate reweights the sampling units (exponential weights, the Bayesian bootstrap of Rubin 1981), refits the
    model of the group and balances again; Student's t uses the effective number of units. For pairs of two people, the
    variance is a delete-one-unit jackknife of the linearised estimate, as in `dyadic_fmr`. With few errors the variance
    is at least that of two independent proportions with one error and one other trial added (Agresti and Caffo 2000).

    References
    ----------
    Li, Morgan, Zaslavsky (2018), Balancing covariates via propensity score weighting, JASA 113, equations 3 and 6.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> group = np.arange(400) < 200
    >>> dark = np.where(group, 1.0, 0.0) + rng.normal(size=400)
    >>> wrong = rng.random(400) < np.where(dark > 0.5, 0.5, 0.1)
    >>> trials = Trials(wrong, group, np.arange(400), np.ones(400))
    >>> raw, left = (
    ...     balanced_gap(trials, columns, scale="difference", level=0.95, replicates=200, rng=rng)
    ...     for columns in (np.empty((400, 0)), dark[:, None])
    ... )
    >>> raw.low > 0, left.low < 0 < left.high
    (True, True)
    """
    if covariates.shape[:1] != trials.errors.shape or not np.isfinite(covariates).all():
        raise StatisticsError("each covariate must be one finite number per trial; omit trials without it")
    kept, _ = comparable_trials(covariates, trials.in_group, trials.units)
    inside = trials.only(kept)
    nothing = Balanced(comparable=kept, scale=scale, level=level)
    columns = basis_of(covariates[kept]) if kept.any() else np.empty((0, covariates.shape[1]))
    reason = too_few(inside, columns.shape[1])
    if reason:
        return replace(nothing, reason=reason)
    design, group = with_constant(columns), inside.in_group.astype(np.float64)
    start = fit_logistic(design, group, inside.weights)
    if np.isnan(start).any():
        return replace(nothing, reason="the model of the group does not converge")
    chance = expit(design @ start)
    rates = weighted_pair(inside, chance, inside.weights)
    balancing_weights = inside.weights * np.where(inside.in_group, 1 - chance, chance)
    effective = effective_units(inside, balancing_weights, True), effective_units(inside, balancing_weights, False)
    seen = replace(
        nothing,
        rate=float(rates[0, 0]),
        reference_rate=float(rates[0, 1]),
        effective=effective[0],
        reference_effective=effective[1],
        overlap=overlap_of(chance, inside.in_group, inside.weights),
    )
    gap = float(on_scale(rates, scale)[0])
    if not np.isfinite(gap):
        return replace(seen, reason="no error in one of the groups, so no ratio")
    floors = floor_variances(inside, balancing_weights, rates[0], effective, scale)
    if inside.others is None:
        variance = resampled_variance(inside, design, group, start, scale, replicates, rng)
        free = freedom(floors, effective)
    else:
        found, carriers = dyadic_variance(inside, influence_of(inside, design, chance, scale)[None])
        variance, free = float(found[0]), max(1.0, float(carriers[0]) - 1)
    variance = max(variance, sum(floors)) if min_errors(inside) < FEW_ERRORS else variance
    reach = float(stdtrit(free, (1 + level) / 2)) * float(np.sqrt(variance))
    ends = gap, gap - reach, gap + reach
    gap, low, high = (float(np.exp(end)) if scale == "ratio" else end for end in ends)
    return replace(seen, gap=gap, low=low, high=high)


def too_few(trials: Trials, columns: int) -> str:
    """Reason why two groups cannot be balanced with this number of columns; empty if they can."""
    sizes = [len(np.unique(trials.units[trials.in_group == side])) for side in (True, False)]
    if min(sizes) < 2:
        return "no comparable people in one of the groups"
    least = UNITS_PER_COLUMN * (columns + 1)
    return (
        f"fewer than {least} comparable people in one of the groups for these covariates" if min(sizes) < least else ""
    )


def weighted_pair(trials: Trials, chance: FloatArray, weights: FloatArray) -> FloatArray:
    """The balanced error rates of group and reference, float64 (..., 2). chance, weights : (..., n)."""
    wrong = trials.errors.astype(np.float64)
    sides = []
    for side, balance in ((trials.in_group, 1 - chance), (~trials.in_group, chance)):
        balancing_weights = weights * balance * side
        with np.errstate(divide="ignore", invalid="ignore"):
            sides.append((balancing_weights @ wrong) / balancing_weights.sum(axis=-1))
    return np.atleast_2d(np.stack(sides, axis=-1))


def on_scale(rates: FloatArray, scale: Scale) -> FloatArray:
    """Difference of two rates, or the logarithm of their ratio; float64 (...,) of (..., 2)."""
    if scale == "difference":
        return np.asarray(rates[..., 0] - rates[..., 1])
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(rates[..., 0]) - np.log(rates[..., 1]))


def resampled_variance(
    trials: Trials,
    design: FloatArray,
    group: FloatArray,
    start: FloatArray,
    scale: Scale,
    replicates: int,
    rng: np.random.Generator,
) -> float:
    """Variance of the gap over replicates with reweighted sampling units."""
    _, unit = np.unique(trials.units, return_inverse=True)
    units, rows = int(unit.max()) + 1, len(unit)
    step = max(1, 4_000_000 // rows)
    gaps: list[AnyArray] = []
    for first in range(0, replicates, step):
        drawn = rng.exponential(size=(min(step, replicates - first), units))
        weights = drawn[:, unit] * trials.weights
        if design.shape[1] == 1:
            gaps.append(on_scale(weighted_pair(trials, np.full(rows, 0.5), weights), scale))
            continue
        fits = fit_logistic(design, group, weights, start=start)
        gaps.append(on_scale(weighted_pair(trials, expit(fits @ design.T), weights), scale))
    found = np.concatenate(gaps)
    # Resampling does not account for the degrees of freedom of the fitted columns.
    return float(np.var(found[np.isfinite(found)], ddof=1) * units / max(units - design.shape[1], 1))


def influence_of(trials: Trials, design: FloatArray, chance: FloatArray, scale: Scale) -> FloatArray:
    """Influence of each trial on the gap, including the fit of the model; float64 (n,), summing to 0.

    Source : M-estimation, Stefanski and Boos (2002); checked against resampling in the tests
    """
    weights, wrong = trials.weights, trials.errors.astype(np.float64)
    spread = chance * (1 - chance)
    curvature = (design * (weights * spread)[:, None]).T @ design
    curvature += np.diag(ridge_of(trials.in_group.astype(np.float64), weights, design.shape[1]))
    of_fit = np.linalg.solve(curvature, (design * (weights * (trials.in_group - chance))[:, None]).T)
    found = np.zeros(len(weights))
    for side, balance, sign in ((trials.in_group, 1 - chance, 1.0), (~trials.in_group, chance, -1.0)):
        balancing_weights = weights * balance * side
        total = balancing_weights.sum()
        rate = float(balancing_weights @ wrong / total)
        slope = -sign * ((weights * spread * side * (wrong - rate)) @ design) / total
        moved = balancing_weights * (wrong - rate) / total + slope @ of_fit
        found += sign * (moved if scale == "difference" else moved / rate)
    return found


def dyadic_variance(trials: Trials, influence: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Variance of estimates over pairs of people, with correlated pairs that share a person, and effective number of units.

    Parameters
    ----------
    trials : Trials
        n pairs.
    influence : float64 (m, n)
        Influence of each pair on each estimate.

    Returns
    -------
    float64 (m,) and (m,)
        The delete-one-unit jackknife variance, with the same part of the noise of pairs subtracted as in
        statistics/jackknife.py; and the effective number of units.
    """
    assert trials.others is not None
    _, unit = np.unique(np.concatenate([trials.units, trials.others]), return_inverse=True)
    rows, people = influence.shape[1], int(unit.max()) + 1
    left, right = unit[:rows], unit[rows:]
    same = left == right  # of a cluster with both people: on both sides, and once in the sums
    pair = np.unique(np.minimum(left, right) * people + np.maximum(left, right), return_inverse=True)[1]
    side = trials.weights / np.where(
        trials.in_group, trials.weights[trials.in_group].sum(), trials.weights[~trials.in_group].sum()
    )

    def by_person(values: FloatArray) -> FloatArray:
        sums = np.bincount(left, values, people) + np.bincount(right, np.where(same, 0.0, values), people)
        return sums.astype(np.float64)

    left_over = 1 - np.minimum(by_person(side), 0.5)
    variance, carriers = np.empty(len(influence)), np.empty(len(influence))
    for k, one in enumerate(influence):
        squares = (by_person(one) / left_over) ** 2
        noise = float((np.bincount(pair, np.where(same, 0.0, one)) ** 2).sum())
        alone = float((np.bincount(pair, one) ** 2).sum())
        variance[k] = max(float(squares.sum()) - PAIR_NOISE_REMOVED * noise, alone)
        carriers[k] = squares.sum() ** 2 / (squares**2).sum() if squares.any() else 1.0
    return variance, carriers


def effective_units(trials: Trials, balancing_weights: FloatArray, side: bool) -> float:
    """Effective number of sampling units of one side (Kish); a pair counts half for each person."""
    rows = trials.in_group == side
    ends = [trials.units] if trials.others is None else [trials.units, trials.others]
    units = np.concatenate([end[rows] for end in ends])
    sums = np.bincount(np.unique(units, return_inverse=True)[1], np.tile(balancing_weights[rows], len(ends)))
    return float(sums.sum() ** 2 / (sums**2).sum()) if sums.any() else 0.0


def floor_variances(
    trials: Trials, balancing_weights: FloatArray, rates: AnyArray, effective: tuple[float, ...], scale: Scale
) -> tuple[float, float]:
    """Variance of each side as a proportion of its effective trials, with one error and one other trial added."""
    found = []
    for side, rate, units in zip((True, False), rates, effective, strict=True):
        rows = trials.in_group == side
        size = (
            units
            if trials.others is None
            else float(balancing_weights[rows].sum() ** 2 / (balancing_weights[rows] ** 2 / trials.weights[rows]).sum())
        )
        near = (rate * size + 1) / (size + 2)
        variance = near * (1 - near) / (size + 2)
        found.append(variance if scale == "difference" else variance / near**2)
    return found[0], found[1]


def freedom(floors: tuple[float, float], effective: tuple[float, ...]) -> float:
    """Degrees of freedom of the sum of two variances (Welch 1938, Satterthwaite 1946), at least 1."""
    parts = [floor / max(units - 1, 1.0) ** 0.5 for floor, units in zip(floors, effective, strict=True)]
    return max(1.0, float(sum(floors) ** 2 / sum(part**2 for part in parts)))


def min_errors(trials: Trials) -> float:
    """The smallest number of errors, or of trials without an error, in either group."""
    return float(
        min(
            min(trials.errors[rows].sum(), (~trials.errors[rows]).sum()) for rows in (trials.in_group, ~trials.in_group)
        )
    )


def overlap_of(chance: FloatArray, in_group: BoolArray, weights: FloatArray) -> float:
    """Common proportion of the distributions of the probability of the group, 0 to 1.

    Examples
    --------
    >>> overlap_of(np.array([0.1, 0.9]), np.array([False, True]), np.ones(2))
    0.0
    """
    edges = np.linspace(0, 1, BINS + 1)
    shares = [np.histogram(chance[side], edges, weights=weights[side])[0] for side in (in_group, ~in_group)]
    return float(np.minimum(*(share / share.sum() for share in shares)).sum())
