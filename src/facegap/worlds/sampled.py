"""Simulated impostor pairs of which only a sample is paid for: do its intervals hold the rate over all, and that of others?"""

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

    people : of each cell
    images : of each person, at most; the numbers go round from 1
    rates  : false match rate of pairs within each cell; between two cells their geometric mean over ten
    rho    : part of the variance of a score that one of the two people explains
    budget : pairs that are compared, genuine ones included
    """

    people: tuple[int, ...]
    images: int
    rates: tuple[float, ...]
    rho: float
    budget: int


@dataclass(frozen=True)
class SampledCoverage:
    """Of how many worlds the interval held the truth, for the last group: all cells together, then each alone.

    superpopulation : [groups], the rate of the population from which these people are drawn, by the whole interval
    these_people    : [groups], the rate over all pairs of these people, by the interval of sampling alone
    high_without_errors : [groups], of the worlds without an error: whether the upper limit held; NaN without such a world
    without_errors  : [groups], worlds without an error
    width           : [groups], median width of the interval over that of the same formula on all pairs
    """

    superpopulation: FloatArray
    these_people: FloatArray
    high_without_errors: FloatArray
    without_errors: IntArray
    width: FloatArray


def simulate_sampled(world: SampledWorld, worlds: int, rng: np.random.Generator) -> SampledCoverage:
    """Coverage over some worlds, each with people and a sample of its own."""
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
        rows.append(judged(sample, table, person, cells, limit, left, right, wrong))
    held, design, high, none, width = (np.array(column) for column in zip(*rows, strict=True))
    with np.errstate(invalid="ignore", divide="ignore"):
        return SampledCoverage(
            held.mean(axis=0),
            design.mean(axis=0),
            (high & none).sum(axis=0) / none.sum(axis=0),
            none.sum(axis=0),
            np.nanmedian(width, axis=0),
        )


def judged(
    sample: PairSample,
    table: BoolArray,
    person: IntArray,
    cells: IntArray,
    limit: FloatArray,
    left: IntArray,
    right: IntArray,
    wrong: BoolArray,
) -> tuple[list[bool], list[bool], list[bool], list[bool], list[float]]:
    """For each group whether its intervals held, whether there was no error, and how much wider they are than on all pairs."""
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
    held, design, high, none, width = [], [], [], [], []
    for group in (None, *range(len(limit))):
        mine = np.ones(len(sizes), np.bool_) if group is None else (of == group).all(axis=1)
        inside = mine[stratum]
        rate = sampled_fmr(person[one][inside], person[other][inside], erred[inside], weight[inside])
        truth = float((ndtr(-limit[of[:, 0], of[:, 1]]) * sizes * mine).sum() / sizes[mine].sum())
        among = np.ones(len(left), np.bool_) if group is None else (cells[left] == group) & (cells[right] == group)
        every = sampled_fmr(person[left][among], person[right][among], wrong[among], np.ones(int(among.sum())))
        low, high_end = sampling_interval(erred[inside], stratum[inside], np.where(mine, sizes, 0))
        held.append(bool(rate.low <= truth <= rate.high))
        design.append(bool(low <= every.value <= high_end))
        none.append(not rate.errors)
        high.append(bool(truth <= rate.high))
        width.append((rate.high - rate.low) / (every.high - every.low))
    return held, design, high, none, width
