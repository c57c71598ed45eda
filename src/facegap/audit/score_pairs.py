"""What a file of scores lists, as rows of the manifest: comparisons and presentation attacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from facegap.derive.comparisons import WEIGHT
from facegap.errors import TableError
from facegap.inputs.scores.read import ScoreList
from facegap.store.scratch import chunks, scratch
from facegap.tables import ATTACKS, check
from facegap.types import FloatArray, IntArray


def pairs_of(listed: ScoreList, rows: IntArray, manifest: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The comparisons as manifest rows: left, right, genuine, score.

    Raises
    ------
    TableError : the file calls a pair genuine that the manifest gives two subjects, or the other way round
    """
    size = len(listed)
    columns = {"left": scratch(size, np.int64), "right": scratch(size, np.int64), "genuine": scratch(size, np.bool_)}
    codes = np.zeros(2, np.int64) if listed.named == "nobody" else pd.factorize(manifest["subject"])[0]
    wrong, first = 0, -1
    for part in chunks(size):
        told = listed.genuine[part]
        if listed.named == "nobody":
            same = told == 1
            left, right = np.zeros(len(told), np.int64), np.where(same, 0, 1)
        else:
            left, right = rows[listed.left[part]], rows[listed.right[part]]
            same = codes[left] == codes[right]
            torn = np.flatnonzero((told >= 0) & (same != (told == 1)))
            first = part.start + int(torn[0]) if first < 0 and len(torn) else first
            wrong += len(torn)
        columns["left"][part], columns["right"][part], columns["genuine"][part] = left, right, same
    if wrong:
        raise TableError(
            f"{path.name}: row {first + 1} of the scores says {'genuine' if listed.genuine[first] else 'impostor'} of "
            f"{listed.names[listed.left[first]]!r} and {listed.names[listed.right[first]]!r}, but the subjects contradict "
            f"this ({wrong} such rows)"
        )
    weights = {} if listed.weights is None or listed.named == "nobody" else {WEIGHT: listed.weights}
    # Without a copy: the columns of a large file lie in temporary files.
    return pd.DataFrame({**columns, "score": listed.scores, **weights}, copy=False)


def negative(scores: FloatArray) -> FloatArray:
    """Distances as scores: higher is more alike."""
    found: FloatArray = scratch(len(scores), np.float64)
    for part in chunks(len(scores)):
        found[part] = -scores[part]
    return found


def attacks_of(listed: ScoreList, rows: IntArray) -> pd.DataFrame | None:
    """ATTACKS of a file; None without any. rows : the manifest row of each name"""
    if not listed.attacks:
        return None
    place = {name: int(row) for name, row in zip(listed.names, rows, strict=True)}
    told = [(place[one.reference], one.species, one.score) for one in listed.attacks]
    return check(pd.DataFrame(told, columns=list(ATTACKS.columns)), ATTACKS, "attacks")
