"""Association of errors with a covariate between images of the same person (fixed effects of persons).

Properties common to all images of a person, such as skin and sex, cancel.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from facegap.types import BoolArray, FloatArray, IntArray

LEAST_PEOPLE = 10  # with a covariate that varies; with fewer no result is given


@dataclass(frozen=True)
class WithinChange:
    """The change of the error rate per unit of the covariate; NaN with fewer than LEAST_PEOPLE people, or no change.

    people, trials : those with several images that differ in the covariate
    """

    slope: float
    low: float
    high: float
    level: float
    people: int
    trials: int


def within_change(errors: BoolArray, covariate: FloatArray, people: IntArray, *, level: float) -> WithinChange:
    """Slope of errors on a covariate within people, with the person as the sampling unit.

    Parameters
    ----------
    errors, covariate, people : bool, float64 and int64 (n,)
        The covariate is finite.
    level : float
        Confidence level of the interval.

    Returns
    -------
    WithinChange

    Notes
    -----
    Least squares on errors and covariate minus each person's mean; the variance is a jackknife over people, with
    Student's t for the effective number of people.

    References
    ----------
    Wooldridge (2010), Econometric Analysis of Cross Section and Panel Data, 10.5.

    Examples
    --------
    >>> people, dark = np.repeat(np.arange(20), 2), np.tile([0.0, 1.0], 20)
    >>> found = within_change(dark == 1, dark, people, level=0.95)
    >>> found.slope, found.people
    (1.0, 20)
    """
    if not len(people):
        return WithinChange(np.nan, np.nan, np.nan, level, 0, 0)
    _, code = np.unique(people, return_inverse=True)
    count = np.bincount(code)
    own = covariate - (np.bincount(code, covariate) / count)[code]
    moved = np.bincount(code, own**2) > 1e-12 * max(float(np.var(covariate)), 1e-300)
    used, trials = int(moved.sum()), int(count[moved].sum())
    if used < LEAST_PEOPLE:
        return WithinChange(np.nan, np.nan, np.nan, level, used, trials)
    wrong = errors - (np.bincount(code, errors) / count)[code]
    product, square = np.bincount(code, own * wrong)[moved], np.bincount(code, own**2)[moved]
    slope = float(product.sum() / square.sum())
    without = (product.sum() - product) / (square.sum() - square)
    variance = (used - 1) / used * float(((without - slope) ** 2).sum())
    carriers = square.sum() ** 2 / (square**2).sum()
    reach = float(stdtrit(max(1.0, carriers - 1), (1 + level) / 2)) * variance**0.5
    return WithinChange(slope, slope - reach, slope + reach, level, used, trials)
