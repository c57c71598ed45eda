"""The best matches of each probe in a gallery (1:N), exact to the last rank."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from facegap.errors import MatchingError
from facegap.matching.choice import FEW_ROWS
from facegap.matching.filters import error_bound, filter_named, integer_product_is_exact
from facegap.matching.kernels import KernelChoice, Kernels, choose_kernels
from facegap.matching.pairs import require_one_depth
from facegap.matching.rows import Float32Array, Rows, gather, largest_components, super_blocks, super_rows
from facegap.matching.tiles import TILE, Candidates, Prepared, Screen, Tile, TileShape, prepare, share
from facegap.types import AnyArray, Device, FloatArray, IntArray

NO_ROW = np.iinfo(np.int64).max  # ranks behind every row of equal score


class Best(NamedTuple):
    """The best rows found so far, highest score first: scores float64 (n, k) and gallery rows int64 (n, k)."""

    scores: FloatArray
    rows: IntArray


def search(
    gallery: Float32Array, probes: Float32Array, k: int, *, filter: str = "auto", workers: int = 1,
    device: Device = "cpu", kernels: KernelChoice = "auto", shape: TileShape = TILE,
) -> tuple[IntArray, FloatArray]:  # fmt: skip
    """Gallery rows int64 (probes, k) and scores float64 (probes, k) of the best k of each probe, highest first.

    Equal scores are ranked by the lower gallery row. Where the gallery has fewer than k rows the rest is -1 and -inf.
    gallery, probes : float32 (rows, depth) of one depth, may be memory-mapped
    filter, workers, device, kernels and shape change the time and never the result.

    Raises
    ------
    MatchingError : rows that are zero or not finite, by number; unequal depths; k below 1
    """
    if k < 1 or workers < 1 or min(shape) < 1:
        raise MatchingError(f"k={k}, workers={workers} and the tile {tuple(shape)} must all be at least 1")
    gallery_largest, probes_largest = largest_components(gallery, "gallery"), largest_components(probes, "probes")
    require_one_depth(gallery, probes)
    if filter == "auto":
        filter = "int8" if len(gallery) >= FEW_ROWS and integer_product_is_exact() else "float32"
    loops, product_filter = choose_kernels(kernels), filter_named(filter, device)
    best = Best(np.full((len(probes), k), -np.inf), np.full((len(probes), k), NO_ROW))
    size = super_rows(gallery.shape[1])
    with threadpool_limits(1, user_api="blas"):
        for rows in super_blocks(every_row(gallery), gallery_largest, size):
            gallery_values = gather(gallery, rows.index)
            right = prepare(product_filter.right, loops, gallery_values, shape.columns, workers)
            for probe_rows in super_blocks(every_row(probes), probes_largest, size):
                probe_values = gather(probes, probe_rows.index)
                left = prepare(product_filter.left, loops, probe_values, shape.rows, workers)
                prepared = Prepared(product_filter, probe_values, gallery_values, left, right, *shape)
                # A copy in the order of the super-block: the loops write to its rows in place.
                part = Best(best.scores[probe_rows.index], best.rows[probe_rows.index])
                search_super_block(prepared, loops, part, rows.index, workers, shape)
                best.scores[probe_rows.index], best.rows[probe_rows.index] = part
    return np.where(best.rows == NO_ROW, -1, best.rows), best.scores


def search_super_block(
    prepared: Prepared, kernels: Kernels, best: Best, index: IntArray, workers: int, shape: TileShape
) -> None:
    """Improve the lists of every left row by the right rows, whose gallery rows are `index`."""

    def new_worker() -> Callable[[int], None]:
        screen = Screen(kernels, shape, prepared.filter.dtype)

        def insert(i: AnyArray, j: AnyArray, scores: FloatArray) -> None:
            kernels.insert_best(i, j, scores, index, *best)

        candidates = Candidates(kernels, insert, shape.columns)

        def search_strip(first: int) -> None:
            rows = slice(first, min(len(best.rows), first + shape.rows))
            for block in range(len(prepared.right)):
                tile = Tile(block, rows.start, rows.stop, diagonal=False)
                floor = best.scores[rows, -1]
                if prepared.right[block].above is not None:
                    screen.emit_places(prepared, tile, floor, candidates)
                else:
                    products = screen.products(prepared, tile)
                    if block == 0:
                        floor = np.maximum(floor, certain_floor(prepared, kernels, tile, products, best.rows.shape[1]))
                    screen.emit_products(prepared, tile, products, floor, candidates)
                candidates.flush(prepared)

        return search_strip

    share(range(0, len(best.rows), shape.rows), [new_worker() for _ in range(workers)])


def certain_floor(prepared: Prepared, kernels: Kernels, tile: Tile, products: AnyArray, k: int) -> FloatArray:
    """A score that k rows of the tile reach for certain, float64 (rows,); -inf where it has fewer than k columns."""
    if products.shape[1] < k:
        return np.full(len(products), -np.inf)
    left = prepared.left[tile.first // prepared.height].norms.first(len(products))
    right = prepared.right[tile.block].norms
    return np.asarray(kernels.kth_largest(products, k) * (left.unit * right.unit) - error_bound(left, right))


def every_row(table: Float32Array) -> Rows:
    """All rows of a table; subjects and groups play no part in a search."""
    index = np.arange(len(table))
    return Rows(index, index, index)
