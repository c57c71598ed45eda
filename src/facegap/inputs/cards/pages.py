"""Write docs/models.md, which describes every model card, from the cards."""

from __future__ import annotations

from collections.abc import Mapping

from facegap.inputs.cards.read import load_cards
from facegap.inputs.cards.schema import ModelCard, TrainingStatus

TASKS: Mapping[str, str] = {
    "detect": "Detectors",
    "embed": "Embedders",
    "classify": "Classifiers of gender, age and other outputs",
    "quality": "Models of image quality",
    "verify": "Services that compare two images",
    "search": "Services that search a gallery",
}
COMMERCIAL = {True: "allowed", False: "not allowed", "unknown": "not known"}
TRAINING: Mapping[TrainingStatus, str] = {
    "public": "public data",
    "research-only": "data for research only",
    "withdrawn": "**data that was withdrawn**",
    "proprietary": "proprietary data",
    "unknown": "unknown data",
}
INTRODUCTION = """\
# Model cards

<!-- Written by facegap.inputs.cards.pages.models_markdown from the cards in models/: edit the cards, not this page. -->

facegap contains no third-party weights. A card states the source, the licence and the training data of a model, and its
preprocessing. `facegap fetch NAME` downloads a file after showing its licence, and a file is used only if its sha256 matches the
card. *Not verified* marks cards that were written from the publisher's documentation and whose file this project has not run. The
licence of the weights is not the licence of the code that runs them, and it is not the consent of the people in the training
data. `facegap models` lists the cards and the files on your machine; [models/README.md](../models/README.md) explains the keys of
a card. Services that you run yourself also have cards; for how they are called see [black boxes](black_boxes.md)."""


def models_markdown(cards: Mapping[str, ModelCard] | None = None) -> str:
    """Return the text of docs/models.md: an introduction, an overview by task and one section per card.

    cards : by name; None: the project's cards
    """
    known = load_cards() if cards is None else cards
    parts = [INTRODUCTION]
    for task, heading in TASKS.items():
        chosen = [card for _, card in sorted(known.items()) if card.task == task]
        if chosen:
            parts += [f"## {heading}", overview(chosen), *(section(card) for card in chosen)]
    return "\n\n".join(parts) + "\n"


def overview(cards: list[ModelCard]) -> str:
    """Return a table with a row per card."""
    head = ["| card | size | licence | commercial use | trained on | verified |", "|---|---|---|---|---|---|"]
    rows = [
        f"| [{card.name}](#{anchor(card)}) | {size(card) or 'not stated'} | {cell(card.licence)} | {COMMERCIAL[card.commercial_use]} "
        f"| {TRAINING[card.training_data.status]} | {'yes' if card.verified else 'no'} |"
        for card in cards
    ]
    return "\n".join([*head, *rows])


def section(card: ModelCard) -> str:
    """Return the section of one card, with a labelled line for each fact."""
    facts = [
        ("Licence", f"{card.licence}. Commercial use: {COMMERCIAL[card.commercial_use]}."),
        ("Trained on", f"{card.training_data.description} ({TRAINING[card.training_data.status]})"),
        ("Verified", "run by this project" if card.verified else "not verified"),
        ("File", file_text(card)),
        ("How to get it", how_to_get(card)),
        ("Input", input_text(card)),
        ("Output", output_text(card)),
        (
            "Threshold of its authors",
            threshold_text(card),
        ),
        ("Citation", card.citation),
        ("Known limits", " ".join(card.known_limits)),
        ("Law", " ".join(dict.fromkeys(category.law for category in card.categories.values() if category.law))),
    ]
    lines = [f"- {word}: {' '.join(fact.split())}" for word, fact in facts if fact]
    return "\n".join([f'<a id="{anchor(card)}"></a>', "", f"### {card.name}", "", *lines])


def anchor(card: ModelCard) -> str:
    """Return the anchor to which the overview links."""
    return f"model-{card.name}"


def cell(text: str) -> str:
    """Escape a text for a table cell."""
    return " ".join(text.split()).replace("|", "\\|")


def size(card: ModelCard) -> str:
    """Return the file size in megabytes; empty if it is not stated."""
    return f"{card.size_bytes / 1e6:.1f} MB" if card.size_bytes is not None else ""


def file_text(card: ModelCard) -> str:
    """Return name, size and sha256 of the file; empty for a service."""
    if card.file is None:
        return ""
    return ", ".join(part for part in (f"`{card.file}`", size(card), f"sha256 `{card.sha256}`") if part)


def how_to_get(card: ModelCard) -> str:
    """Explain how to obtain the file or run the service."""
    if card.request is not None:
        return f"run the service yourself; the card asks {card.request.url}. Copy the card to change the address"
    return f"`facegap fetch {card.name}`" if card.source else (card.obtain or "")


def threshold_text(card: ModelCard) -> str:
    """Return the threshold recommended by the authors."""
    if card.published_threshold is None:
        return ""
    if card.answer is None or card.answer.score is None:
        return f"{card.published_threshold:g} (cosine)"
    return f"{card.published_threshold:g} ({'distance' if card.answer.falling else 'score of the service'})"


def input_text(card: ModelCard) -> str:
    """Describe the input of the model."""
    if card.input is None:
        return "images sent to a service"
    width, height = card.input.size
    free = "up to " if card.input.dynamic else ""
    return f"{free}{width} x {height} pixels, {card.input.colour}, {card.input.dtype}"


def output_text(card: ModelCard) -> str:
    """Describe the outputs of the model."""
    found = []
    if card.detector is not None:
        found.append("boxes and five points" if card.detector.points else "boxes, no points")
    if card.outputs.embedding is not None:
        found.append(f"an embedding of {card.outputs.embedding.dimension} numbers")
    if card.outputs.quality is not None:
        found.append("the quality of the face, one number; higher is better")
    if card.answer is not None and card.answer.score is not None:
        low, high = card.answer.score_range or (0.0, 0.0)
        found.append(f"a {'distance' if card.answer.falling else 'similarity'}, {low:g} to {high:g}")
    if card.gender_classes:
        found.append(f"gender ({', '.join(card.gender_classes)})")
    if card.says_age:
        found.append("age")
    found += [f"{name} ({', '.join(category.classes)})" for name, category in card.categories.items()]
    return "; ".join(found)
