"""Dry run of every model before the first image: a few simulated images pass through the graph exactly as faces would.

This finds what a graph does not declare: a fixed batch size, outputs of the wrong shape, values that are not numbers,
probabilities outside their range. Because the images are noise, only the form of the outputs is checked.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from facegap.errors import ModelError, ModelStoppedError
from facegap.inputs.cards.graph import GraphFacts
from facegap.inputs.cards.schema import AgeOutput, InputSpec, LabelOutput, ModelCard
from facegap.inputs.images.decode import Pixels
from facegap.types import AnyArray, FloatArray
from facegap.vision import tensors
from facegap.vision.assess import Assessor, assess
from facegap.vision.classify import Classifier, classify, label_outputs, values_of
from facegap.vision.detect import Canvas, Detector, candidates
from facegap.vision.embed import Embedder, raw_embeddings
from facegap.vision.ports import OTHER_LAYOUT, picture_input

PICTURES = 4  # of different kinds
BATCH_SLACK = 0.02  # tolerance between the output of an image in a batch and of the image alone
SCORE_SLACK = 0.01
SIDES = (112, 128, 160, 224, 96, 64, 80, 48, 299)  # tried if a graph does not fix its size and rejects the card's


@dataclass(frozen=True)
class Remarks:
    """Findings of a dry run that are not errors.

    alarms  : findings that call every number of a run into question: a kind that contradicts the graph, constant outputs
    notices : notes for the reader: a smaller batch size than requested
    """

    alarms: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()

    def __add__(self, other: Remarks) -> Remarks:
        return Remarks(self.alarms + other.alarms, self.notices + other.notices)


def rehearse_embedder(model: Embedder) -> tuple[Embedder, Remarks]:
    """Test an embedder; return it with the batch size that its graph supports, and remarks.

    Raises
    ------
    ModelError : If the graph fails, the output shape differs from the card, or no image gets a finite output.
    """

    def ask(rows: int, pictures: list[Pixels]) -> FloatArray:
        return raw_embeddings(replace(model, rows_per_run=rows), pictures).astype(np.float64)

    alone, rows, notices = run_through(model, ask)
    require_numbers(alone, model.card, "outputs.embedding")
    return replace(model, rows_per_run=rows), Remarks(same_for_all(alone, model.card), notices)


def rehearse_classifier(model: Classifier, facts: GraphFacts) -> tuple[Classifier, Remarks]:
    """Test a classifier; return it with the batch size that its graph supports, and remarks.

    Raises
    ------
    ModelError : If the graph fails, or its values do not fit the kinds in the card.
    """
    model = replace(model, quantised=facts.quantised)

    def ask(rows: int, pictures: list[Pixels]) -> FloatArray:
        parts = [np.hstack(values_of(model, pictures[start : start + rows])) for start in range(0, len(pictures), rows)]
        return np.concatenate(parts)

    for (table, output), name in zip(label_outputs(model.card), model.outputs, strict=True):
        require_ending(model.card, table, output, facts.endings.get(name, ""))
    alone, rows, notices = run_through(model, ask)
    require_numbers(alone, model.card, "outputs")
    classify(
        replace(model, rows_per_run=1), made_up(input_of(model.card), PICTURES)
    )  # raises if the values do not fit a kind
    remarks = Remarks(same_for_all(alone, model.card), notices) + kind_remarks(model, facts)
    return replace(model, rows_per_run=rows), remarks


def rehearse_assessor(model: Assessor) -> tuple[Assessor, Remarks]:
    """Test a quality model; return it with the batch size that its graph supports, and remarks.

    Raises
    ------
    ModelError : If the graph fails, does not return one number per face, or no image gets a finite output.
    """

    def ask(rows: int, pictures: list[Pixels]) -> FloatArray:
        return assess(replace(model, rows_per_run=rows), pictures)[:, None]

    alone, rows, notices = run_through(model, ask)
    require_numbers(alone, model.card, "outputs.quality")
    return replace(model, rows_per_run=rows), Remarks(same_for_all(alone, model.card), notices)


def rehearse_detector(model: Detector) -> None:
    """Test a detector with one simulated image.

    Raises
    ------
    ModelError : If the graph fails, its decoder cannot read it, or its scores are not probabilities.
    """
    card, spec = model.card, input_of(model.card)
    canvas = Canvas(made_up(spec, 1)[0], spec.size, (1.0, 1.0))
    try:
        found = candidates(model, canvas)
    except ModelStoppedError:
        raise
    except ModelError as error:
        raise with_cure(error, card, model.session) from error
    scores = found.scores[np.isfinite(found.scores)]
    if len(scores) and (scores.min() < -SCORE_SLACK or scores.max() > 1 + SCORE_SLACK):
        raise ModelError(
            f"{card.name}: detector.decoder: face scores must be probabilities from 0 to 1, but the graph returns "
            f"{scores.min():.4g} to {scores.max():.4g}; export it so that it ends in probabilities"
        )


def input_of(card: ModelCard) -> InputSpec:
    """Return the input table, which every onnx card has."""
    assert card.input is not None
    return card.input


def made_up(spec: InputSpec, count: int) -> list[Pixels]:
    """Return reproducible images of the card's size: noise, dark noise, light noise and a coloured gradient, in turn."""
    width, height = spec.size
    rng = np.random.default_rng(0)
    ramp = np.linspace(0, 255, width)[None, :, None] * np.array([1.0, 0.6, 0.3]) + np.zeros((height, 1, 1))
    kinds = [rng.integers(low, high, (height, width, 3)) for low, high in ((0, 256), (0, 64), (160, 256))] + [ramp]
    return [np.asarray(kinds[k % PICTURES], np.uint8) for k in range(count)]


def run_through(
    model: Embedder | Classifier | Assessor, ask: Callable[[int, list[Pixels]], FloatArray]
) -> tuple[FloatArray, int, tuple[str, ...]]:
    """Return outputs for single images, the supported batch size, and a notice if it is smaller than requested.

    A graph with a built-in batch size fails at others, or mixes the images of a batch; its batch size is then 1.
    """
    card, session, batch, spec = model.card, model.session, model.rows_per_run, input_of(model.card)
    try:
        alone = ask(1, made_up(spec, PICTURES))
    except ModelStoppedError:  # no other size or batch would restart it
        raise
    except ModelError as error:
        raise with_cure(error, card, session) from error
    if batch == 1:
        return alone, 1, ()
    try:
        together = ask(batch, made_up(spec, batch))
    except ModelStoppedError:
        raise
    except ModelError as error:
        why = f"it fails with a batch of {batch} ({str(error).removeprefix(f'{card.name}: ')})"
    else:
        if agree(alone[: len(together)], together[:PICTURES]):
            return alone, batch, ()
        why = f"its outputs for a batch of {batch} differ from those for single images"
    return alone, 1, (f"card {card.name}: runs with --batch 1: {why}",)


def agree(one: FloatArray, other: FloatArray) -> bool:
    """Return whether rows are equal up to rounding, with values that are not finite in the same places."""
    finite = np.isfinite(one)
    if not (finite == np.isfinite(other)).all():
        return False
    apart = np.linalg.norm(np.where(finite, one - other, 0.0), axis=1)
    return bool((apart <= BATCH_SLACK * np.linalg.norm(np.where(finite, one, 0.0), axis=1) + 1e-6).all())


def with_cure(error: ModelError, card: ModelCard, session: Any) -> ModelError:
    """Add to the error of a dry run what to change in the card, if another size or layout works."""
    said = str(error).removeprefix(f"{card.name}: ")
    if said.startswith(("detector.", "outputs.")):  # already names its key and a remedy
        return error
    cure = fitting_input(card, session) or "no key of a card corrects this; export the model again"
    return ModelError(f"{card.name}: input: in a test run before the first image {said}; {cure}")


def fitting_input(card: ModelCard, session: Any) -> str:
    """Find a size and layout at which a graph that declares neither runs, as keys of a card; empty if none."""
    shape, spec = picture_input(session, card).shape, input_of(card)
    if shape is not None and None not in shape[1:]:
        return ""
    for layout in (spec.layout, OTHER_LAYOUT[spec.layout]):
        for side in SIDES:
            tried = spec.model_copy(update={"size": (side, side), "layout": layout})
            try:
                tensors.run(session, card, None, tensors.to_tensor(made_up(tried, 1), tried))
            except ModelStoppedError:
                raise
            except ModelError:
                continue
            also = f' and layout = "{layout}"' if layout != spec.layout else ""
            return f"the graph runs at {side} x {side}; write input.size = [{side}, {side}]{also}"
    return ""


def require_ending(card: ModelCard, table: str, output: LabelOutput | AgeOutput, last: str) -> None:
    """Raise ModelError if a logit is already a probability: every prediction would be the first class."""
    if isinstance(output, LabelOutput) and output.kind == "logit" and last in ("Sigmoid", "HardSigmoid"):
        raise ModelError(
            f"{card.name}: {table}.kind: the graph ends in {last}, so its value is a probability, not a logit; write "
            'kind = "probability_of"'
        )


def kind_remarks(model: Classifier, facts: GraphFacts) -> Remarks:
    """Return remarks on kinds that do not fit the last operator; no alarms for cards that the project has verified."""
    alarms, notices = [], []
    for (table, output), name in zip(label_outputs(model.card), model.outputs, strict=True):
        kind, last = kind_of(output), facts.endings.get(name, "")
        if kind in ("softmax", "probability_of", "percent") and facts.unbounded(name) and not model.card.verified:
            raw = "logit" if kind == "probability_of" else "logits"
            alarms.append(
                f"card {model.card.name}: {table}: kind {kind} needs probabilities, but the output {name!r} ends in "
                f"{last}, "
                f'after which values are unbounded; if its authors apply a sigmoid or softmax, write kind = "{raw}"'
            )
        if kind == "logits" and last == "Softmax":
            notices.append(
                f"card {model.card.name}: {table}: the output {name!r} ends in Softmax; kind logits applies a second one, which "
                'keeps the classes but flattens the probabilities; write kind = "softmax"'
            )
    return Remarks(tuple(alarms), tuple(notices))


def kind_of(output: LabelOutput | AgeOutput) -> str:
    """Return how the values of an output are read: the kind of a label, the values of an expectation, else empty."""
    if isinstance(output, LabelOutput):
        return output.kind
    return output.values if output.kind == "expectation" else ""


def same_for_all(values: AnyArray, card: ModelCard) -> tuple[str, ...]:
    """Return a sentence if very different images got identical outputs, other than certainty."""
    saturated = bool(np.isin(values, (0.0, 1.0)).all())
    if saturated or not (values == values[0]).all():
        return ()
    return (
        f"card {card.name}: the model returns the same output for noise, dark, light and coloured images; check "
        f"input.mean, "
        "input.scale and the model itself",
    )


def require_numbers(values: AnyArray, card: ModelCard, key: str) -> None:
    """Raise ModelError if no image got a finite output."""
    if not np.isfinite(values).all(axis=1).any():
        raise ModelError(
            f"{card.name}: {key}: the model returns no finite number for any of {PICTURES} simulated images; check "
            f"input.mean, "
            "input.scale and input.dtype (the largest float16 is 65504)"
        )
