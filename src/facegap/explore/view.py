"""What a visitor asks of the explore page, checked; and the answer as tables of text and as frames for CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

import pandas as pd

from facegap.derive.groupings import Grouping
from facegap.errors import FacegapError
from facegap.explore.failures import KINDS, MOST_MATCHES, SORTS, chosen, failures
from facegap.explore.rates import (
    MOST_GROUPS,
    SILENT,
    Explored,
    answers_at,
    faces_at,
    matrix_at,
    people_moved,
    rates_at,
)
from facegap.report.tables import METRIC_TITLES, TextTable, records
from facegap.report.text import NO_NUMBER, clean, interval, number, percent, score

EVERYBODY = "everybody"
PAGE_ROWS = 25
TABLES = ("rates", "matrix", "people", "answers", "faces", "failures")
KEYS = ("by", "threshold", "exact", "cut", "kind", "group", "sort", "order", "page", "table")
NOT_KNOWN = "not known"


@dataclass(frozen=True)
class Asked:
    """A view: groups of one grouping at a threshold and a cut, and which failures in which order."""

    grouping: Grouping
    threshold: float
    cut: float
    kind: str = ""
    group: str = ""
    sort: str = ""
    descending: bool = True
    page: int = 1

    def address(self, path: str = "/", **changed: str) -> str:
        """The address of this view, or of one that differs in some keys."""
        said = {
            "by": grouping_name(self.grouping),
            "threshold": plain(self.threshold),
            "cut": plain(self.cut),
            "kind": self.kind,
            "group": self.group,
            "sort": self.sort,
            "order": "down" if self.descending else "up",
            "page": str(self.page),
            **changed,
        }
        return f"{path}?{urlencode({key: value for key, value in said.items() if value})}"


def grouping_name(grouping: Grouping) -> str:
    """A grouping as the address says it."""
    return "*".join(grouping) or EVERYBODY


def plain(value: float) -> str:
    """A number in an address, to the last bit; empty for none."""
    return "" if math.isnan(value) else repr(value)


def asked_of(query: Mapping[str, str], view: Explored) -> Asked:
    """The view that an address asks for.

    Raises
    ------
    FacegapError : a key or value that the page does not offer; nothing is silently replaced by something else
    """
    for key in query:
        if key not in KEYS:
            raise FacegapError(f"there is no setting {clean(key)!r} here")
    groupings = {grouping_name(grouping): grouping for grouping in view.groupings}
    first = grouping_name(view.groupings[min(1, len(view.groupings) - 1)])
    grouping = groupings[one_of(query, "by", (*groupings,), first)]
    threshold = (
        a_number(query, "exact", math.nan) if query.get("exact") else a_number(query, "threshold", view.threshold)
    )
    cut = a_number(query, "cut", 0.0)
    if not 0 <= cut <= 1:
        raise FacegapError("the probability cut lies between 0 and 1")
    page = a_number(query, "page", 1.0)
    if not 1 <= page <= 1e9 or page != int(page):
        raise FacegapError("pages are counted from 1")
    groups = tuple(str(group) for group in view.cells(grouping).groups)
    # With other groups chosen the one that was filtered by is gone; the filter goes with it.
    group = query.get("group", "") if query.get("group", "") in groups else ""
    return Asked(
        grouping,
        threshold,
        cut,
        one_of(query, "kind", ("", *KINDS), ""),
        group,
        one_of(query, "sort", ("", *SORTS), ""),
        one_of(query, "order", ("down", "up"), "down") == "down",
        int(page),
    )


def one_of(query: Mapping[str, str], key: str, allowed: tuple[str, ...], default: str) -> str:
    """A value of a closed set."""
    value = query.get(key, default)
    if value not in allowed:
        raise FacegapError(f"{key}: {clean(value)!r} is not offered here")
    return value


def a_number(query: Mapping[str, str], key: str, default: float) -> float:
    """A finite number, or what holds without one."""
    text = query.get(key, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FacegapError(f"{key}: {clean(text)!r} is no number")
    return value


# ---- the answer ----


def frame_of(name: str, view: Explored, asked: Asked, *, include_ids: bool) -> pd.DataFrame:
    """One table of a view, whole, as it is exported; text as it is in the run."""
    makers = {
        "rates": lambda: rates_at(view, asked.grouping, asked.threshold),
        "matrix": lambda: matrix_at(view, asked.grouping, asked.threshold),
        "people": lambda: people_moved(view, asked.grouping, asked.threshold),
        "answers": lambda: answers_at(view, asked.grouping, asked.cut),
        "faces": lambda: faces_at(view, asked.grouping),
        "failures": lambda: chosen(
            failures(view, asked.grouping, asked.threshold, asked.cut, include_ids=include_ids),
            view.cells(asked.grouping),
            kind=asked.kind,
            group=asked.group,
            sort=asked.sort,
            descending=asked.descending,
        ),
    }
    return makers[name]()


def shown_tables(view: Explored) -> tuple[str, ...]:
    """The tables that a run has something for."""
    verifies, answered = view.pairs is not None, bool(view.run.record.get("classes"))
    return tuple(
        name
        for name, has in (
            ("rates", verifies),
            ("people", verifies),
            ("matrix", verifies),
            ("answers", answered),
            ("faces", "detect" in view.run.record["models"]),
        )
        if has
    )


def text_of(name: str, frame: pd.DataFrame, view: Explored, asked: Asked) -> TextTable:
    """A table as text."""
    if name == "people":
        return people_text(frame)
    if name == "matrix":
        return matrix_text(frame, view, asked)
    titles = {
        "rates": "errors of comparisons",
        "answers": "errors of the classifier",
        "faces": "images without a usable face",
    }
    moved = name != "faces"
    return rates_text(frame, titles[name], view.run.record["min_subjects"], moved=moved)


def rates_text(frame: pd.DataFrame, title: str, least: int, *, moved: bool) -> TextTable:
    """Rates, and what they were in the run."""
    lines, dimmed = [], set()
    for k, row in enumerate(records(frame)):
        unknown = row["errors"] < 0
        now = NOT_KNOWN if unknown else f"{percent(row['value'])} {interval(row['low'], row['high'])}"
        counts = NOT_KNOWN if unknown else f"{row['errors']:,}/{row['trials']:,}"
        change = (
            NO_NUMBER if math.isnan(row["change"]) else f"{'+' if row['change'] > 0 else ''}{percent(row['change'])}"
        )
        metric = "no answer" if row["metric"] == SILENT else METRIC_TITLES.get(row["metric"], row["metric"])
        people = NO_NUMBER if unknown else f"{row['subjects']:,}"
        cells = (clean(row["group"]), metric, now, counts, people)
        lines.append((*cells, *((percent(row["run_value"]), change) if moved else ())))
        if 0 <= row["subjects"] < least:
            dimmed.add(k)
    columns = ("group", "error", "rate", "errors / trials", "people", *(("in the run", "change") if moved else ()))
    notes = (f"Groups of fewer than {least} people are shown and never ranked.",) if dimmed else ()
    return TextTable(title, columns, tuple(lines), frozenset(dimmed), notes)


def people_text(frame: pd.DataFrame) -> TextTable:
    """How many people moved."""

    def said(value: int) -> str:
        return NOT_KNOWN if value < 0 else f"{value:,}"

    words = {"refused": "refused as themselves", "mistaken": "taken for somebody else"}
    lines = tuple(
        (
            clean(row["group"]),
            f"{row['people']:,}",
            words[row["state"]],
            *(said(row[name]) for name in ("in_run", "here", "newly", "no_longer")),
        )
        for row in records(frame)
    )
    columns = ("group", "people judged", "what happens to them", "in the run", "here", "newly", "no longer")
    note = "A person counts once, however many photographs or pairs."
    return TextTable("people who move", columns, lines, notes=(note,))


def matrix_text(frame: pd.DataFrame, view: Explored, asked: Asked) -> TextTable:
    """FMR between groups, as a square."""
    groups = [str(group) for group in view.cells(asked.grouping).groups][:MOST_GROUPS]
    title = "who is mistaken for whom (FMR)"
    if not len(frame):
        why = "It takes two groups." if len(groups) < 2 else floor_note(view)
        return TextTable(title, ("group",), (), notes=(why,))
    cells = {
        (row["group"], row["other"]): f"{percent(row['value'])} {row['errors']:,}/{row['trials']:,}"
        for row in records(frame)
    }
    lines = tuple((clean(g), *(cells.get((g, h), cells.get((h, g), "")) for h in groups)) for g in groups)
    return TextTable(title, ("group", *(clean(group) for group in groups)), lines)


def floor_note(view: Explored) -> str:
    """Why false matches are not known."""
    return (
        f"The run keeps the impostor pairs from score {score(view.floor)} up. Below that false matches are not known; audit "
        "again with a larger --tail-limit."
    )


def failures_text(frame: pd.DataFrame, asked: Asked) -> TextTable:
    """One page of failures."""
    start = (asked.page - 1) * PAGE_ROWS
    shown = frame.iloc[start : start + PAGE_ROWS]
    names = [name for name in frame.columns if name in ("kind", "group") or has_content(frame[name])]
    lines = tuple(tuple(failure_cell(name, row[name]) for name in names) for row in records(shown))
    title = f"failures {start + 1:,} to {start + len(shown):,} of {len(frame):,}" if len(shown) else "no failures here"
    full = int((frame["kind"] == "matched").sum()) >= MOST_MATCHES if len(frame) else False
    notes = (f"Of the false matches the {MOST_MATCHES:,} highest are listed; the rates count all.",) if full else ()
    return TextTable(title, tuple(name.replace("_", " ") for name in names), lines, notes=notes)


def has_content(column: pd.Series) -> bool:
    """Whether any value of a column says something."""
    return bool((column.notna() & (column.astype(str) != "")).any())


def failure_cell(name: str, value: object) -> str:
    """One value of a failure."""
    if name == "kind":
        return KINDS.get(str(value), clean(value))
    if name == "score":
        return score(float(str(value)))
    if name == "probability":
        return number(float(str(value)), 3)
    return clean(str(value))
