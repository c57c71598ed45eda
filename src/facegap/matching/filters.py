"""Fast products with a proven error: they decide which pairs of rows cannot reach a score, and nothing else.

A filter is prepared for a left and for a right super-block. A product p of two rows then stands for the score s with

    |s - unit * p| <= bound,    unit = left.unit * right.unit,
    bound = left.residual * right.row + left.quantised * right.residual.

Write a', b' for the quantised rows: a.b - a'.b' = (a - a').b + a'.(b - b'), and Cauchy-Schwarz gives the bound. The
norms are measured in float64, not estimated. For float32 the left residual is the rounding of the whole product.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from facegap.errors import MatchingError
from facegap.matching.graph import above_graph, places_above
from facegap.matching.kernels import Kernels, Norms
from facegap.matching.kernels_numpy import LARGEST_CODE, ZERO_POINT
from facegap.matching.rows import Float32Array
from facegap.runtime import open_session
from facegap.types import AnyArray, Device, FloatArray, IntArray

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

FilterName = Literal["float32", "int8", "graph"]
ROUNDING = 1e-11  # times |a||b|: every float64 rounding in a score, a norm or a bound, at depth <= 4096
UNDERFLOW = 1e-30  # products below the normal float32 numbers: depth * 2**-125 and less


@dataclass(frozen=True)
class Left:
    """Left rows as a filter multiplies them: codes (n, depth) and norms (n,)."""

    codes: AnyArray
    norms: Norms


@dataclass(frozen=True)
class Right:
    """A block of right rows, and the largest norms among them.

    multiply : writes the products with left codes to an array (rows, columns)
    above    : where another device compares too: places (i, j) of the products above the limit of their row
    """

    columns: int
    multiply: Callable[[AnyArray, AnyArray], None]
    norms: Norms
    above: Callable[[AnyArray, AnyArray], tuple[IntArray, IntArray]] | None = None


@dataclass(frozen=True)
class Filter:
    """How one filter prepares rows; `dtype` is that of its products."""

    name: FilterName
    dtype: type
    left: Callable[[Kernels, Float32Array], Left]
    right: Callable[[Kernels, Float32Array], Right]


def error_bound(left: Norms, right: Norms) -> FloatArray:
    """Bound on |score - unit * product| of each left row with any row of the right block, float64 (n,)."""
    bound: FloatArray = left.residual * right.row + left.quantised * right.residual
    return bound


def limits(dtype: type, left: Norms, right: Norms, floor: FloatArray | float) -> AnyArray:
    """One limit for each left row, of `dtype`: a pair whose score reaches `floor` has a product above it."""
    steps: FloatArray = (floor - error_bound(left, right)) / (left.unit * right.unit)
    if dtype is np.int32:
        # One step of slack covers the rounding of the quotient, which is below 2**27.
        clipped: FloatArray = np.clip(np.floor(steps) - 1, -(2.0**31), 2.0**31 - 1)
        return clipped.astype(np.int32)
    below: AnyArray = np.nextafter(steps.astype(np.float32), np.float32(-np.inf))
    return below


def float32_left(kernels: Kernels, values: Float32Array) -> Left:
    """Rows as they are. |fl(a.b) - a.b| <= d u / (1 - d u) |a||b| for any order of additions, u = 2**-24.

    Source : Higham (2002), Accuracy and Stability of Numerical Algorithms, section 3.1; 1.01 covers the denominator
    """
    norm = kernels.row_norms(values)
    residual = (1.01 * values.shape[1] * 2.0**-24 + ROUNDING) * norm + UNDERFLOW
    return Left(values, Norms(np.ones(len(values)), residual, norm, norm))


def float32_right(kernels: Kernels, values: Float32Array) -> Right:
    """A block for numpy's matrix product."""

    def multiply(codes: AnyArray, out: AnyArray) -> None:
        np.matmul(codes, values.T, out=out)

    return Right(len(values), multiply, float32_norms(kernels, values))


def float32_norms(kernels: Kernels, values: Float32Array) -> Norms:
    """Largest norms of a block of float32 rows; at least 1, so that UNDERFLOW is not made smaller by short rows."""
    norm = max(1.0, float(kernels.row_norms(values).max()))
    return Norms(1.0, 0.0, norm, norm)


def int8_left(kernels: Kernels, values: Float32Array) -> Left:
    """uint8 codes around 128, each row with its own unit."""
    codes, norms = kernels.quantise_left(values)
    return Left(codes, norms._replace(residual=norms.residual + ROUNDING * norms.row))


def int8_right(kernels: Kernels, values: Float32Array) -> Right:
    """int8 codes of one unit for the block, in a session that has packed them.

    A unit that clips some components is allowed, because the residual is measured after clipping: of three units the
    one with the smallest worst residual is taken.
    """
    largest = np.maximum(values.max(axis=1), -values.min(axis=1)).astype(np.float64)
    units = sorted({float(np.quantile(largest, share)) / LARGEST_CODE for share in (1.0, 0.9, 0.7)})
    norms = min((kernels.worst_norms(values, unit) for unit in units), key=lambda norms: float(norms.residual))
    session = integer_product_session(kernels.codes_of_columns(values, norms.unit))
    return Right(len(values), functools.partial(integer_product, session), norms)


def graph_right(device: Device, kernels: Kernels, values: Float32Array) -> Right:
    """A block in a graph that multiplies and compares on `device`; its products never leave it."""
    session = open_session(above_graph(values), name="graph filter", device=device, threads=1)

    def multiply(_codes: AnyArray, _out: AnyArray) -> None:
        raise MatchingError("the graph filter keeps its products on the device; use filter='float32' for a full range")

    return Right(len(values), multiply, float32_norms(kernels, values), functools.partial(places_above, session))


FILTERS: Mapping[str, Filter] = {
    "float32": Filter("float32", np.float32, float32_left, float32_right),
    "int8": Filter("int8", np.int32, int8_left, int8_right),
}


def integer_product_session(block_codes: AnyArray) -> InferenceSession:
    """One-thread session: uint8 codes (m, d) -> int32 products (m, n) with `block_codes`, int8 (d, n).

    u8 x s8 with a constant right side, packed once, is the fast path of onnxruntime; with two int8 sides, or a right
    side that is handed over in each call, it takes about twice as long.
    """
    from onnx import TensorProto, helper, numpy_helper

    depth, columns = block_codes.shape
    constants = [numpy_helper.from_array(block_codes, "block"),
                 numpy_helper.from_array(np.array(ZERO_POINT, np.uint8), "zero_point")]  # fmt: skip
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


@functools.cache
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


def filter_named(name: str, device: Device = "cpu") -> Filter:
    """The filter of this name, after its self-test; `device` is for the graph filter alone.

    Raises
    ------
    MatchingError : an unknown name; int8 on a processor whose integer products saturate; a device for a CPU filter
    """
    if name == "graph":
        return Filter("graph", np.float32, float32_left, functools.partial(graph_right, device))
    if name not in FILTERS:
        raise MatchingError(f"filter={name!r} is not one of auto, {', '.join(FILTERS)}, graph")
    if device != "cpu":
        raise MatchingError(f"filter={name!r} runs on the CPU; use filter='graph' with device={device!r}")
    if name == "int8" and not integer_product_is_exact():
        raise MatchingError("the int8 products of this processor saturate (no VNNI instructions); use filter='float32'")
    return FILTERS[name]
