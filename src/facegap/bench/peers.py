"""What `facegap bench matching` compares: our calls and those of others, each run in a process of its own.

Run as `python -m facegap.bench.peers SPEC`: it answers "ready", then runs the candidate once for each line it is
given and answers with the times, and at the end with the memory it took.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from facegap.matching import count_scores, score_pairs, search
from facegap.types import AnyArray

BINS = 2048
TAIL_LIMIT = 1_000_000
TILE_ROWS, TILE_COLUMNS = 512, 1024  # of the plain matrix product and of the peers that work in blocks
EINSUM_PAIRS = 4096  # of a chunk; larger ones fall out of the cache


class Case(NamedTuple):
    """One comparison; every candidate of it gets the same.

    rows      : float32 (n, depth), of the gallery in a search
    subjects  : int64 (n,)
    groups    : int64 (n,)
    probes    : float32 (q, depth), of a search
    pairs     : int64 (m, 2), of a pair list
    floor     : of the counted tail
    k         : ranks of a search
    threads   : that a candidate may use
    """

    rows: AnyArray
    subjects: AnyArray
    groups: AnyArray
    probes: AnyArray
    pairs: AnyArray
    floor: float
    k: int
    threads: int


def tiles(n: int) -> Iterator[tuple[slice, slice]]:
    """Tiles that cover every pair of n rows once (and the diagonal tiles whole)."""
    for start in range(0, n, TILE_COLUMNS):
        stop = min(n, start + TILE_COLUMNS)
        for row in range(0, stop, TILE_ROWS):
            yield slice(row, min(stop, row + TILE_ROWS)), slice(start, stop)


def gemm(case: Case) -> object:
    """The float32 products of all tiles, and nothing done with them."""
    buffer = np.empty(TILE_ROWS * TILE_COLUMNS, np.float32)
    for rows, columns in tiles(len(case.rows)):
        shape = rows.stop - rows.start, columns.stop - columns.start
        np.matmul(case.rows[rows], case.rows[columns].T, out=buffer[: shape[0] * shape[1]].reshape(shape))
    return None


def histogram(case: Case) -> object:
    """The same products and np.histogram of each tile: neither exact nor by group."""
    counts = np.zeros(BINS, np.int64)
    for rows, columns in tiles(len(case.rows)):
        counts += np.histogram(case.rows[rows] @ case.rows[columns].T, BINS, (-1.0, 1.0))[0]
    return int(counts.sum())


def counts(name: str, **options: Any) -> Callable[[Case], object]:
    """count_scores with this filter."""

    def run(case: Case) -> object:
        found = count_scores(
            case.rows,
            case.subjects,
            case.groups,
            floor=case.floor,
            bins=BINS,
            tail_limit=TAIL_LIMIT,
            filter=name,
            workers=case.threads,
            **options,
        )
        return int(found.impostor.sum()), int(found.genuine.sum()), len(found.tail)

    return run


def ranks(name: str) -> Callable[[Case], object]:
    """search with this filter; what it returns must be the same for every filter."""

    def run(case: Case) -> object:
        rows, scores = search(case.rows, case.probes, case.k, filter=name, workers=case.threads)
        return int(rows.sum()), float(scores.sum())

    return run


def search_gemm(case: Case) -> object:
    """The float32 products of all probes with the gallery, and nothing done with them."""
    buffer = np.empty((TILE_ROWS, TILE_COLUMNS), np.float32)
    for row in range(0, len(case.probes), TILE_ROWS):
        part = case.probes[row : row + TILE_ROWS]
        for start in range(0, len(case.rows), TILE_COLUMNS):
            block = case.rows[start : start + TILE_COLUMNS]
            np.matmul(part, block.T, out=buffer.ravel()[: len(part) * len(block)].reshape(len(part), len(block)))
    return None


def search_faiss(case: Case) -> object:
    """faiss IndexFlatIP, the index built in each call as ours is."""
    import faiss

    faiss.omp_set_num_threads(case.threads)
    index = faiss.IndexFlatIP(case.rows.shape[1])
    index.add(case.rows)
    return int(index.search(case.probes, case.k)[1].sum())


def search_sklearn(case: Case) -> object:
    """scikit-learn's brute-force neighbours; of unit rows the nearest have the highest scores."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=case.k, algorithm="brute", metric="euclidean").fit(case.rows)
    return int(found.kneighbors(case.probes, return_distance=False).sum())


def search_numpy(case: Case) -> object:
    """numpy product of blocks of probes with the whole gallery, argpartition, and a sort of the k best."""
    total = 0
    for start in range(0, len(case.probes), 128):
        scores = case.probes[start : start + 128] @ case.rows.T
        best = np.argpartition(scores, -case.k, axis=1)[:, -case.k :]
        order = np.argsort(-np.take_along_axis(scores, best, axis=1), axis=1)
        total += int(np.take_along_axis(best, order, axis=1).sum())
    return total


def pair_list(case: Case) -> object:
    """score_pairs."""
    return float(score_pairs(case.rows, case.pairs[:, 0], case.pairs[:, 1], workers=case.threads).sum())


def pair_einsum(case: Case) -> object:
    """np.einsum of gathered rows in chunks, in float32: about a tenth of a millionth off."""
    scores = np.empty(len(case.pairs), np.float32)
    for start in range(0, len(scores), EINSUM_PAIRS):
        left, right = case.pairs[start : start + EINSUM_PAIRS].T
        scores[start : start + EINSUM_PAIRS] = np.einsum("ij,ij->i", case.rows[left], case.rows[right])
    return float(scores.sum())


# job -> candidate -> what runs; the first of a job is what ratios to the product refer to. `ours` is what facegap chooses.
JOBS: dict[str, dict[str, Callable[[Case], object]]] = {
    "counts": {
        "float32 GEMM": gemm,
        "numpy blocks + np.histogram": histogram,
        "ours": counts("auto"),
        "ours, float32": counts("float32"),
        "ours, fused float32": counts("fused"),
        "ours, int8 by onnxruntime": counts("int8"),
        "ours, int8 by AMX": counts("amx"),
        "ours, full histogram": counts("float32", full_range=256),
    },
    "search": {
        "float32 GEMM": search_gemm,
        "faiss IndexFlatIP": search_faiss,
        "sklearn brute": search_sklearn,
        "numpy argpartition": search_numpy,
        "ours": ranks("auto"),
        "ours, float32": ranks("float32"),
    },
    "pairs": {"numpy einsum in chunks": pair_einsum, "ours": pair_list},
}


def peak_mib() -> float:
    """Highest resident memory of this process so far in MiB, NaN where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def load_case(folder: Path, settings: dict[str, Any]) -> Case:
    """The case that bench_matching wrote to `folder`."""
    arrays = {name: np.load(folder / f"{name}.npy") for name in ("rows", "subjects", "groups", "probes", "pairs")}
    return Case(**arrays, **settings)


def serve(folder: Path, job: str, candidate: str, settings: dict[str, Any]) -> None:
    """Run the candidate once a line until there are no more."""
    case, run = load_case(folder, settings), JOBS[job][candidate]
    few = case._replace(
        rows=case.rows[:6000],
        subjects=case.subjects[:6000],
        groups=case.groups[:6000],
        probes=case.probes[:200],
        pairs=case.pairs[:9000] % 6000,
    )
    with threadpool_limits(case.threads):
        run(few)  # compiles, imports and starts threads
        before = peak_mib()
        print("ready", flush=True)
        for _ in sys.stdin:
            wall, cpu = time.perf_counter_ns(), time.process_time_ns()
            answer = run(case)
            wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
            extra = peak_mib() - before
            print(json.dumps({"wall_ns": wall, "cpu_ns": cpu, "answer": answer, "extra_mib": extra}), flush=True)


if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    serve(Path(spec["folder"]), spec["job"], spec["candidate"], spec["settings"])
