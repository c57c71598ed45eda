"""The meaning of the value of --quality: a measure of facegap, a model, or a file with qualities."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from facegap.errors import SettingError
from facegap.inputs.cards.read import load_cards
from facegap.tables import QUALITIES

Source = Literal["measure", "model", "file"]
MODEL_FILES = (".toml", ".onnx")


def source_of_quality(named: str) -> Source:
    """The source that the value of --quality names.

    A path that ends in .toml or .onnx is a model; any other path or name with a suffix is a file. A bare word is a measure of
    facegap, the name of a card, or a file with that name; a word with several of these meanings is an error.

    Raises
    ------
    SettingError : if the word has none of these meanings, or more than one
    """
    path = Path(named)
    if path.suffix.lower() in MODEL_FILES:
        return "model"
    if path.name != named or path.suffix:  # with a folder or a suffix: neither a measure nor a card
        if path.name in QUALITIES:
            raise SettingError(f"--quality {named}: a file with the name of a quality measure of facegap; rename it")
        return "file"
    cards = load_cards()
    means: dict[Source, bool] = {"measure": named in QUALITIES, "model": named in cards, "file": path.is_file()}
    found = [source for source, true in means.items() if true]
    if not found:
        models = ", ".join(name for name, card in cards.items() if card.task == "quality")
        raise SettingError(
            f"--quality {named}: not one of {', '.join(QUALITIES)} (see docs/covariates.md), not the card of a "
            f"quality model ({models}; facegap models lists them), and not a file"
        )
    if len(found) > 1:
        raise SettingError(f"--quality {named}: {clash(named, found)}")
    return found[0]


def clash(named: str, found: list[Source]) -> str:
    """That a word names several things, and how to select each of them."""
    words = {"measure": "a measure of facegap", "model": "a model card", "file": "a file in this folder"}
    said = f"may be {' or '.join(words[source] for source in found)}"
    if "measure" in found:
        return f"{said}; rename {'the file' if 'file' in found else 'the card'}"
    return f"{said}; write ./{named} for the file, or rename it for the card"


def quality_model(named: str | None) -> str | None:
    """The card that --quality names, in the form `resolve_card` takes; None if it does not name a model."""
    return named if named is not None and source_of_quality(named) == "model" else None
