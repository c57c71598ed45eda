"""Intervals of rates at a target FMR, from the stored uncertainty of the threshold."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from facegap.derive.comparisons import Comparisons, genuine_errors
from facegap.derive.cuts import Cut
from facegap.derive.metrics import FMR, Metric
from facegap.derive.people_sums import people_sums, people_sums_between
from facegap.statistics.at_target import false_matches_at_target, false_non_matches_at_target, target_factors
from facegap.statistics.clusters import subject_correlation
from facegap.store.record import Operating, TransferPoint
from facegap.types import BoolArray, IntArray, Rate


@dataclass(frozen=True, eq=False)
class AtTarget:
    """One threshold of a run, for the rates measured at it.

    cut   : the threshold, or thresholds by folds, at which comparisons were accepted
    group : templates over whose impostor pairs the target is set, bool (n,); None: all
    """

    pairs: Comparisons
    point: Operating | TransferPoint
    cut: Cut
    group: BoolArray | None = None

    def rate(self, rate: Rate, metric: Metric, first: BoolArray, second: BoolArray | None = None) -> Rate:
        """Return a rate of a group (or between two) with its interval at the target.

        It is unchanged if the threshold was given, as then it is not an estimate.
        """
        point = self.point
        if point.interval is None or point.threshold is None or not rate.trials:
            return rate
        correlation = self.correlation(metric, first, second) if point.interval.same_people else 0.0
        if metric.is_impostor:
            targets = point.targets if isinstance(point, Operating) else (point.target,)
            factors = target_factors(point.interval.fmr_low, point.interval.fmr_high, targets)
            return false_matches_at_target(rate, factors, correlation=correlation)
        lowest, found, highest = (
            self.refused(metric, first, threshold)
            for threshold in (point.interval.low, point.threshold, point.interval.high)
        )
        lower, higher = max(found - lowest, 0.0), max(highest - found, 0.0)
        return false_non_matches_at_target(rate, lower=lower, higher=higher, correlation=max(correlation, 0.0))

    def refused(self, metric: Metric, group: BoolArray, threshold: float) -> float:
        """Return the false non-match rate of a group at one threshold."""
        chosen, wrong = genuine_errors(self.pairs, threshold, group, generalised=metric.counts_lost)
        weights = None if self.pairs.genuine_weights is None else self.pairs.genuine_weights[chosen]
        return float(np.average(wrong, weights=weights)) if len(wrong) else 0.0

    def correlation(self, metric: Metric, first: BoolArray, second: BoolArray | None) -> float:
        """Return the correlation of a rate with the false match rate that sets the threshold, through common people."""
        counted = self.pairs.counted
        if second is None:
            own = people_sums(self.pairs, self.cut, metric, first & counted, self.people)
        else:
            own = people_sums_between(self.pairs, self.cut, first, second, self.people)
        errors, trials = (np.stack(columns, axis=1).astype(np.float64) for columns in zip(own, self.basis, strict=True))
        return float(subject_correlation(errors, trials)[0, 1])

    @property
    def people(self) -> int:
        """Number of people, or units."""
        return int(self.pairs.varying.max(initial=-1)) + 1

    @cached_property
    def basis(self) -> tuple[IntArray, IntArray]:
        """Errors and trials by person of the false match rate that sets the threshold."""
        group = np.ones(len(self.pairs.subjects), np.bool_) if self.group is None else self.group
        return people_sums(self.pairs, self.cut, FMR, group & self.pairs.counted, self.people)
