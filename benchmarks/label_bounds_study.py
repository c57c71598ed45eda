"""Verdicts if label errors depend on the model's errors: with labels as they are, with resampled labels, and with the bound.

python benchmarks/label_bounds_study.py          2,000 simulations per line (labels resampled in 300), some minutes

The output is the table of coverage.md.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import numpy as np

from facegap.derive.metrics import ERROR_RATE_ALL
from facegap.statistics.clusters import rates_of_clusters
from facegap.statistics.effective import RateColumns
from facegap.statistics.gaps import gap_family
from facegap.statistics.label_uncertainty.bounds import ExpectedLabels, label_bounds, wrong_at_most
from facegap.statistics.label_uncertainty.gaps import label_gaps
from facegap.statistics.label_uncertainty.probabilities import sampled_classes
from facegap.statistics.verdicts import GAPS_FOUND
from facegap.types import BoolArray, FloatArray, IntArray
from facegap.worlds.hard_images import HardImages, hard_image_worlds

GROUPS = ("lighter", "darker")
DRAWS = 20
BASE = HardImages()
# Each setting and its description. In the first four the true groups are equal, so every gap is a false alarm.
LINES = (
    ("300 people a group", replace(BASE, people=300)),
    ("600 people a group", replace(BASE, people=600)),
    ("2,000 people a group", replace(BASE, people=2_000)),
    ("600, labels that err on their own", replace(BASE, people=600, mislabelled=0.0, easy_wrong=0.06)),
    ("600, a true gap of 0.1 and 0.3", replace(BASE, people=600, rates=(0.1, 0.3), times_worse=2.0)),
    ("600, a true gap of 0.05 and 0.4", replace(BASE, people=600, rates=(0.05, 0.4), times_worse=2.0)),
)


def verdicts_of(
    wrong: BoolArray, label: IntArray, chance: FloatArray, draws: int, rng: np.random.Generator
) -> list[str]:
    """The verdict with labels as they are, with resampled labels, and with the bound.

    chance : float64 [2], probability that a label is correct by its class, as its source states for all images
    """

    def rates(groups: IntArray) -> RateColumns:
        return rates_of_clusters(wrong.astype(np.int64), np.ones(len(wrong)), groups, n_cells=2)

    found, right = rates(label), chance[label]
    family = gap_family(
        GROUPS,
        found.errors,
        found.trials,
        found.subjects,
        found.effective_trials,
        margin=ERROR_RATE_ALL.margin,
        scale=ERROR_RATE_ALL.scale,
    )
    chances = np.where(np.arange(2) == label[:, None], right[:, None], 1 - right[:, None])
    trials = np.bincount(label, minlength=2).astype(np.float64)
    expected = np.stack([chances[label == group].sum(axis=0) for group in (0, 1)])
    scatter = np.stack([(chances * (1 - chances))[label == group].sum(axis=0) for group in (0, 1)])
    may_be_wrong = wrong_at_most(ExpectedLabels(trials, expected, scatter))
    bound = label_bounds(family, GROUPS, found, may_be_wrong, family.columns.verdict)
    verdicts = [str(family.columns.verdict[0]), str(bound.verdict[0])]
    if draws:
        drawn = [rates(sampled_classes(chances, rng)) for _ in range(draws)]
        verdicts.append(str(label_gaps(family, GROUPS, found, drawn, expected / trials[:, None]).verdict[0]))
    return verdicts


def main() -> None:
    """Print a line per setting: how often each of the three verdicts reports a gap."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=2_000)
    parser.add_argument("--drawn-worlds", type=int, default=300, help="worlds in which labels are drawn too")
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    print("| worlds | labels wrong | labels as they are | under the bound | label uncertainty alone |")
    print("|---|---|---|---|---|")
    for name, setting in LINES:
        worlds = hard_image_worlds(setting, options.worlds, rng)
        is_wrong = worlds.label != worlds.truth
        # The source of the labels knows its error rate, but not the wrong images.
        chance = np.full(2, 1 - is_wrong.mean())
        said = [
            verdicts_of(wrong, label, chance, DRAWS if world < options.drawn_worlds else 0, rng)
            for world, (wrong, label) in enumerate(zip(worlds.wrong, worlds.label, strict=True))
        ]
        told = [proportion([verdicts[k] for verdicts in said if len(verdicts) > k]) for k in range(3)]
        print(f"| {name} | {is_wrong.mean():.3f} | {' | '.join(told)} |", flush=True)


def proportion(verdicts: list[str]) -> str:
    """The proportion of verdicts that report a gap, with its Monte Carlo standard error."""
    share = float(np.mean([verdict in GAPS_FOUND for verdict in verdicts]))
    return f"{share:.3f} ± {np.sqrt(share * (1 - share) / len(verdicts)):.3f}"


if __name__ == "__main__":
    main()
