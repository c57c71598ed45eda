"""Face crops to answers: which class, how sure, how old."""

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

LEAST_OF_FACTOR = 0.9  # of a shifted crop; below, the picture shows the model less than it was trained on


@dataclass(frozen=True)
class Classifier:
    """A classifier that is ready to run.

    outputs   : names of the graph's outputs, for gender and age as far as the card reads them, in this order
    quantised : the graph computes in 8 bits, and its probabilities are as coarse
    reduced_crop : a picture that is too small for the factor of a shifted crop gives the largest crop there is
    checked   : values that the card's kinds cannot have are an error; False where settings are tried that may be wrong
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
    """What a classifier said of n faces.

    prediction : n class names, empty where the model has no such output or gave no number
    probability: float64 (n,), of the predicted class; age: float64 (n,), years; NaN where there is none
    categories : by the name of each further output the classes and the probabilities, likewise
    """

    prediction: list[str]
    probability: FloatArray
    age: FloatArray
    categories: Mapping[str, tuple[list[str], FloatArray]] = field(default_factory=dict)


def classifier(card: ModelCard, session: Any, batch: int, *, quantised: bool = False) -> Classifier:
    """Check the ports of a graph against its card and settle how many faces go through it at once.

    Raises
    ------
    ModelError : an input or an output is not what the card says; the message names the key and what would fit
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
    """The outputs that the card reads, with the table that describes each: gender, age, then all others."""
    tables = (("outputs.gender", card.outputs.gender), ("outputs.age", card.outputs.age))
    others = ((f"outputs.{name}", output) for name, output in card.outputs.categories.items())
    return [(table, output) for table, output in (*tables, *others) if output is not None]


def face_crop(model: Classifier, pixels: Pixels, box: FloatArray) -> Pixels | None:
    """The piece around the box that the card asks for; None where the picture is too small to give it."""
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
    """Why a picture of this size has no crop for the card."""
    assert model.card.crop is not None
    factor = model.card.crop.factor
    return f"the image allows {possible_factor(box, width, height, factor):.2f} of the crop's factor {factor:g}"


def classify(model: Classifier, crops: Sequence[Pixels]) -> Answers:
    """Class, its probability and age of each crop."""
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
    """Answers for one batch.

    Raises
    ------
    ModelError : the values are not what the kinds of the card promise
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
    """The numbers that the card reads of each crop, one float64 (crops, values) per output that it names."""
    card = model.card
    assert card.input is not None
    distinct = list(dict.fromkeys(model.outputs))  # several answers may be columns of one output
    raw = tensors.run(model.session, card, distinct, tensors.unmade(crops, card.input))
    by_name = dict(zip(distinct, raw, strict=True))
    return [
        columns_of(by_name[name], output, len(crops), f"{card.name}: {table}")
        for name, (table, output) in zip(model.outputs, label_outputs(card), strict=True)
    ]


def columns_of(raw: AnyArray, output: LabelOutput | AgeOutput, rows: int, where: str) -> FloatArray:
    """The values of an output that the card means: float64 (rows, values).

    where : the card and its table, for errors

    Raises
    ------
    ModelError : the output has not one list of numbers per face, or not as many numbers as the card says
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
    """Whether an output of so many values per face is one that the card describes."""
    if isinstance(output, LabelOutput):
        return width in output.widths
    return width >= 2 if output.kind == "expectation" and not output.bins else width == (len(output.bins) or 1)


def expected(output: LabelOutput | AgeOutput) -> str:
    """How many values per face the card reads, in words."""
    if output.columns is not None:
        return f"columns {list(output.columns)}"
    if isinstance(output, LabelOutput):
        return " or ".join(map(str, output.widths))
    return "2 or more" if output.kind == "expectation" and not output.bins else str(len(output.bins) or 1)


def classes_of(values: FloatArray, classes: Sequence[str], reading: Reading) -> tuple[list[str], FloatArray]:
    """Most probable class of each row and its probability; no class where a value is not finite. Ties: the first class.

    The probability is NaN where the model gives none (kind index).
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
    """Years, NaN where a value is not finite.

    Of bins the middle of the most probable one, or of all the mean weighted by probability; an open bin stands for its end.
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
    """Middle of an age range such as 20-29; the lower end of an open one such as 70+."""
    ends = age_interval(text)
    assert ends is not None  # the card's schema allows only ranges
    low, high = ends
    return (low + high) / 2 if np.isfinite(high) else low
