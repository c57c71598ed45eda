"""The group with the highest and the one with the lowest rate of every grouping, in a sentence with n."""

from __future__ import annotations

import math
from collections.abc import Sequence

from facegap.report.rows.rates import RateRow, widest_interval
from facegap.report.tables import title_of
from facegap.report.text import clean, interval, level_text, percent


def extremes(rows: Sequence[RateRow], metric: str) -> list[str]:
    """A sentence per grouping and threshold: the worst and the best group with enough subjects, each with n and interval.

    The source of the threshold follows in brackets.

    rows : of any metrics; only those of `metric` are used
    """
    together: dict[tuple[tuple[str, ...], str], list[RateRow]] = {}
    for row in rows:
        if row.metric == metric and row.reliable and row.grouping and not math.isnan(row.rate.value):
            together.setdefault((row.grouping, repr(row.threshold)), []).append(row)  # NaN is not a key
    labelled = [[row for row in found if row.labelled] for found in together.values()]
    return [sentence(found) for found in labelled if len(found) >= 2]


def sentence(rows: Sequence[RateRow]) -> str:
    """One grouping at one threshold."""
    first, title = rows[0], title_of(rows[0].metric)
    named, source = (
        clean(" x ".join(first.grouping)),
        f" ({clean(first.threshold_from)})" if first.threshold_from else "",
    )
    if len({row.rate.value for row in rows}) == 1:
        everywhere = f"{percent(first.rate.value)} in every group of enough subjects"
        return f"{named}: {title}: {everywhere}; the widest interval is that of {said(widest_interval(rows))}.{source}"
    worst, best = (pick(rows, key=lambda row: row.rate.value) for pick in (max, min))
    return f"{named}: highest {title}: {said(worst)}; lowest: {said(best)}.{source}"


def said(row: RateRow) -> str:
    """A group and its rate in words."""
    rate = row.rate
    return (
        f"{clean(row.group)} {percent(rate.value)} ({rate.errors} of {rate.trials}, {rate.subjects} subjects, "
        f"{level_text(rate.level)} interval {interval(rate.low, rate.high)})"
    )
