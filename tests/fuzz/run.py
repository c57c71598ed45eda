"""Fuzz one target with atheris: `python tests/fuzz/run.py card -max_total_time=60 -seed=1`; other options as of libFuzzer."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[1]))

with atheris.instrument_imports(include=["facegap"]):
    from fuzz.targets import TARGETS

LONGEST = 20_000  # bytes of an input


def main() -> None:
    """Fuzz the target that the first word names, from its seeds."""
    target = TARGETS[sys.argv[1]]
    corpus = Path(tempfile.mkdtemp(prefix=f"facegap-corpus-{sys.argv[1]}-"))
    for number, seed in enumerate(target.seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    longest = max(LONGEST, *(len(seed) for seed in target.seeds))
    atheris.Setup([sys.argv[0], *sys.argv[2:], f"-max_len={longest}", str(corpus)], target)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
