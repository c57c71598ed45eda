"""The best matches of each probe in a gallery (1:N), exact to the last rank.

The search begins with floors that the k-th best rows probably reach (`floors`). A probe whose list reached its floor is done,
since every row above it was scored; the others are searched again from what was found.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from facegap.errors import MatchingError
from facegap.matching.choice import FEW_ROWS, SAMPLED_ROWS, choose_filter
from facegap.matching.filters import (
    FILTERS,
    Filter,
    Left,
    TileShape,
    filter_named,
    float32_left,
    float32_norms,
    require_filter,
)
from facegap.matching.floors import likely_floors, spread_places
from facegap.matching.kernels import KernelChoice, Kernels, choose_kernels, error_bound
from facegap.matching.pairs import require_one_depth
from facegap.matching.processor import Processor
from facegap.matching.rows import Float32Array, Rows, largest_components, super_blocks, super_rows
from facegap.matching.tiles import Candidates, Prepared, Screen, Side, Tile, buffer_size, prepare, share, side_of
from facegap.types import AnyArray, Device, FloatArray, IntArray

NO_ROW = np.iinfo(np.int64).max  # ranks behind every row of equal score

SAMPLED = 256  # gallery rows that give a probe its first floor where no other is known
STRIP_ROWS = 960  # probes in a strip
WAITING = 1 << 19  # candidates of a strip that may wait
FEW_MISSED = 1 / 8  # of the probes: preparing the gallery for a prefix again takes longer than all components of so few
FLOOR_ROWS = 512  # of each table, whose scores give the floor that a filter is chosen for


class Best(NamedTuple):
    """The best rows found so far, highest score first: scores float64 (n, k) and gallery rows int64 (n, k)."""

    scores: FloatArray
    rows: IntArray


def search(
    gallery: Float32Array,
    probes: Float32Array,
    k: int,
    *,
    filter: str = "auto",
    workers: int = 1,
    device: Device = "cpu",
    kernels: KernelChoice = "auto",
    shape: TileShape | None = None,
) -> tuple[IntArray, FloatArray]:
    """Gallery rows int64 (probes, k) and scores float64 (probes, k) of the best k of each probe, highest first.

    Equal scores are ranked by the lower gallery row. Where the gallery has fewer than k rows the rest is -1 and -inf.
    gallery, probes : float32 (rows, depth) of one depth, may be memory-mapped
    filter, workers, device, kernels and shape change the time and never the result.

    Raises
    ------
    MatchingError : rows that are zero or not finite, by number; unequal depths; k below 1
    """
    if k < 1 or workers < 1 or min(shape or (1,)) < 1:
        raise MatchingError(f"k={k}, workers={workers} and shape={shape} must all be at least 1")
    require_filter(filter, device)
    loops = choose_kernels(kernels)
    gallery_largest = largest_components(gallery, loops, "gallery")
    probes_largest = largest_components(probes, loops, "probes")
    require_one_depth(gallery, probes)
    tables = Tables(gallery, gallery_largest, probes, probes_largest)
    with threadpool_limits(1, user_api="blas"):
        if filter == "auto":
            filter = filter_for(gallery, probes, k, kernels, largest=gallery_largest)
        product_filter = filter_named(filter, device, rows=gallery)
        floors = likely_floors(gallery, probes, k)
        best = best_above(tables, floors, k, product_filter, loops, workers, shape)
        missed = np.flatnonzero(best.scores[:, -1] < floors)
        if len(missed):
            again = tables._replace(probes=np.asarray(probes[missed]), probes_largest=probes_largest[missed])
            if product_filter.turn is not None and len(missed) < FEW_MISSED * len(probes):
                product_filter = FILTERS["fused"]
            found = best_above(again, best.scores[missed, -1], k, product_filter, loops, workers, shape)
            best.scores[missed], best.rows[missed] = found
    return np.where(best.rows == NO_ROW, -1, best.rows), best.scores


class Tables(NamedTuple):
    """What is compared: float32 (rows, depth), and the largest component of each row."""

    gallery: Float32Array
    gallery_largest: Float32Array
    probes: Float32Array
    probes_largest: Float32Array


def best_above(
    tables: Tables,
    floors: FloatArray,
    k: int,
    product_filter: Filter,
    kernels: Kernels,
    workers: int,
    shape: TileShape | None,
) -> Best:
    """The best k of each probe, where k rows reach its floor; else some of those that do, and maybe others.

    floors : float64 (probes,); -inf for none
    """
    shape = shape or product_filter.shape._replace(rows=max(STRIP_ROWS, product_filter.shape.rows))
    best = Best(np.full((len(tables.probes), k), -np.inf), np.full((len(tables.probes), k), NO_ROW))
    size = super_rows(tables.gallery.shape[1])
    parts = super_blocks(every_row(tables.probes), tables.probes_largest, size)

    @functools.lru_cache(maxsize=1)  # probes that fit one super-block are prepared once
    def probe_side(number: int) -> tuple[Side, Sequence[Left]]:
        side = side_of(product_filter, kernels, tables.probes, parts[number], workers)
        return side, prepare(product_filter.left, kernels, side.form, shape.rows, workers)

    for rows in super_blocks(every_row(tables.gallery), tables.gallery_largest, size):
        gallery_side = side_of(product_filter, kernels, tables.gallery, rows, workers)
        right = prepare(product_filter.right, kernels, gallery_side.form, shape.columns, workers)
        for number in range(len(parts)):
            side, left = probe_side(number)
            prepared = Prepared(product_filter, side.values, gallery_side.values, left, right, *shape)
            # A copy in the order of the super-block: the loops write to its rows in place.
            index = side.rows.index
            part = Best(best.scores[index], best.rows[index])
            search_super_block(prepared, kernels, part, floors[index], gallery_side.rows.index, workers, shape)
            best.scores[index], best.rows[index] = part
    return best


def filter_for(
    gallery: Float32Array,
    probes: Float32Array,
    k: int,
    kernels: KernelChoice = "auto",
    processor: Processor | None = None,
    largest: Float32Array | None = None,
) -> str:
    """The fastest filter at floors that the k-th best of some probes probably reach, as choose_filter finds it."""
    if len(gallery) < FEW_ROWS:
        return choose_filter(gallery, floor=0.0, kernels=kernels, largest=largest, processor=processor).name
    some = np.asarray(probes[spread_places(len(probes), SAMPLED_ROWS)])
    floors = likely_floors(gallery, some, k)
    if not np.isfinite(floors).all():
        floors = np.full(len(some), usual_floor(gallery, probes, k))
    return choose_filter(gallery, floor=floors, left=some, kernels=kernels, largest=largest, processor=processor).name


def usual_floor(gallery: Float32Array, probes: Float32Array, k: int) -> float:
    """Score that a share k / rows of sampled pairs reaches; pairs of one person are too few among them to matter."""
    left, right = (
        np.asarray(table[np.unique(np.linspace(0, len(table) - 1, FLOOR_ROWS).astype(np.int64))])
        for table in (probes, gallery)
    )
    return float(np.quantile(left @ right.T, 1 - min(1.0, k / len(gallery))))


def search_super_block(
    prepared: Prepared,
    kernels: Kernels,
    best: Best,
    floors: FloatArray,
    index: IntArray,
    workers: int,
    shape: TileShape,
) -> None:
    """Improve the lists of every left row by the right rows that reach its floor, whose gallery rows are `index`."""
    strips = [Strip(kernels, prepared, best, floors, index, shape) for _ in range(workers)]
    share(range(0, len(best.rows), shape.rows), [strip.search for strip in strips])
    for strip in strips:
        del strip.candidates  # they know the strip; all its memory would stay until Python looks for such circles


class Strip:
    """One worker's search, a strip of probes at a time: its candidates wait until all blocks have raised the floors.

    The products alone bound the k-th best score of a probe from below, so that only the few candidates whose upper bound
    reaches it in the end are scored.
    """

    def __init__(
        self, kernels: Kernels, prepared: Prepared, best: Best, floors: FloatArray, index: IntArray, shape: TileShape
    ) -> None:
        self.kernels, self.prepared, self.best, self.index, self.height = kernels, prepared, best, index, shape.rows
        self.floors = floors
        size = buffer_size(shape.columns, WAITING)
        self.candidates = Candidates(kernels, self.insert, prepared.filter.dtype, size, self.make_room)
        self.screen = Screen(kernels, prepared.filter, shape)
        self.upper = np.empty(size)  # highest possible score of each candidate
        self.rows, self.block, self.known = (
            slice(0, 0),
            0,
            0,
        )  # the strip, the block, and candidates with an upper bound
        self.floor, self.lower = np.empty(0), np.empty((0, 0))  # of each probe: what k rows reach, the k lower bounds

    def search(self, first: int) -> None:
        """Find the best of one strip of left rows in all right blocks."""
        k = self.best.rows.shape[1]
        self.rows = slice(first, min(len(self.best.rows), first + self.height))
        self.floor = np.maximum(self.best.scores[self.rows, -1], self.floors[self.rows])
        if not np.isfinite(self.floor).all():
            self.floor = np.maximum(self.floor, certain_floor(self.prepared, self.kernels, self.rows, k))
        self.lower, self.known = np.full((len(self.floor), k), -np.inf), 0
        for block in range(len(self.prepared.right)):
            self.block = block
            tile = Tile(block, self.rows.start, self.rows.stop, diagonal=False)
            self.screen.emit(self.prepared, tile, self.floor, self.candidates)
            if self.prepared.filter.turn is None:
                self.learn()
            elif self.candidates.found >= k * len(self.floor):  # few by a floor that is as good as the last
                self.score_at_once()
        if self.prepared.filter.turn is None:
            self.drop()
        self.candidates.flush(self.prepared)

    def learn(self) -> None:
        """Raise the floors by the products of the pairs that have come since the last time."""
        left = self.prepared.left[self.rows.start // self.prepared.height].norms.first(len(self.floor))
        right = self.prepared.right[self.block].norms
        new = slice(self.known, self.candidates.found)
        i, p, upper = self.candidates.i[new], self.candidates.p[new], self.upper[new]
        unit, bound = left.unit * right.unit, error_bound(left, right)
        self.kernels.raise_floors(i, p, self.rows.start, unit, bound, self.lower, self.floor, upper)
        self.known = self.candidates.found

    def drop(self) -> None:
        """Drop the candidates that the floors have overtaken."""
        found = self.candidates.found
        kept = np.flatnonzero(self.upper[:found] >= self.floor[self.candidates.i[:found] - self.rows.start])
        for array in (self.candidates.i, self.candidates.j, self.upper):
            array[: len(kept)] = array[kept]
        self.candidates.found = self.known = len(kept)

    def score_at_once(self) -> None:
        """Score what has come, and raise the floors by it: the products over a prefix alone say little of a score."""
        self.candidates.flush(self.prepared)
        self.known = 0
        np.maximum(self.floor, self.best.scores[self.rows, -1], out=self.floor)

    def make_room(self, prepared: Prepared) -> None:
        """Drop what can be dropped; where that is little, score the rest."""
        if prepared.filter.turn is None:
            self.learn()
            self.drop()
        if prepared.filter.turn is not None or 2 * self.candidates.found > len(self.upper):
            self.score_at_once()

    def insert(self, i: AnyArray, j: AnyArray, scores: FloatArray) -> None:
        """Enter scored pairs into the lists of their probes."""
        self.kernels.insert_best(i, j, scores, self.index, *self.best)


def certain_floor(prepared: Prepared, kernels: Kernels, rows: slice, k: int) -> FloatArray:
    """A score that k of the first right rows reach for certain, float64 (rows,); -inf where there are fewer.

    Without it every pair of the first block would be a candidate.
    """
    sample = prepared.right_values[: max(SAMPLED, k)]
    left, right = float32_left(kernels, prepared.left_values[rows]), float32_norms(kernels, sample)
    if len(sample) < k:
        return np.full(len(left.codes), -np.inf)
    return np.asarray(kernels.kth_largest(left.codes @ sample.T, k) - error_bound(left.norms, right))


def every_row(table: Float32Array) -> Rows:
    """All rows of a table; subjects and groups play no part in a search."""
    index = np.arange(len(table))
    return Rows(index, index, index)
