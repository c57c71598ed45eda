"""The demo with ten seeds: does each audit find the planted gap, with an interval that covers the truth, and no other gap?

    python benchmarks/demo_seeds.py [--seeds 10] [--keep FOLDER]

The pair is chosen in advance (darker women, lighter men), as are the two questions: misclassified gender and false match.
The quantity compared with the truth is that of the verdict: the difference of the first, the ratio of the second.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from facegap.demo.run import BEST, METRICS, VERSIONS, WORST, Demo, demo
from facegap.demo.text import bounds, effect_text, gap_row, in_unit, true_effect


def main() -> None:
    """Run the demos, print one line per seed, and the counts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--keep", type=Path, help="keep the run folders here")
    arguments = parser.parse_args()
    verdicts: Counter[str] = Counter()
    held: Counter[str] = Counter()
    print(f"{WORST} against {BEST}: difference in percentage points, for fmr the ratio\n")
    print("| seed | " + " | ".join(f"{version}: {metric}" for metric in METRICS for version in VERSIONS) + " | s |")
    print("|---|" + "---|" * (len(METRICS) * len(VERSIONS) + 1))
    for seed in range(arguments.seeds):
        folder = (arguments.keep or Path(tempfile.mkdtemp(prefix="facegap-demo-"))) / f"seed{seed}"
        started = time.perf_counter()
        found = demo(folder, seed=seed)
        cells = []
        for metric in METRICS:
            for version in VERSIONS:
                gap = gap_row(found.runs[version], metric)
                inside = holds(found, version, metric)
                verdicts[f"{version} {metric}: {gap['verdict']}"] += 1
                held[f"{version} {metric}"] += inside
                cells.append(f"{effect_text(gap)}, {gap['verdict']}{'' if inside else ', truth OUTSIDE'}")
        print(f"| {seed} | " + " | ".join(cells) + f" | {time.perf_counter() - started:.0f} |", flush=True)
        if arguments.keep is None:
            shutil.rmtree(folder.parent)
    print("\ntruth: " + "; ".join(f"{v} {m} {in_unit(m, true_effect(found, v, m))}" for m in METRICS for v in VERSIONS))
    for name, count in sorted(verdicts.items()):
        print(f"{name}: {count}/{arguments.seeds}")
    for name, count in sorted(held.items()):
        print(f"interval holds the truth, {name}: {count}/{arguments.seeds}")


def holds(found: Demo, version: str, metric: str) -> bool:
    """Whether the interval of the difference, or of the ratio, covers the truth."""
    low, high = bounds(gap_row(found.runs[version], metric))
    return low <= true_effect(found, version, metric) <= high


if __name__ == "__main__":
    main()
