"""Attenuation: with measurement noise in a covariate, part of its association remains in a gap after balancing.

The reliability r of a covariate is the proportion of its variance within a group that is not noise. Balancing it
removes about r of its association from a gap (regression dilution), so the adjusted gap lies between the true one and
the unadjusted one.
"""

from __future__ import annotations

from collections.abc import Iterable

from facegap.errors import StatisticsError

RELIABLE = 0.95  # from this value on, attenuation is small compared with any interval


def is_attenuated(reliabilities: Iterable[float]) -> bool:
    """Whether noise in a covariate leaves part of its association in the adjusted gap.

    Parameters
    ----------
    reliabilities : iterable of float
        Reliabilities of the balanced covariates, each above 0 and at most 1.

    Raises
    ------
    StatisticsError
        If a number is outside these bounds.

    References
    ----------
    Carroll, Ruppert, Stefanski, Crainiceanu (2006), Measurement Error in Nonlinear Models, 3.2.

    Examples
    --------
    >>> is_attenuated([1.0, 0.98]), is_attenuated([1.0, 0.6])
    (False, True)
    """
    stated = list(reliabilities)
    if any(not 0 < one <= 1 for one in stated):
        raise StatisticsError("a reliability must be above 0 and at most 1")
    return any(one < RELIABLE for one in stated)
