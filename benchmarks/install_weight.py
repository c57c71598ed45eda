"""Size of an installation by package, with dependents: the table of docs/install.md. python benchmarks/install_weight.py"""

from __future__ import annotations

import sys
from importlib.metadata import Distribution, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = "facegap"
MIB = 2**20
LEAST_MIB = 5.0  # smaller packages are summed


def base_requirements(one: Distribution) -> list[str]:
    """The packages that a distribution needs here without any extra."""
    needs = [Requirement(text) for text in one.requires or []]
    return [
        canonicalize_name(need.name) for need in needs if need.marker is None or need.marker.evaluate({"extra": ""})
    ]


def closure(root: str) -> dict[str, list[str]]:
    """Every package that the root needs, with the packages that require it."""
    asked: dict[str, list[str]] = {}
    waiting = [root]
    for name in waiting:  # grows during the loop
        for needed in base_requirements(distribution(name)):
            if needed not in asked:
                waiting.append(needed)
            asked.setdefault(needed, []).append(name)
    return asked


def bytes_of(name: str) -> int:
    """Bytes of the installed files of a package, without compiled Python."""
    paths = (file.locate() for file in distribution(name).files or [] if file.suffix != ".pyc")
    return sum(path.stat().st_size for path in paths if path.is_file())  # type: ignore[attr-defined]


def main() -> None:
    """Print the table."""
    asked = closure(ROOT)
    weights = sorted(((bytes_of(name) / MIB, name) for name in asked), reverse=True)
    print("| package | MiB | version | needed by |")
    print("|---|---|---|---|")
    for mib, name in weights:
        if mib >= LEAST_MIB:
            by = ", ".join(sorted(asked[name], key=lambda one: (one != ROOT, one)))
            print(f"| {name} | {mib:.0f} | {distribution(name).version} | {by} |")
    small = [mib for mib, _ in weights if mib < LEAST_MIB]
    print(f"| {len(small)} others, each below {LEAST_MIB:.0f} MiB | {sum(small):.0f} | | |")
    total = sum(mib for mib, _ in weights)
    print(f"\n{total / 1024:.2f} GiB in all, {len(weights)} packages, Python {sys.version.split()[0]}, {sys.platform}")


if __name__ == "__main__":
    main()
