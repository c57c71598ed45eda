"""Pixels to the tensor that a model's card asks for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from facegap.errors import ModelError
from facegap.inputs.cards.schema import THE_ONLY_ONE, InputSpec, ModelCard
from facegap.inputs.images.decode import Pixels
from facegap.runtime import run_session
from facegap.types import AnyArray

COLOUR_CODES = {"BGR": None, "RGB": cv2.COLOR_BGR2RGB, "GREY": cv2.COLOR_BGR2GRAY}


def to_tensor(crops: Sequence[Pixels], spec: InputSpec) -> AnyArray:
    """Crops of one size as one batch: colour order, (pixel - mean) * scale, layout and dtype of the card.

    crops   : uint8 (height, width, 3), blue, green, red
    returns : (n, channels, height, width) or (n, height, width, channels)
    """
    code = COLOUR_CODES[spec.colour]
    batch = np.stack([crop if code is None else cv2.cvtColor(crop, code) for crop in crops])
    if batch.ndim == 3:  # grey
        batch = batch[..., None]
    if spec.layout == "NCHW":
        # While they are bytes: floats are four times as much to move, which costs a fifth of a detection.
        batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2))
    if spec.dtype != "uint8":
        batch = scaled(batch, spec)
    return np.ascontiguousarray(batch, np.dtype(spec.dtype))


def scaled(batch: AnyArray, spec: InputSpec) -> AnyArray:
    """(pixel - mean) * scale in float32; untouched where the graph does its own scaling."""
    shape = (-1, 1, 1) if spec.layout == "NCHW" else (-1,)
    mean, scale = (np.asarray(value, np.float32).reshape(shape) for value in (spec.mean, spec.scale))
    batch = batch.astype(np.float32)
    if mean.any():
        batch -= mean
    if (scale != 1).any():
        batch *= scale
    return batch


def batch_limit(session: Any, card: ModelCard) -> int | None:
    """1 where the graph takes one picture at once; None where its first axis is free.

    Raises
    ------
    ModelError : the graph takes exactly some other number, so a last batch that is smaller would not fit
    """
    axis = next(entry for entry in session.get_inputs() if entry.name == input_name(session, card)).shape[0]
    if isinstance(axis, int) and axis != 1:
        raise ModelError(
            f"{card.name}: the graph takes exactly {axis} pictures at once; export it with a free first axis"
        )
    return axis if isinstance(axis, int) else None


def input_name(session: Any, card: ModelCard) -> str:
    """Name of the graph input that the card means.

    Raises
    ------
    ModelError : the graph has no such input, or several where the card says that there is one
    """
    assert card.input is not None
    return the_named([entry.name for entry in session.get_inputs()], card.input.name, "input", card)


def output_name(session: Any, card: ModelCard, name: str) -> str:
    """Name of the graph output that the card means by `name`.

    Raises
    ------
    ModelError : the graph has no such output, or several where the card says that there is one
    """
    return the_named([entry.name for entry in session.get_outputs()], name, "output", card)


def the_named(present: Sequence[str], name: str, kind: str, card: ModelCard) -> str:
    """`name` if it is among those present; the only one for THE_ONLY_ONE."""
    if name == THE_ONLY_ONE and len(present) == 1:
        return present[0]
    if name not in present:
        listed = ", ".join(map(repr, present))
        raise ModelError(f"{card.name}: the graph has no {kind} {name!r}; its {kind}s are {listed}")
    return name


def run(session: Any, card: ModelCard, names: Sequence[str] | None, tensor: AnyArray) -> list[AnyArray]:
    """Outputs `names` (all where None) of one run.

    Raises
    ------
    ModelError : the graph refuses the tensor, or fails inside
    """
    return run_session(session, names, {input_name(session, card): tensor}, name=card.name)
