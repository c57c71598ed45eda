"""Simulated stress tests: is a larger increase of errors in one group found, and none reported where there is none?

Images differ in difficulty, and each person is their own control: the same images with and without the perturbation. At
every dose the error rate increases equally in both groups; a planted interaction adds to the increase of the first group at
the last dose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from facegap.statistics.dose_response import Doses, doses_of, interaction_tests
from facegap.statistics.verdicts import BEYOND, GAP

PLAIN, RISE = 0.1, 0.1  # error rate without a perturbation; increase at each dose in both groups
RHO = 0.5  # proportion of the variance of image difficulty due to the person
MARGIN, ALPHA, LEVEL = 0.02, 0.05, 0.95


@dataclass(frozen=True)
class DoseSetting:
    """Two groups of `people` people with `images` each, at several doses.

    planted : additional increase of the error rate of the first group at the last dose; 0: none
    """

    people: int
    images: int
    doses: int
    planted: float


@dataclass(frozen=True)
class DoseOutcome:
    """Results of the stress tests.

    alarms   : proportion of simulations in which a gap is reported at a dose without one
    found    : proportion with a gap reported at the last dose; coverage: proportion whose plain 95% interval at the last
    dose contains `planted`; width: its mean width
    """

    worlds: int
    alarms: float
    found: float
    coverage: float
    width: float


def dose_outcome(setting: DoseSetting, worlds: int, seed: int) -> DoseOutcome:
    """Simulate data, test all doses as one family, and compare the verdicts with the planted effects."""
    rng = np.random.default_rng([seed, 83, setting.people, setting.images, setting.doses, round(setting.planted * 1e6)])
    seen = np.zeros((worlds, 4))
    for k in range(worlds):
        doses = stressed_people(setting, rng)
        results = [found[0] for found in interaction_tests(doses, [0, 1], margin=MARGIN, alpha=ALPHA, level=LEVEL)]
        reported = [one.verdict in (GAP, BEYOND) for one in results]
        last = doses[-1].interaction(0, 1, level=LEVEL)
        null = reported if setting.planted == 0 else reported[:-1]
        hit = last.low <= setting.planted <= last.high
        seen[k] = any(null), reported[-1] and results[-1].group_a == 0, hit, last.high - last.low
    alarms, found, coverage, width = seen.mean(axis=0).tolist()
    return DoseOutcome(worlds, alarms, found, coverage, width)


def stressed_people(setting: DoseSetting, rng: np.random.Generator) -> list[Doses]:
    """One simulation: the increase of each person's errors at every dose."""
    people, images = setting.people, setting.images
    hard = RHO**0.5 * rng.normal(size=(2 * people, 1)) + (1 - RHO) ** 0.5 * rng.normal(size=(2 * people, images))
    own = np.repeat(np.eye(2), people, axis=1)  # [G, S]
    before = own * (hard < ndtri(PLAIN)).sum(axis=1)
    found = []
    for dose in range(setting.doses):
        # The perturbation redraws the difficulty of an image, except for the part that the image keeps.
        moved = 0.8**0.5 * hard + 0.2**0.5 * rng.normal(size=hard.shape)
        extra = setting.planted if dose == setting.doses - 1 else 0.0
        rates = PLAIN + RISE + extra * own[0]
        found.append(doses_of(before, own * (moved < ndtri(rates)[:, None]).sum(axis=1), own * images))
    return found
