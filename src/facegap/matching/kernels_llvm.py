"""The loops over LLVM vectors, which numba's own language cannot express: the score, and a comparison answered in bits."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils as numba_cgutils
from numba.extending import intrinsic

from facegap.matching.compiled import compiled
from facegap.matching.rows import LANES

ABREAST = 4  # scores computed side by side: one score alone waits for its own additions
MASK_WIDTH = 64  # products compared at once, one bit each

INT32, INT64 = ir.IntType(32), ir.IntType(64)
cgutils: Any = numba_cgutils  # it has no types


def vector_instruction(build: Callable[..., Any]) -> Any:
    """numba's `intrinsic`: the function names the types, and the function it returns writes the instructions."""
    return intrinsic(build)


@vector_instruction
def scores_abreast(_typing: Any, left: Any, right: Any, i: Any, j: Any, first: Any, out: Any) -> Any:
    """Write to out[first : first + ABREAST] the scores of left[i[k]] and right[j[k]], float32 rows of depth 16 m.

    This is the definition of a score. Lane l adds left[k] * right[k] for k = l, l + 16, l + 32, ... in that order; then
    the upper half of the lanes is added to the lower half until one is left. A product of two float32 is exact in
    float64, so that a fused multiply-add (`contract`) changes no bit and the order of additions alone fixes the result.
    """

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        typed = [pair for pair in zip(signature.args, arguments, strict=True) if isinstance(pair[0], types.Array)]
        arrays = [context.make_array(kind)(context, builder, value) for kind, value in typed]
        rows, places, scores = arrays[:2], arrays[2:4], arrays[4]
        depth = cgutils.unpack_tuple(builder, rows[0].shape, 2)[1]
        numbers = [builder.add(arguments[4], INT64(k)) for k in range(ABREAST)]
        last = builder.sub(cgutils.unpack_tuple(builder, arrays[2].shape, 1)[0], INT64(1))
        ahead = [at_most(builder, builder.add(n, INT64(ABREAST)), last) for n in numbers]
        starts, coming = (
            [
                [row_start(builder, row, place, n, depth) for row, place in zip(rows, places, strict=True)]
                for n in numbered
            ]
            for numbered in (numbers, ahead)
        )
        for total, number in zip(lane_totals(builder, starts, coming, depth), numbers, strict=True):
            builder.store(fold(builder, total), builder.gep(scores.data, [number]))
        return context.get_dummy_value()

    return types.void(left, right, i, j, first, out), build


def row_start(builder: Any, rows: Any, places: Any, number: Any, depth: Any) -> Any:
    """Pointer to rows[places[number], 0]."""
    place = builder.sext(builder.load(builder.gep(places.data, [number])), INT64)
    return builder.gep(rows.data, [builder.mul(place, depth)])


def at_most(builder: Any, value: Any, limit: Any) -> Any:
    """The smaller of two int64."""
    return builder.select(builder.icmp_signed("<", value, limit), value, limit)


def prefetch(builder: Any, pointer: Any) -> None:
    """Ask for the cache line at `pointer`, to be read soon; it changes the time alone."""
    byte = ir.IntType(8).as_pointer()
    kind = ir.FunctionType(ir.VoidType(), [byte, INT32, INT32, INT32])
    ask = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0i8")
    builder.call(ask, [builder.bitcast(pointer, byte), INT32(0), INT32(3), INT32(1)])


def lane_totals(builder: Any, starts: Any, coming: Any, depth: Any) -> list[Any]:
    """Vectors of LANES float64 sums, one for each pair of row pointers in `starts`.

    coming : the pointers of the next call. Their rows lie anywhere; they are fetched while these are multiplied.
    """
    floats, doubles = ir.VectorType(ir.FloatType(), LANES), ir.VectorType(ir.DoubleType(), LANES)
    sums = [cgutils.alloca_once_value(builder, ir.Constant(doubles, [0.0] * LANES)) for _ in starts]
    with cgutils.for_range(builder, builder.udiv(depth, INT64(LANES))) as loop:
        at = builder.mul(loop.index, INT64(LANES))  # 16 float32 are one cache line
        for start in (start for pair in coming for start in pair):
            prefetch(builder, builder.gep(start, [at]))
        for pair, lanes in zip(starts, sums, strict=True):
            pointers = [builder.bitcast(builder.gep(start, [at]), floats.as_pointer()) for start in pair]
            a, b = (builder.fpext(builder.load(pointer, align=4), doubles) for pointer in pointers)
            product = builder.fmul(a, b, flags=("contract",))
            builder.store(builder.fadd(builder.load(lanes), product, flags=("contract",)), lanes)
    return [builder.load(lanes) for lanes in sums]


def fold(builder: Any, lanes: Any) -> Any:
    """Sum of the lanes: the upper half is added to the lower half until one is left."""
    half = LANES
    while half > 1:
        half //= 2
        halves = [ir.Constant(ir.VectorType(INT32, half), list(range(at, at + half))) for at in (0, half)]
        lanes = builder.fadd(*(builder.shuffle_vector(lanes, lanes, places) for places in halves))
    return builder.extract_element(lanes, INT32(0))


@vector_instruction
def mask_above(_typing: Any, products: Any, row: Any, column: Any, limit: Any) -> Any:
    """uint64 whose bit k says products[row, column + k] > limit, for k < MASK_WIDTH; int32 or float32 products."""

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        width = cgutils.unpack_tuple(builder, array.shape, 2)[1]
        start = builder.gep(array.data, [builder.add(builder.mul(arguments[1], width), arguments[2])])
        vector = ir.VectorType(arguments[3].type, MASK_WIDTH)
        values = builder.load(builder.bitcast(start, vector.as_pointer()), align=4)
        single = builder.insert_element(ir.Constant(vector, ir.Undefined), arguments[3], INT32(0))
        limits = builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(INT32, MASK_WIDTH), [0] * MASK_WIDTH))
        is_float = isinstance(signature.args[3], types.Float)
        above = builder.fcmp_ordered(">", values, limits) if is_float else builder.icmp_signed(">", values, limits)
        return builder.bitcast(above, INT64)

    return types.uint64(products, row, column, limit), build


@vector_instruction
def lowest_bit(_typing: Any, mask: Any) -> Any:
    """Number of the lowest set bit of a uint64 that is not 0."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(mask), build


@compiled
def score_listed(left, right, i, j, out):  # type: ignore[no-untyped-def]
    whole = i.size // ABREAST * ABREAST
    for first in range(0, whole, ABREAST):
        scores_abreast(left, right, i, j, first, out)
    if whole < i.size:
        # The last few are scored in the company of the first of them; each score is its own.
        last_i, last_j, last = np.empty(ABREAST, i.dtype), np.empty(ABREAST, j.dtype), np.empty(ABREAST, np.float64)
        last_i[:], last_j[:] = i[whole], j[whole]
        last_i[: i.size - whole], last_j[: i.size - whole] = i[whole:], j[whole:]
        scores_abreast(left, right, last_i, last_j, 0, last)
        out[whole : i.size] = last[: i.size - whole]


@compiled
def emit_above(products, limits, first_row, first_column, above_diagonal, row, i, j, p, found):  # type: ignore[no-untyped-def]
    rows, columns = products.shape
    while row < rows and found + columns <= i.size:
        limit = limits[row]
        column = max(0, first_row + row + 1 - first_column) if above_diagonal else 0
        while column + MASK_WIDTH <= columns:
            mask = mask_above(products, row, column, limit)
            while mask != 0:
                hit = column + lowest_bit(mask)
                i[found], j[found], p[found] = first_row + row, first_column + hit, products[row, hit]
                found += 1
                mask &= mask - np.uint64(1)
            column += MASK_WIDTH
        for k in range(column, columns):
            if products[row, k] > limit:
                i[found], j[found], p[found] = first_row + row, first_column + k, products[row, k]
                found += 1
        row += 1
    return found, row


@compiled
def kth_largest(products, k, out):  # type: ignore[no-untyped-def]
    rows, columns = products.shape
    best = np.empty(k, products.dtype)
    for row in range(rows):
        best[:] = np.sort(products[row, :k])[::-1]
        column = k
        while column < columns:
            if column + MASK_WIDTH <= columns and mask_above(products, row, column, best[k - 1]) == 0:
                column += MASK_WIDTH
                continue
            for c in range(column, min(columns, column + MASK_WIDTH)):
                place = k
                while place > 0 and products[row, c] > best[place - 1]:
                    place -= 1
                for later in range(k - 1, place, -1):
                    best[later] = best[later - 1]
                if place < k:
                    best[place] = products[row, c]
            column += MASK_WIDTH
        out[row] = best[k - 1]
