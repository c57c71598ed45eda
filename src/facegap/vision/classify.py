"""Face crops to answers: which class, how sure, how old."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import softmax

from facegap.errors import ModelError
from facegap.inputs.cards.schema import AgeOutput, LabelOutput, ModelCard
from facegap.inputs.images.decode import Pixels
from facegap.inputs.manifests.labels import age_interval
from facegap.types import AnyArray, BoolArray, FloatArray
from facegap.vision import tensors
from facegap.vision.align import square_crop


@dataclass(frozen=True)
class Classifier:
    """A classifier that is ready to run."""

    card: ModelCard
    session: Any
    rows_per_run: int


@dataclass(frozen=True)
class Answers:
    """What a classifier said of n faces.

    prediction : n class names, empty where the model has no such output or gave no number
    probability: float64 (n,), of the predicted class; age: float64 (n,), years; NaN where there is none
    """

    prediction: list[str]
    probability: FloatArray
    age: FloatArray


def classifier(card: ModelCard, session: Any, batch: int) -> Classifier:
    """Check a graph against its card and settle how many faces go through it at once.

    Raises
    ------
    ModelError : an input or an output that the card names is not there
    """
    assert card.crop is not None
    for output in label_outputs(card):
        tensors.output_name(session, card, output.output)
    return Classifier(card, session, min(batch, tensors.batch_limit(session, card) or batch))


def label_outputs(card: ModelCard) -> list[LabelOutput | AgeOutput]:
    """The outputs that the card reads, gender before age."""
    return [output for output in (card.outputs.gender, card.outputs.age) if output is not None]


def face_crop(model: Classifier, pixels: Pixels, box: FloatArray) -> Pixels:
    """The square around the box that the card asks for."""
    card = model.card
    assert card.input is not None and card.crop is not None
    return square_crop(pixels, box, card.crop.margin, card.input.size, card.crop.interpolation)


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
    )


def answer(model: Classifier, crops: Sequence[Pixels]) -> Answers:
    """Answers for one batch."""
    card = model.card
    assert card.input is not None
    wanted = label_outputs(card)
    names = [tensors.output_name(model.session, card, output.output) for output in wanted]
    distinct = list(dict.fromkeys(names))  # several answers may be columns of one output
    raw = tensors.run(model.session, card, distinct, tensors.to_tensor(crops, card.input))
    by_name = dict(zip(distinct, raw, strict=True))
    answers = Answers([""] * len(crops), np.full(len(crops), np.nan), np.full(len(crops), np.nan))
    for name, output in zip(names, wanted, strict=True):
        values = columns_of(by_name[name], output, len(crops), card)
        if isinstance(output, LabelOutput):
            answers = Answers(*classes_of(values, output), answers.age)
        else:
            answers = Answers(answers.prediction, answers.probability, ages_of(values, output))
    return answers


def columns_of(raw: AnyArray, output: LabelOutput | AgeOutput, rows: int, card: ModelCard) -> FloatArray:
    """The values of an output that the card means: float64 (rows, values).

    Raises
    ------
    ModelError : the output has not as many values as the card says
    """
    expected = expected_values(output)
    flat = raw.reshape(rows, -1).astype(np.float64) if raw.size and raw.size % rows == 0 else np.empty((rows, 0))
    columns = output.columns or tuple(range(expected))
    if flat.shape[1] <= max(columns) or (output.columns is None and flat.shape[1] != expected):
        raise ModelError(
            f"{card.name}: output {output.output!r} has shape {raw.shape} for {rows} faces, the card reads {expected} values each"
        )
    return flat[:, columns]


def expected_values(output: LabelOutput | AgeOutput) -> int:
    """How many values per face the card reads from an output."""
    if isinstance(output, AgeOutput):
        return len(output.bins) or 1
    return 1 if output.kind == "probability_of" else len(output.classes)


def classes_of(values: FloatArray, output: LabelOutput) -> tuple[list[str], FloatArray]:
    """Most probable class of each row and its probability; no class where a value is not finite. Ties: the first class."""
    finite: BoolArray = np.asarray(np.isfinite(values).all(axis=1))
    safe = np.where(finite[:, None], values, 0.0)
    if output.kind == "probability_of":
        probabilities = np.hstack([safe, 1 - safe])
    else:
        probabilities = softmax(safe, axis=1) if output.kind == "logits" else safe
    best = probabilities.argmax(axis=1)
    prediction = [output.classes[k] if fine else "" for k, fine in zip(best, finite, strict=True)]
    return prediction, np.where(finite, probabilities.max(axis=1), np.nan)


def ages_of(values: FloatArray, output: AgeOutput) -> FloatArray:
    """Years; for bins the middle of the most probable one, its lower end where it is open."""
    if output.kind == "years":
        return np.where(np.isfinite(values[:, 0]), values[:, 0] * output.scale, np.nan)
    middles = np.array([middle(text) for text in output.bins])
    finite: BoolArray = np.asarray(np.isfinite(values).all(axis=1))
    return np.where(finite, middles[np.where(finite[:, None], values, 0.0).argmax(axis=1)], np.nan)


def middle(text: str) -> float:
    """Middle of an age range such as 20-29; the lower end of an open one such as 70+."""
    ends = age_interval(text)
    assert ends is not None  # the card's schema allows only ranges
    low, high = ends
    return (low + high) / 2 if np.isfinite(high) else low
