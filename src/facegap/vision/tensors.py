"""Convert pixels to the input tensor that a model's card specifies."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from facegap.inputs.cards.schema import InputSpec, ModelCard
from facegap.inputs.images.decode import Pixels
from facegap.runtime.models import run_each
from facegap.types import AnyArray, Unmade
from facegap.vision.ports import input_name

CANVAS_AXES = {"NCHW": (3, 2), "NHWC": (2, 1)}  # of width and height
COLOUR_CODES = {"BGR": None, "RGB": cv2.COLOR_BGR2RGB, "GREY": cv2.COLOR_BGR2GRAY}


def to_tensor(crops: Sequence[Pixels], spec: InputSpec) -> AnyArray:
    """Convert crops of one size to a batch with the card's colour order, (pixel - mean) * scale, layout and dtype.

    crops   : uint8 (height, width, 3), blue, green, red
    returns : (n, channels, height, width) or (n, height, width, channels)
    """
    return unmade(crops, spec).made()


def unmade(crops: Sequence[Pixels], spec: InputSpec, canvas: tuple[int, int] | None = None) -> Unmade:
    """Prepare the batch of `to_tensor` for creation in place by its reader, which avoids copying large float arrays.

    canvas : width, height of the model's input, with each crop at the top left and black elsewhere; None: size of the crops
    """
    code = COLOUR_CODES[spec.colour]
    coloured = [crop if code is None else cv2.cvtColor(crop, code) for crop in crops]
    # Rearrange channels before converting bytes to floats, which are four times as large; otherwise detection takes a fifth longer.
    batch = channels_first(coloured) if spec.layout == "NCHW" else np.stack(coloured)
    if batch.ndim == 3:  # grey, channels last
        batch = batch[..., None]
    shape = list(batch.shape)
    if canvas is not None:
        columns, rows = CANVAS_AXES[spec.layout]
        shape[columns], shape[rows] = canvas
    return Unmade(tuple(shape), np.dtype(spec.dtype), lambda out: write(batch, spec, out))


def channels_first(crops: Sequence[AnyArray]) -> AnyArray:
    """Convert crops (height, width, channels) or (height, width) of one size to uint8 (n, channels, height, width).

    OpenCV splits each crop into the planes of the batch in a third of the time of a transposed copy in numpy.
    """
    height, width, *channels = crops[0].shape
    batch = np.empty((len(crops), *(channels or [1]), height, width), np.uint8)
    for crop, planes in zip(crops, batch, strict=True):
        for plane, made in zip(planes, cv2.split(crop, list(planes)), strict=True):
            if made.ctypes.data != plane.ctypes.data:
                np.copyto(plane, made)
    return batch


def write(batch: AnyArray, spec: InputSpec, out: AnyArray) -> None:
    """Write converted images to the top left of `out`, and converted black elsewhere."""
    if batch.shape == out.shape:
        convert(batch, spec, out)
        return
    columns, rows = CANVAS_AXES[spec.layout]
    black = np.empty([1 if axis in (columns, rows) else side for axis, side in enumerate(out.shape)], out.dtype)
    convert(np.zeros(black.shape, np.uint8), spec, black)
    # Fill all of it: one contiguous block is filled faster than the areas outside the images.
    if (black == black.flat[0]).all():
        out.fill(black.flat[0])
    else:
        np.copyto(out, black)
    covered: list[slice] = [slice(None)] * out.ndim
    covered[columns], covered[rows] = slice(batch.shape[columns]), slice(batch.shape[rows])
    convert(batch, spec, out[tuple(covered)])


def convert(batch: AnyArray, spec: InputSpec, out: AnyArray) -> None:
    """Convert bytes to the card's dtype: (pixel - mean) * scale, computed in float32; unchanged if the dtype is uint8."""
    if spec.dtype == "uint8":
        np.copyto(out, batch)
        return
    shape = (-1, 1, 1) if spec.layout == "NCHW" else (-1,)
    wide = out if out.dtype == np.float32 else np.empty(batch.shape, np.float32)
    np.copyto(wide, batch)
    if any(spec.mean):
        wide -= np.asarray(spec.mean, np.float32).reshape(shape)
    if any(value != 1 for value in spec.scale):
        wide *= np.asarray(spec.scale, np.float32).reshape(shape)
    if wide is not out:
        np.copyto(out, wide, casting="same_kind")


def run(session: Any, card: ModelCard, names: Sequence[str] | None, tensor: AnyArray | Unmade) -> list[AnyArray]:
    """Run a model and return the outputs `names` (None: all).

    Raises
    ------
    ModelError : If the graph rejects the tensor or fails.
    """
    return run_all(session, card, names, [tensor])[0]


def run_all(
    session: Any, card: ModelCard, names: Sequence[str] | None, tensors: Sequence[AnyArray | Unmade]
) -> list[list[AnyArray]]:
    """Run a model on several tensors, one after the other, as `run`."""
    name = input_name(session, card)
    return run_each(session, names, [{name: tensor} for tensor in tensors], name=card.name)
