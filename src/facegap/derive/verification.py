"""RATES and GAPS of 1:1 comparisons: who is falsely matched, who is falsely refused, and who is mistaken for whom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import (
    Comparisons,
    between,
    false_match_rate,
    false_non_match_rate,
    genuine_errors,
    templates_of,
)
from facegap.derive.gaps import Family
from facegap.derive.groupings import Cells, Grouping, attribute_columns, cells_of
from facegap.derive.margins import margin_of
from facegap.derive.metrics import FMR, PAIR_METRICS, Metric, metric_of
from facegap.derive.results import rate_row
from facegap.derive.weights import weighed
from facegap.statistics.clusters import subject_correlation
from facegap.statistics.effective import columns_of
from facegap.statistics.gaps import gap_family
from facegap.store.record import Operating, RunRecord
from facegap.types import BoolArray, FloatArray, IntArray, Rate

MOST_MATRIX_GROUPS = 40  # 780 cells; a matrix beyond that is read by nobody


@dataclass(frozen=True)
class GroupRates:
    """The rates of the groups of one grouping at one threshold, by metric, in the order of the groups."""

    cells: Cells
    operating: Operating
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
        for grouping in groupings:
            cells = cells_of(manifest, grouping)
            rates: dict[str, list[Rate]] = {metric.name: [] for metric in PAIR_METRICS}
            for k in range(len(cells.groups)):
                for metric, rate in rates_of_group(pairs, point.threshold, cells.codes == k, level).items():
                    rates[metric].append(rate)
            yield GroupRates(cells, point, rates)


def rates_of_group(pairs: Comparisons, threshold: float, group: BoolArray, level: float) -> dict[str, Rate]:
    """The four rates of one group: both templates of a pair belong to it."""
    return {metric.name: rate_of_group(pairs, metric, threshold, group, level) for metric in PAIR_METRICS}


def rate_of_group(pairs: Comparisons, metric: Metric, threshold: float, group: BoolArray, level: float) -> Rate:
    """One rate of comparisons of one group: both templates of a pair belong to it."""
    if metric.is_impostor:
        return false_match_rate(pairs, threshold, group, None, generalised=metric.counts_lost, level=level)
    return false_non_match_rate(pairs, threshold, group, generalised=metric.counts_lost, level=level)


def verification_rows(
    found: Sequence[GroupRates], pairs: Comparisons, model: str, groupings: Sequence[Grouping], level: float
) -> list[dict[str, Any]]:
    """Rows of RATES: the groups' own rates, then the cells of the cross-group impostor matrix."""
    attributes = attribute_columns(groupings)
    own = [
        rate_row(metric, model, group, attributes, rate, entry.operating.threshold, entry.operating.source)
        for entry in found
        for metric, rates in entry.rates.items()
        for group, rate in zip(entry.cells.groups, rates, strict=True)
    ]
    across = [row for entry in found for row in matrix_rows(entry, pairs, model, attributes, level)]
    return own + across


def matrix_rows(
    entry: GroupRates, pairs: Comparisons, model: str, attributes: Sequence[str], level: float
) -> Iterator[dict[str, Any]]:
    """FMR between every two groups of a grouping; the diagonal is the groups' own FMR and stands in their rows."""
    cells, point = entry.cells, entry.operating
    if not 2 <= len(cells.groups) <= MOST_MATRIX_GROUPS:
        return
    for g, h in combinations(range(len(cells.groups)), 2):
        rate = false_match_rate(
            pairs, point.threshold, cells.codes == g, cells.codes == h, generalised=False, level=level
        )
        yield rate_row(
            FMR.name, model, cells.groups[g], attributes, rate, point.threshold, point.source, other=cells.groups[h]
        )


def verification_families(
    found: Sequence[GroupRates], pairs: Comparisons, model: str, record: RunRecord
) -> Iterator[tuple[GroupRates, str, Family]]:
    """Families of GAPS per grouping, metric and threshold, among the groups whose labels are all known."""
    for entry in found:
        if not entry.cells.grouping:
            continue
        known = [k for k, is_known in enumerate(entry.cells.known) if is_known]
        groups = tuple(str(entry.cells.groups[k]) for k in known)
        for metric, all_rates in entry.rates.items():
            rates = weighed(columns_of([all_rates[k] for k in known], level=record.level), record)
            margin = margin_of(record, metric)
            correlation = correlation_of(pairs, entry, metric, known)
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
                effective_subjects=rates.effective_subjects,
                rates=rates.value,
                dominated_by=rates.dominated_by,
            )
            yield entry, metric, Family(family, groups, rates, correlation)


def correlation_of(pairs: Comparisons, entry: GroupRates, metric: str, known: Sequence[int]) -> FloatArray | None:
    """Correlation of the groups' rates through the people (or units) they share; None where none is in two groups.

    The linear grouping of each rate is summed over the people; a pair of two people counts for both of them, and once for
    a unit that holds both.
    """
    groups = [(entry.cells.codes == k) & pairs.counted for k in known]
    of = pairs.varying
    people = int(of.max(initial=-1)) + 1
    member = np.stack([np.bincount(of[group], minlength=people) > 0 for group in groups], axis=1)
    if not (member.sum(axis=1) > 1).any():
        return None
    sums = [people_sums(pairs, entry.operating.threshold, metric_of(metric), group, people) for group in groups]
    errors, trials = (np.stack(columns, axis=1).astype(np.float64) for columns in zip(*sums, strict=True))
    return subject_correlation(errors, trials)


def people_sums(
    pairs: Comparisons, threshold: float, metric: Metric, group: BoolArray, people: int
) -> tuple[IntArray, IntArray]:
    """Errors and trials of one group that each person (or unit) takes part in, int64 (people,) each."""
    generalised = metric.counts_lost
    of = pairs.varying
    if not metric.is_impostor:
        chosen, wrong = genuine_errors(pairs, threshold, group, generalised=generalised)
        mates = of[pairs.genuine[chosen, 0]]
        return np.bincount(mates[wrong], minlength=people), np.bincount(mates, minlength=people)
    taking_part = group if generalised else group & pairs.enrolled
    errors = sides_of(of[between(pairs.false_matches(threshold), taking_part, None)], people)
    if pairs.listed_only:
        made = slice(None) if generalised else np.isfinite(pairs.impostor_scores)
        return errors, sides_of(of[between(pairs.impostor[made], group, None)], people)
    templates = templates_of(pairs.subjects, taking_part)
    if pairs.units is None:
        return errors, templates * (templates.sum() - templates)
    own, same = (np.bincount(pairs.units, weights=values, minlength=people) for values in (templates, templates**2))
    return errors, (own * (templates.sum() - own) + (own**2 - same) / 2).astype(np.int64)


def sides_of(pairs: IntArray, people: int) -> IntArray:
    """How many pairs hold each person (or unit), int64 (people,); one that is on both sides has the pair once."""
    left, right = pairs[:, 0], pairs[:, 1]
    both_sides = np.bincount(left[left == right], minlength=people)
    return np.asarray(np.bincount(pairs.ravel(), minlength=people) - both_sides, np.int64)
