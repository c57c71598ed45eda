"""Simulations in which people are not independent, or have very unequal numbers of images.

Sessions: errors of people in one session are correlated. Each session has its own rate from a beta distribution with the
given mean and intraclass correlation, and images err independently at the rate of their session. The estimand is the mean
rate over sessions, all of which have the same number of images.

Unequal images: a person has 1 to `most` images, with probability inversely proportional to the number (Zipf), and their own
rate from a beta distribution. The estimand is the rate per image, which equals the mean rate of people, because the number
of images is independent of the rate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from facegap.statistics.clusters import rates_of_clusters, subject_correlation
from facegap.statistics.dyadic import dyadic_fmr
from facegap.statistics.effective import RateColumns
from facegap.statistics.gaps import gap_family
from facegap.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class Sessions:
    """A group of people who were photographed in sessions.

    people : number in each session
    images : number per person
    icc    : intraclass correlation of errors within a session
    """

    sessions: int
    people: int
    images: int
    rate: float
    icc: float


def beta_rates(rate: float, icc: float, size: tuple[int, ...], rng: np.random.Generator) -> FloatArray:
    """Rates with a given mean and intraclass correlation; all equal if the correlation is 0."""
    if icc == 0:
        return np.full(size, rate)
    strength = (1 - icc) / icc
    return np.asarray(rng.beta(rate * strength, (1 - rate) * strength, size), np.float64)


def session_errors(setting: Sessions, worlds: int, rng: np.random.Generator) -> IntArray:
    """Errors of each person, int64 [worlds, sessions, people]."""
    rates = beta_rates(setting.rate, setting.icc, (worlds, setting.sessions, 1), rng)
    return rng.binomial(setting.images, rates, (worlds, setting.sessions, setting.people)).astype(np.int64)


def session_rates(setting: Sessions, errors: IntArray) -> tuple[RateColumns, RateColumns]:
    """The rate of each simulation, with people and with sessions as the sampling units."""
    worlds = len(errors)
    by_person = errors.reshape(worlds, -1)
    found = []
    for counted, trials in ((by_person, setting.images), (errors.sum(-1), setting.images * setting.people)):
        cells = np.repeat(np.arange(worlds), counted.shape[1])
        found.append(rates_of_clusters(counted.ravel(), np.full(counted.size, trials), cells, n_cells=worlds))
    return found[0], found[1]


def covered(rates: RateColumns, truth: float) -> BoolArray:
    """Whether each interval contains the truth; false for NaN."""
    return np.asarray((rates.low <= truth) & (truth <= rates.high), np.bool_)


def session_alarms(
    setting: Sessions, groups: int, worlds: int, rng: np.random.Generator, *, shared: bool
) -> tuple[float, float]:
    """How often a gap is found between identical groups, with people and with sessions as the sampling units.

    shared : each session has people of all groups; otherwise each group has its own sessions
    """
    alarms = np.zeros(2)
    for _ in range(worlds):
        if shared:
            rates = np.broadcast_to(
                beta_rates(setting.rate, setting.icc, (1, setting.sessions, 1), rng), (groups, setting.sessions, 1)
            )
        else:
            rates = beta_rates(setting.rate, setting.icc, (groups, setting.sessions, 1), rng)
        errors = rng.binomial(setting.images, rates, (groups, setting.sessions, setting.people))
        people, sessions = session_rates(setting, errors)
        trials = np.full((setting.sessions, groups), float(setting.images * setting.people))
        together = subject_correlation(errors.sum(-1).T.astype(np.float64), trials) if shared else None
        alarms += [has_gap(people, groups, None), has_gap(sessions, groups, together)]
    by_people, by_sessions = alarms / worlds
    return float(by_people), float(by_sessions)


def has_gap(rates: RateColumns, groups: int, correlation: FloatArray | None) -> bool:
    """Whether any two groups differ by Holm's p; small groups are tested, too."""
    family = gap_family(
        [f"group {k}" for k in range(groups)],
        rates.errors,
        rates.trials,
        rates.subjects,
        rates.effective_trials,
        margin=0.02,
        scale="difference",
        minimum_subjects=2,
        correlation=correlation,
    )
    return bool(family.columns.differs.any())


def session_matches(
    setting: Sessions, worlds: int, rng: np.random.Generator, *, of_people: float
) -> tuple[BoolArray, BoolArray]:
    """Whether the interval of an FMR contains the truth, bool [worlds], with people and with sessions as the sampling units.

    A score is sqrt(icc) (w_s + w_t) + sqrt(of_people) (u_i + u_j) + noise, with variance 1, where w are effects of the
    sessions and u of the people; two people in one session share 2 w. The threshold gives the rate between sessions; the
    estimand is the rate over all pairs, including those within sessions.
    """
    from scipy.stats import norm

    size, own = setting.sessions * setting.people, np.repeat(np.arange(setting.sessions), setting.people)
    left, right = np.triu_indices(size, 1)
    noise = np.sqrt(1 - 2 * setting.icc - 2 * of_people)
    threshold = -ndtri(setting.rate)
    within = np.sqrt(4 * setting.icc + 2 * of_people + noise**2)
    same = np.mean(own[left] == own[right])
    truth = (1 - same) * setting.rate + same * norm.sf(threshold / within)
    hits = np.zeros((2, worlds), np.bool_)
    for world in range(worlds):
        effect = np.sqrt(setting.icc) * rng.standard_normal(setting.sessions)[own]
        effect += np.sqrt(of_people) * rng.standard_normal(size)
        wrong = effect[left] + effect[right] + noise * rng.standard_normal(len(left)) >= threshold
        listed = left[wrong], right[wrong], np.ones(int(wrong.sum()), np.int64)
        for k, units in enumerate((None, own)):
            rate = dyadic_fmr(*listed, images=np.ones(size, np.int64), units=units)
            hits[k, world] = rate.low <= truth <= rate.high
    return hits[0], hits[1]


def zipf_images(people: int, most: int, worlds: int, rng: np.random.Generator) -> IntArray:
    """Images of each person, int64 [worlds, people]: 1 to `most`, with probability inversely proportional to the number."""
    sizes = np.arange(1, most + 1)
    return rng.choice(sizes, (worlds, people), p=(1 / sizes) / (1 / sizes).sum()).astype(np.int64)


def unequal_rates(
    people: int, most: int, rate: float, icc: float, worlds: int, rng: np.random.Generator
) -> RateColumns:
    """The rate of each simulation of people with unequal numbers of images."""
    images = zipf_images(people, most, worlds, rng)
    errors = rng.binomial(images, beta_rates(rate, icc, images.shape, rng))
    cells = np.repeat(np.arange(worlds), people)
    return rates_of_clusters(errors.ravel(), images.ravel(), cells, n_cells=worlds)
