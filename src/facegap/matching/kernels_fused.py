"""Float32 products compared in registers: a tile is never written to memory, only the pairs above their limit are.

One call of `tile_above` multiplies ROWS left rows by COLUMNS right rows, keeps the sums in vector registers, and answers
in bits which are above the limit of their row. The register file decides the shape: 12 x 32 with AVX-512, else 6 x 16,
which are 12 sums, two of the right side and one of the left in the 16 registers of AVX2, and fit the 32 of ARM as well.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as numba_cgutils
from numba.core import codegen as numba_codegen
from numba.core import config as numba_config
from numba.extending import intrinsic

from facegap.matching.compiled import compiled, compiled_for_norms
from facegap.types import AnyArray

# What numba compiles for, which its own variables may narrow; a cached loop belongs to the same processor.
codegen: Any = numba_codegen  # these have no types
config: Any = numba_config
FEATURES = config.CPU_FEATURES if config.CPU_FEATURES is not None else codegen.get_host_cpu_features()
ROWS, COLUMNS = (12, 32) if "+avx512f" in FEATURES else (6, 16)
STRIP = 48  # left rows that stay in the first-level cache while a right block passes by; a multiple of ROWS
AT_ONCE = 4  # components to a turn of the inner loop

INT32, INT64, FLOAT = ir.IntType(32), ir.IntType(64), ir.FloatType()
cgutils: Any = numba_cgutils  # it has no types


class FusedLeft(NamedTuple):
    """Left rows: `first` components for the product, padded to whole strips, and what settles a pair that passes it.

    first : float32 (rows up to a multiple of ROWS, k)
    more  : float32 (rows, m), the next components
    rest  : float64 (2, rows), norms of what lies beyond the first k, and beyond the first k + m
    """

    first: AnyArray
    more: AnyArray
    rest: AnyArray


class FusedRight(NamedTuple):
    """A block of right rows.

    first   : float32 (panels, k, COLUMNS), component by component, 64-byte aligned
    more    : float32 (rows, m)
    rest    : float64 (rows,), norms beyond the first k + m
    largest : the largest norm beyond the first k
    """

    first: AnyArray
    more: AnyArray
    rest: AnyArray
    largest: float


def vector_instruction(build: Any) -> Any:
    """numba's `intrinsic`, which has no types."""
    return intrinsic(build)


@vector_instruction
def tile_above(
    _typing: Any, left: Any, row: Any, right: Any, panel: Any, limits: Any, products: Any, masks: Any
) -> Any:
    """Products of left rows [row, row + ROWS) with the right rows of a panel; returns the or of all masks, a uint64.

    products : float32 (ROWS, COLUMNS), written
    masks    : uint64 (ROWS,), written; bit c of masks[r] says products[r, c] > limits[row + r]
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = {n: context.make_array(signature.args[n])(context, builder, arguments[n]) for n in (0, 2, 4, 5, 6)}
        depth = cgutils.unpack_tuple(builder, arrays[0].shape, 2)[1]
        vector, mask_type = ir.VectorType(FLOAT, COLUMNS), ir.IntType(COLUMNS)
        corner = builder.gep(arrays[0].data, [builder.mul(arguments[1], depth)])
        lines = [builder.gep(corner, [builder.mul(INT64(r), depth)]) for r in range(ROWS)]
        panel_start = builder.gep(arrays[2].data, [builder.mul(arguments[3], builder.mul(depth, INT64(COLUMNS)))])
        sums = [cgutils.alloca_once_value(builder, ir.Constant(vector, [0.0] * COLUMNS)) for _ in range(ROWS)]
        # The depth is a multiple of AT_ONCE; every address is then one step from that of the turn.
        with cgutils.for_range(builder, builder.udiv(depth, INT64(AT_ONCE))) as loop:
            for step in range(AT_ONCE):
                at = builder.add(builder.mul(loop.index, INT64(AT_ONCE)), INT64(step))
                address = builder.gep(panel_start, [builder.mul(at, INT64(COLUMNS))])
                columns = builder.load(builder.bitcast(address, vector.as_pointer()), align=64)
                for line, total in zip(lines, sums, strict=True):
                    product = builder.fmul(
                        splat(builder, builder.load(builder.gep(line, [at]))), columns, flags=("contract",)
                    )
                    builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)
        union = ir.Constant(mask_type, 0)
        for r, total in enumerate(sums):
            values = builder.load(total)
            place = builder.gep(arrays[5].data, [INT64(r * COLUMNS)])
            builder.store(values, builder.bitcast(place, vector.as_pointer()), align=4)
            limit = builder.load(builder.gep(arrays[4].data, [builder.add(arguments[1], INT64(r))]))
            mask = builder.bitcast(builder.fcmp_ordered(">", values, splat(builder, limit)), mask_type)
            builder.store(builder.zext(mask, INT64), builder.gep(arrays[6].data, [INT64(r)]))
            union = builder.or_(union, mask)
        return builder.zext(union, INT64)

    return types.uint64(left, row, right, panel, limits, products, masks), build


def splat(builder: Any, value: Any) -> Any:
    """COLUMNS times one value."""
    vector = ir.VectorType(value.type, COLUMNS)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, INT32(0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(INT32, COLUMNS), [0] * COLUMNS))


@vector_instruction
def lowest_bit(_typing: Any, mask: Any) -> Any:
    """Number of the lowest set bit of a uint64 that is not 0."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(mask), build


@compiled
def emit_products(  # type: ignore[no-untyped-def]
    left, right, columns, limits, first_row, first_column, above_diagonal, row, stop, i, j, p, found
):
    """Append the pairs of left rows [row, stop) whose product is above its limit; rows and columns beyond are padding."""
    products, masks = np.empty((ROWS, COLUMNS), np.float32), np.empty(ROWS, np.uint64)
    for panel in range(right.shape[0]):
        column = panel * COLUMNS
        for top in range(row, stop, ROWS):
            if above_diagonal and first_column + column + COLUMNS - 1 <= first_row + top:
                continue
            if tile_above(left, top, right, panel, limits, products, masks) == 0:
                continue
            for r in range(min(ROWS, stop - top)):
                mask = masks[r]
                while mask != 0:
                    bit = lowest_bit(mask)
                    mask &= mask - np.uint64(1)
                    hit = column + bit
                    if hit >= columns or (above_diagonal and first_column + hit <= first_row + top + r):
                        continue
                    i[found], j[found], p[found] = first_row + top + r, first_column + hit, products[r, bit]
                    found += 1
    return found


@compiled_for_norms
def thin(left_more, left_rest, right_more, right_rest, largest, limits, first_row, first_column, i, j, p, start, found):  # type: ignore[no-untyped-def]
    """Keep the pairs from `start` on that the next components and the pair's own norms do not rule out; returns their end.

    A limit was made with the largest norm of the block: limit + rest * largest is the floor less the rounding.
    """
    kept = start
    for c in range(start, found):
        row, column = i[c] - first_row, j[c] - first_column
        product = np.float32(0)
        for k in range(left_more.shape[1]):
            product += left_more[row, k] * right_more[column, k]
        product += p[c]
        floor = np.float64(limits[row]) + left_rest[0, row] * largest
        if np.float64(product) + left_rest[1, row] * right_rest[column] >= floor:
            i[kept], j[kept], p[kept] = i[c], j[c], product
            kept += 1
    return kept


@compiled
def emit_strips(  # type: ignore[no-untyped-def]
    left,
    left_more,
    left_rest,
    right,
    right_more,
    right_rest,
    largest,
    columns,
    limits,
    rows,
    first_row,
    first_column,
    above_diagonal,
    row,
    i,
    j,
    p,
    found,
):
    """As Kernels.emit_above; `row` and the row reached are multiples of STRIP or `rows`, beyond which limits are padding."""
    while row < rows and found + STRIP * columns <= i.size:
        stop, start = min(rows, row + STRIP), found
        found = emit_products(
            left, right, columns, limits, first_row, first_column, above_diagonal, row, stop, i, j, p, found
        )
        if right_more.shape[1] > 0:
            found = thin(
                left_more,
                left_rest,
                right_more,
                right_rest,
                largest,
                limits,
                first_row,
                first_column,
                i,
                j,
                p,
                start,
                found,
            )
        row = stop
    return found, row


def emit_fused(
    right: FusedRight,
    columns: int,
    left: FusedLeft,
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
    """As Kernels.emit_above, from rows instead of products."""
    padded = np.full(len(left.first), np.inf, np.float32)
    padded[: len(limits)] = limits
    place = len(limits), first_row, first_column, above_diagonal, row
    reached: tuple[int, int] = emit_strips(*left, *right, columns, padded, *place, i, j, p, found)
    return reached


@compiled
def pack(values, packed):  # type: ignore[no-untyped-def]
    """Write rows (n, k) to packed (panels, k, COLUMNS), component by component."""
    for row in range(values.shape[0]):
        panel, place = row // COLUMNS, row % COLUMNS
        for k in range(values.shape[1]):
            packed[panel, k, place] = values[row, k]
