"""False matches among many people, simulated without visiting the pairs that do not match.

The cost depends on the number of false matches, not on the number of pairs. A trial with error probability p has no error
with the probability that a Poisson number of mean -log(1 - p) is 0. So events are distributed over blocks of people with
similar effects at the block's highest rate, and each event is accepted with the ratio of its own pair's rate to that
rate; a pair of images errs if at least one event is accepted. This is exact, not an approximation.
"""

from __future__ import annotations

import numpy as np

from facegap.types import FloatArray, IntArray
from facegap.worlds.people import pair_chances

# Range of effects in a block, in standard deviations; narrower blocks waste fewer events but are more numerous.
BLOCK_WIDTH = 0.1


def sparse_false_matches(
    images: IntArray, rate: float, strength: float, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """People of every falsely matched pair of images in one simulation, int64 [errors] each, left < right.

    images   : number per person, int64 [S]; all images of different people are compared
    rate     : false match rate of the population; strength : rho
    """
    effect = np.sqrt(strength) * rng.standard_normal(len(images)) if strength else np.zeros(len(images))
    by_effect = np.argsort(effect)
    person = np.repeat(by_effect, images[by_effect])  # of each image, ordered by effect
    starts, ends = _blocks(effect[person], np.sqrt(strength) * BLOCK_WIDTH)
    first, second = np.triu_indices(len(starts))
    highest = events_of(
        pair_chances(rate, strength, effect[person[ends[first] - 1]] + effect[person[ends[second] - 1]])
    )
    # Within a block both orders of a pair are possible, each with half of the events.
    places = (ends - starts)[first] * (ends - starts)[second] * np.where(first == second, 0.5, 1.0)
    thrown = rng.poisson(highest * places)
    at = np.repeat(np.arange(len(first)), thrown)
    left = starts[first][at] + _uniform(rng, (ends - starts)[first][at])
    right = starts[second][at] + _uniform(rng, (ends - starts)[second][at])
    chance = pair_chances(rate, strength, effect[person[left]] + effect[person[right]])
    kept = (rng.random(len(at)) * highest[at] < events_of(chance)) & (person[left] != person[right])
    low, high = np.minimum(left[kept], right[kept]), np.maximum(left[kept], right[kept])
    distinct = np.unique(low * len(person) + high)
    one, other = person[distinct // len(person)], person[distinct % len(person)]
    return np.minimum(one, other), np.maximum(one, other)


def events_of(chance: FloatArray) -> FloatArray:
    """Mean of the Poisson number that is positive with this probability."""
    return np.asarray(-np.log1p(-np.minimum(chance, 1 - 1e-12)), dtype=np.float64)


def _blocks(effects: FloatArray, width: float) -> tuple[IntArray, IntArray]:
    """First position of each block of increasing effects, and one past its last."""
    if not len(effects) or not width:
        return np.zeros(1, np.int64), np.full(1, len(effects), np.int64)
    block = np.floor((effects - effects[0]) / width)
    starts = np.flatnonzero(np.diff(block, prepend=-1.0)).astype(np.int64)
    return starts, np.append(starts[1:], len(effects)).astype(np.int64)


def _uniform(rng: np.random.Generator, sizes: IntArray) -> IntArray:
    return rng.integers(0, np.maximum(sizes, 1))
