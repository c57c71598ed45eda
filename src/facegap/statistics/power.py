"""Power, and the smallest detectable difference between two groups."""

from __future__ import annotations

import math

from scipy.optimize import brentq
from scipy.stats import norm

from facegap.errors import StatisticsError


def power_of_difference(n_a: float, n_b: float, *, base: float, difference: float, alpha: float = 0.05) -> float:
    """Power of a two-sided z test of group a with error rate `base + difference` against group b with `base`.

    n_a, n_b : independent trials (subjects) of each group, > 0
    Formula  : with pooled rate p = (n_a p_a + n_b p_b) / (n_a + n_b), s0^2 = p(1-p)(1/n_a + 1/n_b) and
               s1^2 = p_a(1-p_a)/n_a + p_b(1-p_b)/n_b, the power is Phi((d - z s0)/s1), d = p_a - p_b and z the normal
               quantile of 1 - alpha/2. A significant difference of the wrong sign does not count. Normal approximation:
               with few expected errors the true power is lower.
    Edge     : if s1 = 0 (both rates 0 or 1), 1 where d exceeds z s0, else 0
    Source   : Fleiss, Levin and Paik (2003), Statistical Methods for Rates and Proportions, 3rd ed., chapter 4,
               without continuity correction
    """
    rate_a = base + difference
    pooled = (n_a * rate_a + n_b * base) / (n_a + n_b)
    limit = float(norm.ppf(1 - alpha / 2)) * math.sqrt(pooled * (1 - pooled) * (1 / n_a + 1 / n_b))
    spread = math.sqrt(rate_a * (1 - rate_a) / n_a + base * (1 - base) / n_b)
    if spread == 0:
        return float(difference > limit)
    return float(norm.cdf((difference - limit) / spread))


def detectable_difference(
    n_a: float, n_b: float, *, base: float = 0.05, power: float = 0.8, alpha: float = 0.05
) -> float:
    """The smallest increase over the error rate `base` of group b that is detected in group a with the given power.

    n_a, n_b : subjects of each group; people, not images, are the independent trials
    returns  : a difference of proportions in (0, 1 - base]; NaN if a group is empty or even an error rate of 1 does not
               reach the power
    Raises   : StatisticsError if base is outside [0, 1), or power or alpha outside (0, 1)
    Source   : `power_of_difference`, solved for the difference
    """
    if not (0 <= base < 1 and 0 < power < 1 and 0 < alpha < 1):
        raise StatisticsError(f"base {base}, power {power}, alpha {alpha}: base in [0, 1), the others in (0, 1)")
    if not (n_a > 0 and n_b > 0):
        return math.nan

    def shortfall(difference: float) -> float:
        return power_of_difference(n_a, n_b, base=base, difference=difference, alpha=alpha) - power

    largest = 1 - base
    if shortfall(largest) < 0 or shortfall(0.0) > 0:
        return math.nan
    return float(brentq(shortfall, 0.0, largest, xtol=1e-10))
