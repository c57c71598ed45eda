"""Resources of a run: bounded memory, and no folder required for compiled loops."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from facegap.matching import count_scores, search
from facegap.matching.blocks import Worker
from facegap.matching.filters import FILTERS, why_not
from facegap.matching.search import Strip
from facegap.matching.tiles import Candidates

MEASURE = """
import sys
import numpy as np
from facegap.matching import count_scores, filters
from facegap.matching.prefix import Basis
filters.principal_basis = lambda rows: Basis(np.eye(rows.shape[1]))  # that of 4,096 dimensions takes a minute to find
rows = np.load(sys.argv[1], mmap_mode="r")
subjects, groups = np.arange(len(rows)), np.arange(len(rows)) % 4
def peak_mib():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))
def count(n, name, shard):
    count_scores(rows[:n], subjects[:n], groups[:n], floor=0.95, bins=2048, tail_limit=10_000, filter=name, workers=2,
                 shard=shard)
for name in sys.argv[2:]:
    count(2000, name, (0, 1))  # compiles and imports
    open("/proc/self/clear_refs", "w").write("5")
    before = peak_mib()
    count(len(rows), name, (1, 3))
    print(name, peak_mib() - before)
"""

# One loop of each kind of `compiled`: all loops are decorated alike, which shows when their modules are imported.
LOOPS = """
from facegap.matching.kernels import choose_kernels
import numpy as np
loops, rows = choose_kernels("numba"), np.array([[3, 4], [-6, 8]], np.float32)
largest = np.empty(2, np.float32)
loops.largest_of_rows(rows, largest)
print(largest.tolist(), loops.row_norms(rows).tolist())
"""


@pytest.mark.campaign
@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is reset through Linux's /proc")
def test_a_run_takes_less_than_half_a_gibibyte_beyond_the_embeddings(rng: np.random.Generator, tmp_path: Path) -> None:
    # The second of three blocks, two whole super-blocks of 64 MiB: the content of memory at any time in a run of any length.
    rows = rng.standard_normal((2 * 4096, 4096), dtype=np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    np.save(tmp_path / "rows.npy", rows)
    names = [*(name for name in FILTERS if not why_not(name)), "prefix512"]
    command = [sys.executable, "-c", MEASURE, str(tmp_path / "rows.npy"), *names]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    taken = {line.split()[0]: float(line.split()[1]) for line in done.stdout.splitlines()}
    assert set(taken) == set(names)
    # Pages read from the mapped file are counted too, but are not memory of the run.
    assert max(taken.values()) - rows.nbytes / 2**20 < 512, taken


def test_a_finished_run_keeps_none_of_its_buffers(rng: np.random.Generator) -> None:
    rows = rng.standard_normal((600, 32), dtype=np.float32)
    names = [*(name for name in FILTERS if not why_not(name)), "prefix16"]

    def run() -> None:
        for name in names:
            count_scores(
                rows, np.arange(600), np.arange(600) % 2, floor=0.5, bins=8, tail_limit=99, filter=name, workers=2
            )
            search(rows, rows[:50], 3, filter=name)

    run()  # the compiler, if it is still needed, keeps the calling frames alive for a while
    gc.collect()
    gc.disable()
    try:
        run()
        kept = [kind for kind in (Worker, Strip, Candidates) if any(type(thing) is kind for thing in gc.get_objects())]
    finally:
        gc.enable()
    assert kept == []


def test_where_numba_may_write_nowhere_the_loops_are_compiled_in_memory(tmp_path: Path) -> None:
    # A package on a read-only file system and no home: numba finds no place for its cache and raises an error.
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder is expected")
    hook = f"""
import numba.core.caching as caching
for locator in caching.CacheImpl._locator_classes:
    locator.from_function = classmethod(lambda cls, function, path: None)
{LOOPS}"""
    environment = {**os.environ, "HOME": str(blocked), "XDG_CACHE_HOME": str(blocked), "NUMBA_CACHE_DIR": ""}
    done = subprocess.run([sys.executable, "-W", "error", "-c", hook], capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[4.0, 8.0] [5.0, 10.0]"


def test_importing_the_package_of_the_loops_does_not_import_numba() -> None:
    code = "import sys, facegap.matching; print([m for m in ('numba', 'onnxruntime', 'onnx', 'distributed') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr
