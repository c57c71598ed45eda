"""The run folder: what an audit leaves behind, written so that a kill at any moment loses nothing that was committed.

Parts are committed one by one while the models run; the tables are put together from them at the end; SHA256SUMS comes
last and says that the run is whole. The folder is 0700 and its files 0600: faces and templates are biometric data.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import json
import os
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.errors import FacegapError, RunError
from facegap.tables import GAPS, RATES
from facegap.types import ScoreCounts

PARTS, SUMS, RECORD, LOCK, CALIBRATION = "parts", "SHA256SUMS", "run.json", ".lock", "calibration"
EMPTY_NPY_BYTES = 128  # header of an array without rows, which cannot be mapped into memory
EXTRA_TABLES = (
    "waterfall.csv",
    "scores.csv",
    "transfer.csv",
    "differentials.csv",
    "identification.csv",
    "review_pairs.csv",
)
NUMERIC_COLUMNS = frozenset(
    name for schema in (RATES, GAPS) for name, column in schema.columns.items() if column.kind == "float"
) | {"mean_absolute_error_years"}
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # the last four: full width
MAX_RECORD_BYTES = 64 * 2**20


@dataclass(frozen=True, eq=False)
class Matched:
    """The comparisons of a run, as they were stored.

    roles    : per manifest row what the image was for, text (rows,)
    excluded : int64 (m, 2), manifest rows of pairs that were left out after review
    counts   : exact counts of all pairs of the evaluation set with templates, in the order of the manifest
    pairs    : instead, where a list named the pairs: left, right (manifest rows), genuine, score (NaN: no template)
    """

    roles: NDArray[np.str_]
    excluded: NDArray[np.int64]
    counts: ScoreCounts | None = None
    pairs: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class Searched:
    """The searches of a run (1:N), as they were stored.

    roles : per manifest row `gallery`, `probe` or empty for an image that took no part, text (rows,)
    lists : probe, rank (from 1), gallery, score; probe and gallery are manifest rows. The best candidates of each probe,
            one place longer than the longest list that is judged; of the probe's own person only the best image
    """

    roles: NDArray[np.str_]
    lists: pd.DataFrame


@dataclass(frozen=True)
class Run:
    """One audit: its record and its tables, as in the run folder.

    record      : settings, execution, timing and warnings; the content of run.json
    manifest, faces, predictions, rates, gaps, age : frames with the columns of `tables.py`
    embeddings  : float32 (rows of faces with outcome ok, dimension); None without an embedder
    matched     : the comparisons of a verification audit, None without one
    extra       : further tables by file name (waterfall.csv, transfer.csv, review_pairs.csv, ...)
    searched    : the searches of an identification audit, None without one
    """

    record: Mapping[str, Any]
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

    def write(self, folder: str | Path) -> None:
        """Write everything but figures and report to a folder that is new or empty, and SHA256SUMS over it."""
        folder = Path(folder)
        with open_folder(folder, resume=False):
            write_run(self, folder)
            finish(folder)


@contextlib.contextmanager
def open_folder(folder: Path, *, resume: bool) -> Iterator[None]:
    """Make (or with `resume` enter) a run folder and hold it against a second process until the end of the block.

    Raises
    ------
    RunError : not empty without `resume`; held by another process; not writable
    """
    with explained(folder):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        require_usable(folder, resume=resume)
        folder.chmod(0o700)
        lock = os.open(folder / LOCK, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"{folder}: another process is writing this run; wait for it to end") from error
        with explained(folder):
            require_usable(folder, resume=resume)  # again: another process may have begun and ended a run since
        yield
    finally:
        os.close(lock)


def require_usable(folder: Path, *, resume: bool) -> None:
    """Raise RunError unless a folder is free for a new run, or holds one to resume."""
    occupied = any(not is_scratch(entry) for entry in folder.iterdir())
    if occupied and not resume:
        raise RunError(f"{folder}: not empty; choose another --out, or go on with that run by --resume")
    if occupied and not (folder / RECORD).is_file():
        raise RunError(f"{folder}: no run to resume here (no {RECORD}); choose another --out")
    require_own_files(folder)


def require_own_files(folder: Path) -> None:
    """Raise RunError for a link, pipe or device in a run folder, which somebody else may have packed.

    What is written through a link lands elsewhere, what is removed through one is somebody's, and a pipe never ends.
    """
    for path in folder.rglob("*"):
        mode = path.lstat().st_mode
        if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
            raise RunError(f"{path}: a link, pipe or device, which no run holds; remove it")


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
            f"{folder}: cannot write the run ({error.strerror or error}); free some space or choose another --out, "
            "then run the same command with --resume"
        ) from error


@contextlib.contextmanager
def fitting_together(folder: Path) -> Iterator[None]:
    """Turn what a run of contradictory files ends in, somewhere deep in a table, into one error about the run.

    Only for runs that are read: they may be of another version, or made by somebody to look like a run.
    """
    try:
        yield
    except FacegapError:
        raise
    except (LookupError, TypeError, ValueError, AttributeError, AssertionError, ArithmeticError, MemoryError,
            RuntimeError) as error:  # RuntimeError: pyarrow's NotImplementedError, nesting without end  # fmt: skip
        said = f"{type(error).__name__}: {error}"
        raise RunError(f"{folder}: its files do not fit together ({said[:200]}); no run that this version wrote") from error


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
        finally:
            with contextlib.suppress(OSError):  # the first error is the one to tell
                temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes) -> None:
    """Write a whole file or nothing."""
    with writing(path) as file:
        file.write(data)


def write_json(path: Path, record: Mapping[str, Any]) -> None:
    """Write JSON that a person can read; NaN is refused, since it is no JSON."""
    write_bytes(path, (json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_parquet(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame for machines."""
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    write_bytes(path, buffer.getvalue())


def write_csv(path: Path, frame: pd.DataFrame) -> None:
    """Write a frame for people."""
    write_bytes(path, csv_bytes(frame))


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
    """Text that begins like a formula, after any apostrophes, with one more before it; every other value as it is."""
    return f"'{value}" if isinstance(value, str) and value.lstrip("'").startswith(FORMULA_STARTS) else value


def as_it_was(value: Any) -> Any:
    """What `harmless` was given."""
    marked = isinstance(value, str) and value.startswith("'") and value.lstrip("'").startswith(FORMULA_STARTS)
    return value[1:] if marked else value


def npy_bytes(array: NDArray[np.float32]) -> bytes:
    """An array in the .npy format."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


# ---- parts ----


def write_part(folder: Path, number: int, rows: pd.DataFrame, embeddings: NDArray[np.float32] | None) -> None:
    """Commit one part. The rows come last: a part counts only when they are there."""
    with explained(folder):
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / PARTS).mkdir(mode=0o700, exist_ok=True)
    if embeddings is not None:
        write_bytes(folder / PARTS / f"{number:06d}.npy", npy_bytes(embeddings))
    write_parquet(folder / PARTS / f"{number:06d}.parquet", rows)


def committed_parts(folder: Path) -> set[int]:
    """Numbers of the parts that are whole."""
    return {int(path.stem) for path in (folder / PARTS).glob("[0-9]*.parquet")}


def read_part_rows(folder: Path, count: int) -> pd.DataFrame:
    """The rows of parts 0..count - 1, in order."""
    return pd.concat(
        [pd.read_parquet(folder / PARTS / f"{number:06d}.parquet") for number in range(count)], ignore_index=True
    )


def join_embeddings(folder: Path, count: int, rows: int, dimension: int) -> None:
    """Write embeddings.npy from the parts, one at a time, so that memory does not grow with their number.

    Written, not mapped into memory: on a full disk a write is an error, but a mapping ends the process by a signal.
    """
    header = {
        "descr": np.lib.format.dtype_to_descr(np.dtype(np.float32)),
        "fortran_order": False,
        "shape": (rows, dimension),
    }
    joined = 0
    with writing(folder / "embeddings.npy") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for number in range(count):
            part = np.load(folder / PARTS / f"{number:06d}.npy", allow_pickle=False)
            file.write(part.astype(np.float32, copy=False).tobytes())
            joined += len(part)
        assert joined == rows


# ---- the whole ----


def write_run(run: Run, folder: Path) -> None:
    """Write every table of a run, and its record last."""
    for name in ("manifest", "faces", "predictions"):
        write_parquet(folder / f"{name}.parquet", getattr(run, name))
    for name, frame in result_tables(run).items():
        write_csv(folder / name, frame)
    if run.embeddings is not None and not (folder / "embeddings.npy").exists():
        write_bytes(folder / "embeddings.npy", npy_bytes(run.embeddings))
    if run.matched is not None:
        write_matched(run.matched, folder)
    if run.searched is not None:
        write_searched(run.searched, folder)
    write_json(folder / RECORD, run.record)


def result_tables(run: Run) -> dict[str, pd.DataFrame]:
    """The tables for people by file name; age.csv only where ages were told."""
    tables = {"rates.csv": run.rates, "gaps.csv": run.gaps, "age.csv": run.age, **run.extra}
    return {name: frame for name, frame in tables.items() if len(frame.columns)}


def write_calibration(folder: Path, manifest: pd.DataFrame, faces: pd.DataFrame) -> None:
    """Write what became of every image of a calibration set that was given by a manifest of its own."""
    write_parquet(folder / CALIBRATION / "manifest.parquet", manifest)
    write_parquet(folder / CALIBRATION / "faces.parquet", faces)


def read_embeddings(folder: Path) -> NDArray[np.float32]:
    """The templates of a run, mapped into memory; without any, an empty array of their dimension."""
    path = folder / "embeddings.npy"
    mapped: NDArray[np.float32] = np.load(path, mmap_mode="r" if path.stat().st_size > EMPTY_NPY_BYTES else None)
    return mapped


def write_matched(matched: Matched, folder: Path) -> None:
    """Write the comparisons of a run."""
    from facegap.store_counts import scores_to_npz

    write_parquet(folder / "roles.parquet", pd.DataFrame({"row": np.arange(len(matched.roles)), "role": matched.roles}))
    write_parquet(folder / "excluded.parquet", pd.DataFrame(matched.excluded, columns=["left", "right"]))
    if matched.pairs is not None:
        write_parquet(folder / "pairs.parquet", matched.pairs)
    if matched.counts is not None:
        buffer = io.BytesIO()
        scores_to_npz(matched.counts, buffer)
        write_bytes(folder / "counts.npz", buffer.getvalue())


def read_matched(folder: Path) -> Matched | None:
    """The comparisons of a run, None where there are none."""
    from facegap.store_counts import scores_from_npz

    if not (folder / "roles.parquet").is_file():
        return None
    roles = pd.read_parquet(folder / "roles.parquet")["role"].to_numpy().astype(str)
    excluded = pd.read_parquet(folder / "excluded.parquet").to_numpy(np.int64).reshape(-1, 2)
    counts, pairs = folder / "counts.npz", folder / "pairs.parquet"
    return Matched(
        roles,
        excluded,
        scores_from_npz(counts) if counts.is_file() else None,
        pd.read_parquet(pairs) if pairs.is_file() else None,
    )


def write_searched(searched: Searched, folder: Path) -> None:
    """Write the searches of a run."""
    roles = pd.DataFrame({"row": np.arange(len(searched.roles)), "role": searched.roles})
    write_parquet(folder / "search_roles.parquet", roles)
    write_parquet(folder / "identification.parquet", searched.lists)


def read_searched(folder: Path) -> Searched | None:
    """The searches of a run, None where there are none."""
    if not (folder / "search_roles.parquet").is_file():
        return None
    roles = pd.read_parquet(folder / "search_roles.parquet")["role"].to_numpy().astype(str)
    return Searched(roles, pd.read_parquet(folder / "identification.parquet"))


def finish(folder: Path, *, keep_embeddings: bool = True) -> None:
    """Write SHA256SUMS, from where on the run is whole, then remove the parts: a kill in between loses nothing."""
    with explained(folder):
        (folder / CALIBRATION / "embeddings.npy").unlink(missing_ok=True)  # only their counts are results
        if not keep_embeddings:
            (folder / "embeddings.npy").unlink(missing_ok=True)
        sums = "".join(f"{sha256(path)}  {path.relative_to(folder).as_posix()}\n" for path in hashed_files(folder))
        write_bytes(folder / SUMS, sums.encode())
    remove_leftovers(folder)


def remove_leftovers(folder: Path) -> None:
    """Remove the parts of a whole run, and what killed writers left."""
    with explained(folder):
        for place in (folder, folder / CALIBRATION):
            if (place / PARTS).exists():
                shutil.rmtree(place / PARTS)
            for left in place.glob(".*.tmp"):
                left.unlink(missing_ok=True)


def reopen(folder: Path) -> None:
    """Make a whole run one that is to be run again: its results go, what was kept beside its parts stays."""
    with explained(folder):
        (folder / SUMS).unlink(missing_ok=True)
        if (folder / PARTS).exists():
            shutil.rmtree(folder / PARTS)


def require_unbroken(folder: Path) -> None:
    """Raise RunError where a finished run is not what its SHA256SUMS says."""
    if problems := broken_hashes(folder):
        raise RunError(f"{folder}: the run there was changed after its end: {'; '.join(problems[:3])}; choose another --out")


def is_whole(folder: Path) -> bool:
    """Whether the run in a folder reached its end."""
    return (folder / SUMS).is_file()


def hashed_files(folder: Path) -> list[Path]:
    """Files that SHA256SUMS covers, sorted by name: all but itself, the lock and what is only there while running."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path != folder / SUMS
        and not any(place / PARTS in path.parents for place in (folder, folder / CALIBRATION))
        and not (path.parent in (folder, folder / CALIBRATION) and is_scratch(path))
    )


def sha256(path: Path) -> str:
    """Hash of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def broken_hashes(folder: Path) -> list[str]:
    """What SHA256SUMS says that is not so: files that changed, vanished or came; empty where all is well.

    Raises
    ------
    RunError : no SHA256SUMS, or one that is not of this form; a link, pipe or device in the folder
    """
    require_own_files(folder)
    stated = read_sums(folder)
    present = {path.relative_to(folder).as_posix(): path for path in hashed_files(folder)}
    changed = [name for name in stated if name in present and sha256(present[name]) != stated[name]]
    return (
        [f"{name}: changed since the run was written" for name in changed]
        + [f"{name}: missing" for name in stated if name not in present]
        + [f"{name}: not part of the run" for name in present if name not in stated]
        + (
            [f"{PARTS}: left by a run that was killed at its end; --resume removes it"]
            if (folder / PARTS).exists()
            else []
        )
    )


def read_sums(folder: Path) -> dict[str, str]:
    """SHA256SUMS as name -> hash."""
    if not is_whole(folder):
        raise RunError(f"{folder}: no {SUMS}, so this is no finished run; finish it with --resume")
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError) as error:
        raise RunError(f"{folder / SUMS}: cannot be read: {error}") from error
    if not lines or any(len(line) < 67 or line[64:66] != "  " for line in lines):
        raise RunError(f"{folder / SUMS}: a line is not of the form HASH, two blanks, NAME")
    return {line[66:]: line[:64] for line in lines}


def read_record(folder: Path) -> dict[str, Any]:
    """The content of run.json.

    Raises
    ------
    RunError : no such file, or it is no JSON object; a link, pipe or device in the folder
    """
    require_own_files(folder)
    try:
        if (folder / RECORD).stat().st_size > MAX_RECORD_BYTES:
            raise RunError(f"{folder / RECORD}: more than {MAX_RECORD_BYTES:,} bytes, which no record has")
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError(f"{folder}: no readable {RECORD}, so this is no run folder") from error
    if not isinstance(record, dict):
        raise RunError(f"{folder / RECORD}: not a JSON object")
    return record


def read_run(folder: Path) -> Run:
    """A finished run, as it was written; embeddings stay on the disk and are mapped into memory.

    Raises
    ------
    RunError : a table is missing or unreadable
    """
    record = read_record(folder)
    try:
        manifest, faces, predictions = (
            pd.read_parquet(folder / f"{name}.parquet") for name in ("manifest", "faces", "predictions")
        )
        rates, gaps, age = (read_csv(folder / f"{name}.csv") for name in ("rates", "gaps", "age"))
        extra = {name: read_csv(folder / name) for name in EXTRA_TABLES if (folder / name).is_file()}
        matched, searched = read_matched(folder), read_searched(folder)
        path = folder / "embeddings.npy"
        embeddings = np.load(path, mmap_mode="r", allow_pickle=False) if path.is_file() else None
    except (OSError, ValueError, EOFError) as error:
        raise RunError(f"{folder}: a table of the run cannot be read: {error}") from error
    return Run(record, manifest, faces, predictions, rates, gaps, age, embeddings, matched, extra, searched)


def read_csv(path: Path) -> pd.DataFrame:
    """A result table; an empty frame where the run has none. Only numbers may be empty, which makes them NaN."""
    if not path.is_file():
        return pd.DataFrame()
    frame = pd.read_csv(path, keep_default_na=False, na_values={name: [""] for name in NUMERIC_COLUMNS})
    frame.columns = pd.Index([as_it_was(name) for name in frame.columns])
    for name in frame.columns:
        if not pd.api.types.is_numeric_dtype(frame[name]):
            frame[name] = frame[name].map(as_it_was)
    return frame
