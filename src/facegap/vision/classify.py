"""Classify face crops: class, probability and age."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from facegap.errors import ModelError
from facegap.inputs.cards.schema import AgeOutput, CategoryOutput, LabelOutput, ModelCard
from facegap.inputs.images.decode import Pixels
from facegap.inputs.manifests.labels import age_interval
from facegap.types import AnyArray, BoolArray, FloatArray
from facegap.vision import tensors
from facegap.vision.align import possible_factor, shifted_crop, square_crop
from facegap.vision.kinds import Reading, class_numbers, probabilities
from facegap.vision.ports import INTEGERS, batch_limit, number_output

LEAST_OF_FACTOR = 0.9  # of a shifted crop; a smaller one shows less context than the model was trained on


@dataclass(frozen=True)
class Classifier:
    """A classifier that is ready to run.

    outputs   : names of the graph's outputs, one for each output that the card reads, in the order of label_outputs
    quantised : the graph computes in 8 bits, and its probabilities have 8-bit precision
    reduced_crop : use the largest possible crop if an image is too small for the factor of a shifted crop
    checked   : raise an error for values that the card's kinds cannot have; False to try settings that may be wrong
    """

    card: ModelCard
    session: Any
    rows_per_run: int
    outputs: tuple[str, ...]
    quantised: bool = False
    checked: bool = True
    reduced_crop: bool = False


@dataclass(frozen=True)
class Answers:
    """Predictions of a classifier for n faces.

    prediction : n class names, empty if the model has no such output or returned NaN
    probability: float64 (n,), of the predicted class; age: float64 (n,), years; NaN if there is none
    categories : classes and probabilities of each further output, by its name
    """

    prediction: list[str]
    probability: FloatArray
    age: FloatArray
    categories: Mapping[str, tuple[list[str], FloatArray]] = field(default_factory=dict)


def classifier(card: ModelCard, session: Any, batch: int, *, quantised: bool = False) -> Classifier:
    """Check the inputs and outputs of a graph against its card and determine the batch size.

    Raises
    ------
    ModelError : If an input or output does not match the card; the message names the key and a value that fits.
    """
    assert card.crop is not None
    limit = batch_limit(session, card)
    ports = [number_output(session, card, output.output, f"{table}.output") for table, output in label_outputs(card)]
    for port, (table, output) in zip(ports, label_outputs(card), strict=True):
        if port.element in (*INTEGERS, "bool") and output.kind != "index" and isinstance(output, LabelOutput):
            raise ModelError(
                f"{card.name}: {table}.kind: the graph's output {port} returns whole numbers, as ArgMax does, but kind "
                f'{output.kind} needs fractions; write kind = "index" if they are class indices, otherwise export the '
                "model with float32 outputs"
            )
    return Classifier(card, session, min(batch, limit or batch), tuple(port.name for port in ports), quantised)


def label_outputs(card: ModelCard) -> list[tuple[str, LabelOutput | AgeOutput]]:
    """Return the outputs that the card reads, each with its table in the card: gender, age, then all others."""
    tables = (("outputs.gender", card.outputs.gender), ("outputs.age", card.outputs.age))
    others = ((f"outputs.{name}", output) for name, output in card.outputs.categories.items())
    return [(table, output) for table, output in (*tables, *others) if output is not None]


def face_crop(model: Classifier, pixels: Pixels, box: FloatArray) -> Pixels | None:
    """Crop the area around the box as the card specifies; None if the image is too small."""
    card = model.card
    assert card.input is not None and card.crop is not None
    crop = card.crop
    if crop.rule == "square":
        return square_crop(pixels, box, crop.margin, card.input.size, crop.interpolation)
    height, width = pixels.shape[:2]
    possible = possible_factor(box, width, height, crop.factor)
    if possible < LEAST_OF_FACTOR * crop.factor and not model.reduced_crop:
        return None
    return shifted_crop(pixels, box, crop.factor, card.input.size, crop.interpolation)


def too_small_for(model: Classifier, box: FloatArray, width: int, height: int) -> str:
    """Explain why an image of this size is too small for the card's crop."""
    assert model.card.crop is not None
    factor = model.card.crop.factor
    return f"the image allows {possible_factor(box, width, height, factor):.2f} of the crop's factor {factor:g}"


def classify(model: Classifier, crops: Sequence[Pixels]) -> Answers:
    """Predict class, probability and age of each crop."""
    parts = [
        answer(model, crops[start : start + model.rows_per_run]) for start in range(0, len(crops), model.rows_per_run)
    ]
    empty = np.empty(0)
    return Answers(
        [name for part in parts for name in part.prediction],
        np.concatenate([empty, *(part.probability for part in parts)]),
        np.concatenate([empty, *(part.age for part in parts)]),
        {
            name: (
                [word for part in parts for word in part.categories[name][0]],
                np.concatenate([empty, *(part.categories[name][1] for part in parts)]),
            )
            for name in model.card.outputs.categories
        },
    )


def answer(model: Classifier, crops: Sequence[Pixels]) -> Answers:
    """Return the predictions for one batch.

    Raises
    ------
    ModelError : If the values do not fit the kinds in the card.
    """
    answers = Answers([""] * len(crops), np.full(len(crops), np.nan), np.full(len(crops), np.nan))
    card = model.card
    for (table, output), values in zip(label_outputs(card), values_of(model, crops), strict=True):
        where = f"{card.name}: {table}"
        if isinstance(output, LabelOutput):
            reading = Reading(output.kind, len(output.classes), where, quantised=model.quantised, checked=model.checked)
            said = classes_of(values, output.classes, reading)
            if isinstance(output, CategoryOutput):
                answers = replace(answers, categories={**answers.categories, table.removeprefix("outputs."): said})
            else:
                answers = replace(answers, prediction=said[0], probability=said[1])
        else:
            reading = Reading(output.values, values.shape[1], where, "values", model.quantised, model.checked)
            answers = replace(answers, age=ages_of(values, output, reading))
    return answers


def values_of(model: Classifier, crops: Sequence[Pixels]) -> list[FloatArray]:
    """Return the values that the card reads for each crop, one float64 (crops, values) per output in the card."""
    card = model.card
    assert card.input is not None
    distinct = list(dict.fromkeys(model.outputs))  # several predictions may be columns of one output
    raw = tensors.run(model.session, card, distinct, tensors.unmade(crops, card.input))
    by_name = dict(zip(distinct, raw, strict=True))
    return [
        columns_of(by_name[name], output, len(crops), f"{card.name}: {table}")
        for name, (table, output) in zip(model.outputs, label_outputs(card), strict=True)
    ]


def columns_of(raw: AnyArray, output: LabelOutput | AgeOutput, rows: int, where: str) -> FloatArray:
    """Select the values of an output that the card reads, float64 (rows, values).

    where : card and table, for error messages

    Raises
    ------
    ModelError : If the output is not one vector per face of the length in the card.
    """
    if rows != 1 and raw.shape[:1] != (rows,):
        raise ModelError(
            f"{where}.output: the graph returns shape {raw.shape} for {rows} faces; the first axis must be the faces"
        )
    flat = raw.reshape(rows, -1).astype(np.float64)
    width = flat.shape[1]
    if output.columns is not None and width > max(output.columns):
        return flat[:, output.columns]
    if output.columns is None and fits(output, width):
        return flat
    if output.columns is not None:
        cure = f"write columns from 0 to {width - 1}"
    else:
        many = "bins" if isinstance(output, AgeOutput) else "classes"
        cure = f"name {width} {many}, or select some of the {width} with columns = [...]"
    raise ModelError(
        f"{where}: the graph's output has shape {raw.shape} for {rows} faces, {width} values each; the card reads "
        f"{expected(output)}; {cure}"
    )


def fits(output: LabelOutput | AgeOutput, width: int) -> bool:
    """Return whether an output with this number of values per face fits the card."""
    if isinstance(output, LabelOutput):
        return width in output.widths
    return width >= 2 if output.kind == "expectation" and not output.bins else width == (len(output.bins) or 1)


def expected(output: LabelOutput | AgeOutput) -> str:
    """Describe in words how many values per face the card reads."""
    if output.columns is not None:
        return f"columns {list(output.columns)}"
    if isinstance(output, LabelOutput):
        return " or ".join(map(str, output.widths))
    return "2 or more" if output.kind == "expectation" and not output.bins else str(len(output.bins) or 1)


def classes_of(values: FloatArray, classes: Sequence[str], reading: Reading) -> tuple[list[str], FloatArray]:
    """Return the most probable class of each row and its probability; ties go to the first class.

    A row with a value that is not finite has no class. The probability is NaN if the model gives none (kind index).
    """
    finite: BoolArray = np.asarray(np.isfinite(values).all(axis=1))
    best, sure = np.zeros(len(values), np.int64), np.full(len(values), np.nan)
    if reading.kind == "index":
        best[finite] = class_numbers(values[finite], reading)
    elif finite.any():
        shares = probabilities(values[finite], reading)
        best[finite], sure[finite] = shares.argmax(axis=1), np.clip(shares.max(axis=1), 0, 1)
    return [classes[int(k)] if fine else "" for k, fine in zip(best, finite, strict=True)], sure


def ages_of(values: FloatArray, output: AgeOutput, reading: Reading) -> FloatArray:
    """Return ages in years, NaN where a value is not finite.

    For bins: the middle of the most probable one, or the probability-weighted mean; an open bin counts as its lower end.
    """
    finite: BoolArray = np.asarray(np.isfinite(values).all(axis=1))
    years, known = np.full(len(values), np.nan), values[finite]
    if output.kind == "years":
        years[finite] = known[:, 0] * output.scale + output.offset
        return years
    ages = (
        np.array([middle(text) for text in output.bins])
        if output.bins
        else np.arange(values.shape[1], dtype=np.float64)
    )
    if output.kind == "bins":
        years[finite] = ages[known.argmax(axis=1)]
    elif finite.any():
        weights = probabilities(known, reading)
        years[finite] = (weights @ ages) / weights.sum(axis=1) * output.scale + output.offset
    return years


def middle(text: str) -> float:
    """Return the middle of an age range such as 20-29, or the lower end of an open one such as 70+."""
    ends = age_interval(text)
    assert ends is not None  # the card's schema allows only ranges
    low, high = ends
    return (low + high) / 2 if np.isfinite(high) else low
