"""Models side by side as tables of text and sentences; the terminal and compare.html print the same ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from facegap.compare.differences import ALIKE, FEWER, GREW, MORE, SHRANK, TURNED, Compared
from facegap.derive.metrics import by_order, metric_of
from facegap.report.rate_tables import count_text
from facegap.report.rows.frames import records
from facegap.report.rows.rates import rate_of
from facegap.report.tables import TextTable
from facegap.report.text import (
    NO_NUMBER,
    clean,
    interval,
    milliseconds,
    number,
    p_equals,
    p_value,
    percent,
    ratio,
    score,
    signed_points,
)

MOST_CHANGES = 12  # of a family; gap_changes.csv holds all


def headline_metrics(sides: pd.DataFrame) -> list[str]:
    """What the runs are about: errors of a classifier, of comparisons; where they have neither, their first metric."""
    present = list(dict.fromkeys(sides["metric"]))
    return [metric.name for metric in by_order() if metric.is_headline and metric.name in present] or present[:1]


def family_title(family: str) -> str:
    """The groups of a family as a heading."""
    return clean(family.replace("*", " x ")) if family else "everybody"


def title_of(rows: pd.DataFrame) -> str:
    """Metric and groups of the rows of one family."""
    first = rows.iloc[0]
    return f"{metric_of(first['metric']).title}, {family_title(str(first['family']))}"


def side_tables(found: Compared, metrics: Sequence[str]) -> list[TextTable]:
    """Per metric and grouping: a row per group, a column per run."""
    chosen = found.sides[found.sides["metric"].isin(metrics)]
    return [
        side_table(rows)
        for _, of_metric in chosen.groupby("metric", sort=False)
        for _, rows in of_metric.groupby("family", sort=False)
    ]


def side_table(rows: pd.DataFrame) -> TextTable:
    """One metric and grouping."""
    columns = list(dict.fromkeys(zip(rows["run"], rows["threshold"].map(str), strict=True)))
    cells: dict[str, dict[tuple[str, str], str]] = {}
    small = set()
    for row in records(rows):
        cells.setdefault(row["group"], {})[row["run"], str(row["threshold"])] = count_text(rate_of(row))
        if not row["ranked"]:
            small.add(row["group"])
    lines = tuple((clean(group), *(of.get(column, "") for column in columns)) for group, of in cells.items())
    heads = tuple(clean(run) + at(float(threshold)) for run, threshold in columns)
    dimmed = frozenset(k for k, group in enumerate(cells) if group in small)
    notes = ("Groups with too few people, or without a label, are shown and never tested.",) if dimmed else ()
    return TextTable(title_of(rows), ("group", *heads), lines, dimmed, notes)


def at(threshold: float) -> str:
    """The threshold behind a name; nothing where there is none."""
    return "" if math.isnan(threshold) else f", from {score(threshold)}"


def paired_tables(found: Compared, metrics: Sequence[str]) -> list[TextTable]:
    """Per metric, threshold and grouping: each other run against the first, group by group."""
    chosen = found.paired[found.paired["metric"].isin(metrics)]
    keys = ["metric", "family", "threshold_a"]
    return [paired_table(rows) for _, rows in chosen.groupby(keys, sort=False, dropna=False)]


def paired_table(rows: pd.DataFrame) -> TextTable:
    """One family."""
    first = records(rows)[0]
    lines = tuple(paired_line(row) for row in records(rows))
    dimmed = frozenset(k for k, row in enumerate(records(rows)) if not row["ranked"])
    columns = (
        "group",
        "model",
        "errors",
        f"errors of {clean(first['run_a'])}",
        "one alone errs",
        "difference",
        "p (Holm)",
        "verdict",
    )
    return TextTable(f"{title_of(rows)}: against {clean(first['run_a'])}", columns, lines, dimmed, method_notes(rows))


def paired_line(row: Mapping[str, Any]) -> tuple[str, ...]:
    """One group in one other run."""
    alone = NO_NUMBER if row["only_a"] < 0 else f"{row['only_b']} against {row['only_a']}"
    return (
        clean(row["group"]),
        clean(row["run_b"]),
        f"{row['errors_b']}/{row['trials_b']}",
        f"{row['errors_a']}/{row['trials_a']}",
        alone,
        change_text(row["difference"], row["difference_low"], row["difference_high"]),
        NO_NUMBER if math.isnan(row["p_adjusted"]) else p_value(row["p_adjusted"]),
        str(row["verdict"]),
    )


def method_notes(rows: pd.DataFrame) -> tuple[str, ...]:
    """How the rows were tested, and at which thresholds."""
    said = [f"Test: {method}." for method in dict.fromkeys(rows["method"]) if method != "none"]
    if not math.isnan(float(rows["threshold_a"].iloc[0])):
        told = {row["run_b"]: row["threshold_b"] for row in records(rows)}
        told = {rows["run_a"].iloc[0]: float(rows["threshold_a"].iloc[0]), **told}
        points = "; ".join(f"{clean(run)} from {score(threshold)}" for run, threshold in told.items())
        said.append(f"Each model at its own threshold: {points}.")
    return tuple(said)


def change_text(value: float, low: float, high: float) -> str:
    """A difference between two runs in percentage points with its sign and interval."""
    return f"{signed_points(value)} {interval(low, high)}"


def change_tables(found: Compared, metrics: Sequence[str]) -> list[TextTable]:
    """Per metric, threshold and grouping: how the gaps between groups changed; the clearest first."""
    if not len(found.changes):
        return []
    chosen = found.changes[found.changes["metric"].isin(metrics)]
    keys = ["metric", "family", "threshold_a"]
    return [change_table(rows) for _, rows in chosen.groupby(keys, sort=False, dropna=False)]


def change_table(rows: pd.DataFrame) -> TextTable:
    """One family."""
    shown = rows.sort_values("p", kind="stable").head(MOST_CHANGES)
    is_ratio = metric_of(rows["metric"].iloc[0]).is_ratio
    lines = tuple(change_line(row, is_ratio) for row in records(shown))
    first = clean(rows["run_a"].iloc[0])
    what = "ratio of the gaps" if is_ratio else "change"
    columns = ("gap", "model", f"gap of {first}", "gap of the model", what, "p (Holm)", "verdict")
    notes = [
        "Both gaps are drawn again together over the same people; two intervals are never held against each other."
    ]
    if len(shown) < len(rows):
        counts = "; ".join(f"{count} {verdict}" for verdict, count in rows["verdict"].value_counts().items())
        notes.append(f"The {len(shown)} clearest of {len(rows)} ({counts}); all are in gap_changes.csv.")
    return TextTable(f"{title_of(rows)}: gaps that grew or shrank", columns, lines, notes=tuple(notes))


def change_line(row: Mapping[str, Any], is_ratio: bool) -> tuple[str, ...]:
    """One pair of groups in one other run."""
    if is_ratio:
        first, other = (f"ratio {number(row[key])}" for key in ("ratio_first", "ratio_other"))
        change = ratio(row["ratio_change"], row["ratio_change_low"], row["ratio_change_high"])
    else:
        first, other = (signed_points(row[key]) for key in ("gap_first", "gap_other"))
        change = change_text(row["change"], row["change_low"], row["change_high"])
    return (
        f"{clean(row['group_a'])} {'over' if is_ratio else 'less'} {clean(row['group_b'])}",
        clean(row["run_b"]),
        first,
        other,
        change,
        NO_NUMBER if math.isnan(row["p_adjusted"]) else p_value(row["p_adjusted"]),
        str(row["verdict"]),
    )


def speed_text_table(speed: pd.DataFrame, metrics: Sequence[str]) -> TextTable:
    """Milliseconds per face beside the worst group."""
    rows = tuple(speed_line(row) for row in records(speed[speed["metric"].isin(metrics)]))
    columns = ("model", "ms per face", "95 of 100", "with finding the face", "error", "groups", "worst group", "rate")
    notes = [
        "ms per face: median of the judged model alone, as measured while the run was made. The highest of several rates "
        "is high partly by chance; its interval takes no account of that."
    ]
    machines = {(row["device"], row["threads"], row["workers"], row["batch"]) for row in records(speed)}
    if len(machines) > 1:
        notes.append(
            "The runs were not timed alike: device, threads, workers or batch differ, so times do not compare."
        )
    return TextTable("worst-group error against ms per face", columns, rows, notes=tuple(notes))


def speed_line(row: Mapping[str, Any]) -> tuple[str, ...]:
    """One run and family."""
    timed = not math.isnan(row["ms_per_face"])
    return (
        clean(row["run"]),
        milliseconds(row["ms_per_face"]) if timed else "not timed",
        milliseconds(row["ms_per_face_p95"]) if timed else "not timed",
        NO_NUMBER if math.isnan(row["ms_whole_way"]) else milliseconds(row["ms_whole_way"]),
        metric_of(row["metric"]).title,
        family_title(str(row["family"])),
        clean(row["worst_group"]),
        f"{percent(row['value'])} {interval(row['low'], row['high'])} {row['errors']}/{row['trials']}",
    )


# ---- sentences ----


def findings(found: Compared) -> list[str]:
    """Per other run and headline metric: how it does on everybody, and how many gaps grew or shrank."""
    said = []
    for metric in headline_metrics(found.sides):
        rows = found.paired[(found.paired["metric"] == metric) & (found.paired["family"] == "")]
        said += [finding(found, row, metric) for row in records(rows)]
    return said


def finding(found: Compared, row: Mapping[str, Any], metric: str) -> str:
    """One other run."""
    title, other, first = metric_of(metric).title, clean(row["run_b"]), clean(row["run_a"])
    verb = "is not told apart from" if row["verdict"] == ALIKE else f"has {row['verdict']} than"
    size = change_text(row["difference"], row["difference_low"], row["difference_high"])
    sides = f"{title}: {rate(row, 'b')} against {rate(row, 'a')}, {size}, over the same {row['subjects']:,} people"
    return f"{other} {verb} {first}; {sides}. {changes_said(found, row, metric)}"


def rate(row: Mapping[str, Any], side: str) -> str:
    """Errors, trials and rate of one side."""
    errors, trials = row[f"errors_{side}"], row[f"trials_{side}"]
    return f"{percent(errors / trials if trials else math.nan)} ({errors:,}/{trials:,})"


def changes_said(found: Compared, row: Mapping[str, Any], metric: str) -> str:
    """How many gaps grew and shrank from the first run to this one, and the clearest."""
    if not len(found.changes):
        return "No gap between groups could be compared."
    rows = found.changes[(found.changes["metric"] == metric) & (found.changes["run_b"] == row["run_b"])]
    rows = rows[rows["threshold_a"].isna() | (rows["threshold_a"] == row["threshold_a"])]
    told, gaps = rows[rows["verdict"] != ALIKE], f"{len(rows)} gap{'s' if len(rows) != 1 else ''}"
    if not len(told):
        return f"Of {gaps} between groups none is known to have grown or shrunk."
    counts = ", ".join(f"{count} {verdict}" for verdict, count in told["verdict"].value_counts().items())
    clearest = records(told.sort_values("p", kind="stable"))[0]
    line = change_line(clearest, metric_of(metric).is_ratio)
    change = f"{line[2]} became {line[3]} ({line[4]}, p {p_equals(clearest['p_adjusted'])})"
    return f"Of {gaps} between groups {counts}; most clearly {line[0]}: {change}."


SIGNS: Mapping[str, str] = {MORE: "▲", FEWER: "▼", GREW: "▲", SHRANK: "▼", TURNED: "▼"}
