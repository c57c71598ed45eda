"""Parts of a run in progress: committed one by one, each with a file of its hashes, and joined at the end.

A part is valid if its file of hashes exists and matches its files. A part that was truncated, edited, renamed or added by someone
else is therefore treated as missing, and is computed again.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.errors import RunError
from facegap.store.arrays import mapped_npy
from facegap.store.checksums import PARTS
from facegap.store.files import explained, npy_bytes, parquet_bytes, sha256, sync_folder, write_bytes, writing
from facegap.store.tables import read_parquet

_HASHES = re.compile(r"([0-9]{6,9})\.sha256")
_LINE = re.compile(r"([0-9a-f]{64})  (\S+)")
MOST_HASH_BYTES = 1024


def write_part(folder: Path, number: int, rows: pd.DataFrame, embeddings: NDArray[np.float32] | None) -> None:
    """Commit one part. Its hashes are written last, because they make the part valid."""
    parts = folder / PARTS
    with explained(folder):
        for place in (folder, parts):
            if not place.is_dir():
                place.mkdir(mode=0o700, exist_ok=True)
                sync_folder(place.parent)
    if embeddings is not None:
        write_bytes(parts / f"{number:06d}.npy", npy_bytes(embeddings))
    write_bytes(parts / f"{number:06d}.parquet", parquet_bytes(rows))  # deleted when the run is finished
    names = files_of(number, embedded=embeddings is not None)
    lines = "".join(f"{sha256(parts / name)}  {name}\n" for name in names)
    write_bytes(parts / f"{number:06d}.sha256", lines.encode())


def files_of(number: int, *, embedded: bool) -> list[str]:
    """Return the file names of a part."""
    return [f"{number:06d}.{suffix}" for suffix in (["npy"] if embedded else []) + ["parquet"]]


def committed_parts(folder: Path, *, embedded: bool) -> set[int]:
    """Return the numbers of the valid parts. embedded : whether parts contain templates"""
    found = set()
    if (folder / PARTS).is_dir():
        for path in (folder / PARTS).iterdir():
            name = _HASHES.fullmatch(path.name)
            if name and is_as_written(folder / PARTS, int(name[1]), embedded=embedded):
                found.add(int(name[1]))
    return found


def is_as_written(parts: Path, number: int, *, embedded: bool) -> bool:
    """Return whether the files of a part match its hashes."""
    try:
        stated = parts / f"{number:06d}.sha256"
        if stated.stat().st_size > MOST_HASH_BYTES:
            return False
        lines = [_LINE.fullmatch(line) for line in stated.read_text(encoding="ascii").splitlines()]
        names = files_of(number, embedded=embedded)
        return [line and line[2] for line in lines] == names and all(
            line is not None and sha256(parts / line[2]) == line[1] for line in lines
        )
    except (OSError, ValueError):
        return False


def read_part(folder: Path, number: int) -> pd.DataFrame:
    """Read the rows of one part."""
    return read_parquet(folder / PARTS / f"{number:06d}.parquet")


def read_part_rows(folder: Path, count: int) -> pd.DataFrame:
    """Read the rows of parts 0..count - 1, in order."""
    return pd.concat([read_part(folder, number) for number in range(count)], ignore_index=True)


def templates_of(folder: Path, number: int) -> NDArray[Any]:
    """Map the templates of one part into memory.

    Raises
    ------
    RunError : If the file is not a valid .npy file or is shorter than its header states.
    """
    path = folder / PARTS / f"{number:06d}.npy"
    try:
        return mapped_npy(path)
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}: not the templates of a part: {error}; remove the file, or choose another --out"
        ) from error


def join_embeddings(folder: Path, count: int, rows: int, dimension: int, name: str = "embeddings.npy") -> None:
    """Write embeddings.npy (or `name`) part by part, so that memory does not grow with the number of parts.

    The file is not memory-mapped: on a full disk, a write raises an error, but a mapping kills the process.

    Raises
    ------
    RunError : If the number of templates differs from `rows`, or their dimension from `dimension`.
    """
    joined = 0

    def templates() -> Iterator[NDArray[Any]]:
        nonlocal joined
        for number in range(count):
            part = templates_of(folder, number)
            if part.shape[1:] != (dimension,):
                raise RunError(f"{folder}: part {number} has templates of a different dimension; choose another --out")
            joined += len(part)
            yield part
        if joined != rows:
            raise RunError(f"{folder}: the parts have {joined} templates for {rows} faces; choose another --out")

    write_npy(folder / name, (rows, dimension), templates())


def write_npy(path: Path, shape: tuple[int, int], parts: Iterable[NDArray[Any]]) -> None:
    """Write a float32 .npy file of this shape from blocks of rows, atomically: no file is left if `parts` raises."""
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)), "fortran_order": False, "shape": shape}
    with writing(path) as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in parts:
            file.write(part.astype(np.float32, copy=False).tobytes())
