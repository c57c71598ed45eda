"""Check the inputs and outputs of a graph against its card: name, type, axes, size. Every error names the key in the card.

onnxruntime enforces the declared shape of an input, so it is trusted here. The declared shape of an output is not enforced;
`facegap.vision.rehearsal` checks the actual outputs.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from facegap.errors import ModelError
from facegap.inputs.cards.schema import THE_ONLY_ONE, InputSpec, ModelCard

FED: Mapping[str, str] = {"float": "float32", "float16": "float16", "uint8": "uint8"}  # onnx name -> name in a card
FLOATS = ("float", "float16", "double")
INTEGERS = ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64")
NAMES_OF_TYPES: Mapping[str, str] = {"float": "float32", "double": "float64", "string": "text"}
KINDS: Mapping[str, str] = {
    "seq": "a sequence",
    "optional": "an optional value",
    "map": "a map",
    "sparse_tensor": "a sparse tensor",
}
CHANNEL_AXIS = {"NCHW": 1, "NHWC": 3}
OTHER_LAYOUT = {"NCHW": "NHWC", "NHWC": "NCHW"}


@dataclass(frozen=True)
class Port:
    """One input or output of a graph.

    container : tensor, seq, optional, map or sparse_tensor
    element   : ONNX name of the element type: float, int64, string
    shape     : length of each axis, None for a free axis; None if the number of axes is not declared
    """

    name: str
    container: str
    element: str
    shape: tuple[int | None, ...] | None

    @property
    def type_name(self) -> str:
        """Return the type in words: float32, text, a sequence of float32."""
        element = NAMES_OF_TYPES.get(self.element, self.element)
        return element if self.container == "tensor" else f"{KINDS.get(self.container, self.container)} of {element}"

    def __str__(self) -> str:
        axes = "" if self.shape is None else " " + " x ".join("?" if side is None else str(side) for side in self.shape)
        return f"{self.name!r} ({self.type_name}{axes})"


def port_of(entry: Any) -> Port:
    """Convert onnxruntime's description; lengths below 1, which some exporters write, mean a free axis."""
    container, _, element = str(entry.type).removesuffix(")").partition("(")
    while "(" in element:  # optional(seq(tensor(float)))
        element = element[element.index("(") + 1 :].rstrip(")")
    shape = tuple(side if isinstance(side, int) and side > 0 else None for side in entry.shape or ())
    return Port(str(entry.name), container, element, shape or None)


def inputs_of(session: Any) -> list[Port]:
    """Return the inputs that must be fed."""
    return [port_of(entry) for entry in session.get_inputs()]


def outputs_of(session: Any) -> list[Port]:
    """Return the outputs, in the order in which a run without names returns them."""
    return [port_of(entry) for entry in session.get_outputs()]


def the_named(ports: Sequence[Port], name: str, *, what: str, key: str, card: ModelCard) -> Port:
    """Return the port of this name, or the only port for THE_ONLY_ONE.

    Raises
    ------
    ModelError : If there is none, or not exactly one for THE_ONLY_ONE; the message suggests a name that fits.
    """
    if name == THE_ONLY_ONE and len(ports) == 1:
        return ports[0]
    for port in ports:
        if port.name == name:
            return port
    present = [port.name for port in ports]
    listed = ", ".join(map(repr, present))
    fitting = present if len(present) == 1 else difflib.get_close_matches(name, present, n=1)
    cure = f'write {key.rpartition(".")[2]} = "{fitting[0]}"' if fitting else "write one of these"
    raise ModelError(f"{card.name}: {key}: the graph has no {what} {name!r}; its {what}s are {listed}; {cure}")


def picture_input(session: Any, card: ModelCard) -> Port:
    """Return the only input, after checking that it accepts images prepared as in the card.

    Raises
    ------
    ModelError : If the input differs or the graph has further inputs; the message names the key and a value that fits.
    """
    assert card.input is not None
    ports = inputs_of(session)
    require_one(ports, card.input.name, card.name)
    port = the_named(ports, card.input.name, what="input", key="input.name", card=card)
    require_type(port, card.input, card)
    if port.shape is not None:
        require_axes(port, port.shape, card.input, card)
        require_size(port.shape, card.input, card)
    return port


def input_name(session: Any, card: ModelCard) -> str:
    """Return the name of the image input of a graph that was already checked against its card."""
    assert card.input is not None
    return picture_input(session, card).name if card.input.name == THE_ONLY_ONE else card.input.name


def require_one(ports: Sequence[Port], picture: str, model: str) -> None:
    """Raise ModelError if a graph has other inputs than the image.

    picture : name of the image input, if known
    """
    if len(ports) > 1:
        rest = ", ".join(str(port) for port in ports if port.name != picture)
        raise ModelError(
            f"{model}: input: the graph has {len(ports)} inputs, but facegap feeds only one, the image; a card "
            f"cannot say what to feed to {rest}; export the model for inference, with fixed values in their place"
        )


def require_type(port: Port, spec: InputSpec, card: ModelCard) -> None:
    """Raise ModelError unless the input has the card's dtype."""
    if port.container != "tensor" or port.element not in FED:
        raise ModelError(
            f"{card.name}: input.dtype: the graph's input {port} takes {port.type_name}, but facegap feeds float32, "
            f"float16 or uint8; export the model with one of these"
        )
    wanted = FED[port.element]
    if wanted != spec.dtype:
        plain = " with mean = 0 and scale = 1, one number per channel" if wanted == "uint8" else ""
        raise ModelError(
            f'{card.name}: input.dtype: the graph expects {wanted}, the card says {spec.dtype}; write dtype = "{wanted}"{plain}'
        )


def require_axes(port: Port, shape: Sequence[int | None], spec: InputSpec, card: ModelCard) -> None:
    """Raise ModelError unless the input has four axes, with the number and position of channels in the card."""
    if len(shape) != 4:
        raise ModelError(
            f"{card.name}: input.layout: the graph's input {port} has {len(shape)} axes, but a batch of images has "
            f"four (images, channels, height, width); export the model with these"
        )
    channels = 1 if spec.colour == "GREY" else 3
    found, other = shape[CHANNEL_AXIS[spec.layout]], shape[CHANNEL_AXIS[OTHER_LAYOUT[spec.layout]]]
    if found in (None, channels):
        return
    if other in (1, 3) and found not in (1, 3):
        right = OTHER_LAYOUT[spec.layout]
        raise ModelError(
            f'{card.name}: input.layout: the graph has its {other} channels in the place given by {right}; write layout = "{right}"'
        )
    cure = {1: 'write colour = "GREY"', 3: 'write colour = "RGB" or "BGR", as its authors use'}.get(
        found or 0, "no colour in a card has that many; facegap cannot run this model"
    )
    raise ModelError(
        f"{card.name}: input.colour: the graph expects {found} channel(s), but {spec.colour} has {channels}; {cure}"
    )


def require_size(shape: Sequence[int | None], spec: InputSpec, card: ModelCard) -> None:
    """Raise ModelError unless the input accepts images of the card's width and height."""
    height, width = shape[2:4] if spec.layout == "NCHW" else shape[1:3]
    if height is None and width is None:
        return
    fitting = (width or spec.size[0], height or spec.size[1])
    if spec.dynamic:
        raise ModelError(
            f"{card.name}: input.dynamic: the graph accepts {fitting[0]} x {fitting[1]} only; write dynamic = false "
            f"and "
            f"size = {list(fitting)}"
        )
    if fitting != spec.size:
        raise ModelError(
            f"{card.name}: input.size: the graph expects {fitting[0]} x {fitting[1]}, the card says {spec.size[0]} x "
            f"{spec.size[1]}; write size = {list(fitting)}"
        )


def number_output(session: Any, card: ModelCard, name: str, key: str) -> Port:
    """Return the output that the card calls `name`, after checking that facegap can read its type.

    key : key in the card for error messages: outputs.gender.output

    Raises
    ------
    ModelError : If there is no such output, or it is text, a sequence, an optional value, bfloat16 or similar.
    """
    ports = outputs_of(session)
    port = the_named(ports, name, what="output", key=key, card=card)
    if not readable(port):
        others = ", ".join(repr(other.name) for other in ports if readable(other))
        cure = f"choose another output ({others}) or " if others else ""
        raise ModelError(
            f"{card.name}: {key}: the output {port.name!r} is {port.type_name}; facegap reads float16, float32, float64 and "
            f"whole numbers; {cure}export the model with such an output"
        )
    return port


def readable(port: Port) -> bool:
    """Return whether the port is a tensor of a numerical type that numpy supports."""
    return port.container == "tensor" and port.element in (*FLOATS, *INTEGERS, "bool")


def batch_limit(session: Any, card: ModelCard) -> int | None:
    """Return 1 if the graph accepts one image at a time; None if its first axis is free or undeclared.

    Raises
    ------
    ModelError : If the graph requires a fixed batch size above 1, which a smaller last batch would not fit.
    """
    shape = picture_input(session, card).shape
    axis = None if shape is None else shape[0]
    if axis not in (None, 1):
        raise ModelError(
            f"{card.name}: input: the graph accepts exactly {axis} images per call; export it with a dynamic first axis"
        )
    return axis
