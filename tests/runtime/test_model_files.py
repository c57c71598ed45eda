"""Checks on the bytes of an ONNX file before anything is built from them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from facegap.errors import ModelError
from facegap.runtime import model_files, open_session
from facegap.runtime.model_files import require_sound
from fixtures import hostile_graphs as hostile


def test_a_sound_graph_passes() -> None:
    require_sound(hostile.sound(), "toy")


@pytest.mark.parametrize("form", hostile.OUTSIDE_FORMS)
@pytest.mark.parametrize("path", ["weights.bin", "/etc/passwd", "*/_ORT_MEM_ADDR_/*"])
def test_external_data_is_refused_in_whatever_field_it_hides(form: str, path: str) -> None:
    with pytest.raises(ModelError, match="toy: stores weights in other files; save it as one file"):
        require_sound(hostile.outside(form, path), "toy")


def test_a_location_that_protobuf_cuts_to_external_is_refused() -> None:
    """The C++ parser keeps 32 bits of an enumeration: 2**32 + 1 becomes 1."""
    tensor = TensorProto(dims=[1], data_type=1, name="w")
    long_one = tensor.SerializeToString() + b"\x70" + b"\x81\x80\x80\x80\x10"  # field 14, value 2**32 + 1
    graph = onnx.GraphProto(name="g")
    graph.node.append(helper.make_node("Identity", ["x"], ["y"]))
    inside = graph.SerializeToString() + b"\x2a" + bytes([len(long_one)]) + long_one
    with pytest.raises(ModelError, match="stores weights in other files; save it as one file"):
        require_sound(b"\x3a" + bytes([len(inside)]) + inside, "toy")


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        (b"\xaa\x06\x01a", r"ModelProto has a field 101; fetch it again, or update onnx"),
        (b"\x08", "truncated or damaged"),
        (b"\x0b", r"ModelProto has a field|damaged, or not protobuf"),
        (b"\x0a\x01a", r"damaged, or not protobuf|has a field 1"),  # ir_version is a number
        (b"\x3a\x7f", "truncated or damaged"),
    ],
)
def test_a_field_that_onnx_does_not_know_or_that_is_written_otherwise_is_refused(extra: bytes, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        require_sound(hostile.sound() + extra, "toy")


def test_functions_are_counted_written_out() -> None:
    require_sound(hostile.laughs(10), "toy")
    with pytest.raises(
        ModelError, match=r"toy: 536,870,912 operators with its functions expanded, more than the limit of 100,000"
    ):
        require_sound(hostile.laughs(29), "toy")
    with pytest.raises(ModelError, match="its function 'L0' calls itself"):
        require_sound(hostile.laughs(0, circle=True), "toy")


def test_functions_of_thousands_of_levels_cost_no_time_and_no_stack() -> None:
    started = time.process_time()
    with pytest.raises(ModelError, match="1,000,000,000,000,000 operators"):
        require_sound(hostile.laughs(3000), "toy")
    assert time.process_time() - started < 20


def test_a_hundred_levels_of_graphs_inside_each_other_are_refused() -> None:
    inner = b""
    for _ in range(200):  # a node with an attribute with a graph with a node ...
        attribute = b"\x32" + varint(len(inner)) + inner
        node = b"\x2a" + varint(len(attribute)) + attribute
        inner = b"\x0a" + varint(len(node)) + node
    with pytest.raises(ModelError, match="nested more than 100 levels deep"):
        require_sound(b"\x3a" + varint(len(inner)) + inner, "toy")


def varint(number: int) -> bytes:
    found = b""
    while number > 0x7F:
        found += bytes([number & 0x7F | 0x80])
        number >>= 7
    return found + bytes([number])


def test_very_many_empty_parts_are_refused_before_they_take_memory() -> None:
    nodes = b"\x0a\x00" * (model_files.MOST_MESSAGES + 1)
    with pytest.raises(ModelError, match="more than 1,000,000 parts"):
        require_sound(b"\x3a" + varint(len(nodes)) + nodes, "toy")


def test_an_input_that_is_a_single_number_is_one_error_with_the_port_and_the_key() -> None:
    with pytest.raises(
        ModelError,
        match=r"toy: input\.layout: the graph's input 'x' is declared as a single number",
    ):
        require_sound(hostile.scalar(), "toy")


def test_bytes_that_are_onnx_and_onnxruntimes_own_format_are_read_as_onnx() -> None:
    data = hostile.two_formats()
    assert data[4:8] == b"ORTM"
    assert [port.name for port in open_session(data, name="toy").get_inputs()] == ["x"]


@given(st.binary(max_size=200))
@settings(max_examples=200, deadline=None)
def test_whatever_bytes_come_the_answer_is_a_model_error_or_nothing(data: bytes) -> None:
    try:
        require_sound(data, "toy")
    except ModelError as error:
        assert str(error).startswith("toy: ")


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_nothing_that_passes_points_to_another_file(data: Any) -> None:
    """The walk compared with the messages that protobuf itself parses from the same bytes."""
    good = hostile.outside(data.draw(st.sampled_from(hostile.OUTSIDE_FORMS)), "w")
    at = data.draw(st.integers(0, len(good) - 1))
    changed = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    try:
        require_sound(changed, "toy")
    except ModelError:
        return
    assert "EXTERNAL" not in str(onnx.load_model_from_string(changed))


@pytest.mark.real
def test_the_real_models_pass(test_data: Path) -> None:
    found = sorted((test_data / "models").rglob("*.onnx"))
    assert found
    for path in found:
        require_sound(path.read_bytes(), path.name)
