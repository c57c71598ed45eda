"""How often facegap's 95 % intervals hold the planted truth, and how often its verdicts are wrong.

    python benchmarks/coverage_study.py            about 5 minutes on 2 cores; prints Markdown
    python benchmarks/coverage_study.py --worlds 200

Each world draws new people, so what is covered is the rate of the population, not of the people at hand. Everything is
seeded: the same command prints the same tables. naive is Wilson with every image or pair as an independent trial;
plain is Wilson on the effective trials of the published variance formula.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
from fairlearn.metrics import MetricFrame

from facegap.statistics.effective import RateColumns
from facegap.statistics.gaps import GapFamily, gap_family
from facegap.statistics.verdicts import GAP, WITHIN
from planted_worlds import Array, Outcome, Setting, coverage, covers, rates_of, setting_key, settings, subject_errors

SEED = 20240611
FEW_SUBJECTS_FACTOR = 5  # worlds of 10 and 20 people are cheap, so they are drawn more often
METRICS = {"impostor": "fmr", "genuine": "fnmr", "classification": "error_rate_all"}


@dataclass(frozen=True)
class Family:
    """Groups whose rates are `setting.rate` times (or plus) the entries of `planted`."""

    setting: Setting
    planted: tuple[float, ...]
    about: str

    @property
    def metric(self) -> str:
        """Name that decides whether gaps are ratios or differences."""
        return METRICS[self.setting.kind]


def families() -> list[Family]:
    """Equal groups for false alarms, groups just at the margin for honesty, and twice the margin for power."""
    equal, alike = (0.0,) * 4, (1.0,) * 4
    base = [
        Setting("classification", 40, 2, 0.05, "beta", 0.1),
        Setting("classification", 20, 5, 0.2, "probit", 0.1),
        Setting("genuine", 40, 5, 0.05, "beta", 0.1),
        Setting("impostor", 20, 2, 0.1, "probit", 0.1),
        Setting("impostor", 40, 2, 0.01, "probit", 0.1),
        Setting("impostor", 40, 5, 0.01, "probit", 0.1),
    ]
    found = [Family(s, alike if s.kind == "impostor" else equal, "no gap at all") for s in base]
    large = Setting("classification", 2000, 1, 0.05, "probit", 0.0)
    pairs = Setting("impostor", 200, 2, 0.01, "probit", 0.0)
    found += [
        Family(large, (0.0, 0.02), "a gap just as large as the margin"),
        Family(pairs, (1.0, 2.0), "a gap just as large as the margin"),
        Family(large, (0.0, 0.0), "no gap, many subjects"),
        Family(large, (0.0, 0.04), "a gap of twice the margin"),
        Family(pairs, (1.0, 4.0), "a gap of twice the margin"),
    ]
    return found


def judge(family: Family, worlds: int, seed: int) -> dict[str, float]:
    """Share of worlds in which any gap of the family has each verdict, or differs."""
    rng = np.random.default_rng([seed, 77, *setting_key(family.setting), len(family.planted)])
    is_ratio = family.setting.kind == "impostor"
    rates = [family.setting.rate * x if is_ratio else family.setting.rate + x for x in family.planted]
    groups = [replace(family.setting, rate=rate) for rate in rates]
    columns = [rates_of_many(group, worlds, rng) for group in groups]
    judged = [family_of(family.metric, columns, world) for world in range(worlds)]
    return {
        "differs": float(np.mean([found.columns.differs.any() for found in judged])),
        GAP: float(np.mean([(found.columns.verdict == GAP).any() for found in judged])),
        WITHIN: float(np.mean([(found.columns.verdict == WITHIN).any() for found in judged])),
    }


def rates_of_many(setting: Setting, worlds: int, rng: np.random.Generator) -> list[RateColumns]:
    """Rates of one group in many worlds, drawn in parts to bound the memory."""
    size = 50 if setting.subjects > 100 and setting.kind == "impostor" else 500
    return [rates_of(setting, min(size, worlds - start), rng)[0] for start in range(0, worlds, size)]


def family_of(metric: str, columns: list[list[RateColumns]], world: int) -> GapFamily:
    """The gaps of one world, by the call that an audit makes."""
    size = len(columns[0][0].errors)
    rows = [parts[world // size].rate(world % size) for parts in columns]
    return gap_family(
        [f"group {k}" for k in range(len(rows))],
        [row.errors for row in rows],
        [row.trials for row in rows],
        [row.subjects for row in rows],
        [row.effective_trials for row in rows],
        metric=metric,
    )


def row_bootstrap(setting: Setting, worlds: int, resamples: int, seed: int) -> tuple[float, float]:
    """Coverage of fairlearn's bootstrap by_group_ci and of facegap over the same worlds, each world one group."""
    rng = np.random.default_rng([seed, 88, *setting_key(setting)])
    errors, trials = subject_errors(setting, worlds, rng)
    wrong = np.arange(trials) < errors[:, :, None]  # rows of a subject, wrong ones first
    frame = MetricFrame(
        metrics=share_wrong,
        y_true=np.zeros(wrong.size, dtype=np.int64),
        y_pred=wrong.ravel().astype(np.int64),
        sensitive_features=np.repeat(np.arange(worlds), wrong[0].size),
        n_boot=resamples,
        ci_quantiles=[0.025, 0.975],
        random_state=seed,
    )
    low, high = (np.asarray(end, dtype=np.float64) for end in frame.by_group_ci)
    rng = np.random.default_rng([seed, 88, *setting_key(setting)])
    ours = rates_of(setting, worlds, rng)[0]
    return float(covers(low, high, setting.rate).mean()), float(covers(ours.low, ours.high, setting.rate).mean())


def share_wrong(y_true: Array, y_pred: Array) -> float:
    """Error rate as fairlearn calls it."""
    return float(np.mean(np.asarray(y_true) != np.asarray(y_pred)))


def coverage_table(outcomes: list[Outcome]) -> str:
    """Markdown: one row per kind, strength and number of subjects, with the range over images and rates."""
    lines = [
        "| kind | effect | subjects | settings | facegap | plain | naive | width / plain | outside the band |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    keys = sorted({(o.setting.kind, o.setting.effect, o.setting.strength, o.setting.subjects) for o in outcomes})
    for key in keys:
        rows = [o for o in outcomes if (o.setting.kind, o.setting.effect, o.setting.strength, o.setting.subjects) == key]
        of = {name: [getattr(o, name) for o in rows] for name in ("facegap", "plain", "naive", "width")}
        faults = sum(bool(o.faults) for o in rows) if any(o.setting.must_hold for o in rows) else "reported only"
        kind, effect, strength, subjects = key
        lines.append(
            f"| {kind} | {effect} {strength:g} | {subjects} | {len(rows)} | {span(of['facegap'])} | {span(of['plain'])} "
            f"| {span(of['naive'])} | {span(of['width'], 2)} | {faults} |"
        )
    return "\n".join(lines)


def span(values: list[float], places: int = 3) -> str:
    """Least to greatest."""
    return f"{min(values):.{places}f} to {max(values):.{places}f}"


def each(name: str, work: Callable[[], str]) -> None:
    """Print a section and how long it took."""
    start = time.perf_counter()
    print(f"\n### {name}\n\n{work()}\n\n({time.perf_counter() - start:.0f} s)", flush=True)


def study_coverage(worlds: int, threads: int) -> str:
    """The table, then every setting outside the band by name."""
    chosen = settings()
    # The slowest first, so that no thread is left with one of them at the end.
    chosen.sort(key=lambda s: -s.subjects)
    with ThreadPoolExecutor(threads) as pool:
        outcomes = list(pool.map(lambda s: coverage(s, worlds_for(s, worlds), SEED), chosen))
    outside = [
        f"- {o.setting}: coverage {o.facegap:.4f} of {o.worlds} worlds, width {o.width:.2f} ({o.faults})"
        for o in outcomes
        if o.faults
    ]
    return coverage_table(outcomes) + "\n\nOutside the band:\n" + ("\n".join(outside) or "- none")


def worlds_for(setting: Setting, worlds: int) -> int:
    """More worlds where they are cheap: the error of a coverage near .95 is .005 with 2,000 worlds, .002 with 10,000."""
    if setting.kind in ("genuine", "classification"):
        return worlds * 10
    return worlds * FEW_SUBJECTS_FACTOR if setting.subjects <= 20 else worlds


def study_families(worlds: int, threads: int) -> str:
    """False alarms, dishonest "no gap larger", and power."""
    lines = ["| groups | planted | differs | gap | no gap larger than the margin |", "|---|---|---|---|---|"]
    chosen = families()
    with ThreadPoolExecutor(threads) as pool:
        found = list(pool.map(lambda family: judge(family, worlds, SEED), chosen))
    for family, shares in zip(chosen, found, strict=True):
        s = family.setting
        who = f"{len(family.planted)} of {s.subjects} x {s.images}, {family.metric} {s.rate:g}, {s.effect} {s.strength:g}"
        lines.append(f"| {who} | {family.about} | {shares['differs']:.3f} | {shares[GAP]:.3f} | {shares[WITHIN]:.3f} |")
    return "\n".join(lines)


def study_row_bootstrap(worlds: int) -> str:
    """fairlearn beside facegap on the same worlds."""
    lines = ["| classification | fairlearn rows | facegap |", "|---|---|---|"]
    for setting in (
        Setting("classification", 40, 1, 0.02, "probit", 0.0),
        Setting("classification", 40, 5, 0.2, "beta", 0.1),
        Setting("classification", 40, 5, 0.2, "beta", 0.3),
    ):
        theirs, ours = row_bootstrap(setting, worlds, 50, SEED)
        who = f"{setting.subjects} x {setting.images}, error {setting.rate:g}, {setting.effect} {setting.strength:g}"
        lines.append(f"| {who}, {worlds} worlds | {theirs:.3f} | {ours:.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, default=2000, help="worlds per setting (default 2000)")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    each("Coverage of 95 % intervals", lambda: study_coverage(given.worlds, given.threads))
    each("Verdicts of a family", lambda: study_families(given.worlds, given.threads))
    each("fairlearn's row bootstrap", lambda: study_row_bootstrap(min(given.worlds, 100)))


if __name__ == "__main__":
    main()
