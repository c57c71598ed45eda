"""Resampling of real templates: people sampled from a population in which every pair was compared.

Scores of real people include effects that no generator simulates: lookalikes, relatives, people who match many others, and
photographs that match badly. All people form the population, whose rates at a threshold are known, and each replicate is a
sample of them without replacement. Estimand: the rate per pair of images over all pairs of the population, or the rate with
equal weight per person (or pair of people). A sample of a few per cent approximates an infinite population.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegap.types import AnyArray, FloatArray, IntArray
from facegap.worlds.crowds import CrowdWorlds, PairWorlds, Truth

ROWS_AT_ONCE = 1_000


@dataclass(frozen=True, eq=False)
class Population:
    """People, their images, and their errors at one threshold.

    images      : int64 [N], templates of each person
    matches     : int64 [N, N], false matches of each pair of people, symmetric with a zero diagonal
    non_matches : int64 [N], false non-matches among the genuine pairs of each person
    """

    images: IntArray
    matches: IntArray
    non_matches: IntArray

    @property
    def genuine(self) -> IntArray:
        """Genuine pairs of each person."""
        return self.images * (self.images - 1) // 2


def population_of(templates: AnyArray, subjects: AnyArray, threshold: float) -> Population:
    """The errors of all pairs of templates at a threshold; a pair matches if its score is at or above it.

    templates : float [n, d]; scores are cosines
    subjects  : the person of each, any dtype

    Examples
    --------
    >>> import numpy as np
    >>> found = population_of(np.array([[1.0, 0], [0, 1.0], [1.0, 0.1]]), ["a", "a", "b"], 0.9)
    >>> found.images, found.matches.tolist(), found.non_matches
    (array([2, 1]), [[0, 1], [1, 0]], array([1, 0]))
    """
    _, person = np.unique(np.asarray(subjects), return_inverse=True)
    person = person.reshape(-1)
    order = np.argsort(person, kind="stable")
    unit = np.asarray(templates, np.float32)[order]
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    images = np.bincount(person).astype(np.int64)
    starts = np.cumsum(images) - images
    by_row = np.zeros((len(unit), len(images)), np.int64)
    for start in range(0, len(unit), ROWS_AT_ONCE):
        part = unit[start : start + ROWS_AT_ONCE] @ unit.T >= threshold
        by_row[start : start + ROWS_AT_ONCE] = np.add.reduceat(part.astype(np.int64), starts, axis=1)
    reached = np.add.reduceat(by_row, starts, axis=0)
    of_own = (np.diag(reached) - images) // 2  # each genuine pair is counted twice, and each image matches itself
    np.fill_diagonal(reached, 0)
    return Population(images, reached, images * (images - 1) // 2 - of_own)


def truths_of(population: Population) -> tuple[Truth, Truth]:
    """FMR and FNMR of a population; NaN without genuine pairs."""
    images = population.images.astype(np.float64)
    pairs = images[:, None] * images[None, :]
    np.fill_diagonal(pairs, 0)
    genuine = population.genuine
    tried = genuine > 0
    share = np.divide(population.matches, pairs, out=np.zeros_like(pairs), where=pairs > 0)
    of_mates = Truth(float("nan"), float("nan"))
    if tried.any():
        of_people = population.non_matches[tried] / genuine[tried]
        of_mates = Truth(float(population.non_matches.sum() / genuine.sum()), float(of_people.mean()))
    return Truth(float(population.matches.sum() / pairs.sum()), float(share.sum() / (pairs > 0).sum())), of_mates


def resampled_pairs(population: Population, people: int, worlds: int, rng: np.random.Generator) -> PairWorlds:
    """Impostor pairs of samples of the people."""
    chosen = samples_of(len(population.images), people, worlds, rng)
    return PairWorlds(population.matches[chosen[:, :, None], chosen[:, None, :]], population.images[chosen])


def resampled_people(population: Population, people: int, worlds: int, rng: np.random.Generator) -> CrowdWorlds:
    """Genuine pairs of samples of the people who have any."""
    paired = np.flatnonzero(population.genuine > 0)
    chosen = paired[samples_of(len(paired), people, worlds, rng)]
    return CrowdWorlds(population.non_matches[chosen], population.genuine[chosen])


def samples_of(size: int, people: int, worlds: int, rng: np.random.Generator) -> IntArray:
    """Distinct people of each replicate, int64 [worlds, people]."""
    keys: FloatArray = rng.random((worlds, size))
    return np.argpartition(keys, people - 1, axis=1)[:, :people].astype(np.int64)
