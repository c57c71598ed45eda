"""Coverage of the gap between true groups by the intervals of a gap with label errors: the table of docs/label_noise.md.

python benchmarks/label_noise_study.py           400 simulations per line, some minutes
"""

from __future__ import annotations

import argparse

import numpy as np

from facegap.derive.metrics import ERROR_RATE_ALL
from facegap.statistics.clusters import rates_of_clusters
from facegap.statistics.effective import RateColumns
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.gaps import gap_family
from facegap.statistics.label_uncertainty.gaps import LabelColumns, label_gaps
from facegap.statistics.label_uncertainty.probabilities import sampled_classes
from facegap.statistics.verdicts import GAPS_FOUND
from facegap.types import IntArray

GROUPS = ("darker", "lighter")
# people, lowest probability that a label is correct, rate of the darker group, rate of the lighter group
LINES = (
    (600, 1.0, 0.3, 0.1),
    (600, 0.9, 0.3, 0.1),
    (600, 0.7, 0.3, 0.1),
    (2000, 0.8, 0.3, 0.1),
    (600, 0.7, 0.2, 0.2),
    (2000, 0.8, 0.21, 0.2),
    (4000, 0.6, 0.23, 0.2),
)


def world(
    people: int, least: float, darker_rate: float, lighter_rate: float, draws: int, rng: np.random.Generator
) -> tuple[GapFamily, LabelColumns]:
    """One simulation, audited with its labels and with resampled ones."""
    darker = rng.random(people) < 0.5
    right = rng.uniform(least, 1, people) if least < 1 else np.ones(people)
    label = np.where(rng.random(people) < right, darker, ~darker)
    wrong = (rng.random(people) < np.where(darker, darker_rate, lighter_rate)).astype(np.int64)
    chance = np.where(label, right, 1 - right)
    chances, own = np.stack([chance, 1 - chance], axis=1), (~label).astype(np.int64)

    def rates(groups: IntArray) -> RateColumns:
        return rates_of_clusters(wrong, np.ones(people), groups, n_cells=2)

    found = rates(own)
    family = gap_family(
        GROUPS,
        found.errors,
        found.trials,
        found.subjects,
        found.effective_trials,
        margin=ERROR_RATE_ALL.margin,
        scale=ERROR_RATE_ALL.scale,
    )
    confusion = np.stack([chances[own == group].mean(axis=0) for group in (0, 1)])
    drawn = [rates(sampled_classes(chances, rng)) for _ in range(draws)]
    return family, label_gaps(family, GROUPS, found, drawn, confusion)


def main() -> None:
    """Print a line per setting: coverage of the three intervals, and how often each verdict is `gap`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=400)
    parser.add_argument("--draws", type=int, default=50)
    options = parser.parse_args()
    rng = np.random.default_rng(1)
    print("people  least  rates       plain  widened  outer  gap, plain  gap, doubted")
    for people, least, darker_rate, lighter_rate in LINES:
        truth, sums = darker_rate - lighter_rate, np.zeros(5)
        for _ in range(options.worlds):
            family, found = world(people, least, darker_rate, lighter_rate, options.draws, rng)
            plain = family.columns
            sums += [
                plain.difference_low[0] <= truth <= plain.difference_high[0],
                found.label_difference_low[0] <= truth <= found.label_difference_high[0],
                found.label_outer_low[0] <= truth <= found.label_outer_high[0],
                plain.verdict[0] in GAPS_FOUND,
                found.verdict[0] in GAPS_FOUND,
            ]
        told = "  ".join(f"{share:.4f}" for share in sums / options.worlds)
        print(f"{people:6}  {least:5}  {darker_rate}, {lighter_rate}  {told}", flush=True)


if __name__ == "__main__":
    main()
