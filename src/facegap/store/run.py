"""The run folder: the results of an audit, written so that a kill at any moment loses nothing that was committed.

Parts are committed one by one while the models run, and the tables are built from them at the end. SHA256SUMS is written last and
marks the run as finished. The folder is 0700 and its files 0600, because faces and templates are biometric data.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.errors import FacegapError, RunError
from facegap.store.arrays import mapped_npy
from facegap.store.begun import MAX_RECORD_BYTES, RECORD, SUMS, is_whole, read_any_record, read_record
from facegap.store.checksums import (
    PARTS,
    THRESHOLD_SET,
    broken_hashes,
    hashed_files,
    read_sums,
    require_unsealed,
    root_hash,
)
from facegap.store.files import (
    FORMULA_STARTS,
    LOCK,
    as_it_was,
    csv_bytes,
    explained,
    harmless,
    is_scratch,
    npy_bytes,
    require_own_files,
    require_text_name,
    sha256,
    write_bytes,
    write_csv,
    write_json,
    write_parquet,
    writing,
)
from facegap.store.folder import finish, open_folder, remove_leftovers, reopen, require_usable
from facegap.store.matches import (
    ByFrames,
    Matched,
    Searched,
    read_by_frames,
    read_matched,
    read_searched,
    write_by_frames,
    write_matched,
    write_searched,
)
from facegap.store.opened import read_file
from facegap.store.parts import committed_parts, join_embeddings, read_part, read_part_rows, write_part
from facegap.store.pooled import Pooled
from facegap.store.record import BegunRecord, RunRecord, ShardRecord
from facegap.store.room import CELL_BYTES, require_room
from facegap.store.tables import read_parquet
from facegap.tables import (
    ATTACKS,
    EXTRA_TABLES,
    FACES,
    FRAMES,
    LABELS,
    MANIFEST,
    PREDICTIONS,
    RUN_TABLES,
    TEMPLATES,
    check,
)

__all__ = [
    "EXTRA_TABLES",
    "FORMULA_STARTS",
    "LOCK",
    "MAX_RECORD_BYTES",
    "NUMERIC_COLUMNS",
    "PARTS",
    "RECORD",
    "SUMS",
    "TEMPLATES_FILE",
    "THRESHOLD_SET",
    "ByFrames",
    "Matched",
    "Pooled",
    "Run",
    "Searched",
    "as_it_was",
    "broken_hashes",
    "committed_parts",
    "csv_bytes",
    "explained",
    "finish",
    "fitting_together",
    "harmless",
    "hashed_files",
    "is_scratch",
    "is_whole",
    "join_embeddings",
    "npy_bytes",
    "open_folder",
    "read_any_record",
    "read_csv",
    "read_embeddings",
    "read_matched",
    "read_part",
    "read_part_rows",
    "read_record",
    "read_run",
    "read_searched",
    "read_sums",
    "remove_leftovers",
    "reopen",
    "require_own_files",
    "require_text_name",
    "require_unsealed",
    "require_usable",
    "result_tables",
    "root_hash",
    "sha256",
    "write_bytes",
    "write_csv",
    "write_json",
    "write_matched",
    "write_parquet",
    "write_part",
    "write_record",
    "write_run",
    "write_searched",
    "write_threshold_set",
    "writing",
]

ATTACKS_FILE = "attacks.parquet"
LABELS_FILE, TEMPLATES_FILE, FRAMES_FILE = "labels.parquet", "templates.parquet", "frames.parquet"
NUMERIC_COLUMNS = frozenset(
    name for schema in RUN_TABLES.values() for name, column in schema.columns.items() if column.kind == "float"
)
MAX_TABLE_BYTES = 512 * 2**20


@dataclass(frozen=True)
class Run:
    """The record and the tables of an audit, as in the run folder.

    record      : settings, execution, timing and warnings; the content of run.json
    manifest, faces, predictions, rates, gaps, age : frames with the columns of `facegap.tables`
    embeddings  : float32 (rows of faces with outcome ok, dimension); None without an embedder
    matched     : the comparisons of a verification audit, None without one
    extra       : further tables by file name (waterfall.csv, transfer.csv, review_pairs.csv, ...)
    searched    : the searches of an identification audit, None without one
    labels      : LABELS, the uncertainty of joined tone labels; None if none were joined
    pooled      : the tables of the images, if templates are pooled from several images; manifest, faces and predictions
                  then have a row per template. None if they have a row per image
    by_frames   : scores from the first frames of each template only; None if they were not computed
    attacks     : ATTACKS of a score audit; None without any
    """

    record: RunRecord
    manifest: pd.DataFrame
    faces: pd.DataFrame
    predictions: pd.DataFrame
    rates: pd.DataFrame
    gaps: pd.DataFrame
    age: pd.DataFrame
    embeddings: NDArray[np.float32] | None = None
    matched: Matched | None = None
    extra: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    searched: Searched | None = None
    labels: pd.DataFrame | None = None
    pooled: Pooled | None = None
    by_frames: ByFrames | None = None
    attacks: pd.DataFrame | None = None

    @property
    def counted(self) -> str:
        """Return the plural noun for the rows of manifest, faces and predictions, which tables of single trials count."""
        return "images" if self.pooled is None else "templates"

    @property
    def by_image(self) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return manifest and FACES with a row per image file."""
        return (self.manifest, self.faces) if self.pooled is None else (self.pooled.manifest, self.pooled.faces)

    def write(self, folder: str | Path) -> None:
        """Write everything except figures and report to a new or empty folder, with its SHA256SUMS."""
        folder = Path(folder)
        with open_folder(folder, resume=False):
            write_run(self, folder)
            finish(folder)


@contextlib.contextmanager
def fitting_together(folder: Path) -> Iterator[None]:
    """Convert errors that inconsistent files cause deep inside a table into a RunError.

    Only for runs that are read, which may be from another version or forged.
    """
    try:
        yield
    except FacegapError:
        raise
    except (
        LookupError,
        TypeError,
        ValueError,
        AttributeError,
        AssertionError,
        ArithmeticError,
        MemoryError,
        RuntimeError,
    ) as error:  # RuntimeError: unreadable for pyarrow, or nested too deeply
        said = f"{type(error).__name__}: {error}"
        raise RunError(
            f"{folder}: its files are inconsistent ({said[:200]}); this version did not write this run"
        ) from error


# ---- the whole run ----


def write_run(run: Run, folder: Path) -> None:
    """Write every table of a run, and its record last."""
    manifest, faces = run.by_image
    write_parquet(folder / "manifest.parquet", manifest, MANIFEST)
    write_parquet(folder / "faces.parquet", faces, FACES)
    write_parquet(folder / "predictions.parquet", run.predictions, PREDICTIONS)
    if run.pooled is not None:
        write_parquet(folder / TEMPLATES_FILE, run.pooled.templates, TEMPLATES)
        if run.pooled.frames is not None:
            write_parquet(folder / FRAMES_FILE, run.pooled.frames, FRAMES)
    for name, frame in result_tables(run).items():
        write_csv(folder / name, frame, RUN_TABLES[name])
    if run.embeddings is not None and not (folder / "embeddings.npy").exists():
        write_bytes(folder / "embeddings.npy", npy_bytes(run.embeddings))
    if run.matched is not None:
        write_matched(run.matched, folder)
    if run.searched is not None:
        write_searched(run.searched, folder)
    if run.by_frames is not None:
        write_by_frames(run.by_frames, folder)
    if run.attacks is not None:
        write_parquet(folder / ATTACKS_FILE, run.attacks, ATTACKS)
    if run.labels is not None:
        write_parquet(folder / LABELS_FILE, run.labels, LABELS)
    write_record(folder, run.record)


def result_tables(run: Run) -> dict[str, pd.DataFrame]:
    """Return the CSV tables by file name; age.csv only if ages were predicted."""
    tables = {"rates.csv": run.rates, "gaps.csv": run.gaps, "age.csv": run.age, **run.extra}
    return {name: frame for name, frame in tables.items() if len(frame.columns)}


def write_threshold_set(
    folder: Path, manifest: pd.DataFrame, faces: pd.DataFrame, templates: pd.DataFrame | None = None
) -> None:
    """Write the outcome of every image of a threshold set with a separate manifest."""
    write_parquet(folder / THRESHOLD_SET / "manifest.parquet", manifest, MANIFEST)
    write_parquet(folder / THRESHOLD_SET / "faces.parquet", faces, FACES)
    if templates is not None:
        write_parquet(folder / THRESHOLD_SET / TEMPLATES_FILE, templates, TEMPLATES)


def read_embeddings(folder: Path) -> NDArray[np.float32]:
    """Map the templates of a run into memory; an empty array of their dimension if there are none."""
    return mapped_npy(folder / "embeddings.npy")


def write_record(folder: Path, record: RunRecord | BegunRecord | ShardRecord) -> None:
    """Write run.json."""
    write_json(folder / RECORD, record.to_json())


def read_run(folder: Path) -> Run:
    """Read a finished run; embeddings are memory-mapped.

    Raises
    ------
    RunError : If a table is missing or unreadable.
    """
    record = read_record(folder)
    try:
        manifest, faces, predictions = (
            read_parquet(folder / f"{name}.parquet") for name in ("manifest", "faces", "predictions")
        )
        rates, gaps, age = (read_csv(folder / f"{name}.csv") for name in ("rates", "gaps", "age"))
        extra = {name: read_csv(folder / name) for name in EXTRA_TABLES if (folder / name).is_file()}
        matched, searched, by_frames = read_matched(folder), read_searched(folder), read_by_frames(folder)
        path = folder / LABELS_FILE
        labels = check(read_parquet(path), LABELS, path.name) if path.is_file() else None
        path = folder / ATTACKS_FILE
        attacks = check(read_parquet(path), ATTACKS, path.name) if path.is_file() else None
        path = folder / "embeddings.npy"
        embeddings = mapped_npy(path) if path.is_file() else None
        pooled = None
        if (folder / TEMPLATES_FILE).is_file():
            templates = check(read_parquet(folder / TEMPLATES_FILE), TEMPLATES, TEMPLATES_FILE)
            path = folder / FRAMES_FILE
            frames = check(read_parquet(path), FRAMES, path.name) if path.is_file() else None
            pooled = Pooled(manifest, check(faces, FACES, "faces.parquet"), templates, frames)
            with fitting_together(folder):
                manifest, faces = pooled.rows()
    except (OSError, ValueError, EOFError) as error:
        raise RunError(f"{folder}: a table of the run cannot be read: {error}") from error
    run = Run(
        record,
        manifest,
        faces,
        predictions,
        rates,
        gaps,
        age,
        embeddings,
        matched,
        extra,
        searched,
        labels,
        pooled,
        by_frames,
        attacks,
    )
    require_recorded(run, folder)
    return run


def require_recorded(run: Run, folder: Path) -> None:
    """Raise RunError if run.json and the folder disagree about comparisons, searches or labels."""
    parts = {
        "comparison": (run.matched, run.record.comparison),
        "identification": (run.searched, run.record.identification),
        "labels": (run.labels, run.record.labels),
    }
    for key, (stored, recorded) in parts.items():
        if (stored is None) != (recorded is None):
            where = "are files of it" if recorded is None else "is no file of it"
            raise RunError(f"{folder / RECORD}, key {key}: does not match the folder, where {where}")


def read_csv(path: Path) -> pd.DataFrame:
    """Read a result table; an empty frame if the run has none. Only numbers may be empty; they become NaN."""
    if not path.is_file():
        return pd.DataFrame()
    content = read_file(path, MAX_TABLE_BYTES, follow=False)
    cells = content.count(b",") + content.count(b"\n")
    what = f"{path.name}: {len(content):,} bytes with some {cells:,} cells"
    require_room(cells * CELL_BYTES + 2 * len(content), what, RunError, "more than the limit for a result table")
    frame = pd.read_csv(io.BytesIO(content), keep_default_na=False, na_values={name: [""] for name in NUMERIC_COLUMNS})
    frame.columns = pd.Index([as_it_was(name) for name in frame.columns])
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = frame[name].map(as_it_was)
    return frame
