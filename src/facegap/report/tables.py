"""A text table, and how it is made from rows of values: a list of columns, each with a function for the text of a cell.

Labels and names come from outside; `clean` removes terminal escape sequences here, and the page escapes HTML itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from facegap.derive.metrics import metric_of

Row = TypeVar("Row")


@dataclass(frozen=True)
class TextTable:
    """A table to print.

    dimmed    : rows of groups that are too small to rank
    essential : headings of the columns that a narrow terminal keeps; if there are none, all columns are stacked
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    dimmed: frozenset[int] = frozenset()
    notes: tuple[str, ...] = ()
    essential: tuple[str, ...] = ()


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column of a table: its heading, and a function for the text of a cell."""

    heading: str
    say: Callable[[Row], str]


def table_of(
    title: str,
    columns: Sequence[Column[Row]],
    rows: Sequence[Row],
    *,
    is_dimmed: Callable[[Row], bool] = lambda row: False,
    notes: Sequence[str] = (),
) -> TextTable:
    """Rows of values as a text table.

    is_dimmed : whether a row belongs to a group that is too small to rank
    """
    return TextTable(
        title,
        tuple(column.heading for column in columns),
        tuple(tuple(column.say(row) for column in columns) for row in rows),
        frozenset(k for k, row in enumerate(rows) if is_dimmed(row)),
        tuple(notes),
    )


def title_of(metric: str) -> str:
    """The name of a metric in a heading."""
    return metric_of(metric).title
