"""Pairs of super-blocks, counted: the unit of work of a run, and of a machine in a distributed run."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from facegap.matching.filters import Filter, TileShape, filter_named
from facegap.matching.kernels import KernelChoice, Kernels, Table, choose_kernels
from facegap.matching.rows import Float32Array, Rows
from facegap.matching.tiles import Candidates, Prepared, Screen, Tile, buffer_size, prepare, share, side_of, tiles_of
from facegap.types import (
    PAIR_SCORE,
    AnyArray,
    Device,
    FloatArray,
    IntArray,
    RowTails,
    ScoreCounts,
    ScoreHistogram,
    cut_tail,
    sorted_by_score,
)
from facegap.types.row_tails import Int32Array, add_counts

OfRows = tuple[Int32Array, Int32Array]  # of the left and of the right rows of a block: [rows, groups, bins]


@dataclass(frozen=True)
class Settings:
    """How to count; of these only groups, edges, tail_limit, full_edges and row_edges change the result.

    full_edges : equally spaced edges of the histogram over all scores, or None
    row_edges  : those of `edges` from which on the pairs of each row are counted, or None
    """

    groups: tuple[str, ...]
    edges: FloatArray
    tail_limit: int
    full_edges: FloatArray | None
    filter: str
    device: Device = "cpu"
    kernels: KernelChoice = "auto"
    shape: TileShape | None = None
    workers: int = 1
    row_edges: FloatArray | None = None


@dataclass(frozen=True)
class Block:
    """Two super-blocks to be compared; `left_number == right_number` of one table means every pair i < j within it.

    excluded : int64 (m, 2), rising, the excluded pairs whose left row is in `left` and whose right row is in `right`
    span     : rows of the right table
    """

    left_number: int
    right_number: int
    left: Rows
    right: Rows
    one_table: bool
    excluded: IntArray
    span: int

    @property
    def triangle(self) -> bool:
        """Whether a super-block meets itself."""
        return self.one_table and self.left_number == self.right_number


class Tail:
    """The exact list of the highest impostor pairs, kept short by all workers together."""

    def __init__(self, limit: int, floor: float) -> None:
        self.limit, self.floor, self.lock = limit, floor, threading.Lock()
        self.parts: list[AnyArray] = []
        self.waiting = 0

    def add(self, pairs: AnyArray) -> None:
        """Add pairs (copied); a cut raises the floor, below which nobody need list any more."""
        if not len(pairs):
            return
        with self.lock:
            self.parts.append(pairs.copy())
            self.waiting += len(pairs)
            if self.waiting > 2 * max(self.limit, 1 << 16):
                self.cut()

    def cut(self) -> AnyArray:
        """The list as it stands, whole ties cut to the limit, in no order."""
        pairs = np.concatenate([np.empty(0, PAIR_SCORE), *self.parts])
        pairs, self.floor = cut_tail(pairs[pairs["score"] >= self.floor], self.floor, self.limit)
        self.parts, self.waiting = [pairs], len(pairs)
        return pairs


class Worker:
    """One thread's buffers and counts; `begin` turns it to another pair of super-blocks."""

    def __init__(self, kernels: Kernels, filter: Filter, settings: Settings, tail: Tail) -> None:
        size, shape = len(settings.groups), settings.shape or filter.shape
        self.kernels, self.tail = kernels, tail
        self.floor = np.full(shape.rows, settings.edges[0])
        self.screen = Screen(kernels, filter, shape)
        self.impostor = np.zeros((size, size, len(settings.edges) - 1), np.int64)
        full_bins = 0 if settings.full_edges is None else len(settings.full_edges) - 1
        self.full = np.zeros((size, size, full_bins), np.int64)
        self.survivors = Candidates(kernels, self.tally, filter.dtype, buffer_size(shape.columns))
        self.uncertain = (
            Candidates(kernels, self.tally_full, filter.dtype, buffer_size(shape.columns)) if full_bins else None
        )
        self.listed = np.empty(len(self.survivors.i), PAIR_SCORE)
        self.row_edges = settings.row_edges

    def begin(self, prepared: Prepared, table: Table, full_table: Table, of_rows: OfRows | None) -> None:
        """Turn to these super-blocks; the buffers must be flushed. of_rows : counts that all workers add to"""
        self.prepared, self.table, self.full_table, self.of_rows = prepared, table, full_table, of_rows

    def count(self, tile: Tile) -> None:
        """Count the pairs of one tile."""
        products = self.screen.emit(self.prepared, tile, self.floor[: tile.stop - tile.first], self.survivors)
        if self.uncertain is not None:
            self.add_to_histogram(tile, products)

    def add_to_histogram(self, tile: Tile, products: AnyArray) -> None:
        """Count the pairs of one tile over the full range; those near an edge wait to be scored."""
        assert self.uncertain is not None
        margins, row = self.screen.margins(self.prepared, tile), 0
        while True:
            self.uncertain.found, row = self.kernels.histogram(
                products,
                margins,
                self.full_table,
                tile.first,
                tile.block * self.prepared.width,
                tile.diagonal,
                row,
                self.full,
                self.uncertain.i,
                self.uncertain.j,
                self.uncertain.found,
            )
            if row == len(products):
                return
            self.uncertain.flush(self.prepared)

    def finish(self) -> None:
        """Score and count what still waits, and let go of the super-blocks before the next ones are prepared."""
        self.survivors.flush(self.prepared)
        if self.uncertain is not None:
            self.uncertain.flush(self.prepared)
        del self.prepared, self.table, self.full_table, self.of_rows

    def close(self) -> None:
        """Let go of the buffers: they know the worker, and would stay until Python looks for such circles."""
        del self.survivors, self.uncertain

    def tally(self, i: AnyArray, j: AnyArray, scores: FloatArray) -> None:
        """Count scored pairs from the floor on."""
        listed = self.kernels.tally(self.table, i, j, scores, self.tail.floor, self.impostor, self.listed)
        self.tail.add(self.listed[:listed])
        if self.of_rows is not None and self.row_edges is not None:
            with self.tail.lock:
                self.kernels.tally_rows(self.table, i, j, scores, self.row_edges, *self.of_rows)

    def tally_full(self, i: AnyArray, j: AnyArray, scores: FloatArray) -> None:
        """Count scored pairs over the full range."""
        self.kernels.tally_all(self.full_table, i, j, scores, self.full)


def count_blocks(
    blocks: Iterable[Block], embeddings: Float32Array, others: Float32Array, settings: Settings
) -> ScoreCounts:
    """Impostor counts of these blocks, and nothing else: totals and genuine pairs are counted in counts.py.

    blocks : those of one right super-block one after the other, so that it is prepared once
    others : the right table, `embeddings` itself for one table
    """
    kernels = choose_kernels(settings.kernels)
    product_filter = filter_named(settings.filter, settings.device, rows=embeddings)
    tail = Tail(settings.tail_limit, float(settings.edges[0]))
    shape = settings.shape or product_filter.shape
    workers = [Worker(kernels, product_filter, settings, tail) for _ in range(settings.workers)]
    row_parts: dict[int, Int32Array] = {}
    with threadpool_limits(1, user_api="blas"):
        for _, same_right in itertools.groupby(blocks, key=lambda block: block.right_number):
            run = list(same_right)
            right_side = side_of(product_filter, kernels, others, run[0].right, settings.workers)
            right = prepare(product_filter.right, kernels, right_side.form, shape.columns, settings.workers)
            for block in run:
                left_side = (
                    right_side
                    if block.triangle
                    else side_of(product_filter, kernels, embeddings, block.left, settings.workers)
                )
                left = prepare(product_filter.left, kernels, left_side.form, shape.rows, settings.workers)
                prepared = Prepared(product_filter, left_side.values, right_side.values, left, right, *shape)
                turned = replace(block, left=left_side.rows, right=right_side.rows)
                of_rows = count_tiles(turned, prepared, workers, settings)
                for rows, row_counts in zip((turned.left, turned.right), of_rows, strict=False):
                    add_counts(row_parts, block.span, rows.index, row_counts)
    for worker in workers:
        worker.close()
    tails = None
    if settings.row_edges is not None:
        tails = RowTails(settings.row_edges, len(embeddings), len(settings.groups), row_parts)
    return replace(sum_of_workers(workers, tail, settings), row_tails=tails)


def count_tiles(block: Block, prepared: Prepared, workers: Sequence[Worker], settings: Settings) -> tuple[()] | OfRows:
    """Share the tiles of one block among the workers; the counts of its left and of its right rows, where they are wanted."""
    table = block_table(block, settings.edges)
    full_table = table if settings.full_edges is None else table._replace(edges=settings.full_edges)
    of_rows = None
    if settings.row_edges is not None:
        shape = len(settings.groups), len(settings.row_edges)
        of_rows = np.zeros((len(block.left), *shape), np.int32), np.zeros((len(block.right), *shape), np.int32)
    for worker in workers:
        worker.begin(prepared, table, full_table, of_rows)
    tiles = tiles_of(
        len(block.left), len(block.right), TileShape(prepared.height, prepared.width), triangle=block.triangle
    )
    share(tiles, [worker.count for worker in workers])
    share(workers, [Worker.finish] * len(workers))
    if settings.full_edges is not None:
        workers[0].full -= counts_of_excluded(block, prepared, workers[0].kernels, full_table, workers[0].full.shape)
    return of_rows or ()


def block_table(block: Block, edges: FloatArray) -> Table:
    """What the loops need to know of the rows of a block."""
    left, right = block.left, block.right
    keys = block.excluded[:, 0] * block.span + block.excluded[:, 1]
    return Table(
        left.index,
        right.index,
        left.subject,
        right.subject,
        left.group,
        right.group,
        block.one_table,
        keys,
        block.span,
        edges,
    )


def counts_of_excluded(
    block: Block, prepared: Prepared, kernels: Kernels, table: Table, shape: tuple[int, ...]
) -> IntArray:
    """What the histogram has counted of the excluded pairs, which it does not look for."""
    i, j = places(block.left, block.excluded[:, 0]), places(block.right, block.excluded[:, 1])
    scores, counts = np.empty(len(block.excluded)), np.zeros(shape, np.int64)
    kernels.score_listed(prepared.left_values, prepared.right_values, i, j, scores)
    kernels.tally_all(table, i, j, scores, counts)
    return counts


def places(rows: Rows, index: IntArray) -> NDArray[np.int32]:
    """Places in the super-block `rows` of the rows that are numbered `index` in the table."""
    order = np.argsort(rows.index)
    return order[np.searchsorted(rows.index, index, sorter=order)].astype(np.int32)


def sum_of_workers(workers: Sequence[Worker], tail: Tail, settings: Settings) -> ScoreCounts:
    """The counts of all workers as one, without totals and without genuine pairs."""
    size = len(settings.groups)
    impostor, none = sum(worker.impostor for worker in workers), np.zeros((size, size), np.int64)
    full = None
    if settings.full_edges is not None:
        counts = np.asarray(sum(worker.full for worker in workers))
        full = ScoreHistogram(settings.full_edges, counts, np.zeros_like(counts))
    pairs = sorted_by_score(tail.cut())
    return ScoreCounts(
        groups=settings.groups,
        edges=settings.edges,
        impostor=np.asarray(impostor),
        genuine=np.zeros_like(impostor),
        impostor_pairs=none,
        genuine_pairs=none,
        tail=pairs,
        tail_floor=tail.floor,
        tail_limit=settings.tail_limit,
        genuine_scores=np.empty(0, PAIR_SCORE),
        full_range=full,
    )
