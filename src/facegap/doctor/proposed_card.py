"""The text of a proposed card: valid TOML, with the evidence for each setting in comments."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from facegap.doctor.alternatives import Aspect
from facegap.doctor.evidence import Evaluation, SettingResult
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.write import pairs, require_same, toml
from facegap.report.text import p_value

COMMENT_WIDTH = 116
HEAD = (
    "name",
    "task",
    "backend",
    "file",
    "obtain",
    "sha256",
    "size_bytes",
    "licence",
    "commercial_use",
    "verified",
    "citation",
    "known_limits",
)
INPUT = ("name", "layout", "colour", "size", "mean", "scale", "dtype")
CHECK_BY_HAND = {
    "licence": "read the licence of the weights, which may differ from that of the code",
    "citation": "name the authors",
    "known_limits": "add what you know",
}


def card_text(card: ModelCard, evaluation: Evaluation, *, detector: str, at: str) -> str:
    """A card as TOML.

    Raises
    ------
    CardError : the text does not parse to the same card, because of a name in the graph or of the file
    """
    values = card.model_dump(mode="json", exclude_none=True)
    measure, own = evaluation.measure, evaluation.card
    lines = [
        "# Proposed by facegap doctor: REVIEW IT. Its settings were found by trial, not taken from the model's "
        "authors.",
        f"# Evaluated on {evaluation.subjects:,} subjects, {evaluation.images:,} images (detector {detector}, {at}), "
        f"who are not the people",
        f"# on whom the settings were chosen: {measure.name} {own.value:.4g}. The improvement of each other "
        f"setting follows;",
        f"# interval (95%) and p hold for all {len(evaluation.settings) - 1} settings together.",
    ]
    for key in HEAD:
        remark = f"  # {CHECK_BY_HAND[key]}" if key in CHECK_BY_HAND else ""
        lines.append(f"{key} = {toml(values[key])}{remark}")
    lines += ["", "[training_data]", *pairs(values["training_data"])]
    lines += [
        "",
        "[input]",
        "# layout, size and dtype are those of the graph.",
        *evidence(evaluation, ("colour", "scale")),
    ]
    lines += [f"{key} = {toml(values['input'][key])}" for key in INPUT]
    place: Literal["alignment", "crop"] = "alignment" if card.alignment is not None else "crop"
    lines += ["", f"[{place}]", *evidence(evaluation, (place, "interpolation")), *pairs(values[place])]
    for name, table in values["outputs"].items():
        lines += ["", f"[outputs.{name}]", *evidence(evaluation, ("classes", "years")), *pairs(table)]
    text = "\n".join(lines) + "\n"
    require_same(card, text)
    return text


def evidence(evaluation: Evaluation, aspects: Sequence[Aspect]) -> list[str]:
    """Comments with the results of all other settings of these aspects."""
    found = [one for one in evaluation.settings[1:] if one.variant.aspect in aspects]
    return [f"# {plain(sentence(one))}"[:COMMENT_WIDTH] for one in found]


def sentence(one: SettingResult) -> str:
    """The result of one other setting in words."""
    how = {
        "clearly worse than the card": "clearly worse",
        "better than the card": "BETTER",
        "within noise of the card": "no significant difference",
    }[one.verdict]
    return (
        f"{one.variant.name}: {how}, {one.difference:+.3g} [{one.low:.3g}, {one.high:.3g}], p {p_value(one.p_adjusted)}"
    )


def plain(text: str) -> str:
    """A text that cannot end a comment."""
    return re.sub(r"[^\x20-\x7e]", "?", text)
