"""Lists of pairs given by the user: the only pairs to compare, or reviewed pairs to exclude."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import pandas as pd

from facegap.audit.thresholds import Templates
from facegap.derive.comparisons import WEIGHT, PairRows
from facegap.errors import TableError
from facegap.inputs.lfw_pairs import is_lfw, read_lfw
from facegap.inputs.records import read_records
from facegap.matching import score_pairs
from facegap.types import FloatArray

NO_PAIRS: PairRows = np.empty((0, 2), np.int64)


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs listed in a file, as manifest rows int64 (m, 2), and the sha256 of the file; empty without a file.

    weights : float64 (m,), number of pairs each one represents if they are a sample; None: each represents itself
    """

    rows: PairRows
    sha256: str
    weights: FloatArray | None = None


NO_LIST = PairList(NO_PAIRS, "")


@dataclass(frozen=True, eq=False)
class Listed:
    """Two names per pair and their place in the file: the unit (line or record) and its number."""

    left: pd.Series
    right: pd.Series
    unit: str
    numbers: Sequence[int]
    sha256: str


def read_pairs(path: Path, manifest: pd.DataFrame, *, meaning: str, repeats: bool) -> PairList:
    """Pairs from a CSV file with columns left and right, with image names as in the manifest, or from LFW's pairs.txt.

    repeats : whether a pair may be listed twice, in either order; it is then counted once

    Raises
    ------
    TableError : if the file is unreadable, a column is missing, an image is not in the manifest, a pair has twice the same image,
        or a pair is repeated
    """
    listed = lfw_names(path, manifest) if is_lfw(path) else csv_names(path, meaning)
    place = pd.Series(np.arange(len(manifest)), index=manifest["image"])
    sides = []
    for name, images in (("left", listed.left), ("right", listed.right)):
        found = place.reindex(images).to_numpy()
        unknown = np.flatnonzero(np.isnan(found))
        if len(unknown):
            raise TableError(
                f"{path.name} {listed.unit} {listed.numbers[unknown[0]]}, column {name}: "
                f"{str(images.iloc[unknown[0]])!r} is not an image of the manifest (of the rows that --where keeps); "
                f"{len(unknown):,} such rows"
            )
        sides.append(found.astype(np.int64))
    rows = np.stack(sides, axis=1)
    same = np.flatnonzero(rows[:, 0] == rows[:, 1])
    if len(same):
        where = f"{path.name} {listed.unit} {listed.numbers[same[0]]}, column right"
        raise TableError(f"{where}: an image paired with itself is not a pair; remove the line")
    _, first, of = np.unique(np.sort(rows, axis=1), axis=0, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[of.reshape(-1)] != np.arange(len(rows)))
    if len(again) and not repeats:
        raise TableError(
            f"{path.name} {listed.unit} {listed.numbers[again[0]]}, column right: the pair of {listed.unit} "
            f"{listed.numbers[first[of.reshape(-1)[again[0]]]]} is repeated ({len(again)} such lines); keep one of them"
        )
    return PairList(rows[np.sort(first)], listed.sha256)


def csv_names(path: Path, meaning: str) -> Listed:
    """The names in a CSV file with columns left and right."""
    records = read_records(path)
    for name in ("left", "right"):
        if name not in records.frame.columns:
            raise TableError(
                f"{path.name} line 1: column {name} is missing; {meaning} needs columns left and right with image names"
            )
    return Listed(records.frame["left"], records.frame["right"], records.unit, records.lines, records.sha256)


def lfw_names(path: Path, manifest: pd.DataFrame) -> Listed:
    """The names in LFW's pairs.txt as in the manifest: Ann_Lee/Ann_Lee_0004.jpg, in any folder and with any suffix.

    Raises
    ------
    TableError : if two images of the manifest have the same such name
    """
    stems = manifest["image"].map(lambda image: PurePosixPath(image).stem)
    again = stems[stems.duplicated()]
    pairs, sha256 = read_lfw(path)
    wanted = {stem for pair in pairs for stem in pair.stems}
    torn = next((stem for stem in again if stem in wanted), None)
    if torn is not None:
        raise TableError(f"{path.name}: two images of the manifest are named {torn!r}, so LFW's list is ambiguous")
    named = dict(zip(stems, manifest["image"], strict=True))
    left, right = (
        pd.Series([named.get(pair.stems[side], f"{pair.stems[side]}.jpg") for pair in pairs], dtype=object)
        for side in (0, 1)
    )
    return Listed(left, right, "line", [pair.line for pair in pairs], sha256)


def scored_pairs(templates: Templates, listed: PairList, *, workers: int) -> pd.DataFrame:
    """Pairs with their scores: left, right (rows of the table), genuine, score (NaN if a template was lost), and weight if given."""
    rows = listed.rows
    place = np.full(len(templates.table), -1, np.int64)
    place[templates.rows] = np.arange(len(templates.rows))
    among = place[rows]
    made = (among >= 0).all(axis=1)
    scores = np.full(len(rows), np.nan)
    scores[made] = score_pairs(templates.vectors, among[made, 0], among[made, 1], workers=workers)
    people = templates.subjects[rows]
    found = pd.DataFrame(
        {"left": rows[:, 0], "right": rows[:, 1], "genuine": people[:, 0] == people[:, 1], "score": scores}
    )
    return found if listed.weights is None else found.assign(**{WEIGHT: listed.weights})
