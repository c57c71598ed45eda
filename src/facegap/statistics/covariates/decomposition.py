"""Kitagawa-Oaxaca-Blinder decomposition of a gap into parts associated with covariates and the rest, by logistic regression.

The regression is of the error on the group and a spline of each covariate. With a constant and the group in the model,
the mean fitted probability in each group equals the observed rate, so the two parts sum exactly to the observed gap.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, stdtrit

from facegap.errors import StatisticsError
from facegap.statistics.covariates.balancing import Trials, dyadic_variance, on_scale, too_few
from facegap.statistics.covariates.logistic import fit_logistic, ridge_of, spline_basis, standardised
from facegap.types import FloatArray, IntArray, Scale

ERRORS_PER_COLUMN = 5.0  # with fewer errors, or fewer trials without one, per column, a regression overfits
STEP = 1e-5  # of numerical derivatives


@dataclass(frozen=True, eq=False)
class Split:
    """The parts of a gap between a group and its reference, each with its interval; NaN with a `reason` if undefined.

    On the scale of differences the parts sum to the gap; on that of ratios their product is the gap.

    gap      : as observed
    rest     : remaining gap with equal covariates; with `rest_low` and `rest_high`
    parts    : float64 (k,), associated with each covariate; with `low` and `high`
    """

    gap: float
    rest: float
    rest_low: float
    rest_high: float
    parts: FloatArray
    low: FloatArray
    high: FloatArray
    scale: Scale
    reason: str = ""


def split_gap(
    trials: Trials,
    covariates: FloatArray,
    *,
    scale: Scale,
    level: float,
    replicates: int,
    rng: np.random.Generator,
    owners: IntArray | None = None,
) -> Split:
    """Decompose the observed gap into parts associated with each covariate, and the rest.

    Parameters
    ----------
    trials : Trials
        n rows.
    covariates : float64 (n, c)
        Finite.
    scale : {"difference", "ratio"}
    level : float
        Confidence level of the intervals.
    replicates : int
        Resamples of the sampling units.
    owners : int64 (c,), optional
        The covariate, from 0, of each of the c columns, if a covariate has several (a pair of images has the minimum,
        the maximum and the difference). By default each column is a covariate.

    Returns
    -------
    Split
        NaN with a reason if there are too few units or errors for the covariates.

    Raises
    ------
    StatisticsError
        If a covariate is not finite.

    Notes
    -----
    Intervals resample the units as in `balanced_gap`; for pairs of two people the decomposition is linearised.

    The rest is the mean, over both groups, of the fitted effect of changing only the group. The associated part is
    divided among the covariates in proportion to their contributions to the difference of the linear predictor (Yun
    2004), so it does not depend on the order of the covariates.

    References
    ----------
    Kitagawa (1955); Oaxaca (1973); Blinder (1973); Fairlie (2005) for a logistic regression; Yun (2004), Decomposing
    differences in the first moment, Economics Letters 82.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> group = np.arange(1000) < 500
    >>> dark = np.where(group, 1.0, 0.0) + rng.normal(size=1000)
    >>> wrong = rng.random(1000) < expit(dark - 2)
    >>> trials = Trials(wrong, group, np.arange(1000), np.ones(1000))
    >>> found = split_gap(trials, dark[:, None], scale="difference", level=0.95, replicates=100, rng=rng)
    >>> bool(np.isclose(found.gap, found.rest + found.parts.sum())), bool(found.low[0] > 0), found.rest_low < 0 < found.rest_high
    (True, True, True)
    """
    if not np.isfinite(covariates).all():
        raise StatisticsError("each covariate must be one finite number per trial; omit trials without it")
    parts = [spline_basis(column) for column in covariates.T]
    owners = np.arange(len(parts)) if owners is None else owners
    count = int(owners.max(initial=-1)) + 1
    columns, column_owner = owned_columns(parts)
    owner = owners[column_owner]
    nothing = np.full(count, np.nan)
    reason = too_few(trials, columns.shape[1]) or too_few_errors(trials, columns.shape[1] + 2)
    if reason:
        return Split(*(np.nan,) * 4, nothing, nothing, nothing, scale, reason)
    design = np.column_stack([np.ones(len(columns)), trials.in_group, columns])
    wrong = trials.errors.astype(np.float64)
    start = fit_logistic(design, wrong, trials.weights)
    if np.isnan(start).any():
        return Split(*(np.nan,) * 4, nothing, nothing, nothing, scale, "the regression does not converge")
    found = split_of(design, owner, trials, trials.weights[None], start[None], scale, count)[0]
    units = len(np.unique(trials.units))
    if trials.others is None:
        drawn = resampled_splits(design, owner, trials, start, scale, count, replicates, rng)
        variance = np.nanvar(drawn, axis=0, ddof=1) * units / (units - 1)
        free = np.full(len(variance), units - design.shape[1], np.float64)
    else:
        influence = influence_of_split(design, owner, trials, start, scale, count)
        variance, carriers = dyadic_variance(trials, influence)
        free = carriers - 1
    reach = stdtrit(np.maximum(free, 1.0), (1 + level) / 2) * np.sqrt(variance)
    low, value, high = (np.exp(end) if scale == "ratio" else end for end in (found - reach, found, found + reach))
    gap = float(np.exp(found.sum()) if scale == "ratio" else found.sum())
    return Split(gap, float(value[0]), float(low[0]), float(high[0]), value[1:], low[1:], high[1:], scale)


def owned_columns(parts: list[FloatArray]) -> tuple[FloatArray, IntArray]:
    """The linearly independent columns of all covariates, and the covariate of each."""
    rows = len(parts[0]) if parts else 0
    columns, owner = np.empty((rows, 0)), np.empty(0, np.int64)
    for k, part in enumerate(parts):
        for column in part.T:
            wider = standardised(np.column_stack([columns, column]))
            if wider.shape[1] > columns.shape[1]:
                columns, owner = wider, np.r_[owner, k]
    return columns, owner


def too_few_errors(trials: Trials, columns: int) -> str:
    """Reason why a regression with this number of columns cannot be fitted; empty if it can."""
    errors = int(trials.errors.sum())
    rarer = min(errors, len(trials.errors) - errors)
    least = int(ERRORS_PER_COLUMN * columns)
    return (
        f"{rarer} errors, fewer than the {least} needed for a regression on these covariates" if rarer < least else ""
    )


def resampled_splits(
    design: FloatArray,
    owner: IntArray,
    trials: Trials,
    start: FloatArray,
    scale: Scale,
    covariates: int,
    replicates: int,
    rng: np.random.Generator,
) -> FloatArray:
    """The decomposition in every replicate, float64 (replicates, 1 + k)."""
    _, unit = np.unique(trials.units, return_inverse=True)
    units, rows = int(unit.max()) + 1, len(unit)
    step = max(1, 4_000_000 // rows)
    found = []
    for first in range(0, replicates, step):
        weights = rng.exponential(size=(min(step, replicates - first), units))[:, unit] * trials.weights
        fits = fit_logistic(design, trials.errors.astype(np.float64), weights, start=start)
        found.append(split_of(design, owner, trials, weights, fits, scale, covariates))
    return np.concatenate(found)


def influence_of_split(
    design: FloatArray, owner: IntArray, trials: Trials, fit: FloatArray, scale: Scale, covariates: int
) -> FloatArray:
    """Influence of each trial on rest and parts, float64 (1 + k, n).

    A trial affects the regression, whose effect on the decomposition is a numerical derivative, and the means of its own group.
    """
    weights, chance = trials.weights, expit(design @ fit)
    curvature = (design * (weights * chance * (1 - chance))[:, None]).T @ design + np.diag(
        ridge_of(trials.errors.astype(np.float64), weights, len(fit))
    )
    of_fit = np.linalg.solve(curvature, (design * (weights * (trials.errors - chance))[:, None]).T)
    near = np.concatenate([fit + STEP * np.eye(len(fit)), fit - STEP * np.eye(len(fit))])
    found = split_of(design, owner, trials, weights[None], near, scale, covariates)
    by_fit = (found[: len(fit)] - found[len(fit) :]) / (2 * STEP)
    moments, moved = moments_of(design, trials, fit)
    shifted = [moments + sign * STEP * np.eye(len(moments)) * scale_of(moments) for sign in (1, -1)]
    ahead, behind = (split_of_moments(one, fit[None], owner, scale, covariates) for one in shifted)
    by_moment = (ahead - behind) / (2 * STEP * scale_of(moments))[:, None]
    return np.asarray(by_fit.T @ of_fit + by_moment.T @ moved, dtype=np.float64)


def scale_of(moments: FloatArray) -> FloatArray:
    """Step size of the numerical derivative for each moment."""
    return np.maximum(np.abs(moments), 1e-3)


def moments_of(design: FloatArray, trials: Trials, fit: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The means over group and reference that determine a decomposition, (q,), and the influence of each trial, (q, n).

    First the mean fitted probability of the group with its own coefficient and with that of the reference, then those
    of the reference, then the means of the columns in the group and in the reference.
    """
    of_covariates = design[:, 2:] @ fit[2:]
    chances = np.stack([expit(fit[0] + fit[1] + of_covariates), expit(fit[0] + of_covariates)])
    sides = [
        np.asarray(trials.weights * side / trials.weights[side].sum()) for side in (trials.in_group, ~trials.in_group)
    ]
    values = [(side, value) for of in (chances, design[:, 2:].T) for side in sides for value in of]
    means = np.array([float(side @ value) for side, value in values])
    moved = np.stack([side * (value - mean) for (side, value), mean in zip(values, means, strict=True)])
    return means, moved


def split_of(
    design: FloatArray,
    owner: IntArray,
    trials: Trials,
    weights: FloatArray,
    fits: FloatArray,
    scale: Scale,
    covariates: int,
) -> FloatArray:
    """Rest and parts of regressions on the additive scale, float64 (fits, 1 + k); weights (fits or 1, n), fits (fits, p)."""
    of_covariates = fits[:, 2:] @ design[:, 2:].T
    as_reference = expit(fits[:, :1] + of_covariates)
    as_group = expit(fits[:, :1] + fits[:, 1:2] + of_covariates)
    side_weights = [weights * side for side in (trials.in_group, ~trials.in_group)]
    side_weights = [side / side.sum(axis=1, keepdims=True) for side in side_weights]
    means = [(of * chance).sum(axis=1)[:, None] for of in side_weights for chance in (as_group, as_reference)]
    columns = [np.tile(of @ design[:, 2:], (len(fits) // len(of), 1)) for of in side_weights]
    moments = np.concatenate([*means, *columns], axis=1)
    return split_of_moments(moments, fits, owner, scale, covariates)


def split_of_moments(
    moments: FloatArray, fits: FloatArray, owner: IntArray, scale: Scale, covariates: int
) -> FloatArray:
    """Rest and parts, float64 (fits, 1 + k), from the means of `moments_of`, (fits, q)."""
    columns = len(owner)
    gap = on_scale(moments[:, [0, 3]], scale)
    rest = (on_scale(moments[:, :2], scale) + on_scale(moments[:, 2:4], scale)) / 2
    apart = (moments[:, 4 : 4 + columns] - moments[:, 4 + columns :]) * fits[:, 2:]
    by_covariate = np.stack([apart[:, owner == k].sum(axis=1) for k in range(covariates)], axis=-1)
    total = by_covariate.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(np.abs(total) > 1e-12, by_covariate / total, 1 / covariates) * (gap - rest)[:, None]
    return np.column_stack([rest, parts])
