"""Simulated comparisons with thresholds at a target FMR, and how often intervals cover the rates at the true threshold.

The score of two people is the sum of their groups' shifts, an effect of each person, and noise, with variance 1 in total.
Only pairs near the threshold are simulated, as the number of each two people's pairs that reach the floor of the list; the
rest follows by subtraction, as in an audit. Thresholds and rates are computed by the functions of an audit.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np
import pandas as pd
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

from facegap.audit.folds import deal_folds
from facegap.audit.settings import Verify
from facegap.audit.thresholds import Basis, operating_points
from facegap.derive.at_target import AtTarget
from facegap.derive.comparisons import Comparisons, both
from facegap.derive.metrics import FMR, FNMR
from facegap.derive.verification import rate_of_group
from facegap.errors import StatisticsError
from facegap.statistics.effective import columns_of
from facegap.statistics.gaps import gap_family
from facegap.types import BoolArray, FloatArray, IntArray, Rate

LEVEL = 0.95
LISTED = (
    (200, 15.0),
    (100, 30.0),
    (0, np.inf),
)  # (minimum number of people, multiple of the target FMR at the end of the list)


@dataclass(frozen=True)
class World:
    """A simulation setting.

    subjects : number in each group; shifts : of the people of each group, so that a pair within it scores twice that higher
    images   : number per person, all compared with each other
    rho      : proportion of a pair's variance due to one person's effect; the same for genuine pairs
    target   : target FMR of the threshold
    fnmr     : of all people at the true threshold; worse : decrease of the second group's genuine scores
    shared   : correlation between a person's effects on false matches and on false non-matches
    """

    subjects: tuple[int, ...]
    images: int
    rho: float
    target: float
    shifts: tuple[float, ...] = (0.0, 0.1)
    fnmr: float = 0.05
    worse: float = 0.3
    shared: float = 0.0

    @property
    def groups(self) -> IntArray:
        """Group of each person."""
        return np.repeat(np.arange(len(self.subjects)), self.subjects)

    @cached_property
    def table(self) -> pd.DataFrame:
        """One row per image with its person."""
        return pd.DataFrame({"subject": np.repeat(np.arange(sum(self.subjects)), self.images)})

    @cached_property
    def verify(self) -> Verify:
        """The settings that determine the threshold."""
        return Verify(fmr=(self.target,))

    def fmr(self, threshold: float, group: int | None = None) -> float:
        """The true false match rate of a group, or of all people."""
        if group is not None:
            return float(ndtr(2 * self.shifts[group] - threshold))
        people = np.array(self.subjects, np.float64)
        pairs = np.outer(people, people) - np.diag(people)
        shift = np.add.outer(self.shifts, self.shifts)
        return float((pairs * ndtr(shift - threshold)).sum() / pairs.sum())

    def true_fnmr(self, threshold: float, group: int | None = None) -> float:
        """The true false non-match rate of a group, or of all people."""
        if group is not None:
            return float(ndtr(threshold - self.genuine_means[group]))
        each = [self.true_fnmr(threshold, k) for k in range(len(self.subjects))]
        return float(np.average(each, weights=self.subjects))

    @cached_property
    def threshold(self) -> float:
        """The true threshold, at which the FMR of all people is the target."""
        return float(brentq(lambda at: self.fmr(at) - self.target, -5.0, 12.0))

    @cached_property
    def floor(self) -> float:
        """The end of the list, at which the FMR of all people is a multiple of the target."""
        people = sum(self.subjects)
        down_to = next(times for least, times in LISTED if people >= least) * self.target
        return float(brentq(lambda at: self.fmr(at) - down_to, -5.0, 12.0)) if down_to < 1 else -np.inf

    @cached_property
    def genuine_means(self) -> FloatArray:
        """Mean genuine score of each group."""
        return self.threshold - ndtri(self.fnmr) - self.worse * np.arange(len(self.subjects))


def compared(world: World, rng: np.random.Generator) -> Comparisons:
    """All comparisons of one simulation."""
    people, groups = sum(world.subjects), world.groups
    effect = rng.standard_normal(people)
    left, right = np.triu_indices(people, 1)
    centre = np.asarray(world.shifts)[groups] + np.sqrt(world.rho) * effect
    noise = np.sqrt(1 - 2 * world.rho)
    floor = world.floor
    chance = ndtr((centre[left] + centre[right] - floor) / noise)
    reached = rng.binomial(world.images**2, chance)
    at = np.repeat(np.arange(len(left)), reached)
    scores = centre[left[at]] + centre[right[at]] - noise * ndtri(rng.random(len(at)) * chance[at])
    order = np.argsort(-scores, kind="stable")
    rows = np.stack([left[at], right[at]], axis=1)[order] * world.images
    genuine, of_genuine = genuine_pairs(world, effect, rng)
    count = people * world.images
    return Comparisons(
        subjects=np.repeat(np.arange(people), world.images),
        enrolled=np.ones(count, np.bool_),
        counted=np.ones(count, np.bool_),
        impostor=rows,
        impostor_scores=scores[order],
        floor=floor,
        genuine=genuine,
        genuine_scores=of_genuine,
        excluded=np.empty((0, 2), np.int64),
        tail_limit=len(scores),
    )


def genuine_pairs(world: World, effect: FloatArray, rng: np.random.Generator) -> tuple[IntArray, FloatArray]:
    """Rows and scores of every genuine pair."""
    people = len(effect)
    own = world.shared * -effect + np.sqrt(1 - world.shared**2) * rng.standard_normal(people)
    first, second = np.triu_indices(world.images, 1)
    rows = np.stack([first, second], axis=1)[None] + (np.arange(people) * world.images)[:, None, None]
    of_person = world.genuine_means[world.groups] + np.sqrt(world.rho) * own
    scores = of_person[:, None] + np.sqrt(1 - world.rho) * rng.standard_normal((people, len(first)))
    return rows.reshape(-1, 2), scores.ravel()


def bisected(pairs: Comparisons, rng: np.random.Generator) -> tuple[Comparisons, Comparisons]:
    """The comparisons of a interval_coverage-out half of the people, and of the other half."""
    people = int(pairs.subjects.max()) + 1
    aside = np.zeros(people, np.bool_)
    aside[rng.permutation(people)[: people // 2]] = True
    return among(pairs, aside[pairs.subjects]), among(pairs, ~aside[pairs.subjects])


def among(pairs: Comparisons, counted: BoolArray) -> Comparisons:
    """The comparisons of some templates."""
    kept, mates = both(counted, pairs.impostor), both(counted, pairs.genuine)
    return replace(
        pairs,
        counted=counted,
        impostor=pairs.impostor[kept],
        impostor_scores=pairs.impostor_scores[kept],
        genuine=pairs.genuine[mates],
        genuine_scores=pairs.genuine_scores[mates],
    )


Of = int | Literal["ratio"] | None


@dataclass(frozen=True)
class Seen:
    """One rate in one simulation: of all people (None), of a group, or the ratio of the first two groups.

    has_trials          : whether the rate is defined
    plain_low, plain_high : interval for a fixed threshold; low, high : including the threshold's uncertainty
    at_target, at_use   : the true rate at the true threshold, and at the threshold that the run reports for use
    """

    metric: str
    of: Of
    has_trials: bool
    errors: int
    plain_low: float
    plain_high: float
    low: float
    high: float
    at_target: float
    at_use: float


@dataclass(frozen=True)
class Wanted:
    """The rates of a simulation to compute in addition to the FMR of all people."""

    groups: bool = True
    ratios: bool = False


def seen_by(world: World, pairs: Comparisons, basis: Basis, wanted: Wanted) -> Iterator[Seen]:
    """Rates at a threshold set on a basis for the target: of all people, of the last group, and ratios.

    Raises
    ------
    StatisticsError : too few pairs for the target
    """
    (point,) = operating_points(basis, world.verify, LEVEL)
    cut = pairs.cut(point)
    at = AtTarget(pairs, point, cut)
    groups = world.groups[pairs.subjects]
    for metric, truth in ((FMR, world.fmr), (FNMR, world.true_fnmr)) if wanted.groups else ((FMR, world.fmr),):
        for group in (None, len(world.subjects) - 1) if wanted.groups else (None,):
            inside = np.ones(len(groups), np.bool_) if group is None else groups == group
            plain = rate_of_group(pairs, metric, cut, inside, LEVEL)
            wide = at.rate(plain, metric, inside)
            ends = plain.low, plain.high, wide.low, wide.high
            true, used = (truth(threshold, group) for threshold in (world.threshold, point.threshold))
            yield Seen(metric.name, group, plain.trials > 0, plain.errors, *ends, true, used)
        if wanted.ratios:
            own = [rate_of_group(pairs, metric, cut, groups == group, LEVEL) for group in (0, 1)]
            low, high = ratio_of(own)
            true, used = (truth(threshold, 0) / truth(threshold, 1) for threshold in (world.threshold, point.threshold))
            yield Seen(metric.name, "ratio", not np.isnan(high), own[0].errors, low, high, low, high, true, used)


def ratio_of(rates: list[Rate]) -> tuple[float, float]:
    """Interval of the ratio of two groups, as for a gap: with a fixed threshold."""
    columns = columns_of(rates, level=LEVEL)
    family = gap_family(
        ["a", "b"],
        columns.errors,
        columns.trials,
        columns.subjects,
        columns.effective_trials,
        margin=2.0,
        scale="ratio",
        minimum_subjects=2,
    )
    gap = family.rows()[0]
    return gap.ratio_low, gap.ratio_high


def by_split(world: World, pairs: Comparisons, rng: np.random.Generator, wanted: Wanted) -> list[Seen]:
    """Rates of one half of the people at a threshold set on the other."""
    aside, evaluated = bisected(pairs, rng)
    return list(seen_by(world, evaluated, Basis(aside, world.table, "half"), wanted))


def by_folds(world: World, pairs: Comparisons, rng: np.random.Generator, wanted: Wanted) -> list[Seen]:
    """Rates of all people at thresholds set by folds."""
    folds = deal_folds(world.table["subject"], world.groups[pairs.subjects], int(rng.integers(2**31)))
    folded = replace(pairs, folds=folds)
    return list(seen_by(world, folded, Basis(folded, world.table, "folds", same_people=True), wanted))


METHODS = {"split": by_split, "folds": by_folds}


@dataclass(frozen=True)
class IntervalCoverage:
    """Coverage of one rate in one setting by one method.

    worlds                : simulations with a threshold and a rate
    plain, with_threshold : proportion that cover the rate at the true threshold, by either interval
    at_use                : proportion whose interval with the threshold covers the true rate at the threshold for use
    below, above          : proportion entirely below or above the rate at the true threshold
    plain_width, width    : median width relative to the true rate, without and with the threshold's uncertainty
    errors                : mean number of errors
    """

    metric: str
    of: Of
    method: str
    worlds: int
    plain: float
    with_threshold: float
    at_use: float
    below: float
    above: float
    plain_width: float
    width: float
    errors: float


def studied(
    world: World, worlds: int, rng: np.random.Generator, *, with_groups: int | None = None, with_ratios: int = 0
) -> list[IntervalCoverage]:
    """Both methods on the same simulated comparisons.

    with_groups, with_ratios : number of simulations with rates of groups and FNMR, and with ratios of two groups
    """
    with_groups = worlds if with_groups is None else with_groups
    found: dict[tuple[str, str, Of], list[Seen]] = {}
    for number in range(worlds):
        pairs = compared(world, rng)
        for name, method in METHODS.items():
            try:
                seen = method(world, pairs, rng, Wanted(number < with_groups, number < with_ratios))
            except StatisticsError:
                continue
            for one in seen:
                if one.has_trials:
                    found.setdefault((name, one.metric, one.of), []).append(one)
    return [interval_coverage(name, seen) for (name, _, _), seen in found.items()]


def interval_coverage(method: str, seen: list[Seen]) -> IntervalCoverage:
    """One row of results."""
    columns = {
        name: np.array([getattr(one, name) for one in seen])
        for name in ("plain_low", "plain_high", "low", "high", "at_target", "at_use", "errors")
    }
    low, high, truth, used = (columns[name] for name in ("low", "high", "at_target", "at_use"))
    plain_low, plain_high = columns["plain_low"], columns["plain_high"]
    return IntervalCoverage(
        metric=seen[0].metric,
        of=seen[0].of,
        method=method,
        worlds=len(seen),
        plain=float(((plain_low <= truth) & (truth <= plain_high)).mean()),
        with_threshold=float(((low <= truth) & (truth <= high)).mean()),
        at_use=float(((low <= used) & (used <= high)).mean()),
        below=float((high < truth).mean()),
        above=float((low > truth).mean()),
        plain_width=float(np.median((plain_high - plain_low) / truth)),
        width=float(np.median((high - low) / truth)),
        errors=float(columns["errors"].mean()),
    )
