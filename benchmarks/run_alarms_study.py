"""False alarms of a whole run without a gap: each family tested separately, and one primary family, as Markdown.

    python benchmarks/run_alarms_study.py
    python benchmarks/run_alarms_study.py --quick

All simulations are seeded: the same command prints the same table.
"""

from __future__ import annotations

import argparse

from facegap.worlds.runs import null_families, run_alarms

SEED = 20261129


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the worlds")
    worlds = 400 if parser.parse_args().quick else 4_000
    print("| families | groups x people x images | rho | worlds | Holm in each family | the primary family |")
    print("|---|---|---|---|---|---|")
    for groupings, groups, people, strength in (
        (4, 2, 100, 0.0),
        (4, 4, 100, 0.0),
        (4, 4, 40, 0.0),
        (4, 4, 100, 0.1),
        (4, 4, 40, 0.1),
        (1, 4, 100, 0.0),
    ):
        families = null_families(groupings, groups, people=people, images=3, strength=strength)
        found = run_alarms(families, 3, worlds, SEED)
        said = [f"{p:.3f} ± {(p * (1 - p) / worlds) ** 0.5:.3f}" for p in (found.each_family, found.primary)]
        print(
            f"| {found.families} | {groups} x {people} x 3 | {strength:g} | {worlds:,} | {said[0]} | {said[1]} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
