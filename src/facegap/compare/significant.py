"""Significant results of a comparison, for the page: groups in which one model errs more, and gaps that changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

from facegap.compare.differences import ALIKE, FEWER, MORE
from facegap.compare.rows import ChangeRow, ComparisonRows, PairedRow
from facegap.compare.text import change_line, change_text
from facegap.derive.metrics import metric_of
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import clean
from facegap.statistics.verdicts import EXPLORATORY

Row = TypeVar("Row")
MOST_SHOWN = 12  # rows; the others are in the tables of all groups and gaps


@dataclass(frozen=True)
class Clear:
    """Significant results: a sentence with their number, and a table of their rows, None if there are none."""

    counted: str
    table: TextTable


def clear_groups(rows: ComparisonRows, metrics: Sequence[str]) -> Clear:
    """The groups in which another model has significantly more or fewer errors than the first, clearest first."""
    tested = [row for row in rows.paired if row.metric in metrics and row.family and not math.isnan(row.p_holm)]
    tested = [row for row in tested if row.verdict != EXPLORATORY]
    found = sorted((row for row in tested if row.verdict in (MORE, FEWER)), key=lambda row: row.p_holm)
    columns = (
        Column[PairedRow]("group", lambda row: clean(row.group)),
        *runs_apart(rows, Column[PairedRow]("model", lambda row: clean(row.other.run))),
        Column[PairedRow]("error", lambda row: metric_of(row.metric).title),
        Column[PairedRow]("difference", lambda row: change_text(row.difference)),
        Column[PairedRow]("verdict", lambda row: row.verdict),
    )
    title = "groups with a significant difference"
    return Clear(counted("difference", len(tested), len(found)), table_of(title, columns, found[:MOST_SHOWN]))


def clear_changes(rows: ComparisonRows, metrics: Sequence[str]) -> Clear:
    """The gaps that grew or shrank significantly, clearest first."""
    tested = [row for row in rows.changes if row.metric in metrics and row.verdict != EXPLORATORY]
    found = sorted((row for row in tested if row.verdict != ALIKE), key=lambda row: row.p_holm)
    columns = (
        Column[ChangeRow]("gap", lambda row: change_line(row)[0]),
        *runs_apart(rows, Column[ChangeRow]("model", lambda row: clean(row.other))),
        Column[ChangeRow]("error", lambda row: metric_of(row.metric).title),
        Column[ChangeRow]("from, to", lambda row: ", ".join(change_line(row)[2:4])),
        Column[ChangeRow]("change", lambda row: change_line(row)[4]),
        Column[ChangeRow]("verdict", lambda row: row.verdict),
    )
    title = "gaps that changed significantly"
    return Clear(counted("gap", len(tested), len(found), "changed"), table_of(title, columns, found[:MOST_SHOWN]))


def runs_apart(rows: ComparisonRows, column: Column[Row]) -> list[Column[Row]]:
    """The column of the model, if there is more than one besides the first."""
    return [column] if len({row.other.run for row in rows.paired}) > 1 else []


def counted(what: str, tested: int, found: int, verb: str = "") -> str:
    """The number of tested differences or gaps that are significant."""
    if not tested:
        return f"No {what} was tested."
    of_all = f"{tested} {what}{'s' if tested != 1 else ''} that {'were' if tested != 1 else 'was'} tested"
    said = f"{verb} significantly" if verb else f"{'is' if found == 1 else 'are'} significant"
    shown = f"; the {MOST_SHOWN} clearest are shown" if found > MOST_SHOWN else ""
    return f"Of {of_all}, {found or 'none'} {said}{shown}."
