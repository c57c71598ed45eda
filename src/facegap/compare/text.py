"""Comparisons as text tables and sentences, used by the terminal and by compare.html."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facegap.compare.differences import ALIKE, FEW, FEWER, GREW, MORE, SHRANK, TURNED
from facegap.compare.rows import (
    ChangeRow,
    ComparisonRows,
    Counted,
    PairedRow,
    SideRow,
    SpeedRow,
    family_of,
    together_by,
)
from facegap.derive.metrics import in_order, metric_of
from facegap.report.rate_tables import count_text
from facegap.report.rows.gaps import Estimate
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
from facegap.statistics.verdicts import EXPLORATORY

MOST_SHORT = 12  # rows of the table for one screen
MOST_CHANGES = 12  # rows of a family; all are in gap_changes.csv


def headline_metrics(rows: ComparisonRows) -> list[str]:
    """The headline metrics: errors of a classifier and of comparisons; if there are none, the first metric."""
    present = rows.metrics
    return [metric.name for metric in in_order(present) if metric.is_headline] or present[:1]


def family_title(family: str) -> str:
    """The groups of a family as a heading."""
    return clean(family.replace("*", " x ")) if family else "everybody"


def title_of(row: SideRow | PairedRow | ChangeRow) -> str:
    """Metric and groups of a family."""
    return f"{metric_of(row.metric).title}, {family_title(row.family)}"


def verdict_counts(rows: Sequence[ChangeRow]) -> list[tuple[str, int]]:
    """The number of rows with each verdict, most frequent first."""
    return Counter(row.verdict for row in rows).most_common()


def clearest_first(rows: Sequence[ChangeRow]) -> list[ChangeRow]:
    """Rows by increasing p; those without p last."""
    return sorted(rows, key=lambda row: (math.isnan(row.p), row.p))


def side_tables(rows: ComparisonRows, metrics: Sequence[str]) -> list[TextTable]:
    """One table per metric and grouping: a row per group, a column per run."""
    chosen = [row for row in rows.sides if row.metric in metrics]
    return [
        side_table(of_family)
        for of_metric in together_by(chosen, lambda row: row.metric)
        for of_family in together_by(of_metric, lambda row: row.family)
    ]


def side_table(rows: Sequence[SideRow]) -> TextTable:
    """The table of one metric and grouping."""
    columns = list(dict.fromkeys(map(column_of, rows)))
    cells: dict[str, dict[str, str]] = {}
    for row in rows:
        cells.setdefault(row.group, {})[column_of(row)] = count_text(row.rate)
    small = {row.group for row in rows if not row.ranked}
    lines = tuple((clean(group), *(of.get(column, "") for column in columns)) for group, of in cells.items())
    dimmed = frozenset(k for k, group in enumerate(cells) if group in small)
    notes = ("Groups with too few people, or without a label, are shown but not tested.",) if dimmed else ()
    return TextTable(title_of(rows[0]), ("group", *columns), lines, dimmed, notes)


def column_of(row: SideRow) -> str:
    """The heading of a run's column at one threshold."""
    return clean(row.run) + ("" if math.isnan(row.threshold) else f", from {score(row.threshold)}")


def paired_tables(rows: ComparisonRows, metrics: Sequence[str]) -> list[TextTable]:
    """One table per metric, threshold and grouping: each other run compared with the first, by group."""
    chosen = [row for row in rows.paired if row.metric in metrics]
    return [paired_table(of_family) for of_family in together_by(chosen, family_of)]


def paired_table(rows: Sequence[PairedRow]) -> TextTable:
    """The table of one family."""
    first = clean(rows[0].first.run)
    dimmed = frozenset(k for k, row in enumerate(rows) if not row.ranked)
    columns = (
        "group",
        "model",
        "errors",
        f"errors of {first}",
        "only one model errs",
        "difference",
        "p (Holm)",
        "verdict",
    )
    lines = tuple(map(paired_line, rows))
    return TextTable(f"{title_of(rows[0])}: compared with {first}", columns, lines, dimmed, method_notes(rows))


def paired_line(row: PairedRow) -> tuple[str, ...]:
    """The line of one group in one other run."""
    return (
        clean(row.group),
        clean(row.other.run),
        f"{row.other.errors}/{row.other.trials}",
        f"{row.first.errors}/{row.first.trials}",
        NO_NUMBER if row.alone is None else f"{row.alone[0]} against {row.alone[1]}",
        change_text(row.difference),
        NO_NUMBER if math.isnan(row.p_holm) else p_value(row.p_holm),
        row.verdict,
    )


def short_table(rows: ComparisonRows) -> TextTable:
    """A table for one screen: the first headline metric for all people and for the groups of its last grouping."""
    metric = headline_metrics(rows)[0]
    chosen = [row for row in rows.paired if row.metric == metric]
    threshold = chosen[0].first.threshold
    chosen = [row for row in chosen if math.isnan(threshold) or row.first.threshold == threshold]
    families = {"": "", **({chosen[-1].family: ""} if chosen else {})}
    found = [row for row in chosen if row.family in families]
    first = clean(found[0].first.run)
    notes = [f"First: {first}. Difference: the other model minus the first."]
    if len(found) > MOST_SHORT:
        notes.append(f"The first {MOST_SHORT} of {len(found)} rows.")
    shown = found[:MOST_SHORT]
    several = len({row.other.run for row in found}) > 1
    columns = ("group", *(("model",) if several else ()), "first", "other", "difference", "verdict")
    lines = tuple(
        (
            clean(row.group),
            *((clean(row.other.run),) if several else ()),
            percent(row.first.value),
            percent(row.other.value),
            change_text(row.difference),
            row.verdict,
        )
        for row in shown
    )
    dimmed = frozenset(k for k, row in enumerate(shown) if not row.ranked)
    return TextTable(f"{title_of(found[-1])}", columns, lines, dimmed, tuple(notes))


def method_notes(rows: Sequence[PairedRow]) -> tuple[str, ...]:
    """How the rows were tested, and at which thresholds."""
    said = [f"Test: {method}." for method in dict.fromkeys(row.method for row in rows) if method != "none"]
    if not math.isnan(rows[0].first.threshold):
        sides = [rows[0].first, *(row.other for row in rows)]
        points = "; ".join(
            f"{clean(run)} from {score(at)}" for run, at in {side.run: side.threshold for side in sides}.items()
        )
        said.append(f"Thresholds: {points}.")
    return tuple(said)


def change_text(change: Estimate) -> str:
    """A difference between two runs in percentage points with its sign and interval."""
    return f"{signed_points(change.value)} {interval(change.low, change.high)}"


def change_tables(rows: ComparisonRows, metrics: Sequence[str]) -> list[TextTable]:
    """One table per metric, threshold and grouping: changes of the gaps between groups, clearest first."""
    chosen = [row for row in rows.changes if row.metric in metrics]
    return [change_table(of_family) for of_family in together_by(chosen, family_of)]


def change_table(rows: Sequence[ChangeRow]) -> TextTable:
    """The table of one family."""
    shown = clearest_first(rows)[:MOST_CHANGES]
    what = "ratio of the gaps" if all(row.is_ratio for row in rows) else "change"
    columns = ("gap", "model", f"gap of {clean(rows[0].first)}", "gap of the model", what, "p (Holm)", "verdict")
    notes = [
        "Both gaps are resampled together over the same people; separate intervals are not compared with each other."
    ]
    if len(shown) < len(rows):
        counts = "; ".join(f"{count} {verdict}" for verdict, count in verdict_counts(rows))
        notes.append(f"The {len(shown)} clearest of {len(rows)} ({counts}); all are in gap_changes.csv.")
    title = f"{title_of(rows[0])}: gaps that grew or shrank"
    return TextTable(title, columns, tuple(map(change_line, shown)), notes=tuple(notes))


def change_line(row: ChangeRow) -> tuple[str, ...]:
    """The line of one pair of groups in one other run."""
    if row.is_ratio:
        first, other = (f"ratio {number(gap)}" for gap in (row.gap_first, row.gap_other))
        change = ratio(row.change.value, row.change.low, row.change.high)
    else:
        first, other = (signed_points(gap) for gap in (row.gap_first, row.gap_other))
        change = change_text(row.change)
    return (
        f"{clean(row.group_a)} {'over' if row.is_ratio else 'minus'} {clean(row.group_b)}",
        clean(row.other),
        first,
        other,
        change,
        NO_NUMBER if math.isnan(row.p_holm) else p_value(row.p_holm),
        row.verdict,
    )


def speed_tables(rows: ComparisonRows, metrics: Sequence[str]) -> list[TextTable]:
    """Milliseconds per face and the error of the worst group; no table if no group is ranked."""
    if not rows.speed:
        return []
    lines = tuple(speed_line(row) for row in rows.speed if row.metric in metrics)
    columns = (
        "model",
        "ms per face",
        "p95",
        "with detection",
        "size",
        "precision",
        "error",
        "groups",
        "worst group",
        "rate",
    )
    notes = [
        "ms per face: median of the evaluated model alone, as measured in its run. The highest of several rates is high partly by "
        "chance; its interval does not account for this."
    ]
    if len({row.machine for row in rows.speed}) > 1:
        notes.append("The runs differ in device, threads, workers or batch, so their times are not comparable.")
    return [TextTable("worst-group error and ms per face", columns, lines, notes=tuple(notes))]


def speed_line(row: SpeedRow) -> tuple[str, ...]:
    """The line of one run and family."""
    timed = not math.isnan(row.ms_per_face)
    return (
        clean(row.run),
        milliseconds(row.ms_per_face) if timed else "not timed",
        milliseconds(row.ms_per_face_p95) if timed else "not timed",
        NO_NUMBER if math.isnan(row.ms_whole_way) else milliseconds(row.ms_whole_way),
        f"{row.size_bytes / 1e6:.2f} MB" if row.size_bytes else NO_NUMBER,
        clean(row.precision) or NO_NUMBER,
        metric_of(row.metric).title,
        family_title(row.family),
        clean(row.worst_group),
        f"{percent(row.rate.value)} {interval(row.rate.low, row.rate.high)} {row.rate.errors}/{row.rate.trials}",
    )


# ---- sentences ----


def findings(rows: ComparisonRows) -> list[str]:
    """Per other run and headline metric: the result for all people, and the number of gaps that grew or shrank."""
    return [
        finding(row, rows.changes)
        for metric in headline_metrics(rows)
        for row in rows.paired
        if row.metric == metric and row.family == ""
    ]


@dataclass(frozen=True)
class FindingParts:
    """A finding for the page: a short sentence, its verdict, and the numbers in smaller print."""

    said: str
    verdict: str
    numbers: str


def finding_parts(rows: ComparisonRows) -> list[FindingParts]:
    """The findings of `findings`, in parts."""
    return [
        FindingParts(
            f"{sentence_case(metric_of(metric).title)}: {percent(row.other.value, 1)} by {clean(row.other.run)}, "
            f"{percent(row.first.value, 1)} by {clean(row.first.run)}",
            row.verdict,
            f"{change_text(row.difference)}; {row.other.errors:,}/{row.other.trials:,} against "
            f"{row.first.errors:,}/{row.first.trials:,}, the same {row.subjects:,} people. {changes_summary(row, rows.changes)}",
        )
        for metric in headline_metrics(rows)
        for row in rows.paired
        if row.metric == metric and row.family == ""
    ]


def sentence_case(text: str) -> str:
    """The text with its first letter capitalised."""
    return text[:1].upper() + text[1:]


def finding(row: PairedRow, changes: Sequence[ChangeRow]) -> str:
    """The finding on one other run."""
    title, other, first = metric_of(row.metric).title, clean(row.other.run), clean(row.first.run)
    verb = f"has {row.verdict} than" if row.verdict in (MORE, FEWER) else f"shows {NONE_FOUND[row.verdict]} from"
    rates = f"{rate(row.other)} against {rate(row.first)}, {change_text(row.difference)}"
    sides = f"{title}: {rates}, over the same {row.subjects:,} people"
    return f"{other} {verb} {first}; {sides}. {changes_summary(row, changes)}"


def rate(side: Counted) -> str:
    """Rate, errors and trials of one run."""
    return f"{percent(side.value)} ({side.errors:,}/{side.trials:,})"


def changes_summary(row: PairedRow, changes: Sequence[ChangeRow]) -> str:
    """The number of gaps that grew and shrank between the two runs, and the clearest change."""
    if not changes:
        return "No gap between groups could be compared."
    gaps = [
        change
        for change in changes
        if (change.metric, change.other) == (row.metric, row.other.run)
        and (math.isnan(change.threshold) or change.threshold == row.first.threshold)
    ]
    tested = [gap for gap in gaps if gap.verdict != EXPLORATORY]
    if not tested:
        return (
            f"The {len(gaps)} gaps between groups are exploratory."
            if gaps
            else "No gap between groups could be compared."
        )
    changed, of_gaps = (
        [gap for gap in tested if gap.verdict != ALIKE],
        f"{len(tested)} gap{'s' if len(tested) != 1 else ''}",
    )
    if not changed:
        return f"Of {of_gaps} of the primary family no change is significant."
    counts = ", ".join(f"{count} {verdict}" for verdict, count in verdict_counts(changed))
    clearest = clearest_first(changed)[0]
    line = change_line(clearest)
    change = f"{line[2]} became {line[3]} ({line[4]}, p {p_equals(clearest.p_holm)})"
    return f"Of {of_gaps} of the primary family {counts}; the clearest: {line[0]}: {change}."


NONE_FOUND: Mapping[str, str] = {
    ALIKE: ALIKE,
    FEW: "too few people to show a difference",
    EXPLORATORY: "an exploratory difference",
}
SIGNS: Mapping[str, str] = {MORE: "▲", FEWER: "▼", GREW: "▲", SHRANK: "▼", TURNED: "▼"}
