"""Random samples of pairs of images that represent all pairs.

Impostor pairs are sampled in strata: the pairs of two cells (groups that no further label divides). Within a stratum every
pair has the same probability, without replacement, so each sampled pair represents as many pairs as the stratum has divided by
the number sampled: its weight. No list of all pairs is made: the pairs of a stratum are numbered, and numbers are converted to
pairs. Images are first sorted by subject and name, so that the sample does not depend on the order of a table.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facegap.errors import MatchingError
from facegap.types import BoolArray, FloatArray, IntArray

FEWEST_OF_STRATUM = 2  # pairs, if a stratum has them: one pair gives no information on the variance


@dataclass(frozen=True)
class Stratum:
    """Impostor pairs between two cells, or within one.

    first, second : codes of the cells; equal within one. With directed pairs, the left image is from `first`
    people, others : number of subjects on either side with a pair
    pairs         : total number
    sampled       : number sampled
    """

    first: int
    second: int
    people: int
    others: int
    pairs: int
    sampled: int

    @property
    def weight(self) -> float:
        """How many pairs a sampled one represents; NaN if none was sampled."""
        return self.pairs / self.sampled if self.sampled else float("nan")


@dataclass(frozen=True, eq=False)
class PairSample:
    """Pairs sampled from all pairs of n images.

    left, right : int64 (m,), images; the genuine pairs come first
    genuine     : bool (m,)
    weight      : float64 (m,), pairs of the stratum (or genuine pairs of the subject) divided by those sampled from it
    strata      : all strata of impostor pairs, in order of their cells
    genuine_pairs : number of all genuine pairs, sampled or not
    """

    left: IntArray
    right: IntArray
    genuine: BoolArray
    weight: FloatArray
    strata: tuple[Stratum, ...]
    genuine_pairs: int

    def __len__(self) -> int:
        """Number of sampled pairs."""
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
    """All genuine pairs, or some of each subject, and a stratified sample of the impostor pairs.

    Parameters
    ----------
    images, subjects : sequences of str (n,)
        Distinct name of each image, and its subject.
    cells : int64 (n,)
        Cell of each image, 0 to len(names) - 1.
    names : sequence of str
        Name of each cell; with the seed it determines the sample of a stratum, independently of other cells.
    pairs : int
        Maximum number of pairs, including genuine pairs.
    seed : int
        Random seed of the sample.
    genuine_per_subject : int, optional
        Maximum number of genuine pairs per subject, selected at random; None: all.
    directed : bool
        Whether (a, b) and (b, a) are two comparisons, as with probe and reference.

    Returns
    -------
    PairSample
        Half of the pairs left by the genuine pairs goes in equal parts to the strata within one cell, half to those between two.
        A stratum with fewer pairs is taken completely, and its remainder goes to the others.

    Raises
    ------
    MatchingError
        If an image is named twice, or the genuine pairs leave too few pairs for two impostor pairs per stratum. The message says
        how many pairs are needed.

    Notes
    -----
    Memory and time grow with images, sampled pairs and strata, not with the square of the number of images.

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
            Stratum(first, second, *blocks[first].people_in_pairs(blocks[second], first == second), size, int(count))
        )
        sides.append((left, right))
        weights.append(np.full(len(left), size / max(int(count), 1)))
    left, right = (np.concatenate([side[k] for side in sides]) for k in (0, 1))
    genuine = np.arange(len(left)) < len(genuine_left)
    return PairSample(order[left], order[right], genuine, np.concatenate(weights), tuple(strata), in_all)


def ordered(images: Sequence[str], subjects: Sequence[str]) -> IntArray:
    """Images sorted by subject and name, int64 (n,)."""
    names, people = np.asarray(images, np.str_), np.asarray(subjects, np.str_)
    order = np.lexsort((names, people)).astype(np.int64)
    again = np.sort(names)
    doubled = np.flatnonzero(again[1:] == again[:-1])
    if len(doubled):
        raise MatchingError(f"image {str(again[doubled[0]])!r} is listed twice; each image must have one row")
    return order


def generator(*parts: int | str) -> np.random.Generator:
    """A random number generator that depends only on a seed and names."""
    digest = hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, "little"))


def distinct_numbers(rng: np.random.Generator, size: int, count: int) -> IntArray:
    """`count` different numbers below `size`, every set of them equally likely, int64, ascending.

    Memory grows with `count`, not with `size`.
    """
    if 2 * count >= size:
        return np.sort(rng.permutation(size)[:count]).astype(np.int64)
    found = np.empty(0, np.int64)
    while len(found) < count:
        # Repeated numbers are discarded, which leaves every set of `count` equally likely.
        more = np.concatenate([found, rng.integers(0, size, count - len(found))])
        _, first = np.unique(more, return_index=True)
        found = more[np.sort(first)]
    return np.sort(found)


@dataclass(frozen=True, eq=False)
class Block:
    """The images of one cell, by subject: positions among all images, and the range of each image's subject.

    rows : int64 (n,), ascending; person : int64 (n,), ascending; start, stop : int64 (n,), positions within the block
    """

    rows: IntArray
    person: IntArray
    start: IntArray
    stop: IntArray

    def others(self, block: Block, same: bool, *, directed: bool) -> tuple[IntArray, IntArray, IntArray]:
        """For each image the number of images of `block` that form a pair with it, and the gap with its own subject's images.

        returns : number of pairs that begin with each image; begin and end of the gap in `block`. Within an undirected block,
                  pairs begin with the lower image, so that all images up to the subject's own are in the gap
        """
        if same:
            begin = self.start if directed else np.zeros_like(self.start)
            return len(self.rows) - (self.stop - begin), begin, self.stop
        begin, end = (np.searchsorted(block.person, self.person, side) for side in ("left", "right"))
        return len(block.rows) - (end - begin), begin.astype(np.int64), end.astype(np.int64)

    def pairs(self, block: Block, numbers: IntArray, same: bool, *, directed: bool) -> tuple[IntArray, IntArray]:
        """The impostor pairs with the given numbers, as positions among all images."""
        counts, begin, end = self.others(block, same, directed=directed)
        ends = np.cumsum(counts)
        at = np.searchsorted(ends, numbers, side="right")
        nth = numbers - (ends[at] - counts[at])
        nth = nth + np.where(nth >= begin[at], end[at] - begin[at], 0)
        return self.rows[at], block.rows[nth]

    def people_in_pairs(self, block: Block, same: bool) -> tuple[int, int]:
        """Number of subjects on either side in an impostor pair of the two blocks."""
        own, others = (
            len(np.unique(one.person[one.others(two, same, directed=True)[0] > 0]))
            for one, two in ((self, block), (block, self))
        )
        return own, others


def block_of(rows: IntArray, people: IntArray) -> Block:
    """The block of some positions. people : int64, of each image, ascending."""
    person = people[rows]
    start, stop = (np.searchsorted(person, person, side) for side in ("left", "right"))
    return Block(rows, person, start.astype(np.int64), stop.astype(np.int64))


def strata_of(blocks: Sequence[Block], *, directed: bool) -> Iterator[tuple[int, int, int]]:
    """Both cells of every stratum with an impostor pair, and its number of pairs."""
    for first in range(len(blocks)):
        for second in range(0 if directed else first, len(blocks)):
            counts, _, _ = blocks[first].others(blocks[second], first == second, directed=directed)
            if counts.sum():
                yield first, second, int(counts.sum())


def allocated(sizes: IntArray, within: BoolArray, budget: int) -> IntArray:
    """Pairs of each stratum: half of the budget to those within a cell, half to those between two, equally within each half.

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
    """Parts of a budget that are as equal as the sizes allow; the first ones get the remainder."""
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
    """Genuine pairs as positions among the images, their weights, and their total number.

    people : int64 (n,), ascending; names : subject of each image

    Raises
    ------
    MatchingError : if there are more than allowed; raised before a list of them is made
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
    for size in np.unique(images[(kept == own) & (own > 0)]):  # subjects with the same number of images together
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
    """The pairs of `images` images that have the given numbers.

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
