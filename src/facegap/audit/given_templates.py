"""Templates computed elsewhere: read from an .npy file and normalised without a full copy in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facegap.errors import TableError
from facegap.store.arrays import mapped_npy
from facegap.store.parts import write_npy
from facegap.types import BoolArray, FloatArray, IntArray

ROWS_AT_ONCE = 8192  # templates converted to double precision at a time
UNIT_SLACK = 2e-3  # tolerance for a norm of 1 in float16


def read_npy(path: Path) -> NDArray[Any]:
    """Rows of numbers from an .npy file, memory-mapped; nothing in the file is executed.

    Raises
    ------
    TableError : if the file is unreadable, not two-dimensional, or not numeric
    """
    try:
        array = mapped_npy(path, follow=True)
    except (OSError, ValueError, EOFError) as error:
        raise TableError(f"{path}: cannot be read as an .npy array: {error}; write it with numpy.save") from error
    if array.ndim != 2 or array.dtype.kind != "f" or not array.shape[1]:
        raise TableError(
            f"{path}: {array.dtype} of shape {array.shape}; expected an array of floating-point numbers (rows, "
            f"dimension)"
        )
    return np.asarray(array)


def are_unit(norms: FloatArray) -> bool:
    """Whether every template already has norm 1, in which case the norms before normalisation are unknown."""
    return bool((np.abs(norms[np.isfinite(norms)] - 1) < UNIT_SLACK).all())


def lengths_of_templates(raw: NDArray[Any], rows: IntArray) -> FloatArray:
    """Norm of each of the given rows, float64 (rows,), NaN if it is zero or not finite."""
    from facegap.vision.embed import lengths

    found = [np.where(usable, lengths(part), np.nan) for part, _, usable in _parts(raw, rows)]
    return np.concatenate([np.empty(0), *found])


def unit_templates(
    raw: NDArray[Any], rows: IntArray, norms: FloatArray, kept: Path | None = None
) -> NDArray[np.float32]:
    """The usable templates among the given rows, normalised, float32 (n, dimension).

    rows, norms : rows of the file, and their `lengths_of_templates`
    kept        : an .npy file to which they are written and from which they are mapped, so that a million templates need no
                 memory of their own; None: in memory
    """
    shape = int(np.isfinite(norms).sum()), raw.shape[1]
    units = (unit[usable] for _, unit, usable in _parts(raw, rows))
    if kept is not None:
        write_npy(kept, shape, units)
        return mapped_npy(kept)
    found, at = np.empty(shape, np.float32), 0
    for unit in units:
        found[at : at + len(unit)] = unit
        at += len(unit)
    return found


def _parts(raw: NDArray[Any], rows: IntArray) -> Iterator[tuple[NDArray[Any], NDArray[np.float32], BoolArray]]:
    """Rows in parts: as given, normalised, and whether they are usable.

    In parts, because the intermediate double precision would take more memory than the templates.
    """
    from facegap.vision.embed import unit_rows

    whole = len(rows) == len(raw) and bool((np.diff(rows, prepend=-1) == 1).all())
    for start in range(0, len(rows), ROWS_AT_ONCE):
        stop = min(start + ROWS_AT_ONCE, len(rows))
        part = np.asarray(raw[start:stop] if whole else raw[rows[start:stop]])
        unit = unit_rows(part)
        yield part, unit, np.asarray(np.isfinite(unit).all(axis=1))
