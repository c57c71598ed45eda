"""What a page is made of: sections with charts and tables, of which those that a picture says already are folded."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from facegap.report.figures import Figure
from facegap.report.tables import TextTable

if TYPE_CHECKING:
    from facegap.report.examples import Example

# On a narrow screen: each row becomes a card; the table folds its words; it scrolls sideways, its first column in place.
Layout = Literal["cards", "plain", "wide"]
NUMBER = re.compile(r"[-−–+<>≈∞\[(\d]")
UNITS = frozenset({"points", "against", "ms", "pairs", "alone", "only", "subjects"})


@dataclass(frozen=True)
class PageTable:
    """A table of the page. folded : shown on demand, as a picture says the same first; print opens it."""

    table: TextTable
    layout: Layout = "cards"
    folded: bool = False

    @property
    def is_there(self) -> bool:
        """Whether it has anything to show."""
        return bool(self.table.rows or self.table.notes)

    @property
    def numeric(self) -> list[bool]:
        """Per column whether all its cells begin as numbers do: those stand at the right."""
        cells = [[row[k] for row in self.table.rows if row[k]] for k in range(len(self.table.columns))]
        return [k > 0 and all(is_number(cell) for cell in column) for k, column in enumerate(cells)]


def is_number(cell: str) -> bool:
    """Whether a cell is a number, or several, with at most their units."""
    return bool(NUMBER.match(cell)) and set(re.findall(r"[^\W\d_]+", cell)) <= UNITS


@dataclass(frozen=True)
class Fold:
    """A part of a section that is shown on demand, with its own charts and tables; print opens it."""

    title: str
    lead: str = ""
    figures: tuple[Figure, ...] = ()
    tables: tuple[PageTable, ...] = ()
    sentences: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing to show."""
        return not (self.figures or self.sentences or any(shown.is_there for shown in self.tables))


@dataclass(frozen=True)
class Section:
    """One part of the page.

    terms     : keys of the glossary that it uses; each is explained at a touch of its name
    sentences : what it says in words, below the lead
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
        """Whether it has nothing to show."""
        own = self.figures or self.examples or self.open_tables or self.folded_tables or self.sentences
        return not (own or self.open_folds)

    @property
    def open_tables(self) -> list[PageTable]:
        """Its tables that are shown at once."""
        return [shown for shown in self.tables if not shown.folded and shown.is_there]

    @property
    def folded_tables(self) -> list[PageTable]:
        """Its tables that are shown on demand."""
        return [shown for shown in self.tables if shown.folded and shown.is_there]

    @property
    def open_folds(self) -> list[Fold]:
        """Its parts on demand that have something to show."""
        return [fold for fold in self.folds if not fold.is_empty]
