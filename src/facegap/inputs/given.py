"""Arguments of Python functions that replace a file: a path, a DataFrame, a list of dicts, an array."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from facegap.errors import TableError
from facegap.store.temporary import temporary_folder

IN_MEMORY = "given-in-memory"  # file name of a table that has none


def is_path(given: Any) -> bool:
    """Return whether a path was given; it is read later."""
    return isinstance(given, str | os.PathLike)


@contextlib.contextmanager
def as_file(given: Any, what: str) -> Iterator[Path]:
    """Return the given path, or write the data to a temporary CSV or .npy file and return its path.

    given : path; DataFrame; list of dicts or dict of columns; for templates a float array (rows, dimension)
    what  : name of the argument, for messages

    Raises
    ------
    TableError : If the type is not supported.
    """
    if is_path(given):
        yield Path(given)
        return
    import numpy as np
    import pandas as pd

    with temporary_folder() as folder:
        if isinstance(given, np.ndarray):
            path = folder / f"{IN_MEMORY}.npy"
            np.save(path, given, allow_pickle=False)
        elif isinstance(given, pd.DataFrame):
            path = saved(given, folder)
        elif isinstance(given, Mapping) or (
            isinstance(given, Sequence) and all(isinstance(row, Mapping) for row in given) and len(given)
        ):
            path = saved(pd.DataFrame(given), folder)
        else:
            raise TableError(
                f"{what}: got a {type(given).__name__}; give the path of a CSV or parquet table, a DataFrame, or a "
                f"list of "
                "dicts"
            )
        yield path


def saved(frame: Any, folder: Path) -> Path:
    """Save a DataFrame as CSV, without its index unless that has a name."""
    path = folder / f"{IN_MEMORY}.csv"
    named = any(name is not None for name in frame.index.names)
    frame.to_csv(path, index=named, lineterminator="\n", encoding="utf-8")
    return path
