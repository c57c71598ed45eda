"""Building blocks of a page: sections with charts and tables; tables that repeat a chart are collapsed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from facegap.report.figures import Figure
from facegap.report.tables import TextTable

if TYPE_CHECKING:
    from facegap.report.examples import Example

# On a narrow screen: each row becomes a card; the table wraps its text; or it scrolls sideways with a fixed first column.
Layout = Literal["cards", "plain", "wide"]
NUMBER = re.compile(r"[-−–+<>≈∞\[(\d]")
UNITS = frozenset({"points", "against", "ms", "pairs", "alone", "only", "subjects"})


@dataclass(frozen=True)
class PageTable:
    """A table of the page. folded : shown on demand, because a chart shows the same; opened in print."""

    table: TextTable
    layout: Layout = "cards"
    folded: bool = False

    @property
    def is_there(self) -> bool:
        """Whether there is anything to show."""
        return bool(self.table.rows or self.table.notes)

    @property
    def numeric(self) -> list[bool]:
        """Per column, whether all its cells begin with a number: such columns are right-aligned."""
        cells = [[row[k] for row in self.table.rows if row[k]] for k in range(len(self.table.columns))]
        return [k > 0 and all(is_number(cell) for cell in column) for k, column in enumerate(cells)]


def is_number(cell: str) -> bool:
    """Whether a cell is a number, or several, with at most their units."""
    return bool(NUMBER.match(cell)) and set(re.findall(r"[^\W\d_]+", cell)) <= UNITS


@dataclass(frozen=True)
class Fold:
    """A part of a section that is shown on demand, with its own charts and tables; opened in print."""

    title: str
    lead: str = ""
    figures: tuple[Figure, ...] = ()
    tables: tuple[PageTable, ...] = ()
    sentences: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        return not (self.figures or self.sentences or any(shown.is_there for shown in self.tables))


@dataclass(frozen=True)
class Section:
    """One section of the page.

    terms     : keys of the glossary; each is explained when its name is hovered or touched
    sentences : text below the lead
    folds     : further parts, shown on demand
    """

    key: str
    title: str
    lead: str
    terms: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[PageTable, ...] = ()
    examples: tuple[Example, ...] = ()
    sentences: tuple[str, ...] = ()
    folds: tuple[Fold, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to show."""
        own = self.figures or self.examples or self.open_tables or self.folded_tables or self.sentences
        return not (own or self.open_folds)

    @property
    def open_tables(self) -> list[PageTable]:
        """Tables that are shown immediately."""
        return [shown for shown in self.tables if not shown.folded and shown.is_there]

    @property
    def folded_tables(self) -> list[PageTable]:
        """Tables that are shown on demand."""
        return [shown for shown in self.tables if shown.folded and shown.is_there]

    @property
    def open_folds(self) -> list[Fold]:
        """Nonempty parts that are shown on demand."""
        return [fold for fold in self.folds if not fold.is_empty]
