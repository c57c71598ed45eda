"""Tests of a gap with rare errors: exact size, coverage and power, before and after, as Markdown.

    python benchmarks/rare_errors.py            under ten minutes on 2 cores
    python benchmarks/rare_errors.py --quick

Size, coverage and power are exact sums over all outcomes of two binomials; the size is the maximum over common rates.
before: Newcombe's interval of the difference, Katz's or Koopman's of the ratio; after: the single test of `difference_p`,
which both intervals of a gap invert. False alarms and power with clusters are simulated and seeded.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import replace

import numpy as np
from scipy.special import bdtr, bdtrc
from scipy.stats import binom

from facegap.statistics import dyadic_fmr, newcombe_difference, rates_of_clusters, ratio_interval
from facegap.statistics.family_tests import gap_tests
from facegap.statistics.intervals import difference_at, difference_p, two_sided_z
from facegap.statistics.lending import lent_trials
from facegap.statistics.ratios import ratio_at
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray, Rate
from facegap.worlds.families import pairs_of, rates_of_many
from facegap.worlds.pairs import sparse_false_matches
from facegap.worlds.people import Setting, person_chances

SIZES = (20, 30, 50, 100, 200, 500, 1000, 2000, 5000)
RATES = np.unique(np.concatenate([np.geomspace(2e-6, 0.5, 700), np.linspace(0.005, 0.5, 250)]))
Z = two_sided_z(0.95)
Limits = tuple[FloatArray, FloatArray]
Interval = Callable[[FloatArray, float, FloatArray, float], Limits]  # errors and trials of a, then of b


def difference_after(errors_a: FloatArray, trials_a: float, errors_b: FloatArray, trials_b: float) -> Limits:
    """The interval of a difference in gaps.csv."""
    n_a, n_b = np.full_like(errors_a, trials_a), np.full_like(errors_b, trials_b)
    return difference_at(errors_a / n_a, n_a, errors_b / n_b, n_b, Z)


def ratio_after(errors_a: FloatArray, trials_a: float, errors_b: FloatArray, trials_b: float) -> Limits:
    """The interval of a ratio in gaps.csv."""
    n_a, n_b = np.full_like(errors_a, trials_a), np.full_like(errors_b, trials_b)
    return ratio_at(errors_a / n_a, n_a, errors_b / n_b, n_b, Z)


BEFORE: dict[str, Interval] = {"difference": newcombe_difference, "ratio": ratio_interval}
AFTER: dict[str, Interval] = {"difference": difference_after, "ratio": ratio_after}
NONE = {"difference": 0.0, "ratio": 1.0}


def rejected(interval: Interval, scale: str, trials_a: int, trials_b: int) -> tuple[FloatArray, FloatArray]:
    """For each number of errors in a: the largest significantly lower number in b (-1 for none), and the smallest higher one."""
    errors_a = np.arange(trials_a + 1.0)
    none = NONE[scale]

    def apart(errors_b: FloatArray) -> BoolArray:
        low, high = interval(errors_a, trials_a, errors_b, trials_b)
        return np.asarray((low > none) | (high < none))

    same = np.floor(errors_a * trials_b / trials_a)
    some_fewer, some_more = apart(np.zeros_like(same)), apart(np.full_like(same, float(trials_b)))
    yes, no = np.where(some_fewer, 0.0, -1.0), same + 1
    more_yes, more_no = np.where(some_more, float(trials_b), trials_b + 1.0), same
    for _ in range(int(np.ceil(np.log2(trials_b + 1))) + 1):
        middle = np.floor((yes + no) / 2)
        found, between = apart(np.clip(middle, 0, trials_b)) & some_fewer, (middle > yes) & (middle < no)
        yes, no = np.where(between & found, middle, yes), np.where(between & ~found, middle, no)
        middle = np.floor((more_yes + more_no) / 2)
        found, between = (
            apart(np.clip(middle, 0, trials_b)) & some_more,
            (middle > more_no) & (middle < more_yes),
        )
        more_yes, more_no = np.where(between & found, middle, more_yes), np.where(between & ~found, middle, more_no)
    return yes, more_yes


def share_rejected(
    region: tuple[FloatArray, FloatArray], trials_a: int, trials_b: int, rate_a: float, rate_b: float
) -> float:
    """Probability of the outcomes of `rejected`."""
    weights = binom.pmf(np.arange(trials_a + 1), trials_a, rate_a)
    seen = weights > 1e-13
    fewer, more = region[0][seen], region[1][seen]
    below = np.where(fewer >= 0, bdtr(np.maximum(fewer, 0), trials_b, rate_b), 0.0)
    above = np.where(more <= trials_b, bdtrc(np.clip(more - 1, 0, trials_b), trials_b, rate_b), 0.0)
    return float(weights[seen] @ (below + above))


def size_of(interval: Interval, scale: str, trials_a: int, trials_b: int) -> float:
    """The largest probability of a gap at nominal 0.05 between groups with equal rates."""
    region = rejected(interval, scale, trials_a, trials_b)
    return max(share_rejected(region, trials_a, trials_b, rate, rate) for rate in RATES)


def size_table(sizes: tuple[int, ...]) -> str:
    """Markdown: a row per pair of group sizes."""
    lines = [
        "| people a v b | Newcombe (before) | Katz or Koopman (before) | after, both scales |",
        "|---|---|---|---|",
    ]
    worst = [0.0, 0.0, 0.0]
    for place, trials_a in enumerate(sizes):
        for trials_b in sizes[place:]:
            found = [
                size_of(BEFORE["difference"], "difference", trials_a, trials_b),
                size_of(BEFORE["ratio"], "ratio", trials_a, trials_b),
                size_of(AFTER["difference"], "difference", trials_a, trials_b),
            ]
            worst = [max(pair) for pair in zip(worst, found, strict=True)]
            lines.append(f"| {trials_a} v {trials_b} | " + " | ".join(f"{size:.4f}" for size in found) + " |")
    return "\n".join([*lines, "| largest | " + " | ".join(f"**{size:.4f}**" for size in worst) + " |"])


def coverage_of(interval: Interval, scale: str, trials_a: int, trials_b: int) -> tuple[float, float]:
    """Minimum and mean coverage over true ratios 1, 2 and 5 of rates up to 0.9."""
    a, b = (side.ravel() for side in np.meshgrid(np.arange(trials_a + 1.0), np.arange(trials_b + 1.0), indexing="ij"))
    low, high = interval(a, trials_a, b, trials_b)
    covered = []
    for ratio in (1, 2, 5):
        for rate in np.geomspace(0.1 / max(trials_a, trials_b), 0.9 / ratio, 40):
            truth = ratio * rate - rate if scale == "difference" else float(ratio)
            inside = (low <= truth + 1e-12) & (truth - 1e-12 <= high)
            weights = [binom.pmf(np.arange(n + 1), n, p) for n, p in ((trials_a, ratio * rate), (trials_b, rate))]
            covered.append(float(weights[0] @ inside.reshape(trials_a + 1, -1) @ weights[1]))
    return min(covered), float(np.mean(covered))


def coverage_table(pairs: tuple[tuple[int, int], ...]) -> str:
    """Markdown: minimum and mean coverage of both intervals."""
    lines = ["| people a v b | scale | before: least, mean | after: least, mean |", "|---|---|---|---|"]
    for trials_a, trials_b in pairs:
        for scale in ("difference", "ratio"):
            found = [coverage_of(kind[scale], scale, trials_a, trials_b) for kind in (BEFORE, AFTER)]
            cells = " | ".join(f"{least:.3f}, {mean:.3f}" for least, mean in found)
            lines.append(f"| {trials_a} v {trials_b} | {scale} | {cells} |")
    return "\n".join(lines)


def power_table() -> str:
    """Markdown: results for single tables, and how often a planted gap is found."""
    lines = ["| table | before: difference, ratio | after: difference, ratio |", "|---|---|---|"]
    for a, n_a, b, n_b in ((30, 300, 15, 300), (5, 60, 0, 60), (1, 20, 2, 1000), (1, 20, 5, 1000)):
        cells = []
        for kind in (BEFORE, AFTER):
            ends = [kind[scale](np.array([float(a)]), n_a, np.array([float(b)]), n_b) for scale in kind]
            cells.append(", ".join(f"{low[0]:.4f} to {high[0]:.4f}" for low, high in ends))
        lines.append(f"| {a}/{n_a} v {b}/{n_b} | {cells[0]} | {cells[1]} |")
    lines += ["", "| rates planted | Newcombe (before) | Katz or Koopman (before) | after |", "|---|---|---|---|"]
    for n_a, rate_a, n_b, rate_b in (
        (300, 0.1, 300, 0.05),
        (60, 5 / 60, 60, 0.002),
        (60, 0.15, 60, 0.02),
        (20, 0.1, 1000, 0.01),
        (40, 0.35, 40, 0.05),
        (1000, 0.02, 1000, 0.01),
    ):
        found = [
            share_rejected(rejected(interval, scale, n_a, n_b), n_a, n_b, rate_a, rate_b)
            for interval, scale in (
                (BEFORE["difference"], "difference"),
                (BEFORE["ratio"], "ratio"),
                (AFTER["difference"], "difference"),
            )
        ]
        planted = f"{rate_a:.3g} of {n_a} v {rate_b:.3g} of {n_b}"
        lines.append(f"| {planted} | " + " | ".join(f"{share:.3f}" for share in found) + " |")
    return "\n".join(lines)


def found_gaps(base: Setting, groups: int, ratio: float, worlds: int, *, lent: bool) -> AnyArray:
    """Whether Holm's p of each gap is at most 0.05, bool [worlds, gaps]; the first group has `ratio` times the rate."""
    rng = np.random.default_rng([7, groups, base.subjects, round(100 * ratio)])
    settings = [replace(base, rate=base.rate * ratio), *[base] * (groups - 1)]
    parts = [rates_of_many(setting, worlds, rng) for setting in settings]
    value, effective, errors, trials = (
        np.stack([np.concatenate([getattr(part, name) for part in row]) for row in parts], axis=1)
        for name in ("value", "effective_trials", "errors", "trials")
    )
    if lent:
        effective = lent_trials(errors, trials, np.full_like(trials, base.subjects), effective)
    first, second = pairs_of(groups)
    effective = np.nan_to_num(effective)
    sides = (value[:, first], effective[:, first], value[:, second], effective[:, second])
    return gap_tests(sides, is_ratio=True, margin=2.0, alpha=0.05).differs


def cluster_table(worlds: int) -> str:
    """Markdown: verdicts on false match rates of four groups, some without a false match, with and without lending."""
    lines = [
        "| people x images | FMR | rho | false alarms: own trials, lent | found at 20 times the rate: own, lent |",
        "|---|---|---|---|---|",
    ]
    settings: IntArray = np.array([(60, 15), (60, 2), (150, 1)])
    for people, images in settings:
        for rate in (1e-3, 1e-4, 1e-5):
            for strength in (0.0, 0.1, 0.25):
                base = Setting("impostor", int(people), int(images), rate, "probit", strength)
                cells = []
                for ratio in (1.0, 20.0):
                    shares = [
                        found_gaps(base, 4, ratio, worlds, lent=lent)[:, slice(None) if ratio == 1 else slice(0, 3)]
                        .any(axis=1)
                        .mean()
                        for lent in (False, True)
                    ]
                    cells.append(", ".join(f"{share:.3f}" for share in shares))
                lines.append(f"| {people} x {images} | {rate:g} | {strength:g} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def steps_of_images(people: int, images: int, rate: float, strength: float, worlds: int) -> list[tuple[int, bool]]:
    """For each simulation the errors of the better group, and whether removing one loses a gap to a group ten times worse."""
    rng = np.random.default_rng([8, people, images])
    cells = np.repeat([0, 1], people)
    found = []
    for _ in range(worlds):
        chance = [person_chances(share, "beta", strength, (people,), rng) for share in (10 * rate, rate)]
        errors = rng.binomial(images, np.concatenate(chance))
        better = errors[people:]
        if not better.sum():
            continue
        less = errors.copy()
        less[people + rng.choice(people, p=better / better.sum())] -= 1
        p = [p_of_images(counts, images, cells) for counts in (errors, less)]
        found.append((int(better.sum()), p[0] <= 0.05 < p[1]))
    return found


def p_of_images(errors: IntArray, images: int, cells: IntArray) -> float:
    """p of the gap between two groups of people with equal numbers of images."""
    rates = rates_of_clusters(errors, np.full(len(errors), images), cells, n_cells=2)
    return p_of(rates.errors, rates.trials, rates.subjects, rates.effective_trials)


def steps_of_pairs(people: int, rate: float, strength: float, worlds: int) -> list[tuple[int, bool]]:
    """`steps_of_images` for false matches of people with one image each, compared with a group with twenty times the rate."""
    rng, images = np.random.default_rng([9, people]), np.ones(people, np.int64)
    found = []
    for _ in range(worlds):
        (left, right), (best_left, best_right) = (
            sparse_false_matches(images, share, strength, rng) for share in (20 * rate, rate)
        )
        if not len(best_left):
            continue
        worse, keep = pair_rate(left, right, images), np.arange(len(best_left)) != rng.integers(len(best_left))
        p = []
        for chosen in (np.ones_like(keep), keep):
            best = pair_rate(best_left[chosen], best_right[chosen], images)
            columns = ("errors", "trials", "subjects", "effective_trials")
            p.append(p_of(*(np.array([getattr(rate, name) for rate in (worse, best)]) for name in columns)))
        found.append((len(best_left), p[0] <= 0.05 < p[1]))
    return found


def pair_rate(left: IntArray, right: IntArray, images: IntArray) -> Rate:
    """The false match rate of a group from its false matches."""
    return dyadic_fmr(left, right, np.ones(len(left), np.int64), images=images)


def p_of(errors: IntArray, trials: IntArray, subjects: IntArray, effective: FloatArray) -> float:
    """p of the gap between two groups, as an audit tests it."""
    lent, rate = lent_trials(errors, trials, subjects, effective), errors / trials
    return float(difference_p(rate[:1], lent[:1], rate[1:], lent[1:])[0])


def step_table(worlds: int) -> str:
    """Markdown: how often removing one error from the better group loses a gap, by its number of errors."""
    lines = [
        "| trials | 1 to none | 2 to 1 | 3 to 2 | more |",
        "|---|---|---|---|---|",
    ]
    for name, steps in (
        ("60 people x 15 images, 1%, icc 0.3", steps_of_images(60, 15, 0.01, 0.3, worlds)),
        ("60 people x 15 images, 0.2%, icc 0.1", steps_of_images(60, 15, 0.002, 0.1, worlds)),
        ("pairs of 150 people, FMR 0.0001, rho 0.1", steps_of_pairs(150, 1e-4, 0.1, worlds)),
        ("pairs of 60 people, FMR 0.001, rho 0.25", steps_of_pairs(60, 1e-3, 0.25, worlds)),
    ):
        cells = []
        for least, most in ((1, 1), (2, 2), (3, 3), (4, 10**9)):
            lost = [gone for errors, gone in steps if least <= errors <= most]
            cells.append(f"{sum(lost)} of {len(lost)}")
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Print every table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer sizes and worlds")
    quick = parser.parse_args().quick
    with np.errstate(divide="ignore", invalid="ignore"):
        print(size_table((20, 1000, 5000) if quick else SIZES), end="\n\n")
        pairs = ((20, 20), (20, 1000), (40, 40), (100, 100), (100, 20), (300, 300))
        print(coverage_table(pairs[:3] if quick else pairs), end="\n\n")
        print(power_table(), end="\n\n", flush=True)
        print(cluster_table(100 if quick else 1000), end="\n\n", flush=True)
        print(step_table(100 if quick else 1000))


if __name__ == "__main__":
    main()
