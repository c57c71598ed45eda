"""RATES and GAPS of 1:1 comparisons: FMR, FNMR, and FMR by pair of groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.at_target import AtTarget
from facegap.derive.comparisons import (
    Comparisons,
    false_match_rate,
    false_non_match_rate,
)
from facegap.derive.cuts import Cut
from facegap.derive.gaps import Family, decides
from facegap.derive.groupings import Cells, Grouping, attribute_columns, cells_of
from facegap.derive.losses import pair_losses
from facegap.derive.margins import margin_of
from facegap.derive.metrics import FMR, PAIR_METRICS, Metric, metric_of
from facegap.derive.people_sums import people_sums
from facegap.derive.results import rate_row
from facegap.derive.weights import as_weighted
from facegap.statistics.anytime import Observed, observed
from facegap.statistics.clusters import subject_correlation
from facegap.statistics.effective import columns_of
from facegap.statistics.gaps import gap_family
from facegap.store.record import Operating, RunRecord
from facegap.types import BoolArray, FloatArray, Rate

MOST_MATRIX_GROUPS = 40  # 780 cells; a larger matrix is not readable


@dataclass(frozen=True)
class GroupRates:
    """The rates of the groups of one grouping at one threshold, by metric, in the order of the groups.

    Their intervals treat the threshold as fixed, as gaps do, because its error affects both sides of a gap alike.

    cut : the threshold, or thresholds by folds, at which comparisons were accepted
    """

    cells: Cells
    operating: Operating
    cut: Cut
    rates: dict[str, list[Rate]]


def group_rates(
    pairs: Comparisons,
    manifest: pd.DataFrame,
    groupings: Sequence[Grouping],
    operating: Sequence[Operating],
    level: float,
) -> Iterator[GroupRates]:
    """Every metric of every group of every grouping at every threshold."""
    for point in operating:
        cut = pairs.cut(point)
        for grouping in groupings:
            cells = cells_of(manifest, grouping)
            rates: dict[str, list[Rate]] = {metric.name: [] for metric in PAIR_METRICS}
            for k in range(len(cells.groups)):
                for metric, rate in rates_of_group(pairs, cut, cells.codes == k, level).items():
                    rates[metric].append(rate)
            yield GroupRates(cells, point, cut, rates)


def rates_of_group(pairs: Comparisons, cut: Cut, group: BoolArray, level: float) -> dict[str, Rate]:
    """The four rates of one group: both templates of a pair belong to it."""
    return {metric.name: rate_of_group(pairs, metric, cut, group, level) for metric in PAIR_METRICS}


def rate_of_group(pairs: Comparisons, metric: Metric, cut: Cut, group: BoolArray, level: float) -> Rate:
    """One rate of comparisons of one group: both templates of a pair belong to it."""
    if metric.is_impostor:
        return false_match_rate(pairs, cut, group, None, generalised=metric.counts_lost, level=level)
    return false_non_match_rate(pairs, cut, group, generalised=metric.counts_lost, level=level)


def verification_rows(
    found: Sequence[GroupRates],
    pairs: Comparisons,
    model: str,
    groupings: Sequence[Grouping],
    level: float,
    target_group: BoolArray | None = None,
) -> list[dict[str, Any]]:
    """Rows of RATES: the groups' own rates, then the cells of the cross-group impostor matrix.

    If a threshold was set for a target, the intervals include the uncertainty of the threshold.

    target_group : templates over whose impostor pairs a target is set, bool (n,); None: all
    """
    attributes = attribute_columns(groupings)
    known: dict[float, AtTarget] = {}
    for entry in found:
        point = entry.operating
        if point.threshold not in known:
            known[point.threshold] = AtTarget(pairs, point, entry.cut, target_group)
    own = [
        rate_row(
            metric,
            model,
            group,
            attributes,
            known[entry.operating.threshold].rate(rate, metric_of(metric), entry.cells.codes == k),
            entry.operating.threshold,
            entry.operating.source,
        )
        for entry in found
        for metric, rates in entry.rates.items()
        for k, (group, rate) in enumerate(zip(entry.cells.groups, rates, strict=True))
    ]
    across = [
        row
        for entry in found
        for row in matrix_rows(entry, pairs, model, attributes, level, known[entry.operating.threshold])
    ]
    return own + across


def matrix_rows(
    entry: GroupRates, pairs: Comparisons, model: str, attributes: Sequence[str], level: float, at_target: AtTarget
) -> Iterator[dict[str, Any]]:
    """FMR between every two groups of a grouping; the diagonal is the FMR within groups, which is in their own rows."""
    cells, point = entry.cells, entry.operating
    if not 2 <= len(cells.groups) <= MOST_MATRIX_GROUPS:
        return
    for g, h in combinations(range(len(cells.groups)), 2):
        one, other = cells.codes == g, cells.codes == h
        rate = false_match_rate(pairs, entry.cut, one, other, generalised=False, level=level)
        rate = at_target.rate(rate, FMR, one, other)
        yield rate_row(
            FMR.name, model, cells.groups[g], attributes, rate, point.threshold, point.source, other=cells.groups[h]
        )


def verification_families(
    found: Sequence[GroupRates], pairs: Comparisons, model: str, record: RunRecord
) -> Iterator[tuple[GroupRates, str, Family]]:
    """Families of GAPS per grouping, metric and threshold, over the groups with known labels."""
    for entry in found:
        if not entry.cells.grouping:
            continue
        known = [k for k, is_known in enumerate(entry.cells.known) if is_known]
        groups = tuple(str(entry.cells.groups[k]) for k in known)
        for metric, all_rates in entry.rates.items():
            rates = as_weighted(columns_of([all_rates[k] for k in known], level=record.level), record)
            margin = margin_of(record, metric)
            correlation = correlation_of(pairs, entry, metric, known)
            people = people_of_groups(pairs, entry, metric, known) if decides(record, metric) else None
            family = gap_family(
                groups,
                rates.errors,
                rates.trials,
                rates.subjects,
                rates.effective_trials,
                margin=margin.size,
                scale=margin.scale,
                metric=metric,
                model=model,
                threshold=entry.operating.threshold,
                threshold_from=entry.operating.source,
                family="*".join(entry.cells.grouping),
                alpha=record.alpha,
                level=record.level,
                minimum_subjects=record.min_subjects,
                correlation=correlation,
                effective_subjects=rates.effective_subjects if people is None else None,
                rates=rates.value,
                dominated_by=rates.dominated_by,
            )
            losses = pair_losses(entry.rates, metric_of(metric), known)
            yield entry, metric, Family(family, groups, rates, correlation, losses, people)


def people_of_groups(pairs: Comparisons, entry: GroupRates, metric: str, known: Sequence[int]) -> dict[str, Observed]:
    """For each known group, its people with genuine pairs, each with the proportion of these that were rejected."""
    people = int(pairs.varying.max(initial=-1)) + 1
    found = {}
    for k in known:
        group = (entry.cells.codes == k) & pairs.counted
        errors, trials = people_sums(pairs, entry.cut, metric_of(metric), group, people)
        found[str(entry.cells.groups[k])] = observed(errors[trials > 0] / trials[trials > 0])
    return found


def correlation_of(pairs: Comparisons, entry: GroupRates, metric: str, known: Sequence[int]) -> FloatArray | None:
    """Correlation of the rates of groups that share people (or units); None if none is in two groups.

    The linearised contributions to each rate are summed by person; a pair of two people counts for both of them, and
    once for a unit that contains both.
    """
    groups = [(entry.cells.codes == k) & pairs.counted for k in known]
    of = pairs.varying
    people = int(of.max(initial=-1)) + 1
    member = np.stack([np.bincount(of[group], minlength=people) > 0 for group in groups], axis=1)
    if not (member.sum(axis=1) > 1).any():
        return None
    sums = [people_sums(pairs, entry.cut, metric_of(metric), group, people) for group in groups]
    errors, trials = (np.stack(columns, axis=1).astype(np.float64) for columns in zip(*sums, strict=True))
    return subject_correlation(errors, trials)
