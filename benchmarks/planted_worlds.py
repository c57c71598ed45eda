"""Planted worlds: people with a known error rate and a known strength of personal effect, and facegap's rates of them.

probit : sqrt(rho) u_i + sqrt(1 - rho) e for classification and genuine pairs, sqrt(rho) (u_i + u_j) + sqrt(1 - 2 rho) e
         for impostor pairs, compared with a threshold that gives the planted rate
beta   : each person's own error rate from a beta distribution with the given intraclass correlation
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from facegap.statistics.clusters import rates_of_clusters
from facegap.statistics.effective import EXACT_PAIRS, RateColumns, rate_columns
from facegap.statistics.intervals import wilson
from facegap.statistics.jackknife import PairSums, pair_effective_trials, plain_variance

Array = NDArray[np.float64]
BAND_CEILING, WIDTH_CEILING, ENOUGH_ERRORS = 0.985, 2.5, 10
CELLS_AT_ONCE = 2_000_000  # subject pairs drawn at once: bounds the memory


@dataclass(frozen=True)
class Setting:
    """One planted world: effect probit (rho) or beta (icc) of `strength`.

    kind     : impostor (within a group), across (impostor pairs between two groups of `subjects` each), genuine or
               classification
    """

    kind: str
    subjects: int
    images: int
    rate: float
    effect: str
    strength: float

    @property
    def expected_errors(self) -> float:
        """Errors expected in one world."""
        n, m = self.subjects, self.images
        trials = {
            "impostor": m * m * n * (n - 1) / 2,
            "across": m * m * n * n,
            "genuine": n * m * (m - 1) / 2,
            "classification": n * m,
        }
        return self.rate * trials[self.kind]

    @property
    def must_hold(self) -> bool:
        """Stronger effects, and rates between groups, are reported, not required."""
        return self.strength <= 0.1 and self.kind != "across"

    @property
    def floor(self) -> float:
        """Least coverage asked for."""
        return 0.93 if self.subjects >= 40 else 0.90


@dataclass(frozen=True)
class Outcome:
    """Coverage of three methods over the worlds of a setting, and facegap's median width over that of the plain one."""

    setting: Setting
    worlds: int
    facegap: float
    plain: float
    naive: float
    width: float

    @property
    def faults(self) -> str:
        """What of the band is missed; empty if nothing is, or if the setting is only reported."""
        if not self.setting.must_hold:
            return ""
        faults = ["low"] if self.facegap < self.setting.floor else []
        if self.setting.expected_errors >= ENOUGH_ERRORS:
            faults += ["high"] if self.facegap > BAND_CEILING else []
            faults += ["wide"] if self.width > WIDTH_CEILING else []
        return " ".join(faults)


def settings() -> list[Setting]:
    """Every setting of the band, and the stronger effects that are reported only."""
    subjects, images = (10, 20, 40, 200), (1, 2, 5)
    found = [
        Setting("impostor", s, m, p, "probit", rho)
        for rho, s, m, p in itertools.product((0.0, 0.1, 0.25), subjects, images, (1e-3, 1e-2, 0.1))
    ]
    found += [
        Setting("across", s, m, p, "probit", rho)
        for rho, s, m, p in itertools.product((0.0, 0.1), (10, 40), (1, 2), (1e-2, 0.1))
    ]
    effects = (("probit", 0.0), ("probit", 0.1), ("probit", 0.25), ("beta", 0.1), ("beta", 0.3))
    for (effect, strength), s, m in itertools.product(effects, subjects, images):
        found += [Setting("classification", s, m, p, effect, strength) for p in (0.02, 0.2)]
        found += [Setting("genuine", s, m, p, effect, strength) for p in (0.01, 0.05) if m > 1]
    return found


def impostor_errors(setting: Setting, worlds: int, rng: np.random.Generator) -> Array:
    """False matches of each pair of people, float64 [worlds, people, people], symmetric.

    Within a group the diagonal is empty; between two the people are those of both, and only pairs across have trials.
    """
    people = setting.subjects * (2 if setting.kind == "across" else 1)
    first, second = np.triu_indices(people, 1)
    if setting.kind == "across":
        between = (first < setting.subjects) & (second >= setting.subjects)
        first, second = first[between], second[between]
    chance: Array | float = setting.rate
    if setting.strength:
        person = np.sqrt(setting.strength) * rng.standard_normal((worlds, people))
        both = person[:, first] + person[:, second]
        chance = ndtr((ndtri(setting.rate) + both) / np.sqrt(1 - 2 * setting.strength))
    errors = np.zeros((worlds, people, people))
    errors[:, first, second] = binomial(setting.images**2, chance, (worlds, len(first)), rng)
    return errors + errors.transpose(0, 2, 1)


def binomial(trials: int, chance: Array | float, shape: tuple[int, int], rng: np.random.Generator) -> Array:
    """Binomial draws of one shape; a single trial is a comparison, which is several times faster."""
    if trials == 1:
        return (rng.random(shape) < chance).astype(np.float64)
    return rng.binomial(trials, chance, size=shape).astype(np.float64)


def subject_errors(setting: Setting, worlds: int, rng: np.random.Generator) -> tuple[Array, int]:
    """Errors of each subject, float64 [worlds, subjects], and the trials that each of them has."""
    trials = setting.images if setting.kind == "classification" else setting.images * (setting.images - 1) // 2
    shape = (worlds, setting.subjects)
    chance: Array = np.full(shape, setting.rate)
    if setting.strength and setting.effect == "probit":
        person = np.sqrt(setting.strength) * rng.standard_normal(shape)
        chance = ndtr((ndtri(setting.rate) + person) / np.sqrt(1 - setting.strength))
    elif setting.strength:
        size = 1 / setting.strength - 1  # icc = 1 / (a + b + 1) of a beta distribution
        chance = rng.beta(setting.rate * size, (1 - setting.rate) * size, size=shape)
    return binomial(trials, chance, shape, rng), trials


def impostor_rates(setting: Setting, errors: Array) -> tuple[RateColumns, Array]:
    """facegap's rates of worlds, as `dyadic_fmr` makes them one at a time, and the plain formula's variance."""
    worlds, people = errors.shape[:2]
    across = setting.kind == "across"
    per_pair = float(setting.images**2)
    partners = setting.subjects if across else people - 1
    on_left = np.where(np.arange(people) < setting.subjects, 1.0, 0.0) if across else np.full(people, 0.5)
    own_trials = np.broadcast_to(per_pair * partners * np.ones(people), (worlds, people))
    trials = np.full(worlds, per_pair * partners * people / 2)
    by_person = errors.sum(-1)
    total = by_person.sum(-1) / 2
    rate = total / trials
    square = (errors**2).sum(-1) - 2 * (rate * per_pair)[:, None] * by_person
    square += ((rate * per_pair) ** 2)[:, None] * partners
    sums = PairSums(by_person, own_trials * on_left, own_trials * (1 - on_left), square)
    columns = rate_columns(
        total.astype(np.int64),
        trials.astype(np.int64),
        np.full(worlds, people),
        effective=pair_effective_trials(rate, trials, sums, level=0.95),
        independent=np.zeros(worlds, dtype=bool),
        exact_trials=np.full(worlds, setting.subjects if across else people // 2),
        exact_method=EXACT_PAIRS,
        level=0.95,
    )
    return columns, plain_variance(rate, trials, sums)


def cluster_rates(errors: Array, trials: int) -> tuple[RateColumns, Array]:
    """facegap's rates of worlds, each world a cell, and the plain cluster-robust variance."""
    worlds, subjects = errors.shape
    cells = np.repeat(np.arange(worlds), subjects)
    columns = rates_of_clusters(errors.ravel(), np.full(errors.size, trials), cells, n_cells=worlds)
    rate = errors.mean(1) / trials
    return columns, ((errors - rate[:, None] * trials) ** 2).sum(1) / (subjects * trials) ** 2


def rates_of(setting: Setting, worlds: int, rng: np.random.Generator) -> tuple[RateColumns, Array]:
    """Rates and plain variances of freshly drawn worlds."""
    if setting.kind in ("impostor", "across"):
        return impostor_rates(setting, impostor_errors(setting, worlds, rng))
    return cluster_rates(*subject_errors(setting, worlds, rng))


def covers(low: Array, high: Array, truth: float) -> NDArray[np.bool_]:
    """Whether each interval holds the truth; NaN does not."""
    return (low <= truth) & (truth <= high)


def coverage(setting: Setting, worlds: int, seed: int) -> Outcome:
    """Coverage over `worlds` worlds. The plain method takes facegap's interval where there are no errors."""
    rng = np.random.default_rng([seed, *setting_key(setting)])
    hits, widths, left = [], [], worlds
    while left:
        now = min(left, max(1, CELLS_AT_ONCE // cells_of_a_world(setting)))
        columns, variance = rates_of(setting, now, rng)
        value, trials = columns.value, columns.trials.astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            plain_trials = np.minimum(value * (1 - value) / variance, trials)
        fit = np.isfinite(plain_trials) & (plain_trials > 0)
        low, high = wilson(np.where(fit, value * plain_trials, 0), np.where(fit, plain_trials, 1))
        low, high = np.where(fit, low, columns.low), np.where(fit, high, columns.high)
        pair_level = wilson(columns.errors, trials)
        intervals = [(columns.low, columns.high), (low, high), pair_level]
        hits.append([covers(a, b, setting.rate) for a, b in intervals])
        widths.append([b - a for a, b in intervals])
        left -= now
    facegap, plain, naive = np.concatenate(hits, axis=1).mean(axis=1)
    width = np.median(np.concatenate(widths, axis=1), axis=1)
    return Outcome(setting, worlds, facegap, plain, naive, float(width[0] / width[1]))


def cells_of_a_world(setting: Setting) -> int:
    """Numbers drawn for one world, for the bound on memory."""
    squared = {"impostor": 1, "across": 4}
    return setting.subjects**2 * squared[setting.kind] if setting.kind in squared else setting.subjects


def setting_key(setting: Setting) -> list[int]:
    """Whole numbers that name a setting, so that every setting has its own stream of random numbers."""
    kinds, effects = ("impostor", "genuine", "classification", "across"), ("probit", "beta")
    numbers = (setting.subjects, setting.images, round(setting.rate * 1e6), round(setting.strength * 100))
    return [kinds.index(setting.kind), effects.index(setting.effect), *numbers]
