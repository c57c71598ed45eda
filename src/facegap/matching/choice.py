"""Which filter is faster for these embeddings and this floor: a few tiles are tried with the likeliest.

What a prefix lets pass is counted on a sample for every number of components at once; the time that this makes likely decides
which two are tried at all, since trying one takes as long as some thousand rows take in the run.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from threadpoolctl import threadpool_limits

from facegap.matching.filters import FILTERS, Filter, TileShape, prefix_filter, why_not
from facegap.matching.kernels import LARGEST_CODE, KernelChoice, Kernels, choose_kernels
from facegap.matching.prefix import MORE, Basis, prefix_of, principal_basis
from facegap.matching.processor import Processor
from facegap.matching.rows import Float32Array, Rows, gather, largest_components, super_rows
from facegap.matching.tiles import Candidates, Prepared, Screen, Side, Tile, buffer_size, prepare, side_of
from facegap.types import AnyArray, FloatArray

FEW_ROWS = 8_192  # below this the whole comparison takes less time than the choice
SAMPLED_ROWS, SAMPLED_BLOCKS, SAMPLED_WIDTH = 240, 2, 512
TURNS = 2
COARSE = 1e-5  # seconds; a sampled tile takes a hundred times as long
PREFIXES = {  # components that each way to multiply may take; the matrix unit takes 64 at once
    "fused": (320, 256, 192, 160, 128, 96, 80, 64, 48, 32),
    "int8": (320, 256, 224, 192, 160, 128, 112, 96, 80, 64, 48, 32),
    "amx": (320, 256, 192, 128, 64),
}
TRIED = 2  # of those: the likeliest ones
WORTH_TRYING = 0.95  # of the time of all components: a prefix that is not likely to take less is not tried
STEP = 16  # components between two counts of what passes
# Times in those of one component of a product: what a pair takes besides, by way to multiply; a look at a pair that passes
# the first components; a score. Fitted to measured prefixes (benchmarks/README.md).
BESIDES = {"fused": 25, "int8": 50, "amx": 25}
CODING = 1.7  # error of a product of codes, in steps of the largest component over the largest code, times |a||b|
LOOK, SCORE = 700, 5_000
DEEPEST = 1024  # of rows whose directions are looked for: the time of that grows with the cube of the depth
NARROWER = 2  # a block of the sample holds a larger part of the rests than one of a whole super-block
WHOLE = 0.8  # a prefix of more than this share of the depth spares too little to be tried


@dataclass(frozen=True)
class FilterChoice:
    """The filter taken and why, a sentence for the Execution record; it changes the time and never the counts."""

    name: str
    reason: str

    @property
    def components(self) -> int | None:
        """First principal components that it multiplies; None: all components."""
        prefix = prefix_of(self.name)
        return prefix[1] if prefix else None


def choose_filter(
    embeddings: Float32Array,
    *,
    floor: float | FloatArray,
    left: Float32Array | None = None,
    full_range: bool = False,
    shape: TileShape | None = None,
    kernels: KernelChoice = "auto",
    largest: Float32Array | None = None,
    processor: Processor | None = None,
) -> FilterChoice:
    """The fastest of the filters that the processor can run, tried on some tiles with the scores of their candidates.

    floor     : score from which pairs are counted; at a low one int8 codes emit so many candidates that float32 is faster
    left      : some rows that the embeddings are compared with, `floor` then (len(left),); None: some of the embeddings
    largest   : what largest_components(embeddings) returned, where that is known already
    processor : by default this one
    """
    if full_range:
        return FilterChoice("float32", "float32 filter: a histogram of all scores needs float32 products")
    if len(embeddings) < FEW_ROWS:
        name = "float32" if why_not("fused", kernels) else "fused"
        return FilterChoice(name, f"{name} filter: only {len(embeddings)} rows")
    faults = {name: why_not(name, kernels, processor) for name in FILTERS}
    loops = choose_kernels(kernels)
    width = min(SAMPLED_WIDTH, (shape or TileShape()).columns)
    rows = sample(embeddings, largest_components(embeddings, loops) if largest is None else largest, width, left)
    floors = np.broadcast_to(np.asarray(floor, np.float64), len(rows[0]))
    # What float32 does through the memory, fused does in registers: it is tried where that cannot be.
    usable = [FILTERS[name] for name, fault in faults.items() if not fault and (name != "float32" or faults["fused"])]
    with threadpool_limits(1, user_api="blas"):
        times = {each.name: ns_per_pair(each, loops, *rows, floors, width) for each in usable}
        if embeddings.shape[1] <= DEEPEST:
            basis = principal_basis(embeddings)
            for base in (name for name in PREFIXES if not faults[name]):
                passing = proportions_passing(basis, rows[0][::2], rows[1][::4], floors[::2], coding_error(base))
                for first in likeliest(base, passing, len(basis.directions), times):
                    each = prefix_filter(basis, first, base)
                    times[each.name] = ns_per_pair(each, loops, *rows, floors, width // NARROWER, warm=True)
    best = min(times, key=lambda name: times[name])
    tried = ", ".join(f"{name} {ns:.2f}" for name, ns in times.items())
    reasons = [f"{best} filter: ns per pair on sampled tiles were {tried}"]
    reasons += [f"no {name}: {fault}" for name, fault in faults.items() if fault]
    return FilterChoice(best, "; ".join(reasons))


def coding_error(base: str) -> float:
    """Bound on the error of a product of codes that is usual, a proportion of |a||b|; 0 for float32."""
    if base == "fused":
        return 0.0
    if base == "amx":
        return CODING / LARGEST_CODE
    from facegap.matching.kernels_fused import CODES

    return CODING / min(CODES.left, CODES.right)


def proportions_passing(
    basis: Basis, left: Float32Array, right: Float32Array, floor: float | FloatArray, error: float = 0.0
) -> FloatArray:
    """The proportion of sampled pairs that the first 0, STEP, 2 STEP, ... components cannot rule out, float64 (steps + 1,).

    floor : one, or of each left row
    error : of the products besides, a proportion of the norms of the first components
    """
    depth, floors = len(basis.directions), np.reshape(floor, (-1, 1))
    turned = [np.asarray(table[:, :depth] @ basis.directions.astype(np.float32)) for table in (left, right)]
    beyond = [
        np.cumsum(table[:, ::-1] ** 2, axis=1)[:, ::-1] for table in turned
    ]  # squared norm from each component on
    products, passing = np.zeros((len(left), len(right)), np.float32), [1.0]
    for stop in range(STEP, depth + 1, STEP):
        a, b = (table[:, stop - STEP : stop] for table in turned)
        products += a @ b.T
        rests = [np.sqrt(squares[:, stop]) if stop < depth else squares[:, -1] * 0 for squares in beyond]
        kept = [np.sqrt(np.maximum(0, squares[:, 0] - rest**2)) for squares, rest in zip(beyond, rests, strict=True)]
        passing.append(float(np.mean(products + np.outer(*rests) + error * np.outer(*kept) > floors)))
    return np.asarray(passing)


def likeliest(base: str, passing: FloatArray, depth: int, times: Mapping[str, float]) -> list[int]:
    """The TRIED prefixes that are likely to be fastest, of those likely to be faster than all components.

    times : ns a pair of the filters without a prefix; `fused`, where it is there, gives the time of a component
    """
    scored = SCORE * passing[-1]  # of what reaches the floor, in any filter
    fused = times.get("fused", 2 * times[base])
    component, likely = fused / (depth + BESIDES["fused"] + scored), {}
    multiplied = max(0.0, times[base] - component * scored) / (BESIDES[base] + depth)
    for first in (first for first in PREFIXES[base] if first <= WHOLE * depth):
        at, more = (min(components // STEP, len(passing) - 1) for components in (first, first + MORE))
        likely[first] = multiplied * (BESIDES[base] + first) + component * (LOOK * passing[at] + SCORE * passing[more])
    worth = [first for first in likely if likely[first] < WORTH_TRYING * times[base]]
    return sorted(worth, key=lambda first: likely[first])[:TRIED]


def sample(
    embeddings: Float32Array, largest: Float32Array, width: int, left: Float32Array | None = None
) -> tuple[Float32Array, Float32Array]:
    """Left rows from the whole table, and right blocks as a run would sort them: neighbours by their largest component.

    left : the rows to take in place of some of the table
    """
    order = np.argsort(largest[: super_rows(embeddings.shape[1])], kind="stable")
    starts = np.linspace(0, max(0, len(order) - width), SAMPLED_BLOCKS).astype(int)
    right = np.concatenate([order[start : start + width] for start in starts])
    if left is not None:
        return gather(left, np.arange(len(left))), gather(embeddings, right)
    places = np.linspace(0, len(embeddings) - 1, min(len(embeddings), SAMPLED_ROWS)).astype(np.int64)
    return gather(embeddings, places), gather(embeddings, right)


def ns_per_pair(
    product_filter: Filter,
    kernels: Kernels,
    left_values: Float32Array,
    right_values: Float32Array,
    floors: FloatArray,
    width: int,
    *,
    warm: bool = False,
) -> float:
    """Least time of the sampled tiles by one filter in some turns, scores of the candidates included, in ns for each pair.

    warm : its loops have run already, so that no turn is spent on compiling them
    """
    rows = len(left_values)
    left_side, right_side = (in_order(product_filter, kernels, values) for values in (left_values, right_values))
    left = prepare(product_filter.left, kernels, left_side.form, rows, 1)
    right = prepare(product_filter.right, kernels, right_side.form, width, 1)
    prepared = Prepared(product_filter, left_side.values, right_side.values, left, right, rows, width)
    screen = Screen(kernels, product_filter, TileShape(rows, width))
    candidates = Candidates(kernels, discard, product_filter.dtype, buffer_size(width))
    floors, times, clock = floors[left_side.rows.index], [], clock_of_thread()
    for turn in range(warm, 1 + TURNS):
        start = clock()
        for block in range(len(right)):
            screen.emit(prepared, Tile(block, 0, rows, diagonal=False), floors, candidates)
            candidates.flush(prepared)
        if turn:  # the first one compiles and warms up
            times.append((clock() - start) * 1e9 / (rows * len(right_values)))
    return min(times)


def clock_of_thread() -> Callable[[], float]:
    """Processor time of this thread, which other processes do not lengthen; seconds by the wall where it is too coarse."""
    fine = time.get_clock_info("thread_time").resolution < COARSE
    return time.thread_time if fine else time.perf_counter


def in_order(product_filter: Filter, kernels: Kernels, values: Float32Array) -> Side:
    """Sampled rows as tiles.side_of orders a super-block."""
    every = np.arange(len(values))
    return side_of(product_filter, kernels, values, Rows(every, every, every), 1)


def discard(_i: AnyArray, _j: AnyArray, _scores: FloatArray) -> None:
    """Scores of sampled candidates are of no further use."""
