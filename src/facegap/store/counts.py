"""Write and read ScoreCounts as an npz file of numbers and text; the content is validated, and nothing is pickled."""

from __future__ import annotations

import math
import re
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from facegap.errors import RunError
from facegap.store.arrays import header_of
from facegap.store.opened import opened
from facegap.store.room import require_room
from facegap.types import PAIR_SCORE, AnyArray, RowTails, ScoreCounts, ScoreHistogram, sorted_by_rows, sorted_by_score
from facegap.types.row_tails import PART_ROWS

FORMAT = "facegap score counts 1"
COPIES = 3  # of the arrays during validation: sums and sorted copies
MOST_ENTRIES = 1024
FULL = ("full_edges", "full_impostor", "full_genuine", "full_sampled")
ROWS = ("row_edges", "rows")  # and each part of the row counts as a separate array, named ROW_PART and its number
ROW_PART = "row_part_"
_ROW_PART_NAME = re.compile(ROW_PART + "(0|[1-9][0-9]{0,5})")
ARRAYS = (
    "groups",
    "edges",
    "impostor",
    "genuine",
    "impostor_pairs",
    "genuine_pairs",
    "tail",
    "tail_floor",
    "tail_limit",
    "genuine_scores",
    "unknown_pairs",
)


def scores_to_npz(counts: ScoreCounts, file: Path | BinaryIO, *, compressed: bool = True) -> None:
    """Write counts to a path (replaced if it exists) or an open binary file; the bytes are reproducible."""
    full, tails = counts.full_range, counts.row_tails
    arrays: dict[str, Any] = {name: np.asarray(getattr(counts, name)) for name in ARRAYS}
    arrays["groups"] = np.array(counts.groups, dtype=np.str_)
    if full is not None:
        arrays |= dict(zip(FULL, (full.edges, full.impostor, full.genuine, np.int64(full.sampled)), strict=True))
    if tails is not None:
        arrays |= {ROWS[0]: tails.edges, ROWS[1]: np.int64(tails.rows)}
        arrays |= {f"{ROW_PART}{number}": part for number, part in tails.parts.items()}
    save = np.savez_compressed if compressed else np.savez
    save(file, allow_pickle=False, format=np.array(FORMAT), **arrays)


def scores_from_npz(file: Path | BinaryIO, name: object = None, *, has_totals: bool = True) -> ScoreCounts:
    """Read a file written by scores_to_npz.

    name       : name of the file for messages, if an open file has none
    has_totals : whether the file contains totals of pairs; counts of single blocks of a comparison do not

    Raises
    ------
    RunError : If the file is missing, has another format, or is inconsistent (damaged or edited).
    """
    if isinstance(file, Path):
        return scores_of_path(file, has_totals=has_totals)
    name = name or getattr(file, "name", file)
    try:
        with np.load(file, allow_pickle=False) as stored:
            require_fits(stored.zip, name)
            arrays = {key: stored[key] for key in stored.files}
    # MemoryError: the header of an array may claim any size
    except (OSError, ValueError, EOFError, MemoryError, zlib.error, zipfile.BadZipFile, zipfile.LargeZipFile) as error:
        raise RunError(f"{name}: not readable as score counts ({error}); write it again from the run") from error
    if str(arrays.pop("format", "")) != FORMAT:
        raise RunError(f"{name}: not written as {FORMAT!r} by this version of facegap")
    fault = fault_of(arrays, has_totals=has_totals)
    if fault:
        raise RunError(f"{name}: {fault}; the file is damaged or was edited")
    return counts_of(arrays)


def scores_of_path(path: Path, *, has_totals: bool) -> ScoreCounts:
    """Read the file at a path, which is opened only once."""
    try:
        with opened(path) as file:
            return scores_from_npz(cast(BinaryIO, file), path, has_totals=has_totals)
    except OSError as error:
        said = error.strerror or error
        raise RunError(f"{path}: not readable as score counts ({said}); write it again from the run") from error


def require_fits(archive: zipfile.ZipFile, name: object) -> None:
    """Raise RunError if the arrays of an archive need more memory than is free; a small archive can unpack to any size.

    The directory of the archive states the unpacked size of each array, and the array's header the allocated size.
    """
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise RunError(f"{name}: {len(entries):,} arrays, but score counts have at most {MOST_ENTRIES}")
    unpacked = sum(entry.file_size for entry in entries)
    what = f"{name}: {len(entries)} arrays of {unpacked:,} bytes uncompressed"
    require_room(COPIES * unpacked, what, RunError, "use a machine with more memory, or obtain an unmodified file")
    for entry in entries:
        with archive.open(entry) as file:
            shape, _, dtype = header_of(cast(BinaryIO, file))
        if math.prod(shape) * dtype.itemsize > entry.file_size:
            raise RunError(f"{name}: {entry.filename} states an array of {shape} in {entry.file_size:,} bytes")


def counts_of(arrays: dict[str, AnyArray]) -> ScoreCounts:
    """Return ScoreCounts from validated arrays."""
    full = None
    if FULL[0] in arrays:
        edges, impostor, genuine, sampled = (arrays[name] for name in FULL)
        full = ScoreHistogram(edges, impostor, genuine, int(sampled))
    tails = None
    if ROWS[0] in arrays:
        parts = {number: arrays[name] for name, number in row_parts(arrays).items()}
        tails = RowTails(arrays[ROWS[0]], int(arrays[ROWS[1]]), len(arrays["groups"]), dict(sorted(parts.items())))
    return ScoreCounts(
        groups=tuple(arrays["groups"].tolist()),
        edges=arrays["edges"],
        impostor=arrays["impostor"],
        genuine=arrays["genuine"],
        impostor_pairs=arrays["impostor_pairs"],
        genuine_pairs=arrays["genuine_pairs"],
        tail=arrays["tail"],
        tail_floor=float(arrays["tail_floor"]),
        tail_limit=int(arrays["tail_limit"]),
        genuine_scores=arrays["genuine_scores"],
        unknown_pairs=int(arrays["unknown_pairs"]),
        full_range=full,
        row_tails=tails,
    )


def row_parts(arrays: dict[str, AnyArray]) -> dict[str, int]:
    """Return the number of each part of the row counts, by its name; other names are omitted."""
    found = {name: _ROW_PART_NAME.fullmatch(name) for name in arrays}
    return {name: int(match[1]) for name, match in found.items() if match}


def fault_of(arrays: dict[str, AnyArray], *, has_totals: bool = True) -> str:
    """Describe what is wrong with stored arrays; empty if nothing is."""
    expected = {*ARRAYS, *(FULL if FULL[0] in arrays else ())}
    if ROWS[0] in arrays:
        expected |= {*ROWS, *row_parts(arrays)}
    if set(arrays) != expected:
        return f"arrays {sorted(set(arrays) ^ expected)} are missing or unknown"
    fault = shape_fault(arrays)
    if fault:
        return fault
    if any(
        (arrays[name] < 0).any()
        for name in ("impostor", "genuine", "impostor_pairs", "genuine_pairs", "unknown_pairs", *FULL[1:])
        if name in arrays
    ):
        return "a count is negative"
    if has_totals and (arrays["impostor"].sum(-1) > arrays["impostor_pairs"]).any():
        return "more impostor pairs are counted than exist"
    if int(arrays["genuine_pairs"].sum()) != len(arrays["genuine_scores"]):
        return "the number of genuine scores differs from that of genuine pairs"
    return tail_fault(arrays) or row_fault(arrays)


def shape_fault(arrays: dict[str, AnyArray]) -> str:
    """Describe the first array with the wrong dtype or shape for ScoreCounts; empty if there is none."""
    size = len(arrays["groups"]) if arrays["groups"].ndim == 1 else -1
    wanted: dict[str, tuple[NDArray[Any] | np.dtype[Any], tuple[int, ...]]] = {
        "edges": (np.dtype(np.float64), (arrays["impostor"].shape[-1] + 1 if arrays["impostor"].ndim else -1,)),
        "tail_floor": (np.dtype(np.float64), ()),
        "tail_limit": (np.dtype(np.int64), ()),
        "unknown_pairs": (np.dtype(np.int64), ()),
        "tail": (PAIR_SCORE, (arrays["tail"].size,)),
        "genuine_scores": (PAIR_SCORE, (arrays["genuine_scores"].size,)),
    }
    for group, edges in (("", "edges"), ("full_", "full_edges")):
        if edges in arrays:
            bins = arrays[edges].size - 1
            wanted |= {f"{group}{kind}": (np.dtype(np.int64), (size, size, bins)) for kind in ("impostor", "genuine")}
    if ROWS[0] in arrays:
        wanted |= {ROWS[0]: (np.dtype(np.float64), (arrays[ROWS[0]].size,)), ROWS[1]: (np.dtype(np.int64), ())}
    if FULL[-1] in arrays:
        wanted[FULL[-1]] = (np.dtype(np.int64), ())
    wanted |= {f"{kind}_pairs": (np.dtype(np.int64), (size, size)) for kind in ("impostor", "genuine")}
    for name, (dtype, shape) in wanted.items():
        if arrays[name].dtype != dtype or arrays[name].shape != shape:
            return f"{name} is {arrays[name].dtype} {arrays[name].shape}, not {dtype} {shape}"
    if arrays["groups"].dtype.kind != "U" or not (np.diff(arrays["edges"]) > 0).all():
        return "groups are not names, or the edges do not increase"
    return ""


def row_fault(arrays: dict[str, AnyArray]) -> str:
    """Describe a violation of RowTails, or a contradiction with the counts; empty if none, or without row tails."""
    if ROWS[0] not in arrays:
        return ""
    edges, rows = arrays[ROWS[0]], int(arrays[ROWS[1]])
    places = np.searchsorted(arrays["edges"], edges)
    if not len(edges) or (np.diff(places) <= 0).any() or places[-1] >= len(arrays["edges"]) - 1:
        return "row_edges do not rise among the edges of the counts"
    if not np.array_equal(arrays["edges"][places], edges):
        return "row_edges are not edges of the counts"
    reached = np.zeros(len(edges), np.int64)
    for name, number in row_parts(arrays).items():
        part, size = arrays[name], min(PART_ROWS, rows - number * PART_ROWS)
        if part.dtype != np.int32 or size <= 0 or part.shape != (size, len(arrays["groups"]), len(edges)):
            return f"{name} is {part.dtype} {part.shape}, which does not fit {rows} rows"
        if part.size and part.min() < 0:
            return "a count is negative"
        reached += part.sum(axis=(0, 1), dtype=np.int64)
    expected = np.array([arrays["impostor"][:, :, place:].sum() for place in places])
    if not np.array_equal(reached[::-1].cumsum()[::-1], 2 * expected):
        return "the counts of rows and those of pairs of groups differ"
    return ""


def tail_fault(arrays: dict[str, AnyArray]) -> str:
    """Describe a violation of the constraints that ScoreCounts documents for `tail` and `genuine_scores`; empty if none."""
    tail, floor = arrays["tail"], arrays["tail_floor"]
    if len(tail) > arrays["tail_limit"] or (tail["score"] < floor).any() or floor < arrays["edges"][0]:
        return "the tail is longer than its limit or reaches below its floor"
    if not np.array_equal(tail, sorted_by_score(tail)):
        return "the tail is not sorted"
    if not np.array_equal(arrays["genuine_scores"], sorted_by_rows(arrays["genuine_scores"])):
        return "the genuine scores are not sorted"
    reached = int(arrays["impostor"].sum())
    if floor == arrays["edges"][0] and len(tail) != reached:
        return "the tail and the counts differ although nothing was cut off"
    return ""
