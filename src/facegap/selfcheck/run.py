"""Validate the statistics by simulation with known truth (`facegap selfcheck`)."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from facegap.errors import RunError
from facegap.runtime import version_of
from facegap.selfcheck.claims import claims_of, confusion_of
from facegap.selfcheck.page import selfcheck_page
from facegap.selfcheck.rows import PARTS, Row, row_from_plain, row_to_plain
from facegap.selfcheck.study import Job, Study, cost_of, run_job
from facegap.selfcheck.worlds_file import preset_path, read_study
from facegap.store.files import explained, is_scratch, write_bytes
from facegap.worlds.layout import Claim
from facegap.worlds.pool import in_processes

PAGE, RESULT, DONE_PART = "selfcheck.html", "selfcheck.json", "selfcheck.jsonl"
RESULT_VERSION = 1
Progress = Callable[[int, int], None]  # finished settings, all settings


@dataclass(frozen=True)
class SelfCheck:
    """A finished study: one row per setting in the order of the study, and the claims."""

    study: Study
    seed: int
    quick: bool
    rows: tuple[Row, ...]
    claims: tuple[Claim, ...]


def selfcheck(
    worlds: Path | None = None,
    *,
    preset: str = "bands",
    quick: bool = False,
    out: Path = Path("selfcheck"),
    seed: int = 0,
    workers: int | None = None,
    resume: bool = False,
    progress: Progress = lambda done, total: None,
) -> SelfCheck:
    """Simulate people, evaluate them with the functions of an audit, and write selfcheck.html and selfcheck.json.

    worlds  : TOML file that defines the simulations (docs/selfcheck.md); None: the preset
    quick   : fewer simulations of each setting
    out     : a new folder; with `resume`, a folder with an interrupted run of the same study
    workers : number of processes; None: one per processor. The results do not depend on it

    Raises
    ------
    TableError : the TOML file is invalid; the message names the key
    RunError   : `out` has other content or cannot be written, or a worker was killed
    """
    named = preset_path(preset) if worlds is None else worlds
    study = read_study(named, quick=quick, source=f"preset {preset}" if worlds is None else None)
    request = {
        "version": RESULT_VERSION,
        "facegap": version_of("facegap"),
        "sha256": study.sha256,
        "seed": seed,
        "quick": quick,
    }
    opened(out, resume=resume)
    done = taken_up(out / DONE_PART, request, study.jobs) if resume else {}
    with appending(out / DONE_PART, [request, *(done_entry(number, row) for number, row in done.items())]) as append:
        progress(len(done), len(study.jobs))
        for number, row in run_jobs(study.jobs, seed, skip=done, workers=workers or os.cpu_count() or 1):
            done[number] = row
            append(done_entry(number, row))
            progress(len(done), len(study.jobs))
    rows = tuple(done[number] for number in range(len(study.jobs)))
    found = SelfCheck(study, seed, quick, rows, claims_of(rows))
    write(found, out)
    return found


def write(found: SelfCheck, out: Path) -> None:
    """Write the page and the JSON file, and delete the file of partial results."""
    write_bytes(
        out / RESULT, (json.dumps(as_plain(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode()
    )
    write_bytes(out / PAGE, selfcheck_page(found.study, found.rows, found.claims, seed=found.seed).encode())
    with explained(out):
        (out / DONE_PART).unlink()


def as_plain(found: SelfCheck) -> dict[str, Any]:
    """A self-check as JSON values; the same seed and settings give the same bytes."""
    parts: dict[str, list[dict[str, Any]]] = {part: [] for part in PARTS}
    for job, row in zip(found.study.jobs, found.rows, strict=True):
        parts[job.part].append(row_to_plain(row))
    return {
        "version": RESULT_VERSION,
        "facegap": version_of("facegap"),
        "versions": {name: version_of(name) for name in ("numpy", "scipy")},
        "title": found.study.title,
        "source": found.study.source,
        "source_sha256": found.study.sha256,
        "seed": found.seed,
        "quick": found.quick,
        "claims": [asdict(claim) for claim in found.claims],
        "verdicts_by_planted_gap": confusion_of(found.rows),
        **parts,
    }


# ---- the jobs ----


def run_jobs(jobs: Sequence[Job], seed: int, *, skip: dict[int, Row], workers: int) -> Iterator[tuple[int, Row]]:
    """Number and row of each job that is not in `skip`, as they finish, started in the order of `mixed`."""
    left = mixed([k for k in range(len(jobs)) if k not in skip], jobs)
    if workers == 1 or len(left) < 2:
        yield from ((number, run_job(jobs[number], seed)) for number in left)
        return
    for place, row in in_processes(run_job, [(jobs[number], seed) for number in left], workers):
        yield left[place], row


def mixed(numbers: Sequence[int], jobs: Sequence[Job]) -> list[int]:
    """Alternate long and short jobs, longest first, so that no worker ends with a long job and the remaining time is predictable."""
    rising = sorted(numbers, key=lambda k: cost_of(jobs[k]))
    half = len(rising) // 2
    short, long = rising[:half], rising[half:][::-1]
    return [k for pair in zip_longest(long, short) for k in pair if k is not None]


# ---- the folder during a run ----


def opened(out: Path, *, resume: bool) -> None:
    """Create the folder, or raise RunError if it has other content."""
    with explained(out):
        out.mkdir(mode=0o700, parents=True, exist_ok=True)
        present = {path.name for path in out.iterdir() if not is_scratch(path)}
    if resume and present == {RESULT, PAGE}:
        raise RunError(f"{out}: the self-check in it is finished; choose another --out")
    if present - {RESULT, PAGE, DONE_PART} or (present and DONE_PART not in present):
        raise RunError(f"{out}: not empty; choose another --out")
    if present and not resume:
        raise RunError(f"{out}: contains an interrupted self-check; continue with --resume, or choose another --out")


def taken_up(path: Path, request: dict[str, Any], jobs: Sequence[Job]) -> dict[int, Row]:
    """Rows of the jobs that were finished before; empty if the run is new.

    Raises : RunError if the folder belongs to another study, or the file is invalid
    """
    if not path.exists():
        return {}
    try:
        lines = path.read_text(encoding="utf-8").split("\n")[:-1]  # the last line of a killed writer is incomplete
        begun, *rows = [json.loads(line) for line in lines] or [request]
        found = {row["job"]: row_from_plain(jobs[range(len(jobs))[row["job"]]].part, row["row"]) for row in rows}
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise RunError(f"{path}: not an interrupted self-check ({error}); choose another --out") from error
    if begun != request:
        raise RunError(
            f"{path}: started with different worlds, a different seed, or a different version; choose another --out"
        )
    return found


@contextlib.contextmanager
def appending(path: Path, entries: Sequence[dict[str, Any]]) -> Iterator[Callable[[dict[str, Any]], None]]:
    """A function that appends an entry as a line of JSON to a file that starts with `entries`."""
    write_bytes(path, "".join(json.dumps(entry) + "\n" for entry in entries).encode())
    with explained(path.parent), path.open("a", encoding="utf-8") as file:

        def append(entry: dict[str, Any]) -> None:
            file.write(json.dumps(entry) + "\n")
            file.flush()

        yield append


def done_entry(number: int, row: Row) -> dict[str, Any]:
    """A finished job, as a line of the file."""
    return {"job": number, "row": row_to_plain(row)}
