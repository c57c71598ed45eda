"""Compute templates of aligned faces: rows of unit length for comparison."""

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

    flip : a template combines the face and its mirror image, see `raw_templates`
    """

    card: ModelCard
    session: Any
    output: str
    rows_per_run: int
    template: FloatArray
    dimension: int
    flip: bool = False


def embedder(card: ModelCard, session: Any, batch: int, *, flip: bool = False) -> Embedder:
    """Check the inputs and outputs of a graph against its card and determine the batch size.

    Raises
    ------
    ModelError : If an input or output does not match the card; the message names the key and a value that fits.
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
    """Return the face aligned to the card's template; None if its points all coincide or one is not a number."""
    card = model.card
    assert card.input is not None and card.alignment is not None
    return aligned(pixels, points, model.template, card.input.size, card.alignment.interpolation)


def embed(model: Embedder, crops: Sequence[Pixels]) -> NDArray[np.float32]:
    """Return one unit-length template per crop, float32 (n, dimension); a row is NaN if the output is zero or not finite.

    Raises
    ------
    ModelError : If the output does not have the dimension in the card.
    """
    return unit_rows(raw_templates(model, crops))


def raw_templates(model: Embedder, crops: Sequence[Pixels]) -> AnyArray:
    """Return templates before normalisation, (n, dimension).

    With `flip`, the unnormalised embeddings of the crop and of its mirror image are added in float64.

    Raises
    ------
    ModelError : If the output does not have the dimension in the card.

    References
    ----------
    InsightFace, recognition/arcface_torch/eval/verification.py, function test.
    """
    raw = raw_embeddings(model, crops)
    if model.flip:
        raw = raw.astype(np.float64) + raw_embeddings(model, [np.ascontiguousarray(crop[:, ::-1]) for crop in crops])
    return raw


def raw_embeddings(model: Embedder, crops: Sequence[Pixels]) -> AnyArray:
    """Return the output of the graph for each crop, (n, dimension), in the graph's dtype.

    Raises
    ------
    ModelError : If the output does not have the dimension in the card.
    """
    card = model.card
    assert card.input is not None
    rows: list[AnyArray] = [np.empty((0, model.dimension), np.float16)]  # the narrowest dtype: it promotes none
    for start in range(0, len(crops), model.rows_per_run):
        batch = crops[start : start + model.rows_per_run]
        (raw,) = tensors.run(model.session, card, [model.output], tensors.unmade(batch, card.input))
        if raw.size != len(batch) * model.dimension or (len(batch) != 1 and raw.shape[:1] != (len(batch),)):
            raise ModelError(f"{card.name}: {misfit(raw, len(batch), model)}")
        rows.append(raw.reshape(len(batch), model.dimension))
    return np.concatenate(rows)


def misfit(raw: AnyArray, faces: int, model: Embedder) -> str:
    """Describe what is wrong with an output of the wrong shape, and what to write in the card."""
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
    """Normalise rows to unit length, computed in float64; NaN if the length is zero or not finite."""
    length = lengths(raw)[:, None]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        usable = np.isfinite(length) & (length > 0)
        return np.where(usable, raw.astype(np.float64) / length, np.nan).astype(np.float32)


def lengths(raw: AnyArray) -> FloatArray:
    """Return the Euclidean length of each row, float64 (n,)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.linalg.norm(raw.astype(np.float64), axis=1))
