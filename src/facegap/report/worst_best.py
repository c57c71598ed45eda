"""The finding in a sentence: of every grouping the group with the highest rate and the one with the lowest, with n."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from facegap.inputs.manifests.labels import UNKNOWN
from facegap.report.tables import METRIC_TITLES, own_rates, records
from facegap.report.text import clean, interval, percent
from facegap.store.run import Run


def extremes(run: Run, metric: str) -> list[str]:
    """A sentence per grouping and threshold: the worst and the best group of enough subjects, each with n and interval.

    Where the threshold comes from stands behind it.
    """
    rates = own_rates(run)
    enough = rates[
        (rates["metric"] == metric) & (rates["subjects"] >= run.record["min_subjects"]) & rates["value"].notna()
    ]
    sentences = []
    for (_, _), found in enough.groupby(["grouping", "threshold"], sort=False, dropna=False):
        cells = [
            row for row in records(found) if row["grouping"] and UNKNOWN not in dict(row["group"].attributes).values()
        ]
        if len(cells) < 2:
            continue
        source = f" ({clean(cells[0]['threshold_from'])})" if cells[0]["threshold_from"] else ""
        if len({row["value"] for row in cells}) == 1:
            first, named = cells[0], " x ".join(cells[0]["grouping"])
            title = METRIC_TITLES.get(metric, metric)
            everywhere = f"{percent(first['value'])} in every group of enough subjects"
            sentences.append(
                f"{clean(named)}: {title}: {everywhere}; least is known of {said(least_known(cells))}.{source}"
            )
            continue
        worst, best = (pick(cells, key=lambda row: float(row["value"])) for pick in (max, min))
        named = f"{' x '.join(worst['grouping'])}: highest {METRIC_TITLES.get(metric, metric)}"
        sentences.append(f"{clean(named)}: {said(worst)}; lowest: {said(best)}.{source}")
    return sentences


def least_known(cells: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
    """The row of RATES with the widest interval; one without any interval before all."""
    widths = [float(row["high"]) - float(row["low"]) for row in cells]
    return cells[max(range(len(cells)), key=lambda k: math.inf if math.isnan(widths[k]) else widths[k])]


def said(row: Mapping[str, Any]) -> str:
    """A group and its rate in words."""
    return (
        f"{clean(row['group'])} {percent(row['value'])} ({row['errors']} of {row['trials']}, {row['subjects']} subjects, "
        f"{100 * row['level']:.0f} % interval {interval(row['low'], row['high'])})"
    )
