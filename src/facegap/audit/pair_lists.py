"""Lists of pairs that a person wrote: the only ones to compare, or reviewed ones to leave out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.audit.thresholds import Templates
from facegap.derive.comparisons import PairRows
from facegap.errors import TableError
from facegap.inputs.records import read_records
from facegap.matching import score_pairs

NO_PAIRS: PairRows = np.empty((0, 2), np.int64)


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs that a file lists, as rows of the manifest int64 (m, 2), and the sha256 of the file; empty without one."""

    rows: PairRows
    sha256: str


NO_LIST = PairList(NO_PAIRS, "")


def read_pairs(path: Path, manifest: pd.DataFrame, *, meaning: str, repeats: bool) -> PairList:
    """A CSV of pairs with columns left and right, images as the manifest names them.

    repeats : whether a pair may be listed twice, in either order; it then counts once

    Raises
    ------
    TableError : unreadable, a missing column, an image that is not in the manifest, a pair of one image, a repeat
    """
    records = read_records(path)
    place = pd.Series(np.arange(len(manifest)), index=manifest["image"])
    sides = []
    for name in ("left", "right"):
        if name not in records.frame.columns:
            raise TableError(
                f"{path.name} line 1: column {name} is missing; {meaning} needs columns left and right with image names"
            )
        found = place.reindex(records.frame[name]).to_numpy()
        unknown = np.flatnonzero(np.isnan(found))
        if len(unknown):
            raise TableError(
                f"{path.name} {records.unit} {records.lines[unknown[0]]}, column {name}: "
                f"{str(records.frame[name].iloc[unknown[0]])!r} is no image of the manifest (of the rows that --where keeps)"
            )
        sides.append(found.astype(np.int64))
    rows = np.stack(sides, axis=1)
    same = np.flatnonzero(rows[:, 0] == rows[:, 1])
    if len(same):
        where = f"{path.name} {records.unit} {records.lines[same[0]]}, column right"
        raise TableError(f"{where}: an image with itself is no pair; remove the line")
    _, first, of = np.unique(np.sort(rows, axis=1), axis=0, return_index=True, return_inverse=True)
    again = np.flatnonzero(first[of.reshape(-1)] != np.arange(len(rows)))
    if len(again) and not repeats:
        raise TableError(
            f"{path.name} {records.unit} {records.lines[again[0]]}, column right: the pair of {records.unit} "
            f"{records.lines[first[of.reshape(-1)[again[0]]]]} again ({len(again)} such lines); keep one of them"
        )
    return PairList(rows[np.sort(first)], records.sha256)


def scored_pairs(templates: Templates, rows: PairRows, *, workers: int) -> pd.DataFrame:
    """Pairs with their scores: left, right (rows of the table), genuine, score (NaN: a template was lost)."""
    place = np.full(len(templates.table), -1, np.int64)
    place[templates.rows] = np.arange(len(templates.rows))
    among = place[rows]
    made = (among >= 0).all(axis=1)
    scores = np.full(len(rows), np.nan)
    scores[made] = score_pairs(templates.vectors, among[made, 0], among[made, 1], workers=workers)
    people = templates.subjects[rows]
    return pd.DataFrame(
        {"left": rows[:, 0], "right": rows[:, 1], "genuine": people[:, 0] == people[:, 1], "score": scores}
    )
