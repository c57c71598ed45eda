"""Fast products with a proven error: they decide which pairs of rows cannot reach a score, and nothing else.

A filter is prepared for a left and for a right super-block. A product p of two rows then stands for the score s with

    |s - unit * p| <= bound,    unit = left.unit * right.unit,
    bound = left.residual * right.row + left.quantised * right.residual + left.rest * right.rest.

Write a', b' for the quantised rows: a.b - a'.b' = (a - a').b + a'.(b - b'), and Cauchy-Schwarz gives the bound. The
norms are measured in float64, not estimated. For float32 the left residual is the rounding of the whole product. The rest
is what a filter over a prefix of the components leaves out, see prefix.py; it is 0 for the others.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from facegap.errors import MatchingError
from facegap.matching.graph import above_graph, places_above
from facegap.matching.kernels import LARGEST_CODE, KernelChoice, Kernels, Norms, error_bound, numba_is_installed
from facegap.matching.prefix import (
    Basis,
    Turned,
    contiguous,
    in_panels,
    in_strips,
    left_norms,
    prefix_name,
    prefix_of,
    principal_basis,
    right_norms,
    spread,
    turn,
    unturned,
)
from facegap.matching.processor import Processor, this_processor
from facegap.matching.rows import TILE_DEPTH, TILE_ROWS, Float32Array, aligned_zeros, round_up
from facegap.runtime import open_session
from facegap.types import AnyArray, Device, FloatArray, IntArray

ROUNDING = 1e-11  # times |a||b|: every float64 rounding in a score, a norm or a bound, at depth <= 4096
UNDERFLOW = 1e-30  # products below the normal float32 numbers: depth * 2**-125 and less


@dataclass(frozen=True)
class Left:
    """Left rows as a filter multiplies them: codes, by row or whatever its `emit` takes, and norms (n,)."""

    codes: Any
    norms: Norms


@dataclass(frozen=True)
class Right:
    """A block of right rows, the largest norms among them, and one of three ways to find the products above a limit.

    multiply : writes the products with left codes to an array (rows, columns); the caller compares
    emit     : multiplies and compares in one; arguments and result as in Kernels.emit_above, codes in place of products
    above    : multiplies and compares on another device: (codes, limits) -> places (i, j) and the products there
    """

    columns: int
    norms: Norms
    multiply: Callable[[AnyArray, AnyArray], None] | None = None
    emit: Callable[..., tuple[int, int]] | None = None
    above: Callable[[AnyArray, AnyArray], tuple[IntArray, IntArray, AnyArray]] | None = None


class TileShape(NamedTuple):
    """Rows and columns of a tile. 512 x 1024 products of four bytes fit the second-level cache."""

    rows: int = 512
    columns: int = 1024


@dataclass(frozen=True)
class Filter:
    """How one filter prepares rows; `dtype` is that of its products, `shape` the tile that suits it.

    turn : what is done to the rows of a super-block first; they are then put in the order of their rest, and `left` and
           `right` take parts of the result in place of rows
    """

    name: str
    dtype: type
    left: Callable[[Kernels, Any], Left]
    right: Callable[[Kernels, Any], Right]
    shape: TileShape
    makes_products: bool = True
    turn: Callable[[Kernels, Float32Array], Turned] | None = None


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

    return Right(len(values), float32_norms(kernels, values), multiply=multiply)


def float32_norms(kernels: Kernels, values: Float32Array) -> Norms:
    """Largest norms of a block of float32 rows; at least 1, so that UNDERFLOW is not made smaller by short rows."""
    norm = max(1.0, float(kernels.row_norms(values).max()))
    return Norms(1.0, 0.0, norm, norm)


def float32_limits(left: Norms, right: Norms, floor: FloatArray) -> AnyArray:
    """One float32 limit for each left row: a pair whose score reaches `floor` (rows,) has a product above it."""
    lowest = (floor - error_bound(left, right)).astype(np.float32)
    below: AnyArray = np.nextafter(lowest, np.float32(-np.inf))
    return below


def with_rounding(norms: Norms) -> Norms:
    """Norms of left rows whose residual covers every float64 rounding as well."""
    return norms._replace(residual=norms.residual + ROUNDING * norms.row)


def best_norms(kernels: Kernels, values: Float32Array, most: int) -> Norms:
    """Norms of a right block with the unit of the smallest worst residual, its codes at most `most`.

    A unit that clips some components is allowed, because the residual is measured after clipping. Two are tried where
    the rows differ, as they do at the end of a sorted super-block.
    """
    largest = np.empty(len(values), np.float32)
    kernels.largest_of_rows(values, largest)
    units = {float(largest.max()) / most}
    if largest.max() > 1.1 * np.quantile(largest, 0.8):
        units.add(float(np.quantile(largest, 0.8)) / most)
    return min((kernels.worst_norms(values, unit, most) for unit in units), key=lambda norms: float(norms.residual))


def amx_left(kernels: Kernels, values: Float32Array) -> Left:
    """int8 codes, each row with its own unit, in whole tiles of the matrix unit."""
    shape = round_up(len(values), 2 * TILE_ROWS), round_up(values.shape[1], TILE_DEPTH)
    codes = aligned_zeros(shape, np.uint8)
    norms = kernels.quantise_left(values, codes, 0, LARGEST_CODE)
    return Left(codes.view(np.int8), with_rounding(norms))


def amx_right(kernels: Kernels, values: Float32Array) -> Right:
    """int8 codes of one unit for the block, packed for the matrix unit: 16 rows a group, four components together."""
    from facegap.matching.kernels_amx import emit_packed, pack

    norms = best_norms(kernels, values, LARGEST_CODE)
    groups, depth = round_up(len(values), 2 * TILE_ROWS) // TILE_ROWS, round_up(values.shape[1], TILE_DEPTH)
    packed = aligned_zeros((groups, depth // 4, 4 * TILE_ROWS), np.int8)
    pack(values, norms.unit, packed)
    return Right(len(values), norms, emit=functools.partial(emit_packed, packed, len(values)))


def fused_left(kernels: Kernels, values: Float32Array) -> Left:
    """Rows as they are, for products that are compared in registers."""
    return prefix_left(0.0, kernels, unturned(kernels, values))


def fused_right(kernels: Kernels, values: Float32Array) -> Right:
    """A block as it is, for products that are compared in registers."""
    return prefix_right(kernels, unturned(kernels, values))


def prefix_left(error: float, _kernels: Kernels, turned: Turned) -> Left:
    """Rows in a basis whose error is known."""
    return Left(in_strips(turned), left_norms(turned, error))


def prefix_right(_kernels: Kernels, turned: Turned) -> Right:
    """A block in the same basis."""
    from facegap.matching.kernels_fused import emit_fused

    return Right(len(turned), right_norms(turned), emit=functools.partial(emit_fused, in_panels(turned), len(turned)))


def int8_left(kernels: Kernels, values: Float32Array) -> Left:
    """Rows as codes, each with its own unit, for products that are compared in registers."""
    return codes_left(0.0, kernels, unturned(kernels, values))


def int8_right(kernels: Kernels, values: Float32Array) -> Right:
    """A block as codes of one unit."""
    return codes_right(kernels, unturned(kernels, values))


def codes_left(error: float, kernels: Kernels, turned: Turned) -> Left:
    """The first components of rows in a basis as codes, and the next for a second look."""
    from facegap.matching.kernels_fused import CODES, ROWS, FusedLeft

    codes = aligned_zeros((round_up(len(turned), ROWS), turned.first.shape[1]), np.uint8)
    norms = with_rounding(kernels.quantise_left(contiguous(turned.first), codes, CODES.zero_point, CODES.left))
    looked_at = FusedLeft(codes, norms.unit, contiguous(turned.more), contiguous(turned.rest))
    return Left(looked_at, of_prefix(norms, left_norms(turned, error)))


def codes_right(kernels: Kernels, turned: Turned) -> Right:
    """A block of them."""
    from facegap.matching.kernels_fused import CODES, FusedRight, emit_fused, packed_codes

    values, own = contiguous(turned.first), right_norms(turned)
    norms = best_norms(kernels, values, CODES.right)
    packed = packed_codes(kernels.codes_of_columns(values, norms.unit, CODES.right))
    looked_at = FusedRight(*packed, norms.unit, contiguous(turned.more), contiguous(turned.rest[1]), own.rest)
    emit = functools.partial(emit_fused, looked_at, len(turned))
    return Right(len(turned), norms._replace(row=own.row, rest=own.rest), emit=emit)


def of_prefix(norms: Norms, own: Norms) -> Norms:
    """Norms of the codes of left rows with what the prefix leaves out, and the rounding of the turn and the second look."""
    return norms._replace(residual=norms.residual + own.residual, rest=own.rest)


def coded_left(base: Filter, error: float, kernels: Kernels, turned: Turned) -> Left:
    """The first components of rows in a basis, as the codes of `base`."""
    left = base.left(kernels, turned.first)
    return replace(left, norms=of_prefix(left.norms, left_norms(turned, error)))


def coded_right(base: Filter, kernels: Kernels, turned: Turned) -> Right:
    """A block of them; its norm is that of whole rows, which the rounding of the turn is measured by."""
    right, own = base.right(kernels, turned.first), right_norms(turned)
    return replace(right, norms=right.norms._replace(row=own.row, rest=own.rest))


def prefix_filter(basis: Basis, first: int, base: str = "fused") -> Filter:
    """The filter of `first` components in this basis, multiplied as `base` of FILTERS does."""
    whole = FILTERS[base]
    if base != "fused":
        basis = spread(basis, first)
    left: Callable[[Kernels, Turned], Left] = functools.partial(coded_left, whole, basis.error)
    right: Callable[[Kernels, Turned], Right] = functools.partial(coded_right, whole)
    if base in IN_REGISTERS:
        of_left, right = IN_REGISTERS[base]
        left = functools.partial(of_left, basis.error)
    name = prefix_name(first, base)
    return replace(whole, name=name, left=left, right=right, turn=functools.partial(turn, basis, first))


def graph_right(device: Device, kernels: Kernels, values: Float32Array) -> Right:
    """A block in a graph that multiplies and compares on `device`; its products never leave it."""
    session = open_session(above_graph(values), name="graph filter", device=device, threads=1)
    return Right(len(values), float32_norms(kernels, values), above=functools.partial(places_above, session))


FILTERS: Mapping[str, Filter] = {
    "float32": Filter("float32", np.float32, float32_left, float32_right, TileShape(512, 1024)),
    "fused": Filter("fused", np.float32, fused_left, fused_right, TileShape(480, 1024), makes_products=False),
    "int8": Filter("int8", np.int32, int8_left, int8_right, TileShape(480, 1024), makes_products=False),
    "amx": Filter("amx", np.int32, amx_left, amx_right, TileShape(2048, 1024), makes_products=False),
}
# Filters whose pairs are looked at twice, and what prepares the rows of a basis for them.
IN_REGISTERS: Mapping[str, tuple[Callable[..., Left], Callable[[Kernels, Turned], Right]]] = {
    "fused": (prefix_left, prefix_right),
    "int8": (codes_left, codes_right),
}

NEEDS_NUMBA = {
    "int8": "products are compared in registers by a loop that numba compiles",
    "fused": "products are compared in registers by a loop that numba compiles",
    "amx": "the matrix unit is programmed through numba",
}


def why_not(name: str, kernels: KernelChoice = "auto", processor: Processor | None = None) -> str:
    """Why a filter of FILTERS cannot be used on `processor`, by default this one; empty where it can.

    The processor is asked last, and only for a filter that depends on it: its self-tests take a second.
    """
    if name in NEEDS_NUMBA and (kernels == "numpy" or not numba_is_installed()):
        return NEEDS_NUMBA[name]
    if name == "int8" and not (processor or this_processor()).exact_int8:
        return "this processor has no instruction for int8 products that is exact (AVX2, AVX-512BW or VNNI)"
    if name == "amx" and not (processor or this_processor()).matrix_unit:
        return "this processor has no matrix unit for int8 (AMX), or the operating system does not allow it"
    return ""


def require_filter(name: str, device: Device) -> None:
    """Raise MatchingError for an unknown filter, or a device for one of the CPU, whatever the processor can do."""
    if name not in ("auto", "graph", *FILTERS) and not prefix_of(name):
        raise MatchingError(
            f"filter={name!r} is not one of auto, {', '.join(FILTERS)}, graph, or a prefix with its number of "
            f"components, such as prefix96 or int8-prefix128"
        )
    if device != "cpu" and name != "graph":
        raise MatchingError(f"filter={name!r} runs on the CPU; use filter='graph' with device={device!r}")


def filter_named(
    name: str, device: Device = "cpu", processor: Processor | None = None, *, rows: Float32Array | None = None
) -> Filter:
    """The filter of this name, after its self-test; `device` is for the graph filter alone.

    rows : of the table that is compared; a prefix takes its directions from some of them

    Raises
    ------
    MatchingError : an unknown name; a device for a CPU filter; a filter that the processor cannot run exactly
    """
    require_filter(name, device)
    if name == "graph":
        right = functools.partial(graph_right, device)
        return Filter("graph", np.float32, float32_left, right, TileShape(1024, 8192), makes_products=False)
    assert name != "auto"  # chosen by the caller
    base, first = prefix_of(name) or (name, 0)
    if fault := why_not(base, processor=processor):
        raise MatchingError(f"filter={name!r}: {fault}; use filter='float32'")
    if not first:
        return FILTERS[base]
    assert rows is not None
    return prefix_filter(principal_basis(rows), first, base) if first < rows.shape[1] else FILTERS[base]
