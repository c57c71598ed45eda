"""Paired comparison of two settings of a model on the same people: differences of proportions and of means."""

from __future__ import annotations

import numpy as np
from scipy import stats

from facegap.errors import StatisticsError
from facegap.statistics.dprime import PairedDifference, student
from facegap.types import FloatArray, IntArray


def subject_means(values: FloatArray, subjects: IntArray) -> FloatArray:
    """Mean of the values of each person: float64 [S]; subjects are codes 0..S-1, each at least once."""
    return np.asarray(np.bincount(subjects, weights=values) / np.bincount(subjects), dtype=np.float64)


def paired_shares(differences: FloatArray, *, level: float = 0.95) -> PairedDifference:
    """The difference of two proportions over the same people, as in McNemar's test with people as trials.

    differences : float64 [S], each in [-1, 1]: proportion of a person's images that are correct with one setting minus
                  that with the other; 1, 0 or -1 if each person has one image
    returns     : the mean difference; the interval adds one discordant person to each side, so it never has zero width;
                  p inverts it
    Raises      : StatisticsError for a difference outside [-1, 1]
    Source      : Bonett and Price (2012), adjusted Wald interval for paired proportions: (b + 1) / (n + 2) and
                  (c + 1) / (n + 2) instead of b / n and c / n. With several images per person, the same two people are
                  added to the sum and to the squares
    """
    if len(differences) and not (np.abs(differences) <= 1).all():
        raise StatisticsError("a difference of two proportions must be between -1 and 1")
    people = len(differences)
    if people < 2:
        return PairedDifference(float(differences.mean()) if people else np.nan, np.nan, np.nan, np.nan, people, level)
    centre, deviation = _adjusted(float(differences.sum()), float((differences**2).sum()), people)
    return _normal(float(differences.mean()), centre, deviation, people, level)


def unmatched_shares(errors_before: int, errors_after: int, people: int, *, level: float = 0.95) -> PairedDifference:
    """The difference of two proportions for the same people if the overlap of errors was not published.

    The two error counts for one set of people determine the difference, but its variance depends on how many people had
    errors both times. The interval is that of `paired_shares` for the smallest overlap that the counts allow: it
    contains the intervals for all other overlaps, and its p is the largest.

    Parameters
    ----------
    errors_before, errors_after
        Numbers of people with an error, of `people`; the difference is after minus before.

    Raises
    ------
    StatisticsError
        If a count is below 0 or above `people`, or there are fewer than two people.

    Examples
    --------
    >>> found = unmatched_shares(94, 46, 271)
    >>> round(found.difference, 3), round(found.low, 3), round(found.high, 3)
    (-0.177, -0.259, -0.093)
    """
    resolved, new = _discordant(errors_before, errors_after, people)
    centre, deviation = _adjusted(float(new - resolved), float(new + resolved), people)
    return _normal((errors_after - errors_before) / people, centre, deviation, people, level)


def unmatched_change(
    worse: tuple[int, int, int], better: tuple[int, int, int], *, level: float = 0.95
) -> PairedDifference:
    """Change of a gap between two groups from one audit to another of the same people, by `unmatched_shares`.

    Parameters
    ----------
    worse, better
        Errors before, errors after and number of people of each group; the groups are disjoint.

    Returns
    -------
    PairedDifference
        The difference for the worse group minus that for the better one; negative if the gap shrank. `subjects` is
        the number of people in both groups.

    Raises
    ------
    StatisticsError
        As in `unmatched_shares`.

    Examples
    --------
    >>> found = unmatched_change((94, 46, 271), (1, 1, 385))
    >>> round(found.difference, 3), found.high < 0
    (-0.177, True)
    """
    estimate, centre, variance, people = 0.0, 0.0, 0.0, 0
    for sign, (before, after, size) in ((1, worse), (-1, better)):
        resolved, new = _discordant(before, after, size)
        middle, deviation = _adjusted(float(new - resolved), float(new + resolved), size)
        estimate += sign * (after - before) / size
        centre, variance, people = centre + sign * middle, variance + deviation**2, people + size
    return _normal(estimate, centre, float(np.sqrt(variance)), people, level, bound=2.0)


def _discordant(errors_before: int, errors_after: int, people: int) -> tuple[int, int]:
    """The largest possible numbers of people with an error only before, and only after."""
    if people < 2 or not (0 <= errors_before <= people and 0 <= errors_after <= people):
        raise StatisticsError("errors must be whole numbers from 0 to the number of people, which must be at least two")
    both = max(0, errors_before + errors_after - people)
    return errors_before - both, errors_after - both


def _adjusted(total: float, squares: float, people: int) -> tuple[float, float]:
    """Centre and standard deviation of a mean with one more person on each side."""
    centre = total / (people + 2)
    return centre, float(np.sqrt(((squares + 2) / (people + 2) - centre**2) / (people + 2)))


def _normal(
    estimate: float, centre: float, deviation: float, people: int, level: float, bound: float = 1.0
) -> PairedDifference:
    """The estimate with limits around an adjusted centre, truncated at the largest possible difference."""
    half = float(stats.norm.ppf((1 + level) / 2)) * deviation
    p = float(2 * stats.norm.sf(abs(centre) / deviation))
    return PairedDifference(estimate, max(centre - half, -bound), min(centre + half, bound), p, people, level)


def paired_means(differences: FloatArray, *, level: float = 0.95) -> PairedDifference:
    """The mean difference of a quantity over the same people, with the paired t interval.

    differences : float64 [S], one per person
    """
    people = len(differences)
    if people < 2:
        return PairedDifference(float(differences.mean()) if people else np.nan, np.nan, np.nan, np.nan, people, level)
    return student(float(differences.mean()), float(differences.var(ddof=1)) / people, people, level=level)
