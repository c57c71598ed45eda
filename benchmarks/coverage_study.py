"""Coverage of facegap's 95% intervals in simulations, and error rates of its verdicts, as Markdown.

    python benchmarks/coverage_study.py            some minutes on 2 cores
    python benchmarks/coverage_study.py --quick

The simulations are those of `facegap selfcheck --preset medium`, which writes a page; fairlearn's bootstrap is added here.
All simulations are seeded: the same command prints the same tables. naive is Wilson with every image or pair as an
independent trial; plain is Wilson on the effective trials of the published variance formula.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Sequence

import numpy as np
from fairlearn.metrics import MetricFrame

from facegap.selfcheck.claims import described, span
from facegap.selfcheck.rows import CoverageRow, FamilyRow, Row
from facegap.selfcheck.run import run_jobs
from facegap.selfcheck.worlds_file import preset_path, read_study
from facegap.types import AnyArray
from facegap.worlds.people import Setting, setting_key, subject_errors
from facegap.worlds.rates import covers, rates_of

SEED = 20240611


def coverage_table(rows: Sequence[CoverageRow]) -> str:
    """Markdown: one row per kind, strength and number of subjects, with the range over images and rates."""
    lines = [
        "| kind | effect | subjects | settings | facegap | plain | naive | width / plain | outside the band |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for key in sorted({(row.kind, row.effect, row.strength, row.subjects) for row in rows}):
        found = [row for row in rows if (row.kind, row.effect, row.strength, row.subjects) == key]
        of = {name: [getattr(row, name) for row in found] for name in ("facegap", "plain", "naive", "width")}
        faults = sum(bool(row.faults) for row in found) if any(row.required for row in found) else "reported only"
        kind, effect, strength, subjects = key
        lines.append(
            f"| {kind} | {effect} {strength:g} | {subjects} | {len(found)} | {span(of['facegap'])} | {span(of['plain'])} "
            f"| {span(of['naive'])} | {min(of['width']):.2f} to {max(of['width']):.2f} | {faults} |"
        )
    outside = [
        f"- {described(row)}: coverage {row.facegap:.4f} of {row.worlds} worlds, width {row.width:.2f} ({row.faults})"
        for row in rows
        if row.faults
    ]
    return "\n".join([*lines, "", "Outside the band:", *(outside or ["- none"])])


def family_table(rows: Sequence[FamilyRow]) -> str:
    """False alarms, wrong "no gap larger", and power."""
    lines = [
        "| family | rates | subjects x images | false gap | margin or more called smaller | found |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        who = ", ".join(f"{n} x {m}" for n, m in dict.fromkeys(zip(row.subjects, row.images, strict=True)))
        rates = ", ".join(f"{rate:g}" for rate in row.rates)
        shares = " | ".join("" if np.isnan(x) else f"{x:.3f}" for x in (row.false_alarm, row.dishonest, row.found))
        lines.append(f"| {row.name} | {row.metric} {rates} | {who} | {shares} |")
    return "\n".join(lines)


def row_bootstrap(setting: Setting, worlds: int, resamples: int) -> tuple[float, float]:
    """Coverage of fairlearn's bootstrap by_group_ci and of facegap in the same simulations, each with one group."""
    rng = np.random.default_rng([SEED, 88, *setting_key(setting)])
    errors, trials = subject_errors(setting, worlds, rng)
    wrong = np.arange(trials) < errors[:, :, None]  # rows of a subject, wrong ones first
    frame = MetricFrame(
        metrics=share_wrong,
        y_true=np.zeros(wrong.size, dtype=np.int64),
        y_pred=wrong.ravel().astype(np.int64),
        sensitive_features=np.repeat(np.arange(worlds), wrong[0].size),
        n_boot=resamples,
        ci_quantiles=[0.025, 0.975],
        random_state=SEED,
    )
    low, high = (np.asarray(end, dtype=np.float64) for end in frame.by_group_ci)
    ours = rates_of(setting, worlds, np.random.default_rng([SEED, 88, *setting_key(setting)]))[0]
    return float(covers(low, high, setting.rate).mean()), float(covers(ours.low, ours.high, setting.rate).mean())


def share_wrong(y_true: AnyArray, y_pred: AnyArray) -> float:
    """Error rate, as a metric function for fairlearn."""
    return float(np.mean(np.asarray(y_true) != np.asarray(y_pred)))


def bootstrap_table(worlds: int) -> str:
    """fairlearn and facegap in the same simulations."""
    lines = ["| classification | fairlearn rows | facegap |", "|---|---|---|"]
    for setting in (
        Setting("classification", 40, 1, 0.02, "probit", 0.0),
        Setting("classification", 40, 5, 0.2, "beta", 0.1),
        Setting("classification", 40, 5, 0.2, "beta", 0.3),
    ):
        theirs, ours = row_bootstrap(setting, worlds, 50)
        who = f"{setting.subjects} x {setting.images}, error {setting.rate:g}, {setting.effect} {setting.strength:g}"
        lines.append(f"| {who}, {worlds} worlds | {theirs:.3f} | {ours:.3f} |")
    return "\n".join(lines)


def rows_of(part: str, *, quick: bool, workers: int) -> list[Row]:
    """Rows of one part of the preset."""
    jobs = [job for job in read_study(preset_path("medium"), quick=quick).jobs if job.part == part]
    done = dict(run_jobs(jobs, SEED, skip={}, workers=workers))
    return [done[number] for number in range(len(jobs))]


def each(name: str, work: Callable[[], str]) -> None:
    """Print a section and its duration."""
    start = time.perf_counter()
    print(f"\n### {name}\n\n{work()}\n\n({time.perf_counter() - start:.0f} s)", flush=True)


def main() -> None:
    """Run everything."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the worlds")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    each("Coverage of 95 % intervals", lambda: coverage_table(rows_of("coverage", **vars(given))))
    each("Verdicts of a family", lambda: family_table(rows_of("families", **vars(given))))
    each("fairlearn's row bootstrap", lambda: bootstrap_table(100))


if __name__ == "__main__":
    main()
