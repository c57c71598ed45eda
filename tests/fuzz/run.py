"""Fuzz targets with atheris: `python tests/fuzz/run.py card,manifest -max_total_time=60 -seed=1`; options as of libFuzzer.

Each target runs in a separate process, forked after the package was loaded with its branches counted, which takes longer than
a short run does.
"""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["facegap"]):
    from fuzz.targets import TARGETS

LONGEST = 20_000  # bytes of an input


def fuzz(name: str) -> None:
    """Fuzz one target from its seeds; the process ends with it."""
    target = TARGETS[name]
    corpus = Path(tempfile.mkdtemp(prefix=f"facegap-corpus-{name}-".replace(" ", "-")))
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    longest = max(LONGEST, *(len(seed) for seed in target.seeds))
    atheris.Setup([sys.argv[0], *sys.argv[2:], f"-max_len={longest}", str(corpus)], target)
    atheris.Fuzz()


def main() -> None:
    """Fuzz the targets that the first word names, with commas between; the exit code is 1 where one found something."""
    found = []
    for name in sys.argv[1].split(","):
        child = os.fork()
        if not child:
            fuzz(name)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if status:
            found.append(name)
    sys.exit(f"found something: {', '.join(found)}" if found else 0)


if __name__ == "__main__":
    main()
