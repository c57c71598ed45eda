"""Simulated gaps that depend on exposure in part, completely, or not at all: is the balanced gap the true one?

Two groups are photographed at different exposures. The error probability increases with exposure for everyone, and in one
group it is higher by a constant at every exposure: balancing must leave this constant.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit, ndtr

from facegap.statistics.covariates.balancing import Trials, balanced_gap
from facegap.statistics.covariates.noise import is_attenuated
from facegap.types import FloatArray

Route = Literal["through", "half", "beside"]
BASE, SLOPE, SHIFT = (
    -2.2,
    1.0,
    0.8,
)  # log odds of an error per standard deviation of exposure; difference between the groups in exposure
PERSON = 0.3  # proportion of the variance of exposure within a group due to the person, if people have several images
RHO = 0.1  # proportion of the variance of a score due to the person, apart from exposure
REPLICATES, LEVEL = 200, 0.95
QUADRATURE = 64


@dataclass(frozen=True)
class ExposureSetting:
    """Two groups of `people` people with `images` each.

    route       : through: exposure explains the whole gap; half: half of it; beside: exposure differs without an effect
    reliability : proportion of the variance of the measured exposure within a group that is not noise; 1: no noise
    """

    people: int
    images: int
    route: Route
    reliability: float

    @property
    def true_gap(self) -> float:
        """The gap at equal exposure."""
        return 0.0 if self.route == "through" else through_exposure()

    @property
    def raw_gap(self) -> float:
        """The gap without balancing."""
        return self.true_gap + (0.0 if self.route == "beside" else through_exposure())


@dataclass(frozen=True)
class ExposureOutcome:
    """Results for the balanced gap.

    coverage : of the true gap; left, raw: mean gap after and before balancing; width: mean width of the interval
    between  : proportion of simulations in which the balanced gap lies between the true and the raw gap of the population,
    within two standard errors of the estimate
    marked   : proportion in which it is marked as attenuated; undefined: proportion without a value
    """

    worlds: int
    coverage: float
    left: float
    raw: float
    width: float
    between: float
    marked: float
    undefined: float


def through_exposure() -> float:
    """The gap that exposure explains if it has an effect, by Gauss-Hermite quadrature."""
    at, weight = np.polynomial.hermite_e.hermegauss(QUADRATURE)
    share = weight / weight.sum()
    rates = [float(share @ expit(BASE + SLOPE * (at + shift))) for shift in (SHIFT, 0.0)]
    return rates[0] - rates[1]


def exposure_coverage(setting: ExposureSetting, worlds: int, seed: int) -> ExposureOutcome:
    """Simulate data and compare the gap after balancing with the true one."""
    numbers = (setting.people, setting.images, len(setting.route), round(setting.reliability * 1e6))
    rng = np.random.default_rng([seed, 71, *numbers])
    rows: list[tuple[float, float, float, float]] = []
    marked = is_attenuated([setting.reliability])
    for _ in range(worlds):
        trials, exposure = exposed_people(setting, rng)
        found = balanced_gap(trials, exposure[:, None], scale="difference", level=LEVEL, replicates=REPLICATES, rng=rng)
        wrong, group = trials.errors, trials.in_group
        rows.append((found.gap, found.low, found.high, float(wrong[group].mean() - wrong[~group].mean())))
    left, low, high, raw = np.array(rows, np.float64).T
    reach = 2 * float(np.nanstd(left))
    ends = sorted((setting.true_gap, setting.raw_gap))
    return ExposureOutcome(
        worlds,
        float(((low <= setting.true_gap) & (setting.true_gap <= high)).mean()),
        float(np.nanmean(left)),
        float(raw.mean()),
        float(np.nanmean(high - low)),
        float(((left >= ends[0] - reach) & (left <= ends[1] + reach)).mean()),
        float(marked),
        float(np.isnan(left).mean()),
    )


def exposed_people(setting: ExposureSetting, rng: np.random.Generator) -> tuple[Trials, FloatArray]:
    """One simulation: its trials, and the measured exposure of each."""
    people, images = 2 * setting.people, setting.images
    person = np.repeat(np.arange(people), images)
    group = person < setting.people
    shared = PERSON if images > 1 else 0.0
    own, of_image = rng.normal(size=people)[person], rng.normal(size=len(person))
    exposure = shared**0.5 * own + (1 - shared) ** 0.5 * of_image + SHIFT * group
    slope = 0.0 if setting.route == "beside" else SLOPE
    chance = expit(BASE + slope * exposure) + setting.true_gap * group
    # Normal scores of the person and of the image, as in all simulations, keep the error probability at `chance`.
    score = ndtr(RHO**0.5 * rng.normal(size=people)[person] + (1 - RHO) ** 0.5 * rng.normal(size=len(person)))
    noise = (1 / setting.reliability - 1) ** 0.5 * rng.normal(size=len(person))
    return Trials(score < chance, group, person, np.ones(len(person))), exposure + noise
