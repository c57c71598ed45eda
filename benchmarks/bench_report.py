"""Time of `facegap report RUN` as a whole process, with page, figures and hashes, for runs whose images do not exist.

    python benchmarks/bench_report.py            creates the runs in a temporary folder, prints one line each

Limits: 10 s for a verification run of 14 groups, 5 s for a gender audit of 5,000 images, both as the median of TURNS
processes, and 3 MiB for pages. The first report on a machine bundles the script of the page and stores it in the user's
cache; it is timed separately, with its own cache. Processor seconds are printed as well, because they are more reliable
than wall time on a busy machine.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.audit.predictions import audit_predictions
from facegap.audit.scores import audit_embeddings

TURNS = 5
PLACES = ("Ayr", "Bonn", "Cadiz", "Delft", "Evora", "Fes", "Graz")
LIMIT_MIB = 3.0


@dataclass(frozen=True)
class Spent:
    """One report: wall and processor seconds."""

    wall_s: float
    processor_s: float


def verification_run(folder: Path, *, people: int = 1_900) -> Path:
    """Two photographs of each person, seven places by two genders: templates only, thresholds on half of the people."""
    rng = np.random.default_rng(0)
    subjects = np.repeat(np.arange(people), 2)
    templates = rng.normal(size=(people, 64))[subjects] + 0.5 * rng.normal(size=(len(subjects), 64))
    np.save(folder / "templates.npy", templates.astype(np.float32))
    frame = pd.DataFrame({"image": [f"no/{k}.jpg" for k in range(len(subjects))], "subject": subjects})
    frame["place"] = [PLACES[subject % len(PLACES)] for subject in subjects]
    frame["gender"] = np.where(subjects % 2 == 0, "female", "male")
    frame.to_csv(folder / "people.csv", index=False)
    audit_embeddings(
        folder / "templates.npy", folder / "people.csv", by="gender,place*gender", out=folder / "verification"
    )
    return folder / "verification"


def gender_run(folder: Path, *, images: int = 5_000) -> Path:
    """Predictions of a gender classifier, one image per person, seven places by two genders."""
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"image": [f"no/{k}.jpg" for k in range(images)]})
    frame["place"] = [PLACES[k % len(PLACES)] for k in range(images)]
    frame["gender"] = np.where(np.arange(images) % 2 == 0, "female", "male")
    frame.to_csv(folder / "faces.csv", index=False)
    wrong = rng.random(images) < np.where(frame["gender"] == "female", 0.2, 0.05)
    other = frame["gender"].map({"female": "male", "male": "female"})
    answers = pd.DataFrame({"image": frame["image"], "prediction": frame["gender"].where(~wrong, other)})
    answers.to_csv(folder / "answers.csv", index=False)
    audit_predictions(folder / "answers.csv", folder / "faces.csv", by="gender,place*gender", out=folder / "gender")
    return folder / "gender"


def report(run: Path, cache: Path | None = None) -> Spent:
    """Write the report of a run again in a separate process, with its own cache folder if one is given."""
    surroundings = os.environ if cache is None else {**os.environ, "XDG_CACHE_HOME": str(cache)}
    started = time.perf_counter()
    command = [sys.executable, "-m", "facegap.cli", "report", str(run)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=surroundings)
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - started
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return Spent(wall_s, usage.ru_utime + usage.ru_stime)


def measured(name: str, run: Path, limit_s: float, cache: Path) -> bool:
    """Print one line; return whether the median and the page are within their limits."""
    first = report(run, cache)
    report(run)  # fill this machine's caches
    spent = [report(run) for _ in range(TURNS)]
    walls = sorted(one.wall_s for one in spent)
    median = statistics.median(walls)
    mib = (run / "report.html").stat().st_size / 2**20
    figures = len(list((run / "figures").glob("*.svg")))
    print(
        f"{name}: median {median:.1f} s of {TURNS} ({walls[0]:.1f} to {walls[-1]:.1f}), processors "
        f"{statistics.median(one.processor_s for one in spent):.1f} s; the first on a machine {first.wall_s:.1f} s, "
        f"processors {first.processor_s:.1f} s; page {mib:.2f} MiB, {figures} figures (limits {limit_s:g} s, {LIMIT_MIB:g} MiB)",
        flush=True,
    )
    return median < limit_s and mib < LIMIT_MIB


def main() -> int:
    """Measure both runs; return 1 if one exceeds a limit."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        held = [
            measured("verification, 14 groups, 3,800 templates", verification_run(folder), 10.0, folder / "cache1"),
            measured("gender audit, 5,000 images, 14 groups", gender_run(folder), 5.0, folder / "cache2"),
        ]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
