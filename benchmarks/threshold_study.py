"""Coverage of rates "at FMR = x" in simulations, with thresholds by split and by folds, as Markdown.

    python benchmarks/threshold_study.py               some 20 minutes of one core
    python benchmarks/threshold_study.py --quick       a tenth of the simulations
    python benchmarks/threshold_study.py --subjects 40

The simulations are those of src/facegap/worlds/thresholds.py, seeded: the same command prints the same tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np

from facegap.worlds.thresholds import IntervalCoverage, World, studied

SEED, WORLDS, GROUPS, SPECIAL = 20261130, 2_000, 500, 400  # groups and FNMR are computed in some of the simulations
SUBJECTS, IMAGES, EFFECTS, TARGETS = (40, 100, 200), (2, 4), (0.0, 0.1), (0.01, 0.001)
NAMES = {None: "everybody", 1: "a group"}
HEADER = "".join(
    f"| {' | '.join(cells)} |\n"
    for cells in (
        (
            "subjects x images",
            "rho",
            "target",
            "rate",
            "worlds: split, folds",
            "errors: split, folds",
            "split before",
            "split after",
            "folds before",
            "folds after",
            "folds, at the threshold for use",
            "width split: before, after",
            "width folds: before, after",
        ),
        ("---",) * 13,
    )
).strip()


def settings_of(subjects: int) -> Iterator[World]:
    """The settings with one number of subjects."""
    for images in IMAGES:
        for rho in EFFECTS:
            for target in TARGETS:
                if subjects * images > 80 or target > 0.001:  # half of the people need 1,000 impostor pairs
                    yield World((subjects // 2, subjects - subjects // 2), images, rho, target)


def special_worlds() -> Iterator[tuple[str, World]]:
    """Settings for the ratio of two groups, and settings with other inequalities."""
    yield "two groups of 50, one with 1.8 times the FMR of the other", World((50, 50), 4, 0.1, 0.01)
    yield "two groups of 100, target 0.001", World((100, 100), 2, 0.1, 0.001)
    yield (
        "false matches and false non-matches of a person go together (correlation 0.7)",
        World((50, 50), 4, 0.1, 0.01, shared=0.7),
    )
    yield "the group is 20 of 200 people", World((180, 20), 4, 0.1, 0.01)
    yield (
        "the group is 50 of 200 people and its FMR is many times the others'",
        World((150, 50), 4, 0.1, 0.01, shifts=(0.0, 0.35)),
    )


def share(proportion: float, worlds: int) -> str:
    """A proportion with its Monte Carlo standard error."""
    return f"{proportion:.3f} ± {np.sqrt(proportion * (1 - proportion) / max(worlds, 1)):.3f}"


def rows_of(world: World, worlds: int, *, with_groups: int, with_ratios: int = 0) -> Iterator[str]:
    """Rows of the table, one per rate."""
    key = [
        SEED,
        *world.subjects,
        world.images,
        round(world.rho * 100),
        round(1 / world.target),
        round(world.shared * 10),
    ]
    rng = np.random.default_rng(key)
    found = studied(world, worlds, rng, with_groups=with_groups, with_ratios=with_ratios)
    of = {(one.metric, one.of, one.method): one for one in found}
    for metric in ("fmr", "fnmr"):
        for who in (None, 1):
            split, folds = of[metric, who, "split"], of[metric, who, "folds"]
            yield row_of(world, f"{metric.upper()} of {NAMES[who]}", split, folds)
        if with_ratios:
            yield row_of(
                world, f"ratio of {metric.upper()}", of[metric, "ratio", "split"], of[metric, "ratio", "folds"]
            )


def row_of(world: World, name: str, split: IntervalCoverage, folds: IntervalCoverage) -> str:
    """One rate by both methods."""
    cells = (
        f"{sum(world.subjects)} x {world.images}",
        f"{world.rho:g}",
        f"{world.target:g}",
        name,
        f"{split.worlds:,}, {folds.worlds:,}",
        f"{split.errors:.1f}, {folds.errors:.1f}",
        *(share(one.plain, one.worlds) + " | " + share(one.with_threshold, one.worlds) for one in (split, folds)),
        share(folds.at_use, folds.worlds),
        *(f"{one.plain_width:.2f}, {one.width:.2f}" for one in (split, folds)),
    )
    return f"| {' | '.join(cells)} |"


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the worlds")
    parser.add_argument("--subjects", type=int, choices=(*SUBJECTS, 0), action="append", help="0: the special worlds")
    given = parser.parse_args()
    few = 10 if given.quick else 1
    worlds, with_groups, special = WORLDS // few, GROUPS // few, SPECIAL // few
    for subjects in given.subjects or (*SUBJECTS, 0):
        print(f"\n## {subjects} subjects\n\n{HEADER}" if subjects else "\n## Special worlds", flush=True)
        for world in settings_of(subjects) if subjects else ():
            print(*rows_of(world, worlds, with_groups=with_groups), sep="\n", flush=True)
        for name, world in special_worlds() if not subjects else ():
            rows = rows_of(world, special, with_groups=special, with_ratios=special)
            print(f"\n{name}\n\n{HEADER}", *rows, sep="\n", flush=True)


if __name__ == "__main__":
    main()
