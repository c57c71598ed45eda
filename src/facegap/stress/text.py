"""The findings of a stress test as sentences and tables, without statements about causes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from facegap.report.tables import TextTable, title_of
from facegap.report.text import clean, interval, number, p_value, percent
from facegap.statistics.verdicts import BEYOND, GAP, UNKNOWN, WITHIN
from facegap.stress.measure import NONE
from facegap.stress.perturb import PERTURBATIONS
from facegap.stress.run import Stressed

SAID = {
    BEYOND: "larger rise, beyond the margin",
    GAP: "larger rise",
    WITHIN: "no difference larger than the margin",
    UNKNOWN: "not enough data",
}


def title_of_dose(row: dict[Any, Any]) -> str:
    """A perturbation with its dose and unit: Gaussian blur 3 (sigma, % of the inter-eye distance)."""
    if row["perturbation"] == NONE:
        return "as they are"
    of = PERTURBATIONS[str(row["perturbation"])]
    return f"{of.title} {row['dose']:+g} {of.unit}" if of.low < 0 else f"{of.title} {row['dose']:g} ({of.unit})"


def primary_gaps(done: Stressed) -> pd.DataFrame:
    """The interactions that have verdicts."""
    return done.gaps[done.gaps["primary"]]


def findings(done: Stressed) -> list[str]:
    """One sentence per perturbation with its strongest verdict over doses."""
    sentences = []
    gaps = primary_gaps(done)
    names = [str(name) for name in dict.fromkeys(done.rates["perturbation"]) if name != NONE]
    for name in names:
        rows = gaps[gaps["perturbation"] == name].to_dict("records")
        sentences.append(finding(name, rows, done) + doubling(done, name))
    return sentences


def finding(name: str, rows: Sequence[dict[Any, Any]], done: Stressed) -> str:
    """The strongest verdict of one perturbation."""
    title, metric = PERTURBATIONS[name].title.capitalize(), title_of(done.primary).lower()
    if not rows:
        return f"{title}: no two groups are large enough to be compared."
    for verdict in (BEYOND, GAP):
        found = [row for row in rows if row["verdict"] == verdict]
        if found:
            row = max(found, key=lambda one: one["difference"])
            more = "rises more" if row["change_a"] > 0 else "falls less"
            beyond = f", larger than the margin of {100 * row['margin']:g} points" if verdict == BEYOND else ""
            return (
                f"{title}: {metric} {more} for {clean(row['group_a'])} than for {clean(row['group_b'])} at {dose_text(row)}: "
                f"{in_points(row['change_a'])} against {in_points(row['change_b'])} points, difference "
                f"{in_points(row['difference'])} {points_interval(row['decided_low'], row['decided_high'])} at "
                f"{percent(row['decided_level'], 2)}{beyond}. {len(found)} of {len(rows)} comparisons of this "
                "perturbation have this verdict."
            )
    if all(row["verdict"] == WITHIN for row in rows):
        return f"{title}: {metric} changes equally in all groups, within {100 * done.record['margin']:g} points, at every dose."
    return f"{title}: not enough data to decide whether {metric} rises more for one group than for another."


def dose_text(row: dict[Any, Any]) -> str:
    """A dose with its unit."""
    return f"{row['dose']:g} {PERTURBATIONS[str(row['perturbation'])].unit}"


def points_interval(low: float, high: float) -> str:
    """An interval in percentage points."""
    return f"[{in_points(low)}, {in_points(high)}]"


def doubling(done: Stressed, name: str) -> str:
    """The first listed dose at which a group's estimated error is at least twice that of the unperturbed images."""
    family = str(done.record["by"][0]) if done.record["by"] else ""
    rows = done.rates[
        (done.rates["metric"] == done.primary) & (done.rates["family"] == family) & (done.rates["perturbation"] == name)
    ]
    rows = rows[rows["ranked"] & (rows["errors_before"] > 0)]
    twice = rows[rows["value"] >= 2 * rows["value_before"]]
    if not len(twice):
        return ""
    first = twice.iloc[0]
    return (
        f" The first dose listed at which a group has twice its unperturbed error is {dose_text(first.to_dict())} "
        f"({clean(first['group'])}: {percent(first['value'])} against {percent(first['value_before'])})."
    )


def rate_table(rates: pd.DataFrame, title: str) -> TextTable:
    """Rates and paired changes."""
    rows = tuple(
        (
            title_of_dose(row),
            clean(row["group"]) if row["family"] else "everybody",
            f"{percent(row['value'])} {interval(row['low'], row['high'])}",
            f"{row['errors']}/{row['trials']:,}",
            change_text(row),
            f"{row['subjects']:,}",
        )
        for row in rates.to_dict("records")
    )
    columns = ("perturbation", "group", "rate", "errors / trials", "change, points", "subjects")
    return TextTable(title, columns, rows, essential=(*columns[:3], columns[4]))


def change_text(row: dict[Any, Any]) -> str:
    """A paired change in percentage points; empty for the unperturbed images."""
    if math.isnan(row["change_low"]):
        return ""
    return f"{in_points(row['change'])} {points_interval(row['change_low'], row['change_high'])}"


def in_points(value: float) -> str:
    """A difference of proportions in percentage points with its sign; the heading has the unit."""
    return f"{100 * value:+.1f}" if math.isfinite(value) else "–"


def gap_table(gaps: pd.DataFrame, title: str) -> TextTable:
    """Interactions."""
    rows = tuple(
        (
            title_of_dose(row),
            f"{clean(row['group_a'])} against {clean(row['group_b'])}",
            f"{in_points(row['change_a'])} against {in_points(row['change_b'])}",
            f"{in_points(row['difference'])} {points_interval(row['difference_low'], row['difference_high'])}",
            p_value(row["p_adjusted"]) if not math.isnan(row["p_adjusted"]) else "",
            SAID.get(row["verdict"], row["verdict"]),
        )
        for row in gaps.to_dict("records")
    )
    columns = ("perturbation", "groups", "changes, points", "difference, points", "p (Holm)", "verdict")
    return TextTable(title, columns, rows, essential=(columns[0], columns[1], columns[3], columns[5]))


def score_tables(scores: pd.DataFrame) -> list[TextTable]:
    """Similarity of mated images by dose and group, a table per grouping."""
    columns = ("perturbation", "group", "median", "median, unperturbed", "shift", "comparisons", "lost", "subjects")
    found = []
    for family, own in scores.groupby("family", sort=False):
        rows = tuple(
            (
                title_of_dose(row),
                clean(row["group"]) if family else "everybody",
                number(row["median"], 3),
                number(row["median_before"], 3),
                f"{number(row['shift'], 3)} [{number(row['shift_low'], 3)}, {number(row['shift_high'], 3)}]",
                f"{row['comparisons']:,}",
                f"{row['lost']:,}",
                f"{row['subjects']:,}",
            )
            for row in own.to_dict("records")
        )
        by = f", by {clean(str(family))}" if family else ", everybody"
        found.append(TextTable(f"similarity of mated images{by}", columns, rows, essential=(*columns[:2], columns[4])))
    return found


def at_threshold(done: Stressed) -> str:
    """The origin of the threshold; empty without one."""
    if done.record["threshold"] is None:
        return ""
    return (
        f"Threshold {number(float(done.record['threshold']), 4)}, of the unperturbed images, for every dose: "
        f"{done.record['threshold_source']}. The reference image is unperturbed, the probe is perturbed, and each genuine "
        "pair is used in both directions."
    )


def short_tables(done: Stressed) -> list[TextTable]:
    """The primary metric by the first grouping."""
    family = str(done.record["by"][0]) if done.record["by"] else ""
    rates = done.rates[(done.rates["metric"] == done.primary) & (done.rates["family"] == family)]
    return [
        rate_table(rates, f"{title_of(done.primary)}, by {clean(family) or 'nothing'}"),
        *(
            [gap_table(primary_gaps(done), "do errors increase more in one group than in another?")]
            if len(primary_gaps(done))
            else []
        ),
    ]
