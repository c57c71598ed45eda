"""Errors by the number of frames from which templates are pooled, and false alarms per hour of video, as text tables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any

import pandas as pd

from facegap.derive.groupings import Grouping
from facegap.report.rows.frames import group_of, grouping_of, groupings_of, records
from facegap.report.tables import Column, TextTable, table_of, title_of
from facegap.report.text import clean, errors_of_trials, interval, number, percent, score
from facegap.report.wording import ALL_SUBJECTS
from facegap.store.run import Run

Row = dict[str, Any]
NOTE = (
    "The same templates with their first frames, usable or not. Intervals treat the threshold as fixed. Searches are made in the "
    "gallery as enrolled, with all frames."
)
ALARM_NOTE = (
    "Alarms: searches with a clip of somebody who is not in the gallery that find a candidate at or above the threshold. "
    "Person-hours: the time of these clips from which frames were taken. Each clip is searched once; the interval is that of "
    "FPIR, with the time treated as fixed."
)


def frames_tables(run: Run) -> list[TextTable]:
    """For each grouping, beginning with all subjects, the rates of each group with 1, 2, 4, ... frames; none without frames.csv."""
    table = run.extra.get("frames.csv")
    if table is None or not len(table):
        return []
    groupings = groupings_of(run)
    rows = [{**row, "group": group_of(row, groupings)} for row in records(table)]
    return [frames_table(rows, grouping) for grouping in ((), *groupings)]


def frames_table(rows: Sequence[Row], grouping: Grouping) -> TextTable:
    """The groups of one grouping by number of frames, with the first threshold and rank of each metric."""
    own = [row for row in rows if grouping_of(row["group"]) == grouping]
    kinds = first_kinds(own)
    cells = {(row["frames"], row["group"], kind_of(row)): row for row in own}
    lines = list(dict.fromkeys((row["group"], row["frames"]) for row in own))
    lines.sort(key=lambda line: (str(line[0]), line[1]))
    columns = [
        Column[tuple[Any, int]]("group", lambda line: clean(line[0])),
        Column[tuple[Any, int]]("frames", lambda line: str(line[1])),
        *(Column[tuple[Any, int]](heading(kind), partial(cell, cells=cells, kind=kind)) for kind in kinds),
    ]
    return table_of(
        f"{' x '.join(grouping) or ALL_SUBJECTS}: errors by number of frames", columns, lines, notes=(NOTE,)
    )


def kind_of(row: Row) -> tuple[str, str]:
    """The metric and the source of its threshold, which define a column of the table."""
    return str(row["metric"]), str(row["threshold_from"])


def first_kinds(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """The first threshold and rank of each metric; frames.csv has all."""
    found: dict[str, tuple[str, str]] = {}
    for row in rows:
        if row["metric"] in ("fta", "fnmr") or not math.isnan(row["threshold"]):
            found.setdefault(str(row["metric"]), kind_of(row))
    return list(found.values())


def heading(kind: tuple[str, str]) -> str:
    """The heading of a column."""
    rank = next((part for part in kind[1].split("; ") if part.startswith("rank ")), "")
    return title_of(kind[0]) + (f", {rank}" if rank else "")


def cell(line: tuple[Any, int], *, cells: dict[Any, Row], kind: tuple[str, str]) -> str:
    """Rate, interval and counts of a group with a number of frames."""
    row = cells[line[1], line[0], kind]
    return (
        f"{percent(row['value'])} {interval(row['low'], row['high'])} {errors_of_trials(row['errors'], row['trials'])}"
    )


ALARM_COLUMNS = (
    Column[Row]("group", lambda row: clean(row["group"])),
    Column[Row]("threshold", lambda row: score(row["threshold"])),
    Column[Row]("alarms", lambda row: f"{row['alarms']:,}"),
    Column[Row]("searches", lambda row: f"{row['searches']:,}"),
    Column[Row]("people", lambda row: f"{row['subjects']:,}"),
    Column[Row]("person-hours", lambda row: f"{row['person_hours']:.3g}"),
    Column[Row]("alarms per person-hour", lambda row: f"{number(row['value'])} {ends(row)}"),
)


def ends(row: Row) -> str:
    """The interval of a number of alarms."""
    return "" if math.isnan(row["low"]) else f"[{number(row['low'])}, {number(row['high'])}]"


def alarms_table(table: pd.DataFrame | None, groupings: Sequence[Grouping]) -> list[TextTable]:
    """False alarms per person-hour of each group; none without alarms.csv."""
    if table is None or not len(table):
        return []
    rows = [{**row, "group": group_of(row, groupings)} for row in records(table)]
    return [table_of("alarms per person-hour", ALARM_COLUMNS, rows, notes=(ALARM_NOTE,))]
