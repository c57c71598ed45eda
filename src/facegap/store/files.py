"""Write files of a run folder: atomically, readable only by their owner, and safe to open in a spreadsheet."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import json
import os
import re
import stat
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.errors import RunError
from facegap.store.opened import opened
from facegap.tables import Schema, check_known

LOCK = ".lock"
GROUP_ROWS = 2**20  # of a parquet file
MOST_LEVELS = 8  # a run nests folders two levels deep
FORMULA_STARTS = (
    "=",
    "+",
    "-",
    "@",
    "\t",
    "\r",
    "\n",
    "\uff1d",
    "\uff0b",
    "\uff0d",
    "\uff20",
)  # the last four: full width


_SIGNS = r"=+@\-" + "\uff1d\uff0b\uff0d\uff20"
_FIRST, _FIRST_MARKED = (re.compile(rf"\A([ \"']*){mark}(?=[{_SIGNS}\t\r\n])") for mark in ("", "'"))
_INNER, _INNER_MARKED = (re.compile(rf"([;|\t\r\n][ \"']*){mark}(?=[{_SIGNS}])") for mark in ("", "'"))


def require_own_files(folder: Path) -> None:
    """Raise RunError for a link, pipe or device in a run folder, which may come from an untrusted source.

    Writing or deleting through a link would affect files elsewhere, and reading a pipe may never end.
    """
    for path in entries_below(folder):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise RunError(f"{path}: a link, pipe or device, which does not belong in a run; remove it")


def entries_below(folder: Path) -> Iterator[Path]:
    """Yield everything in a folder and its subfolders, without following links.

    Raises
    ------
    RunError : If folders are nested deeper than in any run, or a folder cannot be listed.
    """
    waiting = [(folder, 0)]
    while waiting:
        place, depth = waiting.pop()
        if depth > MOST_LEVELS:
            shown = Path(*place.relative_to(folder).parts[:3])
            raise RunError(f"{folder / shown}: folders nested deeper than in any run; remove them")
        try:
            with os.scandir(place) as found:
                entries = [(Path(entry.path), entry.is_dir(follow_symlinks=False)) for entry in found]
        except OSError as error:
            raise RunError(f"{place}: cannot be listed ({error.strerror or error})") from error
        waiting += [(path, depth + 1) for path, is_folder in entries if is_folder]
        yield from (path for path, _ in entries)


def require_text_name(folder: Path) -> None:
    """Raise RunError if the name of a folder is not UTF-8: parquet files could be written there but not read."""
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise RunError(f"{folder}: the name of the folder is not UTF-8; choose another --out") from error


def is_scratch(path: Path) -> bool:
    """Return whether a file is not part of the run: the lock, or the temporary file of a killed process."""
    return path.name == LOCK or (path.name.startswith(".") and path.suffix == ".tmp")


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Convert a file system error to a RunError that says what to do."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{folder}: cannot write the run ({error.strerror or error}); free some space or choose another --out; "
            f"then continue an audit with --resume"
        ) from error


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """Write a file atomically: to a temporary file in the same folder, flushed to disk, then renamed."""
    with explained(path.parent):
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            temporary.unlink(missing_ok=True)  # left by a killed process with any mode, or a link to somewhere else
            fresh = os.O_CREAT | os.O_WRONLY | os.O_EXCL
            with os.fdopen(os.open(temporary, fresh, 0o600), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):  # report the first error
                temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Flush a folder to disk: without its directory entry, even a flushed file can be lost in a power failure."""
    if sys.platform == "win32":  # cannot open a folder, and journals its directory entries
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems without support, such as some network ones
            raise
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    with writing(path) as file:
        file.write(data)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write human-readable JSON; raises ValueError for NaN, which is not JSON."""
    write_bytes(path, (json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_parquet(path: Path, frame: pd.DataFrame, schema: Schema) -> None:
    """Write a table as parquet; raises TableError if a column is not in its schema."""
    check_known(frame, schema, path.name)
    with writing(path) as file:
        parquet_into(file, frame)


def write_csv(path: Path, frame: pd.DataFrame, schema: Schema) -> None:
    """Write a table as CSV; raises TableError if a column is not in its schema."""
    check_known(frame, schema, path.name)
    write_bytes(path, csv_bytes(frame))


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """Return a frame as parquet."""
    buffer = io.BytesIO()
    parquet_into(buffer, frame)
    return buffer.getvalue()


def parquet_into(file: BinaryIO, frame: pd.DataFrame) -> None:
    """Write a frame as parquet, a row group at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.Schema.from_pandas(frame, preserve_index=False)
    with pq.ParquetWriter(file, schema) as writer:
        for start in range(0, max(len(frame), 1), GROUP_ROWS):
            rows = frame.iloc[start : start + GROUP_ROWS]
            writer.write_table(pa.Table.from_pandas(rows, schema, preserve_index=False))


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """Return a frame as CSV; an apostrophe precedes text that a spreadsheet would run as a formula."""
    safe = frame.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [harmless(value) for value in safe[name]]
    safe.columns = pd.Index([harmless(name) for name in safe.columns])
    text: str = safe.to_csv(index=False, lineterminator="\n")
    return text.encode()


def harmless(value: Any) -> Any:
    """Put an apostrophe before every sign at which a spreadsheet would begin a formula; other values are returned unchanged.

    A spreadsheet may split lines at semicolons, tabs or bars instead of commas, and then does not recognise quotes inside a cell.
    The text after one of these, or after a line end, is therefore treated as the beginning of a cell as well.

    Examples
    --------
    >>> harmless("=1+1"), harmless("a;=HYPERLINK()"), harmless("a=b")
    ("'=1+1", "a;'=HYPERLINK()", 'a=b')
    """
    if not isinstance(value, str):
        return value
    return _INNER.sub(r"\1'", _FIRST.sub(r"\1'", value))


def as_it_was(value: Any) -> Any:
    """Undo `harmless`."""
    if not isinstance(value, str):
        return value
    return _FIRST_MARKED.sub(r"\1", _INNER_MARKED.sub(r"\1", value))


def npy_bytes(array: NDArray[np.float32]) -> bytes:
    """Return an array in the .npy format."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def sha256(path: Path) -> str:
    """Return the hexadecimal SHA-256 of a file."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
