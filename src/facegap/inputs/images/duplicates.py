"""Image files with the same bytes: one photograph listed twice, perhaps under two names."""

from __future__ import annotations

import hashlib
import posixpath
from collections.abc import Hashable, Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.store.opened import OpenFolder, opened_below

NAMED = 10  # warnings and examples that are written out; the rest are counted
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
    """Warnings about images whose files are equal byte for byte, under two subjects or under one.

    frame  : a MANIFEST table; unit says what its column `line` counts
    sizes  : bytes of each image file, -1 where there is none; only files of equal size are opened
    most   : how many files to open; where more have equal sizes, those of sizes taken at random are, the same ones each
             time, and a sentence says so. None: all
    Empty files and files that cannot be read are left to the decoder, which gives them an outcome.
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
        warnings.append(f"{repeats} images have the same bytes as another ({names}{more}); keep each photograph once")
    if len(compared) < len(same_size):
        opened, shared = (sum(map(len, groups)) for groups in (compared, same_size))
        warnings.append(
            f"equal bytes were looked for among {opened:,} of {shared:,} files that share their size with another: all files of sizes "
            "taken at random; --decode-all compares all of them"
        )
    return tuple(warnings)


def _some_of(groups: list[list[int]], most: int) -> list[list[int]]:
    """Groups at random while they have at most `most` rows together, at least one; the same ones each time.

    Whole groups: two equal files are of one size, so that a share of the groups finds the same share of the equal files.
    """
    order = np.random.default_rng(0).permutation(len(groups))
    rows = np.cumsum([len(groups[k]) for k in order])
    kept = max(1, int(np.searchsorted(rows, most, side="right")))
    return [groups[k] for k in sorted(order[:kept].tolist())]


def _two_subjects(same: pd.DataFrame, unit: str) -> str:
    """The warning for one photograph under two subjects: names both."""
    first = same.iloc[0]
    second = same[same["subject"] != first["subject"]].iloc[0]
    return (
        f"{unit}s {first['line']} and {second['line']}, column subject: {first['image']!r} ({first['subject']}) and "
        f"{second['image']!r} ({second['subject']}) have the same bytes under two subjects; correct one of them"
    )


def _equal_files(
    frame: pd.DataFrame, folder: Path, sizes: Sequence[int], same_size: Sequence[Sequence[int]]
) -> list[list[int]]:
    """Groups of row positions with equal bytes among rows of equal size: by a probe of the middle, then by the whole."""
    paths = frame["path"].tolist()
    # Portraits of one source share headers and often sizes: 512 bytes of the middle part nearly all that differ.
    middles = _middles(folder, paths, sizes, sorted(row for rows in same_size for row in rows))
    same_middle = _grouped(((sizes[row], middle), row) for middle, row in middles)
    del middles
    hashed = ((_sha256(folder, str(paths[row])), row) for rows in same_middle for row in rows)
    return sorted(_grouped(hashed))


def _shared_sizes(sizes: Sequence[int]) -> Iterator[tuple[int | None, int]]:
    """Size and row of each file; None for no file and for an empty one."""
    return ((size if size > 0 else None, row) for row, size in enumerate(sizes))


def _grouped(keyed: Iterable[tuple[Hashable, int]]) -> list[list[int]]:
    """Rows with one key together, where there are two or more of them; key None is left out."""
    groups: dict[Hashable, list[int]] = {}
    for key, row in keyed:
        if key is not None:
            groups.setdefault(key, []).append(row)
    return [group for group in groups.values() if len(group) > 1]


def _middles(
    folder: Path, paths: Sequence[str], sizes: Sequence[int], rows: Sequence[int]
) -> Iterator[tuple[bytes, int]]:
    """A digest of some bytes of the middle of each file and its row; files that cannot be read are left out.

    A million files are opened here, so that each folder is opened once for all of its files that stand together.
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
    """A digest of some bytes of the middle of a file, None where it cannot be read."""
    try:
        return hashlib.blake2b(place.read_at(name, size // 2, _PROBE_BYTES), digest_size=16).digest()
    except (OSError, ValueError):
        return None


def _sha256(folder: Path, path: str) -> str | None:
    """The hash of a file, None where it cannot be read."""
    try:
        with opened_below(folder, path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
