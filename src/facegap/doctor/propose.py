"""Propose a card for weights that have none: search plausible settings and write the best ones as text."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from facegap.doctor.alternatives import (
    TEMPLATES,
    Variant,
    boxes,
    class_orders,
    colours,
    margins,
    placed_points,
    scales,
    templates,
)
from facegap.doctor.conventions import convention_name
from facegap.doctor.evidence import Evaluation, SettingResult, no_difference, usual_first
from facegap.doctor.graph import Graph
from facegap.doctor.sample import Question
from facegap.doctor.trials import Found
from facegap.errors import CardError, ModelError
from facegap.inputs.cards.read import name_of, read_file
from facegap.inputs.cards.schema import THE_ONLY_ONE, ModelCard
from facegap.inputs.manifests.labels import TWO_GENDERS
from facegap.types import AnyArray

Task = Literal["embed", "classify"]
LEAST_DIMENSION = 32  # a smaller output is not an embedding
GRID_MARGINS = (0.0, 0.1, 0.2, 0.4)  # margins searched for a classifier; the evaluation tries more
START_MARGIN = 0.1
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Bare:
    """Weights without a card: the bytes of `file`, with this sha256."""

    file: Path
    content: bytes
    sha256: str


@dataclass(frozen=True)
class Choice:
    """The settings chosen among `tried`; `remark` says how, and what a card cannot express (may be empty)."""

    card: ModelCard
    tried: int
    remark: str


def bare_weights(path: Path) -> Bare:
    """The bytes of a weights file.

    Raises
    ------
    CardError : the file does not exist, is unreadable, or is too large for a model
    """
    content = read_file(path)
    return Bare(path, content, hashlib.sha256(content).hexdigest())


def first_cards(bare: Bare, graph: Graph, *, task: Task | None, question: Question | None) -> list[ModelCard]:
    """One card for each way to read the outputs, each with the most common settings.

    Raises
    ------
    ModelError : no output can be a gender, an age or an embedding, or more than one task is possible
    CardError  : the file's name is not valid on a card
    """
    wide = [name for name, values in graph.outputs.items() if values.shape[1] >= LEAST_DIMENSION]
    answers = {name: outputs for name, values in graph.outputs.items() if (outputs := answers_of(values, question))}
    possible: list[Task] = [*(["embed"] if wide else []), *(["classify"] if answers else [])]  # type: ignore[list-item]
    if task is None and len(possible) == 2:
        raise ModelError(f"{bare.file.name}: {listed(graph)}: an embedder or a classifier; specify which with --task")
    chosen = task or (possible[0] if possible else None)
    if chosen is None or chosen not in possible:
        raise ModelError(
            f"{bare.file.name}: {listed(graph)}: no {chosen or 'embedding and no gender or age'} among them; write a card"
        )
    if chosen == "embed":
        tables = [{"embedding": {"output": name, "dimension": graph.outputs[name].shape[1]}} for name in wide]
    else:
        tables = [{key: {"output": name, **table} for key, table in found.items()} for name, found in answers.items()]
    return [first_card(bare, graph, chosen, outputs) for outputs in tables]


def answers_of(values: AnyArray, question: Question | None) -> dict[str, dict[str, Any]]:
    """What a narrow output can mean: two numbers or a probability are a gender, one number an age, three numbers both."""
    width = values.shape[1]
    shares = bool((values >= 0).all() and (values <= 1).all())
    if question == "age":
        years = {"kind": "years"}
        return {"age": years} if width == 1 else {"age": {**years, "columns": [2]}} if width == 3 else {}
    if width == 1 and shares:
        return {"gender": {"kind": "probability_of", "classes": list(TWO_GENDERS)}}
    if width == 2:
        sums = bool(np.abs(values.sum(axis=1) - 1).max() < SUM_TOLERANCE)
        return {"gender": {"kind": "softmax" if shares and sums else "logits", "classes": list(TWO_GENDERS)}}
    if width == 3:
        return {"gender": {"kind": "logits", "classes": list(TWO_GENDERS), "columns": [0, 1]}}
    return {}


def first_card(bare: Bare, graph: Graph, task: Task, outputs: dict[str, Any]) -> ModelCard:
    """A card with the most common settings.

    Raises
    ------
    CardError : the file's name, or a name in its graph, is not valid on a card
    """
    three = graph.channels == 3
    values: dict[str, Any] = {
        "name": name_of(bare.file),
        "task": task,
        "backend": "onnx",
        "file": bare.file.name,
        "obtain": f"Save {bare.file.name} next to this card; its origin is not known.",
        "sha256": bare.sha256,
        "size_bytes": len(bare.content),
        "licence": "unknown",
        "commercial_use": "unknown",
        "verified": False,
        "citation": "Not known: facegap doctor wrote this card from the file only. Add the authors and their paper.",
        "known_limits": ["Its settings were found by trial, not taken from its authors; review them."],
        "training_data": {"description": "not known", "status": "unknown"},
        "input": {
            "name": THE_ONLY_ONE,
            "layout": graph.layout,
            "colour": "RGB" if three else "GREY",
            "size": graph.size,
            "mean": [0.0] * graph.channels,
            "scale": [1.0] * graph.channels,
            "dtype": graph.dtype,
        },
        "outputs": outputs,
    }
    if task == "embed":
        values["alignment"] = {
            "template": placed_points(TEMPLATES["ArcFace"], *graph.size),
            "interpolation": "bilinear",
        }
    else:
        values["crop"] = {"margin": START_MARGIN, "interpolation": "bilinear"}
    try:
        return ModelCard.model_validate(values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise CardError(f"{bare.file}: a card cannot describe it: {where}: {first['msg']}; rename the file") from None


def listed(graph: Graph) -> str:
    """The outputs of a graph in words."""
    return "its outputs are " + ", ".join(
        f"{name!r} ({values.shape[1]} values)" for name, values in graph.outputs.items()
    )


def grid(start: Sequence[ModelCard]) -> list[Variant]:
    """Every combination of colour order, scale, face position and reading of the outputs."""
    found = [Variant("the card", describe(card), card) for card in start]
    places: Callable[[ModelCard], list[Variant]] = placed if start[0].task == "embed" else searched_margins
    for make in (colours, scales, places):
        found = [each for one in found for each in (one, *(named(other) for other in make(one.card)))]
    return found


def placed(card: ModelCard) -> list[Variant]:
    """Other templates, and no template."""
    return [*templates(card), *boxes(card)]


def searched_margins(card: ModelCard) -> list[Variant]:
    """The margins of the search."""
    return [one for one in margins(card) if one.card.crop is not None and one.card.crop.margin in GRID_MARGINS]


def named(variant: Variant) -> Variant:
    """A variant of the grid, which differs from the first card in more than one setting."""
    return Variant("the card", describe(variant.card, variant.box_margin), variant.card, variant.box_margin)


def exchanged(evaluation: Evaluation, found: Found, tried: Sequence[Variant]) -> tuple[Found, list[Variant]]:
    """Settings of a gender classifier that are wrong more often than right, with their two classes exchanged.

    No second run is needed: the accuracy a of two classes becomes 1 - a.
    """
    answers, settings = list(found.answers), list(tried)
    for k, one in enumerate(evaluation.settings):
        orders = class_orders(one.variant.card) if evaluation.measure.question == "gender" and one.value < 0.5 else []
        if orders:
            first, second = orders[0].setting.split(", ")
            other = {first: second, second: first}
            answers[k] = np.array([other.get(str(said), "") for said in answers[k]], dtype=object)
            settings[k] = replace(one.variant, card=orders[0].card)
    return replace(found, answers=tuple(answers)), settings


def best_first(evaluation: Evaluation, found: Found, tried: Sequence[Variant]) -> tuple[Found, list[Variant]]:
    """The same settings, starting with the best that a card can express, with which the others are compared.

    Raises
    ------
    ModelError : no setting gives outputs that can be evaluated
    """
    possible = [
        k for k, one in enumerate(evaluation.settings) if one.variant.box_margin is None and np.isfinite(one.value)
    ]
    if not possible:
        raise ModelError(f"{tried[0].card.file}: no setting gives outputs that can be evaluated; write a card")
    best = max(possible, key=lambda k: goodness(evaluation.settings[k], evaluation))
    order = [best, *(k for k in range(len(tried)) if k != best)]
    return replace(found, answers=tuple(found.answers[k] for k in order)), [tried[k] for k in order]


def goodness(one: SettingResult, evaluation: Evaluation) -> float:
    """The value of a setting, with its sign changed if lower is better."""
    return -one.value if evaluation.measure.lower else one.value


def choose(evaluation: Evaluation) -> Choice:
    """Of the settings that do not differ significantly from the best, choose the most common published convention.

    evaluation : comparison with the first setting, the best that a card can express
    """
    measure, best = evaluation.measure, evaluation.card
    alike = [
        one for one in evaluation.settings[1:] if one.variant.box_margin is None and no_difference(one, best, measure)
    ]
    chosen = min((best, *alike), key=usual_first)
    remarks = []
    family = convention_name(chosen.variant.card)
    if alike and family:
        remarks.append(
            f"{len(alike) + 1} combinations do not differ significantly from the best; the one most common in "
            f"published models was chosen ({family})."
        )
    boxes_tried = [one for one in evaluation.settings if one.variant.box_margin is not None and np.isfinite(one.value)]
    box = max(boxes_tried, key=lambda one: goodness(one, evaluation), default=None)
    if box and goodness(box, evaluation) - goodness(best, evaluation) > measure.margin(box.value):
        remarks.append(
            f"The plain box without alignment reached {measure.name} {box.value:.3g}, the best template "
            f"{best.value:.3g}. The card of an embedder cannot express 'no alignment', so do not use this one in an "
            f"audit"
        )
    return Choice(chosen.variant.card, len(evaluation.settings), " ".join(remarks))


def describe(card: ModelCard, box_margin: float | None = None) -> str:
    """The settings of a card in one line."""
    spec = card.input
    assert spec is not None
    place = f"margin {card.crop.margin:g}" if card.crop else "its template"
    place = place if box_margin is None else f"box with margin {box_margin:g}"
    mean, scale = (" ".join(f"{value:.4g}" for value in values) for values in (spec.mean, spec.scale))
    return f"{spec.colour}, mean {mean}, scale {scale}, {place}"
