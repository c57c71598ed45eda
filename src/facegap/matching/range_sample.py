"""Score histograms for charts without a product of every pair: the exact list of the highest pairs, and a sample of the rest.

A histogram over all scores would need float32 products of all pairs, which the filters avoid. Pairs above the floor of
the exact list are counted from that list; the other pairs of each two groups are distributed over the bins in proportion to a
seeded sample. Sums over the bins are the exact numbers of pairs, and so are all bins above the floor.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from facegap.matching.kernels import KernelChoice, choose_kernels
from facegap.matching.kernels_numpy import bins_of
from facegap.matching.ledger import excluded_pairs
from facegap.matching.pairs import scores_of_pairs
from facegap.matching.rows import Float32Array
from facegap.types import BoolArray, FloatArray, IntArray, ScoreCounts, ScoreHistogram

SAMPLED_PAIRS = 400_000  # of all cells together: half within groups, half between two
SEED = 0
FEWEST = 200  # sampled pairs per cell, however many cells there are
DRAWN_AT_ONCE = 4  # times the number of pairs requested
MOST_DRAWS = 64  # for a cell with few impostor pairs
MOST_LISTED = 1_000_000  # a cell with at most this many rows times rows is listed, not sampled


def with_sampled_range(
    counts: ScoreCounts,
    embeddings: Float32Array,
    subjects: IntArray,
    groups: IntArray,
    *,
    bins: int,
    exclude: NDArray[np.generic] | None = None,
    pairs: int = SAMPLED_PAIRS,
    seed: int = SEED,
    workers: int = 1,
    kernels: KernelChoice = "auto",
) -> ScoreCounts:
    """Add a histogram over all scores to the counts; impostor pairs below the floor of the list are represented by a sample.

    Parameters
    ----------
    counts
        Result of count_scores for the same rows, all pairs of one table.
    embeddings, subjects, groups, exclude
        As given to count_scores: float32 (rows, depth), whole numbers (rows,), whole numbers (m, 2).
    bins
        Equal bins of [-1, 1].
    pairs
        Number of pairs to sample, with replacement, half of them within groups and half between two; a pair of groups with
        fewer pairs is counted completely.

    Returns
    -------
    ScoreCounts
        `full_range.sampled` is the number of sampled pairs. Genuine counts are exact.

    Notes
    -----
    The estimator is stratified by pair of groups and by membership in the list. The same arguments give the same
    integers on every machine, as scores are exact.

    Examples
    --------
    >>> import numpy as np
    >>> from facegap.matching import count_scores
    >>> rows = np.float32([[1, 0], [0, 1], [0.6, 0.8]])
    >>> counts = count_scores(rows, np.arange(3), np.zeros(3, int), floor=0.7, bins=2, tail_limit=9)
    >>> with_sampled_range(counts, rows, np.arange(3), np.zeros(3, int), bins=4).full_range.impostor[0, 0].tolist()
    [0, 0, 1, 2]
    """
    edges, size = np.linspace(-1.0, 1.0, bins + 1), len(counts.groups)
    subjects, groups = np.asarray(subjects, np.int64), np.asarray(groups, np.int64)
    dropped = excluded_pairs(exclude, len(groups), len(groups), one_table=True)
    found = pairs_of_groups(counts, counts.tail, groups, edges)
    listed, members = found.sum(axis=-1), members_of(subjects, groups, size)
    drawn: list[tuple[int, int, IntArray]] = []
    for g, h in zip(*np.nonzero(counts.impostor_pairs > listed), strict=True):
        rng = np.random.default_rng([seed, int(g), int(h)])
        wanted = of_cell(pairs, size, within=bool(g == h))
        drawn.append((int(g), int(h), draw(rng, members[g], members[h], subjects, dropped, len(groups), wanted)))
    every = np.concatenate([np.empty((0, 2), np.int64), *(of for _, _, of in drawn)])
    scores = scores_of_pairs(choose_kernels(kernels), embeddings, embeddings, every[:, 0], every[:, 1], workers=workers)
    ends = np.cumsum([len(of) for _, _, of in drawn], dtype=np.int64)
    for (g, h, of), end in zip(drawn, ends.tolist(), strict=True):
        below = scores[end - len(of) : end]
        below = below[below < counts.tail_floor]
        sampled = np.bincount(bins_of(below, edges), minlength=bins)
        found[g, h] += distributed(int(counts.impostor_pairs[g, h] - listed[g, h]), sampled, edges, counts.tail_floor)
    genuine = pairs_of_groups(counts, counts.genuine_scores, groups, edges)
    return replace(counts, full_range=ScoreHistogram(edges, found, genuine, sampled=len(every)))


def pairs_of_groups(counts: ScoreCounts, pairs: NDArray[np.void], groups: IntArray, edges: FloatArray) -> IntArray:
    """Listed pairs (PAIR_SCORE) by pair of groups and bin, int64 [G, G, bins], upper triangle."""
    size, g, h = len(counts.groups), groups[pairs["left"]], groups[pairs["right"]]
    shape = (size, size, len(edges) - 1)
    place = np.ravel_multi_index((np.minimum(g, h), np.maximum(g, h), bins_of(pairs["score"], edges)), shape)
    return np.bincount(place, minlength=int(np.prod(shape))).reshape(shape).astype(np.int64)


def members_of(subjects: IntArray, groups: IntArray, size: int) -> list[IntArray]:
    """The rows of each group whose subject is known."""
    return [np.flatnonzero((groups == g) & (subjects >= 0)) for g in range(size)]


def of_cell(pairs: int, size: int, *, within: bool) -> int:
    """Number of pairs to sample of one pair of groups: half of the sample is for pairs within groups, half for pairs between."""
    cells = size if within else size * (size - 1) // 2
    return max(FEWEST, pairs // (2 * cells))


def draw(
    rng: np.random.Generator,
    left: IntArray,
    right: IntArray,
    subjects: IntArray,
    dropped: IntArray,
    rows: int,
    wanted: int,
) -> IntArray:
    """Impostor pairs of two groups, int64 (n, 2): `wanted` of them with replacement, or each once if there are few."""
    if len(left) * len(right) <= min(MOST_LISTED, 2 * wanted):
        pairs = np.stack(np.meshgrid(left, right, indexing="ij"), axis=-1).reshape(-1, 2)
        if left is right:
            pairs = pairs[pairs[:, 0] < pairs[:, 1]]
        return pairs[impostors(pairs, subjects, dropped, rows)]
    found = 0
    parts: list[IntArray] = []
    for _ in range(MOST_DRAWS):
        size = DRAWN_AT_ONCE * wanted if parts else wanted + wanted // 8
        pairs = np.stack([rng.choice(left, size), rng.choice(right, size)], axis=-1)
        parts.append(pairs[impostors(pairs, subjects, dropped, rows)])
        found += len(parts[-1])
        if found >= wanted:
            break
    return np.concatenate(parts)[:wanted]


def impostors(pairs: IntArray, subjects: IntArray, dropped: IntArray, rows: int) -> BoolArray:
    """Which pairs are of two subjects and not excluded; dropped : int64 (m, 2), left < right."""
    kept: BoolArray = subjects[pairs[:, 0]] != subjects[pairs[:, 1]]
    if len(dropped):
        ordered = np.sort(pairs, axis=1)
        kept &= ~np.isin(ordered[:, 0] * rows + ordered[:, 1], dropped[:, 0] * rows + dropped[:, 1])
    return kept


def distributed(total: int, sampled: IntArray, edges: FloatArray, floor: float) -> IntArray:
    """Distribute `total` pairs over the bins in proportion to the sample, in whole pairs by largest remainders.

    Without a sampled pair (nearly all are above the floor), they are put in the bin just below the floor.
    """
    if not sampled.sum():
        sampled = np.zeros_like(sampled)
        sampled[bins_of(np.array([np.nextafter(floor, -np.inf)]), edges)] = 1
    exact = sampled * (total / sampled.sum())
    whole: IntArray = np.floor(exact).astype(np.int64)
    missing = total - int(whole.sum())
    # The remainders of empty bins are 0 and come last; there are fewer missing pairs than nonempty bins.
    whole[np.argsort(whole - exact, kind="stable")[:missing]] += 1
    return whole
