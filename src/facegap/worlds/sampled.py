"""Simulated samples of impostor pairs: do the intervals cover the rate over all pairs, and that of the population?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from facegap.matching.sampled import PairSample, sample_pairs
from facegap.statistics.sampled_pairs import sampled_fmr, sampling_interval
from facegap.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class SampledWorld:
    """People of several cells, whose pairs have scores with an effect of each person.

    people : number in each cell
    images : maximum number per person; the numbers cycle from 1
    rates  : false match rate of pairs within each cell; between two cells, a tenth of the geometric mean
    rho    : proportion of the variance of a score due to one of the two people
    budget : number of compared pairs, including genuine ones
    """

    people: tuple[int, ...]
    images: int
    rates: tuple[float, ...]
    rho: float
    budget: int


@dataclass(frozen=True)
class SampledCoverage:
    """Coverage for all cells together (the last group) and for each cell.

    superpopulation : [groups], coverage of the rate in the population of these people, by the whole interval
    these_people    : [groups], coverage of the rate over all pairs of these people, by the interval of sampling alone
    high_without_errors : [groups], proportion of upper limits at or above the truth without errors; NaN if there are none
    without_errors  : [groups], simulations without an error
    width           : [groups], median width of the interval relative to the same formula on all pairs
    """

    superpopulation: FloatArray
    these_people: FloatArray
    high_without_errors: FloatArray
    without_errors: IntArray
    width: FloatArray


def simulate_sampled(world: SampledWorld, worlds: int, rng: np.random.Generator) -> SampledCoverage:
    """Coverage over several simulations, each with new people and a new sample."""
    cell_of = np.repeat(np.arange(len(world.people)), world.people)
    images = 1 + np.arange(len(cell_of)) % world.images
    person = np.repeat(np.arange(len(cell_of)), images)
    cells = cell_of[person]
    names, subjects = [f"i{k:06d}" for k in range(len(person))], [f"s{k:06d}" for k in person]
    rates = np.asarray(world.rates)
    limit = -ndtri(np.sqrt(np.outer(rates, rates)) / np.where(np.eye(len(rates)) > 0, 1, 10))
    left, right = np.triu_indices(len(person), 1)
    impostor = person[left] != person[right]
    left, right = left[impostor], right[impostor]
    rows = []
    for number in range(worlds):
        effect = rng.normal(size=len(cell_of))
        score = np.sqrt(world.rho) * (effect[person[left]] + effect[person[right]])
        score += np.sqrt(1 - 2 * world.rho) * rng.normal(size=len(left))
        wrong = score >= limit[cells[left], cells[right]]
        table = np.zeros((len(person), len(person)), np.bool_)
        table[left, right] = table[right, left] = wrong
        sample = sample_pairs(
            names, subjects, cells, [str(k) for k in range(len(rates))], pairs=world.budget, seed=number
        )
        rows.append(evaluate_sample(sample, table, person, cells, limit, left, right, wrong))
    hits, design, high, none, width = (np.array(column) for column in zip(*rows, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return SampledCoverage(
            hits.mean(axis=0),
            design.mean(axis=0),
            (high & none).sum(axis=0) / none.sum(axis=0),
            none.sum(axis=0),
            np.nanmedian(width, axis=0),
        )


def evaluate_sample(
    sample: PairSample,
    table: BoolArray,
    person: IntArray,
    cells: IntArray,
    limit: FloatArray,
    left: IntArray,
    right: IntArray,
    wrong: BoolArray,
) -> tuple[list[bool], list[bool], list[bool], list[bool], list[float]]:
    """For each group: whether its intervals cover, whether there is no error, and the width relative to all pairs."""
    from scipy.special import ndtr

    chosen = ~sample.genuine
    one, other, weight = sample.left[chosen], sample.right[chosen], sample.weight[chosen]
    erred = table[one, other]
    stratum = np.searchsorted(
        np.array([s.first * len(limit) + s.second for s in sample.strata]),
        np.minimum(cells[one], cells[other]) * len(limit) + np.maximum(cells[one], cells[other]),
    )
    sizes = np.array([s.pairs for s in sample.strata])
    of = np.array([[s.first, s.second] for s in sample.strata])
    hits, design, high, none, width = [], [], [], [], []
    for group in (None, *range(len(limit))):
        mine = np.ones(len(sizes), np.bool_) if group is None else (of == group).all(axis=1)
        inside = mine[stratum]
        rate = sampled_fmr(person[one][inside], person[other][inside], erred[inside], weight[inside])
        truth = float((ndtr(-limit[of[:, 0], of[:, 1]]) * sizes * mine).sum() / sizes[mine].sum())
        among = np.ones(len(left), np.bool_) if group is None else (cells[left] == group) & (cells[right] == group)
        every = sampled_fmr(person[left][among], person[right][among], wrong[among], np.ones(int(among.sum())))
        low, high_end = sampling_interval(erred[inside], stratum[inside], np.where(mine, sizes, 0))
        hits.append(bool(rate.low <= truth <= rate.high))
        design.append(bool(low <= every.value <= high_end))
        none.append(not rate.errors)
        high.append(bool(truth <= rate.high))
        width.append((rate.high - rate.low) / (every.high - every.low))
    return hits, design, high, none, width
