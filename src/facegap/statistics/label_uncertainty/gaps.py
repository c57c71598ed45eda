"""The gaps of a family when its labels are drawn again and again from their probabilities.

Why the interval is not simply Rubin's around the mean of the draws: labels are drawn without a look at the model's
errors, so every draw blurs the groups and pulls the gap towards none. The mean of the draws is therefore no better
estimate of the gap between true groups than the gap of the labels themselves; it shows how much a gap leans on them.
The interval holds both, each with Rubin's total variance, and never lies inside the plain one. It still is about groups
as blurred as their labels. How far the gap between true groups may reach, if labels err as their probabilities say and
independently of the model, is what the outer interval says, divided by the share that the blur leaves. "No gap larger
than" is said only if that lies inside the margin: uncertain labels must not make it easier to find nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.special import erfc, ndtr, ndtri, stdtrit

from facegap.errors import StatisticsError
from facegap.statistics.effective import RateColumns
from facegap.statistics.gaps import GapFamily
from facegap.statistics.intervals import difference_at, two_sided_z
from facegap.statistics.label_uncertainty.probabilities import Rubin, attenuation, rubin
from facegap.statistics.lending import lent_trials
from facegap.statistics.ratios import ratio_at
from facegap.statistics.verdicts import UNKNOWN, holm, verdicts
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray

PAIRS_AT_ONCE = 2_000  # of a large family; times the draws, that many numbers are held in memory
LARGEST_FREEDOM = 1e9  # beyond it Student's t is normal to the last bit that matters
Limits = tuple[FloatArray, FloatArray]
Sides = tuple[FloatArray, FloatArray, FloatArray, FloatArray]  # rate and effective trials of a, then of b: [..., m]


@dataclass(frozen=True, eq=False)
class LabelColumns:
    """The label_ fields of `Gap` as columns, one row per gap of a family, in its order."""

    label_draws: IntArray
    label_difference: FloatArray
    label_difference_low: FloatArray
    label_difference_high: FloatArray
    label_ratio: FloatArray
    label_ratio_low: FloatArray
    label_ratio_high: FloatArray
    label_p: FloatArray
    label_p_adjusted: FloatArray
    label_attenuation: FloatArray
    label_outer_low: FloatArray
    label_outer_high: FloatArray
    label_verdict: AnyArray


def label_gaps(
    family: GapFamily,
    groups: Sequence[str],
    labelled: RateColumns,
    drawn: Sequence[RateColumns],
    confusion: FloatArray,
    *,
    correlation: FloatArray | None = None,
) -> LabelColumns:
    """What drawing labels does to every gap of a family.

    family      : the gaps by the labels as they are
    groups      : names of the G groups, in the order of the rates
    labelled    : rates by the labels as they are
    drawn       : the same rates in each of two draws or more, every one of G groups
    confusion   : float64 [G, G], see `attenuation`
    correlation : as it was given to `gap_family`; a draw keeps it
    returns     : LabelColumns. Where every draw repeats the labels, the family's own numbers to the last bit. NaN, and
                  "not enough data", where some draw leaves a group without trials
    Raises      : StatisticsError for fewer than two draws
    """
    if len(drawn) < 2:
        raise StatisticsError(f"{len(drawn)} draws of labels show no spread; take two or more")
    place = {name: k for k, name in enumerate(groups)}
    first, second = (
        np.array([place[str(name)] for name in names], np.int64)
        for names in (family.columns.group_a, family.columns.group_b)
    )
    shared = np.zeros(len(first)) if correlation is None else correlation[first, second]
    starts = range(0, max(len(first), 1), PAIRS_AT_ONCE)
    parts = [slice(start, start + PAIRS_AT_ONCE) for start in starts]
    blocks = [_block(family, first[part], second[part], shared[part], labelled, drawn) for part in parts]
    difference, ratio = (_joined([block[side] for block in blocks]) for side in (0, 1))
    left = np.minimum(attenuation(confusion, first, second), 1.0)
    judged, margin = (ratio, float(np.log(family.margin))) if family.is_ratio else (difference, family.margin)
    plain, certain = family.columns, difference.certain
    left = np.where(certain & np.isnan(left), 1.0, left)  # what does not move is not blurred
    p = np.where(certain, plain.p, judged.p)
    adjusted = holm(p)
    inside = _inside(judged, left, margin) & plain.within_margin
    with np.errstate(over="ignore"):
        ratio_mean, ratio_low, ratio_high = (np.exp(column) for column in (ratio.mean, ratio.low, ratio.high))
    low = np.where(certain, plain.difference_low, np.maximum(difference.low, -1.0))
    high = np.where(certain, plain.difference_high, np.minimum(difference.high, 1.0))
    outer_low, outer_high = _outer(low, high, left)
    return LabelColumns(
        label_draws=np.full(len(first), len(drawn)),
        label_difference=np.where(certain, plain.difference, difference.mean),
        label_difference_low=low,
        label_difference_high=high,
        label_ratio=np.where(certain, plain.ratio, ratio_mean),
        label_ratio_low=np.where(certain, plain.ratio_low, ratio_low),
        label_ratio_high=np.where(certain, plain.ratio_high, ratio_high),
        label_p=p,
        label_p_adjusted=adjusted,
        label_attenuation=left,
        label_outer_low=outer_low,
        label_outer_high=outer_high,
        label_verdict=np.where(np.isnan(p), UNKNOWN, verdicts(adjusted <= family.alpha, inside)),
    )


@dataclass(frozen=True, eq=False)
class _Widened:
    """Gaps on one scale (differences, or logs of ratios) with their widened intervals, [m] each.

    narrow_low, narrow_high : the interval that must lie inside the margin
    p                       : NaN on the scale that the verdict is not on
    certain                 : every draw repeats the labels
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray
    narrow_low: FloatArray
    narrow_high: FloatArray
    certain: BoolArray


def _block(
    family: GapFamily,
    first: IntArray,
    second: IntArray,
    shared: FloatArray,
    labelled: RateColumns,
    drawn: Sequence[RateColumns],
) -> tuple[_Widened, _Widened]:
    """Some of the gaps of a family on both scales."""
    plain, each = _sides(labelled, first, second), [_sides(rates, first, second) for rates in drawn]
    draws: Sides = tuple(np.stack([sides[k] for sides in each]) for k in range(4))  # type: ignore[assignment]
    narrow = float(-ndtri(family.alpha / max(len(family), 1)))
    quantiles = (two_sided_z(family.level), narrow)

    def difference(sides: Sides, z: AnyArray | float) -> Limits:
        return difference_at(*sides, z, shared)

    def log_ratio(sides: Sides, z: AnyArray | float) -> Limits:
        low, high = ratio_at(*sides, z, shared)
        with np.errstate(divide="ignore"):
            return np.log(low), np.log(high)

    return (
        _widened(lambda sides: sides[0] - sides[2], difference, plain, draws, quantiles, needs_p=not family.is_ratio),
        _widened(_log_quotient, log_ratio, plain, draws, quantiles, needs_p=family.is_ratio),
    )


def _sides(rates: RateColumns, a: IntArray, b: IntArray) -> Sides:
    """Rates and effective trials of both sides of some pairs; a rate without an interval can enter no test."""
    value, kept = rates.value, np.union1d(a, b)
    effective = np.nan_to_num(rates.effective_trials)
    effective[kept] = np.nan_to_num(
        lent_trials(rates.errors[kept], rates.trials[kept], rates.effective_subjects[kept], rates.effective_trials[kept])
    )
    return value[a], effective[a], value[b], effective[b]


def _log_quotient(sides: Sides) -> FloatArray:
    """log(rate a / rate b); not finite where one is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.log(sides[0]) - np.log(sides[2]))


def _widened(
    estimate: Callable[[Sides], FloatArray],
    limits: Callable[[Sides, AnyArray | float], Limits],
    plain: Sides,
    draws: Sides,
    quantiles: tuple[float, float],
    *,
    needs_p: bool,
) -> _Widened:
    """Both intervals of every gap on one scale, and the p where the first reaches zero. draws : Sides of [M, m]"""
    z, narrow = quantiles
    own = estimate(plain)
    with np.errstate(invalid="ignore", divide="ignore"):
        (low, high), (drawn_low, drawn_high) = limits(plain, z), limits(draws, z)
        found = rubin(estimate(draws), ((drawn_high - drawn_low) / (2 * z)) ** 2)
        # Drawn labels may swell a small group with people of another; that is no knowledge about the small one.
        stretch = np.sqrt(np.maximum(found.within / ((high - low) / (2 * z)) ** 2, 1.0))
    certain = np.all([_equal(draws[k], plain[k]).all(axis=0) for k in range(4)], axis=0)

    def at(quantile: AnyArray | float) -> Limits:
        low, high = limits(plain, quantile)
        wide_low, wide_high = _around(own, (low, high), found, len(draws[0]), stretch, quantile)
        return np.where(certain, low, wide_low), np.where(certain, high, wide_high)

    p = np.where(np.isnan(found.estimate), np.nan, _p(at, len(own))) if needs_p else np.full(len(own), np.nan)
    return _Widened(found.estimate, *at(z), p, *at(narrow), certain)


def _equal(first: FloatArray, second: FloatArray) -> BoolArray:
    """Whether numbers are the same, NaN being the same as NaN."""
    return np.asarray((first == second) | (np.isnan(first) & np.isnan(second)))


def _around(
    own: FloatArray, plain: Limits, found: Rubin, draws: int, stretch: FloatArray, z: AnyArray | float
) -> Limits:
    """The interval at the normal quantile z: Rubin's arms around the gap of the labels and around the mean of the draws.

    The arms keep the shape of the plain interval (which is not symmetric); the variance between draws
    is added to their squares, and Student's t takes the place of z. NaN where the plain estimate is not finite.
    """
    below, above = plain
    freedom = np.minimum(found.freedom, LARGEST_FREEDOM)
    with np.errstate(invalid="ignore", over="ignore"):
        wider = -stdtrit(freedom, ndtr(-z)) / z
        added = z**2 * (1 + 1 / draws) * found.between
        down, up = (np.sqrt((stretch * arm) ** 2 + added) * wider for arm in (own - below, above - own))
        low, high = np.minimum(own, found.estimate) - down, np.maximum(own, found.estimate) + up
        # Rounding must not leave the widened interval inside the plain one by its last bit.
        low, high = np.minimum(low, below), np.maximum(high, above)
    defined = np.isfinite(own)  # a ratio to a rate of 0 has no centre to put arms around, on either side
    return np.where(defined, low, np.nan), np.where(defined, high, np.nan)


def _p(at: Callable[[AnyArray | float], Limits], size: int) -> FloatArray:
    """The two-sided p at which the interval first reaches zero."""
    low, high = np.zeros(size), np.full(size, 37.0)  # beyond 37 the normal tail is no double any more
    for _ in range(60):
        middle = (low + high) / 2
        below, above = at(middle)
        apart = (below > 0) | (above < 0)
        low, high = np.where(apart, middle, low), np.where(apart, high, middle)
    return np.asarray(erfc(low / np.sqrt(2)), dtype=np.float64)


def _outer(low: FloatArray, high: FloatArray, left: FloatArray) -> Limits:
    """An interval of differences and the same divided by the share that is left, together; -1 to 1 where none is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below, above = np.minimum(low, low / left), np.maximum(high, high / left)
    nothing_left = (left <= 0) & ~np.isnan(low)
    return np.where(nothing_left, -1.0, np.maximum(below, -1.0)), np.where(nothing_left, 1.0, np.minimum(above, 1.0))


def _inside(gaps: _Widened, left: FloatArray, margin: float) -> BoolArray:
    """Whether a gap lies inside the margin even if the labels blurred it down to the share `left`."""
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = gaps.narrow_low / left, gaps.narrow_high / left
    return np.asarray((left > 0) & (low > -margin) & (high < margin))


def _joined(blocks: Sequence[_Widened]) -> _Widened:
    """Blocks of gaps in a row."""
    return _Widened(*(np.concatenate([getattr(block, f.name) for block in blocks]) for f in fields(_Widened)))
