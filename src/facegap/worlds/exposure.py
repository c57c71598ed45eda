"""Simulated worlds in which a gap goes with exposure, in part or not at all: is the gap after balancing the true one?

Two groups are photographed at different exposures. The chance of an error rises with exposure, whoever the person is, and
one group has a chance that is higher by a constant at every exposure: that constant is the gap that must be left.
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
)  # log odds of an error, per standard deviation of exposure; how far the groups are apart
PERSON = 0.3  # of the variance of exposure within a group, where people have several images
RHO = 0.1  # of the variance of a score that belongs to a person, exposure apart
REPLICATES, LEVEL = 200, 0.95
QUADRATURE = 64


@dataclass(frozen=True)
class ExposureSetting:
    """Two groups of `people` people with `images` each.

    route       : through: the whole gap goes with exposure; half: half of it; beside: exposure differs, errors do not go with it
    reliability : share of the variance of the measured exposure within a group that is no noise; 1: measured exactly
    """

    people: int
    images: int
    route: Route
    reliability: float

    @property
    def true_gap(self) -> float:
        """What is left at equal exposure."""
        return 0.0 if self.route == "through" else through_exposure()

    @property
    def raw_gap(self) -> float:
        """What is seen without balancing."""
        return self.true_gap + (0.0 if self.route == "beside" else through_exposure())


@dataclass(frozen=True)
class ExposureOutcome:
    """What an audit says of the gap that is left.

    coverage : of the true gap; left, raw: mean gap after and before balancing; width: mean width of the interval
    between  : share of worlds in which the gap left lies between the true and the raw one of the population, to two standard
               errors of the estimate
    marked   : share of worlds in which it is marked as attenuated; undefined: of worlds without a number
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
    """The gap that goes with exposure where any does, by Gauss-Hermite quadrature."""
    at, weight = np.polynomial.hermite_e.hermegauss(QUADRATURE)
    share = weight / weight.sum()
    rates = [float(share @ expit(BASE + SLOPE * (at + shift))) for shift in (SHIFT, 0.0)]
    return rates[0] - rates[1]


def exposure_coverage(setting: ExposureSetting, worlds: int, seed: int) -> ExposureOutcome:
    """Simulate worlds and hold the gap after balancing against the true one."""
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
    """One world: its trials, and the exposure of each as it is measured."""
    people, images = 2 * setting.people, setting.images
    person = np.repeat(np.arange(people), images)
    group = person < setting.people
    shared = PERSON if images > 1 else 0.0
    own, of_image = rng.normal(size=people)[person], rng.normal(size=len(person))
    exposure = shared**0.5 * own + (1 - shared) ** 0.5 * of_image + SHIFT * group
    slope = 0.0 if setting.route == "beside" else SLOPE
    chance = expit(BASE + slope * exposure) + setting.true_gap * group
    # A normal score of the person and of the image, as everywhere in these worlds: the chance of an error stays `chance`.
    score = ndtr(RHO**0.5 * rng.normal(size=people)[person] + (1 - RHO) ** 0.5 * rng.normal(size=len(person)))
    noise = (1 / setting.reliability - 1) ** 0.5 * rng.normal(size=len(person))
    return Trials(score < chance, group, person, np.ones(len(person))), exposure + noise
