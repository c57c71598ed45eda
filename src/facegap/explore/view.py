"""The checked request of a visitor of the explore page, and the answer as text tables and as frames for CSV."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import pandas as pd

from facegap.explore.failures import KINDS, MOST_MATCHES, ROWS, chosen, failures
from facegap.explore.rates import (
    MOST_GROUPS,
    SILENT,
    Explored,
    MovedPeople,
    MovedRate,
    faces_at,
    matrix_at,
    people_moved,
    predictions_at,
    rates_at,
)
from facegap.explore.searches import searches_at
from facegap.explore.settings import Settings
from facegap.report.rows.frames import records
from facegap.report.rows.rates import RateRow
from facegap.report.tables import Column, TextTable, table_of, title_of
from facegap.report.text import NO_NUMBER, clean, interval, number, percent, score, signed_points
from facegap.types import Group, Rate

PAGE_ROWS = 25
TABLES = ("rates", "matrix", "people", "searches", "answers", "faces", "failures")
NOT_KNOWN = "not known"
FAILURE_TITLES = {"other_image": "other image", "other_subject": "other subject"}

Failure = Mapping[str, Any]  # a row of `failures`; its columns depend on the request


# ---- tables ----


def frame_of(name: str, view: Explored, settings: Settings, *, include_ids: bool) -> pd.DataFrame:
    """One complete table of a view for export, with unescaped text."""
    if name == "failures":
        every = failures_of(view, settings, include_ids=include_ids)
        return chosen_of(every, view, settings).drop(columns=list(ROWS))
    if name == "people":
        return people_frame(people_moved(view, settings.grouping, settings.threshold))
    if name == "matrix":
        return matrix_frame(matrix_at(view, settings.grouping, settings.threshold))
    return rates_frame(rates_of(name, view, settings))


def failures_of(view: Explored, settings: Settings, *, include_ids: bool) -> pd.DataFrame:
    """All failures at the settings of the view."""
    return failures(
        view, settings.grouping, settings.threshold, settings.cut, include_ids=include_ids, rank=max(settings.rank, 1)
    )


def chosen_of(every: pd.DataFrame, view: Explored, settings: Settings) -> pd.DataFrame:
    """The failures selected by the view, in its order."""
    return chosen(
        every,
        view.cells(settings.grouping),
        kind=settings.kind,
        group=settings.group,
        sort=settings.sort,
        descending=settings.descending,
    )


def rates_of(name: str, view: Explored, settings: Settings) -> list[MovedRate]:
    """The rows of one of the tables of rates."""
    if name == "rates":
        return rates_at(view, settings.grouping, settings.threshold)
    if name == "searches":
        return searches_at(view, settings.grouping, settings.threshold, settings.rank)
    return (
        predictions_at(view, settings.grouping, settings.cut)
        if name == "answers"
        else faces_at(view, settings.grouping)
    )


def rates_frame(rows: Sequence[MovedRate]) -> pd.DataFrame:
    """Rates with full precision, for a file; unknown rates have no value and a count of -1."""
    unknown = Rate(-1, -1, -1)
    return pd.DataFrame(
        {
            "group": row.group,
            "metric": row.metric,
            **{name: getattr(row.now or unknown, name) for name in ("errors", "trials", "subjects")},
            **{name: getattr(row.now, name, math.nan) for name in ("value", "low", "high")},
            "run_errors": (row.before or unknown).errors,
            "run_value": getattr(row.before, "value", math.nan),
            "change": row.change,
            "level": view_level(row),
            "method": (row.now or unknown).method,
        }
        for row in rows
    )


def view_level(row: MovedRate) -> float:
    """The level of the intervals of a row."""
    return (row.now or row.before or Rate(0, 0)).level


def matrix_frame(rows: Sequence[RateRow]) -> pd.DataFrame:
    """Rates between groups with full precision, for a file."""
    numbers = ("errors", "trials", "subjects", "value", "low", "high")
    return pd.DataFrame(
        {"group": str(row.group), "other": str(row.other), **{name: getattr(row.rate, name) for name in numbers}}
        for row in rows
    )


def people_frame(rows: Sequence[MovedPeople]) -> pd.DataFrame:
    """People whose state changes, for a file; -1 if a number is unknown."""
    found = [asdict(row) for row in rows]
    return pd.DataFrame([{name: -1 if value is None else value for name, value in row.items()} for row in found])


def shown_tables(view: Explored) -> tuple[str, ...]:
    """The tables that are not empty for a run."""
    verifies, answered = view.pairs is not None, bool(view.run.record.classes)
    return tuple(
        name
        for name, has in (
            ("rates", verifies),
            ("people", verifies),
            ("matrix", verifies),
            ("searches", view.searches is not None),
            ("answers", answered),
            ("faces", "detect" in view.run.record.models),
        )
        if has
    )


def text_of(name: str, view: Explored, settings: Settings) -> TextTable:
    """A table as text."""
    if name == "people":
        note = "Each person counts once, regardless of the number of photographs or pairs."
        return table_of(
            "people who move", PEOPLE, people_moved(view, settings.grouping, settings.threshold), notes=(note,)
        )
    if name == "matrix":
        return matrix_text(matrix_at(view, settings.grouping, settings.threshold), view, settings)
    rows, least = rates_of(name, view, settings), view.run.record.min_subjects
    title = RATE_TITLES[name] + (f", rank {settings.rank}" if name == "searches" else "")
    small = any(is_small(row, least) for row in rows)
    return table_of(
        title,
        RATES if name == "faces" else (*RATES, *MOVES),
        rows,
        is_dimmed=lambda row: is_small(row, least),
        notes=(f"Groups of fewer than {least} people are shown but never ranked.",) if small else (),
    )


def is_small(row: MovedRate, least: int) -> bool:
    """Whether a rate is known but based on too few people to be ranked."""
    return row.now is not None and row.now.subjects < least


def rate_text(row: MovedRate) -> str:
    """Rate and interval."""
    now = row.now
    return NOT_KNOWN if now is None else f"{percent(now.value)} {interval(now.low, now.high)}"


def known(value: int | None) -> str:
    """A number of people."""
    return NOT_KNOWN if value is None else f"{value:,}"


RATE_TITLES = {
    "rates": "errors of comparisons",
    "searches": "errors of searches of the gallery",
    "answers": "errors of the classifier",
    "faces": "images without a usable face",
}
RATES = (
    Column[MovedRate]("group", lambda row: clean(row.group)),
    Column[MovedRate]("error", lambda row: "no answer" if row.metric == SILENT else title_of(row.metric)),
    Column[MovedRate]("rate", rate_text),
    Column[MovedRate](
        "errors / trials", lambda row: NOT_KNOWN if row.now is None else f"{row.now.errors:,}/{row.now.trials:,}"
    ),
    Column[MovedRate]("people", lambda row: NO_NUMBER if row.now is None else f"{row.now.subjects:,}"),
)
MOVES = (
    Column[MovedRate]("in the run", lambda row: NO_NUMBER if row.before is None else percent(row.before.value)),
    Column[MovedRate]("change", lambda row: signed_points(row.change)),
)
STATES = {"refused": "falsely rejected", "mistaken": "falsely matched"}
PEOPLE = (
    Column[MovedPeople]("group", lambda row: clean(row.group)),
    Column[MovedPeople]("people evaluated", lambda row: f"{row.people:,}"),
    Column[MovedPeople]("error", lambda row: STATES[row.state]),
    Column[MovedPeople]("in the run", lambda row: known(row.in_run)),
    Column[MovedPeople]("here", lambda row: known(row.here)),
    Column[MovedPeople]("newly", lambda row: known(row.newly)),
    Column[MovedPeople]("no longer", lambda row: known(row.no_longer)),
)


def matrix_text(rows: Sequence[RateRow], view: Explored, settings: Settings) -> TextTable:
    """FMR between groups, as a square matrix."""
    groups = view.cells(settings.grouping).groups[:MOST_GROUPS]
    title = "FMR by pair of groups"
    if not rows:
        why = "At least two groups are needed." if len(groups) < 2 else floor_note(view)
        return TextTable(title, ("group",), (), notes=(why,))
    cells = {frozenset((row.group, row.other)): row.rate for row in rows}

    def against(group: Group, *, other: Group) -> str:
        rate = cells[frozenset((group, other))]
        return f"{percent(rate.value)} {rate.errors:,}/{rate.trials:,}"

    columns = [Column[Group]("group", clean), *(Column[Group](clean(h), partial(against, other=h)) for h in groups)]
    return table_of(title, columns, groups)


def floor_note(view: Explored) -> str:
    """Why false matches are unknown."""
    return (
        f"The run contains the impostor pairs with scores of at least {score(view.floor)}. Below that, false matches "
        f"are not known; repeat the audit with a larger --tail-limit."
    )


def failures_text(frame: pd.DataFrame, settings: Settings) -> TextTable:
    """One page of failures."""
    start = (settings.page - 1) * PAGE_ROWS
    shown = frame.iloc[start : start + PAGE_ROWS]
    names = columns_of(frame)
    columns = [Column[Failure](FAILURE_TITLES.get(name, name), partial(failure_cell, name=name)) for name in names]
    title = f"failures {start + 1:,} to {start + len(shown):,} of {len(frame):,}" if len(shown) else "no failures"
    full = int((frame["kind"] == "matched").sum()) >= MOST_MATCHES if len(frame) else False
    notes = (
        (f"Only the {MOST_MATCHES:,} false matches with the highest scores are listed; the rates count all.",)
        if full
        else ()
    )
    return table_of(title, columns, records(shown), notes=notes)


def columns_of(frame: pd.DataFrame) -> list[str]:
    """The columns of failures that are not empty."""
    return [
        name for name in frame.columns if name not in ROWS and (name in ("kind", "group") or has_content(frame[name]))
    ]


@dataclass(frozen=True)
class Head:
    """A column heading that sorts. address : of the view sorted by it; state : value of aria-sort."""

    address: str
    state: str


def heads(frame: pd.DataFrame, settings: Settings) -> list[Head]:
    """The target of each column heading of the failures; a second click reverses the order."""
    found = []
    for name in columns_of(frame):
        own = settings.sort == name
        order = "up" if own and settings.descending else "down"
        state = ("descending" if settings.descending else "ascending") if own else "none"
        found.append(Head(settings.address(sort=name, order=order, page="1"), state))
    return found


@dataclass(frozen=True)
class Card:
    """One failure of the contact sheet. rows : manifest rows of the image, or of both images of a pair."""

    rows: tuple[int, ...]
    kind: str
    group: str
    lines: tuple[str, ...]


def cards(frame: pd.DataFrame, settings: Settings) -> list[Card]:
    """One page of failures as a contact sheet."""
    start = (settings.page - 1) * PAGE_ROWS
    return [card_of(row) for row in records(frame.iloc[start : start + PAGE_ROWS])]


def card_of(row: Failure) -> Card:
    """The lines below the picture or pictures of a failure."""
    rows = tuple(int(row[name]) for name in ROWS if row[name] >= 0)
    lines = []
    if row["prediction"]:
        lines.append(f"labelled {clean(row['label'])}, predicted {clean(row['prediction'])}")
    elif row["label"]:
        lines.append(f"labelled {clean(row['label'])}")
    if row["outcome"] not in ("", "wrong", "no_answer"):
        lines.append(clean(str(row["outcome"]).replace("_", " ")))
    if not math.isnan(row["probability"]):
        lines.append(f"probability {number(float(row['probability']), 3)}")
    if not math.isnan(row["score"]):
        lines.append(f"score {score(float(row['score']))}")
    lines += [clean(row[name]) for name in ("image", "other_image") if row.get(name)]
    return Card(rows, KINDS[str(row["kind"])], clean(row["group"]), tuple(lines))


def has_content(column: pd.Series) -> bool:
    """Whether any value of a column is not empty."""
    return bool((column.notna() & (column.astype(str) != "")).any())


def failure_cell(row: Failure, *, name: str) -> str:
    """One value of a failure."""
    value = row[name]
    if name == "kind":
        return KINDS.get(str(value), clean(value))
    if name == "score":
        return score(float(value))
    if name == "probability":
        return number(float(value), 3)
    return clean(value)
