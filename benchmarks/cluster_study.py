"""The effect of --cluster and of effective subjects, in simulations with sessions and with unequal images, as Markdown.

    python benchmarks/cluster_study.py
    python benchmarks/cluster_study.py --quick

All simulations are seeded: the same command prints the same tables.
"""

from __future__ import annotations

import argparse

import numpy as np

from facegap.worlds.clusters import (
    Sessions,
    covered,
    session_alarms,
    session_errors,
    session_matches,
    session_rates,
    unequal_rates,
)

SEED, MINIMUM = 20261129, 20


def estimate(proportion: float, worlds: int) -> str:
    """A proportion of simulations with its Monte Carlo standard error."""
    return f"{proportion:.3f} ± {np.sqrt(proportion * (1 - proportion) / max(worlds, 1)):.3f}"


def session_table(worlds: int) -> list[str]:
    """Coverage of rates."""
    lines = [
        "| sessions x people x images | rate | icc | worlds | people as units | sessions as units |",
        "|---|---|---|---|---|---|",
    ]
    for sessions, people, images, rate, icc in (
        (10, 20, 2, 0.1, 0.0),
        (10, 20, 2, 0.1, 0.05),
        (10, 20, 5, 0.1, 0.05),
        (20, 10, 2, 0.1, 0.05),
        (40, 5, 2, 0.1, 0.05),
    ):
        setting = Sessions(sessions, people, images, rate, icc)
        errors = session_errors(setting, worlds, np.random.default_rng([SEED, sessions, images, round(icc * 100)]))
        held = [estimate(covered(found, rate).mean(), worlds) for found in session_rates(setting, errors)]
        lines.append(f"| {sessions} x {people} x {images} | {rate:g} | {icc:g} | {worlds:,} | {held[0]} | {held[1]} |")
    return lines


def match_table(worlds: int) -> list[str]:
    """Coverage of FMR."""
    lines = [
        "| sessions x people | FMR | effect of sessions, of people | worlds | people as units | sessions as units |",
        "|---|---|---|---|---|---|",
    ]
    for sessions, people, rate, icc, of_people in (
        (10, 20, 0.01, 0.02, 0.05),
        (20, 10, 0.01, 0.02, 0.05),
        (40, 5, 0.01, 0.02, 0.05),
        (40, 5, 0.01, 0.0, 0.05),
    ):
        setting = Sessions(sessions, people, 1, rate, icc)
        rng = np.random.default_rng([SEED, sessions, round(icc * 100), 7])
        held = [estimate(found.mean(), worlds) for found in session_matches(setting, worlds, rng, of_people=of_people)]
        lines.append(
            f"| {sessions} x {people} | {rate:g} | {icc:g}, {of_people:g} | {worlds:,} | {held[0]} | {held[1]} |"
        )
    return lines


def alarm_table(worlds: int) -> list[str]:
    """False alarms of a family of four identical groups."""
    lines = [
        "| sessions x people x images of each group | sessions | worlds | people as units | sessions as units |",
        "|---|---|---|---|---|",
    ]
    for sessions, people, shared in ((10, 20, False), (10, 20, True), (20, 10, False)):
        setting = Sessions(sessions, people, 2, 0.1, 0.05)
        rng = np.random.default_rng([SEED, sessions, int(shared)])
        found = [estimate(rate, worlds) for rate in session_alarms(setting, 4, worlds, rng, shared=shared)]
        of = "the same for all groups" if shared else "its own"
        lines.append(f"| {sessions} x {people} x 2 | {of} | {worlds:,} | {found[0]} | {found[1]} |")
    return lines


def unequal_table(worlds: int) -> list[str]:
    """Coverage of rates of people with 1 to 50 images."""
    lines = [
        "| people | rate | icc | worlds | coverage | effective people: median (5%, 95%) | worlds with 20 or more | coverage there "
        "| one person over a third |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for people, rate, icc in ((40, 0.1, 0.0), (40, 0.1, 0.1), (40, 0.1, 0.3), (100, 0.1, 0.1)):
        found = unequal_rates(people, 50, rate, icc, worlds, np.random.default_rng([SEED, people, round(icc * 100)]))
        held, enough = covered(found, rate), found.effective_subjects >= MINIMUM
        low, middle, high = np.quantile(found.effective_subjects, [0.05, 0.5, 0.95])
        there = estimate(held[enough].mean(), int(enough.sum())) if enough.any() else "none"
        lines.append(
            f"| {people} | {rate:g} | {icc:g} | {worlds:,} | {estimate(held.mean(), worlds)} | {middle:.1f} ({low:.1f}, {high:.1f}) "
            f"| {enough.mean():.3f} | {there} | {(found.largest_share > 1 / 3).mean():.4f} |"
        )
    return lines


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a tenth of the worlds")
    few = 10 if parser.parse_args().quick else 1
    tables = (
        ("Coverage of rates of images, people in sessions", session_table(10_000 // few)),
        ("Coverage of FMR, people in sessions", match_table(2_000 // few)),
        ("False alarms of a family of four groups that are alike", alarm_table(2_000 // few)),
        ("Coverage with unequal images, 1 to 50 (Zipf)", unequal_table(10_000 // few)),
    )
    for title, lines in tables:
        print(f"## {title}", "", *lines, "", sep="\n")


if __name__ == "__main__":
    main()
