"""Flips and score drift as text tables and sentences, used by the terminal and by compare.html."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from facegap.compare.flip_rows import ApartRow, DriftRow, FlipRow, FlipRows
from facegap.compare.rows import together_by
from facegap.compare.text import change_text, paired_table
from facegap.report.rows.gaps import Estimate
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import NO_NUMBER, clean, p_value, ratio, rough_percent, score
from facegap.statistics.verdicts import EXPLORATORY, GAPS_FOUND

KINDS = {"genuine": "mated comparisons", "impostor": "non-mated comparisons"}
OF_PAIRS = ("newly accepted", "newly rejected")
OF_ANSWERS = ("newly right", "newly wrong")
MOST_ROWS = 12  # on a page; all rows are in flip_gaps.csv and drift_gaps.csv


def kind_title(kind: str) -> str:
    """What flips, in the plural."""
    return KINDS.get(kind, f"{kind} predictions")


def directions(kind: str) -> tuple[str, str]:
    """The names of the two directions of a flip."""
    return OF_PAIRS if kind in KINDS else OF_ANSWERS


def place(row: FlipRow | ApartRow) -> str:
    """What flips, and at which threshold."""
    at = "" if math.isnan(row.threshold) else f" at {score(row.threshold)}"
    return f"{kind_title(row.kind)} that flip{at}"


def flip_tables(rows: FlipRows) -> list[TextTable]:
    """One table per other run, kind and threshold, with one row per group."""
    return [flip_table(part) for part in together_by(rows.groups, lambda row: (row.run, row.kind, str(row.threshold)))]


def flip_table(rows: Sequence[FlipRow]) -> TextTable:
    """The table of one kind and one other run."""
    gained, lost = directions(rows[0].kind)
    columns = (
        Column[FlipRow]("group", lambda row: clean(row.group)),
        Column[FlipRow]("flips", lambda row: f"{row.flips:,}/{row.trials:,}"),
        Column[FlipRow]("proportion", lambda row: f"{rough_percent(row.share.value)} {small_interval(row.share)}"),
        Column[FlipRow](gained, lambda row: f"{row.gained:,}"),
        Column[FlipRow](lost, lambda row: f"{row.lost:,}"),
        Column[FlipRow]("lost by the first run", lambda row: f"{row.lost_by_first:,}"),
        Column[FlipRow]("lost by the other", lambda row: f"{row.lost_by_other:,}"),
    )
    title = f"{place(rows[0])}: {clean(rows[0].run)}"
    return table_of(title, columns, rows, is_dimmed=lambda row: not row.ranked)


def small_interval(share: Estimate) -> str:
    """The interval of a proportion that may be very small."""
    return f"[{rough_percent(share.low)}, {rough_percent(share.high)}]"


def gap_table(rows: FlipRows) -> TextTable:
    """The gaps between groups in flips: those with a verdict first, then by p."""
    columns = (
        Column[ApartRow]("model", lambda row: clean(row.run)),
        Column[ApartRow]("what", place),
        Column[ApartRow]("groups", lambda row: f"{clean(row.group_a)} against {clean(row.group_b)}"),
        Column[ApartRow]("proportions", lambda row: f"{rough_percent(row.value_a)}, {rough_percent(row.value_b)}"),
        Column[ApartRow]("difference or ratio", apart_text),
        Column[ApartRow]("p (Holm)", p_text),
        Column[ApartRow]("verdict", lambda row: row.verdict),
    )
    return clearest("gaps between groups in flips", columns, rows.gaps, "flip_gaps.csv")


def apart_text(row: ApartRow) -> str:
    """The tested gap."""
    change = row.change
    return ratio(change.value, change.low, change.high) if row.is_ratio else change_text(change)


def p_text(row: ApartRow) -> str:
    """The adjusted p."""
    return NO_NUMBER if math.isnan(row.p_holm) else p_value(row.p_holm)


def clearest(title: str, columns: Sequence[Column[ApartRow]], rows: Sequence[ApartRow], file: str) -> TextTable:
    """The rows with a verdict first, then by p."""
    ordered = sorted(rows, key=lambda row: (row.verdict == EXPLORATORY, math.isnan(row.p_holm), row.p_holm))
    notes = [f"The first {MOST_ROWS} of {len(rows)}; all are in {file}."] if len(rows) > MOST_ROWS else []
    return table_of(title, columns, ordered[:MOST_ROWS], notes=notes)


def drift_tables(rows: FlipRows) -> list[TextTable]:
    """One table per other run and kind, with one row per group."""
    return [drift_table(part) for part in together_by(rows.drift, lambda row: (row.run, row.kind))]


def drift_table(rows: Sequence[DriftRow]) -> TextTable:
    """The table of one kind and one other run."""
    columns = (
        Column[DriftRow]("group", lambda row: clean(row.group)),
        Column[DriftRow]("pairs", lambda row: f"{row.pairs:,}"),
        Column[DriftRow](
            "mean", lambda row: f"{drift(row.mean.value)} [{drift(row.mean.low)}, {drift(row.mean.high)}]"
        ),
        *(quantile_column(k, name) for k, name in enumerate(("5%", "25%", "50%", "75%", "95%"))),
    )
    title = f"score drift of {kind_title(rows[0].kind)}: {clean(rows[0].run)}"
    return table_of(title, columns, rows, is_dimmed=lambda row: not row.ranked)


def quantile_column(k: int, name: str) -> Column[DriftRow]:
    """The column of one quantile."""
    return Column[DriftRow](name, lambda row: drift(row.quantiles[k]))


def drift(value: float) -> str:
    """A difference of scores with its sign."""
    return NO_NUMBER if math.isnan(value) else f"{value:+.2g}"


def drift_gap_table(rows: FlipRows) -> TextTable:
    """Differences in mean drift between groups."""
    columns = (
        Column[ApartRow]("model", lambda row: clean(row.run)),
        Column[ApartRow]("what", lambda row: kind_title(row.kind)),
        Column[ApartRow]("groups", lambda row: f"{clean(row.group_a)} minus {clean(row.group_b)}"),
        Column[ApartRow]("mean drift", lambda row: f"{drift(row.value_a)}, {drift(row.value_b)}"),
        Column[ApartRow](
            "difference",
            lambda row: f"{drift(row.change.value)} [{drift(row.change.low)}, {drift(row.change.high)}]",
        ),
        Column[ApartRow]("p (Bonferroni)", p_text),
        Column[ApartRow]("verdict", lambda row: row.verdict),
    )
    return clearest("gaps between groups in score drift", columns, rows.drift_gaps, "drift_gaps.csv")


def fixed_tables(rows: FlipRows) -> list[TextTable]:
    """FMR and FNMR of every run at the threshold of the first."""
    found = together_by(rows.fixed, lambda row: (row.metric, str(row.first.threshold), row.family))
    return [replace(table, title=f"{table.title}, at its threshold") for table in map(paired_table, found)]


def all_tables(rows: FlipRows) -> list[TextTable]:
    """Every table that has rows."""
    parts: list[Callable[[FlipRows], list[TextTable]]] = [
        lambda found: [gap_table(found)],
        flip_tables,
        fixed_tables,
        lambda found: [drift_gap_table(found)],
        drift_tables,
    ]
    return [table for part in parts for table in part(rows) if table.rows]


def sentences(rows: FlipRows) -> list[str]:
    """Per other run: the number of flipped decisions, and the verdicts on gaps between groups."""
    found = [row for row in rows.groups if row.family == ""]
    first_point = {row.run: row.threshold for row in reversed(found) if not math.isnan(row.threshold)}
    lines = []
    for run in dict.fromkeys(row.run for row in found):
        chosen = [
            row for row in found if row.run == run and (math.isnan(row.threshold) or row.threshold == first_point[run])
        ]
        parts = [
            f"{row.flips:,} of {row.trials:,} {kind_title(row.kind)} ({rough_percent(row.share.value)}; {row.gained:,} {gained}, "
            f"{row.lost:,} {lost})"
            for row in chosen
            for gained, lost in [directions(row.kind)]
        ]
        lines.append(f"Flips from the first run to {clean(run)}: {'; '.join(parts)}. {verdicts_text(rows, run)}")
    return lines


def verdicts_text(rows: FlipRows, run: str) -> str:
    """The verdicts on the gaps between groups in flips, and the clearest significant gap."""
    tested = [row for row in rows.gaps if row.run == run and row.verdict != EXPLORATORY]
    if not tested:
        return "No gap between groups was tested."
    counts = ", ".join(f"{count} {verdict}" for verdict, count in Counter(row.verdict for row in tested).most_common())
    said = f"Gaps between groups in flips: {counts}."
    gaps = sorted((row for row in tested if row.verdict in GAPS_FOUND), key=lambda row: row.p_holm)
    if not gaps:
        return said
    one = gaps[0]
    high, low = (one.group_a, one.group_b) if one.value_a >= one.value_b else (one.group_b, one.group_a)
    values = sorted((one.value_a, one.value_b), reverse=True)
    return (
        f"{said} The clearest: {kind_title(one.kind)}: {clean(high)} {rough_percent(values[0])}, {clean(low)} "
        f"{rough_percent(values[1])}."
    )
