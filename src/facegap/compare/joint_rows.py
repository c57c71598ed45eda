"""Rows of a comparison of two runs: rates, paired differences and changes of gaps, from joint resamples of people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from facegap.compare.resampling import Measured
from facegap.statistics.paired_bootstrap import (
    AnyRate,
    Contrast,
    PersonRate,
    contrast,
    joint_replicates,
    strata_of,
    with_two_more,
)
from facegap.types import FloatArray

BOOTSTRAP = "joint subject bootstrap"
MOST_RANKED = 40  # maximum number of groups of a grouping for pairwise gaps, as in the cross-group matrix


@dataclass(frozen=True)
class Place:
    """What identifies a row: the metric, the two runs with their models and thresholds, and the grouping."""

    metric: str
    run_a: str
    model_a: str
    threshold_a: float
    run_b: str
    model_b: str
    threshold_b: float
    family: str


@dataclass(frozen=True, eq=False)
class Entry:
    """One group of one metric in two runs; only_a and only_b are -1 if the rate is over pairs of people."""

    group: str
    ranked: bool
    a: Measured
    b: Measured
    only_a: int
    only_b: int
    p: float
    low: float
    high: float
    method: str


@dataclass(frozen=True, eq=False)
class Resampled:
    """The rates of all groups in two runs, a first, and their replicates from the same resamples of people.

    rates      : a of every group, then b of every group
    replicates : float64 [B, 2 G]
    disjoint   : number of disjoint pairs of people of each rate
    """

    rates: list[AnyRate]
    replicates: FloatArray
    disjoint: list[int]

    @classmethod
    def of(cls, entries: Sequence[Entry], rng: np.random.Generator) -> Resampled:
        """Resample people for these groups."""
        member = np.stack([(persons(entry.a.joint) > 0) | (persons(entry.b.joint) > 0) for entry in entries], axis=1)
        groups, pairs = len(entries), [(entry.a.joint, entry.b.joint) for entry in entries]
        extended = isinstance(pairs[0][0], PersonRate)
        if extended:
            pairs = [
                with_two_more(a, b, group=k, groups=groups)
                for k, (a, b) in enumerate(pairs)
                if isinstance(a, PersonRate) and isinstance(b, PersonRate)
            ]
        rates: list[AnyRate] = [pair[side] for side in (0, 1) for pair in pairs]
        strata = strata_of(member, extended=extended)
        disjoint = [
            measured.disjoint for side in ("a", "b") for measured in (getattr(entry, side) for entry in entries)
        ]
        return cls(rates, joint_replicates(rates, strata, rng=rng), disjoint)

    def contrast(self, places: Sequence[int], signs: Sequence[float], *, logarithmic: bool, level: float) -> Contrast:
        """A signed sum of some of the rates."""
        chosen = list(places)
        return contrast(
            [self.rates[k] for k in chosen],
            self.replicates[:, chosen],
            signs,
            logarithmic=logarithmic,
            level=level,
            disjoint=[self.disjoint[k] for k in chosen],
        )


def persons(rate: AnyRate) -> FloatArray:
    """Positive for each person who contributes to a rate, float64 [S]."""
    if isinstance(rate, PersonRate):
        return rate.trials
    if rate.images is not None:
        return rate.images
    return np.bincount(rate.tried.ravel(), minlength=rate.people).astype(np.float64)


def side_rows(place: Place, entries: Sequence[Entry], *, both: bool) -> list[dict[str, Any]]:
    """The rates of each run; those of the first run only once."""
    rows = []
    for side, label, model, threshold in (
        ("a", place.run_a, place.model_a, place.threshold_a),
        ("b", place.run_b, place.model_b, place.threshold_b),
    ):
        if side == "a" and not both:
            continue
        for entry in entries:
            measured: Measured = getattr(entry, side)
            rows.append(
                {
                    "run": label,
                    "model": model,
                    "metric": place.metric,
                    "threshold": threshold,
                    "family": place.family,
                    "group": entry.group,
                    "ranked": entry.ranked,
                    **asdict(measured.rate),
                    "value": measured.rate.value,
                }
            )
    return rows


def paired_rows(
    place: Place, entries: Sequence[Entry], resampled: Resampled, level: float, *, is_ratio: bool
) -> list[dict[str, Any]]:
    """One row per group: the difference from the first run, and the ratio for metrics compared by ratio."""
    return [
        paired_row(place, entry, k, len(entries), resampled, level, is_ratio=is_ratio)
        for k, entry in enumerate(entries)
    ]


def paired_row(
    place: Place, entry: Entry, k: int, groups: int, resampled: Resampled, level: float, *, is_ratio: bool
) -> dict[str, Any]:
    """One group; p is that of the difference, which also tests the ratio."""
    places, signs = (k, groups + k), (-1.0, 1.0)
    difference = Contrast(entry.b.rate.value - entry.a.rate.value, entry.low, entry.high, entry.p, 0.0)
    ratio = Contrast(np.nan, np.nan, np.nan, np.nan, 0.0)
    if entry.method == BOOTSTRAP and entry.a.rate.trials and entry.b.rate.trials:
        plain = resampled.contrast(places, signs, logarithmic=False, level=level)
        difference = Contrast(difference.value, plain.low, plain.high, plain.p, plain.carriers)
    values = entry.a.rate.value, entry.b.rate.value
    if is_ratio and min(values) > 0:
        ratio = resampled.contrast(places, signs, logarithmic=True, level=level)
    return {
        **asdict(place),
        "group": entry.group,
        "ranked": entry.ranked,
        **counts_of(entry),
        "only_a": entry.only_a,
        "only_b": entry.only_b,
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
        "ratio": values[1] / values[0] if ratio.p == ratio.p else np.nan,
        "ratio_low": math.exp(ratio.low),
        "ratio_high": math.exp(ratio.high),
        "p": difference.p,
        "method": entry.method,
    }


def counts_of(entry: Entry) -> dict[str, Any]:
    """Errors, trials and people of both runs."""
    return {
        "subjects": min(entry.a.rate.subjects, entry.b.rate.subjects),
        "errors_a": entry.a.rate.errors,
        "trials_a": entry.a.rate.trials,
        "errors_b": entry.b.rate.errors,
        "trials_b": entry.b.rate.trials,
    }


def change_rows(
    place: Place, entries: Sequence[Entry], resampled: Resampled, level: float, *, is_ratio: bool
) -> list[dict[str, Any]]:
    """One row per pair of ranked groups; the group that is worse in the first run comes first."""
    ranked = [k for k, entry in enumerate(entries) if entry.ranked][:MOST_RANKED]
    return [change_row(place, entries, g, h, resampled, level, is_ratio=is_ratio) for g, h in combinations(ranked, 2)]


def change_row(
    place: Place, entries: Sequence[Entry], g: int, h: int, resampled: Resampled, level: float, *, is_ratio: bool
) -> dict[str, Any]:
    """The change of the gap between two groups: the other run's gap minus, or divided by, that of the first."""
    gap = entries[g].a.rate.value - entries[h].a.rate.value
    after = entries[g].b.rate.value - entries[h].b.rate.value
    if gap < 0 or (gap == 0 and after < 0):
        g, h, gap, after = h, g, -gap, -after
    count = len(entries)
    places, signs = (g, h, count + g, count + h), (-1.0, 1.0, 1.0, -1.0)
    plain = resampled.contrast(places, signs, logarithmic=False, level=level)
    values = [entries[k].a.rate.value for k in (g, h)] + [entries[k].b.rate.value for k in (g, h)]
    ratio = resampled.contrast(places, signs, logarithmic=True, level=level) if is_ratio and min(values) > 0 else None
    ratio = None if ratio is not None and math.isnan(ratio.p) else ratio
    return {
        **asdict(place),
        "group_a": entries[g].group,
        "group_b": entries[h].group,
        "scale": "ratio" if ratio else "difference",
        "subjects_a": counts_of(entries[g])["subjects"],
        "subjects_b": counts_of(entries[h])["subjects"],
        "gap_first": gap,
        "gap_other": after,
        "change": after - gap,
        "change_low": plain.low,
        "change_high": plain.high,
        "ratio_first": over(values[0], values[1]),
        "ratio_other": over(values[2], values[3]),
        "ratio_change": over(over(values[2], values[3]), over(values[0], values[1])) if ratio else np.nan,
        "ratio_change_low": math.exp(ratio.low) if ratio else np.nan,
        "ratio_change_high": math.exp(ratio.high) if ratio else np.nan,
        "p": ratio.p if ratio else plain.p,
    }


def over(value: float, other: float) -> float:
    """value / other; NaN if other is 0 or either is unknown."""
    return value / other if other else np.nan
