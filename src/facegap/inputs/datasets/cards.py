"""Cards of common face data sets: contents, terms of use and limitations."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from facegap.errors import CardError, TableError
from facegap.inputs.strict_toml import Table, Tables, checked, read_toml

CARDS = Path(__file__).with_name("datasets.toml")
MAX_BYTES = 1024 * 1024
STATUSES = {
    "available": "available",
    "on request": "on request",
    "ended": "distribution has ended",
    "withdrawn": "withdrawn by its publisher",
}


class DatasetCard(Table):
    """What a person must know about a data set before using it; an unknown or missing key is an error.

    images, people : counts as stated by the source, None if not counted or no source was found
    tone_scale     : the scale of its skin tone labels, or "none"
    contested      : why its use is disputed, "" if no dispute is known to us
    adapter        : name in `adapters.ADAPTERS`, "csv" if a plain table can be loaded, "none" if nothing can
    layout_seen    : source of the layout that the adapter reads, and what could not be confirmed; "" without an adapter
    not_confirmed  : statements above that could not be checked at a source, "" if there are none
    """

    name: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str = Field(min_length=1)
    what: str = Field(min_length=1)
    images: int | None = None
    people: int | None = None
    size: str = Field(min_length=1)
    labels: str = Field(min_length=1)
    tone_scale: str = Field(min_length=1)
    consent: str = Field(min_length=1)
    licence: str = Field(min_length=1)
    commercial_use: Literal["yes", "no", "unknown"]
    status: Literal["available", "on request", "ended", "withdrawn"]
    contested: str
    access: str = Field(min_length=1)
    adapter: str = Field(min_length=1)
    load: str = Field(min_length=1)
    layout_seen: str
    cannot_tell: str = Field(min_length=1)
    citation: str = Field(min_length=1)
    not_confirmed: str


class DatasetFile(Table):
    """The content of datasets.toml."""

    dataset: Annotated[tuple[DatasetCard, ...], Tables] = ()


def load_datasets(path: Path = CARDS) -> tuple[DatasetCard, ...]:
    """Return all cards in the order of the file.

    Raises : CardError with file, card and key, for invalid TOML, an unknown or missing key, a value of the wrong type, or a
             duplicate name
    """
    try:
        _, content = read_toml(path, max_bytes=MAX_BYTES)
    except TableError as error:
        raise CardError(str(error)) from error
    cards = checked(DatasetFile, content, path.name, error=CardError).dataset
    names = [card.name for card in cards]
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        raise CardError(f"{path.name}: two cards are named {doubled[0]}; rename one")
    return cards


def datasets_markdown(cards: tuple[DatasetCard, ...] | None = None) -> str:
    """Return the text of datasets.md: an introduction, an overview and one section per card."""
    cards = load_datasets() if cards is None else cards
    rows = [_overview_row(card) for card in cards]
    overview = [
        "| set | images | people | skin tone | status | loaded by |",
        "|---|---|---|---|---|---|",
        *rows,
    ]
    return "\n\n".join([_INTRODUCTION, "\n".join(overview), *(_section(card) for card in cards)]) + "\n"


_INTRODUCTION = """\
# Data sets for an audit

<!-- Written by facegap.inputs.datasets.cards.datasets_markdown from datasets.toml: edit the cards, not this page. -->

Faces are biometric data. A licence for the images is not the consent of the people in them, and a set that can be
downloaded is not necessarily one that may be used: the auditor has to establish a lawful basis. The cards state how each set
was made, its terms, and its limitations for an audit. facegap contains no images and downloads no data set. **Contested** marks
sets whose making or use is disputed; they are described because models were trained and papers written with them, not as a
recommendation. *Not confirmed* names statements that could not be checked at a source. *Layout seen* states the source of the
layout that an adapter reads; except for FairFace and the US legislators, no copy of a set was available. `facegap datasets`
lists the cards; `facegap manifest ADAPTER FOLDER` writes a manifest for a folder that you have, and `facegap manifest csv
TABLE` for a table of your own. Race labels are the source's own words. Measured, annotated and self-reported labels are three
different things, and race is not skin tone."""


def _overview_row(card: DatasetCard) -> str:
    """Return one row of the overview table."""
    counts = [f"{count:,}" if count is not None else "not counted" for count in (card.images, card.people)]
    status = STATUSES[card.status] + (", **contested**" if card.contested else "")
    loader = {"csv": "a plain CSV", "none": "nothing"}.get(card.adapter, f"`{card.adapter}`")
    return f"| [{card.title}](#{card.name}) | {counts[0]} | {counts[1]} | {card.tone_scale} | {status} | {loader} |"


def _section(card: DatasetCard) -> str:
    """Return the section of one card, with a labelled line for each fact."""
    commercial = {"yes": "allowed", "no": "not allowed", "unknown": "not known"}[card.commercial_use]
    facts = [
        ("What it is", card.what),
        ("Size", card.size),
        ("Labels", card.labels),
        ("Skin tone", card.tone_scale),
        ("Consent", card.consent),
        ("Licence", f"{card.licence} Commercial use: {commercial}."),
        ("Status", STATUSES[card.status]),
        ("**Contested**", card.contested),
        ("How to get it", card.access),
        ("How to load it here", card.load),
        ("Layout seen", card.layout_seen),
        ("What it cannot tell", card.cannot_tell),
        ("Citation", card.citation),
        ("*Not confirmed*", card.not_confirmed),
    ]
    lines = [f"- {word}: {' '.join(fact.split())}" for word, fact in facts if fact]
    return "\n".join([f'<a id="{card.name}"></a>', "", f"## {card.title}", "", *lines])
