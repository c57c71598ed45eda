"""False matches among many people, drawn without visiting the pairs that do not match.

A hundred thousand false matches among fifty million pairs should cost as much as a hundred thousand. A trial with
chance p fails to happen as often as a Poisson number with mean -log(1 - p) is 0. So events are thrown over blocks of
people with similar effects, at the rate of the block's highest chance, and each is kept with the share that its own pair
has of that; a pair of images is in error where at least one event is kept. This is exact, not an approximation.
"""

from __future__ import annotations

import numpy as np

from facegap.types import FloatArray, IntArray
from facegap.worlds.people import pair_chances

BLOCK_WIDTH = (
    0.1  # of a person's effect, in standard deviations; narrower blocks waste fewer events and cost more blocks
)


def sparse_false_matches(
    images: IntArray, rate: float, strength: float, rng: np.random.Generator
) -> tuple[IntArray, IntArray]:
    """People of every falsely matched pair of images of one world, int64 [errors] each, left < right.

    images   : of each person, int64 [S]; all images of different people are compared
    rate     : false match rate of the population; strength : rho
    """
    effect = np.sqrt(strength) * rng.standard_normal(len(images)) if strength else np.zeros(len(images))
    by_effect = np.argsort(effect)
    person = np.repeat(by_effect, images[by_effect])  # of each image, in the order of the effects
    starts, ends = _blocks(effect[person], np.sqrt(strength) * BLOCK_WIDTH)
    first, second = np.triu_indices(len(starts))
    highest = events_of(
        pair_chances(rate, strength, effect[person[ends[first] - 1]] + effect[person[ends[second] - 1]])
    )
    # Within a block both orders of a pair are drawn from, each with half of the events.
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
    """Mean of the Poisson number that is above 0 with this chance."""
    return np.asarray(-np.log1p(-np.minimum(chance, 1 - 1e-12)), dtype=np.float64)


def _blocks(effects: FloatArray, width: float) -> tuple[IntArray, IntArray]:
    """First and one past the last position of each block of rising effects."""
    if not len(effects) or not width:
        return np.zeros(1, np.int64), np.full(1, len(effects), np.int64)
    block = np.floor((effects - effects[0]) / width)
    starts = np.flatnonzero(np.diff(block, prepend=-1.0)).astype(np.int64)
    return starts, np.append(starts[1:], len(effects)).astype(np.int64)


def _uniform(rng: np.random.Generator, sizes: IntArray) -> IntArray:
    return rng.integers(0, np.maximum(sizes, 1))
