"""Read a score file row by row: slower than in blocks, but with the line of every row, for exact checks and errors."""

from __future__ import annotations

import csv
import io
import math
import re
from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from io import BufferedReader
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegap.errors import TableError
from facegap.inputs.cards.categories import NAME, class_word
from facegap.inputs.scores.layouts import ATTACK, MOST_WEIGHT, WEIGHT, Layout
from facegap.inputs.spelling import LARGEST
from facegap.store.scratch import Column, rows_at_once
from facegap.types import FloatArray, IntArray

MOST_SPECIES = 20
MOST_LETTERS = 2**20  # of a line
MOST_CODE = 9999  # largest return code of a driver
KINDS: Mapping[str, int] = {"genuine": 1, "true": 1, "yes": 1, "impostor": 0, "false": 0, "no": 0}


@dataclass(frozen=True)
class Attack:
    """A presentation attack: the subject of the reference, the attack species, and the score; NaN without one."""

    reference: str
    species: str
    score: float


@dataclass(frozen=True, eq=False)
class Columns:
    """The cells of a file: codes with a table of names for each side, kinds and weights where the file has them, scores.

    codes   : return codes, if the file has them
    attacks : rows of presentation attacks, which are not comparisons of two faces and are omitted elsewhere
    """

    left: IntArray
    left_names: list[str]
    right: IntArray
    right_names: list[str]
    genuine: NDArray[np.int8] | None
    scores: FloatArray
    attacks: tuple[Attack, ...] = ()
    weights: FloatArray | None = None
    codes: IntArray | None = None


class FaultError(ValueError):
    """An invalid cell (column and reason), raised where its line is not known."""


def read_by_row(file: BufferedReader, layout: Layout, name: str) -> Columns:
    """The cells of an open file row by row; TableError with the line of the first that breaks a rule."""
    sides = [layout.columns.index(name) if name else None for name in (layout.left, layout.right)]
    score, genuine, attack, weight, code = (
        layout.columns.index(name) if name else None
        for name in (layout.score, layout.genuine, layout.attack, layout.weight, layout.code)
    )
    assert score is not None
    tables: tuple[dict[str, int], dict[str, int]] = ({}, {})
    codes, kinds, scores, weights = (array("i"), array("i")), array("b"), array("d"), array("d")
    failures = array("q")
    buffers = (*codes, kinds, scores, weights, failures)
    columns = [Column(buffer.typecode) for buffer in buffers]
    attacks: list[Attack] = []
    species: set[str] = set()
    at_reference = layout.columns.index(layout.reference) if layout.reference else 0
    most = rows_at_once()
    for line, cells in _records(file, layout, name):
        try:
            _require_cells(cells, layout)
            if attack is not None and cells[attack].strip():
                score_said = _score(cells[score], empty_is_nan=layout.is_csv)
                attacks.append(
                    Attack(_named(cells[at_reference], layout), _species(cells[attack], species), score_said)
                )
                continue
            if code is None:
                scores.append(_score(cells[score], empty_is_nan=layout.is_csv))
            else:
                failures.append(return_code(cells[code], layout.columns[code]))
                scores.append(math.nan if failures[-1] else _driver_score(cells[score], layout.score))
            for k, at in enumerate(sides):
                codes[k].append(-1 if at is None else _code(cells[at], layout.columns[at], tables[k]))
            if weight is not None:
                weights.append(_weight(cells[weight]))
            if genuine is not None:
                kinds.append(_required_kind(cells[genuine]))
            if layout.named == "image" and cells[sides[0] or 0].strip() == cells[sides[1] or 0].strip():
                raise FaultError(
                    layout.right or "right", f"{cells[sides[1] or 0].strip()!r} is compared with itself; remove the row"
                )
        except FaultError as fault:
            column, what = fault.args
            column = str(layout.attack) if column == ATTACK else column
            raise TableError(f"{name} line {line}, column {column}: {what}") from None
        if len(scores) >= most:
            _moved(buffers, columns)
    _moved(buffers, columns)
    left, right, said, found, weighed, failed = (column.array() for column in columns)
    if not len(found):
        raise TableError(f"{name} line {layout.lines_above + 1}: no rows; add one row per comparison")
    return Columns(
        left,
        list(tables[0]),
        right,
        list(tables[1]),
        said if layout.genuine else None,
        found,
        tuple(attacks),
        weighed if layout.weight else None,
        failed if layout.code else None,
    )


def _moved(buffers: Sequence[array[Any]], columns: Sequence[Column]) -> None:
    """Put what is in the buffers at the end of their columns, and empty them."""
    for buffer, column in zip(buffers, columns, strict=True):
        column.append(np.array(buffer))
        del buffer[:]


def _named(cell: str, layout: Layout) -> str:
    """Return the reference with which an attack was compared."""
    if not cell.strip():
        raise FaultError(str(layout.reference), "empty; name the subject with whose reference the attack was compared")
    return cell.strip()


def _species(cell: str, known: set[str]) -> str:
    """Return the species of an attack, spelled like a class name; adds it to the known ones."""
    word = class_word(cell)
    if not re.fullmatch(NAME, word):
        raise FaultError(
            ATTACK,
            f"{cell.strip()[:60]!r} is not a valid name of an attack species; use a-z, 0-9 and _, such as print or "
            f"mask",
        )
    if word not in known and len(known) >= MOST_SPECIES:
        raise FaultError(ATTACK, f"more than {MOST_SPECIES} species of attack; merge them")
    known.add(word)
    return word


def _records(raw: BufferedReader, layout: Layout, name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield line and cells of each record below the header."""
    # Bytes that are not UTF-8 become lone surrogates here, so that their line can be reported.
    raw.seek(0)
    file = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
    try:
        lines = _lines(file, name)
        for line, cells in _csv_rows(lines, name) if layout.is_csv else _blank_rows(lines, layout):
            if line > layout.lines_above:
                yield line, cells
    finally:
        file.detach()  # or it would close the caller's file


def _lines(file: io.TextIOWrapper, name: str) -> Iterator[str]:
    """The lines of a file; TableError for one that is longer than any with a comparison."""
    for number in count(1):
        line = file.readline(MOST_LETTERS + 1)
        if not line:
            return
        if len(line) > MOST_LETTERS:
            raise TableError(
                f"{name} line {number}: longer than {MOST_LETTERS:,} characters; write one comparison a line"
            )
        yield line


def _csv_rows(file: Iterator[str], name: str) -> Iterator[tuple[int, list[str]]]:
    """Yield first line and cells of each non-blank record of a CSV."""
    reader = csv.reader(file, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise TableError(f"{name} line {line}: {error}; look for a quote that is not closed") from None
        if cells is None:
            return
        if cells:
            yield line, cells


def _blank_rows(file: Iterator[str], layout: Layout) -> Iterator[tuple[int, list[str]]]:
    """Yield number and cells of each non-blank line."""
    for number, line in enumerate(file, start=1):
        cells = line.rstrip("\r\n").split(layout.delimiter)
        if len(cells) != len(layout.columns):
            cells = line.split()  # columns aligned with several spaces
        if cells:
            yield number, cells


def _require_cells(cells: list[str], layout: Layout) -> None:
    """Raise FaultError if a row has too many or too few cells, or one that is not UTF-8."""
    if len(cells) != len(layout.columns):
        counts = f"{len(cells)} cells where {len(layout.columns)} are needed ({', '.join(layout.columns)})"
        raise FaultError(
            layout.columns[min(len(cells), len(layout.columns)) - 1], f"{counts}; correct or remove the row"
        )
    for name, cell in zip(layout.columns, cells, strict=True):
        if not cell.isascii() and any("\udc80" <= letter <= "\udcff" for letter in cell):
            raise FaultError(name, "not UTF-8; save the file as UTF-8")


def _score(cell: str, *, empty_is_nan: bool) -> float:
    """Parse a score; may be NaN."""
    try:
        score = float(cell.replace("_", "?"))  # Python would accept 1_000
    except ValueError:
        if empty_is_nan and not cell.strip():
            return math.nan
        cure = "write a number, or nan where the comparison failed"
        raise FaultError("score", f"{cell.strip()!r} is not a number; {cure}") from None
    if math.isinf(score):
        raise FaultError("score", f"{cell.strip()!r} is not finite; write a number, or nan where the comparison failed")
    if abs(score) > LARGEST:
        raise FaultError(
            "score", f"{cell.strip()!r} is larger than {LARGEST:g}, the limit for a score; write the score, or nan"
        )
    return score


def _driver_score(cell: str, column: str) -> float:
    """Parse the score of a comparison with return code 0, which must be a number."""
    try:
        score = float(cell.replace("_", "?"))
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise FaultError(
            column, f"{cell.strip()[:60]!r} beside return code 0 is not a finite number; a failure has another code"
        )
    return score


def _weight(cell: str) -> float:
    """Parse the weight of a row of a sample: above 0 and finite."""
    try:
        weight = float(cell.replace("_", "?"))
    except ValueError:
        weight = math.nan
    if not 0 < weight <= MOST_WEIGHT:
        raise FaultError(
            WEIGHT,
            f"{cell.strip()[:40]!r} is not a weight; write how many pairs the row represents, a number above 0, as "
            f"in the list of sampled pairs",
        )
    return weight


def return_code(cell: str, column: str) -> int:
    """Parse a return code of NIST's drivers: 0 for success, else a whole number from 1 to MOST_CODE."""
    text = cell.strip()
    if text.isascii() and text.isdigit() and len(text) <= 4:
        return int(text)
    raise FaultError(column, f"{text[:60]!r} is not a return code; write 0, or a whole number from 1 to {MOST_CODE}")


def _code(cell: str, column: str, table: dict[str, int]) -> int:
    """Return the code of a name, a new one for a new name."""
    name = cell.strip()
    if not name:
        raise FaultError(column, "empty; name the image or subject that was compared")
    return table.setdefault(name, len(table))


def _required_kind(cell: str) -> int:
    """1 genuine, 0 impostor."""
    kind = kind_of(cell)
    if kind is None:
        raise FaultError(
            "genuine", f"{cell.strip()!r} is neither 1 (genuine) nor 0 or -1 (impostor); write one of them"
        )
    return kind


@lru_cache(maxsize=1024)
def kind_of(word: str) -> int | None:
    """Parse 1 genuine, 0 impostor, as word or number (1, 0 or Bob's -1); None if neither."""
    text = word.strip().lower()
    if text in KINDS:
        return KINDS[text]
    try:
        return {1.0: 1, 0.0: 0, -1.0: 0}.get(float(text))
    except ValueError:
        return None
