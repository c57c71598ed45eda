"""A page of claims, charts and tables as one HTML file: no script, nothing loaded, every value escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from facegap.report.figures.render import drawn
from facegap.report.figures.style import Figure
from facegap.report.tables import TextTable
from facegap.report.text import clean

State = Literal["holds", "does not hold", "too few worlds to tell", "reported"]
CLASSES: Mapping[str, str] = MappingProxyType(
    {"holds": "holds", "does not hold": "fails", "too few worlds to tell": "unsure", "reported": "told"}
)


@dataclass(frozen=True)
class Claim:
    """One thing that an auditor must get right, and whether these worlds show it.

    subject  : of what; sentence : the numbers; named : settings that are outside, each with its own
    """

    subject: str
    state: State
    sentence: str
    named: tuple[str, ...] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page; `details` are tables that are folded away under `summary`."""

    title: str
    paragraphs: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[TextTable, ...] = ()
    summary: str = "All settings"
    details: tuple[TextTable, ...] = ()


def render(
    title: str, lead: Sequence[str], claims: Sequence[Claim], sections: Sequence[Section], method: Sequence[str]
) -> str:
    """The page as text."""
    environment = Environment(loader=PackageLoader("facegap.worlds"), autoescape=True, undefined=StrictUndefined)
    environment.filters["clean"] = clean
    return environment.get_template("claims.html").render(
        title=title,
        lead=lead,
        claims=claims,
        sections=sections,
        method=method,
        classes=CLASSES,
        graded=any(claim.state != "reported" for claim in claims),
        pictures={figure.name: picture(figure) for section in sections for figure in section.figures},
    )


def picture(figure: Figure) -> Markup:
    """A chart as inline SVG. vl-convert escapes the text in it; the one thing it is given is our own spec."""
    svg = drawn(figure).svg
    opened = f'<svg role="img" aria-label="{Markup.escape(figure.alt)}" '
    return Markup(svg.replace("<svg ", opened, 1))  # noqa: S704  (drawn from data, not from markup)
