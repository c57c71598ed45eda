"""Lower precision: half-precision weights, and 8-bit ranges from exactly the calibration batches."""

from __future__ import annotations

import logging
import sys
from typing import Any

import numpy as np
import onnx
import pytest

from facegap.errors import ModelError
from facegap.runtime import open_session, run_session
from facegap.runtime.precision import eight_bit, half_precision

SIDE = 4


def pointwise(graphs: Any) -> bytes:
    """A graph that returns the mean of three times each channel: a 1 x 1 convolution, then the mean."""
    weight = np.zeros((3, 3, 1, 1), np.float32)
    weight[range(3), range(3)] = 3
    return bytes(
        graphs.build(
            [
                ("Conv", ["input", "weight"], ["mixed"], {}),
                ("GlobalAveragePool", ["mixed"], ["pooled"], {}),
                ("Flatten", ["pooled"], ["means"], {"axis": 1}),
            ],
            inputs={"input": ("N", 3, SIDE, SIDE)},
            outputs={"means": ("N", 3)},
            constants={"weight": weight},
        )
    )


def grey(value: float) -> Any:
    return np.full((1, 3, SIDE, SIDE), value, np.float32)


def means(content: bytes, value: float) -> list[float]:
    return [
        float(x)
        for x in run_session(open_session(content, name="toy"), ["means"], {"input": grey(value)}, name="toy")[0][0]
    ]


def quantised(content: bytes, *values: float) -> bytes:
    return eight_bit(
        content,
        [{"input": grey(value)} for value in values],
        name="toy",
        opened=lambda graph: open_session(graph, name="toy"),
    )


def test_half_precision_keeps_inputs_outputs_and_answers_and_halves_the_weights(graphs: Any) -> None:
    whole = pointwise(graphs)
    half = half_precision(whole, name="toy")
    (weight,) = onnx.load_from_string(half).graph.initializer
    assert weight.data_type == onnx.TensorProto.FLOAT16
    assert open_session(half, name="toy").get_inputs()[0].type == "tensor(float)"
    assert means(half, 7) == means(whole, 7) == [21, 21, 21]


def test_half_precision_rounds_as_float16_does(graphs: Any) -> None:
    assert means(half_precision(pointwise(graphs), name="toy"), 1365.5)[0] == float(np.float16(3 * np.float16(1365.5)))


def test_eight_bit_answers_lie_within_a_step_of_the_calibrated_range(graphs: Any) -> None:
    eight = quantised(pointwise(graphs), 0, 100)
    assert {"QuantizeLinear", "DequantizeLinear"} <= {node.op_type for node in onnx.load_from_string(eight).graph.node}
    for value in (0, 30, 99):
        assert means(eight, value)[0] == pytest.approx(3 * value, abs=2 * 300 / 255)


def test_what_no_calibration_image_showed_is_cut_to_the_range_that_they_did(graphs: Any) -> None:
    dim, bright = quantised(pointwise(graphs), 0, 10), quantised(pointwise(graphs), 0, 200)
    assert means(dim, 200)[0] == pytest.approx(30, abs=0.2)  # the largest value seen: 3 * 10
    assert means(bright, 200)[0] == pytest.approx(600, abs=5)


def test_without_a_batch_or_a_graph_there_is_a_model_error(graphs: Any) -> None:
    with pytest.raises(
        ModelError, match=r"toy: onnxruntime's tools cannot convert this graph to 8-bit integers: No data"
    ):
        quantised(pointwise(graphs))
    for make in (lambda content: half_precision(content, name="toy"), lambda content: quantised(content, 1)):
        with pytest.raises(ModelError, match=r"^toy: "):
            make(b"no graph")


def test_the_tools_leave_the_search_path_and_the_log_as_they_were(graphs: Any) -> None:
    before, filters = list(sys.path), list(logging.getLogger().filters)
    quantised(half_source := pointwise(graphs), 1)
    half_precision(half_source, name="toy")
    assert (sys.path, logging.getLogger().filters) == (before, filters)
