"""Simulated label noise: some people are labelled as the wrong group, and the target is the gap of the true groups.

Each person's label is wrong with the same probability, independently of the model's errors. This biases a gap towards zero,
so an interval that treats labels as certain covers the wrong value. It is compared with the interval of
statistics/label_uncertainty, which is given the number of wrong labels.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegap.statistics.clusters import rates_of_clusters
from facegap.statistics.gaps import gap_family
from facegap.statistics.label_uncertainty.gaps import label_gaps
from facegap.statistics.label_uncertainty.probabilities import sampled_classes
from facegap.statistics.verdicts import GAPS_FOUND
from facegap.types import FloatArray, IntArray
from facegap.worlds.people import METRICS, Effect, Kind, binomial, person_chances
from facegap.worlds.rates import covers

DRAWS = 20
GROUPS = ("group 1", "group 2")


@dataclass(frozen=True)
class LabelSetting:
    """Two true groups of `subjects` people, with error rates `rate` + `gap` and `rate`; `flipped`: proportion of wrong labels."""

    kind: Kind
    subjects: int
    images: int
    rate: float
    gap: float
    effect: Effect
    strength: float
    flipped: float

    @property
    def trials(self) -> int:
        """Trials of each person."""
        return self.images if self.kind == "classification" else self.images * (self.images - 1) // 2


@dataclass(frozen=True)
class LabelOutcome:
    """Results for the gap between the true groups.

    observed       : mean of the observed gap
    certain        : coverage of the true gap by the interval that treats labels as certain
    informed        : the same for the interval that is given the number of wrong labels
    gap, gap_informed : proportion of simulations with the verdict `gap` or larger, by each
    """

    setting: LabelSetting
    worlds: int
    observed: float
    certain: float
    informed: float
    gap: float
    gap_informed: float


def label_coverage(setting: LabelSetting, worlds: int, seed: int) -> LabelOutcome:
    """Simulate people, flip labels, and compare both intervals with the gap between the true groups."""
    numbers = (setting.subjects, setting.images, round(setting.rate * 1e6), round(setting.gap * 1e6))
    more = (round(setting.strength * 100), round(setting.flipped * 1e6), len(setting.effect), len(setting.kind))
    rng = np.random.default_rng([seed, 55, *numbers, *more])
    truth = np.repeat(np.arange(2), setting.subjects)
    trials = np.full(len(truth), setting.trials)
    rows = []
    for _ in range(worlds):
        chance = np.concatenate(
            [
                person_chances(rate, setting.effect, setting.strength, (setting.subjects,), rng)
                for rate in (setting.rate + setting.gap, setting.rate)
            ]
        )
        errors = binomial(setting.trials, chance, chance.shape, rng)
        labels = np.where(rng.random(len(truth)) < setting.flipped, 1 - truth, truth)
        rows.append(said_of(setting, errors, trials, labels, rng))
    shares = np.array(rows, np.float64).mean(axis=0)
    return LabelOutcome(setting, worlds, *(float(share) for share in shares))


def said_of(
    setting: LabelSetting, errors: FloatArray, trials: IntArray, labels: IntArray, rng: np.random.Generator
) -> tuple[float, bool, bool, bool, bool]:
    """One simulation: the observed gap, whether each interval covers the true one, and whether each verdict reports a gap."""
    rates = rates_of_clusters(errors, trials, labels, n_cells=2)
    family = gap_family(
        GROUPS,
        rates.errors,
        rates.trials,
        rates.subjects,
        rates.effective_trials,
        margin=METRICS[setting.kind].margin,
        scale=METRICS[setting.kind].scale,
        metric=METRICS[setting.kind].name,
        minimum_subjects=2,
    )
    plain = family.columns
    confusion = np.array([[1 - setting.flipped, setting.flipped], [setting.flipped, 1 - setting.flipped]])
    draws = [
        rates_of_clusters(errors, trials, sampled_classes(confusion[labels], rng), n_cells=2) for _ in range(DRAWS)
    ]
    wide = label_gaps(family, GROUPS, rates, draws, confusion)
    return (
        float(plain.difference[0]),
        bool(covers(plain.difference_low, plain.difference_high, setting.gap)[0]),
        bool(covers(wide.label_difference_low, wide.label_difference_high, setting.gap)[0]),
        plain.verdict[0] in GAPS_FOUND,
        wide.verdict[0] in GAPS_FOUND,
    )
