"""The filter as an ONNX graph: product, comparison and positions of the hits on any onnxruntime provider."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facegap.matching.rows import Float32Array
from facegap.types import AnyArray, IntArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession


def above_graph(values: Float32Array) -> bytes:
    """ONNX model: codes float32 (m, d), limits float32 (m,) -> places int64 (2, hits) of codes @ values.T > limits, values.

    The product is float32 with float32 sums, whose error bound is in filters.float32_left. It is valid for any order of
    additions, so also on a GPU, but not for TF32, which rounds the factors to 10 bits; runtime switches that off.
    Only the hits are copied from the device.
    """
    from onnx import TensorProto, helper, numpy_helper

    depth = values.shape[1]
    constants = [
        numpy_helper.from_array(np.ascontiguousarray(values.T), "block"),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    nodes = [
        helper.make_node("MatMul", ["codes", "block"], ["products"]),
        helper.make_node("Unsqueeze", ["limits", "axis"], ["limit_of_row"]),
        helper.make_node("Greater", ["products", "limit_of_row"], ["above"]),
        helper.make_node("NonZero", ["above"], ["places"]),
        helper.make_node("Transpose", ["places"], ["pairs"], perm=[1, 0]),
        helper.make_node("GatherND", ["products", "pairs"], ["values"]),
    ]
    inputs = [
        helper.make_tensor_value_info("codes", TensorProto.FLOAT, ["rows", depth]),
        helper.make_tensor_value_info("limits", TensorProto.FLOAT, ["rows"]),
    ]
    outputs = [
        helper.make_tensor_value_info("places", TensorProto.INT64, [2, "hits"]),
        helper.make_tensor_value_info("values", TensorProto.FLOAT, ["hits"]),
    ]
    graph = helper.make_graph(nodes, "pairs_above", inputs, outputs, constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


def places_above(session: InferenceSession, codes: AnyArray, limits: AnyArray) -> tuple[IntArray, IntArray, AnyArray]:
    """Rows and columns of the tile whose product is above the limit of its row, and these products."""
    places, values = session.run(["places", "values"], {"codes": codes, "limits": limits})
    return places[0], places[1], values
