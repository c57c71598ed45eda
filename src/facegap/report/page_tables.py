"""The table of Gender Shades for the page: a table of 120 characters does not fit a phone or a sheet of paper."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from facegap.report.gender_shades import COUNTED_AS, gender_shades_tables, per_cent, view_rates
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import NO_NUMBER, clean, errors_of_trials
from facegap.statistics.published import COLUMNS, PLAIN_NAMES
from facegap.store.run import Run
from facegap.types import Rate


def shades_tables(run: Run, width: int) -> list[TextTable]:
    """The Gender Shades table: as in the paper if its columns fit, otherwise transposed, with a row for each column of the paper."""
    rates = view_rates(run)
    if not rates:
        return []
    tables = gender_shades_tables(run, title="the table of Gender Shades", width=width)
    if len(rates["Error"]) <= len(COLUMNS):
        return tables
    return [transposed(rates, tables[-1].notes)]


def transposed(rates: Mapping[str, Mapping[str, Rate]], notes: tuple[str, ...]) -> TextTable:
    """One row per group, one column per row of the paper: value, interval and counts."""
    labels = [label for label in rates if label in PLAIN_NAMES]
    counted = "; ".join(f"{label}: {COUNTED_AS[label].format(people='people')}" for label in labels)
    columns = [
        Column[str]("per cent", clean),
        *(Column[str](f"{label}: {PLAIN_NAMES[label]}", partial(cell, rates=rates[label])) for label in labels),
    ]
    notes = (f"Counts are {counted}.", *notes)
    return table_of("the table of Gender Shades, transposed", columns, list(rates["Error"]), notes=notes)


def cell(head: str, *, rates: Mapping[str, Rate]) -> str:
    """Value, interval and counts of one cell; a dash if it is empty."""
    rate = rates[head]
    if not rate.trials:
        return NO_NUMBER
    ends = f"[{per_cent(rate.low)}, {per_cent(rate.high)}]"
    return f"{per_cent(rate.value)} {ends} {errors_of_trials(rate.errors, rate.trials)}"
