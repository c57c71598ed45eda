"""ScoreCounts as one .npz file and back; nothing in the file is executed, everything in it is checked."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from facegap.errors import RunError
from facegap.types import PAIR_SCORE, AnyArray, ScoreCounts, ScoreHistogram

COUNTS = ("impostor", "genuine")
TOTALS = ("impostor_pairs", "genuine_pairs")
LISTS = ("tail", "genuine_scores")


def scores_to_npz(counts: ScoreCounts, file: IO[bytes]) -> None:
    """Write counts to a binary file; `scores_from_npz` gives them back equal to the last bit."""
    arrays: dict[str, AnyArray] = {
        "groups": np.array(counts.groups, dtype=np.str_),
        "edges": counts.edges,
        **{name: getattr(counts, name) for name in (*COUNTS, *TOTALS, *LISTS)},
        "tail_floor": np.array(counts.tail_floor, np.float64),
        "tail_limit": np.array(counts.tail_limit, np.int64),
        "unknown_pairs": np.array(counts.unknown_pairs, np.int64),
    }
    if counts.full_range is not None:
        arrays |= {f"full_{name}": getattr(counts.full_range, name) for name in ("edges", *COUNTS)}
    np.savez_compressed(file, allow_pickle=False, **arrays)


def scores_from_npz(path: Path) -> ScoreCounts:
    """Counts that `scores_to_npz` wrote.

    Raises
    ------
    RunError : unreadable, an array is missing, or the arrays do not fit each other
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except (OSError, ValueError, zipfile.BadZipFile, KeyError) as error:
        raise RunError(f"{path}: cannot be read as counts: {error}") from error
    try:
        return checked(arrays)
    except (KeyError, ValueError, TypeError) as error:
        raise RunError(f"{path}: not the counts that a run writes: {error}") from error


def checked(arrays: dict[str, AnyArray]) -> ScoreCounts:
    """The counts, once every array has its dtype and shape; KeyError or ValueError otherwise."""
    groups, bins = len(arrays["groups"]), len(arrays["edges"]) - 1
    for name in COUNTS:
        require(arrays, name, np.int64, (groups, groups, bins))
    for name in TOTALS:
        require(arrays, name, np.int64, (groups, groups))
    for name in LISTS:
        require(arrays, name, PAIR_SCORE, arrays[name].shape[:1])
    full = None
    if "full_edges" in arrays:
        for name in COUNTS:
            require(arrays, f"full_{name}", np.int64, (groups, groups, len(arrays["full_edges"]) - 1))
        full = ScoreHistogram(arrays["full_edges"], arrays["full_impostor"], arrays["full_genuine"])
    return ScoreCounts(
        groups=tuple(str(name) for name in arrays["groups"]),
        edges=arrays["edges"],
        **{name: arrays[name] for name in (*COUNTS, *TOTALS, *LISTS)},
        tail_floor=float(arrays["tail_floor"]),
        tail_limit=int(arrays["tail_limit"]),
        unknown_pairs=int(arrays["unknown_pairs"]),
        full_range=full,
    )


def require(arrays: dict[str, AnyArray], name: str, dtype: np.dtype | type, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless an array has the dtype and shape."""
    array = arrays[name]
    if array.dtype != np.dtype(dtype) or array.shape != shape:
        raise ValueError(f"array {name} is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}")
