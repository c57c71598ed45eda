"""Inspect the operators of a graph: the last one of each output, input scaling and quantisation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Operators that move or select values without changing them.
MOVING = frozenset(
    (
        *("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Cast", "Slice", "Gather", "Concat"),
        *("Split", "Dropout", "QuantizeLinear", "DequantizeLinear"),
    )
)
ARITHMETIC = frozenset(("Sub", "Add", "Mul", "Div", "BatchNormalization"))
# The output values of these are unbounded.
UNBOUNDED = frozenset(("Gemm", "MatMul", "Conv", "Add", "BatchNormalization", "Relu", "LeakyRelu", "PRelu"))
EIGHT_BIT = frozenset(("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"))
MOST_STEPS = 64  # backwards from an output


@dataclass(frozen=True)
class GraphFacts:
    """Properties of a graph derived from its operators.

    endings    : output -> the last operator that computes its values, empty if none is found
    scales     : the first operators on an input are arithmetic with constants, as in a graph that scales pixels itself
    quantised  : part of it is computed in 8 bits
    """

    endings: Mapping[str, str] = field(default_factory=dict)
    scales: bool = False
    quantised: bool = False

    def unbounded(self, output: str) -> bool:
        """Return whether the graph leaves the values of an output unbounded."""
        return self.endings.get(output, "") in UNBOUNDED


def graph_facts(model: bytes) -> GraphFacts:
    """Return the properties of a model that onnxruntime can load."""
    import onnx

    proto = onnx.load_model_from_string(model)
    maker = {name: node for node in proto.graph.node for name in node.output}
    stored = {tensor.name for tensor in proto.graph.initializer}
    constants = stored | {name for node in proto.graph.node if node.op_type == "Constant" for name in node.output}
    inputs = {port.name for port in proto.graph.input} - stored
    return GraphFacts(
        {port.name: ending(port.name, maker, constants) for port in proto.graph.output},
        any(scales_input(node, inputs, constants) for node in proto.graph.node),
        any(node.op_type in EIGHT_BIT or node.op_type.startswith("QLinear") for node in proto.graph.node),
    )


def ending(output: str, maker: Mapping[str, Any], constants: set[str]) -> str:
    """Return the operator that last changed the values of an output; empty if there is none."""
    name = output
    for _ in range(MOST_STEPS):
        node = maker.get(name)
        if node is None:
            return ""
        if node.op_type not in MOVING:
            return str(node.op_type)
        values = [source for source in node.input if source not in constants]
        if not values:
            return ""
        name = values[0]
    return ""


def scales_input(node: Any, inputs: set[str], constants: set[str]) -> bool:
    """Return whether an operator is arithmetic between a graph's input and constants."""
    sources: Sequence[str] = list(node.input)
    return node.op_type in ARITHMETIC and bool(inputs & {*sources}) and {*sources} <= inputs | constants


def weights_precision(model: bytes) -> str:
    """Return the dtype of most bytes of a model's weights, such as float32, float16 or int8; empty without weights."""
    import onnx

    proto = onnx.load_model_from_string(model)
    nodes = [attribute.t for node in proto.graph.node if node.op_type == "Constant" for attribute in node.attribute]
    sizes: dict[str, int] = {}
    for tensor in [*proto.graph.initializer, *nodes]:
        if tensor.data_type:
            kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            sizes[str(kind)] = sizes.get(str(kind), 0) + int(kind.itemsize) * math.prod(tensor.dims)
    return max(sizes, key=lambda kind: sizes[kind], default="")
