"""Inputs and outputs of graphs compared with cards: every error names the key and a value that fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx
import pytest
from onnx import TensorProto, helper

from facegap.errors import ModelError
from facegap.inputs.cards.read import read_card
from facegap.runtime import open_session
from facegap.vision.classify import classifier
from facegap.vision.ports import Port, batch_limit, picture_input, port_of

GENDER = """
[crop]
margin = 0.0
interpolation = "bilinear"

[outputs.gender]
output = "y"
kind = "softmax"
classes = ["female", "male"]
"""
PICTURE: tuple[Any, ...] = ("N", 3, 16, 16)


def graph(
    shape: Any = PICTURE,
    element: int = TensorProto.FLOAT,
    more_inputs: tuple[Any, ...] = (),
    output: Any = None,
    nodes: tuple[Any, ...] = (),
) -> bytes:
    """A graph whose output `y` is its input `x`, or the result of `nodes`."""
    picture = helper.make_tensor_value_info("x", element, shape)
    made = list(nodes) or [helper.make_node("Identity", ["x"], ["y"])]
    last = output or helper.make_tensor_value_info("y", element, shape)
    whole = helper.make_graph(made, "toy", [picture, *more_inputs], [last])
    return bytes(
        helper.make_model(whole, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    )


@pytest.fixture
def opened(tmp_path: Path, card_writer: Any) -> Any:
    """A card of a classifier of 16 x 16 images, and a session for a graph."""

    def made(model: bytes, **card: Any) -> tuple[Any, Any]:
        changes = card.pop("replace", ())
        path = card_writer(tmp_path, "toy", "classify", model, GENDER, **({"input_name": "x"} | card))
        text = path.read_text()
        for old, new in changes:
            assert old in text
            text = text.replace(old, new)
        path.write_text(text)
        return open_session(model, name="toy"), read_card(path)

    return made


@pytest.mark.parametrize(
    ("shape", "element", "message"),
    [
        (("N", 3, 20, 24), TensorProto.FLOAT, r"input\.size: the graph expects 24 x 20, .* write size = \[24, 20\]"),
        (("N", 3, "h", 24), TensorProto.FLOAT, r"input\.size: the graph expects 24 x 16, .* write size = \[24, 16\]"),
        (("N", 16, 16, 3), TensorProto.FLOAT, r'input\.layout: .* write layout = "NHWC"'),
        (("N", 16, 16, 1), TensorProto.FLOAT, r'input\.layout: .* write layout = "NHWC"'),
        (("N", 1, 16, 16), TensorProto.FLOAT, r'input\.colour: the graph expects 1 channel.* write colour = "GREY"'),
        (("N", 6, 16, 16), TensorProto.FLOAT, r"input\.colour: the graph expects 6 channel.* no colour in a card"),
        (("N", 768), TensorProto.FLOAT, r"input\.layout: .* has 2 axes"),
        (PICTURE, TensorProto.FLOAT16, r'input\.dtype: the graph expects float16, .* write dtype = "float16"'),
        (PICTURE, TensorProto.UINT8, r'input\.dtype: .* write dtype = "uint8" with mean = 0 and scale = 1'),
        (PICTURE, TensorProto.DOUBLE, r"input\.dtype: .* takes float64, but facegap feeds"),
        (PICTURE, TensorProto.STRING, r"input\.dtype: .* takes text, but facegap feeds"),
        ((4, 3, 16, 16), TensorProto.FLOAT, r"input: the graph accepts exactly 4 images per call"),
    ],
)
def test_an_input_that_the_card_does_not_describe_is_named_with_what_would_fit(
    opened: Any, shape: Any, element: int, message: str
) -> None:
    session, card = opened(graph(shape, element))
    with pytest.raises(ModelError, match="^toy: " + message):
        batch_limit(session, card)


def test_a_grey_card_on_a_colour_graph_names_the_colours(opened: Any) -> None:
    session, card = opened(graph(), colour="GREY", mean="0", scale="1")
    with pytest.raises(ModelError, match=r'expects 3 channel.* GREY has 1; write colour = "RGB" or "BGR"'):
        picture_input(session, card)


def test_a_second_input_is_named_with_its_type(opened: Any) -> None:
    phase = helper.make_tensor_value_info("phase_train", TensorProto.BOOL, [])
    session, card = opened(graph(more_inputs=(phase,)))
    with pytest.raises(ModelError, match=r"input: the graph has 2 inputs, .* feed to 'phase_train' \(bool\)"):
        picture_input(session, card)


def test_a_sequence_as_input_is_refused(opened: Any) -> None:
    entry = helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, None)
    last = helper.make_tensor_value_info("y", TensorProto.INT64, [])
    whole = helper.make_graph([helper.make_node("SequenceLength", ["x"], ["y"])], "toy", [entry], [last])
    model = helper.make_model(whole, ir_version=8, opset_imports=[helper.make_opsetid("", 17)]).SerializeToString()
    session, card = opened(model)
    with pytest.raises(ModelError, match=r"input\.dtype: .* takes a sequence of float32"):
        picture_input(session, card)


def test_an_input_of_undeclared_rank_is_taken_with_a_free_batch(opened: Any) -> None:
    session, card = opened(graph(None, output=helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 3, 16, 16])))
    assert picture_input(session, card) == Port("x", "tensor", "float", None)
    assert batch_limit(session, card) is None


def test_lengths_below_one_are_free_as_some_exporters_write_them() -> None:
    class Entry:
        name, type, shape = "x", "tensor(float)", [-1, 3, 0, "w"]

    assert port_of(Entry) == Port("x", "tensor", "float", (None, 3, None, None))


def with_output(kind: str) -> bytes:
    """A graph with one output `y` that is not a plain tensor of numbers."""
    if kind == "text":
        words = helper.make_tensor("words", TensorProto.STRING, [2], [b"female", b"male"])
        nodes = [helper.make_node("Constant", [], ["y"], value=words)]
        return graph(output=helper.make_tensor_value_info("y", TensorProto.STRING, [2]), nodes=tuple(nodes))
    if kind == "bfloat16":
        node = helper.make_node("Cast", ["x"], ["y"], to=TensorProto.BFLOAT16)
        return graph(output=helper.make_tensor_value_info("y", TensorProto.BFLOAT16, PICTURE), nodes=(node,))
    if kind == "a sequence of float32":
        node = helper.make_node("SequenceConstruct", ["x"], ["y"])
        return graph(output=helper.make_tensor_sequence_value_info("y", TensorProto.FLOAT, None), nodes=(node,))
    tensor = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
    optional = helper.make_value_info("y", helper.make_optional_type_proto(tensor))
    return graph(output=optional, nodes=(helper.make_node("Optional", ["x"], ["y"]),))


@pytest.mark.parametrize("kind", ["text", "bfloat16", "a sequence of float32", "an optional value of float32"])
def test_an_output_that_is_no_tensor_of_numbers_is_refused_before_any_image(opened: Any, kind: str) -> None:
    session, card = opened(with_output(kind))
    with pytest.raises(ModelError, match=rf"^toy: outputs\.gender\.output: the output 'y' is {kind}; facegap reads"):
        classifier(card, session, 8)


def test_class_numbers_under_another_kind_are_refused_and_index_proposed(opened: Any) -> None:
    node = helper.make_node("ArgMax", ["x"], ["y"], axis=1, keepdims=0)
    model = graph(output=helper.make_tensor_value_info("y", TensorProto.INT64, ["N", 16, 16]), nodes=(node,))
    session, card = opened(model)
    with pytest.raises(ModelError, match=r'outputs\.gender\.kind: .*int64.*write kind = "index"'):
        classifier(card, session, 8)


def test_a_misspelt_output_is_met_with_the_nearest_name(opened: Any) -> None:
    last = [helper.make_tensor_value_info(name, TensorProto.FLOAT, PICTURE) for name in ("gender_out", "age_out")]
    nodes = [helper.make_node("Identity", ["x"], [port.name]) for port in last]
    whole = helper.make_graph(nodes, "toy", [helper.make_tensor_value_info("x", TensorProto.FLOAT, PICTURE)], last)
    model = helper.make_model(whole, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    assert isinstance(model, onnx.ModelProto)
    session, card = opened(model.SerializeToString(), replace=[('output = "y"', 'output = "gender_ot"')])
    with pytest.raises(ModelError, match=r"its outputs are 'gender_out', 'age_out'; write output = \"gender_out\""):
        classifier(card, session, 8)
