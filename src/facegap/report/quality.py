"""The effect of a quality gate, and whose images it rejects, as text tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from facegap.derive.quality_values import BY_GROUP, DIFFERENCES, MARGIN_SD
from facegap.report.population import decided_text, verdict_of
from facegap.report.rows.comparisons import table
from facegap.report.rows.frames import group_of, groupings_of
from facegap.report.tables import Column, TextTable, table_of, title_of
from facegap.report.text import clean, errors_of_trials, interval, level_text, number, p_value, percent, points, score
from facegap.store.run import Run

GATE, EDC, REFUSAL_GAPS = "quality_gate.csv", "edc.csv", "quality_gaps.csv"
Row = Mapping[str, Any]


def quality_report(run: Run) -> list[TextTable]:
    """The gate by group, gaps in its rejection rates, and error versus discard; none without --quality."""
    gate, gaps, curve = (table(run, name) for name in (GATE, REFUSAL_GAPS, EDC))
    if not gate:
        return []
    groupings = groupings_of(run)
    group = Column[Row]("group", lambda row: clean(group_of(row, groupings)))
    quality, threshold = clean(gate[0]["quality"]), number(gate[0]["quality_threshold"])
    said = (
        f"Quality: {quality}. The gate rejects images below {threshold}. Images without a quality are not trials of the "
        f"rejection rate, and do not pass. Intervals at {level_text(run.record.level)}, by sampling unit."
    )
    found = [
        *value_tables(run, group),
        table_of("images rejected by the quality gate", (group, *GATE_COLUMNS), gate, notes=(said,)),
    ]
    if gaps:
        why = "Tested by Holm's method over the pairs of one grouping, outside the primary family of the run. The margin is 2 points."
        found.append(table_of("gaps between rejection rates", GAP_COLUMNS, gaps, notes=(why,)))
    if curve:
        note = (
            "Mated comparisons are discarded within each group in order of increasing quality (the lower quality of the two "
            "images), those of equal quality together; FNMR is over the remaining ones. The area is under this curve up to "
            "the proportion stated; lower is better. "
            "Its interval is a bootstrap by subjects."
        )
        found.append(table_of("error versus discard", (group, *EDC_COLUMNS), curve, notes=(note,)))
    return found


def value_tables(run: Run, group: Column[Row]) -> list[TextTable]:
    """The distribution of quality by group, and the differences between groups."""
    spreads, apart = (table(run, name) for name in (BY_GROUP, DIFFERENCES))
    found = []
    if spreads:
        why = (
            f"Mean and median with {level_text(run.record.level)} intervals by a bootstrap of people, or of clusters if "
            "--cluster is given; quantiles of the images. Images without a quality are not included in these numbers."
        )
        found.append(table_of("quality of images by group", (group, *SPREAD_COLUMNS), spreads, notes=(why,)))
    if apart:
        why = (
            f"Each quality has its own unit, so the margin is {MARGIN_SD:g} standard deviations of all qualities of the run, here "
            f"{score(apart[0]['margin'])}. Tested by Bonferroni's method over the pairs of one grouping, for mean and median each, "
            "outside the primary family of the run."
        )
        found.append(table_of("differences in quality", APART_COLUMNS, apart, notes=(why,)))
    return found


def central_text(row: Row, name: str) -> str:
    """A mean or median with its interval."""
    if math.isnan(row[name]):
        return "no trials"
    sure = "" if math.isnan(row[f"{name}_low"]) else f" [{score(row[f'{name}_low'])}, {score(row[f'{name}_high'])}]"
    return f"{score(row[name])}{sure}"


def span_text(row: Row, low: str, high: str) -> str:
    """Two quantiles."""
    return "no trials" if math.isnan(row[low]) else f"{score(row[low])} to {score(row[high])}"


def rate_text(row: Row, name: str) -> str:
    """A rate with its interval and counts."""
    if not row[f"{name}_trials"]:
        return "no trials"
    shown = f"{percent(row[f'{name}_value'])} {interval(row[f'{name}_low'], row[f'{name}_high'])}"
    return f"{shown} {errors_of_trials(row[f'{name}_errors'], row[f'{name}_trials'])}"


def area_text(row: Row) -> str:
    """The area under a curve, its interval, and its upper end."""
    sure = "" if math.isnan(row["area_low"]) else f" [{row['area_low']:.5f}, {row['area_high']:.5f}]"
    return f"{row['area']:.5f}{sure} to {row['area_limit']:g}"


SPREAD_COLUMNS = (
    Column[Row]("images", lambda row: f"{row['images'] - row['without_quality']:,} of {row['images']:,}"),
    Column[Row]("people", lambda row: f"{row['subjects']:,}"),
    Column[Row]("median", lambda row: central_text(row, "median")),
    Column[Row]("mean", lambda row: central_text(row, "mean")),
    Column[Row]("middle half", lambda row: span_text(row, "quantile_25", "quantile_75")),
    Column[Row]("5% to 95%", lambda row: span_text(row, "quantile_05", "quantile_95")),
)
APART_COLUMNS = (
    Column[Row]("by", lambda row: clean(row["family"])),
    Column[Row]("of", lambda row: str(row["statistic"])),
    Column[Row]("group a against b", lambda row: f"{clean(row['group_a'])} against {clean(row['group_b'])}"),
    Column[Row]("quality", lambda row: f"{score(row['value_a'])} against {score(row['value_b'])}"),
    Column[Row]("difference", lambda row: central_text(row, "difference")),
    Column[Row]("deciding interval", lambda row: f"[{score(row['decided_low'])}, {score(row['decided_high'])}]"),
    Column[Row]("verdict", lambda row: str(row["verdict"])),
)
GATE_COLUMNS = (
    Column[Row]("rejected", lambda row: rate_text(row, "refused")),
    Column[Row]("without a quality", lambda row: str(row["without_quality"])),
    Column[Row]("error", lambda row: title_of(str(row["metric"])) if row["metric"] else "none evaluated"),
    Column[Row]("without the gate", lambda row: rate_text(row, "before")),
    Column[Row]("with the gate", lambda row: rate_text(row, "after")),
)
GAP_COLUMNS = (
    Column[Row]("by", lambda row: clean(row["family"])),
    Column[Row]("group a against b", lambda row: f"{clean(row['group_a'])} against {clean(row['group_b'])}"),
    Column[Row]("rejected", lambda row: f"{percent(row['rate_a'])} against {percent(row['rate_b'])}"),
    Column[Row]("difference", lambda row: points(row["difference"])),
    Column[Row]("p (Holm)", lambda row: p_value(row["p_adjusted"])),
    Column[Row]("deciding interval", decided_text),
    Column[Row]("verdict", verdict_of),
)
EDC_COLUMNS = (
    Column[Row]("discarded", lambda row: percent(row["discarded"])),
    Column[Row]("quality from", lambda row: number(row["quality_from"])),
    Column[Row]("FNMR of the remaining comparisons", lambda row: rate_text(row, "fnmr")),
    Column[Row]("comparisons without a quality", lambda row: str(row["without_quality"])),
    Column[Row]("area", area_text),
)
