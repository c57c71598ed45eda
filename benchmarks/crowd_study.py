"""Coverage, width and false alarms with heterogeneous people, as Markdown; seeded.

    python benchmarks/crowd_study.py                 minutes on one core, 2,000 worlds a setting
    python benchmarks/crowd_study.py --quick
    python benchmarks/crowd_study.py --run RUN       people resampled from the templates of a finished run

before: facegap's former interval, Wilson on the effective trials of the variance by linearisation (pairs: the jackknife
with three quarters of the pairs' noise removed) with Student's t at carriers - 1 degrees of freedom; after: the present
one. Width is the median width relative to the central 95% range of the estimate over simulations. The settings of
`choice` were used when the method was chosen, those of `check` and of `last` were not; after `check` the part of the
model was bounded, so that only `last` is independent.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from scipy.special import stdtrit

from facegap.statistics.effective import RateColumns
from facegap.statistics.intervals import wilson
from facegap.statistics.jackknife import PairSums, jackknifed
from facegap.types import AnyArray, FloatArray
from facegap.worlds.crowd_rates import crowd_coverage, crowd_gaps, crowd_key, pair_columns, pair_sums
from facegap.worlds.crowds import Crowd, CrowdKind, Errs, Images, PairErrs, crowd_worlds, pair_worlds, truth_of
from facegap.worlds.curves import standard_error
from facegap.worlds.real_templates import population_of, resampled_pairs, resampled_people, truths_of

Z = 1.959963984540054
Law = tuple[CrowdKind, Images, int, Errs | PairErrs, float, float]
CHOICE: tuple[Law, ...] = (
    ("classification", "zipf", 50, "alike", 0.1, 0.0),
    ("classification", "zipf", 50, "beta", 0.1, 0.1),
    ("classification", "zipf", 50, "beta", 0.1, 0.3),
    ("classification", "zipf", 50, "with images", 0.1, 0.5),
    ("classification", "zipf", 50, "with images", 0.1, -0.5),
    ("classification", "zipf", 50, "goats", 0.1, 0.1),
    ("classification", "zipf", 50, "beta", 0.02, 0.05),
    ("genuine", "uniform", 10, "beta", 0.05, 0.1),
    ("genuine", "uniform", 10, "with images", 0.05, 0.5),
    ("genuine", "uniform", 10, "bad images", 0.01, 0.03),
    ("genuine", "uniform", 10, "goats", 0.05, 0.05),
    ("genuine", "zipf", 50, "probit", 0.05, 0.1),
    ("impostor", "uniform", 20, "probit", 0.001, 0.05),
    ("impostor", "uniform", 20, "probit", 0.001, 0.1),
    ("impostor", "uniform", 20, "pairs", 0.001, 0.3),
    ("impostor", "uniform", 20, "with images", 0.001, 0.5),
    ("impostor", "uniform", 20, "wolves", 0.01, 0.05),
    ("impostor", "uniform", 20, "lookalikes", 0.01, 0.5),
)
CHECK: tuple[Law, ...] = (
    ("classification", "lognormal", 60, "probit", 0.08, 0.15),
    ("classification", "lognormal", 60, "heavy", 0.08, 1.0),
    ("classification", "lognormal", 60, "many images", 0.08, 3.0),
    ("classification", "two sizes", 30, "many images", 0.1, 0.3),
    ("genuine", "two sizes", 12, "probit", 0.04, 0.15),
    ("genuine", "lognormal", 15, "bad images", 0.01, 0.04),
    ("impostor", "lognormal", 25, "heavy", 0.02, 1.0),
    ("impostor", "lognormal", 25, "pairs", 0.02, 0.2),
    ("impostor", "two sizes", 15, "probit", 0.02, 0.1),
    ("impostor", "two sizes", 15, "with images", 0.02, -0.5),
    ("impostor", "lognormal", 25, "twins", 0.01, 0.5),
    ("impostor", "lognormal", 25, "relatives", 0.02, 0.4),
)
LAST: tuple[Law, ...] = (
    ("classification", "lognormal", 40, "beta", 0.15, 0.2),
    ("classification", "two sizes", 60, "beta", 0.05, 0.1),
    ("classification", "uniform", 30, "heavy", 0.1, 1.2),
    ("classification", "zipf", 30, "with images", 0.12, 0.8),
    ("genuine", "lognormal", 20, "heavy", 0.06, 0.8),
    ("genuine", "zipf", 12, "with images", 0.05, -0.4),
    ("impostor", "zipf", 12, "heavy", 0.005, 0.7),
    ("impostor", "two sizes", 30, "pairs", 0.005, 0.15),
    ("impostor", "lognormal", 15, "with images", 0.01, 0.4),
    ("impostor", "zipf", 30, "probit", 0.003, 0.08),
)


def crowds_of(laws: Iterable[Law], sizes: Iterable[int]) -> Iterator[Crowd]:
    """Every law with every number of people."""
    for kind, images, most, errs, rate, strength in laws:
        for people in sizes:
            yield Crowd(kind, people, images, most, errs, rate, strength)


def before(crowd: Crowd, worlds: int) -> tuple[float, float]:
    """Coverage and width of the former intervals, in the same simulations."""
    rng = np.random.default_rng([1, 31, *crowd_key(crowd)])
    parts = [old_interval(crowd, size, rng) for size in sizes_of(crowd, worlds)]
    value, low, high = (np.concatenate([part[k] for part in parts]) for k in range(3))
    truth = truth_of(crowd).per_image
    least, most = np.quantile(value, [0.025, 0.975])
    return float(((low <= truth) & (truth <= high)).mean()), float(np.median(high - low) / (most - least))


def sizes_of(crowd: Crowd, worlds: int) -> Iterator[int]:
    """Simulations per part, as in `crowd_rates`."""
    at_once = max(1, 2_000_000 // (crowd.people**2 if crowd.kind == "impostor" else crowd.people))
    yield from (min(at_once, worlds - start) for start in range(0, worlds, at_once))


def old_interval(crowd: Crowd, worlds: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Rate and limits."""
    if crowd.kind != "impostor":
        drawn = crowd_worlds(crowd, worlds, rng)
        errors, trials = drawn.errors.astype(float), drawn.trials.astype(float)
        total = trials.sum(1)
        rate = errors.sum(1) / total
        squares = (errors - rate[:, None] * trials) ** 2
        alone = rate * (1 - rate) / total
        variance = np.maximum(squares.sum(1) / total**2 * crowd.people / (crowd.people - 1), alone)
        shared, bound, exact = 1 - alone / np.maximum(variance, 1e-300), total**2 / (trials**2).sum(1), crowd.people
        carriers = squares
    else:
        pairs = pair_worlds(crowd, worlds, rng)
        images = pairs.images.astype(float)
        trials = images[:, :, None] * images[:, None, :]
        trials[:, np.arange(crowd.people), np.arange(crowd.people)] = 0
        sums: PairSums = pair_sums(pairs.errors.astype(float), trials)
        total = trials.sum((1, 2)) / 2
        rate = pairs.errors.sum((1, 2)) / 2 / total
        found = jackknifed(rate, total, sums)
        variance = np.maximum(found.noise, found.total - 0.75 * found.noise)
        of_people = np.maximum(found.total - 2 * found.noise, 0)
        shared, carriers = of_people / np.maximum(found.noise + of_people, 1e-300), found.influence
        bound, exact = total**2 / (2 * (sums.trials_left**2).sum(1)), crowd.people // 2
    return (rate, *old_limits(rate, total, variance, shared, carriers, bound, exact))


def old_limits(
    rate: FloatArray,
    total: FloatArray,
    variance: FloatArray,
    shared: FloatArray,
    squares: FloatArray,
    bound: FloatArray,
    exact: int,
) -> tuple[FloatArray, FloatArray]:
    """Wilson on effective trials, with Student's t at carriers - 1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        carriers = squares.sum(1) ** 2 / (squares**2).sum(1)
        freedom = np.nan_to_num(np.maximum((carriers - 1) / np.sqrt(shared), 1), nan=1e9, posinf=1e9)
        quantile = -stdtrit(np.minimum(freedom, 1e9), 0.025)
        effective = np.nan_to_num(rate * (1 - rate) / variance * (Z / quantile) ** 2, nan=1.0)
    effective = np.clip(effective, np.minimum(bound, total), total)
    low, high = wilson(rate * effective, effective)
    none = rate == 0
    return np.where(none, 0.0, low), np.where(none, 1 - 0.025 ** (1 / exact), high)


def coverage_table(laws: Iterable[Law], sizes: tuple[int, ...], worlds: int) -> list[str]:
    """One row per crowd."""
    lines = [
        "| estimand, images | how they err | people | errors | before: coverage, width | after: coverage, width | people weigh "
        "equally: coverage, width | dominated | misses unnamed |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for crowd in crowds_of(laws, sizes):
        old, new = before(crowd, worlds), crowd_coverage(crowd, worlds, 1)
        lines.append(
            f"| {crowd.estimand} {crowd.rate:g}, {crowd.images} to {crowd.most} | {crowd.errs} {crowd.strength:g} | {crowd.people} "
            f"| {new.errors:.0f} | {old[0]:.3f}, {old[1]:.2f} | {new.coverage:.3f} ± {standard_error(new.coverage, worlds):.3f}, "
            f"{new.width:.2f} | {new.per_person:.3f}, {new.person_width:.2f} | {new.dominated:.2f} | {new.missed:.3f} |"
        )
    return lines


def alarm_table(worlds: int) -> list[str]:
    """False alarms and coverage of gaps in families of identical groups."""
    lines = [
        "| how they err | people | groups | coverage of a gap | false alarms | Holm p at most 0.05 | withheld |",
        "|---|---|---|---|---|---|---|",
    ]
    laws = [law for law in CHOICE if law[3] not in ("alike", "bad images")]
    for law in laws:
        for people, groups in ((40, 4), (80, 2), (40, 14)):
            crowd = next(crowds_of([law], [people]))
            if crowd.kind == "impostor" and groups > 4:
                continue
            few = worlds // 2 if crowd.kind == "impostor" else worlds
            found = crowd_gaps([crowd] * groups, few, 2)
            lines.append(
                f"| {crowd.kind}, {crowd.images} to {crowd.most}, {crowd.errs} {crowd.strength:g} | {people} | {groups} "
                f"| {found.coverage:.3f} | {found.false_alarm:.3f} ± {standard_error(found.false_alarm, few):.3f} "
                f"| {found.differs:.3f} | {found.withheld:.3f} |"
            )
    return lines


def real_table(run: Path, worlds: int) -> list[str]:
    """Coverage with people resampled from the templates of a run."""
    from facegap.statistics.clusters import rates_of_clusters
    from facegap.store.run import read_run

    known = read_run(run)
    assert known.embeddings is not None, "the run keeps no templates"
    rows = known.faces["embedding_row"].to_numpy()
    kept = rows >= 0
    templates, subjects = known.embeddings[rows[kept]], known.manifest["subject"].to_numpy()[kept]
    lines = ["| rate, threshold | truth | people | coverage, width | people weigh equally |", "|---|---|---|---|---|"]
    for threshold in (0.3, 0.35, 0.4):
        population = population_of(templates, subjects, threshold)
        of_impostors, of_mates = truths_of(population)
        for people in (20, 40, 100):
            rng = np.random.default_rng([people, round(1000 * threshold)])
            pairs = pair_columns(resampled_pairs(population, people, worlds, rng))
            lines.append(real_row(f"FMR, {threshold}", of_impostors.per_image, of_impostors.per_person, people, pairs))
            if people > (population.genuine > 0).sum() / 2 or not 0 < of_mates.per_image < 1:
                continue
            drawn = resampled_people(population, people, worlds, rng)
            cells = np.repeat(np.arange(worlds), people)
            mates = rates_of_clusters(drawn.errors.ravel(), drawn.trials.ravel(), cells, n_cells=worlds)
            lines.append(real_row(f"FNMR, {threshold}", of_mates.per_image, of_mates.per_person, people, mates))
    return lines


def real_row(name: str, truth: float, person_truth: float, people: int, rates: RateColumns) -> str:
    """One row."""

    def held(low: AnyArray, high: AnyArray, value: float) -> float:
        return float(((low <= value) & (value <= high)).mean())

    least, most = np.quantile(rates.value, [0.025, 0.975])
    width = float(np.median(rates.high - rates.low) / (most - least)) if most > least else float("nan")
    covered = held(rates.low, rates.high, truth)
    of_people = held(rates.per_person_low, rates.per_person_high, person_truth)
    error = standard_error(covered, len(rates.low))
    return f"| {name} | {truth:.5f} | {people} | {covered:.3f} ± {error:.3f}, {width:.2f} | {of_people:.3f} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the worlds")
    parser.add_argument("--run", type=Path, help="a run folder with templates")
    given = parser.parse_args()
    worlds = 200 if given.quick else 2_000
    if given.run is not None:
        print("### People resampled from real templates", "", *real_table(given.run, worlds), sep="\n")
        return
    for title, laws in (("choice", CHOICE), ("check", CHECK), ("last", LAST)):
        print(
            f"### Settings of `{title}`", "", *coverage_table(laws, (10, 20, 40, 80), worlds), "", sep="\n", flush=True
        )
    print("### Families of groups that are alike", "", *alarm_table(worlds), sep="\n")


if __name__ == "__main__":
    main()
