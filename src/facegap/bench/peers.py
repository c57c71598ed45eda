"""The candidates of `facegap bench matching`: facegap's functions and those of other libraries, in separate processes.

Run as `python -m facegap.bench.peers SPEC`: it writes "ready", then runs the candidate once per input line and writes the
time, and finally the memory used.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from facegap.matching import Probes, choose_filter, count_scores, score_pairs, search
from facegap.matching.processor import Processor
from facegap.matching.search import filter_for
from facegap.types import AnyArray

BINS = 2048
TAIL_LIMIT = 1_000_000
TILE_ROWS, TILE_COLUMNS = 512, 1024  # tiles of the plain matrix product and of peers that work in blocks
EINSUM_PAIRS = 4096  # per chunk; larger chunks exceed the cache
VECTORS_ALONE = Processor(exact_int8=True, matrix_unit=False)  # filters available if limited to AVX2
LINKS, LOOKED_AT = 32, 128  # IndexHNSWFlat: links per row, rows visited in a search


class Case(NamedTuple):
    """One comparison task, the same for every candidate.

    rows      : float32 (n, depth); the gallery in a search
    subjects  : int64 (n,)
    groups    : int64 (n,)
    probes    : float32 (q, depth), for a search
    pairs     : int64 (m, 2), for a pair list
    floor     : of the counted tail
    k         : number of ranks in a search
    threads   : number of threads of a candidate
    open_floor: a score that one probe in ten reaches with some gallery row
    vectors_alone : do not use filters with the matrix unit
    """

    rows: AnyArray
    subjects: AnyArray
    groups: AnyArray
    probes: AnyArray
    pairs: AnyArray
    floor: float
    k: int
    threads: int
    open_floor: float = 0.9
    vectors_alone: bool = False


def tiles(n: int) -> Iterator[tuple[slice, slice]]:
    """Tiles that cover every pair of n rows once (and the diagonal tiles whole)."""
    for start in range(0, n, TILE_COLUMNS):
        stop = min(n, start + TILE_COLUMNS)
        for row in range(0, stop, TILE_ROWS):
            yield slice(row, min(stop, row + TILE_ROWS)), slice(start, stop)


def gemm(case: Case) -> object:
    """The float32 products of all tiles, discarded."""
    buffer = np.empty(TILE_ROWS * TILE_COLUMNS, np.float32)
    for rows, columns in tiles(len(case.rows)):
        shape = rows.stop - rows.start, columns.stop - columns.start
        np.matmul(case.rows[rows], case.rows[columns].T, out=buffer[: shape[0] * shape[1]].reshape(shape))
    return None


def histogram(case: Case) -> object:
    """The same products with np.histogram of each tile: neither exact nor by group."""
    counts = np.zeros(BINS, np.int64)
    for rows, columns in tiles(len(case.rows)):
        counts += np.histogram(case.rows[rows] @ case.rows[columns].T, BINS, (-1.0, 1.0))[0]
    return int(counts.sum())


def counts(name: str, **options: Any) -> Callable[[Case], object]:
    """count_scores with this filter."""

    def run(case: Case) -> object:
        taken = name
        if name == "auto" and case.vectors_alone:
            taken = choose_filter(case.rows, floor=case.floor, processor=VECTORS_ALONE).name
        found = count_scores(
            case.rows,
            case.subjects,
            case.groups,
            floor=case.floor,
            bins=BINS,
            tail_limit=TAIL_LIMIT,
            filter=taken,
            workers=case.threads,
            **options,
        )
        return int(found.impostor.sum()), int(found.genuine.sum()), len(found.tail)

    return run


def ranks(name: str) -> Callable[[Case], object]:
    """search with this filter; the result must be the same for every filter."""

    def run(case: Case) -> object:
        taken = name
        if name == "auto" and case.vectors_alone:
            taken = filter_for(case.rows, case.probes, case.k, processor=VECTORS_ALONE)
        rows, scores = search(case.rows, case.probes, case.k, filter=taken, workers=case.threads)
        return int(rows.sum()), float(scores.sum())

    return run


def search_gemm(case: Case) -> object:
    """The float32 products of all probes with the gallery, discarded."""
    buffer = np.empty((TILE_ROWS, TILE_COLUMNS), np.float32)
    for row in range(0, len(case.probes), TILE_ROWS):
        part = case.probes[row : row + TILE_ROWS]
        for start in range(0, len(case.rows), TILE_COLUMNS):
            block = case.rows[start : start + TILE_COLUMNS]
            np.matmul(part, block.T, out=buffer.ravel()[: len(part) * len(block)].reshape(len(part), len(block)))
    return None


def search_faiss(case: Case) -> object:
    """faiss IndexFlatIP; the index is built in each call, as in facegap."""
    import faiss

    faiss.omp_set_num_threads(case.threads)
    index = faiss.IndexFlatIP(case.rows.shape[1])
    index.add(case.rows)
    return int(index.search(case.probes, case.k)[1].sum())


INDEXES: dict[int, Any] = {}  # for search_hnsw, by number of rows, built before timing


def build_hnsw(case: Case) -> Any:
    """faiss IndexHNSWFlat of the gallery, cached; building it takes many times as long as an exact search."""
    import faiss

    if len(case.rows) not in INDEXES:
        index = faiss.IndexHNSWFlat(case.rows.shape[1], LINKS, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efSearch = LOOKED_AT
        index.add(case.rows)
        INDEXES[len(case.rows)] = index
    return INDEXES[len(case.rows)]


def search_hnsw(case: Case) -> object:
    """An approximate search in a graph that was built before; returns a function for its recall, which is not timed."""
    import faiss

    faiss.omp_set_num_threads(case.threads)
    found = build_hnsw(case).search(case.probes, case.k)[1]

    def recall() -> str:
        looked = slice(None, None, max(1, len(case.probes) // 500))
        exact = search(case.rows, case.probes[looked], case.k)[0]
        shared = [len(np.intersect1d(a, b)) for a, b in zip(exact, found[looked], strict=True)]
        return f"recall {np.mean(shared) / case.k:.3f}"

    return recall


def open_set(case: Case) -> object:
    """Every pair at or above the floor, by count_scores with probes: whether a probe raises an alarm."""
    alone = np.arange(len(case.probes)) + int(case.subjects.max()) + 1
    probes = Probes(case.probes, alone, np.zeros(len(alone), np.int64))
    options: dict[str, Any] = {"floor": case.open_floor, "bins": 1, "tail_limit": TAIL_LIMIT}
    taken = "auto"
    if case.vectors_alone:
        taken = choose_filter(case.rows, floor=case.open_floor, processor=VECTORS_ALONE).name
    found = count_scores(
        case.rows, case.subjects, case.groups, probes=probes, filter=taken, workers=case.threads, **options
    )
    return len(np.unique(found.tail["right"]))


def open_search(case: Case) -> object:
    """The same task by the best match of each probe, without a floor."""
    return int((search(case.rows, case.probes, 1, workers=case.threads)[1][:, 0] >= case.open_floor).sum())


def open_faiss(case: Case) -> object:
    """The same task by faiss IndexFlatIP.range_search: all pairs above a score, in float32."""
    import faiss

    faiss.omp_set_num_threads(case.threads)
    index = faiss.IndexFlatIP(case.rows.shape[1])
    index.add(case.rows)
    ends = index.range_search(case.probes, np.nextafter(np.float32(case.open_floor), np.float32(-1)))[0]
    return int((np.diff(ends.astype(np.int64)) > 0).sum())


def search_sklearn(case: Case) -> object:
    """scikit-learn's brute-force neighbours; for unit rows the nearest have the highest scores."""
    from sklearn.neighbors import NearestNeighbors

    found = NearestNeighbors(n_neighbors=case.k, algorithm="brute", metric="euclidean").fit(case.rows)
    return int(found.kneighbors(case.probes, return_distance=False).sum())


def search_numpy(case: Case) -> object:
    """numpy product of blocks of probes with the complete gallery, argpartition, and a sort of the k best."""
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
    """np.einsum of gathered rows in chunks, in float32, with errors of about 1e-7."""
    scores = np.empty(len(case.pairs), np.float32)
    for start in range(0, len(scores), EINSUM_PAIRS):
        left, right = case.pairs[start : start + EINSUM_PAIRS].T
        scores[start : start + EINSUM_PAIRS] = np.einsum("ij,ij->i", case.rows[left], case.rows[right])
    return float(scores.sum())


# job -> candidate -> function; the first of a job is the reference of the ratios. `ours` is facegap's own choice.
JOBS: dict[str, dict[str, Callable[[Case], object]]] = {
    "counts": {
        "float32 GEMM": gemm,
        "numpy blocks + np.histogram": histogram,
        "ours": counts("auto"),
        "ours, float32": counts("float32"),
        "ours, fused float32": counts("fused"),
        "ours, int8 in registers": counts("int8"),
        "ours, int8 by AMX": counts("amx"),
        "ours, full histogram": counts("float32", full_range=256),
    },
    "search": {
        "float32 GEMM": search_gemm,
        "faiss IndexFlatIP": search_faiss,
        "sklearn brute": search_sklearn,
        "numpy argpartition": search_numpy,
        "faiss IndexHNSWFlat, built before": search_hnsw,
        "ours": ranks("auto"),
        "ours, float32": ranks("float32"),
    },
    "open set": {
        "float32 GEMM": search_gemm,
        "faiss range_search": open_faiss,
        "ours": open_set,
        "ours, best match": open_search,
    },
    "pairs": {"numpy einsum in chunks": pair_einsum, "ours": pair_list},
}
BEFORE: Mapping[str, Callable[[Case], object]] = {"faiss IndexHNSWFlat, built before": build_hnsw}  # not timed
APPROXIMATE = frozenset(BEFORE)  # their results differ from the others


def peak_mib() -> float:
    """Maximum resident memory of this process so far in MiB, NaN if the system does not report it."""
    status = Path("/proc/self/status")
    if not status.exists():
        return float("nan")
    return next(int(line.split()[1]) / 1024 for line in status.read_text().splitlines() if line.startswith("VmHWM"))


def load_case(folder: Path, settings: dict[str, Any]) -> Case:
    """The case that bench_matching wrote to `folder`."""
    arrays = {name: np.load(folder / f"{name}.npy") for name in ("rows", "subjects", "groups", "probes", "pairs")}
    return Case(**arrays, **settings)


def serve(folder: Path, job: str, candidate: str, settings: dict[str, Any]) -> None:
    """Run the candidate once per input line."""
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
        if candidate in BEFORE:
            BEFORE[candidate](case)
        before = peak_mib()
        print("ready", flush=True)
        for _ in sys.stdin:
            wall, cpu = time.perf_counter_ns(), time.process_time_ns()
            answer = run(case)
            wall, cpu = time.perf_counter_ns() - wall, time.process_time_ns() - cpu
            extra = peak_mib() - before
            answer = answer() if callable(answer) else answer
            print(json.dumps({"wall_ns": wall, "cpu_ns": cpu, "answer": answer, "extra_mib": extra}), flush=True)


if __name__ == "__main__":
    spec = json.loads(sys.argv[1])
    serve(Path(spec["folder"]), spec["job"], spec["candidate"], spec["settings"])
