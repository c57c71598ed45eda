"""Read five million scores from a file: seconds and peak memory of the reader, in a separate process.

    python benchmarks/bench_scores_file.py            creates the files in a temporary folder, prints one line per layout

Limits: 20 s and 2 GiB for five million rows.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS = 5_000_000
SUBJECTS, IMAGES = 5_000, 20_000


def write_files(folder: Path, rows: int) -> list[Path]:
    """One file per layout; names repeat as in a real all-against-all comparison."""
    rng = np.random.default_rng(1)
    left, right, scores = rng.integers(0, IMAGES, rows), rng.integers(0, IMAGES, rows), rng.normal(size=rows)
    plain, four, two = (folder / name for name in ("plain.csv", "four.txt", "two.txt"))
    with plain.open("w") as csv_file, four.open("w") as four_file, two.open("w") as two_file:
        csv_file.write("left,right,score\n")
        for a, b, score in zip(left.tolist(), right.tolist(), scores.tolist(), strict=True):
            csv_file.write(f"images/{a:06d}.jpg,images/{IMAGES + b:06d}.jpg,{score:.6f}\n")
            four_file.write(f"s{a % SUBJECTS} s{b % SUBJECTS} images/{b:06d}.jpg {score:.9f}\n")
            two_file.write(f"{1 if a % SUBJECTS == b % SUBJECTS else -1} {score:.9f}\n")
    return [plain, four, two]


def measure(path: Path) -> None:
    """Read one file and print time and memory as JSON; runs in a separate process."""
    import resource

    from facegap.inputs.scores.read import read_scores

    started = time.perf_counter()
    found = read_scores(path)
    seconds = time.perf_counter() - started
    peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"rows": len(found), "layout": found.layout, "seconds": seconds, "peak_mib": peak_mib}))


def main() -> None:
    """Write the files, measure each three times in new processes, print median seconds and the largest peak."""
    with tempfile.TemporaryDirectory() as folder:
        for path in write_files(Path(folder), ROWS):
            runs = [
                json.loads(subprocess.run([sys.executable, __file__, path], check=True, capture_output=True).stdout)
                for _ in range(3)
            ]
            seconds = sorted(run["seconds"] for run in runs)
            print(
                f"{runs[0]['layout']}: {runs[0]['rows']:,} rows, {path.stat().st_size / 1e6:.0f} MB, median "
                f"{seconds[1]:.2f} s ({seconds[0]:.2f} to {seconds[2]:.2f}), peak {max(run['peak_mib'] for run in runs):.0f} MiB"
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        measure(Path(sys.argv[1]))
    else:
        main()
