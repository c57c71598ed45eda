"""Simulated people with a known error rate and a known strength of personal effects, reproducible by seed.

probit : sqrt(rho) u_i + sqrt(1 - rho) e for classification and genuine pairs, sqrt(rho) (u_i + u_j) + sqrt(1 - 2 rho) e
         for impostor pairs, compared with a threshold that gives the planted rate
beta   : each person's own error rate from a beta distribution with the given intraclass correlation
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import ndtr, ndtri

from facegap.derive.metrics import ERROR_RATE_ALL, FMR, FNMR, Metric
from facegap.types import FloatArray, IntArray

Kind = Literal["classification", "genuine", "impostor", "across"]
Effect = Literal["probit", "beta"]
KINDS: tuple[Kind, ...] = ("impostor", "genuine", "classification", "across")  # the order determines the seeds
EFFECTS: tuple[Effect, ...] = ("probit", "beta")
METRICS: Mapping[Kind, Metric] = {"impostor": FMR, "across": FMR, "genuine": FNMR, "classification": ERROR_RATE_ALL}
PAIR_KINDS = ("impostor", "across")
FEWEST_REQUIRED = 10  # subjects; no coverage is claimed below this
STRONGEST_REQUIRED = 0.1


@dataclass(frozen=True)
class Setting:
    """One simulated group of people.

    kind     : impostor (pairs within a group), across (impostor pairs between two groups of `subjects` each), genuine
               (all pairs of a person's images) or classification
    images   : number per person
    rate     : error rate in the population
    effect   : probit (strength is rho) or beta (strength is the intraclass correlation); pairs of two people: probit
    """

    kind: Kind
    subjects: int
    images: int
    rate: float
    effect: Effect
    strength: float

    @property
    def trials(self) -> int:
        """Trials of one simulation."""
        n, m = self.subjects, self.images
        return {
            "impostor": m * m * n * (n - 1) // 2,
            "across": m * m * n * n,
            "genuine": n * m * (m - 1) // 2,
            "classification": n * m,
        }[self.kind]

    @property
    def expected_errors(self) -> float:
        """Expected errors in one simulation."""
        return self.rate * self.trials

    @property
    def must_hold(self) -> bool:
        """Whether coverage is required; stronger effects and rates between groups are only reported."""
        return self.strength <= STRONGEST_REQUIRED and self.kind != "across" and self.subjects >= FEWEST_REQUIRED

    @property
    def floor(self) -> float:
        """The required coverage."""
        return 0.93 if self.subjects >= 40 else 0.90


def setting_key(setting: Setting) -> list[int]:
    """Integers that identify a setting, so that every setting has its own stream of random numbers."""
    numbers = (setting.subjects, setting.images, round(setting.rate * 1e6), round(setting.strength * 100))
    return [KINDS.index(setting.kind), EFFECTS.index(setting.effect), *numbers]


def subject_errors(setting: Setting, worlds: int, rng: np.random.Generator) -> tuple[FloatArray, int]:
    """Errors of each subject, float64 [worlds, subjects], and the number of trials of each."""
    trials = setting.images if setting.kind == "classification" else setting.images * (setting.images - 1) // 2
    chance = person_chances(setting.rate, setting.effect, setting.strength, (worlds, setting.subjects), rng)
    return binomial(trials, chance, (worlds, setting.subjects), rng), trials


def person_chances(
    rate: float, effect: Effect, strength: float, shape: tuple[int, ...], rng: np.random.Generator
) -> FloatArray:
    """Error probability of each person; its mean over the population is `rate`."""
    if not strength or not 0 < rate < 1:
        return np.full(shape, rate)
    if effect == "probit":
        person = np.sqrt(strength) * rng.standard_normal(shape)
        return np.asarray(ndtr((ndtri(rate) + person) / np.sqrt(1 - strength)), dtype=np.float64)
    size = 1 / strength - 1  # icc = 1 / (a + b + 1) of a beta distribution
    return rng.beta(rate * size, (1 - rate) * size, size=shape)


def impostor_errors(setting: Setting, worlds: int, rng: np.random.Generator) -> FloatArray:
    """False matches of each pair of people, float64 [worlds, people, people], symmetric.

    Within a group the diagonal is zero; between two groups the people of both are included, and only pairs across have trials.
    """
    people = setting.subjects * (2 if setting.kind == "across" else 1)
    first, second = np.triu_indices(people, 1)
    if setting.kind == "across":
        between = (first < setting.subjects) & (second >= setting.subjects)
        first, second = first[between], second[between]
    chance: FloatArray | float = setting.rate
    if setting.strength:
        person = np.sqrt(setting.strength) * rng.standard_normal((worlds, people))
        chance = pair_chances(setting.rate, setting.strength, person[:, first] + person[:, second])
    errors = np.zeros((worlds, people, people))
    errors[:, first, second] = binomial(setting.images**2, chance, (worlds, len(first)), rng)
    return errors + errors.transpose(0, 2, 1)


def pair_chances(rate: float, strength: float, both: FloatArray) -> FloatArray:
    """Probability of a false match of two people whose effects, sqrt(rho) u each, sum to `both`."""
    return np.asarray(ndtr((ndtri(rate) + both) / np.sqrt(1 - 2 * strength)), dtype=np.float64)


def binomial(
    trials: int | IntArray, chance: FloatArray | float, shape: tuple[int, ...], rng: np.random.Generator
) -> FloatArray:
    """Binomial random numbers of one shape; a single trial uses a comparison, which is several times faster."""
    if np.ndim(trials) == 0 and trials == 1:
        return (rng.random(shape) < chance).astype(np.float64)
    return rng.binomial(trials, chance, size=shape).astype(np.float64)
