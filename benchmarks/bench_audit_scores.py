"""Audit five million scores with `facegap audit-scores`, from file to run folder: seconds and peak memory of the command.

    python benchmarks/bench_audit_scores.py            creates the files in a temporary folder, prints one line per layout

Limits: 20 s and 2 GiB for five million rows. The first command on a machine compiles numba's loops and is not
measured.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROWS = 5_000_000
SUBJECTS, IMAGES = 5_000, 20_000
LIMIT_S, LIMIT_MIB = 20.0, 2048.0


def write_files(folder: Path, rows: int) -> dict[str, tuple[Path, Path]]:
    """A score file and a manifest per layout: plain CSV of images, and Bob's four columns of subjects and probe."""
    rng = np.random.default_rng(1)
    left, right = rng.integers(0, IMAGES, rows), rng.integers(0, IMAGES, rows)
    right = np.where(
        rng.random(rows) < 0.01, (left // 4) * 4 + (left + 1) % 4, right
    )  # one pair in a hundred is genuine
    right = np.where(right == left, (right + 4) % IMAGES, right)
    scores = rng.normal(size=rows) + 4.0 * (left // 4 == right // 4)
    plain, four = folder / "plain.csv", folder / "four.txt"
    with plain.open("w") as csv_file, four.open("w") as four_file:
        csv_file.write("left,right,score\n")
        for a, b, score in zip(left.tolist(), right.tolist(), scores.tolist(), strict=True):
            csv_file.write(f"images/{a:06d}.jpg,images/{b:06d}.jpg,{score:.6f}\n")
            four_file.write(f"s{a // 4} s{b // 4} images/{b:06d}.jpg {score:.9f}\n")
    people = folder / "people.csv"
    rows_of_people = [f"images/{k:06d}.jpg,s{k // 4},{'fm'[k // 4 % 2]},{'abc'[k // 8 % 3]}\n" for k in range(IMAGES)]
    people.write_text("image,subject,gender,region\n" + "".join(rows_of_people))
    return {"plain CSV of images": (plain, people), "Bob's four columns": (four, people)}


def measure(scores: Path, manifest: Path, out: Path) -> tuple[float, float]:
    """Seconds and peak MiB of one command."""
    command = [
        sys.executable,
        "-m",
        "facegap.cli",
        "audit-scores",
        str(scores),
        "--manifest",
        str(manifest),
        "--by",
        "gender",
        "--out",
        str(out),
    ]
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return seconds, usage.ru_maxrss / 1024


def main() -> int:
    """Measure each layout three times; return 1 if the median time or the largest peak exceeds the limit."""
    late = False
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        small = write_files(folder, 100_000)
        measure(*small["plain CSV of images"], folder / "warm")
        for layout, (scores, manifest) in write_files(folder, ROWS).items():
            runs = [measure(scores, manifest, folder / f"{scores.stem}{k}") for k in range(3)]
            seconds, peak = sorted(run[0] for run in runs), max(run[1] for run in runs)
            print(
                f"{layout}: {ROWS:,} rows, {scores.stat().st_size / 1e6:.0f} MB, median {seconds[1]:.1f} s "
                f"({seconds[0]:.1f} to {seconds[2]:.1f}; limit {LIMIT_S:g}), peak {peak:.0f} MiB (limit {LIMIT_MIB:g})"
            )
            late |= seconds[1] > LIMIT_S or peak > LIMIT_MIB
    return int(late)


if __name__ == "__main__":
    sys.exit(main())
