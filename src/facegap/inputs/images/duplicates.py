"""Find duplicate image files: one photograph listed twice, perhaps under two names."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.store.opened import OpenFolder, opened_below

NAMED = 10  # warnings and examples shown; the others are counted
_PROBE_BYTES = 512


def identical_bytes(
    frame: pd.DataFrame,
    folder: Path,
    sizes: Sequence[int],
    *,
    unit: str = "line",
    has_subjects: bool = True,
    most: int | None = None,
) -> tuple[str, ...]:
    """Return warnings about byte-identical images, listed for two subjects or for one.

    frame  : a MANIFEST table; `unit` is what its column `line` counts
    sizes  : bytes of each image file, -1 if there is none; only files of equal size are opened
    most   : number of files to open; if more have equal sizes, a random but reproducible sample of sizes is compared, which a
             warning states. None: all
    Empty and unreadable files are ignored here; decoding gives them an outcome.
    """
    two: list[pd.DataFrame] = []
    one: list[pd.DataFrame] = []
    same_size = _grouped(_shared_sizes(sizes))
    compared = same_size if most is None else _some_of(same_size, most)
    for rows in _equal_files(frame, folder, sizes, compared):
        same = frame.iloc[rows]
        several = has_subjects and bool((same["subject"] != same["subject"].iloc[0]).any())
        (two if several else one).append(same)
    warnings = [_two_subjects(same, unit) for same in two[:NAMED]]
    if len(two) > NAMED:
        warnings.append(f"{len(two) - NAMED} further photographs are listed under two subjects")
    if one:
        names = "; ".join(" = ".join(same["image"]) for same in one[:3])
        more = ", ..." if len(one) > 3 else ""
        repeats = sum(len(same) - 1 for same in one)
        images = "1 image has" if repeats == 1 else f"{repeats} images have"
        warnings.append(f"{images} the same bytes as another ({names}{more}); keep each photograph once")
    if len(compared) < len(same_size):
        opened, shared = (sum(map(len, groups)) for groups in (compared, same_size))
        warnings.append(
            f"duplicates were sought among {opened:,} of {shared:,} files that have the same size as another, for sizes chosen "
            "at random; --decode-all compares all of them"
        )
    return tuple(warnings)


def _some_of(groups: list[list[int]], most: int) -> list[list[int]]:
    """Return random groups with at most `most` rows in total, but at least one group; reproducible.

    Whole groups are sampled: duplicates have equal size, so a proportion of the groups contains that proportion of duplicates.
    """
    order = np.random.default_rng(0).permutation(len(groups))
    rows = np.cumsum([len(groups[k]) for k in order])
    kept = max(1, int(np.searchsorted(rows, most, side="right")))
    return [groups[k] for k in sorted(order[:kept].tolist())]


def _two_subjects(same: pd.DataFrame, unit: str) -> str:
    """Return the warning for one photograph of two subjects, which names both."""
    first = same.iloc[0]
    second = same[same["subject"] != first["subject"]].iloc[0]
    return (
        f"{unit}s {first['line']} and {second['line']}, column subject: {first['image']!r} ({first['subject']}) and "
        f"{second['image']!r} ({second['subject']}) have the same bytes under two subjects; correct one of them"
    )


def _equal_files(
    frame: pd.DataFrame, folder: Path, sizes: Sequence[int], same_size: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Return groups of rows with equal bytes among rows of equal size: compares bytes of the middle, then whole files."""
    paths = frame["path"].tolist()
    # Portraits from one source share headers and often sizes; 512 bytes of the middle distinguish nearly all.
    middles = _middles(folder, paths, sizes, sorted(row for rows in same_size for row in rows))
    same_middle = _grouped(((sizes[row], middle), row) for middle, row in middles)
    del middles
    hashed = ((_sha256(folder, str(paths[row])), row) for rows in same_middle for row in rows)
    return sorted(_grouped(hashed))


def _shared_sizes(sizes: Sequence[int]) -> Iterator[tuple[int | None, int]]:
    """Yield the size and row of each file; None if it is missing or empty."""
    return ((size if size > 0 else None, row) for row, size in enumerate(sizes))


def _grouped(keyed: Iterable[tuple[Hashable, int]]) -> list[list[int]]:
    """Group rows by key; groups of one row and the key None are omitted."""
    groups: dict[Hashable, list[int]] = {}
    for key, row in keyed:
        if key is not None:
            groups.setdefault(key, []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def _middles(
    folder: Path, paths: Sequence[str], sizes: Sequence[int], rows: Sequence[int]
) -> Iterator[tuple[bytes, int]]:
    """Yield a digest of bytes in the middle of each file, and its row; unreadable files are omitted.

    For the sake of a million files, each folder is opened once for all of its consecutive files.
    """
    for inside, together in groupby(rows, key=lambda row: posixpath.dirname(str(paths[row]))):
        try:
            place = OpenFolder(folder, inside)
        except (OSError, ValueError):
            continue
        try:
            for row in together:
                found = _middle(place, posixpath.basename(str(paths[row])), sizes[row])
                if found is not None:
                    yield found, row
        finally:
            place.close()


def _middle(place: OpenFolder, name: str, size: int) -> bytes | None:
    """Return a digest of bytes in the middle of a file, None if it cannot be read."""
    try:
        return hashlib.blake2b(place.read_at(name, size // 2, _PROBE_BYTES), digest_size=16).digest()
    except (OSError, ValueError):
        return None


def _sha256(folder: Path, path: str) -> str | None:
    """Return the hash of a file, None if it cannot be read."""
    try:
        with opened_below(folder, path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
