"""The finished work of an interrupted run, and whether it is still valid: parts as written, and images unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd

from facegap.errors import RunError
from facegap.inputs.images.decode import Unreadable, stamp_on_disk
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.videos.read import read_file
from facegap.store import run as store

NEEDED = ("row", "image", "sha256", "stamp")
MOST_NAMED = 5


def kept_parts(folder: Path, table: Manifest, part_rows: int, *, embedded: bool) -> set[int]:
    """Numbers of the parts that need not be computed again.

    A part is kept if its files are unchanged and its rows are those of the manifest. Each of its images must then still be
    the file that was passed to the models: an image with the same size and times is assumed to be unchanged, and every
    other one is hashed again.

    embedded : whether parts contain templates

    Raises
    ------
    RunError : if an image differs from the file that was audited, with its line
    """
    found, changed = set(), []
    for number in sorted(store.committed_parts(folder, embedded=embedded)):
        chunk = table.frame.iloc[number * part_rows : (number + 1) * part_rows]
        rows = rows_of(folder, number, chunk)
        if rows is not None:
            found.add(number)
            changed += list(changed_images(rows, chunk, table.folder))
    if changed:
        raise RunError(changed_sentence(changed, table))
    return found


def rows_of(folder: Path, number: int, chunk: pd.DataFrame) -> pd.DataFrame | None:
    """The rows of a part; None if they are not its rows of the manifest."""
    try:
        rows = store.read_part(folder, number)
    except (OSError, ValueError, RunError):
        return None
    if not set(NEEDED) <= set(rows.columns) or not len(chunk):
        return None
    fits = rows["row"].tolist() == chunk["row"].tolist() and rows["image"].tolist() == chunk["image"].tolist()
    return rows if fits else None


def changed_images(rows: pd.DataFrame, chunk: pd.DataFrame, folder: Path) -> Iterator[tuple[int, str]]:
    """Line and name of each image of a part whose file has changed."""
    kept = zip(rows["sha256"], rows["stamp"], chunk["path"], chunk["line"], chunk["image"], strict=True)
    for sha256, stamp, path, line, image in kept:
        if not stamp or stamp_on_disk(folder / str(path)) != stamp:
            file = read_file(str(path), root=folder)
            if ("" if isinstance(file, Unreadable) else file.sha256) != sha256:
                yield int(line), str(image)


def changed_sentence(changed: Sequence[tuple[int, str]], table: Manifest) -> str:
    """Which images have changed since they were audited, and what to do."""
    named = "; ".join(f"line {line}: {image!r}" for line, image in changed[:MOST_NAMED])
    more = f"; and {len(changed) - MOST_NAMED} more" if len(changed) > MOST_NAMED else ""
    return (
        f"{table.name}: {len(changed)} images differ from the files that this run has read ({named}{more}); restore "
        f"those files, or choose another --out"
    )
