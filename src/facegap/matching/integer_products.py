"""Exact int32 products of int8 codes by onnxruntime, and the self-test that finds out whether they are exact here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from facegap.matching.kernels import LARGEST_CODE
from facegap.runtime import open_session
from facegap.types import AnyArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

ZERO_POINT = 128  # of the uint8 codes


def integer_product_session(block_codes: AnyArray) -> InferenceSession:
    """One-thread session: uint8 codes (m, d) -> int32 products (m, n) with `block_codes`, int8 (d, n).

    u8 x s8 with a constant right side, packed once, is the fast path of onnxruntime; with two int8 sides, or a right
    side that is handed over in each call, it takes about twice as long.
    """
    from onnx import TensorProto, helper, numpy_helper

    depth, columns = block_codes.shape
    constants = [
        numpy_helper.from_array(block_codes, "block"),
        numpy_helper.from_array(np.array(ZERO_POINT, np.uint8), "zero_point"),
    ]
    codes = helper.make_tensor_value_info("codes", TensorProto.UINT8, ["rows", depth])
    products = helper.make_tensor_value_info("products", TensorProto.INT32, ["rows", columns])
    node = helper.make_node("MatMulInteger", ["codes", "block", "zero_point"], ["products"])
    graph = helper.make_graph([node], "integer_product", [codes], [products], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return open_session(model.SerializeToString(), name="int8 filter", threads=1)


def integer_product(session: InferenceSession, codes: AnyArray, out: AnyArray) -> None:
    """Write the products of `codes` with the session's block to `out`, without a copy of either."""
    binding = session.io_binding()
    binding.bind_input("codes", "cpu", 0, np.uint8, codes.shape, codes.ctypes.data)
    binding.bind_output("products", "cpu", 0, np.int32, out.shape, out.ctypes.data)
    session.run_with_iobinding(binding)


def integer_product_is_exact(depth: int = 512) -> bool:
    """Whether this processor multiplies u8 by s8 without saturation, tried at the largest magnitudes.

    Without VNNI instructions a kernel may add two products in int16, where 2 * 255 * 127 = 64,770 becomes 32,767.
    """
    rng = np.random.default_rng(0)
    ends = np.array([ZERO_POINT - LARGEST_CODE, ZERO_POINT + LARGEST_CODE], np.uint8)
    codes = rng.choice(ends, (67, depth))
    block = rng.choice(np.array([-LARGEST_CODE, LARGEST_CODE], np.int8), (depth, 131))
    codes[0], block[:, 0], block[:, 1] = ends[1], LARGEST_CODE, -LARGEST_CODE
    products = np.empty((67, 131), np.int32)
    integer_product(integer_product_session(block), codes, products)
    return bool(np.array_equal(products, (codes.astype(np.int64) - ZERO_POINT) @ block.astype(np.int64)))
