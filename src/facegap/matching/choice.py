"""Which filter is faster for these embeddings and this floor: a few tiles are tried with each."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from facegap.matching.filters import FILTERS, TileShape, why_not
from facegap.matching.kernels import KernelChoice, Kernels, choose_kernels
from facegap.matching.rows import Float32Array, Rows, gather, largest_components, super_blocks, super_rows
from facegap.matching.tiles import Candidates, Prepared, Screen, Tile, prepare
from facegap.types import AnyArray, FloatArray

FEW_ROWS = 4096  # below this the whole comparison takes less time than the choice
SAMPLED_BLOCKS = 3
TURNS = 3


@dataclass(frozen=True)
class FilterChoice:
    """The filter taken and why, a sentence for the Execution record; it changes the time and never the counts."""

    name: str
    reason: str


def choose_filter(
    embeddings: Float32Array, *, floor: float, full_range: bool = False,
    shape: TileShape | None = None, kernels: KernelChoice = "auto", largest: Float32Array | None = None,
) -> FilterChoice:  # fmt: skip
    """The fastest of the filters that this machine can run, tried on some tiles with the scores of their candidates.

    floor   : score from which pairs are counted; at a low one int8 codes emit so many candidates that float32 is faster
    largest : what largest_components(embeddings) returned, where that is known already
    """
    if full_range:
        return FilterChoice("float32", "float32 filter: a histogram over all scores needs float32 products")
    if len(embeddings) < FEW_ROWS:
        return FilterChoice("float32", f"float32 filter: only {len(embeddings)} rows")
    loops = choose_kernels(kernels)
    values = sampled_super_block(embeddings, largest_components(embeddings, loops) if largest is None else largest)
    faults = {name: why_not(name, kernels) for name in FILTERS}
    with threadpool_limits(1, user_api="blas"):
        times = {name: ns_per_pair(name, loops, values, floor, shape) for name, fault in faults.items() if not fault}
    best = min(times, key=lambda name: times[name])
    tried = ", ".join(f"{name} {ns:.2f}" for name, ns in times.items())
    reasons = [f"{best} filter: ns a pair on sampled tiles were {tried}"]
    reasons += [f"no {name}: {fault}" for name, fault in faults.items() if fault]
    return FilterChoice(best, "; ".join(reasons))


def sampled_super_block(embeddings: Float32Array, largest: Float32Array) -> Float32Array:
    """A super-block as a run would sort it: float32 rows evenly taken from the whole table."""
    size = min(len(embeddings), super_rows(embeddings.shape[1]))
    index = np.linspace(0, len(embeddings) - 1, size).astype(np.int64)
    unknown = np.full(size, -1, np.int64)
    (rows,) = super_blocks(Rows(index, unknown, unknown), largest, size)
    return gather(embeddings, rows.index)


def ns_per_pair(
    name: str, kernels: Kernels, values: Float32Array, floor: float, tile_shape: TileShape | None
) -> float:
    """Median time of a sampled tile by one filter, scores of its candidates included, in ns for each pair."""
    product_filter = FILTERS[name]
    shape = tile_shape or product_filter.shape
    starts = np.linspace(0, max(0, len(values) - shape.columns), SAMPLED_BLOCKS).astype(int)
    sample = np.concatenate([values[start : start + shape.columns] for start in starts])
    rows = values[np.linspace(0, len(values) - 1, min(len(values), shape.rows)).astype(int)]
    left = prepare(product_filter.left, kernels, rows, shape.rows, 1)
    right = prepare(product_filter.right, kernels, sample, shape.columns, 1)
    prepared = Prepared(product_filter, rows, sample, left, right, *shape)
    screen, candidates = Screen(kernels, product_filter, shape), Candidates(kernels, discard, shape.columns)
    floors, times = np.full(len(rows), floor), []
    for turn in range(1 + TURNS):
        start_ns = time.perf_counter_ns()
        for block in range(len(right)):
            screen.emit(prepared, Tile(block, 0, len(rows), diagonal=False), floors, candidates)
            candidates.flush(prepared)
        if turn:  # the first one compiles and warms up
            times.append((time.perf_counter_ns() - start_ns) / (len(rows) * len(sample)))
    return float(np.median(times))


def discard(_i: AnyArray, _j: AnyArray, _scores: FloatArray) -> None:
    """Scores of sampled candidates are of no further use."""
