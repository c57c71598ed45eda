"""Down to which score all pairs are counted: for the list of impostor pairs, and for rates at edges of bins below it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from facegap.errors import StatisticsError
from facegap.matching import score_pairs
from facegap.types import IntArray

SAMPLED_PAIRS = 200_000
LEAST_ABOVE = 20  # sampled pairs above the floor of the list
MOST_SAMPLED = 8_000_000
MOST_ROW_EDGES = 64
ROW_BYTES = 2**29  # of the counts of all templates by group and edge; a copy of them may be in memory as well
BEYOND = 1.25  # times the pairs that an FMR allows reach the floor that is sampled for it, so that it lies below


def counted_edges(
    vectors: NDArray[np.float32], subjects: IntArray, floor: float, groups: int, fmr: float, bins: int
) -> tuple[float, list[int] | None]:
    """The floor of the counts that an FMR needs, and the edges from there up to the list from which templates are counted.

    floor  : of the list of impostor pairs
    groups : that are counted

    Returns
    -------
    The floor, and numbers of edges of `bins` equal bins from it to 1: as many as ROW_BYTES allow, evenly spaced. Where the list
    reaches down to that FMR its own floor, and None: the list has rates at every threshold down to there.

    Raises
    ------
    StatisticsError : not even one edge fits
    """
    count = len(vectors)
    most = min(MOST_ROW_EDGES, ROW_BYTES // max(4 * count * groups, 1))
    if most < 1:
        raise StatisticsError(
            f"--edge-fmr: counts of {count:,} templates by {groups} groups need {4 * count * groups:,} bytes for an edge, more "
            f"than {ROW_BYTES:,}; use fewer groups, or omit it"
        )
    lowest = floor_for(vectors, subjects, math.ceil(1.5 * BEYOND * fmr * count * (count - 1) / 2))
    if lowest >= floor:
        return floor, None
    edges = np.linspace(lowest, 1.0, bins + 1)
    highest = min(int(np.searchsorted(edges, floor)), bins - 1)
    return lowest, np.unique(np.linspace(0, highest, most).round().astype(np.int64)).tolist()


def floor_for(vectors: NDArray[np.float32], subjects: IntArray, tail_limit: int) -> float:
    """A floor above which about two thirds of `tail_limit` pairs lie, from a seeded sample of pairs.

    A floor that is too low costs time but does not change the result: the list is cut to its highest pairs, and records where. If
    so few pairs are requested that a sampled genuine pair could set the floor, more pairs are sampled, all of them impostor.

    subjects : int64 (n,), subject of each row
    """
    count = len(vectors)
    pairs = count * (count - 1) / 2
    if pairs <= tail_limit:
        return -1.0
    share = 2 / 3 * tail_limit / pairs
    rare = SAMPLED_PAIRS * share < LEAST_ABOVE
    sampled = min(math.ceil(LEAST_ABOVE / share), MOST_SAMPLED) if rare else SAMPLED_PAIRS
    rng = np.random.default_rng(0)
    left = rng.integers(0, count, sampled)
    right = (left + rng.integers(1, count, sampled)) % count
    if rare:
        impostor = subjects[left] != subjects[right]
        left, right = left[impostor], right[impostor]
    if not len(left):
        return -1.0
    return float(min(np.quantile(score_pairs(vectors, left, right), 1 - share), 0.99))
