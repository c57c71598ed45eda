"""Scores that somebody else made: a file of comparisons as arrays.

Which layout a file has is decided by its first line alone (`score_layouts.py`, docs/black_boxes.md). Rows are read by
pyarrow; where it, or a rule about the values, says no, the file is read again row by row, which finds the line to
name, or shows that the rows are only written unusually and takes them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facegap.errors import TableError
from facegap.inputs.scores.layouts import MOST_WEIGHT, Layout, Named, layout_of
from facegap.inputs.scores.rows import MOST_CODE, Attack, Columns, kind_of, read_by_row
from facegap.inputs.spelling import LARGEST
from facegap.store.opened import NotRegularError, opened
from facegap.store.room import require_room
from facegap.types import FloatArray, IntArray

BLOCK_BYTES = 8 * 2**20
COPIES = 4  # of the file's bytes: codes, names and scores on both ways of reading
NAN_WORDS = ("nan", "NaN", "NAN")
UNKNOWN_KIND = -1


@dataclass(frozen=True, eq=False)
class ScoreList:
    """Comparisons and their scores, in the order of the file; higher is more alike.

    left, right : int64 (rows,), index into `names`; -1 everywhere where the file names nobody
    names       : each name once, sorted; of subjects or of images, as `named` says
    genuine     : int8 (rows,); 1 one person, 0 two people, -1 the file does not say
    scores      : float64 (rows,); NaN where no score came (failure to acquire): kept, and counted by `lost`
    layout      : how the file was understood
    directed    : the file says which image was the probe, so that (a, b) and (b, a) are two trials of one pair
    sha256      : of the file
    attacks     : presentation attacks with the names of the references, which are among `names`; no comparisons
    weights     : float64 (rows,), how many pairs each row stands for, where they are a sample of all pairs; None without
    codes       : int64 (rows,), return code of each comparison, 0 where there is a score; None in a layout without
    """

    left: IntArray
    right: IntArray
    names: tuple[str, ...]
    genuine: NDArray[np.int8]
    scores: FloatArray
    named: Named
    layout: str
    sha256: str
    directed: bool = False
    attacks: tuple[Attack, ...] = ()
    weights: FloatArray | None = None
    codes: IntArray | None = None
    lost: int = field(init=False)

    def __post_init__(self) -> None:
        """Count the rows without a score."""
        object.__setattr__(self, "lost", int(np.isnan(self.scores).sum()))

    def __len__(self) -> int:
        """Rows of the file."""
        return len(self.scores)


def read_scores(path: Path, *, frte: bool = False) -> ScoreList:
    """All comparisons of a score file.

    frte : it must be a match log of NIST's driver, and no other layout

    Raises
    ------
    TableError : no such file, no text, an unknown layout, no rows, or a malformed row; with line, column and cure
    """
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            require_room(
                COPIES * size, f"{path.name}: {size:,} bytes of scores", TableError, "use a machine with more memory"
            )
            layout = layout_of(path, file, frte=frte)
            found = _read_fast(file, layout) or read_by_row(file, layout, path.name)
            file.seek(0)
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    except NotRegularError:
        raise TableError(f"{path} is not a regular file; give the path of a file with scores") from None
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise TableError(f"{path}: {said}; give the path of a readable file with scores") from error
    left, right, names = _joined(found)
    genuine = found.genuine
    if genuine is None:
        known = (left == right).astype(np.int8) if layout.named == "subject" else None
        genuine = np.full(len(found.scores), UNKNOWN_KIND, np.int8) if known is None else known
    return ScoreList(
        left,
        right,
        names,
        genuine,
        found.scores,
        layout.named,
        layout.name,
        sha256,
        layout.directed,
        found.attacks,
        found.weights,
        found.codes,
    )


def _read_fast(file: BufferedReader, layout: Layout) -> Columns | None:
    """The cells by pyarrow; None where it or a rule stumbles over one, so that the row has to be looked for."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    word = pa.dictionary(pa.int32(), pa.utf8())
    texts = [name for name in (layout.left, layout.right, layout.genuine, layout.attack) if name is not None]
    numbers = [name for name in (layout.score, layout.weight) if name is not None]
    types = {**dict.fromkeys(texts, word), **dict.fromkeys(numbers, pa.float64())}
    if layout.code is not None:
        types[layout.code] = pa.int32()
    file.seek(0)
    try:
        table = arrow_csv.read_csv(
            pa.PythonFile(file, mode="r"),
            arrow_csv.ReadOptions(
                column_names=list(layout.columns), skip_rows=layout.lines_above, block_size=BLOCK_BYTES
            ),
            arrow_csv.ParseOptions(
                delimiter=layout.delimiter,
                quote_char='"' if layout.is_csv else False,
                newlines_in_values=layout.is_csv,
            ),
            arrow_csv.ConvertOptions(
                column_types=types,
                include_columns=list(types),
                null_values=["", *NAN_WORDS] if layout.is_csv else list(NAN_WORDS),
                strings_can_be_null=False,
            ),
        )
    except pa.ArrowException:
        return None
    cells = {name: _codes(table.column(name)) for name in texts}
    scores = table.column(layout.score).to_numpy().astype(np.float64)
    weights = table.column(layout.weight).to_numpy().astype(np.float64) if layout.weight else None
    codes: IntArray | None = None
    if layout.code is not None:
        codes = table.column(layout.code).to_numpy().astype(np.int64)
        if ((codes < 0) | (codes > MOST_CODE)).any() or np.isnan(scores[codes == 0]).any():
            return None
        scores = np.where(codes == 0, scores, np.nan)
    return _checked(cells, scores, weights, layout, codes)


def _codes(column: object) -> tuple[IntArray, list[str]]:
    """Codes and words of a dictionary column; its chunks share one table of words afterwards."""
    import pyarrow as pa

    assert isinstance(column, pa.ChunkedArray)
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # no chunk at all
        return np.empty(0, np.int64), []
    return whole.indices.to_numpy(zero_copy_only=False).astype(np.int64), whole.dictionary.to_pylist()


def _checked(
    cells: Mapping[str, tuple[IntArray, list[str]]],
    scores: FloatArray,
    weights: FloatArray | None,
    layout: Layout,
    failures: IntArray | None,
) -> Columns | None:
    """The columns, or None where a row breaks a rule that `read_by_row` states."""
    nobody: tuple[IntArray, list[str]] = (np.full(len(scores), -1, np.int64), [])
    left, right = (cells[name] if name else nobody for name in (layout.left, layout.right))
    words = [*left[1], *right[1]]
    if not len(scores) or (np.abs(scores) > LARGEST).any() or not all(word.strip() == word != "" for word in words):
        return None
    if layout.attack and any(word.strip() for word in cells[layout.attack][1]):
        return None
    if weights is not None and not ((weights > 0) & (weights <= MOST_WEIGHT)).all():
        return None
    genuine = None
    if layout.genuine:
        codes, said = cells[layout.genuine]
        kinds = [kind_of(word) for word in said]
        if None in kinds:
            return None
        genuine = np.array(kinds, np.int8)[codes]
    found = Columns(left[0], left[1], right[0], right[1], genuine, scores, weights=weights, codes=failures)
    if layout.named == "image":
        one, other, _ = _joined(found)
        if (one == other).any():
            return None
    return found


def _joined(found: Columns) -> tuple[IntArray, IntArray, tuple[str, ...]]:
    """Codes of both sides in one sorted table of names."""
    names = sorted({*found.left_names, *found.right_names, *(attack.reference for attack in found.attacks)})
    position = {name: code for code, name in enumerate(names)}
    sides = []
    for codes, words in ((found.left, found.left_names), (found.right, found.right_names)):
        into = np.array([*(position[word] for word in words), -1], np.int64)  # code -1 finds the last: -1
        sides.append(into[codes])
    return sides[0], sides[1], tuple(names)
