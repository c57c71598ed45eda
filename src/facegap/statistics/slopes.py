"""Change of an error rate along a continuous quantity, such as age in years or measured ITA in degrees.

A logistic curve is fitted to the trials by Firth's penalised likelihood, which is finite however few errors there are.
Its uncertainty is a one-step delete-one-unit jackknife, which accounts for several trials of one person (or unit), with
Student's t for the effective number of units. The test is of the change of the rate between two stated values.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, stdtr, stdtrit

from facegap.errors import StatisticsError
from facegap.types import BoolArray, FloatArray, IntArray

LOW_QUANTILE, HIGH_QUANTILE = 0.1, 0.9  # the rate is compared between these quantiles of the trials
FEWEST_ERRORS = 3  # and correct trials: with fewer, a curve adds nothing to the counts
MOST_STEPS, CLOSE = 100, 1e-9


@dataclass(frozen=True, eq=False)
class Slope:
    """A fitted curve. All NaN with too few errors, correct trials or units, or only one value.

    errors, trials, units : counts
    from_value, to_value  : the 10% and 90% quantiles of the quantity over the trials
    centre, scale         : used to standardise the quantity
    coefficients          : float64 [2], of the standardised quantity on the logit scale
    influence             : float64 [S, 2], influence of each unit on them; their jackknife covariance is (S - 1) / S
                            times the sum of its squares
    """

    errors: int
    trials: int
    units: int
    from_value: float
    to_value: float
    centre: float
    scale: float
    coefficients: FloatArray
    influence: FloatArray

    @property
    def is_defined(self) -> bool:
        """Whether a curve was fitted."""
        return bool(np.isfinite(self.coefficients).all())

    @property
    def rate_from(self) -> float:
        """The fitted rate at `from_value`."""
        return float(self._at(np.array([self.from_value]))[0][0])

    @property
    def rate_to(self) -> float:
        """The fitted rate at `to_value`."""
        return float(self._at(np.array([self.to_value]))[0][0])

    def change(self, *, is_ratio: bool) -> Change:
        """Return the change of the rate from `from_value` to `to_value`: a difference, or the log of a ratio."""
        ends = np.array([self.from_value, self.to_value])
        rate, gradient = self._at(ends)
        with np.errstate(divide="ignore", invalid="ignore"):
            if is_ratio:
                return Change.of(
                    float(np.log(rate[1] / rate[0])), gradient[1] / rate[1] - gradient[0] / rate[0], self.influence
                )
            return Change.of(float(rate[1] - rate[0]), gradient[1] - gradient[0], self.influence)

    def band(self, values: FloatArray, *, level: float) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return the fitted rate at some values and its pointwise interval, computed on the logit scale."""
        design = np.stack([np.ones(len(values)), (values - self.centre) / self.scale], axis=1)
        middle = design @ self.coefficients
        found = [
            Change.of(float(m), row, self.influence).interval(1 - level) for m, row in zip(middle, design, strict=True)
        ]
        low, high = (np.array([ends[side] for ends in found]) for side in (0, 1))
        return expit(middle), expit(low), expit(high)

    def _at(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the fitted rate and its gradient with respect to the coefficients."""
        design = np.stack([np.ones(len(values)), (values - self.centre) / self.scale], axis=1)
        rate = expit(design @ self.coefficients)
        return rate, design * (rate * (1 - rate))[:, None]


@dataclass(frozen=True)
class Change:
    """An estimate with its standard error and degrees of freedom."""

    value: float
    error: float
    freedom: float

    @classmethod
    def of(cls, value: float, gradient: FloatArray, influence: FloatArray) -> Change:
        """Return an estimate by the delta method, from the influence of each unit on the coefficients.

        The degrees of freedom are the effective number of units, (sum of squares)^2 / sum of fourth powers, minus one,
        and at least one.
        """
        parts, units = influence @ gradient, len(influence)
        squares, fourths = float((parts**2).sum()), float((parts**4).sum())
        if not units or not np.isfinite(squares) or squares <= 0:
            return cls(value, np.nan, np.nan)
        return cls(value, float(np.sqrt((units - 1) / units * squares)), max(squares**2 / fourths - 1, 1.0))

    @property
    def p(self) -> float:
        """Two-sided p-value of no change."""
        return float(2 * stdtr(self.freedom, -abs(self.value) / self.error))

    def interval(self, tails: float) -> tuple[float, float]:
        """Return the interval at level 1 - `tails`."""
        half = -float(stdtrit(self.freedom, tails / 2)) * self.error
        return self.value - half, self.value + half


def fitted_slope(errors: BoolArray, values: FloatArray, units: IntArray) -> Slope:
    """Fit the curve of an error rate along a quantity.

    Parameters
    ----------
    errors, values, units : bool, float64 and int64 (n,)
        One entry per trial: whether it is an error, the quantity, and the code of its sampling unit.

    Returns
    -------
    Slope
        Without a curve if there are fewer than three errors, three correct trials or three units, or only one value.

    Raises
    ------
    StatisticsError
        If a value of the quantity is not finite.

    References
    ----------
    Firth (1993), Bias Reduction of Maximum Likelihood Estimates, Biometrika 80. Bell and McCaffrey (2002), Bias Reduction in
    Standard Errors for Linear Regression with Multi-Stage Samples, Survey Methodology 28: the jackknife over clusters (CR3).

    Examples
    --------
    >>> ages = np.tile(np.arange(20.0, 60.0), 5)
    >>> wrong = np.arange(200) % 10 < ages / 20 - 1
    >>> found = fitted_slope(wrong, ages, np.arange(200))
    >>> bool(found.rate_to > found.rate_from)
    True
    """
    if not np.isfinite(values).all():
        raise StatisticsError("a value of the covariate is not finite; omit such trials")
    wrong, (_, unit) = errors.astype(np.float64), np.unique(units, return_inverse=True)
    trials, size = len(wrong), int(unit.max(initial=-1)) + 1
    low, high = np.quantile(values, [LOW_QUANTILE, HIGH_QUANTILE]).tolist() if trials else (np.nan, np.nan)
    counts = int(wrong.sum()), trials, size
    few = min(counts[0], trials - counts[0], size) < FEWEST_ERRORS
    if few or not np.ptp(values) > 0:
        return Slope(*counts, low, high, np.nan, np.nan, np.full(2, np.nan), np.empty((0, 2)))
    centre, scale = float(values.mean()), float(values.std())
    design = np.stack([np.ones(trials), (values - centre) / scale], axis=1)
    coefficients = _firth(wrong, design)
    rate = expit(design @ coefficients)
    weight = rate * (1 - rate)
    information = design.T @ (design * weight[:, None])
    score = np.stack(
        [np.bincount(unit, weights=(wrong - rate) * column, minlength=size) for column in design.T], axis=1
    )
    own = np.stack(
        [
            np.bincount(unit, weights=weight * design[:, i] * design[:, j], minlength=size)
            for i in range(2)
            for j in range(2)
        ],
        axis=1,
    ).reshape(size, 2, 2)
    left = information - own
    # If no curve can be fitted without some unit, the effect of its deletion is bounded by a pseudo-inverse.
    influence = np.einsum("uij,uj->ui", np.linalg.pinv(left), score)
    return Slope(*counts, low, high, centre, scale, coefficients, np.asarray(influence, dtype=np.float64))


def _firth(wrong: FloatArray, design: FloatArray) -> FloatArray:
    """Coefficients of the logistic regression with Jeffreys' prior as penalty, by Newton's method with step halving."""
    share = (wrong.sum() + 0.5) / (len(wrong) + 1)
    coefficients = np.array([np.log(share / (1 - share)), 0.0])
    best = _penalised(wrong, design, coefficients)
    for _ in range(MOST_STEPS):
        rate = expit(design @ coefficients)
        weight = rate * (1 - rate)
        inverse = np.linalg.pinv(design.T @ (design * weight[:, None]))
        leverage = weight * np.einsum("ni,ij,nj->n", design, inverse, design)
        step = inverse @ (design.T @ (wrong - rate + leverage * (0.5 - rate)))
        step *= min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-300))
        tried = _penalised(wrong, design, coefficients + step)
        while tried < best - 1e-12 and np.abs(step).max() > CLOSE:
            step = step / 2
            tried = _penalised(wrong, design, coefficients + step)
        coefficients, best = coefficients + step, tried
        if np.abs(step).max() < CLOSE:
            break
    return np.asarray(coefficients, dtype=np.float64)


def _penalised(wrong: FloatArray, design: FloatArray, coefficients: FloatArray) -> float:
    """Firth's penalised log likelihood."""
    linear = design @ coefficients
    rate = expit(linear)
    _, volume = np.linalg.slogdet(design.T @ (design * (rate * (1 - rate))[:, None]))
    return float((wrong * linear - np.logaddexp(0, linear)).sum() + volume / 2)
