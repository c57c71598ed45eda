"""Simulated worlds in which images are perturbed: does the error of one group rise more, and is it said where it does not?

People differ in how hard they are, and each is their own control: the same images with and without the perturbation. At every
dose the error rate rises by as much in both groups; where an interaction is planted, it rises by more in the first group at
the last dose.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from facegap.statistics.dose_response import Doses, doses_of, judged_interactions
from facegap.statistics.verdicts import BEYOND, GAP

PLAIN, RISE = 0.1, 0.1  # error rate without a perturbation; how much it adds in both groups
RHO = 0.5  # of the variance of how hard an image is that belongs to the person
MARGIN, ALPHA, LEVEL = 0.02, 0.05, 0.95


@dataclass(frozen=True)
class DoseSetting:
    """Two groups of `people` people with `images` each, at so many doses.

    planted : by how much more the error rate of the first group rises at the last dose; 0: alike at every dose
    """

    people: int
    images: int
    doses: int
    planted: float


@dataclass(frozen=True)
class DoseOutcome:
    """What a stress test says.

    alarms   : proportion of worlds in which a gap is said at a dose where none is planted
    found    : of worlds in which one is said at the last dose; coverage: of worlds whose plain 95% interval at the last dose
               holds `planted`; width: its mean width
    """

    worlds: int
    alarms: float
    found: float
    coverage: float
    width: float


def dose_outcome(setting: DoseSetting, worlds: int, seed: int) -> DoseOutcome:
    """Simulate worlds, judge every dose as one family, and hold the verdicts against what is planted."""
    rng = np.random.default_rng([seed, 83, setting.people, setting.images, setting.doses, round(setting.planted * 1e6)])
    seen = np.zeros((worlds, 4))
    for k in range(worlds):
        doses = stressed_people(setting, rng)
        told = [found[0] for found in judged_interactions(doses, [0, 1], margin=MARGIN, alpha=ALPHA, level=LEVEL)]
        said = [one.verdict in (GAP, BEYOND) for one in told]
        last = doses[-1].interaction(0, 1, level=LEVEL)
        null = said if setting.planted == 0 else said[:-1]
        held = last.low <= setting.planted <= last.high
        seen[k] = any(null), said[-1] and told[-1].group_a == 0, held, last.high - last.low
    alarms, found, coverage, width = seen.mean(axis=0).tolist()
    return DoseOutcome(worlds, alarms, found, coverage, width)


def stressed_people(setting: DoseSetting, rng: np.random.Generator) -> list[Doses]:
    """One world: what every dose adds to the errors of each person."""
    people, images = setting.people, setting.images
    hard = RHO**0.5 * rng.normal(size=(2 * people, 1)) + (1 - RHO) ** 0.5 * rng.normal(size=(2 * people, images))
    own = np.repeat(np.eye(2), people, axis=1)  # [G, S]
    before = own * (hard < ndtri(PLAIN)).sum(axis=1)
    found = []
    for dose in range(setting.doses):
        # The perturbation changes how hard an image is anew, but for what the image has in common with itself.
        moved = 0.8**0.5 * hard + 0.2**0.5 * rng.normal(size=hard.shape)
        extra = setting.planted if dose == setting.doses - 1 else 0.0
        rates = PLAIN + RISE + extra * own[0]
        found.append(doses_of(before, own * (moved < ndtri(rates)[:, None]).sum(axis=1), own * images))
    return found
