"""Scaling on one machine: seconds and peak memory of whole commands by number of rows, and the exponent of growth.

    python benchmarks/bench_size.py check 10000 100000 1000000 --folder SCRATCH
    python benchmarks/bench_size.py templates 10000 30000 100000 --folder SCRATCH      then templates-report, templates-explore
    python benchmarks/bench_size.py templates 1000000 --kill-at 20 --folder SCRATCH    killed after 20 blocks, and resumed
    python benchmarks/bench_size.py answers 10000 100000 1000000 --folder SCRATCH      then report and explore
    python benchmarks/bench_size.py scores 1000000 10000000 100000000 --folder SCRATCH

Inputs are created in SCRATCH and kept there. Memory is the maximum resident set of the command and its processes, read
from /proc ten times per second: `private` belongs to them alone (RssAnon), `mapped` are pages of files (RssFile), which
the system can drop at any time. The growth exponent is the slope between two sizes on logarithmic scales.
"""

from __future__ import annotations

import argparse
import csv
import math
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, count
from pathlib import Path

import numpy as np

SAMPLE_S = 0.1
GROUPS = tuple(f"{place}{gender}" for place in ("north", "south", "east", "west") for gender in "fm")
IMAGES_PER_SUBJECT = 4
FOLDERS = 1000  # images per folder
PART = 65_536  # templates created per part
SCORED = 100_000  # images in score files
FMR = "1e-6"


@dataclass(frozen=True)
class Spent:
    """One command: wall and processor seconds, and the maximum memory of it and its processes in MiB."""

    wall_s: float
    processor_s: float
    private: float
    mapped: float
    resident: float


def memory_of(pid: int) -> tuple[float, float]:
    """RssAnon and RssFile in MiB of a process and all its descendants."""
    private = mapped = 0.0
    waiting = [pid]
    while waiting:
        one = waiting.pop()
        try:
            status = Path(f"/proc/{one}/status").read_text()
            for task in Path(f"/proc/{one}/task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue  # the process has exited
        for line in status.splitlines():
            if line.startswith("RssAnon:"):
                private += int(line.split()[1]) / 1024
            elif line.startswith("RssFile:"):
                mapped += int(line.split()[1]) / 1024
    return private, mapped


def spent_by(command: Sequence[str], log: Path) -> Spent:
    """Run `python -m facegap.cli` with these words; raise if it fails. log : file for its output"""
    started, private, mapped, resident = time.perf_counter(), 0.0, 0.0, 0.0
    with log.open("wb") as told:
        process = subprocess.Popen([sys.executable, "-m", "facegap.cli", *command], stdout=told, stderr=told)
        while True:
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid:
                break
            if command[0] == "explore" and answered(log):
                process.send_signal(signal.SIGINT)
                _, status, usage = os.wait4(process.pid, 0)
                break
            now = memory_of(process.pid)
            private, mapped, resident = max(private, now[0]), max(mapped, now[1]), max(resident, sum(now))
            time.sleep(SAMPLE_S)
    process.returncode = os.waitstatus_to_exitcode(status)
    if command[0] != "explore" and process.returncode:
        raise SystemExit(f"exit {process.returncode} of facegap {' '.join(command)}: see {log}")
    wall_s = time.perf_counter() - started
    return Spent(wall_s, usage.ru_utime + usage.ru_stime, private, mapped, resident)


def killed_at(command: Sequence[str], blocks: int, log: Path) -> Spent:
    """Start a command, and kill it (SIGKILL) once its run folder (--out) keeps counts of so many blocks."""
    started, private, run = time.perf_counter(), 0.0, Path(command[command.index("--out") + 1])
    with log.open("wb") as told:
        process = subprocess.Popen([sys.executable, "-m", "facegap.cli", *command], stdout=told, stderr=told)
        while kept_blocks(run) < blocks:
            if process.poll() is not None:
                raise SystemExit(f"ended before {blocks} blocks were kept: see {log}")
            private = max(private, memory_of(process.pid)[0])
            time.sleep(SAMPLE_S)
        process.kill()
        _, _, usage = os.wait4(process.pid, 0)
    return Spent(time.perf_counter() - started, usage.ru_utime + usage.ru_stime, private, 0.0, 0.0)


def kept_blocks(run: Path) -> int:
    """Blocks of a comparison that a run folder keeps."""
    for path in (run / "parts").glob("counts-*.npz"):
        with path.open("rb") as file:
            found = re.match(rb"facegap counts under way 1: (\d+) blocks", file.read(80))
        return int(found[1]) if found else 0
    return 0


def people(rows: int) -> Iterator[list[object]]:
    """Rows of a manifest: image, subject, place, gender; 8 groups."""
    for row in range(rows):
        subject = row // IMAGES_PER_SUBJECT
        group = GROUPS[subject % len(GROUPS)]
        yield [f"{row // FOLDERS:04d}/{row % FOLDERS:03d}.jpg", f"s{subject}", group[:-1], group[-1]]


def write_manifest(path: Path, rows: int) -> Path:
    """A manifest of `rows` images."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image", "subject", "place", "gender"])
        writer.writerows(people(rows))
    return path


def write_images(folder: Path, rows: int) -> None:
    """JPEG files with different bytes: one of 25 pictures after a comment of random bytes, 2 to 4 kB in total.

    As with photographs, many files have equal sizes, and no two have equal bytes in the middle.
    """
    import cv2

    rng = np.random.default_rng(0)
    pictures = []
    for _ in range(25):
        picture = cv2.resize(rng.integers(0, 256, (14, 14, 3), dtype=np.uint8), (112, 112))
        pictures.append(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60])[1].tobytes())
    for row in range(rows):
        path = folder / f"{row // FOLDERS:04d}" / f"{row % FOLDERS:03d}.jpg"
        if row % FOLDERS == 0:
            path.parent.mkdir(parents=True, exist_ok=True)
        picture = pictures[row % 25]
        comment = rng.bytes(int(rng.integers(len(picture), len(picture) + 1000)))
        length = (len(comment) + 2).to_bytes(2, "big")
        path.write_bytes(picture[:2] + b"\xff\xfe" + length + comment + picture[2:])


def write_templates(path: Path, rows: int, depth: int = 512) -> Path:
    """Synthetic unit templates float32 (rows, depth): four per person, with the spectrum of a real embedder.

    A row is sqrt(0.6) of its person plus sqrt(0.4) of its own, rotated by the spectrum of mobileface_v2; written in parts.
    """
    from facegap.bench.rows import energy

    rng = np.random.default_rng(1)
    spread = np.sqrt(energy("mobileface_v2", depth)).astype(np.float32)
    turned = np.linalg.qr(rng.standard_normal((depth, depth)))[0].astype(np.float32)
    found = np.lib.format.open_memmap(path, "w+", np.float32, (rows, depth))
    for start in range(0, rows, PART):
        size = min(PART, rows - start)
        own = rng.standard_normal((size, depth), dtype=np.float32)
        shared = rng.standard_normal((size // IMAGES_PER_SUBJECT, depth), dtype=np.float32)
        mixed = np.float32(math.sqrt(0.6)) * np.repeat(shared, IMAGES_PER_SUBJECT, axis=0)
        mixed = (mixed + np.float32(math.sqrt(0.4)) * own) * spread @ turned
        found[start : start + size] = mixed / np.linalg.norm(mixed, axis=1, keepdims=True)
    found.flush()
    return path


def check_inputs(folder: Path, rows: int) -> list[str]:
    """`facegap check` of a manifest with existing files of at least 2,000 bytes."""
    here = folder / f"check{rows}"
    if not (here / "people.csv").exists():
        write_images(here, rows)
        write_manifest(here / "people.csv", rows)
    return ["check", str(here / "people.csv"), "--by", "gender,place*gender"]


def template_inputs(folder: Path, rows: int) -> list[str]:
    """`facegap audit-embeddings` of all pairs of a memory-mapped file, 8 groups."""
    here = folder / f"templates{rows}"
    here.mkdir(exist_ok=True)
    if not (here / "people.csv").exists():
        write_templates(here / "templates.npy", rows)
        write_manifest(here / "people.csv", rows)
    shutil.rmtree(here / "run", ignore_errors=True)
    files = [str(here / "templates.npy"), str(here / "people.csv")]
    return ["audit-embeddings", *files, "--by", "place*gender", "--fmr", FMR, "--out", str(here / "run")]


def answer_inputs(folder: Path, rows: int) -> list[str]:
    """`facegap audit-predictions` of a manifest whose files need not exist; one prediction in ten is wrong for women."""
    here = folder / f"answers{rows}"
    here.mkdir(exist_ok=True)
    if not (here / "people.csv").exists():
        rng = np.random.default_rng(3)
        with (here / "answers.csv").open("w", newline="") as file:
            file.write("image,prediction\n")
            for image, _, _, gender in people(rows):
                wrong = rng.random() < (0.1 if gender == "f" else 0.02)
                file.write(f"{image},{'female' if (gender == 'f') != wrong else 'male'}\n")
        write_manifest(here / "people.csv", rows)
    shutil.rmtree(here / "run", ignore_errors=True)
    files = [str(here / "answers.csv"), str(here / "people.csv")]
    return ["audit-predictions", *files, "--by", "place*gender", "--out", str(here / "run")]


def report_of(folder: Path, rows: int, job: str = "answers") -> list[str]:
    """`facegap report` for the run of a job."""
    return ["report", str(folder / f"{job}{rows}" / "run")]


def first_page(folder: Path, rows: int, job: str = "answers") -> list[str]:
    """`facegap explore` for the run of a job, until its first page is loaded."""
    return ["explore", str(folder / f"{job}{rows}" / "run"), "--port", "0"]


def answered(log: Path) -> bool:
    """Whether the page at the address in the log was sent completely."""
    found = re.search(r"http://\S+", log.read_text(errors="replace").replace("\n", ""))
    if found is None or "key=" not in found[0]:
        return False
    opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with opener.open(found[0].split("Stop")[0], timeout=600) as page:
        return len(page.read()) > 0


def score_inputs(folder: Path, rows: int) -> list[str]:
    """`facegap audit-scores` of a parquet or CSV file of images; one pair in a hundred is genuine."""
    here = folder / f"scores{rows}"
    here.mkdir(exist_ok=True)
    if not (here / "people.csv").exists():
        write_scores(here / "scores.csv", rows)
        write_manifest(here / "people.csv", SCORED)
    shutil.rmtree(here / "run", ignore_errors=True)
    files = [str(here / "scores.csv"), "--manifest", str(here / "people.csv")]
    return ["audit-scores", *files, "--by", "place*gender", "--out", str(here / "run")]


def write_scores(path: Path, rows: int) -> None:
    """left,right,score of distinct pairs of SCORED images, each pair once."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    rng = np.random.default_rng(2)
    names = pa.array([str(row[0]) for row in people(SCORED)])
    lefts = np.arange(SCORED)
    # Each image is paired with the one `step` positions further on: every pair of a step is new. For steps up to 3 some pairs
    # are of one person; people 32 positions apart are in one group.
    steps = chain(range(1, IMAGES_PER_SUBJECT), chain.from_iterable((32 * k, 32 * k + 4) for k in count(1)))
    plain = arrow_csv.WriteOptions(include_header=False, quoting_style="none")
    with path.open("wb") as file:
        file.write(b"left,right,score\n")
        for step in steps:
            rights = (lefts + step) % SCORED
            chosen = slice(min(rows, SCORED))
            same = lefts[chosen] // IMAGES_PER_SUBJECT == rights[chosen] // IMAGES_PER_SUBJECT
            scores = rng.normal(size=len(same)) + 4.0 * same
            sides = [names.take(pa.array(side[chosen])) for side in (lefts, rights)]
            table = pa.table([*sides, pa.array(scores.round(6))], names=["left", "right", "score"])
            arrow_csv.write_csv(table, file, plain)
            rows -= len(same)
            if not rows:
                return


JOBS: dict[str, Callable[[Path, int], list[str]]] = {
    "check": check_inputs,
    "templates": template_inputs,
    "answers": answer_inputs,
    "report": report_of,
    "explore": first_page,
    "templates-report": partial(report_of, job="templates"),
    "templates-explore": partial(first_page, job="templates"),
    "scores": score_inputs,
}


def main(words: Sequence[str] | None = None) -> None:
    """Measure one job at each size and print one line per size."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("job", choices=[*JOBS])
    parser.add_argument("rows", nargs="+", type=int)
    parser.add_argument("--folder", type=Path, required=True, help="where inputs are made, and stay")
    parser.add_argument(
        "--kill-at", type=int, metavar="BLOCKS", help="of templates: kill the command then, and resume it"
    )
    parser.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="further words of the command")
    asked = parser.parse_args(words)
    asked.folder.mkdir(parents=True, exist_ok=True)
    before: tuple[int, Spent] | None = None
    for rows in asked.rows:
        command = [*JOBS[asked.job](asked.folder, rows), *asked.more]
        if asked.kill_at is not None:
            first = killed_at(command, asked.kill_at, asked.folder / f"{asked.job}{rows}.killed.log")
            print(
                f"killed after {first.wall_s:.1f} s, processors {first.processor_s:.1f} s, private {first.private:,.0f} MiB"
            )
            command.append("--resume")
        spent = spent_by(command, asked.folder / f"{asked.job}{rows}.log")
        growth = ""
        if before is not None:
            slope = math.log(spent.wall_s / before[1].wall_s) / math.log(rows / before[0])
            growth = f", exponent {slope:.2f}"
        print(
            f"{asked.job} {rows:,}: {spent.wall_s:.1f} s, processors {spent.processor_s:.1f} s, private {spent.private:,.0f} MiB, "
            f"mapped {spent.mapped:,.0f} MiB, together {spent.resident:,.0f} MiB{growth}",
            flush=True,
        )
        before = rows, spent


if __name__ == "__main__":
    main()
