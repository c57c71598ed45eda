"""The gaps of a family when its labels are drawn again and again from their probabilities.

Why the interval is not simply Rubin's around the mean of the draws: labels are drawn without a look at the model's
errors, so every draw blurs the groups and pulls the gap towards none. The mean of the draws is therefore no better
estimate of the gap between true groups than the gap of the labels themselves; it shows how much a gap leans on them.
The interval holds both, each with Rubin's total variance, and never lies inside the plain one. It still is about groups
as blurred as their labels. How far the gap between true groups may reach, if labels err as their probabilities say and
independently of the model, is what the outer interval says, divided by the share that the blur leaves. "No gap larger
than" is said only if that lies inside the margin: uncertain labels must not make it easier to find nothing.

A gap has one verdict: the stricter one of that by the labels as they are and that under drawn labels. Where several
families are tested together each is widened first (`widened_gaps`), and all are concluded once p is known of each.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
from scipy.special import erfc, ndtr, ndtri, stdtrit

from facegap.errors import StatisticsError
from facegap.statistics.effective import RateColumns
from facegap.statistics.family_tests import Decided, decided, deciding_tails, ends_of, holm_among, outside, z_of
from facegap.statistics.gaps import GapFamily
from facegap.statistics.halving import halved
from facegap.statistics.intervals import difference_at, two_sided_z
from facegap.statistics.label_uncertainty.probabilities import attenuation, rubin
from facegap.statistics.lending import lent_trials
from facegap.statistics.ratios import ratio_at
from facegap.statistics.verdicts import EXPLORATORY, UNKNOWN, WITHIN, stricter, verdicts
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray

PAIRS_AT_ONCE = 2_000  # of a large family; times the draws, that many numbers are held in memory
LARGEST_FREEDOM = 1e9  # beyond it Student's t is normal to the last bit that matters
Limits = tuple[FloatArray, FloatArray]
Sides = tuple[FloatArray, FloatArray, FloatArray, FloatArray]  # rate and effective trials of a, then of b: [..., m]


@dataclass(frozen=True, eq=False)
class LabelColumns:
    """The fields of `Gap` that uncertain labels fill or change, as columns: one row per gap of a family, in its order.

    verdict, decided_low, decided_high, decided_level : of labels as they are and of drawn ones the stricter verdict, and
    the widened interval that decided it
    """

    label_draws: IntArray
    label_difference: FloatArray
    label_difference_low: FloatArray
    label_difference_high: FloatArray
    label_ratio: FloatArray
    label_ratio_low: FloatArray
    label_ratio_high: FloatArray
    label_p: FloatArray
    label_p_adjusted: FloatArray
    label_differs: BoolArray
    label_attenuation: FloatArray
    label_outer_low: FloatArray
    label_outer_high: FloatArray
    verdict: AnyArray
    decided_low: FloatArray
    decided_high: FloatArray
    decided_level: FloatArray


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
    return concluded(family, widened_gaps(family, groups, labelled, drawn, confusion, correlation=correlation))


@dataclass(frozen=True, eq=False)
class WidenedGaps:
    """The gaps of a family under drawn labels, before they are tested together with any others.

    difference, ratio : on both scales, the ratio as its log
    p     : float64 [m], of the widened interval on the margin's scale
    left  : share of a gap that is left; share: that of it which a margin is held against
    sides, shared, draws : what an interval at another level is made from
    """

    difference: _Widened
    ratio: _Widened
    p: FloatArray
    left: FloatArray
    share: FloatArray
    sides: Sides
    shared: FloatArray
    draws: int


def widened_gaps(
    family: GapFamily,
    groups: Sequence[str],
    labelled: RateColumns,
    drawn: Sequence[RateColumns],
    confusion: FloatArray,
    *,
    correlation: FloatArray | None = None,
) -> WidenedGaps:
    """What drawing labels does to the intervals and to p of every gap of a family; parameters as of `label_gaps`.

    The intervals against the margin allow for `family.tests` gaps.
    """
    if labelled.by_person:
        drawn = [rates if rates.by_person else rates.weighed_by_people() for rates in drawn]
    if len(drawn) < 2:
        raise StatisticsError(f"{len(drawn)} draws of labels are too few to estimate their spread; use two or more")
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
    left, certain = np.minimum(attenuation(confusion, first, second), 1.0), difference.certain
    left = np.where(certain & np.isnan(left), 1.0, left)  # what does not move is not blurred
    # People of a third group among both blur a ratio by more than they blur the difference, by how much is not known.
    share = np.where(certain | (len(groups) == 2), left, np.nan) if family.is_ratio else left
    p = np.where(certain, family.columns.p, (ratio if family.is_ratio else difference).p)
    return WidenedGaps(difference, ratio, p, left, share, _sides(labelled, first, second), shared, len(drawn))


def concluded(family: GapFamily, widened: WidenedGaps, others: FloatArray | None = None) -> LabelColumns:
    """The verdicts of the gaps of a family under drawn labels.

    family : the gaps by the labels as they are, as `widened_gaps` had them
    others : p of the gaps that are tested together with these, with label uncertainty counted in where it is known; None:
             as the family has them
    """
    difference, ratio, plain, p = widened.difference, widened.ratio, family.columns, widened.p
    judged, certain = ratio if family.is_ratio else difference, difference.certain
    adjusted = holm_among(p, family.others if others is None else others)
    differs = adjusted <= family.alpha
    said = verdicts(
        beyond_margin=outside(
            _on_scale(judged.wide_low, judged.wide_high, family), family.margin, is_ratio=family.is_ratio
        ),
        within_margin=_inside(judged, widened.share, family) & plain.within_margin,
        differs=differs,
    )
    verdict = stricter(plain.verdict, np.where(np.isnan(p), UNKNOWN, said))
    verdict = verdict if family.is_primary else np.full(len(verdict), EXPLORATORY)
    interval = _deciding(family, widened, verdict, adjusted)
    with np.errstate(over="ignore"):
        ratio_mean, ratio_low, ratio_high = (np.exp(column) for column in (ratio.mean, ratio.low, ratio.high))
    low = np.where(certain, plain.difference_low, np.maximum(difference.low, -1.0))
    high = np.where(certain, plain.difference_high, np.minimum(difference.high, 1.0))
    outer_low, outer_high = _outer(low, high, widened.left)
    return LabelColumns(
        label_draws=np.full(len(family), widened.draws),
        label_difference=np.where(certain, plain.difference, difference.mean),
        label_difference_low=low,
        label_difference_high=high,
        label_ratio=np.where(certain, plain.ratio, ratio_mean),
        label_ratio_low=np.where(certain, plain.ratio_low, ratio_low),
        label_ratio_high=np.where(certain, plain.ratio_high, ratio_high),
        label_p=p,
        label_p_adjusted=adjusted,
        label_differs=differs,
        label_attenuation=widened.left,
        label_outer_low=outer_low,
        label_outer_high=outer_high,
        verdict=verdict,
        decided_low=interval.low,
        decided_high=interval.high,
        decided_level=interval.level,
    )


@dataclass(frozen=True, eq=False)
class _Widened:
    """Gaps on one scale (differences, or logs of ratios) with their widened intervals, [m] each.

    narrow_low, narrow_high : the interval that must lie inside the margin; wide_low, wide_high : that outside it
    p                       : NaN on the scale that the verdict is not on
    certain                 : every draw repeats the labels
    own, between, freedom, stretch : what `_around` needs for an interval at another level
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    p: FloatArray
    narrow_low: FloatArray
    narrow_high: FloatArray
    wide_low: FloatArray
    wide_high: FloatArray
    certain: BoolArray
    own: FloatArray
    between: FloatArray
    freedom: FloatArray
    stretch: FloatArray


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
    of_one = family.alpha / max(family.tests, 1)
    quantiles = (two_sided_z(family.level), float(-ndtri(of_one)), float(-ndtri(of_one / 2)))

    def difference(sides: Sides, z: AnyArray | float) -> Limits:
        return difference_at(*sides, z, shared)

    def log_ratio(sides: Sides, z: AnyArray | float) -> Limits:
        return _log_ratio(sides, z, shared)

    return (
        _widened(lambda sides: sides[0] - sides[2], difference, plain, draws, quantiles, needs_p=not family.is_ratio),
        _widened(_log_quotient, log_ratio, plain, draws, quantiles, needs_p=family.is_ratio),
    )


def _log_ratio(sides: Sides, z: AnyArray | float, shared: FloatArray) -> Limits:
    """The interval of a ratio on the log scale."""
    low, high = ratio_at(*sides, z, shared)
    with np.errstate(divide="ignore"):
        return np.log(low), np.log(high)


def _sides(rates: RateColumns, a: IntArray, b: IntArray) -> Sides:
    """Rates and effective trials of both sides of some pairs; a rate without an interval can enter no test."""
    value, kept = rates.value, np.union1d(a, b)
    effective = np.nan_to_num(rates.effective_trials)
    effective[kept] = np.nan_to_num(
        lent_trials(
            rates.errors[kept], rates.trials[kept], rates.effective_subjects[kept], rates.effective_trials[kept]
        )
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
    quantiles: tuple[float, float, float],
    *,
    needs_p: bool,
) -> _Widened:
    """The intervals of every gap on one scale, and the p where one reaches zero. draws : Sides of [M, m]"""
    z, narrow, wide = quantiles
    own = estimate(plain)
    with np.errstate(invalid="ignore", divide="ignore"):
        (low, high), (drawn_low, drawn_high) = limits(plain, z), limits(draws, z)
        found = rubin(estimate(draws), ((drawn_high - drawn_low) / (2 * z)) ** 2)
        # Drawn labels may swell a small group with people of another; that is no knowledge about the small one.
        stretch = np.sqrt(np.maximum(found.within / ((high - low) / (2 * z)) ** 2, 1.0))
    certain = np.all([_equal(draws[k], plain[k]).all(axis=0) for k in range(4)], axis=0)

    def at(quantile: AnyArray | float) -> Limits:
        low, high = limits(plain, quantile)
        around = _around(
            own, (low, high), found.estimate, found.between, found.freedom, len(draws[0]), stretch, quantile
        )
        return np.where(certain, low, around[0]), np.where(certain, high, around[1])

    p = np.where(np.isnan(found.estimate), np.nan, _p(at, len(own))) if needs_p else np.full(len(own), np.nan)
    kept = (own, found.between, found.freedom, stretch)
    return _Widened(found.estimate, *at(z), p, *at(narrow), *at(wide), certain, *kept)


def _equal(first: FloatArray, second: FloatArray) -> BoolArray:
    """Whether numbers are the same, NaN being the same as NaN."""
    return np.asarray((first == second) | (np.isnan(first) & np.isnan(second)))


def _around(
    own: FloatArray,
    plain: Limits,
    mean: FloatArray,
    between: FloatArray,
    freedom: FloatArray,
    draws: int,
    stretch: FloatArray,
    z: AnyArray | float,
) -> Limits:
    """The interval at the normal quantile z: Rubin's arms around the gap of the labels and around the mean of the draws.

    The arms keep the shape of the plain interval (which is not symmetric); the variance between draws
    is added to their squares, and Student's t takes the place of z. NaN where the plain estimate is not finite.
    """
    below, above = plain
    with np.errstate(invalid="ignore", over="ignore"):
        wider = -stdtrit(np.minimum(freedom, LARGEST_FREEDOM), ndtr(-z)) / z
        added = z**2 * (1 + 1 / draws) * between
        down, up = (np.sqrt((stretch * arm) ** 2 + added) * wider for arm in (own - below, above - own))
        low, high = np.minimum(own, mean) - down, np.maximum(own, mean) + up
        # Rounding must not leave the widened interval inside the plain one by its last bit.
        low, high = np.minimum(low, below), np.maximum(high, above)
    defined = np.isfinite(own)  # a ratio to a rate of 0 has no centre to put arms around, on either side
    return np.where(defined, low, np.nan), np.where(defined, high, np.nan)


def _p(at: Callable[[AnyArray | float], Limits], size: int) -> FloatArray:
    """The two-sided p at which the interval first reaches zero."""

    def apart(z: FloatArray) -> BoolArray:
        below, above = at(z)
        return (below > 0) | (above < 0)

    beyond = np.full(size, 37.0)  # there the normal tail is no double any more
    low, _ = halved(apart, np.zeros(size), beyond, 60)
    return np.asarray(erfc(low / np.sqrt(2)), dtype=np.float64)


def _outer(low: FloatArray, high: FloatArray, left: FloatArray) -> Limits:
    """An interval of differences and the same divided by the share that is left, together; -1 to 1 where none is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below, above = np.minimum(low, low / left), np.maximum(high, high / left)
    nothing_left = (left <= 0) & ~np.isnan(low)
    return np.where(nothing_left, -1.0, np.maximum(below, -1.0)), np.where(nothing_left, 1.0, np.minimum(above, 1.0))


def _inside(gaps: _Widened, left: FloatArray, family: GapFamily) -> BoolArray:
    """Whether a gap lies inside the margin even if the labels blurred it down to the share `left`."""
    low, high = _unblurred(gaps.narrow_low, gaps.narrow_high, left, is_ratio=family.is_ratio)
    least, most = ends_of(family.margin, is_ratio=family.is_ratio)
    if family.is_ratio:
        least, most = float(np.log(least)), float(np.log(most))
    return np.asarray((left > 0) & (low > least) & (high < most))


def _unblurred(low: FloatArray, high: FloatArray, left: FloatArray, *, is_ratio: bool) -> Limits:
    """How far a gap between true groups may reach of which the labels left the share `left` of the difference.

    low, high : of differences, or of logs of ratios
    Note      : of two groups whose labels leave the share s of their difference, a ratio r > 1 comes from at most
                s r / (1 - r (1 - s)), which is so where only the group with fewer errors is blurred
    """
    if not is_ratio:
        with np.errstate(divide="ignore", invalid="ignore"):
            return low / left, high / left

    def farthest(size: FloatArray) -> FloatArray:
        with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
            blurred = np.exp(size)
            kept = 1 - blurred * (1 - left)
            return np.where(left >= 1, size, np.where(kept > 0, np.log(left * blurred / kept), np.inf))

    below, above = farthest(np.abs(low)), farthest(np.abs(high))
    return np.where(low < 0, -below, below), np.where(high < 0, -above, above)


def _deciding(family: GapFamily, widened: WidenedGaps, verdict: AnyArray, adjusted: FloatArray) -> Decided:
    """The widened intervals that decided the verdicts, on the margin's scale.

    Where no gap is larger than the margin, what must lie inside it: the interval and how far a gap between true groups
    may then reach.
    """
    gaps, sides, shared = widened.ratio if family.is_ratio else widened.difference, widened.sides, widened.shared
    tails = deciding_tails(verdict, widened.p, adjusted, family.alpha, family.tests)
    z = z_of(tails)
    plain = _log_ratio(sides, z, shared) if family.is_ratio else difference_at(*sides, z, shared)
    around = _around(gaps.own, plain, gaps.mean, gaps.between, gaps.freedom, widened.draws, gaps.stretch, z)
    low, high = (np.where(gaps.certain, end, wide) for end, wide in zip(plain, around, strict=True))
    far_low, far_high = _unblurred(low, high, widened.share, is_ratio=family.is_ratio)
    within = verdict == WITHIN
    low, high = np.where(within, np.minimum(low, far_low), low), np.where(within, np.maximum(high, far_high), high)
    limits = _on_scale(low, high, family)
    return decided(limits, tails, verdict, adjusted <= family.alpha, is_ratio=family.is_ratio)


def _on_scale(low: FloatArray, high: FloatArray, family: GapFamily) -> Limits:
    """Limits on the scale of the margin: ratios from their logs, differences from -1 to 1."""
    if not family.is_ratio:
        return np.maximum(low, -1.0), np.minimum(high, 1.0)
    with np.errstate(over="ignore"):
        return np.exp(low), np.exp(high)


def _joined(blocks: Sequence[_Widened]) -> _Widened:
    """Blocks of gaps in a row."""
    return _Widened(*(np.concatenate([getattr(block, f.name) for block in blocks]) for f in fields(_Widened)))
