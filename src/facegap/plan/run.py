"""The gaps that an audit of these people could have found (`facegap plan --run RUN`), attached to its run folder."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from facegap.errors import RunError
from facegap.plan.families import own_families
from facegap.plan.page import own_page
from facegap.plan.power import DIFFERENCES, RATIOS, OwnFamily, OwnPower, own_power
from facegap.runtime import version_of
from facegap.store.files import explained, write_bytes
from facegap.store.run import Run, broken_hashes, finish, fitting_together, open_folder, read_run
from facegap.worlds.pool import in_processes

PAGE, RESULT, RESULT_VERSION = "power.html", "power.json", 1
WORLDS, FEWEST_WORLDS = 500, 100
MOST_DRAWS = 40_000  # groups x gaps x simulations of one family: a few seconds
FEW_FAMILIES = 3  # families that one process finishes before others have started
Progress = Callable[[int, int], None]  # finished simulations, all simulations


def simulated_power(
    run: Run,
    *,
    seed: int = 0,
    worlds: int | None = None,
    workers: int | None = None,
    progress: Progress = lambda done, total: None,
) -> tuple[list[OwnPower], list[str]]:
    """Simulate gaps between the groups of a run, family by family; return also what was omitted and why.

    worlds   : simulations of each family; None: 500, fewer for many groups
    progress : one step is one group at one planted gap in all simulations
    """
    families, left_out = own_families(run)
    jobs = [(family, worlds or worlds_for(family), (seed, 33, number)) for number, family in enumerate(families)]
    total, done = sum(draws_of(family) for family in families), 0

    def count(draws: int) -> None:
        nonlocal done
        done += draws
        progress(done, total)

    count(0)
    found = dict(each_family(jobs, workers or os.cpu_count() or 1, count))
    return [found[number] for number in range(len(families))], left_out


def each_family(
    jobs: Sequence[tuple[OwnFamily, int, tuple[int, ...]]], workers: int, count: Callable[[int], None]
) -> Iterator[tuple[int, OwnPower]]:
    """Index and result of each family as it finishes."""
    if workers == 1 or len(jobs) <= FEW_FAMILIES:
        yield from ((number, own_power(*job, lambda: count(1))) for number, job in enumerate(jobs))
        return
    for number, power in in_processes(own_power, jobs, workers):
        count(draws_of(jobs[number][0]))
        yield number, power


def draws_of(family: OwnFamily) -> int:
    """Groups x (number of planted gaps + 1)."""
    return len(family.groups) * (1 + len(RATIOS if family.is_ratio else DIFFERENCES))


def worlds_for(family: OwnFamily) -> int:
    """The number of simulations that takes a few seconds."""
    return int(np.clip(MOST_DRAWS // draws_of(family), FEWEST_WORLDS, WORLDS))


def add_power(
    folder: Path,
    run: Run,
    *,
    seed: int = 0,
    workers: int | None = None,
    progress: Progress = lambda done, total: None,
) -> tuple[list[OwnPower], list[str]]:
    """Write power.html and power.json into a finished run folder and update its hashes."""
    powers, left_out = simulated_power(run, seed=seed, workers=workers, progress=progress)
    plain = json.dumps(as_plain(powers, left_out, seed), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_bytes(folder / RESULT, plain.encode())
    write_bytes(folder / PAGE, own_page(powers, left_out, seed=seed).encode())
    with explained(folder):
        finish(folder)
    return powers, left_out


def power_of_finished_run(
    folder: Path, *, seed: int = 0, workers: int | None = None, progress: Progress = lambda done, total: None
) -> tuple[list[OwnPower], list[str]]:
    """`add_power` for a run that was finished earlier, including black boxes.

    Raises
    ------
    RunError : the run is unfinished, was changed after it finished, or is being written by another process
    """
    changed = [said for said in broken_hashes(folder) if not said.startswith((f"{PAGE}:", f"{RESULT}:"))]
    if changed:  # updating the hashes would hide the change
        raise RunError(f"{folder}: the run was changed after it finished: {'; '.join(changed[:3])}")
    with open_folder(folder, resume=True), fitting_together(folder):
        return add_power(folder, read_run(folder), seed=seed, workers=workers, progress=progress)


def as_plain(powers: Sequence[OwnPower], left_out: Sequence[str], seed: int) -> dict[str, Any]:
    """The result as JSON values; the same run and seed give the same bytes."""
    return {
        "version": RESULT_VERSION,
        "facegap": version_of("facegap"),
        "seed": seed,
        "left_out": list(left_out),
        "families": [family_as_plain(power) for power in powers],
    }


def family_as_plain(power: OwnPower) -> dict[str, Any]:
    """One family: its people as counts, then the results."""
    family = power.family
    first, second = np.triu_indices(len(family.groups), 1)
    names = [group.name for group in family.groups]
    stated = {
        name: value
        for name, value in asdict(family).items()
        if name
        in (
            "metric",
            "grouping",
            "threshold_from",
            "sort",
            "errors",
            "trials",
            "rate",
            "strength",
            "margin",
            "alpha",
            "beside",
            "notes",
        )
    }
    return {
        **stated,
        "threshold": plain_number(family.threshold),
        "gap_is_a": "ratio" if family.is_ratio else "difference",
        "groups": [
            {
                "name": group.name,
                "subjects": len(group.trials),
                "images_or_trials": int(group.trials.sum()),
                "interval_holds": float(covered),
            }
            for group, covered in zip(family.groups, power.covered, strict=True)
        ],
        "worlds": power.worlds,
        "false_alarm": power.false_alarm,
        "gaps": power.gaps.tolist(),
        "found_any": [plain_number(share) for share in power.found_any],
        "pairs": [
            {
                "group_a": names[a],
                "group_b": names[b],
                "found": [plain_number(share) for share in power.found[k]],
                "no_gap_is_said_where_there_is_none": float(power.cleared[k]),
            }
            for k, (a, b) in enumerate(zip(first, second, strict=True))
        ],
    }


def plain_number(value: float) -> float | None:
    """NaN as None."""
    return None if np.isnan(value) else float(value)
