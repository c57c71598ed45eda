"""Tables of the terminal made narrower for the page: what fits a line of 120 letters does not fit a phone or a sheet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from facegap.report.gender_shades import COUNTED_AS, per_cent, view_rates
from facegap.report.gender_shades import gender_shades_tables as split_tables
from facegap.report.groups import gap_table
from facegap.report.tables import TextTable
from facegap.report.text import NO_NUMBER, clean
from facegap.statistics.published import COLUMNS, PLAIN_NAMES
from facegap.store.run import Run
from facegap.types import Rate


def verdict_table(run: Run) -> TextTable:
    """The widest gap of every family, with what was measured, at which threshold and by which groups in one column."""
    table = gap_table(run)
    rows = tuple(
        (
            f"{metric}{at(threshold)}, by {groups.replace('*', ' x ')}",
            who,
            counted,
            difference.replace(" %", " points", 1),
            ratio,
            p,
            verdict,
            all_pairs,
        )
        for groups, metric, threshold, who, difference, ratio, counted, p, verdict, all_pairs in table.rows
    )
    columns = (
        "what, by which groups",
        "worst against best",
        "errors / trials",
        *table.columns[4:6],
        *table.columns[7:],
    )
    return TextTable("the widest gap of each grouping", columns, rows, notes=table.notes)


def at(threshold: str) -> str:
    """A threshold in the first column; nothing where there is none."""
    return "" if threshold == NO_NUMBER else f" at {threshold}"


def shades_tables(run: Run, width: int) -> list[TextTable]:
    """The Gender Shades view: as printed where its columns fit, else turned, with a row for each of the paper's columns."""
    rates = view_rates(run)
    if not rates:
        return []
    tables = split_tables(run, title="the table of Gender Shades", width=width)
    if len(rates["Error"]) <= len(COLUMNS):
        return tables
    return [turned(rates, tables[-1].notes)]


def turned(rates: Mapping[str, Mapping[str, Rate]], notes: tuple[str, ...]) -> TextTable:
    """One row per group, one column per row of the paper: value, interval and counts."""
    labels = [label for label in rates if label in PLAIN_NAMES]
    rows = tuple((clean(head), *(cell(rates[label][head]) for label in labels)) for head in rates["Error"])
    columns = ("per cent", *(f"{label}: {PLAIN_NAMES[label]}" for label in labels))
    counted = "; ".join(f"{label}: {COUNTED_AS[label].format(people='people')}" for label in labels)
    return TextTable("the table of Gender Shades, turned", columns, rows, notes=(f"Counts are {counted}.", *notes))


def in_parts(table: TextTable, most: int) -> list[TextTable]:
    """A wide table as several of at most `most` columns behind the first; the notes stand below the last."""
    parts = [range(start, min(start + most, len(table.columns))) for start in range(1, len(table.columns), most)]
    if len(parts) <= 1:
        return [table]
    return [
        replace(
            table,
            title=f"{table.title}, part {k} of {len(parts)}",
            columns=(table.columns[0], *(table.columns[c] for c in part)),
            rows=tuple((row[0], *(row[c] for c in part)) for row in table.rows),
            notes=table.notes if k == len(parts) else (),
        )
        for k, part in enumerate(parts, start=1)
    ]


def cell(rate: Rate) -> str:
    """Value, interval and counts of one cell; a dash where nobody is in it."""
    if not rate.trials:
        return NO_NUMBER
    return f"{per_cent(rate.value)} [{per_cent(rate.low)}, {per_cent(rate.high)}] {rate.errors}/{rate.trials}"
