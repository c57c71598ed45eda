"""Sampled impostor pairs compared with all pairs of 50,000 templates: bias of the weighted rate, coverage of its intervals.

    python benchmarks/sampled_pairs_study.py RUN --by race gender --templates 50000 --pairs 100000 --seeds 300 --out study.md

RUN is a finished run with embeddings. Missing templates are resampled within each group as mixtures of eight real templates
of the group with its mean and second moment (`facegap.bench.rows.mixed`), so that groups keep their false match rates. All
pairs are compared once. Then pairs are sampled repeatedly as by `--sample-pairs`, and for each group the table shows

    these people : coverage of the rate over all pairs of the templates by the interval of sampling alone (`sampling_interval`)
    whole        : coverage of that rate by the interval of an audit (`sampled_fmr`), wider because it includes other people
    other people : coverage of the rate of all by an audit of a random subset of people, with a sample of their pairs

A proportion has a standard error of sqrt(p (1 - p) / seeds): 0.013 at 0.95 and 300 seeds.
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.bench.rows import mixed
from facegap.matching import count_scores
from facegap.matching.sampled import PairSample, sample_pairs
from facegap.statistics.sampled_pairs import sampled_fmr, sampling_interval
from facegap.store.run import read_run

Group = tuple[int, int] | None  # codes of one group twice, or of two groups; None: all people


@dataclass(frozen=True, eq=False)
class People:
    """Templates of people, one each, and their false matches at one threshold.

    cells   : int64 (n,), group of each; names : names of the groups
    matches : int64 (m,), increasing; left * n + right of each pair at or above the threshold, left < right
    """

    cells: np.ndarray
    names: tuple[str, ...]
    matches: np.ndarray

    @property
    def rates(self) -> np.ndarray:
        """FMR over all pairs of two groups, float64 (G, G), symmetric."""
        size, count = len(self.names), np.bincount(self.cells, minlength=len(self.names))
        first, second = (self.cells[side] for side in np.divmod(self.matches, len(self.cells)))
        found = np.bincount(np.minimum(first, second) * size + np.maximum(first, second), minlength=size**2)
        found = found.reshape(size, size)
        return np.maximum(found, found.T) / np.where(np.eye(size), count * (count - 1) / 2, np.outer(count, count))

    @property
    def rate(self) -> float:
        """FMR over all pairs."""
        return 2 * len(self.matches) / (len(self.cells) * (len(self.cells) - 1))

    def match(self, left: np.ndarray, right: np.ndarray) -> np.ndarray:
        """Whether pairs match, bool of the shape of `left`."""
        keys = np.minimum(left, right) * len(self.cells) + np.maximum(left, right)
        at = np.minimum(np.searchsorted(self.matches, keys), len(self.matches) - 1)
        return np.asarray(self.matches[at] == keys)


@dataclass
class Tally:
    """Results of the samples for one group at one threshold: estimate / true rate, and coverage of the intervals."""

    truth: float
    estimates: list[float] = field(default_factory=list)
    held: dict[str, list[bool]] = field(default_factory=dict)
    empty: int = 0

    def add(self, estimate: float, held: dict[str, bool], errors: int) -> None:
        """One sample."""
        self.estimates.append(estimate)
        self.empty += not errors
        for name, one in held.items():
            self.held.setdefault(name, []).append(one)

    def line(self, name: str, fmr: float) -> str:
        """A row of the table."""
        mean, error = np.mean(self.estimates), np.std(self.estimates) / np.sqrt(len(self.estimates))
        values = " | ".join(f"{np.mean(held):.3f}" for held in self.held.values())
        return f"| {fmr:g} | {name} | {self.truth:.3e} | {mean:.3e} ± {error:.1e} | {values} | {self.empty} |"


def templates_of(
    run: Path, by: Sequence[str], size: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], int]:
    """Templates float32 (size, depth), group of each, names of the groups, and the number of real templates."""
    found = read_run(run)
    rows = np.flatnonzero(found.faces["outcome"] == "ok")
    labels = found.manifest[list(by)].iloc[rows].astype(str).agg(" ".join, axis=1)
    codes, names = pd.factorize(labels, sort=True)
    vectors = np.asarray(found.embeddings, np.float32)
    chosen, cells = [vectors[:size]], [codes[:size]]
    wanted = np.bincount(codes) * max(size - len(vectors), 0) // len(vectors)
    wanted[0] += max(size - len(vectors), 0) - wanted.sum()
    for code, count in enumerate(wanted):
        if count:
            chosen.append(mixed(rng, vectors[codes == code], int(count)))
            cells.append(np.full(count, code))
    return np.concatenate(chosen), np.concatenate(cells).astype(np.int64), tuple(names), min(size, len(vectors))


def at_rates(
    vectors: np.ndarray, cells: np.ndarray, names: tuple[str, ...], fmr: Sequence[float]
) -> Iterator[tuple[float, People]]:
    """The false matches of all pairs at each false match rate."""
    size = len(vectors)
    pairs = size * (size - 1) // 2
    rng = np.random.default_rng(0)
    left, right = rng.integers(0, size, (2, 1_000_000))
    sampled = np.einsum("nd,nd->n", vectors[left], vectors[right])[left != right]
    floor = float(np.quantile(sampled, 1 - 1.3 * max(fmr)))
    counts = count_scores(
        vectors,
        np.arange(size),
        cells,
        floor=floor,
        bins=64,
        tail_limit=int(2 * max(fmr) * pairs),
        names=names,
        workers=2,
    )
    for rate in fmr:
        kept = counts.tail[: int(rate * pairs)]  # by decreasing score
        keys = kept["left"].astype(np.int64) * size + kept["right"]
        yield rate, People(cells, names, np.sort(keys))


def study(populations: Mapping[float, People], budget: int, seeds: int, some: int) -> Iterator[str]:
    """Rows of the table, by threshold. some : number of people in the audit of a subset"""
    names, cells = next((one.names, one.cells) for one in populations.values())
    everyone, tallies = np.arange(len(cells)), {fmr: tallies_of(people) for fmr, people in populations.items()}
    for seed in range(seeds):
        part = np.sort(np.random.default_rng([seed, 1]).permutation(everyone)[:some])
        sample, other = (sampled(cells[rows], rows, names, budget, seed) for rows in (everyone, part))
        for fmr, people in populations.items():
            for group, tally in tallies[fmr].items():
                estimate, errors, held = judged(people, sample, everyone, group, tally.truth, alone=True)
                more = judged(people, other, part, group, tally.truth, alone=False)[2]
                tally.add(estimate, held | {"other people": more["whole"]}, errors)
    for fmr, people in populations.items():
        yield from rows_of(people, tallies[fmr], fmr)


def tallies_of(people: People) -> dict[Group, Tally]:
    """Empty tallies for all people, for each group, and for the two groups with the most false matches between them."""
    found: dict[Group, Tally] = {None: Tally(people.rate)}
    groups = range(len(people.names))
    worst = max(itertools.combinations(groups, 2), key=lambda pair: people.rates[pair])
    return (
        found
        | {(code, code): Tally(float(people.rates[code, code])) for code in groups}
        | {worst: Tally(float(people.rates[worst]))}
    )


def rows_of(people: People, tallies: Mapping[Group, Tally], fmr: float) -> Iterator[str]:
    """Results for all people, for the groups with the most, median and fewest false matches, for two groups, and for all groups."""
    groups = sorted(
        (group for group in tallies if group is not None and group[0] == group[1]),
        key=lambda group: -tallies[group].truth,
    )
    across = next(group for group in tallies if group is not None and group[0] != group[1])
    for group in (None, groups[0], groups[len(groups) // 2], groups[-1], across):
        name = "everybody" if group is None else " against ".join(people.names[code] for code in sorted({*group}))
        yield tallies[group].line(name, fmr)
    of_groups = [tallies[group] for group in groups]
    held = {kind: [np.mean(one.held[kind]) for one in of_groups] for kind in of_groups[0].held}
    told = " | ".join(f"{np.mean(each):.3f} ({min(each):.3f})" for each in held.values())
    samples = sum(len(one.estimates) for one in of_groups)
    yield f"| {fmr:g} | {len(groups)} groups, mean (least) | | | {told} | {sum(one.empty for one in of_groups)} of {samples} |"


def sampled(cells: np.ndarray, rows: np.ndarray, names: Sequence[str], budget: int, seed: int) -> PairSample:
    """A sample of the pairs of some people, as by `--sample-pairs`. rows : their numbers; cells : group of each"""
    images = [f"{row:06d}" for row in rows]
    return sample_pairs(images, images, cells, names, pairs=budget, seed=seed)


def judged(
    people: People, sample: PairSample, rows: np.ndarray, group: Group, truth: float, *, alone: bool
) -> tuple[float, int, dict[str, bool]]:
    """Estimate, errors, and whether each interval of a group covers the truth. alone : truth for the interval of sampling"""
    left, right = rows[sample.left], rows[sample.right]
    strata = [(one.first, one.second) for one in sample.strata]
    place = np.full((len(people.names),) * 2, -1)
    for number, (first, second) in enumerate(strata):
        place[first, second] = place[second, first] = number
    mine = np.array([group in (None, pair) for pair in strata])
    stratum = place[people.cells[left], people.cells[right]]
    inside = mine[stratum]
    left, right, stratum = left[inside], right[inside], stratum[inside]
    across = group is not None and group[0] != group[1]
    if group is not None and across:  # the first group on the left
        swap = people.cells[left] != group[0]
        left, right = np.where(swap, right, left), np.where(swap, left, right)
    wrong = people.match(left, right)
    rate = sampled_fmr(left, right, wrong, sample.weight[inside], across=across)
    held = {}
    if alone:
        low, high = sampling_interval(wrong, stratum, np.where(mine, [one.pairs for one in sample.strata], 0))
        held["these people"] = bool(low <= truth <= high)
    held["whole"] = bool(rate.low <= truth <= rate.high)
    return rate.value, rate.errors, held


def main() -> None:
    """Print the table of all thresholds and budgets."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--by", nargs="+", default=["race", "gender"])
    parser.add_argument("--templates", type=int, default=50_000)
    parser.add_argument("--pairs", type=int, nargs="+", default=[100_000])
    parser.add_argument("--fmr", type=float, nargs="+", default=[1e-3, 1e-4, 1e-5])
    parser.add_argument("--seeds", type=int, default=300)
    parser.add_argument("--some", type=int, default=2_500, help="people of an audit of a part of them")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    vectors, cells, names, real = templates_of(given.run, given.by, given.templates, np.random.default_rng(1))
    said = [f"{len(vectors):,} templates, {real:,} of them real, in {len(names)} groups; {given.seeds} samples"]
    begun = time.perf_counter()
    populations = dict(at_rates(vectors, cells, names, given.fmr))
    said.append(f"all {len(vectors) * (len(vectors) - 1) // 2:,} pairs compared in {time.perf_counter() - begun:.1f} s")
    for budget in given.pairs:
        said += [
            f"\n{budget:,} pairs:\n",
            "| FMR | group | FMR over all pairs | mean of the samples | these people | whole | other people | no false match |",
            "|---|---|---|---|---|---|---|---|",
        ]
        said += study(populations, budget, given.seeds, given.some)
    print("\n".join(said))
    if given.out is not None:
        given.out.write_text("\n".join(said) + "\n")


if __name__ == "__main__":
    main()
