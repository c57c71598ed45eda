"""The int8 filter in the matrix unit of recent Intel processors (AMX): product and comparison without a round trip to memory.

A product of 32 x 32 pairs stays in eight tile registers until it is complete, is stored in 4 KiB that remain in the
first-level cache, and is compared there immediately.

Source : Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter 18 (programming with AMX);
         Linux kernel documentation, arch/x86/xstate.rst (permission for the tile registers)
"""

from __future__ import annotations

import ctypes
import platform
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.core import cgutils as numba_cgutils
from numba.extending import intrinsic

from facegap.matching.compiled import compiled, compiled_for_norms
from facegap.matching.kernels import LARGEST_CODE
from facegap.matching.rows import TILE_DEPTH, TILE_ROWS, aligned_zeros
from facegap.types import AnyArray

PAIRED = 2 * TILE_ROWS  # rows and columns of the products computed at once: two tiles by two
SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA = 158, 0x1023, 18
VOID, INT8, INT32, INT64 = ir.VoidType(), ir.IntType(8), ir.IntType(32), ir.IntType(64)
# Input of LDTILECFG: palette 1, then for each of eight tiles the bytes of a row (uint16 from 16 on) and the rows (from 48).
CONFIGURATION = np.array([1, *[0] * 15, *[TILE_DEPTH, 0] * 8, *[0] * 16, *[TILE_ROWS] * 8, *[0] * 8], np.uint8)
cgutils: Any = numba_cgutils  # numba_cgutils has no type annotations


def tile_instruction(build: Callable[..., Any]) -> Any:
    """numba's `intrinsic`: the decorated function declares the types, and the function it returns emits the instructions."""
    return intrinsic(build)


def emit(builder: Any, name: str, *arguments: Any) -> None:
    """Emit one instruction of the matrix unit."""
    kind = ir.FunctionType(VOID, [argument.type for argument in arguments])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), arguments)


@tile_instruction
def configure_tiles(_typing: Any, configuration: Any) -> Any:
    """Set up the tile registers of this thread."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        emit(builder, "ldtilecfg", builder.bitcast(array.data, INT8.as_pointer()))
        return context.get_dummy_value()

    return types.void(configuration), build


@tile_instruction
def release_tiles(_typing: Any) -> Any:
    """Release the tile registers, so that the system need not save them at each context switch."""

    def build(context: Any, builder: Any, _signature: Any, _arguments: Any) -> Any:
        emit(builder, "tilerelease")
        return context.get_dummy_value()

    return types.void(), build


@tile_instruction
def tile_products(_typing: Any, left: Any, row: Any, right: Any, group: Any, out: Any, out_row: Any) -> Any:
    """Write the products of 32 left rows from `row` on and 32 right rows from 16 * group on to 32 rows of `out`.

    out   : int32 (64, 32), from row `out_row` on
    left  : int8 (n, depth), n a multiple of 32, depth of 64, 64-byte aligned
    right : int8 (groups, depth / 4, 64): 16 rows of the table form a group; four components of each are adjacent

    Registers 0 to 3 contain the sums, 4 and 5 two tiles of the left side, 6 and 7 two of the right side.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = {n: context.make_array(signature.args[n])(context, builder, arguments[n]) for n in (0, 2, 4)}
        depth = cgutils.unpack_tuple(builder, arrays[0].shape, 2)[1]
        left_start, right_start, sums = (builder.bitcast(array.data, INT8.as_pointer()) for array in arrays.values())
        group_size, tile_size = builder.mul(depth, INT64(TILE_ROWS)), INT64(TILE_ROWS * TILE_DEPTH)
        sums = builder.gep(sums, [builder.mul(arguments[5], INT64(PAIRED * 4))])
        upper = builder.gep(left_start, [builder.mul(arguments[1], depth)])
        first = builder.gep(right_start, [builder.mul(arguments[3], group_size)])
        lower, second = builder.gep(upper, [group_size]), builder.gep(first, [group_size])
        for tile in range(4):
            emit(builder, "tilezero", INT8(tile))
        with cgutils.for_range(builder, builder.udiv(depth, INT64(TILE_DEPTH))) as loop:
            left_at, right_at = builder.mul(loop.index, INT64(TILE_DEPTH)), builder.mul(loop.index, tile_size)
            # Each tile is loaded just before the product that needs it: the unit computes one product while the next tile is loaded.
            for tile, start, at, stride, products in (
                (4, upper, left_at, depth, ()),
                (6, first, right_at, INT64(TILE_DEPTH), (0,)),
                (7, second, right_at, INT64(TILE_DEPTH), (1,)),
                (5, lower, left_at, depth, (2, 3)),
            ):
                emit(builder, "tileloadd64", INT8(tile), builder.gep(start, [at]), stride)
                for total in products:
                    emit(builder, "tdpbssd", INT8(total), INT8(4 + total // 2), INT8(6 + total % 2))
        for tile in range(4):
            place = (tile // 2) * TILE_ROWS * PAIRED * 4 + (tile % 2) * TILE_ROWS * 4
            emit(builder, "tilestored64", INT8(tile), builder.gep(sums, [INT64(place)]), INT64(PAIRED * 4))
        return context.get_dummy_value()

    return types.void(left, row, right, group, out, out_row), build


@tile_instruction
def two_rows_above(_typing: Any, products: Any, row: Any, limit: Any, next_limit: Any) -> Any:
    """uint64: bit k is products[row, k] > limit, bit 32 + k is products[row + 1, k] > next_limit."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        start = builder.gep(array.data, [builder.mul(arguments[1], INT64(PAIRED))])
        whole, half = ir.VectorType(INT32, 2 * PAIRED), ir.VectorType(INT32, PAIRED)
        values = builder.load(builder.bitcast(start, whole.as_pointer()), align=64)
        splats = []
        for limit_value in arguments[2:]:
            single = builder.insert_element(ir.Constant(half, ir.Undefined), limit_value, INT32(0))
            splats.append(
                builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(INT32, PAIRED), [0] * PAIRED))
            )
        both = ir.Constant(ir.VectorType(INT32, 2 * PAIRED), list(range(2 * PAIRED)))
        limits = builder.shuffle_vector(splats[0], splats[1], both)
        return builder.bitcast(builder.icmp_signed(">", values, limits), INT64)

    return types.uint64(products, row, limit, next_limit), build


@tile_instruction
def lowest_bit(_typing: Any, mask: Any) -> Any:
    """Index of the lowest set bit of a nonzero uint64."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(mask), build


@compiled
def collect(  # type: ignore[no-untyped-def]
    products, half, limits, row, column, columns, first_row, first_column, above_diagonal, i, j, p, found
):
    """Append the pairs of one half of `products`, with corner (row, column) in the tile, that are above their limit."""
    rows = limits.size
    for k in range(0, min(PAIRED, rows - row), 2):
        # The second of the last two rows may be padding: it is excluded below by its number.
        mask = two_rows_above(products, half + k, limits[row + k], limits[min(rows - 1, row + k + 1)])
        while mask != 0:
            bit = lowest_bit(mask)
            mask &= mask - np.uint64(1)
            hit_row, hit_column = row + k + (bit >> 5), column + (bit & 31)
            if hit_row >= rows or hit_column >= columns:
                continue
            if above_diagonal and first_column + hit_column <= first_row + hit_row:
                continue
            i[found], j[found] = first_row + hit_row, first_column + hit_column
            p[found] = products[half + k + (bit >> 5), bit & 31]
            found += 1
    return found


@compiled
def emit_tiles(  # type: ignore[no-untyped-def]
    left, right, columns, limits, first_row, first_column, above_diagonal, row, i, j, p, found
):
    """Like Kernels.emit_above, from codes instead of products; `row` and the row reached are multiples of 32.

    left, right : see tile_products; rows and columns beyond limits.size and `columns` are padding
    """
    # 64-byte aligned; one half is compared while the other is computed.
    scratch = np.empty(2 * PAIRED * PAIRED + 16, np.int32)
    start = (-scratch.ctypes.data % 64) // 4
    products = scratch[start : start + 2 * PAIRED * PAIRED].reshape(2 * PAIRED, PAIRED)
    configure_tiles(CONFIGURATION)
    while row < limits.size and found + PAIRED * columns <= i.size:
        half, waiting = 0, -1
        for group in range(0, right.shape[0], 2):
            column = group * TILE_ROWS
            if above_diagonal and first_column + column + PAIRED - 1 <= first_row + row:
                continue
            tile_products(left, row, right, group, products, half)
            half = PAIRED - half
            if waiting >= 0:
                found = collect(
                    products,
                    half,
                    limits,
                    row,
                    waiting,
                    columns,
                    first_row,
                    first_column,
                    above_diagonal,
                    i,
                    j,
                    p,
                    found,
                )
            waiting = column
        if waiting >= 0:
            found = collect(
                products,
                PAIRED - half,
                limits,
                row,
                waiting,
                columns,
                first_row,
                first_column,
                above_diagonal,
                i,
                j,
                p,
                found,
            )
        row += PAIRED
    release_tiles()
    return found, row


@compiled_for_norms
def pack(values, unit, packed):  # type: ignore[no-untyped-def]
    """Write the int8 codes of rows (n, d) with one unit, clipped at 127, to packed (groups, depth / 4, 64)."""
    # The same float64 operations as in Kernels.worst_norms; otherwise the residual would be that of other codes.
    inverse = 1.0 / unit
    codes = np.empty(values.shape[1], np.int8)
    for row in range(values.shape[0]):
        for k in range(values.shape[1]):
            code = np.rint(np.float64(values[row, k]) * inverse)
            codes[k] = np.int8(np.int32(min(max(code, -np.float64(LARGEST_CODE)), np.float64(LARGEST_CODE))))
        group, place = row // TILE_ROWS, 4 * (row % TILE_ROWS)
        for k in range(values.shape[1]):
            packed[group, k // 4, place + k % 4] = codes[k]


def emit_packed(
    packed: AnyArray,
    columns: int,
    codes: AnyArray,
    limits: AnyArray,
    first_row: int,
    first_column: int,
    above_diagonal: bool,
    row: int,
    i: AnyArray,
    j: AnyArray,
    p: AnyArray,
    found: int,
) -> tuple[int, int]:
    """Like Kernels.emit_above, for left codes and a packed right block; see filters.amx_right."""
    found, row = emit_tiles(
        codes, packed, columns, limits, first_row, first_column, above_diagonal, row, i, j, p, found
    )
    return found, min(row, len(limits))


def tiles_are_exact() -> bool:
    """Whether this process may use the matrix unit, and its integers are exact at the largest magnitudes."""
    if not may_use_tiles():
        return False
    rng = np.random.default_rng(0)
    left, right = aligned_zeros((64, 128), np.int8), aligned_zeros((4, 32, 64), np.int8)
    left[:], right[:] = rng.choice(np.array([-127, 127], np.int8), left.shape), rng.choice([-127, 127], right.shape)
    left[0] = 127
    rows = right.reshape(4, 32, 16, 4).transpose(0, 2, 1, 3).reshape(64, 128).astype(np.int64)
    expected = np.argwhere(left.astype(np.int64) @ rows.T > 0)
    i, j, p = (np.empty(2 * 64 * 64, np.int32) for _ in range(3))
    found, _ = emit_tiles(left, right, 64, np.zeros(64, np.int32), 0, 0, False, 0, i, j, p, 0)
    order = np.lexsort((j[:found], i[:found]))
    return bool(np.array_equal(np.stack([i[:found], j[:found]], axis=1)[order], expected))


def may_use_tiles() -> bool:
    """Whether the processor has the unit and Linux grants it to this process, which must be requested once."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return False
    features = binding.get_host_cpu_features()
    if not (features.get("amx-int8") and features.get("amx-tile")):
        return False
    return bool(ctypes.CDLL(None).syscall(SYS_ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) == 0)
