"""Which filter is faster for these embeddings and this floor: a few tiles are tried with each."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from facegap.matching.filters import FILTERS, Filter, TileShape, why_not
from facegap.matching.kernels import KernelChoice, Kernels, choose_kernels
from facegap.matching.processor import Processor
from facegap.matching.rows import Float32Array, gather, largest_components, super_rows
from facegap.matching.tiles import Candidates, Prepared, Screen, Tile, buffer_size, prepare
from facegap.types import AnyArray, FloatArray

FEW_ROWS = 4096  # below this the whole comparison takes less time than the choice
SAMPLED_ROWS, SAMPLED_BLOCKS = 512, 2
TURNS = 3


@dataclass(frozen=True)
class FilterChoice:
    """The filter taken and why, a sentence for the Execution record; it changes the time and never the counts."""

    name: str
    reason: str


def choose_filter(
    embeddings: Float32Array,
    *,
    floor: float,
    full_range: bool = False,
    shape: TileShape | None = None,
    kernels: KernelChoice = "auto",
    largest: Float32Array | None = None,
    processor: Processor | None = None,
) -> FilterChoice:
    """The fastest of the filters that the processor can run, tried on some tiles with the scores of their candidates.

    floor     : score from which pairs are counted; at a low one int8 codes emit so many candidates that float32 is faster
    largest   : what largest_components(embeddings) returned, where that is known already
    processor : by default this one
    """
    if full_range:
        return FilterChoice("float32", "float32 filter: a histogram over all scores needs float32 products")
    if len(embeddings) < FEW_ROWS:
        return FilterChoice("float32", f"float32 filter: only {len(embeddings)} rows")
    loops = choose_kernels(kernels)
    tile = shape or TileShape()
    rows = sample(embeddings, largest_components(embeddings, loops) if largest is None else largest, tile)
    faults = {name: why_not(name, kernels, processor) for name in FILTERS}
    with threadpool_limits(1, user_api="blas"):
        times = {
            name: ns_per_pair(FILTERS[name], loops, *rows, floor, tile.columns)
            for name, fault in faults.items()
            if not fault
        }
    best = min(times, key=lambda name: times[name])
    tried = ", ".join(f"{name} {ns:.2f}" for name, ns in times.items())
    reasons = [f"{best} filter: ns a pair on sampled tiles were {tried}"]
    reasons += [f"no {name}: {fault}" for name, fault in faults.items() if fault]
    return FilterChoice(best, "; ".join(reasons))


def sample(embeddings: Float32Array, largest: Float32Array, shape: TileShape) -> tuple[Float32Array, Float32Array]:
    """Left rows from the whole table, and right blocks as a run would sort them: neighbours by their largest component."""
    order = np.argsort(largest[: super_rows(embeddings.shape[1])], kind="stable")
    starts = np.linspace(0, max(0, len(order) - shape.columns), SAMPLED_BLOCKS).astype(int)
    right = np.concatenate([order[start : start + shape.columns] for start in starts])
    left = np.linspace(0, len(embeddings) - 1, min(len(embeddings), SAMPLED_ROWS)).astype(np.int64)
    return gather(embeddings, left), gather(embeddings, right)


def ns_per_pair(
    product_filter: Filter,
    kernels: Kernels,
    left_values: Float32Array,
    right_values: Float32Array,
    floor: float,
    width: int,
) -> float:
    """Median time of the sampled tiles by one filter, scores of the candidates included, in ns for each pair."""
    rows = len(left_values)
    left = prepare(product_filter.left, kernels, left_values, rows, 1)
    right = prepare(product_filter.right, kernels, right_values, width, 1)
    prepared = Prepared(product_filter, left_values, right_values, left, right, rows, width)
    screen = Screen(kernels, product_filter, TileShape(rows, width))
    candidates = Candidates(kernels, discard, product_filter.dtype, buffer_size(width))
    floors, times = np.full(rows, floor), []
    for turn in range(1 + TURNS):
        start_ns = time.perf_counter_ns()
        for block in range(len(right)):
            screen.emit(prepared, Tile(block, 0, rows, diagonal=False), floors, candidates)
            candidates.flush(prepared)
        if turn:  # the first one compiles and warms up
            times.append((time.perf_counter_ns() - start_ns) / (rows * len(right_values)))
    return float(np.median(times))


def discard(_i: AnyArray, _j: AnyArray, _scores: FloatArray) -> None:
    """Scores of sampled candidates are of no further use."""
