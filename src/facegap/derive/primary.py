"""The primary family of a run: the gaps that are tested together and get a verdict; all others are exploratory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from facegap.derive.groupings import Grouping
from facegap.derive.metrics import (
    AGE_FALSE_NEGATIVE,
    AGE_FALSE_POSITIVE,
    ERROR_RATE_ALL,
    FMR,
    FNMR,
    by_order,
    in_order,
    metric_of,
)
from facegap.derive.metrics_of_outputs import is_of_output
from facegap.statistics.gap_families import GapFamily
from facegap.store.record import RunRecord

AGE_RATES = (AGE_FALSE_POSITIVE.name, AGE_FALSE_NEGATIVE.name)  # only with --age-limit
USUAL = (ERROR_RATE_ALL.name, FMR.name, FNMR.name, *AGE_RATES)


@dataclass(frozen=True)
class PrimaryFamily:
    """The groupings, and the metrics at the first threshold, whose gaps are tested together."""

    groupings: tuple[Grouping, ...]
    metrics: tuple[str, ...]


def primary_family(record: RunRecord, metrics: Iterable[str]) -> PrimaryFamily:
    """The primary family of a run, specified before its data were seen.

    metrics : those for which the run has gaps

    With a plan, as specified there. For a run that stops once its gaps are decided: these gaps, in every grouping.

    Without a plan: all pairs of groups of the first term of --by, for those of error_rate_all, FMR, FNMR, the two rates
    of an age check and the error rates of outputs other than gender and age that the run has. If it has none of them:
    the first metric, in the order of findings, that evaluates a result, or else (only a detector) the first that counts
    images without one.
    """
    found = set(metrics)
    if record.stopping is not None:
        return PrimaryFamily(record.groupings, tuple(name for name in record.stopping.metrics if name in found))
    if record.plan is not None:
        return PrimaryFamily(record.plan.by, tuple(name for name in record.plan.metrics if name in found))
    usual = tuple(metric.name for metric in in_order(found) if metric.name in USUAL or is_of_output(metric.name))
    others = sorted((metric.is_failure, k) for k, metric in enumerate(by_order()) if metric.name in found)
    chosen = usual or tuple(by_order()[k].name for _, k in others[:1])
    return PrimaryFamily(record.groupings[:1], chosen)


def primary_rows(record: RunRecord, families: Sequence[tuple[Grouping, GapFamily]]) -> list[bool]:
    """Whether each family of a run is part of the primary family.

    For each metric it is the first point in the given order: the first threshold and, for searches, the first rank at
    the first threshold (or the first rank without a threshold).
    """
    chosen = primary_family(record, (gaps.metric for _, gaps in families))
    first: dict[tuple[Grouping, str], int] = {}
    for k, (grouping, gaps) in enumerate(families):
        if grouping in chosen.groupings and gaps.metric in chosen.metrics:
            before = first.setdefault((grouping, gaps.metric), k)
            alone = metric_of(gaps.metric).is_search and math.isnan(families[before][1].threshold)
            if alone and not math.isnan(gaps.threshold):
                first[grouping, gaps.metric] = k
    return [k in first.values() for k in range(len(families))]
