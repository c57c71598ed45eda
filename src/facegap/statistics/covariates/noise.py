"""What measurement noise in a covariate does to a gap after balancing: part of what goes with the covariate stays in it.

A covariate of reliability r, the share of its variance within a group that is no noise, takes about r of what it should out of
a gap (attenuation, or regression dilution). The gap left then lies between the true one and the gap before balancing.
"""

from __future__ import annotations

from collections.abc import Iterable

from facegap.errors import StatisticsError

RELIABLE = 0.95  # from here on what noise leaves is small beside any interval


def is_attenuated(reliabilities: Iterable[float]) -> bool:
    """Whether noise in a covariate leaves a part of its association in the gap that is left.

    Parameters
    ----------
    reliabilities : iterable of float
        Of the covariates that were balanced, each above 0 and at most 1.

    Raises
    ------
    StatisticsError
        A number outside these bounds.

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
