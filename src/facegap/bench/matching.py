"""The speed of all-pairs comparison on this machine, relative to a matrix product and other libraries.

Each candidate runs in its own process; the candidates take turns, so that a drift of the clock affects all equally, and a
ratio is the median over turns of the ratio within a turn. A ratio with distant quartiles is not reported as a result.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_info

from facegap.bench.peers import APPROXIMATE, JOBS, VECTORS_ALONE
from facegap.bench.rows import floor_at, from_file, made_up, open_floor_of, survivors
from facegap.errors import MatchingError
from facegap.matching import choose_filter
from facegap.matching.filters import FILTERS, why_not
from facegap.matching.kernels import numba_is_installed
from facegap.matching.prefix import prefix_of
from facegap.matching.processor import Processor
from facegap.runtime import processor_name, usable_cores, version_of
from facegap.types import FloatArray

WIDEST_SPREAD = 0.25  # maximum interquartile range of a ratio, relative to its median, for a result
FEWEST_TURNS = 3  # with fewer the spread is unknown
PROBES, PAIRS, RANKS = 10_000, 300_000, 10
FLATTERING = (
    "OPENBLAS_CORETYPE",
    "OPENBLAS_L2_SIZE",
)  # if set, these may slow down numpy's product and so improve every ratio
NEEDS = {
    "faiss IndexFlatIP": "faiss",
    "faiss IndexHNSWFlat, built before": "faiss",
    "faiss range_search": "faiss",
    "sklearn brute": "sklearn",
}
# Limits the libraries to AVX2 and FMA; they read these when they are loaded, so a process must start with them.
AVX2_ALONE = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse2,+sse3,+sse4.1,+sse4.2,+ssse3",
    "OPENBLAS_CORETYPE": "Haswell",
    "FAISS_OPT_LEVEL": "AVX2",
}
FILTER_OF = {"ours, fused float32": "fused", "ours, int8 in registers": "int8", "ours, int8 by AMX": "amx"}


@dataclass(frozen=True)
class Timing:
    """Times of one candidate, one per turn; extra_mib is the memory in addition to that of a small run before."""

    wall_ns: tuple[int, ...]
    cpu_ns: tuple[int, ...]
    extra_mib: float
    answer: Any


@dataclass(frozen=True)
class Ratio:
    """How many times faster `candidate` is than `than`, with quartiles over turns; `result` says whether they are close."""

    candidate: str
    than: str
    low: float
    median: float
    high: float
    cpu: float
    turns: int

    @property
    def result(self) -> bool:
        """Whether the turns are numerous and consistent enough to report the median."""
        return self.turns >= FEWEST_TURNS and (self.high - self.low) / self.median <= WIDEST_SPREAD


@dataclass(frozen=True)
class Job:
    """One job at one depth and number of threads."""

    job: str
    rows: int
    depth: int
    threads: int
    comparisons: int  # pairs in one run
    floor: float
    filter_reason: str
    timings: Mapping[str, Timing]
    ratios: tuple[Ratio, ...]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class MatchingBench:
    """All jobs, and the machine that ran them."""

    machine: Mapping[str, Any]
    jobs: tuple[Job, ...] = field(default=())


def bench_matching(
    *,
    rows: int = 32_768,
    depth: int = 512,
    threads: int = 1,
    turns: int = 5,
    fmr: float = 1e-3,
    spectrum: str = "mobileface_v2",
    templates: Path | None = None,
    resample: bool = False,
    jobs: Sequence[str] = tuple(JOBS),
    candidates: Sequence[str] | None = None,
    rng: np.random.Generator,
) -> MatchingBench:
    """Time facegap's functions and every installed peer, on synthetic templates or on those of a file.

    rows, depth : of the embeddings; a search has `rows` gallery rows and 10,000 probes, a pair list 300,000 pairs
    fmr         : proportion of impostor pairs at or above the floor of the counted tail
    spectrum    : of the synthetic templates, one of spectra.SPECTRA
    templates   : .npy file of float32 templates to use instead; it also determines the depth
    resample    : create rows beyond those of the file as mixtures of its templates, as stated in the output
    threads     : number of threads per candidate
    turns       : number of measured runs per candidate
    jobs        : any of counts, search, open set, pairs
    candidates  : names from bench.peers.JOBS; all by default
    """
    unknown = set(jobs) - set(JOBS)
    unknown |= set(candidates or ()) - {name for job in JOBS.values() for name in job}
    if unknown or rows < 2 * RANKS or threads < 1 or turns < 1:
        raise MatchingError(
            f"{sorted(unknown)}: not a job of {', '.join(JOBS)}, nor one of their candidates; or rows, threads, turns are too small"
        )
    if templates:
        case, of = from_file(rng, templates, rows, PROBES, resample=resample)
    else:
        case, of = made_up(rng, rows, PROBES, depth, spectrum), f"synthetic, {spectrum} spectrum"
    depth, alone = case.rows.shape[1], kept_to_avx2()
    floor = floor_at(fmr, case.rows, case.subjects, rng)
    arrays = {**case._asdict(), "pairs": rng.integers(0, rows, (PAIRS, 2))}
    choice = choose_filter(case.rows, floor=floor, processor=VECTORS_ALONE if alone else None)
    reason = f"Rows: {of}. Floor {floor} (FMR {fmr:g} of sampled impostor pairs). {choice.reason}."
    if prefix := prefix_of(choice.name):
        first, second = survivors(case.rows, choice.name, floor)
        reason += f" {prefix[1]} components let {first:.3%} of pairs pass, the next ones {second:.3%}."
    pairs_of = {"counts": rows * (rows - 1) // 2, "pairs": PAIRS} | dict.fromkeys(
        ("search", "open set"), rows * len(case.probes)
    )
    open_floor = open_floor_of(case.rows, case.probes)
    done = []
    with tempfile.TemporaryDirectory(prefix="facegap-bench-") as folder:
        for name, array in arrays.items():
            np.save(Path(folder) / f"{name}.npy", array)
        for job in jobs:
            wanted = [name for name in JOBS[job] if candidates is None or name in candidates]
            left_out = {name: why_left_out(name, VECTORS_ALONE if alone else None) for name in wanted}
            present = [name for name in wanted if not left_out[name]]
            settings = {"floor": floor, "k": min(RANKS, rows), "threads": threads}
            settings |= {"open_floor": open_floor, "vectors_alone": alone}
            timings = timed_in_turns(Path(folder), job, present, settings, turns)
            notes = tuple(f"{name}: {why}" for name, why in left_out.items() if why)
            done.append(
                Job(job, rows, depth, threads, pairs_of[job], floor, reason, timings, ratios_of(timings), notes)
            )
    return MatchingBench(machine(), tuple(done))


def kept_to_avx2() -> bool:
    """Whether this process started with AVX2_ALONE."""
    return all(os.environ.get(name) == value for name, value in AVX2_ALONE.items())


def why_left_out(candidate: str, processor: Processor | None = None) -> str:
    """Why a candidate cannot run here or on another processor; empty if it can."""
    module = NEEDS.get(candidate)
    if module and find_spec(module) is None:
        return f"{module} is not installed"
    return why_not(FILTER_OF[candidate], processor=processor) if candidate in FILTER_OF else ""


def timed_in_turns(
    folder: Path, job: str, candidates: Sequence[str], settings: Mapping[str, Any], turns: int
) -> dict[str, Timing]:
    """Times of each candidate in its own process, one run of each after the other, `turns` times."""
    environment = {name: value for name, value in os.environ.items() if name not in FLATTERING or kept_to_avx2()}
    environment |= dict.fromkeys(
        ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(settings["threads"])
    )
    with ExitStack() as stack:
        peers = {}
        for name in candidates:
            spec = json.dumps({"folder": str(folder), "job": job, "candidate": name, "settings": dict(settings)})
            command = [sys.executable, "-m", "facegap.bench.peers", spec]
            process = subprocess.Popen(
                command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
            )
            peers[name] = stack.enter_context(process)
            stack.callback(process.kill)
            answer_of(process, name)  # start one after the other, since parallel imports would delay all
        runs: dict[str, list[dict[str, Any]]] = {name: [] for name in candidates}
        for _ in range(turns):
            for name, process in peers.items():
                assert process.stdin is not None
                process.stdin.write("run\n")
                process.stdin.flush()
                runs[name].append(json.loads(answer_of(process, name)))
    return {name: timing_of(run) for name, run in runs.items()}


def answer_of(process: subprocess.Popen[str], name: str) -> str:
    """The next line from a peer. Raises MatchingError if the peer has exited."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise MatchingError(
            f"{name} ended with code {process.wait()} before it returned a result; its error is printed above"
        )
    return line


def timing_of(runs: Sequence[Mapping[str, Any]]) -> Timing:
    """Times of the runs of one candidate."""
    wall, cpu = (tuple(int(run[name]) for run in runs) for name in ("wall_ns", "cpu_ns"))
    return Timing(wall, cpu, max(float(run["extra_mib"]) for run in runs), runs[-1]["answer"])


def ratios_of(timings: Mapping[str, Timing]) -> tuple[Ratio, ...]:
    """Each of facegap's functions against every other candidate of the job."""
    ours = [name for name in timings if name.startswith("ours")]
    return tuple(
        ratio(name, timings[name], other, timings[other]) for name in ours for other in timings if other not in ours
    )


def ratio(candidate: str, timing: Timing, than: str, other: Timing) -> Ratio:
    """Times of `than` divided by times of `candidate`, turn by turn."""
    wall = ratios_in_turns(other.wall_ns, timing.wall_ns)
    cpu = ratios_in_turns(other.cpu_ns, timing.cpu_ns)
    low, median, high = np.quantile(wall, [0.25, 0.5, 0.75]).tolist()
    return Ratio(candidate, than, low, median, high, float(np.median(cpu)), len(wall))


def ratios_in_turns(slower: Sequence[int], faster: Sequence[int]) -> FloatArray:
    """Ratio of the times in each turn."""
    return np.asarray(slower, np.float64) / np.asarray(faster, np.float64)


def machine() -> dict[str, Any]:
    """What the times depend on: processor, BLAS with the detected architecture, versions."""
    pools = [
        {name: pool.get(name) for name in ("user_api", "internal_api", "version", "architecture")}
        for pool in threadpool_info()
    ]
    packages = ("numpy", "numba", "onnxruntime", "scikit-learn", "faiss-cpu", "facegap")
    return {
        "processor": processor_name(),
        "cores": usable_cores(),
        "pools": pools,
        "device": "cpu",
        "versions": {
            "python": sys.version.split()[0],
            **{name: version_of(name) for name in packages if version_of(name)},
        },
        "instructions": instructions(),
        "filters": {name: why_not(name) or "usable" for name in FILTERS},
        "unset": [name for name in FLATTERING if name in os.environ and not kept_to_avx2()],
        "kept to": "AVX2 and FMA" if kept_to_avx2() else "",
    }


def instructions() -> list[str]:
    """The relevant vector and matrix instruction sets of this processor that the loops may use."""
    if not numba_is_installed():
        return []
    from facegap.matching.kernels_fused import FEATURES

    present = set(FEATURES.split(","))
    return [
        name
        for name in ("avx2", "fma", "avx512f", "avx512vnni", "avxvnni", "amx-int8", "neon")
        if f"+{name}" in present
    ]


def as_json(bench: MatchingBench) -> str:
    """The complete results as JSON, NaN as null."""
    plain = asdict(bench)
    for job, stored in zip(bench.jobs, plain["jobs"], strict=True):
        for one, kept in zip(job.ratios, stored["ratios"], strict=True):
            kept["result"] = one.result
    return json.dumps(plain, indent=1, default=str)


def as_markdown(bench: MatchingBench) -> str:
    """The results as Markdown tables, which the command also prints."""
    pools = "; ".join(" ".join(str(value) for value in pool.values() if value) for pool in bench.machine["pools"])
    versions = ", ".join(f"{name} {version}" for name, version in bench.machine["versions"].items())
    sets = ", ".join(bench.machine["instructions"]) or "none of the relevant ones"
    sets += f" (kept to {bench.machine['kept to']})" if bench.machine["kept to"] else ""
    lines = [
        f"Machine: {bench.machine['processor']}. Instructions: {sets}. Libraries: {pools}. Versions: {versions}.",
        "",
    ]
    for job in bench.jobs:
        lines += job_lines(job)
    return "\n".join(lines)


def job_lines(job: Job) -> list[str]:
    """Heading, times and ratios of one job."""
    threads = f"{job.threads} thread{'s' * (job.threads > 1)}"
    turns = len(next(iter(job.timings.values())).wall_ns)
    lines = [f"### {job.job}: {job.rows:,} rows, d={job.depth}, {threads}, {turns} turns", ""]
    if job.job in ("counts", "search"):
        lines += [job.filter_reason, ""]
    others = [name for name in job.timings if not name.startswith("ours")]
    lines += ["| | ms | M pairs/s | extra MiB | " + " | ".join(f"x {name}" for name in others) + " |"]
    lines += ["|---" * (4 + len(others)) + "|"]
    for name, timing in job.timings.items():
        ms = float(np.median(timing.wall_ns)) / 1e6
        cells = [cell_of(job, name, other) for other in others]
        speed = job.comparisons / ms / 1e3
        lines.append(f"| {name} | {ms:,.1f} | {speed:,.0f} | {timing.extra_mib:,.0f} | " + " | ".join(cells) + " |")
    results = [f"{name}: {timing.answer}." for name, timing in job.timings.items() if name in APPROXIMATE]
    return [*lines, "", *results, *(f"Omitted: {note}." for note in job.left_out), ""]


def cell_of(job: Job, candidate: str, other: str) -> str:
    """One ratio with its quartiles, or why there is none."""
    for one in job.ratios:
        if (one.candidate, one.than) == (candidate, other):
            quartiles = f"{one.low:.2f} to {one.high:.2f}"
            return f"**{one.median:.2f}** ({quartiles})" if one.result else f"no result ({quartiles})"
    return ""
