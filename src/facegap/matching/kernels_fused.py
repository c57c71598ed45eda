"""Products compared in registers: a tile is never written to memory, only the pairs above their limits are.

One call of `tile_above` multiplies ROWS left rows by COLUMNS right rows, keeps the sums in vector registers, and answers
in bits which are above the limit of their row. The register file decides the shape: 12 x 32 with AVX-512, else 6 x 16,
which are 12 sums, two of the right side and one of the left in the 16 registers of AVX2, and fit the 32 of ARM as well.

Rows are float32, or codes: uint8 on the left and int8 on the right, of which one register holds four components for each
pair. With VNNI an instruction adds four products to an int32. Without, AVX2 adds two of them in an int16, which saturates:
codes of 6 and 7 bits keep the sum of four within it, so that two such sums are added before they are widened. Both are
exact, and `codes_are_exact` tries it at the largest magnitudes before a filter uses them.

Source : Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2 (PMADDUBSW, PMADDWD, VPDPBUSD)
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
from facegap.matching.rows import aligned_zeros, round_up
from facegap.types import AnyArray


class CodeLimits(NamedTuple):
    """Largest codes of either side; those of the left are stored as uint8 around `zero_point`."""

    left: int
    zero_point: int
    right: int


# What numba compiles for, which its own variables may narrow; a cached loop belongs to the same processor.
codegen: Any = numba_codegen  # these have no types
config: Any = numba_config
FEATURES = config.CPU_FEATURES if config.CPU_FEATURES is not None else codegen.get_host_cpu_features()
WIDE = "+avx512f" in FEATURES
ROWS, COLUMNS = (12, 32) if WIDE else (6, 16)
STRIP = 48  # left rows that stay in the first-level cache while a right block passes by; a multiple of ROWS
AT_ONCE = 4  # components to a turn of the inner loop
AT_ONCE_CODES = 8  # of codes: two registers of four
LANES = COLUMNS // 2  # int32 sums in a register
VNNI = ("+avx512vnni" if WIDE else "+avxvnni") in FEATURES
MULTIPLIES_CODES = ("+avx512bw" if WIDE else "+avx2") in FEATURES  # whether there are instructions for codes at all
CODES = CodeLimits(127, 128, 127) if VNNI else CodeLimits(63, 64, 64)

INT8, INT16, INT32, INT64, FLOAT = *(ir.IntType(bits) for bits in (8, 16, 32, 64)), ir.FloatType()
cgutils: Any = numba_cgutils  # it has no types


class FusedLeft(NamedTuple):
    """Left rows: `first` components for the product, padded to whole tiles, and what settles a pair that passes it.

    first : float32 or uint8 (rows up to a multiple of ROWS, k)
    unit  : float64 (rows,), value of a code step; 1 for float32
    more  : float32 (rows, m), the next components
    rest  : float64 (2, rows), norms of what lies beyond the first k, and beyond the first k + m
    """

    first: AnyArray
    unit: AnyArray
    more: AnyArray
    rest: AnyArray


class FusedRight(NamedTuple):
    """A block of right rows.

    first   : float32 (panels, k, COLUMNS), component by component, or int8 (panels, k / 4, COLUMNS, 4); 64-byte aligned
    start   : float32 or int32 (panels, COLUMNS), at which sums begin: 0, or what takes the zero point of the left back
    unit    : value of a code step; 1 for float32
    more    : float32 (rows, m)
    rest    : float64 (rows,), norms beyond the first k + m
    largest : the largest norm beyond the first k
    """

    first: AnyArray
    start: AnyArray
    unit: float
    more: AnyArray
    rest: AnyArray
    largest: float


def vector_instruction(build: Any) -> Any:
    """numba's `intrinsic`, which has no types."""
    return intrinsic(build)


def instruction(builder: Any, name: str, result: Any, *arguments: Any) -> Any:
    """One vector instruction of x86."""
    kind = ir.FunctionType(result, [argument.type for argument in arguments])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), arguments)


def load(builder: Any, pointer: Any, kind: Any, align: int) -> Any:
    """A value of another type than that of the pointer."""
    return builder.load(builder.bitcast(pointer, kind.as_pointer()), align=align)


def splat(builder: Any, value: Any, lanes: int) -> Any:
    """`lanes` times one value."""
    vector = ir.VectorType(value.type, lanes)
    single = builder.insert_element(ir.Constant(vector, ir.Undefined), value, INT32(0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(INT32, lanes), [0] * lanes))


def add_float_products(builder: Any, lines: Any, panel: Any, at: Any, sums: Any) -> None:
    """Add the products of AT_ONCE components from `at` on; sums of a row are one vector of all COLUMNS."""
    for step in range(AT_ONCE):
        here = builder.add(at, INT64(step))
        columns = load(
            builder, builder.gep(panel, [builder.mul(here, INT64(COLUMNS))]), ir.VectorType(FLOAT, COLUMNS), 64
        )
        for line, (total,) in zip(lines, sums, strict=True):
            value = splat(builder, builder.load(builder.gep(line, [here])), COLUMNS)
            product = builder.fmul(value, columns, flags=("contract",))
            builder.store(builder.fadd(builder.load(total), product, flags=("contract",)), total)


def add_code_products(builder: Any, lines: Any, panel: Any, at: Any, sums: Any) -> None:
    """Add the products of AT_ONCE_CODES components from `at` on; sums of a row are two registers."""
    fours = range(0, AT_ONCE_CODES, 4)
    corner = builder.gep(panel, [builder.mul(at, INT64(COLUMNS))])
    register = ir.VectorType(INT32, LANES)
    columns = [
        [
            load(builder, builder.gep(corner, [INT64(four * COLUMNS + half * 4 * LANES)]), register, 4 * LANES)
            for four in fours
        ]
        for half in range(2)
    ]
    for line, totals in zip(lines, sums, strict=True):
        values = [
            splat(builder, load(builder, builder.gep(line, [builder.add(at, INT64(four))]), INT32, 4), LANES)
            for four in fours
        ]
        for half, total in zip(columns, totals, strict=True):
            builder.store(sum_of_codes(builder, builder.load(total), values, half), total)


def sum_of_codes(builder: Any, total: Any, left: Any, right: Any) -> Any:
    """`total`, LANES int32, and the products of two registers of codes on either side."""
    if VNNI:
        for codes, others in zip(left, right, strict=True):
            total = instruction(builder, f"avx512.vpdpbusd.{32 * LANES}", total.type, total, codes, others)
        return total
    codes_, words = ir.VectorType(INT8, 4 * LANES), ir.VectorType(INT16, 2 * LANES)
    pairs, widened = ("avx512.pmaddubs.w.512", "avx512.pmaddw.d.512") if WIDE else ("avx2.pmadd.ub.sw", "avx2.pmadd.wd")
    sums = [
        instruction(builder, pairs, words, builder.bitcast(codes, codes_), builder.bitcast(others, codes_))
        for codes, others in zip(left, right, strict=True)
    ]
    ones = ir.Constant(words, [1] * (2 * LANES))
    return builder.add(total, instruction(builder, widened, total.type, builder.add(*sums), ones))


@vector_instruction
def tile_above(
    _typing: Any, left: Any, row: Any, right: Any, start: Any, panel: Any, limits: Any, products: Any, masks: Any
) -> Any:
    """Products of left rows [row, row + ROWS) with the right rows of a panel; returns the or of all masks, a uint64.

    left, right, start : see FusedLeft and FusedRight; the depth is a multiple of AT_ONCE, of codes AT_ONCE_CODES
    products : float32 or int32 (ROWS, COLUMNS), written
    masks    : uint64 (ROWS,), written; bit c of masks[r] says products[r, c] > limits[row + r]
    """
    codes = left.dtype == types.uint8
    at_once, add = (AT_ONCE_CODES, add_code_products) if codes else (AT_ONCE, add_float_products)
    vector = ir.VectorType(INT32, LANES) if codes else ir.VectorType(FLOAT, COLUMNS)

    def build(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        arrays = {n: context.make_array(signature.args[n])(context, builder, arguments[n]) for n in (0, 2, 3, 5, 6, 7)}
        depth = cgutils.unpack_tuple(builder, arrays[0].shape, 2)[1]
        corner = builder.gep(arrays[0].data, [builder.mul(arguments[1], depth)])
        lines = [builder.gep(corner, [builder.mul(INT64(r), depth)]) for r in range(ROWS)]
        panel_start = builder.gep(arrays[2].data, [builder.mul(arguments[4], builder.mul(depth, INT64(COLUMNS)))])
        first = builder.gep(arrays[3].data, [builder.mul(arguments[4], INT64(COLUMNS))])
        begin = [load(builder, builder.gep(first, [INT64(at)]), vector, 4) for at in range(0, COLUMNS, vector.count)]
        sums = [[cgutils.alloca_once(builder, vector) for _ in begin] for _ in range(ROWS)]
        for totals in sums:
            for value, total in zip(begin, totals, strict=True):
                builder.store(value, total)
        # Every address is then one step from that of the turn.
        with cgutils.for_range(builder, builder.udiv(depth, INT64(at_once))) as loop:
            add(builder, lines, panel_start, builder.mul(loop.index, INT64(at_once)), sums)
        union = INT64(0)
        for r, totals in enumerate(sums):
            limit = builder.load(builder.gep(arrays[5].data, [builder.add(arguments[1], INT64(r))]))
            mask = INT64(0)
            for part, total in enumerate(totals):
                values, at = builder.load(total), part * vector.count
                place = builder.gep(arrays[6].data, [INT64(r * COLUMNS + at)])
                builder.store(values, builder.bitcast(place, vector.as_pointer()), align=4)
                compare = builder.icmp_signed if codes else builder.fcmp_ordered
                above = compare(">", values, splat(builder, limit, vector.count))
                bits = builder.zext(builder.bitcast(above, ir.IntType(vector.count)), INT64)
                mask = builder.or_(mask, builder.shl(bits, INT64(at)))
            builder.store(mask, builder.gep(arrays[7].data, [INT64(r)]))
            union = builder.or_(union, mask)
        return union

    return types.uint64(left, row, right, start, panel, limits, products, masks), build


@vector_instruction
def lowest_bit(_typing: Any, mask: Any) -> Any:
    """Number of the lowest set bit of a uint64 that is not 0."""

    def build(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(mask), build


@compiled
def emit_products(  # type: ignore[no-untyped-def]
    left, right, start, columns, limits, first_row, first_column, above_diagonal, row, stop, i, j, p, found
):
    """Append the pairs of left rows [row, stop) whose product is above its limit; rows and columns beyond are padding."""
    products, masks = np.empty((ROWS, COLUMNS), limits.dtype), np.empty(ROWS, np.uint64)
    for panel in range(right.shape[0]):
        column = panel * COLUMNS
        for top in range(row, stop, ROWS):
            if above_diagonal and first_column + column + COLUMNS - 1 <= first_row + top:
                continue
            if tile_above(left, top, right, start, panel, limits, products, masks) == 0:
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
def thin(left, right, limits, first_row, first_column, i, j, p, start, found):  # type: ignore[no-untyped-def]
    """Keep the pairs from `start` on that the next components and the pair's own norms do not rule out; returns their end.

    A limit was made with the largest norm of the block: limit + rest * largest is the floor less the error of the product.
    """
    kept = start
    for c in range(start, found):
        row, column = i[c] - first_row, j[c] - first_column
        product = np.float32(0)
        for k in range(left.more.shape[1]):
            product += left.more[row, k] * right.more[column, k]
        unit = left.unit[row] * right.unit
        value = np.float64(p[c]) * unit + np.float64(product) + left.rest[1, row] * right.rest[column]
        if value >= np.float64(limits[row]) * unit + left.rest[0, row] * right.largest:
            i[kept], j[kept], p[kept] = i[c], j[c], p[c]
            kept += 1
    return kept


@compiled
def emit_strips(  # type: ignore[no-untyped-def]
    left, right, columns, limits, rows, first_row, first_column, above_diagonal, row, i, j, p, found
):
    """As Kernels.emit_above; `row` and the row reached are multiples of STRIP or `rows`, beyond which limits are padding."""
    place = first_row, first_column
    while row < rows and found + STRIP * columns <= i.size:
        stop, start = min(rows, row + STRIP), found
        found = emit_products(
            left.first, right.first, right.start, columns, limits, *place, above_diagonal, row, stop, i, j, p, found
        )
        if right.more.shape[1] > 0:
            found = thin(left, right, limits, *place, i, j, p, start, found)
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
    most = np.inf if limits.dtype == np.float32 else np.iinfo(np.int32).max
    padded = np.full(len(left.first), most, limits.dtype)
    padded[: len(limits)] = limits
    place = len(limits), first_row, first_column, above_diagonal, row
    reached: tuple[int, int] = emit_strips(left, right, columns, padded, *place, i, j, p, found)
    return reached


@compiled
def pack(values, packed):  # type: ignore[no-untyped-def]
    """Write rows (n, k) to packed (panels, k, COLUMNS), component by component."""
    for row in range(values.shape[0]):
        panel, place = row // COLUMNS, row % COLUMNS
        for k in range(values.shape[1]):
            packed[panel, k, place] = values[row, k]


def packed_codes(codes: AnyArray) -> tuple[AnyArray, AnyArray]:
    """`first` and `start` of FusedRight from int8 codes (k, rows), k a multiple of AT_ONCE_CODES."""
    depth, rows = codes.shape
    panels = round_up(rows, COLUMNS) // COLUMNS
    packed, start = aligned_zeros((panels, depth // 4, COLUMNS, 4), np.int8), np.zeros(panels * COLUMNS, np.int32)
    padded = np.zeros((panels * COLUMNS, depth), np.int8)
    padded[:rows] = codes.T
    packed[:] = padded.reshape(panels, COLUMNS, depth // 4, 4).transpose(0, 2, 1, 3)
    start[:rows] = -CODES.zero_point * codes.sum(axis=0, dtype=np.int32)
    return packed, start.reshape(panels, COLUMNS)


def codes_are_exact(depth: int = 64) -> bool:
    """Whether codes are multiplied here, and without saturation, tried at the largest magnitudes."""
    if not MULTIPLIES_CODES:
        return False
    rng = np.random.default_rng(0)
    left = rng.choice([-CODES.left, CODES.left], (3 * ROWS, depth))
    right = rng.choice([-CODES.right, CODES.right], (2 * COLUMNS + 1, depth)).astype(np.int8)
    left[0], right[0], right[1] = CODES.left, CODES.right, -CODES.right
    codes = aligned_zeros(left.shape, np.uint8)
    codes[:] = left + CODES.zero_point
    expected = left @ right.astype(np.int64).T
    none, ones = np.empty((0, 0), np.float32), np.ones(len(left))
    rows = FusedLeft(codes, ones, none, np.zeros((2, len(left))))
    block = FusedRight(*packed_codes(np.ascontiguousarray(right.T)), 1.0, none, np.zeros(len(right)), 0.0)
    i, j, p = (np.empty(2 * STRIP * len(right), np.int32) for _ in range(3))
    lowest = np.full(len(left), -(2**31), np.int32)
    found, _ = emit_fused(block, len(right), rows, lowest, 0, 0, False, 0, i, j, p, 0)
    products = np.full(expected.shape, 2**40)
    products[i[:found], j[:found]] = p[:found]
    return found == expected.size and bool(np.array_equal(products, expected))
