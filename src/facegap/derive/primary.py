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
from facegap.statistics.gaps import GapFamily
from facegap.store.record import RunRecord

AGE_RATES = (AGE_FALSE_POSITIVE.name, AGE_FALSE_NEGATIVE.name)  # only where --age-limit asks for them
USUAL = (ERROR_RATE_ALL.name, FMR.name, FNMR.name, *AGE_RATES)


@dataclass(frozen=True)
class PrimaryFamily:
    """Whose gaps are tested together: of which groupings, and over which metrics at the first threshold."""

    groupings: tuple[Grouping, ...]
    metrics: tuple[str, ...]


def primary_family(record: RunRecord, metrics: Iterable[str]) -> PrimaryFamily:
    """The primary family of a run, named before its data were seen.

    metrics : those that the run has gaps of

    With a plan: as it says. Of a run that was to stop when its gaps are decided: these, in every grouping.

    Without one: all pairs of groups of the first term of --by, over error_rate_all, FMR, FNMR, the two rates of an age check
    and the error rates of outputs besides gender and age, whichever the run has. A run that has none of them takes the first
    metric, in the order of findings, that judges a result; one that judges no result at all (the detector alone) the first
    that counts images without one.
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
    """Of every family of a run whether it is a part of the primary family.

    Of each metric that is the first point in the order given: the first threshold, and of searches the first rank at the
    first threshold (the first rank alone where there is no threshold).
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
