"""Estimate the quality of face crops: one number per face, higher is better for recognition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from facegap.errors import ModelError
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.images.decode import Pixels
from facegap.types import FloatArray
from facegap.vision import tensors
from facegap.vision.align import aligned, square_crop
from facegap.vision.ports import FLOATS, batch_limit, number_output


@dataclass(frozen=True)
class Assessor:
    """A quality model that is ready to run; `output` is the name of the graph's output."""

    card: ModelCard
    session: Any
    output: str
    rows_per_run: int


def assessor(card: ModelCard, session: Any, batch: int) -> Assessor:
    """Check the inputs and outputs of a graph against its card and determine the batch size.

    Raises
    ------
    ModelError : If an input or output does not match the card; the message names the key and a value that fits.
    """
    assert card.outputs.quality is not None
    limit = batch_limit(session, card)
    port = number_output(session, card, card.outputs.quality.output, "outputs.quality.output")
    if port.element not in FLOATS:
        raise ModelError(
            f"{card.name}: outputs.quality.output: the output {port} contains whole numbers, whose zero point and "
            f"scale cannot be given in a card; export the model with a float32 quality"
        )
    return Assessor(card, session, port.name, min(batch, limit or batch))


def face_crop(model: Assessor, pixels: Pixels, box: FloatArray, points: FloatArray) -> Pixels | None:
    """Return the face aligned to the card's template, or the square around its box; None if its points are unusable."""
    card = model.card
    assert card.input is not None
    if card.crop is not None:
        return square_crop(pixels, box, card.crop.margin, card.input.size, card.crop.interpolation)
    assert card.alignment is not None
    template = np.asarray(card.alignment.template, np.float64)
    return aligned(pixels, points, template, card.input.size, card.alignment.interpolation)


def assess(model: Assessor, crops: Sequence[Pixels]) -> FloatArray:
    """Return the quality of each crop, float64 (n,), unchanged; values that are not finite are left to the caller.

    Raises
    ------
    ModelError : If the output is not one number per face.
    """
    card = model.card
    assert card.input is not None
    found = [np.empty(0)]
    for start in range(0, len(crops), model.rows_per_run):
        batch = crops[start : start + model.rows_per_run]
        (raw,) = tensors.run(model.session, card, [model.output], tensors.unmade(batch, card.input))
        if raw.size != len(batch) or (len(batch) != 1 and raw.shape[:1] != (len(batch),)):
            raise ModelError(
                f"{card.name}: outputs.quality.output: the output has shape {raw.shape} for {len(batch)} faces; a "
                f"quality is one number per face; choose another output, or export the model with such an output"
            )
        found.append(raw.reshape(-1).astype(np.float64))
    return np.concatenate(found)
