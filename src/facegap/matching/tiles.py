"""Tiles of two super-blocks, the workers that process them, and the buffers of each worker."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import numpy as np

from facegap.matching.filters import Filter, Left, Right, TileShape, float32_limits
from facegap.matching.kernels import Kernels, Norms, error_bound
from facegap.matching.prefix import joined
from facegap.matching.rows import Float32Array, Rows, gather, rows_of
from facegap.types import AnyArray, FloatArray

Task = TypeVar("Task")
Part = TypeVar("Part")

CANDIDATES = 1 << 16  # pairs in a worker's buffer that wait to be scored
EMITTED_ROWS = 48  # a filter asks for room for all pairs of this many rows
TURNED_VALUES = 1 << 20  # float64 values that a worker rotates at a time: 8 MiB


def buffer_size(width: int, least: int = CANDIDATES) -> int:
    """Size of a buffer for blocks of `width` columns: twice what a filter asks for, so that half of it may stay full."""
    return max(least, 2 * EMITTED_ROWS * width)


class Tile(NamedTuple):
    """Left rows [first, stop) against one right block; `diagonal`: only pairs with column > row."""

    block: int
    first: int
    stop: int
    diagonal: bool


def parts_of(n: int, size: int) -> list[slice]:
    """Consecutive slices of `size` that cover range(n); the last may be shorter."""
    return [slice(at, min(n, at + size)) for at in range(0, n, size)]


def tiles_of(left_rows: int, right_rows: int, shape: TileShape, *, triangle: bool) -> Iterator[Tile]:
    """Tiles that cover every pair of two super-blocks once, or every pair i < j of a single one."""
    for number, columns in enumerate(parts_of(right_rows, shape.columns)):
        for rows in parts_of(columns.stop if triangle else left_rows, shape.rows):
            yield Tile(number, rows.start, rows.stop, triangle and rows.stop > columns.start)


def share(tasks: Iterable[Task], workers: Sequence[Callable[[Task], None]]) -> None:
    """Run every task once; each worker, a thread with its own buffers, takes the next task until none is left.

    The first error of a worker stops the others at their next task and is raised here. The caller must limit BLAS to
    one thread, as nested threads are slow.
    """
    waiting, lock, failed = iter(tasks), threading.Lock(), threading.Event()

    def take_all(work: Callable[[Task], None]) -> None:
        try:
            while not failed.is_set():
                with lock:
                    task = next(waiting, None)
                if task is None:
                    return
                work(task)
        except BaseException:
            failed.set()
            raise

    if len(workers) == 1:
        take_all(workers[0])
        return
    with ThreadPoolExecutor(len(workers)) as pool:
        list(pool.map(take_all, workers))


@dataclass(frozen=True)
class Prepared:
    """Two super-blocks ready for one filter: float32 rows for the scores, codes in parts for the products."""

    filter: Filter
    left_values: Float32Array
    right_values: Float32Array
    left: Sequence[Left]
    right: Sequence[Right]
    height: int  # rows of every left strip except the last
    width: int  # columns of every right block except the last


def prepare(
    build: Callable[[Kernels, Any], Part], kernels: Kernels, values: Any, size: int, workers: int
) -> list[Part]:
    """All parts of `size` rows of a super-block, prepared by `workers` threads; `values` has a length and can be sliced."""
    slices = parts_of(len(values), size)
    parts: dict[int, Part] = {}

    def prepare_one(number: int) -> None:
        parts[number] = build(kernels, values[slices[number]])

    share(range(len(slices)), [prepare_one] * workers)
    return [parts[number] for number in range(len(slices))]


@dataclass(frozen=True)
class Side:
    """The rows of a super-block in the form of their filter: float32 values for the scores, `form` for the products."""

    rows: Rows
    values: Float32Array
    form: Any


def side_of(filter: Filter, kernels: Kernels, embeddings: Float32Array, rows: Rows, workers: int) -> Side:
    """A super-block in the form that this filter needs."""
    if filter.turn is None:
        values = gather(embeddings, rows.index)
        return Side(rows, values, values)
    rows = rows.take(np.argsort(rows.index))  # neighbours in the table, which need no copy
    values = rows_of(embeddings, rows.index)
    turned = joined(prepare(filter.turn, kernels, values, max(1, TURNED_VALUES // values.shape[1]), workers))
    order = np.argsort(turned.rest[0], kind="stable")
    rows = rows.take(order)
    del values  # two copies of a super-block are half of the memory that a run may use
    return Side(rows, gather(embeddings, rows.index), turned[order])


class Candidates:
    """Pairs that a filter could not rule out, i[:found] and j[:found], with their products p[:found].

    `flush` scores them and passes them to `consume`; `make_room` is called if the next pairs might not fit, and
    flushes unless its owner has a `better` way.
    """

    def __init__(
        self,
        kernels: Kernels,
        consume: Callable[[AnyArray, AnyArray, FloatArray], None],
        dtype: type,
        size: int,
        better: Callable[[Prepared], None] | None = None,
    ) -> None:
        self.i, self.j, self.scores = np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size)
        self.p: AnyArray = np.empty(size, dtype)
        self.kernels, self.consume, self.found = kernels, consume, 0
        self.better = better

    def make_room(self, prepared: Prepared) -> None:
        """Make room for the pairs of some rows."""
        (self.better or self.flush)(prepared)

    def append(self, prepared: Prepared, i: AnyArray, j: AnyArray, p: AnyArray) -> None:
        """Append pairs found by another device."""
        start = 0
        while start < len(i):
            if self.found == len(self.i):
                self.make_room(prepared)
            stop = min(len(i), start + len(self.i) - self.found)
            here = slice(self.found, self.found + stop - start)
            self.i[here], self.j[here], self.p[here] = i[start:stop], j[start:stop], p[start:stop]
            self.found, start = here.stop, stop

    def flush(self, prepared: Prepared) -> None:
        """Score the waiting pairs in float64 and pass them on."""
        if self.found:
            i, j, scores = self.i[: self.found], self.j[: self.found], self.scores[: self.found]
            self.kernels.score_listed(prepared.left_values, prepared.right_values, i, j, scores)
            self.consume(i, j, scores)
            self.found = 0


class Screen:
    """What a worker needs to screen tiles: a buffer of products, for filters that do not compare in registers."""

    def __init__(self, kernels: Kernels, filter: Filter, shape: TileShape) -> None:
        self.kernels = kernels
        self.buffer: AnyArray = np.empty(shape.rows * shape.columns if filter.makes_products else 0, filter.dtype)

    def norms(self, prepared: Prepared, tile: Tile) -> tuple[Norms, Norms]:
        """Norms of the left rows and of the right block of a tile."""
        left = prepared.left[tile.first // prepared.height].norms
        return left.first(tile.stop - tile.first), prepared.right[tile.block].norms

    def limits(self, prepared: Prepared, tile: Tile, floor: FloatArray) -> AnyArray:
        """Limit of each row of a tile: a pair whose score reaches its `floor` has a product above it."""
        norms = self.norms(prepared, tile)
        return (
            float32_limits(*norms, floor) if prepared.filter.dtype is np.float32 else self.kernels.limits(*norms, floor)
        )

    def margins(self, prepared: Prepared, tile: Tile) -> Float32Array:
        """Bound on the error of the float32 products of each row, rounded up."""
        bound = error_bound(*self.norms(prepared, tile)).astype(np.float32)
        return np.nextafter(bound, np.float32(np.inf))

    def products(self, prepared: Prepared, tile: Tile) -> AnyArray:
        """Products of a tile, a view of the buffer."""
        left, right = prepared.left[tile.first // prepared.height], prepared.right[tile.block]
        assert right.multiply is not None
        shape = tile.stop - tile.first, right.columns
        products = self.buffer[: shape[0] * shape[1]].reshape(shape)
        right.multiply(left.codes[: shape[0]], products)
        return products

    def emit(self, prepared: Prepared, tile: Tile, floor: FloatArray, candidates: Candidates) -> AnyArray:
        """Append every pair of the tile whose score may reach `floor` (rows,); returns the products if they were computed."""
        right, limit = prepared.right[tile.block], self.limits(prepared, tile, floor)
        codes = prepared.left[tile.first // prepared.height].codes
        if right.above is not None:
            i, j, p = right.above(codes[: len(limit)], limit)
            i, j = i + tile.first, j + tile.block * prepared.width
            kept = i < j if tile.diagonal else slice(None)
            candidates.append(prepared, i[kept], j[kept], p[kept])
            return self.buffer[:0]
        products = self.buffer[:0] if right.emit else self.products(prepared, tile)
        emit, source = (right.emit, codes) if right.emit else (self.kernels.emit_above, products)
        place, row = (tile.first, tile.block * prepared.width, tile.diagonal), 0
        pairs = candidates.i, candidates.j, candidates.p
        while True:
            candidates.found, row = emit(source, limit, *place, row, *pairs, candidates.found)
            if row == len(limit):
                return products
            candidates.make_room(prepared)
