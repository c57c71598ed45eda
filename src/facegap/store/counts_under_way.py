"""Counts of a comparison of everyone with everyone that has not reached its end, kept beside the parts of a run.

A file is one comparison, named by the hash of all that its integers depend on. Its first line says how many blocks are in it
and has the hash of the rest, so that a file that was cut off or damaged is ignored. The hash does not show who wrote the file.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

from facegap.errors import RunError
from facegap.store.checksums import PARTS
from facegap.store.counts import scores_from_npz, scores_to_npz
from facegap.store.files import explained, sync_folder, write_bytes
from facegap.store.opened import read_file
from facegap.types import ScoreCounts

MOST_BYTES = 8 * 2**30  # a list of impostor pairs has 24 bytes a pair, packed
_FIRST_LINE = re.compile(rb"facegap counts under way 1: ([0-9]{1,9}) blocks, ([0-9]{1,18}) ns, sha256 ([0-9a-f]{64})\n")
_LONGEST_LINE = 160


@dataclass(frozen=True)
class UnderWay:
    """What has been counted so far.

    blocks : how many blocks of the comparison are in the counts, the first ones in its order
    ns     : of the clock, that they took
    """

    blocks: int
    ns: int
    counts: ScoreCounts


def write_under_way(folder: Path, comparison: str, done: UnderWay) -> None:
    """Keep what has been counted, in the place of what was kept before; whole or not at all.

    folder : of the run; comparison : hash of all that the integers depend on
    """
    parts = folder / PARTS
    with explained(folder):
        if not parts.is_dir():
            parts.mkdir(mode=0o700, exist_ok=True)
            sync_folder(folder)
    buffer = io.BytesIO()
    scores_to_npz(done.counts, buffer)
    content = buffer.getvalue()
    hashed = hashlib.sha256(content).hexdigest()
    line = f"facegap counts under way 1: {done.blocks} blocks, {done.ns} ns, sha256 {hashed}\n"
    write_bytes(parts / name_of(comparison), line.encode() + content)


def read_under_way(folder: Path, comparison: str) -> UnderWay | None:
    """What was kept of a comparison; None where nothing was, or not as it was written."""
    path = folder / PARTS / name_of(comparison)
    try:
        content = read_file(path, MOST_BYTES, follow=False)
        found = _FIRST_LINE.match(content[:_LONGEST_LINE])
        if found is None:
            return None
        stored = content[found.end() :]
        if hashlib.sha256(stored).hexdigest() != found[3].decode():
            return None
        return UnderWay(int(found[1]), int(found[2]), scores_from_npz(io.BytesIO(stored), path, has_totals=False))
    except (OSError, RunError):
        return None


def name_of(comparison: str) -> str:
    """Name of the file of a comparison."""
    return f"counts-{comparison[:32]}.npz"
