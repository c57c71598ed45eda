"""The matching loop compared with a matrix product and other libraries: the tables of benchmarks/README.md.

python benchmarks/bench_matching.py table OUT      N = 32,768, d = 512 and 128, one thread and all: OUT.json and OUT.md
python benchmarks/bench_matching.py growth OUT     time per pair from 32,768 to 131,072 rows
python benchmarks/bench_matching.py large OUT      200,000 x 200,000 at d = 512, once, all threads
pytest benchmarks/bench_matching.py                small sizes under pytest-benchmark, for comparing two commits
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.bench.matching import (
    MatchingBench,
    as_json,
    as_markdown,
    bench_matching,
    machine,
)
from facegap.bench.peers import BINS, JOBS, TAIL_LIMIT, peak_mib
from facegap.bench.rows import face_like, floor_at
from facegap.matching import choose_filter, count_scores
from facegap.matching.filters import why_not
from facegap.runtime import usable_cores

ROWS, DEPTHS, TURNS = 32_768, (512, 128), 5
GROWTH_ROWS, GROWTH_TURNS = (32_768, 65_536, 131_072), 3
LARGE_ROWS, LARGE_DEPTH, MILLION = 200_000, 512, 1_000_000
WIDEST_GROWTH = 0.15


def table(out: Path) -> None:
    """Every candidate of every job at both depths, with one thread and with all."""
    jobs = []
    for threads in sorted({1, usable_cores()}):
        for depth in DEPTHS:
            done = bench_matching(rows=ROWS, depth=depth, threads=threads, turns=TURNS, rng=np.random.default_rng(0))
            jobs += done.jobs
            print(as_markdown(done), flush=True)
    write(out, replace(MatchingBench(machine()), jobs=tuple(jobs)))


def write(out: Path, bench: MatchingBench) -> None:
    """Write JSON and Markdown next to each other."""
    out.with_suffix(".json").write_text(as_json(bench))
    out.with_suffix(".md").write_text(as_markdown(bench))


def growth(out: Path) -> None:
    """Time per pair of the chosen filter, one thread, sizes in turns."""
    lines = ["| d | rows | ns a pair (median) | over the smallest | verdict |", "|---|---|---|---|---|"]
    kept: dict[str, Any] = {"machine": machine(), "ns_per_pair": {}}
    for depth in DEPTHS:
        rng = np.random.default_rng(0)
        rows, subjects, groups = face_like(rng, max(GROWTH_ROWS), depth)
        floor = floor_at(1e-3, rows, subjects, rng)
        name = choose_filter(rows, floor=floor).name
        ns = np.zeros((1 + GROWTH_TURNS, len(GROWTH_ROWS)))
        for turn in range(len(ns)):
            for k, n in enumerate(GROWTH_ROWS):
                start = time.perf_counter_ns()
                count_scores(
                    rows[:n],
                    subjects[:n],
                    groups[:n],
                    floor=floor,
                    bins=BINS,
                    tail_limit=TAIL_LIMIT,
                    filter=name,
                    workers=1,
                )
                ns[turn, k] = (time.perf_counter_ns() - start) / (n * (n - 1) / 2)
        kept["ns_per_pair"][depth] = ns[1:].tolist()  # the first turn warms up
        relative = np.median(ns[1:] / ns[1:, :1], axis=0)
        for n, value, ratio in zip(GROWTH_ROWS, np.median(ns[1:], axis=0), relative, strict=True):
            verdict = "within 15 %" if ratio <= 1 + WIDEST_GROWTH else "grows"
            lines.append(f"| {depth} | {n:,} | {value:.3f} | {ratio:.2f} | {verdict} |")
    out.with_suffix(".json").write_text(json.dumps(kept, indent=1))
    out.with_suffix(".md").write_text("\n".join(lines) + "\n")
    print("\n".join(lines))


def large(out: Path) -> None:
    """One run of 200,000 x 200,000 from a memory-mapped file."""
    rng = np.random.default_rng(0)
    rows, subjects, groups = face_like(rng, LARGE_ROWS, LARGE_DEPTH)
    floor = floor_at(1e-3, rows, subjects, rng)
    path = out.with_suffix(".npy")
    np.save(path, rows)
    del rows
    mapped = np.load(path, mmap_mode="r")
    chosen = choose_filter(mapped, floor=floor)
    count_scores(
        mapped[:6000], subjects[:6000], groups[:6000], floor=floor, bins=BINS, tail_limit=100, filter=chosen.name
    )
    Path("/proc/self/clear_refs").write_text("5")  # the peak is measured from here
    before = peak_mib()
    start = time.perf_counter()
    counts = count_scores(
        mapped,
        subjects,
        groups,
        floor=floor,
        bins=BINS,
        tail_limit=TAIL_LIMIT,
        filter=chosen.name,
        workers=usable_cores(),
    )
    seconds = time.perf_counter() - start
    pairs = LARGE_ROWS * (LARGE_ROWS - 1) / 2
    assert counts.impostor_pairs.sum() + counts.genuine_pairs.sum() == pairs
    result = {
        "machine": machine(),
        "rows": LARGE_ROWS,
        "depth": LARGE_DEPTH,
        "workers": usable_cores(),
        "floor": floor,
        "filter": chosen.reason,
        "seconds": seconds,
        "pairs_per_s": pairs / seconds,
        "peak_mib_before": before,
        "peak_mib": peak_mib(),
        "embeddings_mib": mapped.nbytes / 2**20,
        "impostors_counted": int(counts.impostor.sum()),
        "tail": len(counts.tail),
        "tail_floor": counts.tail_floor,
        "million_seconds_extrapolated": seconds * (MILLION / LARGE_ROWS) ** 2,
    }
    path.unlink()
    out.with_suffix(".json").write_text(json.dumps(result, indent=1))
    text = (
        f"200,000 x 200,000 at d=512, {usable_cores()} workers, {chosen.name} filter: {seconds:.1f} s, "
        f"{pairs / seconds / 1e9:.2f} G pairs/s; peak memory {peak_mib():,.0f} MiB against {before:,.0f} MiB before the run, "
        f"up to {mapped.nbytes / 2**20:,.0f} MiB of it mapped embeddings. 1,000,000 rows, extrapolated: "
        f"{seconds * (MILLION / LARGE_ROWS) ** 2 / 60:.1f} min.\n"
    )
    out.with_suffix(".md").write_text(text)
    print(text)


CANDIDATES = [(job, name) for job, names in JOBS.items() for name in names]


@pytest.mark.parametrize(("job", "name"), CANDIDATES)
def test_small(benchmark: Any, job: str, name: str) -> None:
    """One candidate at 8,192 rows, d = 128, one thread."""
    from threadpoolctl import threadpool_limits

    from facegap.bench.matching import FILTER_OF, why_left_out
    from facegap.bench.peers import Case

    if why := why_left_out(name) or (why_not(FILTER_OF[name]) if name in FILTER_OF else ""):
        pytest.skip(why)
    rng = np.random.default_rng(0)
    rows, subjects, groups = face_like(rng, 8192 + 256, 128)
    case = Case(
        rows[:8192], subjects[:8192], groups[:8192], rows[8192:], rng.integers(0, 8192, (30_000, 2)), 0.28, 10, 1
    )
    with threadpool_limits(1):
        benchmark.pedantic(JOBS[job][name], (case,), rounds=5, warmup_rounds=1)


if __name__ == "__main__":
    if len(sys.argv) != 3 or sys.argv[1] not in ("table", "growth", "large"):
        raise SystemExit(__doc__)
    {"table": table, "growth": growth, "large": large}[sys.argv[1]](Path(sys.argv[2]))
