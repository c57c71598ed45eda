"""The input and outputs of a graph without a card, found from its shapes and from a few noise images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from facegap import runtime
from facegap.errors import ModelError, ModelStoppedError
from facegap.types import AnyArray
from facegap.vision.ports import outputs_of, readable

CHANNELS = (1, 3)
# Sides to try if the graph leaves them open; the first that it accepts is used.
OPEN_SIDES = (112, 128, 160, 224, 96, 64)
DTYPES: Mapping[str, Literal["float32", "float16", "uint8"]] = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(uint8)": "uint8",
}
PROBES = 2
MOST_VALUES = 8192  # per face; larger outputs are maps


@dataclass(frozen=True)
class Graph:
    """The single image input of a graph, and its outputs.

    size    : width, height, fixed by the graph or the first that it accepts
    outputs : name -> float64 (faces, values) for noise images; outputs that are not a list of numbers per face are
    omitted
    """

    name: str
    layout: Literal["NCHW", "NHWC"]
    channels: int
    size: tuple[int, int]
    dtype: Literal["float32", "float16", "uint8"]
    outputs: Mapping[str, AnyArray]
    free_size: bool = False


def read_graph(session: Any, name: str) -> Graph:
    """The input and outputs of a graph that takes face images.

    Raises
    ------
    ModelError : several inputs, an input that is not an image, or outputs that are not a list of numbers per face
    """
    inputs = session.get_inputs()
    if len(inputs) != 1:
        listed = ", ".join(f"{entry.name!r}" for entry in inputs)
        raise ModelError(f"{name}: the graph has {len(inputs)} inputs ({listed}); a face model has one, the image")
    entry = inputs[0]
    shape = list(entry.shape)
    if entry.type not in DTYPES or len(shape) != 4:
        raise ModelError(
            f"{name}: the input {entry.name!r} is {entry.type} {shape}; images must be a batch of floats or bytes"
        )
    layout = layout_of(shape, name)
    sides = shape[2:] if layout == "NCHW" else shape[1:3]
    channels = int(shape[1] if layout == "NCHW" else shape[3])
    if isinstance(shape[0], int) and shape[0] != 1:
        raise ModelError(
            f"{name}: the graph accepts exactly {shape[0]} images per call; export it with a dynamic first axis"
        )
    free_size = not all(isinstance(side, int) for side in sides)
    graph = Graph(entry.name, layout, channels, (0, 0), DTYPES[entry.type], {}, free_size)
    faces = 1 if isinstance(shape[0], int) else PROBES
    for size in [(side, side) for side in OPEN_SIDES] if free_size else [(int(sides[1]), int(sides[0]))]:
        outputs = probe(session, graph, size, faces, name, must=not free_size)
        if outputs is not None:
            return Graph(**{**vars(graph), "size": size, "outputs": outputs})
    raise ModelError(
        f"{name}: width and height are free in the graph, and it accepts none of {OPEN_SIDES}; write a card"
    )


def layout_of(shape: list[Any], name: str) -> Literal["NCHW", "NHWC"]:
    """The position of the channel axis.

    Raises
    ------
    ModelError : no axis or both axes could be the channels
    """
    first, last = shape[1] in CHANNELS, shape[3] in CHANNELS
    if first == last:
        raise ModelError(
            f"{name}: axis 1 or axis 3 of the input's shape {shape} must have 1 or 3 channels; write a card"
        )
    return "NCHW" if first else "NHWC"


def probe(
    session: Any, graph: Graph, size: tuple[int, int], faces: int, name: str, *, must: bool
) -> dict[str, AnyArray] | None:
    """The outputs for noise images, each as (faces, values); None if the graph does not accept this size.

    Raises
    ------
    ModelError : the graph rejects its only possible size, or returns only maps
    """
    width, height = size
    shape = (faces, graph.channels, height, width) if graph.layout == "NCHW" else (faces, height, width, graph.channels)
    noise = np.random.default_rng(0).integers(0, 256, shape).astype(graph.dtype)
    names = [port.name for port in outputs_of(session) if readable(port)]
    if not names:
        given = ", ".join(str(port) for port in outputs_of(session))
        raise ModelError(f"{name}: outputs: the graph has no numerical output ({given}); export it with one")
    try:
        outputs = runtime.run_session(session, names, {graph.name: noise}, name=name)
    except ModelStoppedError:
        raise
    except ModelError:
        if must:
            raise
        return None
    listed = dict(zip(names, (np.asarray(values) for values in outputs), strict=True))
    flat = {
        output: values.reshape(faces, -1).astype(np.float64)
        for output, values in listed.items()
        if is_list(values, faces)
    }
    if not flat:
        shapes = ", ".join(f"{output!r} {values.shape}" for output, values in listed.items())
        raise ModelError(
            f"{name}: for {faces} faces the outputs are {shapes}, which are those of a detector or maps, whose "
            f"decoder must be known; write a card"
        )
    return flat


def is_list(values: AnyArray, faces: int) -> bool:
    """Whether an output is a list of numbers per face: (faces,), (faces, n), or that with axes of length 1 (n x 1 x 1)."""
    if values.ndim == 0 or values.shape[0] != faces or values.size // faces > MOST_VALUES:
        return False
    longer = [length for length in values.shape[1:] if length != 1]
    # (1, cells, 1) is a score map of a detector; a pooled embedding is (faces, n, 1, 1).
    return len(longer) <= 1 and values.ndim != 3
