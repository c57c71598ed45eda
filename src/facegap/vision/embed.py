"""Aligned faces to templates: rows of length one that the matching loop compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegap.errors import ModelError
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.images.decode import Pixels
from facegap.types import AnyArray, FloatArray
from facegap.vision import tensors
from facegap.vision.align import aligned
from facegap.vision.ports import FLOATS, batch_limit, number_output


@dataclass(frozen=True)
class Embedder:
    """An embedder that is ready to run.

    flip : a template is of the face and of its mirror image together, see `embed`
    """

    card: ModelCard
    session: Any
    output: str
    rows_per_run: int
    template: FloatArray
    dimension: int
    flip: bool = False


def embedder(card: ModelCard, session: Any, batch: int, *, flip: bool = False) -> Embedder:
    """Check the ports of a graph against its card and settle how many faces go through it at once.

    Raises
    ------
    ModelError : an input or an output is not what the card says; the message names the key and what would fit
    """
    assert card.alignment is not None and card.outputs.embedding is not None
    template = np.asarray(card.alignment.template, np.float64)
    limit = batch_limit(session, card)
    port = number_output(session, card, card.outputs.embedding.output, "outputs.embedding.output")
    if port.element not in FLOATS:
        raise ModelError(
            f"{card.name}: outputs.embedding.output: the output {port} contains whole numbers, whose zero point and "
            f"scale cannot be given in a card; export the model with a float32 embedding"
        )
    dimension = card.outputs.embedding.dimension
    return Embedder(card, session, port.name, min(batch, limit or batch), template, dimension, flip)


def face_crop(model: Embedder, pixels: Pixels, points: FloatArray) -> Pixels | None:
    """The face on the card's template; None where its points give it no place: one is not a number, or all coincide."""
    card = model.card
    assert card.input is not None and card.alignment is not None
    return aligned(pixels, points, model.template, card.input.size, card.alignment.interpolation)


def embed(model: Embedder, crops: Sequence[Pixels]) -> NDArray[np.float32]:
    """One template of length one per crop: float32 (n, dimension); NaN rows where the model gave zeros or no number.

    Raises
    ------
    ModelError : the output has not the dimension that the card states
    """
    return unit_rows(raw_templates(model, crops))


def raw_templates(model: Embedder, crops: Sequence[Pixels]) -> AnyArray:
    """Templates before they are divided by their length: (n, dimension).

    With `flip` the embedding of the crop and that of its mirror image, neither divided by its length, are added in float64.

    Raises
    ------
    ModelError : the output has not the dimension that the card states

    References
    ----------
    InsightFace, recognition/arcface_torch/eval/verification.py, function test.
    """
    raw = raw_embeddings(model, crops)
    if model.flip:
        raw = raw.astype(np.float64) + raw_embeddings(model, [np.ascontiguousarray(crop[:, ::-1]) for crop in crops])
    return raw


def raw_embeddings(model: Embedder, crops: Sequence[Pixels]) -> AnyArray:
    """What the graph gives for each crop: (n, dimension), of the graph's type.

    Raises
    ------
    ModelError : the output has not the dimension that the card states
    """
    card = model.card
    assert card.input is not None
    rows: list[AnyArray] = [np.empty((0, model.dimension), np.float16)]  # the narrowest type: it widens none
    for start in range(0, len(crops), model.rows_per_run):
        batch = crops[start : start + model.rows_per_run]
        (raw,) = tensors.run(model.session, card, [model.output], tensors.unmade(batch, card.input))
        if raw.size != len(batch) * model.dimension or (len(batch) != 1 and raw.shape[:1] != (len(batch),)):
            raise ModelError(f"{card.name}: {misfit(raw, len(batch), model)}")
        rows.append(raw.reshape(len(batch), model.dimension))
    return np.concatenate(rows)


def misfit(raw: AnyArray, faces: int, model: Embedder) -> str:
    """What is wrong with an output of another shape, and what to write in the card."""
    said = f"the output has shape {raw.shape} for {faces} faces, the card says {model.dimension} each"
    if faces == 1 or raw.shape[:1] == (faces,):
        width = raw.size // faces
        cure = (
            f"write dimension = {width}"
            if width >= 2
            else ("this output is not an embedding; choose another with the key output")
        )
        return f"outputs.embedding.dimension: {said}; {cure}"
    return f"outputs.embedding.output: {said}; the first axis must be the faces"


def unit_rows(raw: AnyArray) -> NDArray[np.float32]:
    """Rows divided by their length, in float64 in between; NaN where the length is zero or not finite."""
    length = lengths(raw)[:, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        usable = np.isfinite(length) & (length > 0)
        return np.where(usable, raw.astype(np.float64) / length, np.nan).astype(np.float32)


def lengths(raw: AnyArray) -> FloatArray:
    """Euclidean length of each row in float64: (n,) of (n, dimension)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.linalg.norm(raw.astype(np.float64), axis=1))
