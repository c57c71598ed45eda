"""A page of claims, charts and tables as one HTML file: no scripts, no external resources, every value escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from markupsafe import Markup

from facegap.report.figures.render import drawn, with_narrow
from facegap.report.figures.style import Figure
from facegap.report.glossary import terms_of
from facegap.report.page import environment, policy, stylesheet
from facegap.report.sections import PageTable
from facegap.report.tables import TextTable

State = Literal["holds", "does not hold", "too few worlds to tell", "reported"]
CLASSES: Mapping[str, str] = MappingProxyType(
    {"holds": "holds", "does not hold": "fails", "too few worlds to tell": "unsure", "reported": "told"}
)


@dataclass(frozen=True)
class Claim:
    """A property that an auditor must have, and whether the simulations show it.

    subject  : what it is about; sentence : the numbers; named : failed settings, each with its own numbers
    """

    subject: str
    state: State
    sentence: str
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A section of the page; `details` are tables folded under `summary`. terms : keys of the glossary."""

    title: str
    paragraphs: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[TextTable, ...] = ()
    summary: str = "All settings"
    details: tuple[TextTable, ...] = ()
    terms: tuple[str, ...] = ()


def render(
    title: str,
    lead: Sequence[str],
    claims: Sequence[Claim],
    sections: Sequence[Section],
    method: Sequence[str],
    *,
    terms: Sequence[str] = (),
) -> str:
    """The page as text. terms : keys of the glossary used by the lead and the claims."""
    style = stylesheet("claims.css", "facegap.worlds")
    return (
        environment("facegap.worlds")
        .get_template("claims.html")
        .render(
            title=title,
            lead=lead,
            claims=claims,
            sections=[tables_of(section) for section in sections],
            method=method,
            classes=CLASSES,
            graded=any(claim.state != "reported" for claim in claims),
            pictures={figure.name: with_narrow(drawn(figure)) for section in sections for figure in section.figures},
            own_terms=terms,
            terms=terms_of(terms, *(section.terms for section in sections)),
            style=Markup(style),  # noqa: S704  (our own style sheet)
            policy=policy(style, ""),
        )
    )


MOST_OPEN = 6  # maximum rows of a table that is shown unfolded if there is no chart


@dataclass(frozen=True)
class ShownSection:
    """A section with its tables for the table template. folded : tables behind a chart, and long ones."""

    title: str
    paragraphs: tuple[str, ...]
    figures: tuple[Figure, ...]
    tables: tuple[PageTable, ...]
    folded: tuple[PageTable, ...]
    summary: str
    details: tuple[PageTable, ...]
    terms: tuple[str, ...]


def tables_of(section: Section) -> ShownSection:
    """The section for the template."""
    shown = [PageTable(table, folded=bool(section.figures) or len(table.rows) > MOST_OPEN) for table in section.tables]
    return ShownSection(
        section.title,
        section.paragraphs,
        section.figures,
        tuple(table for table in shown if not table.folded),
        tuple(table for table in shown if table.folded),
        section.summary,
        tuple(PageTable(table) for table in section.details),
        section.terms,
    )
