"""Read a CSV or parquet file as text cells with the first line of each record, or report how to correct it."""

from __future__ import annotations

import csv
import hashlib
import io
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.spelling import tidy
from facegap.store.opened import NotRegularError, TooLargeError, read_file
from facegap.store.room import CELL_BYTES, require_room
from facegap.store.tables import require_footer_fits, texts_once
from facegap.types import IntArray

MAX_FILE_BYTES = 512 * 2**20  # a million rows of a hundred bytes take a fifth of this
MAX_CELL_CHARACTERS = 10_000
MAX_COLUMNS = 2_000
ROWS_AT_ONCE = 500  # rows of a CSV kept as lists of cells at a time
MAX_CELLS = 100_000_000  # a parquet file of a few kilobytes can state billions
MAX_UNPACKED_BYTES = 4 * MAX_FILE_BYTES
KEEP = "keep only the rows and columns that you need"
_ROW_NUMBER = re.compile(r"__index_level_\d+__")
UTF_16 = b"\xff\xfe"
_FOREIGN = {  # first bytes of files that are mistaken for CSV
    b"PK\x03\x04": "a ZIP file (a spreadsheet?); save it as CSV, UTF-8",
    b"\x1f\x8b": "compressed with gzip; unpack it first",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet; save it as CSV, UTF-8",
    UTF_16: "UTF-16 text; save it as UTF-8",
    b"\xfe\xff": "UTF-16 text; save it as UTF-8",
}


@dataclass(frozen=True)
class Records:
    """The cells of a file as text, empty where a value is missing.

    frame  : columns as named in the header, stripped of white space
    lines  : line of the file (from 1) where each record starts; for parquet, the number of the record from 1
    unit   : what `lines` counts, for messages
    sha256 : of the file as it was read
    """

    frame: pd.DataFrame
    lines: list[int]
    unit: Literal["line", "record"]
    sha256: str


def read_records(path: Path, *, separator: str = ",") -> Records:
    """Read all records of a CSV (UTF-8, header) or parquet file, distinguished by content.

    separator : of the cells of a CSV. With semicolons, lines may end in one, even only the header, as OFIQ writes them

    A byte order mark, quoted newlines, any line end and blank lines between records are accepted.
    Raises : TableError for an unreadable, foreign, wrongly encoded, empty or ragged file, with line and remedy
    """
    content = _content(path)
    sha256 = hashlib.sha256(content).hexdigest()
    if content.startswith(b"PAR1"):
        frame = _parquet_cells(content, path.name)
        return Records(frame, list(range(1, len(frame) + 1)), "record", sha256)
    if path.suffix.lower() in (".parquet", ".pq"):
        raise TableError(f"{path.name}: not a parquet file; write it again, or rename it to .csv if it is one")
    for start, what in _FOREIGN.items():
        if content.startswith(start):
            raise TableError(f"{path.name} line 1: the file is {what}")
    frame, lines = _csv_cells(_decoded(content, path.name), path.name, separator)
    return Records(frame, lines, "line", sha256)


def _content(path: Path) -> bytes:
    """Read the bytes; raises TableError if missing, not a file, unreadable, empty or over MAX_FILE_BYTES."""
    try:
        content = read_file(path, MAX_FILE_BYTES)
    except NotRegularError:
        if path.is_dir():
            raise TableError(f"{path} is a folder; give a table, or create one with `facegap manifest`") from None
        raise TableError(f"{path} is not a regular file; save the table to a file") from None
    except TooLargeError as error:
        raise TableError(
            f"{path.name}: {error.size:,} bytes, more than the limit of {error.most:,}; split the table"
        ) from None
    except FileNotFoundError:
        raise TableError(f"{path}: no such file; give the path of a CSV or parquet table") from None
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: {getattr(error, 'strerror', None) or error}; make the file readable") from error
    if not content.removeprefix(b"\xef\xbb\xbf").strip():
        raise TableError(f"{path.name} line 1: the file is empty; it needs a header with a column image")
    return content


def _decoded(content: bytes, name: str) -> str:
    """Decode a UTF-8 file, with or without a byte order mark."""
    content = content.removeprefix(b"\xef\xbb\xbf")
    nul = content.find(b"\0")
    if nul >= 0:
        where = f"{name} line {_line_of(content, nul)}"
        many = content[:1000].count(b"\0") * 3 >= len(content[:1000])
        raise TableError(f"{where}: {f'the file is {_FOREIGN[UTF_16]}' if many else 'contains a NUL byte; remove it'}")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise TableError(_encoding_message(content, error.start, name)) from None


def _encoding_message(content: bytes, position: int, name: str) -> str:
    """Describe the position of the first byte that is not UTF-8, and how to convert the file."""
    line = _line_of(content, position)
    before = content[:position].replace(b"\r\n", b"\n").replace(b"\r", b"\n").rpartition(b"\n")[2].decode("latin-1")
    separator = max(",;\t|", key=before.count)
    cell = len(next(csv.reader([before], delimiter=separator), [""])) or 1
    byte = content[position]
    return (
        f"{name} line {line}, column {cell}: byte 0x{byte:02x} is not UTF-8 "
        f"(in Latin-1 it would be {bytes([byte]).decode('latin-1')!r}); save the file as UTF-8, "
        f"for example with: iconv -f latin1 -t utf-8; `facegap manifest csv` also reads a table with --encoding cp1252"
    )


def _line_of(content: bytes, position: int) -> int:
    """Return the line, from 1, of the byte at `position`."""
    before = content[:position].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return before.count(b"\n") + 1


def _csv_cells(text: str, name: str, separator: str) -> tuple[pd.DataFrame, list[int]]:
    """Return the cells and first lines of the records below the header."""
    _require_csv_fits(text, name, separator)
    records = _csv_records(text, name, separator)
    first = next(records, None)
    if first is None:
        raise TableError(f"{name} line 1: the file is empty; it needs a header with a column image")
    header_line, header = first
    if ended := separator == ";" and len(header) > 1 and not header[-1].strip():
        header = header[:-1]
    _check_header([cell.strip() for cell in header], f"{name} line {header_line}")
    names = [tidy(cell) for cell in header]
    _check_header(names, f"{name} line {header_line}")  # two names may be equal without invisible characters
    lines: list[int] = []
    rows: list[list[str]] = []
    columns: list[list[str]] = [[] for _ in names]
    for line, cells in records:
        if ended and len(cells) == len(names) + 1 and not cells[-1].strip():
            cells = cells[:-1]
        if len(cells) != len(names):
            raise TableError(_ragged_message(f"{name} line {line}", names, cells))
        lines.append(line)
        rows.append(cells)
        if len(rows) == ROWS_AT_ONCE:
            _move_to_columns(rows, columns)
    _move_to_columns(rows, columns)
    return pd.DataFrame({key: pd.Series(cells, dtype="str") for key, cells in zip(names, columns, strict=True)}), lines


def _move_to_columns(rows: list[list[str]], columns: list[list[str]]) -> None:
    """Append the cells of the rows to their columns and empty the rows.

    A million small lists cost more in garbage collection than in reading: few exist at a time, too few to start one.
    """
    if rows:
        for column, cells in zip(columns, zip(*rows, strict=True), strict=True):
            column.extend(cells)
        rows.clear()


def _require_csv_fits(text: str, name: str, separator: str) -> None:
    """Raise TableError if a CSV could have more cells than the limit, or than fit into memory."""
    lines = text.count("\n") + text.count("\r")
    cells = text.count(separator) + lines
    what = f"{name}: some {cells:,} cells in {lines:,} lines"
    if cells > MAX_CELLS:
        raise TableError(f"{what}, more than {MAX_CELLS:,}; {KEEP}")
    require_room(cells * CELL_BYTES + 2 * len(text), what, TableError, KEEP)


def _csv_records(text: str, name: str, separator: str) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, with its first line."""
    # newline="" splits at \n, \r\n and \r, as editors count lines, but not inside quotes.
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise TableError(f"{name} line {start}: {_csv_cure(str(error))}") from None
        if cells is None:
            return
        if cells and max(map(len, cells)) > MAX_CELL_CHARACTERS:
            column = max(range(len(cells)), key=lambda index: len(cells[index])) + 1
            raise TableError(
                f"{name} line {start}, column {column}: a cell of {len(cells[column - 1]):,} characters, more than "
                f"{MAX_CELL_CHARACTERS:,}; shorten it, or look for a quote that is not closed"
            )
        if cells:
            yield start, cells


def _csv_cure(error: str) -> str:
    """Convert an error of the csv module to a message that says what to do."""
    if "unexpected end of data" in error:
        return 'a quote (") opens here and is never closed; close it'
    if "field larger" in error:
        return "a cell is too long; shorten it, or look for a quote that is not closed"
    return f'{error}; a quote inside a quoted cell is written twice ("")'


def _check_header(names: list[str], where: str) -> None:
    """Raise TableError for unnamed or duplicate columns, and for a table with another separator than commas."""
    for separator, word in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if len(names) == 1 and separator in names[0]:
            raise TableError(
                f"{where}: the columns are separated by {word}; save the file with commas "
                f"(`facegap manifest csv` also reads a table with --separator {shlex.quote(separator)})"
            )
    if len(names) > MAX_COLUMNS:
        raise TableError(f"{where}: {len(names):,} columns, more than {MAX_COLUMNS:,}; keep those that name groups")
    seen: set[str] = set()
    for position, column in enumerate(names, start=1):
        if not column:
            raise TableError(f"{where}, column {position}: no name; name it or remove it (pandas: index=False)")
        if column in seen:
            raise TableError(f"{where}, column {column}: the name occurs more than once; rename or remove one")
        seen.add(column)


def _ragged_message(where: str, names: list[str], cells: list[str]) -> str:
    """Describe a record with too many or too few cells."""
    counts = f"{len(cells)} cells where the header has {len(names)}"
    if len(cells) > len(names):
        return f"{where}, column {names[-1]}: {counts}; put quotes around cells that contain a comma"
    return f"{where}, column {names[len(cells)]}: {counts}; fill in the missing cells (empty ones keep their comma)"


def _parquet_cells(content: bytes, name: str) -> pd.DataFrame:
    """Convert the cells of a parquet file to text: integral floats without a point, missing values as empty text."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # ParquetFile, not read_table, which would also look for a folder of partitions.
        file = pq.ParquetFile(io.BytesIO(content))
        _check_size(file.metadata, len(content), name)
        # Each distinct text is stored once: a text of megabytes in every row would fill the memory.
        table = texts_once(io.BytesIO(content), file, name, TableError, KEEP)
        # An index stored by pandas is an ordinary column; one without a name is a row number.
        columns = [k for k, column in enumerate(table.column_names) if not _ROW_NUMBER.fullmatch(column)]
        names = [tidy(table.column_names[k]) for k in columns]
        _check_header(names, f"{name} header")
        series = [table.column(k).to_pandas() for k in columns]
    except (pa.ArrowException, OSError, MemoryError) as error:
        raise TableError(f"{name}: damaged parquet file ({error}); write it again") from error
    cells = {key: _cells_as_text(column, f"{name} column {key}") for key, column in zip(names, series, strict=True)}
    return pd.DataFrame(cells)


def _check_size(stated: Any, size: int, name: str) -> None:
    """Raise TableError if a parquet file, according to its footer, unpacks to more than any table of portraits."""
    cells = stated.num_rows * stated.num_columns
    unpacked = sum(stated.row_group(k).total_byte_size for k in range(stated.num_row_groups))
    if cells > MAX_CELLS or unpacked > MAX_UNPACKED_BYTES or stated.num_columns > MAX_COLUMNS:
        said = f"{stated.num_rows:,} rows of {stated.num_columns:,} columns, {unpacked:,} bytes uncompressed"
        raise TableError(f"{name}: {said}, more than the limit for a table; {KEEP}")
    require_footer_fits(stated, size, name, TableError, KEEP)


SIGNIFICAND_BITS = {"float32": 24}  # a float represents all integers up to 2 to this power; float16: 11, float64: 53


def _cells_as_text(series: pd.Series, where: str) -> pd.Series:
    """Convert numbers, booleans and text to text; lists and structs are rejected. Each distinct value is converted once.

    Raises
    ------
    TableError : For a value without a text form, a text that is too long, or a float that may have lost precision.
    """
    if series.dtype == np.float16:  # pandas cannot factorise it
        texts, codes = _distinct(series.astype("float32"), where, 11)
    else:
        texts, codes = _distinct(series, where, SIGNIFICAND_BITS.get(str(series.dtype).lower(), 53))
    letters = int(np.array([*map(len, texts), 0])[codes].sum())
    what = f"{where}: {letters:,} letters in {len(codes):,} cells"
    require_room(4 * letters, what, TableError, "shorten the cells, or keep only the rows that you need")
    return pd.Series(np.array([*texts, ""], object)[codes], dtype="str")  # code -1 is the last entry, the empty text


def _distinct(series: pd.Series, where: str, bits: int) -> tuple[list[str], IntArray]:
    """Return the texts of the distinct values in order of appearance, and their codes, int64 (rows,); -1 if missing.

    bits : of the significand of a float: 53 of float64, 24 of float32, 11 of float16
    """
    values: Any
    try:
        codes, values = pd.factorize(series)
    except TypeError:  # lists and similar types, which are rejected by type
        codes, values = np.arange(len(series)), series
    texts = []
    for code, value in enumerate(pd.Series(values).astype("object")):
        try:
            texts.append(_as_text(value, bits))
        except _CellError as error:
            record = int(np.argmax(codes == code)) + 1
            raise TableError(f"{where}, record {record}: {error}") from None
    return texts, np.asarray(codes, np.int64)


class _CellError(ValueError):
    """An invalid value, raised where its record is not known."""


def _as_text(value: Any, bits: int) -> str:
    """Convert a value to text: integral floats as integers, missing values as empty text."""
    if isinstance(value, (bytes, list, dict, tuple, np.ndarray)):
        raise _CellError(f"a {type(value).__name__} where text or a number is needed")
    if value is None or pd.isna(value):
        return ""
    if isinstance(value, float):
        return _float_as_text(float(value), bits)
    text = str(value)
    if len(text) > MAX_CELL_CHARACTERS:
        raise _CellError(f"a cell of {len(text):,} characters, too many; shorten it")
    return text


def _float_as_text(number: float, bits: int) -> str:
    """Convert a float to text; raises _CellError if neighbouring integers would be the same float."""
    if not number.is_integer():
        return repr(number)
    if abs(number) >= 2**bits:
        raise _CellError(
            f"{number:.0f} is a whole number beyond 2**{bits} in a column of floats, so its last digits may be lost; store ids as "
            "integers or text"
        )
    return str(int(number))
