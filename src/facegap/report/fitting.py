"""Fit a table to the width of a terminal: as a grid with columns wrapped at spaces, otherwise as a block of lines per row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from rich import box
from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from facegap.report.tables import TextTable
from facegap.report.text import NO_NUMBER, clean

BETWEEN = 2  # spaces between two columns
MOST_LINES = 3  # of a cell in a grid; a row with more is easier to read as a block
LONGEST = 8  # the same if columns were omitted to fit the grid
INDENT = 2  # of the lines of a block after its first
MOST_LABEL = 26  # characters of a heading next to its value in a block
DIM = "dim"
INTERVAL = re.compile(r"\[[^\[\]]{1,24}\]")
TIE = "\0"  # does not occur in cleaned text


def fitted(table: TextTable, width: int) -> RenderableType:
    """Lay out a table for a terminal of this width: as a grid if it fits, otherwise with a block of lines for each row.

    No word is broken unless it is wider than the terminal.

    Examples
    --------
    >>> table = TextTable("gaps", ("groups", "verdict"), (("women against men", "not enough data"),))
    >>> widths_within(table, 80), widths_within(table, 20), widths_within(table, 12)
    ((17, 15), (9, 9), None)
    """
    title = Text(clean(table.title), "bold")
    notes = [Text(clean(note)) for note in table.notes]
    if not table.rows:
        return Group(title, *notes)
    widths = widths_within(table, width)
    if widths is None and table.essential:
        less = without(table, [heading for heading in table.columns if heading not in table.essential])
        fewer = widths_within(less, width, lines=LONGEST)
        if fewer is not None:
            return Group(title, grid(less, fewer), *(Text(clean(note)) for note in less.notes))
    body = blocks(table, width) if widths is None else grid(table, widths)
    return Group(title, body, *notes)


def without(table: TextTable, headings: Sequence[str]) -> TextTable:
    """A table without some of its columns, and with a note on them."""
    kept = [k for k, heading in enumerate(table.columns) if heading not in headings]
    return replace(
        table,
        columns=tuple(table.columns[k] for k in kept),
        rows=tuple(tuple(row[k] for k in kept) for row in table.rows),
        notes=(*table.notes, f"A wider terminal also shows: {', '.join(headings)}."),
        essential=(),
    )


def widths_within(table: TextTable, width: int, *, lines: int = MOST_LINES) -> tuple[int, ...] | None:
    """Width of each column of a grid; None if a word would be broken, or a cell would need more than `lines` lines."""
    columns = [(heading, *(row[k] for row in table.rows)) for k, heading in enumerate(table.columns)]
    least = [max(longest_word(cell) for cell in column) for column in columns]
    wanted = [max(cell_len(clean(cell)) for cell in column) for column in columns]
    room = width - BETWEEN * (len(columns) - 1)
    if sum(wanted) <= room:
        return tuple(wanted)
    if sum(least) > room:
        return None
    widths = distributed(least, wanted, room)
    needed = max(len(wrapped(cell, widths[k])) for k, column in enumerate(columns) for cell in column)
    return tuple(widths) if needed <= lines else None


def longest_word(cell: str) -> int:
    """Length of the longest part of a cell that stays on one line."""
    return max((cell_len(word) for word in words(cell)), default=0)


def words(cell: str) -> list[str]:
    """The parts of a cell between which a line may break: words, with an interval in brackets as one part."""
    tied = INTERVAL.sub(lambda found: found[0].replace(" ", TIE), clean(cell))
    return [word.replace(TIE, " ") for word in tied.split(" ")]


def distributed(least: Sequence[int], wanted: Sequence[int], room: int) -> list[int]:
    """Widths between least and wanted that fill the room: the columns that want least get their full width first."""
    widths = list(least)
    left = room - sum(least)
    order = sorted(range(len(least)), key=lambda k: wanted[k] - least[k])
    for place, k in enumerate(order):
        given = min(wanted[k] - least[k], left // (len(order) - place))
        widths[k] += given
        left -= given
    return widths


def wrapped(cell: str, width: int) -> list[str]:
    """A cell wrapped at spaces."""
    lines = [""]
    for word in words(cell):
        joined = f"{lines[-1]} {word}" if lines[-1] else word
        if cell_len(joined) <= width or not lines[-1]:
            lines[-1] = joined
        else:
            lines.append(word)
    return lines


def grid(table: TextTable, widths: Sequence[int]) -> Table:
    """A table with these column widths; numbers are right-aligned."""
    shown = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    for k, heading in enumerate(table.columns):
        numeric = k > 0 and all(starts_as_number(row[k]) for row in table.rows)
        shown.add_column(
            Text(clean(heading)), justify="right" if numeric else "left", width=max(widths[k], 1), overflow="fold"
        )
    for k, row in enumerate(table.rows):
        lines = (Text("\n".join(wrapped(value, width))) for value, width in zip(row, widths, strict=True))
        shown.add_row(*lines, style=DIM if k in table.dimmed else None)
    return shown


def starts_as_number(cell: str) -> bool:
    """Whether a cell begins with a number, or is empty."""
    return cell[:1] in f"0123456789-+<[{NO_NUMBER}"


def blocks(table: TextTable, width: int) -> RenderableType:
    """Each row as its first cell, followed by a line with heading and value for each further nonempty cell."""
    label = min(max(cell_len(clean(heading)) for heading in table.columns), MOST_LABEL, max(width // 3, 1))
    found: list[RenderableType] = []
    for k, row in enumerate(table.rows):
        style = DIM if k in table.dimmed else ""
        lines = Table.grid(padding=(0, BETWEEN, 0, 0), pad_edge=False)
        lines.add_column(width=label, overflow="fold")
        lines.add_column(overflow="fold")
        for heading, value in zip(table.columns[1:], row[1:], strict=True):
            if value:
                lines.add_row(Text(clean(heading), style), Text(clean(value), style))
        found += [Text(clean(row[0]), f"bold {style}".strip()), Padding(lines, (0, 0, 0, INDENT))]
    return Group(*found)
