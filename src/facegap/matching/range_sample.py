"""How often each score occurs, for charts, without a product of every pair: the list of the highest pairs, and a sample of the rest.

A histogram over all scores would need float32 products of all pairs, which is what the filters spare. Pairs from the floor of
the exact list on are counted from that list; the others of each two groups are shared among the bins as a seeded sample of
their pairs is. Sums over the bins are the exact numbers of pairs, and so is every bin above the floor.
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

SAMPLED_PAIRS = 400_000  # of all cells together: half of them within groups, half between two
SEED = 0
FEWEST = 200  # pairs that are drawn of a cell, however many cells there are
DRAWN_AT_ONCE = 4  # times the pairs wanted
MOST_DRAWS = 64  # of a cell in which few pairs are impostor pairs
MOST_LISTED = 1_000_000  # a cell of so few rows times rows is listed, not drawn from


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
    """The counts with a histogram over all scores, that of impostor pairs below the floor of the list from a sample.

    Parameters
    ----------
    counts
        What count_scores returned for these very rows, everyone with everyone of one table.
    embeddings, subjects, groups, exclude
        As given to count_scores: float32 (rows, depth), whole numbers (rows,), whole numbers (m, 2).
    bins
        Equal bins of [-1, 1].
    pairs
        Pairs that are drawn, with replacement, half of them within groups and half between two; a pair of groups with fewer
        pairs is looked at whole.

    Returns
    -------
    ScoreCounts
        With `full_range.sampled` the number of pairs that were drawn. Genuine counts are exact.

    Notes
    -----
    The estimator is a stratified one, by pair of groups and by being in the list. The same arguments give the same
    integers on every machine: the scores are the exact ones.

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
        found[g, h] += shared_out(int(counts.impostor_pairs[g, h] - listed[g, h]), sampled, edges, counts.tail_floor)
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
    """Pairs to draw of one pair of groups: half of the sample is shared by those within, half by those between groups."""
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
    """Impostor pairs of two groups, int64 (n, 2): `wanted` of them with replacement, or each once where they are few."""
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
    """Which pairs are of two people and not left out; dropped : int64 (m, 2), left < right."""
    kept: BoolArray = subjects[pairs[:, 0]] != subjects[pairs[:, 1]]
    if len(dropped):
        ordered = np.sort(pairs, axis=1)
        kept &= ~np.isin(ordered[:, 0] * rows + ordered[:, 1], dropped[:, 0] * rows + dropped[:, 1])
    return kept


def shared_out(total: int, sampled: IntArray, edges: FloatArray, floor: float) -> IntArray:
    """`total` pairs shared among the bins as the sample is, in whole pairs by largest remainders.

    Without a sampled pair (nearly all are above the floor) they are put in the bin just below the floor.
    """
    if not sampled.sum():
        sampled = np.zeros_like(sampled)
        sampled[bins_of(np.array([np.nextafter(floor, -np.inf)]), edges)] = 1
    exact = sampled * (total / sampled.sum())
    whole: IntArray = np.floor(exact).astype(np.int64)
    missing = total - int(whole.sum())
    # The remainders of empty bins are 0, and so they come last; there are fewer missing pairs than bins with any.
    whole[np.argsort(whole - exact, kind="stable")[:missing]] += 1
    return whole
