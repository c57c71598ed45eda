"""Files of a run folder, one at a time: whole or not there at all, readable by their owner alone, harmless to a spreadsheet."""

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
MOST_LEVELS = 8  # folders of a run inside each other are two
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
    """Raise RunError for a link, pipe or device in a run folder, which somebody else may have packed.

    What is written through a link lands elsewhere, what is removed through one is somebody's, and a pipe never ends.
    """
    for path in entries_below(folder):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise RunError(f"{path}: a link, pipe or device, which does not belong in a run; remove it")


def entries_below(folder: Path) -> Iterator[Path]:
    """Everything in a folder and the folders in it, no link followed.

    Raises
    ------
    RunError : folders inside each other to a depth that no run has; a folder that cannot be listed
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
    """Raise RunError for a folder whose name is not UTF-8: parquet files could be written there and never be read."""
    try:
        str(folder).encode()
    except UnicodeEncodeError as error:
        raise RunError(f"{folder}: the name of the folder is not UTF-8; choose another --out") from error


def is_scratch(path: Path) -> bool:
    """Whether a file holds nothing of a run: the lock, or what a killed writer left before its rename."""
    return path.name == LOCK or (path.name.startswith(".") and path.suffix == ".tmp")


@contextlib.contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Turn a failure of the file system into one error that says what to do."""
    try:
        yield
    except OSError as error:
        raise RunError(
            f"{folder}: cannot write the run ({error.strerror or error}); free some space or choose another --out; "
            f"then continue an audit with --resume"
        ) from error


@contextlib.contextmanager
def writing(path: Path) -> Iterator[BinaryIO]:
    """A file that is there whole or not at all: a temporary neighbour, flushed to the disk at the end, then renamed."""
    with explained(path.parent):
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            temporary.unlink(missing_ok=True)  # a killed writer's, with whatever mode; or a link to somewhere else
            fresh = os.O_CREAT | os.O_WRONLY | os.O_EXCL
            with os.fdopen(os.open(temporary, fresh, 0o600), "wb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                temporary.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk: a file that was synced can be lost with its name when the power goes."""
    if sys.platform == "win32":  # opens no folder, and keeps names by a journal
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # file systems that cannot, such as some of networks
            raise
    finally:
        os.close(descriptor)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file or nothing."""
    with writing(path) as file:
        file.write(data)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write JSON that a person can read; NaN is refused, since it is no JSON."""
    write_bytes(path, (json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_parquet(path: Path, frame: pd.DataFrame, schema: Schema) -> None:
    """Write a table for machines; TableError where a column is not one of its schema."""
    check_known(frame, schema, path.name)
    write_bytes(path, parquet_bytes(frame))


def write_csv(path: Path, frame: pd.DataFrame, schema: Schema) -> None:
    """Write a table for people; TableError where a column is not one of its schema."""
    check_known(frame, schema, path.name)
    write_bytes(path, csv_bytes(frame))


def parquet_bytes(frame: pd.DataFrame) -> bytes:
    """A frame as parquet."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


def csv_bytes(frame: pd.DataFrame) -> bytes:
    """A frame as CSV; text that a spreadsheet would run as a formula gets a leading apostrophe."""
    safe = frame.copy()
    for name in safe.columns:
        if not pd.api.types.is_numeric_dtype(safe[name]):
            safe[name] = [harmless(value) for value in safe[name]]
    safe.columns = pd.Index([harmless(name) for name in safe.columns])
    text: str = safe.to_csv(index=False, lineterminator="\n")
    return text.encode()


def harmless(value: Any) -> Any:
    """Text with an apostrophe before every sign at which a spreadsheet would begin a formula; every other value as it is.

    A spreadsheet may split a line at semicolons, tabs or bars instead of commas, and knows then of no quotes that begin inside
    a cell: so what follows one of these, or a line end, counts as the beginning of a cell as well.

    Examples
    --------
    >>> harmless("=1+1"), harmless("a;=HYPERLINK()"), harmless("a=b")
    ("'=1+1", "a;'=HYPERLINK()", 'a=b')
    """
    if not isinstance(value, str):
        return value
    return _INNER.sub(r"\1'", _FIRST.sub(r"\1'", value))


def as_it_was(value: Any) -> Any:
    """What `harmless` was given."""
    if not isinstance(value, str):
        return value
    return _FIRST_MARKED.sub(r"\1", _INNER_MARKED.sub(r"\1", value))


def npy_bytes(array: NDArray[np.float32]) -> bytes:
    """An array in the .npy format."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


def sha256(path: Path) -> str:
    """Hash of a file, in hex."""
    with opened(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
