"""Simulated searches (1:N): a gallery of non-mates, probes with and without a mate, and the audit's rates.

Scores of non-mates are those of impostor pairs, sqrt(rho)(u_i + v_j) + sqrt(1 - 2 rho) e, with effects of the probe's
person and of the enrolled person. A mate's score is mu + sqrt(rho) w_i + sqrt(1 - rho) e. Only candidates at or above the
threshold are simulated, as in pairs.py, because the others affect neither false alarms nor ranks that count. An audit
estimates the rate for its own gallery, so the truth is computed for each simulated gallery, by integration over the
probes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from numpy.polynomial.legendre import leggauss
from scipy.special import gammaincc, ndtr, ndtri

from facegap.statistics.clusters import clustered_rates
from facegap.statistics.effective import RateColumns
from facegap.statistics.intervals import wilson
from facegap.statistics.search import search_errors
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray
from facegap.worlds.pairs import BLOCK_WIDTH, events_of
from facegap.worlds.rates import covers

WORLDS_PER_GALLERY = 20


@dataclass(frozen=True)
class SearchSetting:
    """A gallery of `gallery` people with one image each, searched by `people` mated and as many non-mated people.

    images     : searches of each person
    fpir, fnir : planted rates: false alarms of non-mated searches, averaged over galleries; mates below the threshold
    rank       : number of candidates considered
    strength   : rho
    """

    gallery: int
    people: int
    images: int
    fpir: float
    fnir: float
    rank: int
    strength: float


@dataclass(frozen=True)
class SearchOutcome:
    """Coverage of both rates of a search, by facegap's interval and by Wilson with every search as a trial."""

    setting: SearchSetting
    worlds: int
    fpir: float
    fpir_naive: float
    fnir: float
    fnir_naive: float


@dataclass(frozen=True, eq=False)
class Gallery:
    """Enrolled people in blocks of similar effects: members of each block, its highest and its mean effect."""

    sizes: IntArray
    highest: FloatArray
    mean: FloatArray
    starts: IntArray
    effects: FloatArray


def search_coverage(setting: SearchSetting, worlds: int, seed: int) -> SearchOutcome:
    """How often the intervals of FPIR and FNIR contain the truth."""
    numbers = (setting.gallery, setting.people, setting.images, setting.rank)
    shares = (round(setting.fpir * 1e6), round(setting.fnir * 1e6), round(setting.strength * 100))
    rng = np.random.default_rng([seed, 99, *numbers, *shares])
    threshold = planted_threshold(setting)
    hits, left = [], worlds
    while left:
        now = min(left, WORLDS_PER_GALLERY)
        gallery = draw_gallery(setting, rng)
        false_alarms, missed = draw_searches(setting, gallery, threshold, now, rng)
        hits.append(hits_of(setting, gallery, threshold, false_alarms, missed))
        left -= now
    shares_held = np.concatenate(hits, axis=1).mean(axis=1)
    return SearchOutcome(setting, worlds, *(float(share) for share in shares_held))


def hits_of(
    setting: SearchSetting, gallery: Gallery, threshold: float, false_alarms: RateColumns, missed: RateColumns
) -> AnyArray:
    """Whether each interval contains the truth for this gallery: facegap and naive for fpir, then for fnir; bool [4, worlds]."""
    found = []
    for rates, truth in (
        (false_alarms, true_fpir(setting, gallery, threshold)),
        (missed, true_fnir(setting, gallery, threshold)),
    ):
        low, high = wilson(rates.errors, rates.trials.astype(np.float64))
        found += [covers(rates.low, rates.high, truth), covers(low, high, truth)]
    return np.stack(found)


@cache
def planted_threshold(setting: SearchSetting) -> float:
    """The score at which the mean FPIR over probes and galleries is the planted one."""
    from scipy.optimize import brentq  # imported here because it takes half a second, which workers can save

    nodes, weights = normal_nodes(48)

    def excess(threshold: float) -> float:
        events = events_of(stranger_chances(threshold, setting.strength, nodes[:, None], nodes[None, :]))
        return float(weights @ -np.expm1(-setting.gallery * (events @ weights))) - setting.fpir

    return float(brentq(excess, -4.0, 12.0))


def stranger_chances(threshold: float, strength: float, probe: FloatArray, enrolled: FloatArray) -> FloatArray:
    """Probability that two non-mates with these effects, in standard deviations, score at or above a threshold."""
    both = np.sqrt(strength) * (probe + enrolled)
    return np.asarray(ndtr((both - threshold) / np.sqrt(1 - 2 * strength)), dtype=np.float64)


def draw_gallery(setting: SearchSetting, rng: np.random.Generator) -> Gallery:
    """Enrolled people by block of increasing effects."""
    effects = np.sort(rng.standard_normal(setting.gallery))
    block = np.floor((effects - effects[0]) / BLOCK_WIDTH)
    starts = np.flatnonzero(np.diff(block, prepend=-1.0))
    ends = np.append(starts[1:], setting.gallery)
    means = np.add.reduceat(effects, starts) / (ends - starts)
    return Gallery(ends - starts, effects[ends - 1], means, starts, effects)


def draw_searches(
    setting: SearchSetting, gallery: Gallery, threshold: float, worlds: int, rng: np.random.Generator
) -> tuple[RateColumns, RateColumns]:
    """FPIR and FNIR of searches in one gallery, by the functions of an audit."""
    people = np.repeat(
        np.arange(worlds * 2 * setting.people), setting.images
    )  # half of each simulation's people have a mate
    mated = people % 2 == 0
    effect = rng.standard_normal(worlds * 2 * setting.people)
    scores, is_mate = candidates(setting, gallery, threshold, effect[people], people, mated, rng)
    found = search_errors(scores, is_mate, mated, threshold=threshold, max_rank=setting.rank)
    world = people // (2 * setting.people)
    return (
        clustered_rates(found.false_positive, None, people[~mated], world[~mated], n_cells=worlds),
        clustered_rates(found.missed, None, people[mated], world[mated], n_cells=worlds),
    )


def candidates(
    setting: SearchSetting,
    gallery: Gallery,
    threshold: float,
    probe: FloatArray,
    people: IntArray,
    mated: BoolArray,
    rng: np.random.Generator,
) -> tuple[FloatArray, BoolArray]:
    """Candidate lists: every non-mate at or above the threshold, and the mate; float64 and bool [searches, places]."""
    highest = events_of(stranger_chances(threshold, setting.strength, probe[:, None], gallery.highest[None, :]))
    thrown = rng.poisson(highest * gallery.sizes)
    search, block = (np.repeat(axis.ravel(), thrown.ravel()) for axis in np.indices(thrown.shape))
    member = gallery.starts[block] + rng.integers(0, gallery.sizes[block])
    chance = stranger_chances(threshold, setting.strength, probe[search], gallery.effects[member])
    kept = rng.random(len(search)) * highest[search, block] < events_of(chance)
    distinct = np.unique(search[kept] * len(gallery.effects) + member[kept])
    search, member = distinct // len(gallery.effects), distinct % len(gallery.effects)
    places = max(int(np.bincount(search, minlength=1).max()) + 1, setting.rank + 1)
    scores, is_mate = np.full((len(probe), places), np.nan), np.zeros((len(probe), places), np.bool_)
    place = np.arange(len(search)) - np.searchsorted(search, search)  # searches are sorted, so this counts within each
    # A non-mate's score, given that it is at or above the threshold: the upper tail of a normal distribution.
    tail = stranger_chances(threshold, setting.strength, probe[search], gallery.effects[member])
    noise = -ndtri(np.maximum(tail * (1 - rng.random(len(search))), 1e-300)) * np.sqrt(1 - 2 * setting.strength)
    scores[search, place] = np.maximum(
        np.sqrt(setting.strength) * (probe[search] + gallery.effects[member]) + noise, threshold
    )
    scores[mated, -1] = mate_scores(setting, threshold, people[mated], rng)
    is_mate[mated, -1] = True
    return scores, is_mate


def mate_scores(setting: SearchSetting, threshold: float, people: IntArray, rng: np.random.Generator) -> FloatArray:
    """Score of each mate; the planted proportion is below the threshold."""
    own = rng.standard_normal(int(people.max(initial=-1)) + 1)[people]
    noise = rng.standard_normal(len(people))
    middle = threshold - ndtri(setting.fnir)
    return np.asarray(middle + np.sqrt(setting.strength) * own + np.sqrt(1 - setting.strength) * noise)


def true_fpir(setting: SearchSetting, gallery: Gallery, threshold: float) -> float:
    """Proportion of all non-mated searches that raise a false alarm in this gallery."""
    nodes, weights = normal_nodes(64)
    return float(weights @ -np.expm1(-strangers_above(setting, gallery, np.array([threshold]), nodes)[0]))


def true_fnir(setting: SearchSetting, gallery: Gallery, threshold: float) -> float:
    """Proportion of all mated searches that miss: mate below the threshold, or behind `rank` non-mates."""
    nodes, weights = normal_nodes(40)
    middle = threshold - ndtri(setting.fnir)
    places, of_place = leggauss(60)
    end = max(middle, threshold) + 8
    scores = threshold + (places + 1) / 2 * (end - threshold)
    density = np.exp(-0.5 * (scores - middle) ** 2) / np.sqrt(2 * np.pi) * of_place * (end - threshold) / 2
    above = strangers_above(setting, gallery, scores, nodes)
    # The number of non-mates at or above a score is approximately Poisson; exactly for rank 1.
    seen = gammaincc(setting.rank, above) @ weights
    return float(1 - density @ seen)


def strangers_above(setting: SearchSetting, gallery: Gallery, scores: FloatArray, probe: FloatArray) -> FloatArray:
    """Mean of the Poisson number of non-mates at or above each score for each probe, float64 [scores, probes]."""
    chance = [stranger_chances(score, setting.strength, probe[:, None], gallery.mean[None, :]) for score in scores]
    return np.stack([events_of(one) @ gallery.sizes for one in chance]).astype(np.float64)


def normal_nodes(count: int) -> tuple[FloatArray, FloatArray]:
    """Nodes and weights to integrate a function over a standard normal variable."""
    nodes, weights = hermegauss(count)
    return nodes, weights / weights.sum()
