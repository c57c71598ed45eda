"""Read a file of scores computed elsewhere as arrays of comparisons.

Which layout a file has is decided by its first line alone (`score_layouts.py`, docs/black_boxes.md). Rows are read by
pyarrow, a block at a time; where it, or a rule about the values, says no, the file is read again row by row, which finds the line to
name, or shows that the rows are only written unusually and takes them.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from io import BufferedReader
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegap.errors import TableError
from facegap.inputs.scores.layouts import MOST_WEIGHT, Layout, Named, layout_of
from facegap.inputs.scores.rows import MOST_CODE, Attack, Columns, kind_of, read_by_row
from facegap.inputs.spelling import LARGEST
from facegap.store.opened import NotRegularError, opened
from facegap.store.room import require_room
from facegap.store.scratch import Column, chunks, scratch, taken
from facegap.types import FloatArray, IntArray

BLOCK_BYTES = 8 * 2**20
WORD_BYTES, WORD_COPIES = 120, 3  # of each name as Python's own text, in a table and sorted
NAN_WORDS = ("nan", "NaN", "NAN")
UNKNOWN = np.int8(-1)


@dataclass(frozen=True, eq=False)
class ScoreList:
    """Comparisons and their scores, in the order of the file; higher is more alike.

    left, right : int32 (rows,), index into `names`; all -1 if the file has no names
    names       : unique and sorted; of subjects or of images, see `named`
    genuine     : int8 (rows,); 1 one person, 0 two people, -1 not stated
    scores      : float64 (rows,); NaN without a score (failure to acquire): kept, and counted in `lost`
    layout      : name of the layout
    directed    : the file states which image was the probe, so (a, b) and (b, a) are two trials of one pair
    sha256      : of the file
    attacks     : presentation attacks with the names of the references, which are in `names`; not comparisons
    weights     : float64 (rows,), number of pairs that each row represents in a sample of all pairs; else None
    codes       : int64 (rows,), return code of each comparison, 0 if there is a score; None in a layout without

    The arrays of a large file lie in temporary files (store/scratch.py).
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
        lost = sum(int(np.isnan(self.scores[part]).sum()) for part in chunks(len(self.scores)))
        object.__setattr__(self, "lost", lost)

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.scores)


def read_scores(path: Path, *, frte: bool = False) -> ScoreList:
    """Read all comparisons of a score file.

    frte : the file must be a match log of NIST's driver

    Raises
    ------
    TableError : If the file is missing, not text, of unknown layout, empty or malformed; with line, column and remedy.
    """
    try:
        with opened(path) as file:
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
        genuine = _same(left, right) if layout.named == "subject" else np.broadcast_to(UNKNOWN, len(found.scores))
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

    file.seek(0)
    gathered = _Gathered(layout)
    try:
        if not all(gathered.take(batch) for batch in _batches(file, layout)):
            return None
    except pa.ArrowException:
        return None
    return gathered.columns() if gathered.rows else None


def _same(left: IntArray, right: IntArray) -> NDArray[np.int8]:
    """1 where both sides are one, else 0."""
    found = scratch(len(left), np.int8)
    for part in chunks(len(left)):
        found[part] = left[part] == right[part]
    return found


def _batches(file: BufferedReader, layout: Layout) -> Any:
    """The rows below the header, a block at a time. Raises pyarrow's errors."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    word = pa.dictionary(pa.int32(), pa.utf8())
    texts = [name for name in (layout.left, layout.right, layout.genuine, layout.attack) if name is not None]
    numbers = [name for name in (layout.score, layout.weight) if name is not None]
    types = {**dict.fromkeys(texts, word), **dict.fromkeys(numbers, pa.float64())}
    if layout.code is not None:
        types[layout.code] = pa.int32()
    return arrow_csv.open_csv(
        pa.PythonFile(file, mode="r"),
        arrow_csv.ReadOptions(column_names=list(layout.columns), skip_rows=layout.lines_above, block_size=BLOCK_BYTES),
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


class _Gathered:
    """The cells of a file as blocks of it come."""

    def __init__(self, layout: Layout) -> None:
        self.rows = 0
        self._layout = layout
        self._names = _Words()
        self._left, self._right, self._scores = Column(np.int32), Column(np.int32), Column(np.float64)
        self._genuine = Column(np.int8) if layout.genuine else None
        self._weights = Column(np.float64) if layout.weight else None
        self._codes = Column(np.int64) if layout.code else None

    def take(self, batch: Any) -> bool:
        """Add the rows of a block; False where one breaks a rule that `read_by_row` states."""
        layout = self._layout
        self.rows += batch.num_rows
        scores = _floats(batch, layout.score)
        if self._codes is not None:
            codes = batch.column(layout.code).to_numpy(zero_copy_only=False).astype(np.float64)
            # A code without a number would be NaN here, which is no code either.
            if not ((codes >= 0) & (codes <= MOST_CODE)).all() or np.isnan(scores[codes == 0]).any():
                return False
            self._codes.append(codes)
            scores = np.where(codes == 0, scores, np.nan)
        if (np.abs(scores) > LARGEST).any():
            return False
        self._scores.append(scores)
        if layout.attack and any(word.strip() for word in batch.column(layout.attack).dictionary.to_pylist()):
            return False
        if self._weights is not None and layout.weight:
            weights = _floats(batch, layout.weight)
            if not ((weights > 0) & (weights <= MOST_WEIGHT)).all():
                return False
            self._weights.append(weights)
        if self._genuine is not None:
            kinds = _kinds(batch.column(layout.genuine))
            if kinds is None:
                return False
            self._genuine.append(kinds)
        return self._take_names(batch)

    def _take_names(self, batch: Any) -> bool:
        """Add both sides of a block; False where a name breaks a rule."""
        nobody = np.full(batch.num_rows, -1, np.int32)
        sides = [
            self._names.codes(batch.column(name)) if name else nobody
            for name in (self._layout.left, self._layout.right)
        ]
        self._left.append(sides[0])
        self._right.append(sides[1])
        itself = self._layout.named == "image" and bool((sides[0] == sides[1]).any())
        return self._names.plain and not itself

    def columns(self) -> Columns:
        """All of them."""
        genuine, weights, codes = (
            None if column is None else column.array() for column in (self._genuine, self._weights, self._codes)
        )
        names = self._names.words.to_pylist()
        left, right, scores = (column.array() for column in (self._left, self._right, self._scores))
        return Columns(left, names, right, names, genuine, scores, weights=weights, codes=codes)


class _Words:
    """The distinct names of a file, in the order in which they come."""

    def __init__(self) -> None:
        import pyarrow as pa

        self.words = pa.array([], pa.utf8())
        self.plain = True  # none is empty or has blanks around it

    def codes(self, column: Any) -> IntArray:
        """The place of each cell's name among all names, int32; new names are added."""
        import pyarrow as pa
        import pyarrow.compute as pc

        place = pc.index_in(column.dictionary, value_set=self.words)
        if place.null_count:
            new = column.dictionary.filter(pc.is_null(place))
            known = len(self.words)
            self.words = pa.concat_arrays([self.words, new])
            require_room(
                WORD_COPIES * (self.words.nbytes + WORD_BYTES * len(self.words)),
                f"{len(self.words):,} names in a file of scores",
                TableError,
                "use a machine with more memory",
            )
            self.plain = self.plain and all(word.strip() == word != "" for word in new.to_pylist())
            found = place.to_numpy(zero_copy_only=False)
            found = np.where(np.isnan(found), known + np.cumsum(np.isnan(found)) - 1, found)
        else:
            found = place.to_numpy(zero_copy_only=False)
        return np.asarray(found.astype(np.int32)[column.indices.to_numpy(zero_copy_only=False)])


def _floats(batch: Any, name: str) -> FloatArray:
    """The numbers of a column, NaN where there is none."""
    return np.asarray(batch.column(name).to_numpy(zero_copy_only=False), np.float64)


def _kinds(column: Any) -> NDArray[np.int8] | None:
    """1 genuine or 0 impostor of each cell; None where one says neither."""
    kinds = [kind_of(word) for word in column.dictionary.to_pylist()]
    if None in kinds:
        return None
    return np.asarray(np.array(kinds, np.int8)[column.indices.to_numpy(zero_copy_only=False)])


def _joined(found: Columns) -> tuple[IntArray, IntArray, tuple[str, ...]]:
    """Codes of both sides in one sorted table of names."""
    names = sorted({*found.left_names, *found.right_names, *(attack.reference for attack in found.attacks)})
    position = {name: code for code, name in enumerate(names)}
    sides = []
    for codes, words in ((found.left, found.left_names), (found.right, found.right_names)):
        into = np.array([*(position[word] for word in words), -1], np.int32)  # code -1 is the last entry: -1
        sides.append(taken(into, codes))
    return sides[0], sides[1], tuple(names)
