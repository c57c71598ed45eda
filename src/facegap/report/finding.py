"""The groups and gap of the finding of a run: the groups with the highest and lowest error rates, and the gap between them.

`first_screen` puts it into words.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facegap.derive.groupings import Grouping
from facegap.derive.metrics import in_order, metric_of
from facegap.derive.primary import primary_family
from facegap.report.rows.gaps import GapRow, gap_rows, verdict_counts
from facegap.report.rows.rates import RateRow, rate_rows, widest_interval
from facegap.statistics.verdicts import GAPS_FOUND
from facegap.store.run import Run


@dataclass(frozen=True)
class Contrast:
    """The worst and the best group of one part of the primary family, and the gap between them (None if untested).

    widest   : the group with the widest interval
    verdicts : number of gaps of the primary family with each verdict
    own      : the same for this metric and grouping only
    """

    metric: str
    grouping: Grouping
    worst: RateRow
    best: RateRow
    widest: RateRow
    gap: GapRow | None
    verdicts: Mapping[str, int]
    own: Mapping[str, int]

    @property
    def alike(self) -> bool:
        """Whether both have the same rate."""
        return self.worst.rate.value == self.best.rate.value


def contrast(run: Run) -> Contrast | None:
    """The main contrast; None if no two groups can be compared."""
    return next(iter(contrasts(run)), None)


def contrasts(run: Run) -> list[Contrast]:
    """The contrast of each metric of the primary family, in the order in which they are reported."""
    rows = [row for row in rate_rows(run) if row.reliable and row.labelled and not math.isnan(row.rate.value)]
    primary = primary_family(run.record, run.rates["metric"])
    gaps = [gap for gap in gap_rows(run) if gap.primary]
    found = []
    for metric in in_order(primary.metrics):
        of_metric = at_first_point([row for row in rows if row.metric == metric.name], run)
        chosen = of_groupings(of_metric, gaps, primary.groupings)
        found += [chosen] if chosen is not None else []
    return found


def of_groupings(rows: Sequence[RateRow], gaps: Sequence[GapRow], groupings: Sequence[Grouping]) -> Contrast | None:
    """The contrast of one metric: in the finest grouping with a gap, otherwise in the finest; None without two groups."""
    found = []
    for grouping in sorted(groupings, key=len, reverse=True):
        cells = [row for row in rows if row.grouping == grouping]
        if len(cells) >= 2:
            found.append(between(cells, gaps))
    return next(
        (one for one in found if one.gap is not None and one.gap.verdict in GAPS_FOUND), next(iter(found), None)
    )


def at_first_point(rows: Sequence[RateRow], run: Run) -> list[RateRow]:
    """Rates of one metric at the first threshold of the run; of searches, for the first rank with a threshold."""
    operating = run.record.operating
    if rows and metric_of(rows[0].metric).is_search:
        first = next((row for row in rows if not math.isnan(row.threshold)), rows[0])
        return [row for row in rows if row.threshold_from == first.threshold_from]
    if rows and operating and metric_of(rows[0].metric).is_pair:
        return [row for row in rows if row.threshold == operating[0].threshold]
    return list(rows)


def between(cells: Sequence[RateRow], primary: Sequence[GapRow]) -> Contrast:
    """The contrast among some cells: the widest gap with the clearest verdict; without a gap, the worst against the best.

    primary : the gaps of the primary family
    """
    by_name = {str(row.group): row for row in cells}
    known = [gap for gap in primary if is_of(gap, cells[0])]
    clear = sorted((gap for gap in known if gap.verdict in GAPS_FOUND), key=clearness)
    worst, best = (pick(cells, key=lambda row: row.rate.value) for pick in (max, min))
    if clear:
        worst, best = by_name[clear[0].worse.group], by_name[clear[0].better.group]
    elif worst is best and len(cells) == 2:  # equal rates: the order is arbitrary
        worst, best = cells
    names = {str(worst.group), str(best.group)}
    gap = next((gap for gap in known if {gap.worse.group, gap.better.group} == names), None)
    if gap is None and worst.rate.value == best.rate.value:
        gap = next(iter(known), None)
    counted, own = (verdict_counts([gap.verdict for gap in gaps]) for gaps in (primary, known))
    return Contrast(worst.metric, worst.grouping, worst, best, widest_interval(cells), gap, counted, own)


def clearness(gap: GapRow) -> tuple[int, float]:
    """Sort key: gaps larger than the margin first, then by size of the difference."""
    return GAPS_FOUND.index(gap.verdict), -gap.difference.value


def is_of(gap: GapRow, row: RateRow) -> bool:
    """Whether a gap has the metric, grouping and threshold of a rate."""
    same = gap.threshold == row.threshold or (math.isnan(gap.threshold) and math.isnan(row.threshold))
    return (gap.metric, gap.grouping, gap.threshold_from) == (row.metric, row.grouping, row.threshold_from) and same
