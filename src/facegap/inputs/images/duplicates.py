"""Image files with the same bytes: one photograph listed twice, perhaps under two names."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path

import pandas as pd

from facegap.store.opened import opened_below

NAMED = 10  # warnings and examples that are written out; the rest are counted
_PROBE_BYTES = 512


def identical_bytes(
    frame: pd.DataFrame, folder: Path, sizes: Sequence[int], *, unit: str = "line", has_subjects: bool = True
) -> tuple[str, ...]:
    """Warnings about images whose files are equal byte for byte, under two subjects or under one.

    frame  : a MANIFEST table; unit says what its column `line` counts
    sizes  : bytes of each image file, -1 where there is none; only files of equal size are opened
    Empty files and files that cannot be read are left to the decoder, which gives them an outcome.
    """
    two: list[pd.DataFrame] = []
    one: list[pd.DataFrame] = []
    for rows in _equal_files(frame, folder, sizes):
        same = frame.iloc[rows]
        several = has_subjects and bool((same["subject"] != same["subject"].iloc[0]).any())
        (two if several else one).append(same)
    warnings = [_two_subjects(same, unit) for same in two[:NAMED]]
    if len(two) > NAMED:
        warnings.append(f"{len(two) - NAMED} further photographs are there under two subjects")
    if one:
        names = "; ".join(" = ".join(same["image"]) for same in one[:3])
        more = ", ..." if len(one) > 3 else ""
        repeats = sum(len(same) - 1 for same in one)
        warnings.append(f"{repeats} images have the same bytes as another ({names}{more}); count each photograph once")
    return tuple(warnings)


def _two_subjects(same: pd.DataFrame, unit: str) -> str:
    """The warning for one photograph under two subjects: names both."""
    first = same.iloc[0]
    second = same[same["subject"] != first["subject"]].iloc[0]
    return (
        f"{unit}s {first['line']} and {second['line']}, column subject: {first['image']!r} ({first['subject']}) and "
        f"{second['image']!r} ({second['subject']}) have the same bytes under two subjects; correct one of them"
    )


def _equal_files(frame: pd.DataFrame, folder: Path, sizes: Sequence[int]) -> list[list[int]]:
    """Groups of row positions with equal bytes, found by size, then a probe of the middle, then the whole."""
    paths = frame["path"].tolist()
    candidates = [list(range(len(paths)))]
    # Portraits of one source share headers and often sizes: 512 bytes of the middle part nearly all that differ.
    keys: tuple[Callable[[int], Hashable], ...] = (
        lambda row: sizes[row] if sizes[row] > 0 else None,
        lambda row: _middle(folder, str(paths[row]), sizes[row]),
        lambda row: _sha256(folder, str(paths[row])),
    )
    for key in keys:
        candidates = [group for rows in candidates for group in _grouped(rows, key)]
    return sorted(candidates)


def _grouped(rows: Iterable[int], key: Callable[[int], Hashable]) -> list[list[int]]:
    """Rows with one key together, where there are two or more of them; key None is left out."""
    groups: dict[Hashable, list[int]] = {}
    for row in rows:
        groups.setdefault(key(row), []).append(row)
    return [group for value, group in groups.items() if value is not None and len(group) > 1]


def _middle(folder: Path, path: str, size: int) -> bytes | None:
    """Some bytes of the middle of a file, None where it cannot be read."""
    try:
        with opened_below(folder, path) as file:
            return os.pread(file.fileno(), _PROBE_BYTES, size // 2)
    except (OSError, ValueError):
        return None


def _sha256(folder: Path, path: str) -> str | None:
    """The hash of a file, None where it cannot be read."""
    try:
        with opened_below(folder, path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
