"""Inspect a graph: its input, and its outputs for a few simulated images."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from facegap import runtime
from facegap.errors import ModelError, ModelStoppedError
from facegap.inputs.cards.graph import GraphFacts
from facegap.inputs.cards.schema import InputSpec
from facegap.types import AnyArray
from facegap.vision import tensors
from facegap.vision.ports import FED, Port, inputs_of, outputs_of, readable, require_one
from facegap.vision.rehearsal import made_up

FACE_SIDES = (112, 128, 160, 224, 96, 64, 80, 48, 299, 640, 320)  # tried in this order where the graph leaves it open
PICTURES = 2
DTYPES: Mapping[str, Literal["float32", "float16", "uint8"]] = {
    "float": "float32",
    "float16": "float16",
    "uint8": "uint8",
}


@dataclass(frozen=True)
class Inspected:
    """The input of a graph, and its outputs for simulated images with values 0 to 255.

    layout_given, size_given : the graph declares them; otherwise they are those of the first image that it accepted
    free_size                : height and width are free
    pictures                 : batch size of the simulated images; 1 if the graph accepts no larger batch
    outputs                  : name -> numbers; non-numerical outputs are omitted
    """

    name: str
    layout: Literal["NCHW", "NHWC"]
    layout_given: bool
    channels: int
    size: tuple[int, int]
    size_given: bool
    free_size: bool
    dtype: Literal["float32", "float16", "uint8"]
    pictures: int
    outputs: Mapping[str, AnyArray]
    facts: GraphFacts

    def width_of(self, output: str) -> int | None:
        """Return the numbers per image if the output is one vector per image; None for a map."""
        values = self.outputs[output]
        if values.ndim == 0 or values.shape[0] != self.pictures or values.ndim == 3:
            return None  # (1, cells, 1) is a detector's map; a pooled list is (pictures, n) or (pictures, n, 1, 1)
        longer = [length for length in values.shape[1:] if length != 1]
        return values.size // self.pictures if len(longer) <= 1 else None


def inspect_graph(session: Any, facts: GraphFacts, model: str) -> Inspected:
    """Inspect a graph by running it.

    Raises
    ------
    ModelError : If there are several inputs, the input is not an image, or the graph accepts none of the sizes tried.
    """
    ports = inputs_of(session)
    require_one(ports, ports[0].name if ports else "", model)
    if not ports:
        raise ModelError(f"{model}: the graph has no input; a face model has one, the image")
    port = ports[0]
    if port.container != "tensor" or port.element not in FED or (port.shape is not None and len(port.shape) != 4):
        raise ModelError(
            f"{model}: the input {port} is not a batch of images, which has four axes and is float32, float16 or uint8"
        )
    problem = ModelError(f"{model}: none of the sizes {', '.join(map(str, FACE_SIDES))} runs through the graph")
    for layout, given in layouts_of(port):
        for size in sizes_of(port, layout):
            spec = plain_input(port, layout, size)
            for pictures in (PICTURES, 1):
                try:
                    outputs = run(session, spec, pictures, model)
                except ModelStoppedError:
                    raise
                except ModelError as error:
                    problem = error
                    continue
                return Inspected(
                    port.name,
                    layout,
                    given,
                    1 if spec.colour == "GREY" else 3,
                    size,
                    port.shape is not None and None not in sides_of(port.shape, layout),
                    port.shape is not None and set(sides_of(port.shape, layout)) == {None},
                    DTYPES[port.element],
                    pictures,
                    outputs,
                    facts,
                )
    raise ModelError(f"{problem}; no card can be written from this graph alone")


def layouts_of(port: Port) -> list[tuple[Literal["NCHW", "NHWC"], bool]]:
    """Return the possible input layouts, likeliest first, and whether the shape declares each."""
    if port.shape is not None:
        first, last = port.shape[1] in (1, 3), port.shape[3] in (1, 3)
        if first != last:
            return [("NCHW" if first else "NHWC", True)]
        if port.shape[1] is not None and port.shape[3] is not None and not first:
            raise ModelError(f"the input {port} has neither 1 nor 3 channels; a card cannot describe such a model")
    return [("NCHW", False), ("NHWC", False)]


def sides_of(shape: Sequence[int | None], layout: str) -> tuple[int | None, int | None]:
    """Return height and width as declared; None if free."""
    height, width = shape[2:4] if layout == "NCHW" else shape[1:3]
    return height, width


def sizes_of(port: Port, layout: str) -> list[tuple[int, int]]:
    """Return (width, height) as declared, or else the sizes to try."""
    height, width = (None, None) if port.shape is None else sides_of(port.shape, layout)
    if height is not None and width is not None:
        return [(width, height)]
    return [(width or height or side, height or width or side) for side in FACE_SIDES]


def plain_input(port: Port, layout: Literal["NCHW", "NHWC"], size: tuple[int, int]) -> InputSpec:
    """Return an input of unscaled values from 0 to 255."""
    axis = None if port.shape is None else port.shape[1 if layout == "NCHW" else 3]
    channels = 1 if axis == 1 else 3
    return InputSpec.model_construct(
        name=port.name,
        layout=layout,
        colour="GREY" if channels == 1 else "RGB",
        size=size,
        mean=(0.0,) * channels,
        scale=(1.0,) * channels,
        dtype=DTYPES[port.element],
    )


def run(session: Any, spec: InputSpec, pictures: int, model: str) -> dict[str, AnyArray]:
    """Return the numerical outputs for simulated images.

    Raises
    ------
    ModelError : If the graph rejects them or has no numerical output.
    """
    names = [port.name for port in outputs_of(session) if readable(port)]
    if not names:
        raise ModelError(f"{model}: the graph has no numerical output")
    tensor = tensors.to_tensor(made_up(spec, pictures), spec)
    return dict(zip(names, runtime.run_session(session, names, {spec.name: tensor}, name=model), strict=True))
