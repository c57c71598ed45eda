"""Counts of a comparison of everyone with everyone that has not reached its end, kept beside the parts of a run.

A file is one comparison, named by the hash of all that its integers depend on. Its first line says how many blocks are in it
and has the hash of the rest, so that a file that was cut off or damaged is ignored. The hash does not show who wrote the file.
What counts hold of each row may be a gibibyte: it is written and read without a copy of the whole in memory.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from facegap.errors import RunError
from facegap.store.checksums import PARTS
from facegap.store.counts import scores_from_npz, scores_to_npz
from facegap.store.files import explained, sync_folder, writing
from facegap.store.opened import opened
from facegap.types import ScoreCounts

MOST_BYTES = 8 * 2**30  # a list of impostor pairs has 24 bytes a pair, packed
_FIRST_LINE = re.compile(rb"facegap counts under way 1: ([0-9]{1,9}) blocks, ([0-9]{1,18}) ns, sha256 ([0-9a-f]{64})\n")
_LONGEST_LINE = 160
_NO_HASH = "0" * 64


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
    with writing(parts / name_of(comparison)) as file:
        file.write(first_line(done, _NO_HASH))
        hashed = Hashed(file)
        scores_to_npz(done.counts, hashed, compressed=False)  # type: ignore[arg-type]
        file.seek(0)
        file.write(first_line(done, hashed.sha256.hexdigest()))


def first_line(done: UnderWay, sha256: str) -> bytes:
    """The line in front of the counts, of one length whatever the hash."""
    return f"facegap counts under way 1: {done.blocks} blocks, {done.ns} ns, sha256 {sha256}\n".encode()


class Hashed(io.RawIOBase):
    """A file to write to from end to end, without going back, that hashes what is written."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes; how many these are."""
        self.sha256.update(data)
        return self.file.write(data)


def read_under_way(folder: Path, comparison: str) -> UnderWay | None:
    """What was kept of a comparison; None where nothing was, or not as it was written."""
    path = folder / PARTS / name_of(comparison)
    try:
        with opened(path, follow=False) as file:
            found = _FIRST_LINE.fullmatch(file.readline(_LONGEST_LINE))
            if found is None or os.fstat(file.fileno()).st_size > MOST_BYTES:
                return None
            start = file.tell()
            if hashlib.file_digest(file, "sha256").hexdigest() != found[3].decode():
                return None
            file.seek(start)
            return UnderWay(int(found[1]), int(found[2]), scores_from_npz(file, path, has_totals=False))
    except (OSError, RunError):
        return None


def name_of(comparison: str) -> str:
    """Name of the file of a comparison."""
    return f"counts-{comparison[:32]}.npz"
