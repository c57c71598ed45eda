"""The gaps of a family with labels resampled from their probabilities.

The interval is not simply Rubin's around the mean over resamples. Labels are resampled independently of the model's
errors, so every resample mixes the groups and attenuates the gap. The mean over resamples is therefore no better an
estimate of the gap between true groups than the gap of the given labels; it shows how sensitive the gap is to them. The
interval contains both, each with Rubin's total variance, and always contains the unadjusted one. It still refers to
groups mixed by label errors. The outer interval, divided by the remaining proportion of the gap, bounds the gap between
true groups if labels are wrong with their stated probabilities and independently of the model. "No gap larger than the
margin" is concluded only if this lies inside the margin, so that uncertain labels do not make that verdict easier.

A gap has one verdict: the weaker of that by the given labels and that under resampled labels. If several families are
tested together, the intervals of each are widened first (`widened_gaps`), and verdicts follow once all p-values are
known.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from facegap.errors import StatisticsError
from facegap.statistics.effective import RateColumns
from facegap.statistics.family_tests import (
    DecidingIntervals,
    Limits,
    Sides,
    deciding_intervals,
    deciding_tails,
    ends_of,
    holm_among,
    outside,
    z_of,
)
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.intervals import difference_at, two_sided_z
from facegap.statistics.label_uncertainty.probabilities import attenuation
from facegap.statistics.label_uncertainty.widening import Widened, interval_around, joined, widened_on_scale
from facegap.statistics.lending import lent_trials
from facegap.statistics.ratios import ratio_at
from facegap.statistics.verdicts import EXPLORATORY, UNKNOWN, WITHIN, stricter, verdicts
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray

PAIRS_AT_ONCE = 2_000  # of a large family; times the resamples, so many numbers are in memory


@dataclass(frozen=True, eq=False)
class LabelColumns:
    """The fields of `Gap` affected by uncertain labels, as columns: one row per gap of a family, in its order.

    verdict, decided_low, decided_high, decided_level : the weaker verdict of those by given and by resampled labels,
                                                        and the widened interval that determined it
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
    """The effect of resampled labels on every gap of a family.

    family      : the gaps by the given labels
    groups      : names of the G groups, in the order of the rates
    labelled    : rates by the given labels
    drawn       : the same rates in each of two or more resamples, for all G groups
    confusion   : float64 [G, G], see `attenuation`
    correlation : as passed to `gap_family`; the same in every resample
    returns     : LabelColumns. If every resample repeats the labels, exactly the family's own values. NaN and "not
                  enough data" if some resample leaves a group without trials
    Raises      : StatisticsError if there are fewer than two resamples
    """
    return concluded(family, widened_gaps(family, groups, labelled, drawn, confusion, correlation=correlation))


@dataclass(frozen=True, eq=False)
class WidenedGaps:
    """The gaps of a family under resampled labels, before they are tested together with others.

    difference, ratio : on both scales, the ratio as its log
    p     : float64 [m], of the widened interval on the margin's scale
    left  : remaining proportion of a gap; share: the proportion used for the comparison with the margin
    sides, shared, draws : data for an interval at another level
    """

    difference: Widened
    ratio: Widened
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
    """The effect of resampled labels on the intervals and p of every gap of a family; parameters as in `label_gaps`.

    The intervals compared with the margin account for `family.tests` gaps.
    """
    if labelled.by_person:
        drawn = [rates if rates.by_person else rates.with_equal_weights() for rates in drawn]
    if len(drawn) < 2:
        raise StatisticsError(f"{len(drawn)} resamples of labels are too few to estimate their spread; use two or more")
    place = {name: k for k, name in enumerate(groups)}
    first, second = (
        np.array([place[str(name)] for name in names], np.int64)
        for names in (family.columns.group_a, family.columns.group_b)
    )
    shared = np.zeros(len(first)) if correlation is None else correlation[first, second]
    starts = range(0, max(len(first), 1), PAIRS_AT_ONCE)
    parts = [slice(start, start + PAIRS_AT_ONCE) for start in starts]
    blocks = [_block(family, first[part], second[part], shared[part], labelled, drawn) for part in parts]
    difference, ratio = (joined([block[side] for block in blocks]) for side in (0, 1))
    left, certain = np.minimum(attenuation(confusion, first, second), 1.0), difference.certain
    left = np.where(certain & np.isnan(left), 1.0, left)  # a constant gap is not attenuated
    # Subjects of a third group in both groups attenuate a ratio more than the difference, by an unknown amount.
    share = np.where(certain | (len(groups) == 2), left, np.nan) if family.is_ratio else left
    p = np.where(certain, family.columns.p, (ratio if family.is_ratio else difference).p)
    return WidenedGaps(difference, ratio, p, left, share, _sides(labelled, first, second), shared, len(drawn))


def concluded(family: GapFamily, widened: WidenedGaps, others: FloatArray | None = None) -> LabelColumns:
    """The verdicts of the gaps of a family under resampled labels.

    family : the gaps by the given labels, as passed to `widened_gaps`
    others : p-values of the gaps that are tested together with these, with label uncertainty included if known; None:
             as in the family
    """
    difference, ratio, plain, p = widened.difference, widened.ratio, family.columns, widened.p
    on_margin_scale, certain = ratio if family.is_ratio else difference, difference.certain
    adjusted = holm_among(p, family.others if others is None else others)
    differs = adjusted <= family.alpha
    said = verdicts(
        beyond_margin=outside(
            _on_scale(on_margin_scale.wide_low, on_margin_scale.wide_high, family),
            family.margin,
            is_ratio=family.is_ratio,
        ),
        within_margin=_inside(on_margin_scale, widened.share, family) & plain.within_margin,
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


def _block(
    family: GapFamily,
    first: IntArray,
    second: IntArray,
    shared: FloatArray,
    labelled: RateColumns,
    drawn: Sequence[RateColumns],
) -> tuple[Widened, Widened]:
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
        widened_on_scale(
            lambda sides: sides[0] - sides[2], difference, plain, draws, quantiles, needs_p=not family.is_ratio
        ),
        widened_on_scale(_log_quotient, log_ratio, plain, draws, quantiles, needs_p=family.is_ratio),
    )


def _log_ratio(sides: Sides, z: AnyArray | float, shared: FloatArray) -> Limits:
    """The interval of a ratio on the log scale."""
    low, high = ratio_at(*sides, z, shared)
    with np.errstate(divide="ignore"):
        return np.log(low), np.log(high)


def _sides(rates: RateColumns, a: IntArray, b: IntArray) -> Sides:
    """Rates and effective trials of both sides of some pairs; a rate without an interval cannot be tested."""
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


def _outer(low: FloatArray, high: FloatArray, left: FloatArray) -> Limits:
    """The union of an interval of differences and the same divided by the remaining proportion; -1 to 1 if nothing remains."""
    with np.errstate(divide="ignore", invalid="ignore"):
        below, above = np.minimum(low, low / left), np.maximum(high, high / left)
    nothing_left = (left <= 0) & ~np.isnan(low)
    return np.where(nothing_left, -1.0, np.maximum(below, -1.0)), np.where(nothing_left, 1.0, np.minimum(above, 1.0))


def _inside(gaps: Widened, left: FloatArray, family: GapFamily) -> BoolArray:
    """Whether a gap lies inside the margin even if the labels attenuated it to the proportion `left`."""
    low, high = _true_gap_bounds(gaps.narrow_low, gaps.narrow_high, left, is_ratio=family.is_ratio)
    least, most = ends_of(family.margin, is_ratio=family.is_ratio)
    if family.is_ratio:
        least, most = float(np.log(least)), float(np.log(most))
    return np.asarray((left > 0) & (low > least) & (high < most))


def _true_gap_bounds(low: FloatArray, high: FloatArray, left: FloatArray, *, is_ratio: bool) -> Limits:
    """Bounds of a gap between true groups if the labels attenuated the difference to the proportion `left`.

    low, high : of differences, or of logs of ratios
    Note      : if labels leave the proportion s of the difference of two groups, an observed ratio r > 1 corresponds to
                a true one of at most s r / (1 - r (1 - s)), attained if only the group with fewer errors is mixed
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


def _deciding(family: GapFamily, widened: WidenedGaps, verdict: AnyArray, adjusted: FloatArray) -> DecidingIntervals:
    """The widened intervals that determined the verdicts, on the margin's scale.

    For "no gap larger than the margin", these include the bounds of the gap between true groups.
    """
    gaps, sides, shared = widened.ratio if family.is_ratio else widened.difference, widened.sides, widened.shared
    tails = deciding_tails(verdict, widened.p, adjusted, family.alpha, family.tests)
    z = z_of(tails)
    plain = _log_ratio(sides, z, shared) if family.is_ratio else difference_at(*sides, z, shared)
    around = interval_around(gaps.own, plain, gaps.mean, gaps.between, gaps.freedom, widened.draws, gaps.stretch, z)
    low, high = (np.where(gaps.certain, end, wide) for end, wide in zip(plain, around, strict=True))
    far_low, far_high = _true_gap_bounds(low, high, widened.share, is_ratio=family.is_ratio)
    within = verdict == WITHIN
    low, high = np.where(within, np.minimum(low, far_low), low), np.where(within, np.maximum(high, far_high), high)
    limits = _on_scale(low, high, family)
    return deciding_intervals(limits, tails, verdict, adjusted <= family.alpha, is_ratio=family.is_ratio)


def _on_scale(low: FloatArray, high: FloatArray, family: GapFamily) -> Limits:
    """Limits on the scale of the margin: ratios from their logs, differences from -1 to 1."""
    if not family.is_ratio:
        return np.maximum(low, -1.0), np.minimum(high, 1.0)
    with np.errstate(over="ignore"):
        return np.exp(low), np.exp(high)
