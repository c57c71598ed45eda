"""Partial counts of an unfinished comparison of all pairs, stored with the parts of a run.

Each file is for one comparison and is named by the hash of everything that its counts depend on. The first line states the
number of blocks in it and the hash of the rest, so that a truncated or damaged file is ignored. The hash does not show who
wrote the file. Counts of rows can take a gibibyte, so they are written and read without a copy in memory.
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
    """Counts so far.

    blocks : number of blocks counted, in the order of the comparison from the first
    ns     : elapsed time of these blocks, nanoseconds
    """

    blocks: int
    ns: int
    counts: ScoreCounts


def write_under_way(folder: Path, comparison: str, done: UnderWay) -> None:
    """Store the counts atomically, replacing those stored before.

    folder : of the run; comparison : hash of everything that the counts depend on
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
    """The line before the counts; its length does not depend on the hash."""
    return f"facegap counts under way 1: {done.blocks} blocks, {done.ns} ns, sha256 {sha256}\n".encode()


class Hashed(io.RawIOBase):
    """A write-only file that hashes what is written in sequence."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.sha256 = file, hashlib.sha256()

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, data: Any) -> int:
        """Write bytes and return their number."""
        self.sha256.update(data)
        return self.file.write(data)


def read_under_way(folder: Path, comparison: str) -> UnderWay | None:
    """The stored counts of a comparison; None if there are none or the file was changed."""
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
