"""Layouts of files with five points per image, see `facegap.inputs.points`: each is read to rows that are not yet checked."""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.records import Records, read_records
from facegap.store.opened import opened, read_file
from facegap.tables import POINTS
from facegap.types import BoolArray, FloatArray

NUMBERED = tuple(f"{axis}{k}" for k in range(1, 6) for axis in "xy")
NAMED = tuple(f"{point}_{axis}" for point in POINTS for axis in "xy")
BOX = ("x1", "y1", "x2", "y2")
KEYPOINTS = ("Left eye", "Right eye", "Nose", "Mouth left", "Mouth right")  # names in FHIBE, in the order of POINTS
IMAGE_OF_KEYPOINTS = "filepath"
SWAP = [1, 0, 2, 4, 3]  # exchanges left and right
MAX_BYTES = 512 * 2**20  # of a text file without a header
HEAD_BYTES = 64 * 1024
# Cross product of the eye line (or the mouth) and the face axis, divided by the square of the axis: 0.9 for a frontal face, near 0
# in profile, where detectors place the eyes above each other (down to -0.01 for eyes and -0.15 for mouths on 4,964 FairFace faces
# with yunet), and negative if left and right are exchanged.
SWAPPED_BELOW = -0.2


@dataclass(frozen=True, eq=False)
class Listed:
    """Rows of a file before they are checked; `known` marks rows with points."""

    images: Sequence[str]
    lines: Sequence[int]
    unit: str
    sha256: str
    numbers: FloatArray  # (n, 10)
    boxes: FloatArray
    scores: FloatArray
    columns: Sequence[str]
    known: BoolArray
    outcomes: Sequence[str] = ()


def read_table(path: Path) -> Listed:
    """Read a CSV or parquet table, whose layout is determined by its column names."""
    records = read_records(path)
    names = set(map(str, records.frame.columns))
    if set(NAMED) <= names:
        if "x3" in names:
            raise TableError(
                f"{path.name}: columns {NAMED[0]} and x3 are both present; omit one of the two sets of points"
            )
        return table_of(records, path.name, NAMED, box=BOX if set(BOX) <= names else ())
    if {IMAGE_OF_KEYPOINTS, "keypoints"} <= names:
        return keypoints_of(records, path.name)
    if set(NUMBERED) <= names:
        return table_of(records, path.name, NUMBERED, box=())
    wanted = NAMED if names & set(NAMED) else NUMBERED
    missing = next(name for name in wanted if name not in names)
    raise TableError(
        f"{path.name} line 1: column {missing} is missing; --points needs image and {', '.join(NUMBERED[:2])} ... "
        f"{NUMBERED[-1]} (left eye, right eye, nose, left and right mouth corner as seen in the image), or "
        f"{NAMED[0]} ... {NAMED[-1]}; found {', '.join(map(str, records.frame.columns[:8]))}"
    )


def table_of(records: Records, name: str, columns: Sequence[str], *, box: Sequence[str]) -> Listed:
    """Read the rows of a table with a column for each number.

    A row without any number, with a reason in the column outcome, is an image without a face.
    """
    frame = records.frame
    if "image" not in frame.columns:
        raise TableError(f"{name} line 1: column image is missing; add it, with the names of the manifest")
    outcomes = frame["outcome"].tolist() if "outcome" in frame.columns else [""] * len(frame)
    empty = (frame[list(columns)] == "").all(axis=1).to_numpy(np.bool_)
    known: BoolArray = ~(empty & np.array([outcome not in ("", "ok") for outcome in outcomes], np.bool_))
    return Listed(
        frame["image"].tolist(),
        records.lines,
        records.unit,
        records.sha256,
        numbers_of(frame, columns),
        numbers_of(frame, box) if box else np.full((len(frame), 4), np.nan),
        numbers_of(frame, ["score"])[:, 0] if "score" in frame.columns else np.full(len(frame), np.nan),
        columns,
        known,
        outcomes,
    )


def numbers_of(frame: pd.DataFrame, columns: Sequence[str]) -> FloatArray:
    """Convert cells to float64 (rows, columns) without loss; NaN if a cell is not a number."""
    return (
        np.array([[number_of(cell) for cell in frame[name]] for name in columns], np.float64)
        .reshape(len(columns), -1)
        .T
    )


def number_of(cell: str) -> float:
    """Convert a cell to a number; NaN if it is not one."""
    try:
        return float(cell.replace("_", "?"))  # Python would accept 1_000
    except ValueError:
        return float("nan")


def keypoints_of(records: Records, name: str) -> Listed:
    """Read FHIBE's table, with a mapping of names to coordinates in one cell.

    Left and right in its names may be those of the person, whose right eye is on the left of the image. The interpretation is
    used under which the faces of the file are not mirrored.
    """
    cells = records.frame["keypoints"].tolist()
    numbers = np.array(
        [
            keypoint_numbers(cell, f"{name} {records.unit} {line}")
            for cell, line in zip(cells, records.lines, strict=True)
        ]
    ).reshape(-1, 10)
    points = numbers.reshape(-1, 5, 2)
    if len(points) and exchanged(points).mean() > 0.5:
        points = points[:, SWAP]
    empty = np.full(len(cells), np.nan)
    return Listed(
        records.frame[IMAGE_OF_KEYPOINTS].tolist(),
        records.lines,
        records.unit,
        records.sha256,
        points.reshape(-1, 10),
        np.full((len(cells), 4), np.nan),
        empty,
        [f"keypoints, {key} {axis}" for key in KEYPOINTS for axis in "xy"],
        np.ones(len(cells), np.bool_),
    )


def keypoint_numbers(cell: str, where: str) -> list[float]:
    """Parse ten numbers from a cell such as {"Left eye": [310.5, 255.0], ...}; a third number of a point is ignored."""
    try:
        said = ast.literal_eval(cell)
        return [float(value) for key in KEYPOINTS for value in tuple(said[key])[:2]]
    except (ValueError, SyntaxError, TypeError, KeyError, MemoryError, RecursionError):
        raise TableError(
            f"{where}, column keypoints: not a mapping of {', '.join(map(repr, KEYPOINTS))} to x and y"
        ) from None


def is_blank_separated(path: Path) -> bool:
    """Return whether the first line is a name and numbers separated by spaces, not a header."""
    try:
        with opened(path) as file:
            head = file.read(HEAD_BYTES).decode("utf-8", errors="replace")
    except (OSError, ValueError):
        return False  # read_records reports the error
    first = next((line.split() for line in head.split("\n") if line.strip()), [])
    return len(first) in (11, 12) and not np.isnan([number_of(cell) for cell in first[1:]]).any()


def read_blanks(path: Path) -> Listed:
    """Read space-separated text as in the InsightFace files of IJB (a score at the end) and RFW (a label after the name)."""
    try:
        content = read_file(path, MAX_BYTES)
        text = content.decode("utf-8")
    except (OSError, ValueError) as error:
        raise TableError(f"{path.name}: {getattr(error, 'strerror', None) or error}; save it as UTF-8") from error
    rows = [(k, line.split()) for k, line in enumerate(text.split("\n"), start=1) if line.strip()]
    width = len(rows[0][1])
    for line, cells in rows:
        if len(cells) != width:
            raise TableError(f"{path.name} line {line}: {len(cells)} cells where the first line has {width}")
    frame = pd.DataFrame([cells[1:] for _, cells in rows], dtype="str")
    numbers = numbers_of(frame, list(frame.columns))
    scores = np.full(len(rows), np.nan)
    last = numbers[:, -1]
    if width == 12 and ((last >= 0) & (last <= 1)).all():  # the y of a mouth corner would exceed one pixel
        numbers, scores = numbers[:, :-1], last
    elif width == 12:
        numbers = numbers[:, 1:]
    return Listed(
        [cells[0] for _, cells in rows],
        [line for line, _ in rows],
        "line",
        hashlib.sha256(content).hexdigest(),
        numbers,
        np.full((len(rows), 4), np.nan),
        scores,
        NUMBERED,
        np.ones(len(rows), np.bool_),
    )


def exchanged(points: FloatArray) -> BoolArray:
    """Return whether eyes or mouth corners clearly have left and right exchanged, bool (n,), for any rotation of the face."""
    eyes, mouth = points[:, 1] - points[:, 0], points[:, 4] - points[:, 3]
    down = (points[:, 3] + points[:, 4] - points[:, 0] - points[:, 1]) / 2
    length = (down**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        eyes_turn, mouth_turn = ((side[:, 0] * down[:, 1] - side[:, 1] * down[:, 0]) / length for side in (eyes, mouth))
        return np.asarray((eyes_turn < SWAPPED_BELOW) | (mouth_turn < SWAPPED_BELOW), np.bool_)
