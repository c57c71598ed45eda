"""What the operators of a graph say before it runs: how its outputs end, whether it scales its input, whether it is quantised."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

# Operators that move or pick values and change none.
MOVING = frozenset(
    (
        *("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Cast", "Slice", "Gather", "Concat"),
        *("Split", "Dropout", "QuantizeLinear", "DequantizeLinear"),
    )
)
ARITHMETIC = frozenset(("Sub", "Add", "Mul", "Div", "BatchNormalization"))
# After one of these a value may be anything.
UNBOUNDED = frozenset(("Gemm", "MatMul", "Conv", "Add", "BatchNormalization", "Relu", "LeakyRelu", "PRelu"))
EIGHT_BIT = frozenset(("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "ConvInteger", "MatMulInteger"))
MOST_STEPS = 64  # back from an output


@dataclass(frozen=True)
class GraphFacts:
    """What is read from the operators of a graph.

    endings    : output -> the last operator that computes its values, empty where none is found
    scales     : the first operators on an input are arithmetic with constants, as where a graph scales pixels itself
    quantised  : some of it is computed in 8 bits
    """

    endings: Mapping[str, str] = field(default_factory=dict)
    scales: bool = False
    quantised: bool = False

    def unbounded(self, output: str) -> bool:
        """Whether nothing in the graph keeps the values of an output within 0 and 1."""
        return self.endings.get(output, "") in UNBOUNDED


def graph_facts(model: bytes) -> GraphFacts:
    """The facts about a model that onnxruntime could open."""
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
    """The operator that last changed the values of an output; empty where there is none."""
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
    """Whether an operator is arithmetic between a graph's input and constants."""
    sources: Sequence[str] = list(node.input)
    return node.op_type in ARITHMETIC and bool(inputs & {*sources}) and {*sources} <= inputs | constants


def weights_precision(model: bytes) -> str:
    """The type of numbers that most bytes of a model's weights are of, such as float32, float16 or int8; empty without weights."""
    import onnx

    proto = onnx.load_model_from_string(model)
    nodes = [attribute.t for node in proto.graph.node if node.op_type == "Constant" for attribute in node.attribute]
    sizes: dict[str, int] = {}
    for tensor in [*proto.graph.initializer, *nodes]:
        if tensor.data_type:
            kind = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
            sizes[str(kind)] = sizes.get(str(kind), 0) + int(kind.itemsize) * math.prod(tensor.dims)
    return max(sizes, key=lambda kind: sizes[kind], default="")
