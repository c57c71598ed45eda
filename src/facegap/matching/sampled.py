"""Pairs of images that are chosen by a rule of chance, so that a sample of them speaks for all.

Impostor pairs are sampled in strata: the pairs of two cells (groups that no further label divides). Within a stratum every
pair has the same chance, without replacement, so that one of the sample stands for as many as its stratum has pairs over those
sampled: its weight. No list of all pairs is ever made: the pairs of a stratum are numbered, and a number is turned into a pair.
Images are ordered by person and name first, so that the sample does not depend on the order of a table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facegap.errors import MatchingError
from facegap.types import BoolArray, FloatArray, IntArray

FEWEST_OF_STRATUM = 2  # pairs, where a stratum has them: of one nothing is known about how pairs vary


@dataclass(frozen=True)
class Stratum:
    """Impostor pairs between two cells, or within one.

    first, second : codes of the cells; equal within one. With directed pairs the left image is of `first`
    people, others : people of either side who are in a pair
    pairs         : all of them
    sampled       : how many were chosen
    """

    first: int
    second: int
    people: int
    others: int
    pairs: int
    sampled: int

    @property
    def weight(self) -> float:
        """How many pairs one of the sample stands for; NaN where none was chosen."""
        return self.pairs / self.sampled if self.sampled else float("nan")


@dataclass(frozen=True, eq=False)
class PairSample:
    """Pairs chosen out of all pairs of n images.

    left, right : int64 (m,), images; the genuine pairs come first
    genuine     : bool (m,)
    weight      : float64 (m,), pairs of the same stratum (or genuine pairs of the same person) over those chosen of it
    strata      : all strata of impostor pairs, in order of their cells
    genuine_pairs : all genuine pairs, chosen or not
    """

    left: IntArray
    right: IntArray
    genuine: BoolArray
    weight: FloatArray
    strata: tuple[Stratum, ...]
    genuine_pairs: int

    def __len__(self) -> int:
        """Pairs that were chosen."""
        return len(self.left)


def sample_pairs(
    images: Sequence[str],
    subjects: Sequence[str],
    cells: IntArray,
    names: Sequence[str],
    *,
    pairs: int,
    seed: int,
    genuine_per_subject: int | None = None,
    directed: bool = False,
) -> PairSample:
    """All genuine pairs, or some of each person, and a stratified sample of the impostor pairs.

    Parameters
    ----------
    images, subjects : sequences of str (n,)
        Name of each image, each once, and of the person in it.
    cells : int64 (n,)
        Cell of each image, 0 to len(names) - 1.
    names : sequence of str
        Name of each cell; with the seed it decides the sample of a stratum, whatever other cells there are.
    pairs : int
        Pairs to choose at most, genuine ones included.
    seed : int
        Of the sample.
    genuine_per_subject : int, optional
        Genuine pairs of one person at most, chosen at random; None: all.
    directed : bool
        Whether (a, b) and (b, a) are two comparisons, as with probe and reference.

    Returns
    -------
    PairSample
        Half of what the genuine pairs leave goes to the strata within one cell in equal parts, half to those between two; a
        stratum with fewer pairs is taken whole, and what it leaves goes to the others.

    Raises
    ------
    MatchingError
        An image is named twice; the genuine pairs leave too little for two impostor pairs of each stratum. The message says
        how many pairs are needed.

    Notes
    -----
    Memory and time grow with images, pairs chosen and strata, not with the square of the images.

    Examples
    --------
    >>> images, people = [f"{k}.jpg" for k in range(8)], list("aabbccdd")
    >>> found = sample_pairs(images, people, np.array([0, 0, 0, 0, 1, 1, 1, 1]), ["f", "m"], pairs=10, seed=1)
    >>> int(found.genuine.sum()), [(s.first, s.second, s.pairs, s.sampled) for s in found.strata]
    (4, [(0, 0, 4, 2), (0, 1, 16, 2), (1, 1, 4, 2)])
    """
    order = ordered(images, subjects)
    who = [subjects[place] for place in order]
    people = np.unique(np.asarray(who, np.str_), return_inverse=True)[1].reshape(-1)
    cell = np.asarray(cells, np.int64)[order]
    genuine_left, genuine_right, genuine_weight, in_all = genuine_pairs_of(
        people, who, seed=seed, most=genuine_per_subject, room=pairs, directed=directed
    )
    blocks = [block_of(np.flatnonzero(cell == code), people) for code in range(len(names))]
    found = list(strata_of(blocks, directed=directed))
    sizes = np.array([size for *_, size in found], np.int64)
    left_over = pairs - len(genuine_left)
    needed = int(np.minimum(sizes, FEWEST_OF_STRATUM).sum())
    if left_over < needed:
        raise MatchingError(
            f"{pairs:,} pairs are too few: {len(genuine_left):,} are genuine, and the {int((sizes > 0).sum()):,} pairs of groups "
            f"need {FEWEST_OF_STRATUM} impostor pairs each; {len(genuine_left) + needed:,} pairs are the minimum; or "
            f"compare fewer groups, or fewer genuine pairs per person"
        )
    chosen = allocated(sizes, np.array([first == second for first, second, _ in found], np.bool_), left_over)
    strata, sides, weights = [], [(genuine_left, genuine_right)], [genuine_weight]
    for (first, second, size), count in zip(found, chosen, strict=True):
        rng = generator(seed, names[first], names[second])
        numbers = distinct_numbers(rng, size, int(count))
        left, right = blocks[first].pairs(blocks[second], numbers, first == second, directed=directed)
        strata.append(
            Stratum(first, second, *blocks[first].people_beside(blocks[second], first == second), size, int(count))
        )
        sides.append((left, right))
        weights.append(np.full(len(left), size / max(int(count), 1)))
    left, right = (np.concatenate([side[k] for side in sides]) for k in (0, 1))
    genuine = np.arange(len(left)) < len(genuine_left)
    return PairSample(order[left], order[right], genuine, np.concatenate(weights), tuple(strata), in_all)


def ordered(images: Sequence[str], subjects: Sequence[str]) -> IntArray:
    """Images by person and name, int64 (n,)."""
    names, people = np.asarray(images, np.str_), np.asarray(subjects, np.str_)
    order = np.lexsort((names, people)).astype(np.int64)
    again = np.sort(names)
    doubled = np.flatnonzero(again[1:] == again[:-1])
    if len(doubled):
        raise MatchingError(f"image {str(again[doubled[0]])!r} is listed twice; each image must have one row")
    return order


def generator(*parts: int | str) -> np.random.Generator:
    """A generator of random numbers that depends on a seed and on names, and on nothing else."""
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def distinct_numbers(rng: np.random.Generator, size: int, count: int) -> IntArray:
    """`count` different numbers below `size`, every set of them equally likely, int64, rising.

    Memory grows with `count`, whatever `size` is.
    """
    if 2 * count >= size:
        return np.sort(rng.permutation(size)[:count]).astype(np.int64)
    found = np.empty(0, np.int64)
    while len(found) < count:
        # Numbers that come again are passed over, which leaves every set of `count` equally likely.
        more = np.concatenate([found, rng.integers(0, size, count - len(found))])
        _, first = np.unique(more, return_index=True)
        found = more[np.sort(first)]
    return np.sort(found)


@dataclass(frozen=True, eq=False)
class Block:
    """The images of one cell, by person: places in the order of all images, and where each image's person begins and ends.

    rows : int64 (n,), rising; person : int64 (n,), rising; start, stop : int64 (n,), places within the block
    """

    rows: IntArray
    person: IntArray
    start: IntArray
    stop: IntArray

    def others(self, block: Block, same: bool, *, directed: bool) -> tuple[IntArray, IntArray, IntArray]:
        """Of each image how many images of `block` make a pair with it, and the gap of its own person's in between.

        returns : how many pairs begin with each image; where the gap begins and ends in `block`. Within a block, undirected,
                  pairs begin with the lower image, so that all up to the person's own are in the gap
        """
        if same:
            begin = self.start if directed else np.zeros_like(self.start)
            return len(self.rows) - (self.stop - begin), begin, self.stop
        begin, end = (np.searchsorted(block.person, self.person, side) for side in ("left", "right"))
        return len(block.rows) - (end - begin), begin.astype(np.int64), end.astype(np.int64)

    def pairs(self, block: Block, numbers: IntArray, same: bool, *, directed: bool) -> tuple[IntArray, IntArray]:
        """The impostor pairs with some numbers, as places in the order of all images."""
        counts, begin, end = self.others(block, same, directed=directed)
        ends = np.cumsum(counts)
        at = np.searchsorted(ends, numbers, side="right")
        nth = numbers - (ends[at] - counts[at])
        nth = nth + np.where(nth >= begin[at], end[at] - begin[at], 0)
        return self.rows[at], block.rows[nth]

    def people_beside(self, block: Block, same: bool) -> tuple[int, int]:
        """People of either side who are in an impostor pair of the two."""
        own, others = (
            len(np.unique(one.person[one.others(two, same, directed=True)[0] > 0]))
            for one, two in ((self, block), (block, self))
        )
        return own, others


def block_of(rows: IntArray, people: IntArray) -> Block:
    """The block of some places. people : int64, of each image, rising"""
    person = people[rows]
    start, stop = (np.searchsorted(person, person, side) for side in ("left", "right"))
    return Block(rows, person, start.astype(np.int64), stop.astype(np.int64))


def strata_of(blocks: Sequence[Block], *, directed: bool) -> Iterator[tuple[int, int, int]]:
    """Both cells of every stratum with an impostor pair, and how many it has."""
    for first in range(len(blocks)):
        for second in range(0 if directed else first, len(blocks)):
            counts, _, _ = blocks[first].others(blocks[second], first == second, directed=directed)
            if counts.sum():
                yield first, second, int(counts.sum())


def allocated(sizes: IntArray, within: BoolArray, budget: int) -> IntArray:
    """Pairs of each stratum: half of the budget to those within a cell, half to those between two, evenly among each.

    Examples
    --------
    >>> allocated(np.array([3, 100, 100]), np.array([True, True, False]), 60).tolist()
    [3, 27, 30]
    """
    least = np.minimum(sizes, FEWEST_OF_STRATUM)
    budget = min(budget, int(sizes.sum()))
    own = min(max((budget + 1) // 2, budget - int(sizes[~within].sum())), int(sizes[within].sum()))
    own = min(max(own, int(least[within].sum())), budget - int(least[~within].sum()))
    chosen = np.zeros(len(sizes), np.int64)
    chosen[within], chosen[~within] = even_parts(sizes[within], own), even_parts(sizes[~within], budget - own)
    return chosen


def even_parts(sizes: IntArray, budget: int) -> IntArray:
    """Parts of a budget that are as even as the sizes allow; the first get what does not divide."""
    found = np.zeros(len(sizes), np.int64)
    left = min(budget, int(sizes.sum()))
    while left:
        open_ = np.flatnonzero(found < sizes)
        each = left // len(open_)
        given = (
            np.minimum(sizes[open_] - found[open_], each) if each else (np.arange(len(open_)) < left).astype(np.int64)
        )
        found[open_] += given
        left -= int(given.sum())
    return found


def genuine_pairs_of(
    people: IntArray, names: Sequence[str], *, seed: int, most: int | None, room: int, directed: bool
) -> tuple[IntArray, IntArray, FloatArray, int]:
    """Genuine pairs as places in the order of images, their weights, and how many there are in all.

    people : int64 (n,), rising; names : of the person of each image

    Raises
    ------
    MatchingError : more than there is room for; it is said before a list of them is made
    """
    _, start, images = np.unique(people, return_index=True, return_counts=True)
    own = images.astype(np.int64) * (images - 1) // (1 if directed else 2)
    kept = own if most is None else np.minimum(own, most)
    total, chosen = int(own.sum()), int(kept.sum())
    if chosen > room:
        said = "all" if most is None else f"{most} per person"
        most_each = max(
            (k for k in (1, 2, 3, 5, 10, 20, 50, 100) if int(np.minimum(own, k).sum()) <= room // 2), default=0
        )
        cure = (
            f"--genuine-per-subject {most_each} leaves at least half of them for impostor pairs"
            if most_each
            else "allow more pairs"
        )
        raise MatchingError(
            f"{room:,} pairs are too few: the genuine pairs ({said}) are {chosen:,} of {total:,}; {cure}"
        )
    found = [(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))]
    for size in np.unique(images[(kept == own) & (own > 0)]):  # people with as many images at once
        begin = start[(images == size) & (kept == own)]
        left, right = numbered_pairs(
            int(size), np.arange(size * (size - 1) // (1 if directed else 2)), directed=directed
        )
        sides = ((begin[:, None] + side).ravel() for side in (left, right))
        found.append((*sides, np.ones(len(begin) * len(left))))
    for at in np.flatnonzero((kept < own) & (kept > 0)):
        numbers = distinct_numbers(generator(seed, "genuine", str(names[start[at]])), int(own[at]), int(kept[at]))
        left, right = numbered_pairs(int(images[at]), numbers, directed=directed)
        found.append((start[at] + left, start[at] + right, np.full(len(left), own[at] / kept[at])))
    lefts, rights, weights = (np.concatenate([part[k] for part in found]) for k in range(3))
    order = np.lexsort((rights, lefts))
    return lefts[order], rights[order], weights[order], total


def numbered_pairs(images: int, numbers: IntArray, *, directed: bool) -> tuple[IntArray, IntArray]:
    """The pairs of some images with some numbers.

    Examples
    --------
    >>> left, right = numbered_pairs(3, np.arange(3), directed=False)
    >>> left.tolist(), right.tolist()
    ([0, 0, 1], [1, 2, 2])
    """
    if directed:
        left = numbers // (images - 1)
        right = numbers % (images - 1)
        return left, right + (right >= left)
    ends = np.cumsum(np.arange(images - 1, 0, -1))
    left = np.searchsorted(ends, numbers, side="right")
    before = np.where(left > 0, ends[left - 1], 0)
    return left.astype(np.int64), (numbers - before + left + 1).astype(np.int64)
