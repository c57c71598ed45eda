"""Coverage of weighted, standardised and continuous rates in simulations: the tables of coverage.md.

python benchmarks/population_study.py            2,000 simulations per line, some minutes on one core; --quick a tenth
"""

from __future__ import annotations

import argparse
from collections.abc import Callable

import numpy as np
from scipy.special import expit

from facegap.statistics.slopes import fitted_slope
from facegap.statistics.weighted import weighted_rates
from facegap.types import BoolArray, FloatArray, IntArray

AGES = (20.0, 70.0)
Found = tuple[float, float, float, float]  # estimate, low, high, truth


def people_of(
    people: int, images: int, rate: FloatArray, icc: float, rng: np.random.Generator
) -> tuple[BoolArray, IntArray]:
    """Errors of the images of each person, and their codes; rates of people are beta with the intraclass correlation icc."""
    if icc:
        rate = rng.beta(rate * (1 / icc - 1), (1 - rate) * (1 / icc - 1))
    units = np.repeat(np.arange(people), images)
    return rng.random(len(units)) < rate[units], units


def weighted(people: int, images: int, icc: float, rng: np.random.Generator, *, by_shares: bool) -> Found:
    """Half of the population is old with error rate 0.15, the others have 0.05; a fifth of the sample is old. The rate is 0.1."""
    old = np.zeros(people, np.bool_)
    old[: people // 5] = True
    wrong, units = people_of(people, images, np.where(old, 0.15, 0.05), icc, rng)
    cells, zeros = old[units].astype(np.int64), np.zeros(len(units), np.int64)
    if by_shares:
        shares = np.array([[0.5, 0.5]])
        found = weighted_rates(wrong, np.ones(len(units)), units, zeros, n_groups=1, cells=cells, shares=shares)
    else:
        found = weighted_rates(wrong, np.where(cells == 1, 0.5 / 0.2, 0.5 / 0.8), units, zeros, n_groups=1)
    return float(found.value[0]), float(found.low[0]), float(found.high[0]), 0.1


def slope(people: int, images: int, icc: float, rng: np.random.Generator, *, rise: float) -> Found:
    """A rate that increases on the logit scale by `rise` from 20 to 70 years; the truth is the change between the quantiles."""
    years = rng.uniform(*AGES, people)
    rates = expit(-2 + rise * (years - AGES[0]) / (AGES[1] - AGES[0]))
    wrong, units = people_of(people, images, rates, icc, rng)
    found = fitted_slope(wrong, years[units], units)
    ends = expit(-2 + rise * (np.array([found.from_value, found.to_value]) - AGES[0]) / (AGES[1] - AGES[0]))
    if not found.is_defined:
        return np.nan, -1.0, 1.0, float(ends[1] - ends[0])
    change = found.change(is_ratio=False)
    return change.value, *change.interval(0.05), float(ends[1] - ends[0])


def line(name: str, worlds: int, world: Callable[[], Found]) -> str:
    """One line of a table: coverage, median width, and that width relative to the central 95% range of the estimator."""
    found = np.array([world() for _ in range(worlds)])
    share = float(((found[:, 1] <= found[:, 3]) & (found[:, 3] <= found[:, 2])).mean())
    width = float(np.median(found[:, 2] - found[:, 1]))
    low, high = np.nanquantile(found[:, 0] - found[:, 3], [0.025, 0.975])
    error = np.sqrt(share * (1 - share) / worlds)
    return f"| {name} | {worlds:,} | {share:.3f} ± {error:.3f} | {width:.3f} | {width / (high - low):.2f} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=("weights", "shares", "slopes"), help="one kind of table alone")
    options = parser.parse_args()
    worlds = 200 if options.quick else 2_000
    rng = np.random.default_rng(1)
    print("| people x images, icc | worlds | coverage | median width | width / oracle |\n|---|---|---|---|---|")
    for by_shares in [kind == "shares" for kind in ("weights", "shares") if options.only in (None, kind)]:
        for people, images, icc in ((40, 1, 0.0), (100, 1, 0.0), (100, 3, 0.1), (400, 3, 0.1)):
            name = f"{'shares' if by_shares else 'weights'}: {people} x {images}, icc {icc:g}"
            print(
                line(name, worlds, lambda s=by_shares, p=people, i=images, c=icc: weighted(p, i, c, rng, by_shares=s)),
                flush=True,
            )
    for rise in (0.0, 1.5) if options.only in (None, "slopes") else ():
        for people, images, icc in ((40, 3, 0.0), (40, 3, 0.1), (100, 3, 0.1), (400, 1, 0.0)):
            name = f"slope, rise {rise:g}: {people} x {images}, icc {icc:g}"
            print(line(name, worlds, lambda r=rise, p=people, i=images, c=icc: slope(p, i, c, rng, rise=r)), flush=True)


if __name__ == "__main__":
    main()
