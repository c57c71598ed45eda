"""Exact score counts of everyone with everyone, by pair of groups."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegap.errors import MatchingError
from facegap.matching.blocks import Block, Settings, count_blocks
from facegap.matching.choice import choose_filter
from facegap.matching.filters import TileShape, require_filter
from facegap.matching.kernels import KernelChoice, choose_kernels
from facegap.matching.kernels_numpy import bins_of
from facegap.matching.ledger import Pairing, codes, pairing, table_of, totals
from facegap.matching.pairs import require_one_depth, scores_of_pairs
from facegap.matching.rows import Float32Array, largest_components, super_blocks, super_rows
from facegap.types import PAIR_SCORE, AnyArray, Device, FloatArray, IntArray, RowTails, ScoreCounts, ScoreHistogram


@dataclass(frozen=True)
class Probes:
    """A second table to compare the first with: embeddings, subjects and groups as in count_scores."""

    embeddings: Float32Array
    subjects: IntArray
    groups: IntArray


@dataclass(frozen=True)
class Plan:
    """A whole run: the pairing and its blocks. The same arguments make the same plan on every machine."""

    embeddings: Float32Array
    others: Float32Array
    pairing: Pairing
    blocks: tuple[Block, ...]
    settings: Settings


def count_scores(
    embeddings: Float32Array,
    subjects: IntArray,
    groups: IntArray,
    *,
    floor: float,
    bins: int,
    tail_limit: int,
    exclude: NDArray[np.generic] | None = None,
    names: Sequence[str] | None = None,
    probes: Probes | None = None,
    full_range: int | None = None,
    row_edges: Sequence[int] | None = None,
    filter: str = "auto",
    workers: int = 1,
    device: Device = "cpu",
    kernels: KernelChoice = "auto",
    shape: TileShape | None = None,
    shard: tuple[int, int] = (0, 1),
) -> ScoreCounts:
    """Impostor and genuine counts of all pairs from `floor` on; see ScoreCounts for what comes back.

    embeddings : float32 (rows, depth), may be memory-mapped; used as they are, so normalise them first
    subjects   : whole numbers (rows,), -1 = unknown
    groups     : whole numbers (rows,), codes 0..G-1, -1 = unknown
    bins       : equal bins of [floor, 1]
    tail_limit : longest exact list of impostor pairs
    exclude    : whole numbers (m, 2), pairs of rows that are counted nowhere; in a run with probes, (row, probe)
    names      : of the groups, in the order of the codes; by default the codes themselves
    probes     : compare every row with every probe, instead of with the other rows
    full_range : bins of a further histogram over [-1, 1]; None for none
    row_edges  : numbers of the edges, rising, from which on the pairs of each row are counted as well (RowTails): 4 bytes for
                 each row, group and edge. Of one table only
    shard      : (k, n): do the k-th of n parts of the work; the sum of all n parts is the whole

    filter, workers, device, kernels and shape change the time and never the result.

    Raises
    ------
    MatchingError : rows that are zero or not finite, by number; arrays that do not fit; settings out of range
    """
    number, parts = shard
    if not 0 <= number < parts:
        raise MatchingError(f"shard={shard} is not (k, n) with 0 <= k < n")
    run = plan(
        embeddings,
        subjects,
        groups,
        floor=floor,
        bins=bins,
        tail_limit=tail_limit,
        exclude=exclude,
        names=names,
        probes=probes,
        full_range=full_range,
        row_edges=row_edges,
        filter=filter,
        workers=workers,
        device=device,
        kernels=kernels,
        shape=shape,
    )
    counts = count_blocks(run.blocks[number::parts], run.embeddings, run.others, run.settings)
    return counts + count_ledger(run) if number == 0 else counts


def plan(
    embeddings: Float32Array,
    subjects: IntArray,
    groups: IntArray,
    *,
    floor: float,
    bins: int,
    tail_limit: int,
    exclude: NDArray[np.generic] | None,
    names: Sequence[str] | None,
    probes: Probes | None,
    full_range: int | None,
    filter: str,
    workers: int,
    row_edges: Sequence[int] | None = None,
    device: Device,
    kernels: KernelChoice,
    shape: TileShape | None,
) -> Plan:
    """The arguments of count_scores, checked and cut into blocks. Raises MatchingError."""
    require_settings(floor, bins, tail_limit, full_range, workers, shape, filter)
    require_filter(filter, device)
    loops = choose_kernels(kernels)
    largest = largest_components(embeddings, loops)
    others, others_largest = embeddings, largest
    row_codes = [codes(subjects, len(embeddings), "subjects"), codes(groups, len(embeddings), "groups")]
    right_codes = row_codes
    if probes is not None:
        others, others_largest = probes.embeddings, largest_components(probes.embeddings, loops, "probes")
        require_one_depth(embeddings, others)
        right_codes = [
            codes(probes.subjects, len(others), "probes.subjects"),
            codes(probes.groups, len(others), "probes.groups"),
        ]
    pairs = pairing(row_codes[0], row_codes[1], right_codes[0], right_codes[1], exclude, one_table=probes is None)
    group_names = named_groups(names, [row_codes[1], right_codes[1]])
    if filter == "auto":
        filter = choose_filter(
            embeddings, floor=floor, full_range=full_range is not None, shape=shape, kernels=kernels, largest=largest
        ).name
    edges = np.linspace(floor, 1.0, bins + 1)
    if row_edges is not None:
        require_row_edges(row_edges, bins, one_table=probes is None)
    settings = Settings(
        group_names,
        edges,
        tail_limit,
        None if full_range is None else np.linspace(-1.0, 1.0, full_range + 1),
        filter,
        device,
        kernels,
        shape,
        workers,
        None if row_edges is None else edges[np.asarray(row_edges)],
    )
    size = super_rows(embeddings.shape[1])
    blocks = tuple(blocks_of(pairs, largest, others_largest, size))
    return Plan(embeddings, others, pairs, blocks, settings)


def require_settings(
    floor: float, bins: int, tail_limit: int, full_range: int | None, workers: int, shape: TileShape | None, filter: str
) -> None:
    """Raise MatchingError for settings that make no sense on any machine, before the machine is asked what it can do."""
    if not -1e6 < floor < 1:
        raise MatchingError(f"floor={floor} must be below 1, the maximum score of normalised rows")
    for name, value, least in (
        ("bins", bins, 1),
        ("tail_limit", tail_limit, 0),
        ("workers", workers, 1),
        ("full_range", 1 if full_range is None else full_range, 1),
        ("shape", min(shape or (1,)), 1),
    ):
        if value < least:
            raise MatchingError(f"{name}={value} must be at least {least}")
    if full_range is not None and filter not in ("auto", "float32"):
        raise MatchingError(f"full_range needs float32 products, not filter={filter!r}; use float32 or auto")


def require_row_edges(row_edges: Sequence[int], bins: int, *, one_table: bool) -> None:
    """Raise MatchingError for edges that are not there, or where two tables are compared."""
    chosen = np.asarray(row_edges)
    if not one_table:
        raise MatchingError("row_edges are for the pairs of one table; omit them, or omit the probes")
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or not len(chosen):
        raise MatchingError("row_edges must be one or more numbers of edges")
    if chosen[0] < 0 or chosen[-1] >= bins or (np.diff(chosen) <= 0).any():
        raise MatchingError(
            f"row_edges={chosen.tolist()} must rise within 0 to {bins - 1}, the lower edges of the bins"
        )


def named_groups(names: Sequence[str] | None, group_codes: Sequence[IntArray]) -> tuple[str, ...]:
    """Names in the order of the codes. Raises MatchingError where a code has none."""
    highest = max((int(values.max(initial=0)) for values in group_codes), default=0)
    if names is None:
        return tuple(map(str, range(highest + 1)))
    if highest >= len(names) or len(set(names)) < len(names):
        raise MatchingError(f"{len(names)} group names for codes up to {highest}; each code needs a separate name")
    return tuple(names)


def blocks_of(pairing: Pairing, largest: Float32Array, others_largest: Float32Array, size: int) -> Iterator[Block]:
    """Blocks that cover every pair once, those of one right super-block one after the other."""
    left = super_blocks(pairing.left, largest, size)
    right = left if pairing.one_table else super_blocks(pairing.right, others_largest, size)
    left_number = table_of(pairing.left, np.arange(len(pairing.left)) // size, pairing.left_rows)
    right_number = table_of(pairing.right, np.arange(len(pairing.right)) // size, pairing.right_rows)
    of_pair = left_number[pairing.excluded[:, 0]], right_number[pairing.excluded[:, 1]]
    for b, right_rows in enumerate(right):
        for a, left_rows in enumerate(left[: b + 1] if pairing.one_table else left):
            excluded = pairing.excluded[(of_pair[0] == a) & (of_pair[1] == b)]
            yield Block(a, b, left_rows, right_rows, pairing.one_table, excluded, pairing.right_rows)


def count_ledger(run: Plan) -> ScoreCounts:
    """The part of the counts that needs no comparison of everyone: totals, unknown pairs, and the genuine scores."""
    settings, size = run.settings, len(run.settings.groups)
    total = totals(run.pairing, size)
    loops = choose_kernels(settings.kernels)
    genuine = np.empty(len(total.genuine_left), PAIR_SCORE)
    genuine["left"], genuine["right"] = total.genuine_left, total.genuine_right
    genuine["score"] = scores_of_pairs(
        loops, run.embeddings, run.others, total.genuine_left, total.genuine_right, workers=settings.workers
    )
    g, h = groups_of(run.pairing, genuine)
    full = None
    if settings.full_edges is not None:
        counts = binned(genuine["score"], g, h, settings.full_edges, size)
        full = ScoreHistogram(settings.full_edges, np.zeros_like(counts), counts)
    reached = genuine["score"] >= settings.edges[0]
    counted = binned(genuine["score"][reached], g[reached], h[reached], settings.edges, size)
    return ScoreCounts(
        groups=settings.groups,
        edges=settings.edges,
        impostor=np.zeros_like(counted),
        genuine=counted,
        impostor_pairs=total.impostor,
        genuine_pairs=total.genuine,
        tail=np.empty(0, PAIR_SCORE),
        tail_floor=float(settings.edges[0]),
        tail_limit=settings.tail_limit,
        genuine_scores=genuine,
        unknown_pairs=total.unknown,
        full_range=full,
        row_tails=no_row_tails(run),
    )


def no_row_tails(run: Plan) -> RowTails | None:
    """Counts of each row without any pair; None where they are not wanted."""
    edges = run.settings.row_edges
    return None if edges is None else RowTails(edges, len(run.embeddings), len(run.settings.groups), {})


def groups_of(pairing: Pairing, pairs: AnyArray) -> tuple[IntArray, IntArray]:
    """Groups of both rows of each pair."""
    left = table_of(pairing.left, pairing.left.group, pairing.left_rows)
    right = table_of(pairing.right, pairing.right.group, pairing.right_rows)
    return left[pairs["left"]], right[pairs["right"]]


def binned(scores: FloatArray, g: IntArray, h: IntArray, edges: FloatArray, size: int) -> IntArray:
    """Counts int64 [G, G, bins], upper triangle; the outer bins take what lies beyond the edges."""
    shape = (size, size, len(edges) - 1)
    place = np.ravel_multi_index((np.minimum(g, h), np.maximum(g, h), bins_of(scores, edges)), shape)
    return np.bincount(place, minlength=int(np.prod(shape))).reshape(shape).astype(np.int64)
