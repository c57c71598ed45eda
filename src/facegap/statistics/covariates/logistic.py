"""Weighted logistic regression, one fit or many at once, and the spline basis of covariates."""

from __future__ import annotations

import numpy as np
from scipy.special import expit

from facegap.types import AnyArray, FloatArray

KNOTS = (1 / 3, 2 / 3)  # knots, as quantiles
RIDGE = 4e-4  # per unit of information: a fit stays finite if a covariate separates two groups; others change by less than 0.001
MOST_STEPS, LONGEST_STEP, CLOSE = 50, 4.0, 1e-8
NUMBERS_AT_ONCE = 4_000_000  # of an array of replicates and rows


def spline_basis(values: FloatArray) -> FloatArray:
    """Columns of a linear spline of a covariate with knots at its terciles, each with mean 0 and standard deviation 1.

    Parameters
    ----------
    values : float64 (n,)
        Finite. A covariate with two values gives one column, with a single value none.

    Returns
    -------
    float64 (n, k)
        k is 0 to 3.

    Examples
    --------
    >>> spline_basis(np.array([0.0, 0.0, 1.0, 1.0])).ravel().tolist()
    [-1.0, -1.0, 1.0, 1.0]
    """
    columns = [values]
    if len(np.unique(values)) > 2:
        columns += [np.maximum(values - knot, 0.0) for knot in np.unique(np.quantile(values, KNOTS))]
    return standardised(np.stack(columns, axis=1))


def standardised(columns: FloatArray) -> FloatArray:
    """Columns minus their mean over their standard deviation, without constant and linearly dependent columns.

    Examples
    --------
    >>> standardised(np.array([[1.0, 2.0, 5.0], [3.0, 6.0, 5.0]])).tolist()
    [[-1.0], [1.0]]
    """
    kept: list[FloatArray] = []
    for column in columns.T:
        spread = column.std()
        if not spread > 1e-9 * max(1.0, float(np.abs(column).max(initial=0.0))):
            continue
        scaled = (column - column.mean()) / spread
        if kept:
            known = np.stack(kept, axis=1)
            rest = scaled - known @ np.linalg.lstsq(known, scaled, rcond=None)[0]
            if rest.std() < 1e-6:
                continue
        kept.append(scaled)
    return np.stack(kept, axis=1) if kept else np.empty((len(columns), 0))


def ridge_of(outcome: FloatArray, weights: FloatArray, columns: int) -> FloatArray:
    """The ridge penalty of each column of a fit, 0 for the constant; float64 (p,) from weights (n,)."""
    mean = float(weights @ outcome / weights.sum())
    return np.concatenate([np.zeros(1), np.full(columns - 1, RIDGE * mean * (1 - mean) * weights.sum())])


def with_constant(columns: FloatArray) -> FloatArray:
    """The columns with a leading column of ones."""
    return np.column_stack([np.ones(len(columns)), columns])


def fit_logistic(
    design: FloatArray, outcome: FloatArray, weights: FloatArray, *, start: FloatArray | None = None
) -> FloatArray:
    """Coefficients of logistic regressions that differ only in their weights.

    Parameters
    ----------
    design : float64 (n, p)
        Its first column is the constant, which is not penalised.
    outcome : float64 (n,)
        0 or 1.
    weights : float64 (..., n)
        At least 0, one row per fit.
    start : float64 (p,), optional
        Starting point of Newton's method; from a fit with similar weights few steps are needed.

    Returns
    -------
    float64 (..., p)
        NaN if all weight is on one outcome, or Newton's method does not converge.

    Notes
    -----
    Maximum likelihood, with a ridge penalty on standardised columns for separable data: 4e-4 of the information of the
    outcome in a model with only a constant.

    Examples
    --------
    >>> fit = fit_logistic(np.ones((4, 1)), np.array([1.0, 0.0, 0.0, 0.0]), np.ones(4))
    >>> bool(np.isclose(fit[0], np.log(1 / 3)))
    True
    """
    many = np.atleast_2d(weights)
    rows, size = design.shape
    penalty = np.zeros(size)
    penalty[1:] = RIDGE
    left, right = np.triu_indices(size)
    products = design[:, left] * design[:, right]
    found = np.empty((len(many), size))
    step = max(1, NUMBERS_AT_ONCE // max(rows, 1))
    begin = np.zeros(size) if start is None else start
    for first in range(0, len(many), step):
        found[first : first + step] = _newton(
            design, products, outcome, many[first : first + step], penalty, begin, (left, right)
        )
    return found.reshape(*weights.shape[:-1], size)


def _newton(
    design: FloatArray,
    products: FloatArray,
    outcome: FloatArray,
    weights: FloatArray,
    penalty: FloatArray,
    start: FloatArray,
    upper: tuple[AnyArray, AnyArray],
) -> FloatArray:
    fits, size = len(weights), design.shape[1]
    total = weights.sum(axis=1)
    mean = (weights @ outcome) / total
    ridge = penalty * (total * mean * (1 - mean))[:, None]
    coefficients = np.tile(start, (fits, 1))
    constant = weights @ outcome
    possible = (constant > 0) & (constant < total)
    gradient_of_outcome = (weights * outcome) @ design
    diagonal = np.arange(size)
    moved = np.full(fits, np.inf)
    for _ in range(MOST_STEPS):
        chance = expit(coefficients @ design.T)
        gradient = gradient_of_outcome - (weights * chance) @ design - ridge * coefficients
        packed = (weights * chance * (1 - chance)) @ products
        curvature = np.empty((fits, size, size))
        curvature[:, upper[0], upper[1]] = packed
        curvature[:, upper[1], upper[0]] = packed
        curvature[:, diagonal, diagonal] += ridge + 1e-12 * total[:, None]
        change = np.linalg.solve(np.where(possible[:, None, None], curvature, np.eye(size)), gradient[:, :, None])[
            ..., 0
        ]
        moved = np.abs(change).max(axis=1)
        coefficients = coefficients + change * np.minimum(1.0, LONGEST_STEP / np.maximum(moved, 1e-300))[:, None]
        if (moved[possible] < CLOSE).all():
            break
    coefficients[~possible | (moved > 1e-3)] = np.nan
    return coefficients
