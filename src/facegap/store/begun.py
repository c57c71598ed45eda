"""Check whether a folder contains a run, and in what state, and read its record, before anything else of it is read."""

from __future__ import annotations

import os
from pathlib import Path

from facegap.errors import RunError
from facegap.store.files import require_own_files
from facegap.store.opened import TooLargeError, read_file
from facegap.store.record import BegunRecord, RunRecord, ShardRecord, parse_record
from facegap.store.room import JSON_EXPANSION, require_room

RECORD, SUMS = "run.json", "SHA256SUMS"
MAX_RECORD_BYTES = 64 * 2**20
MOST_NAMED = 5  # runs named in an error


def is_whole(folder: Path) -> bool:
    """Return whether the run in a folder is finished."""
    return (folder / SUMS).is_file()


def require_finished(folder: Path) -> None:
    """Raise RunError, with what the folder contains and what to do, unless it contains a finished run."""
    if is_whole(folder):
        return
    record = read_any_record(folder)
    if isinstance(record, ShardRecord):
        raise RunError(f"{folder}: {record.words}")
    raise RunError(f"{folder}: the run in it is not finished (no {SUMS}); finish it with --resume")


def require_begun(folder: Path) -> None:
    """Raise RunError, with what the folder contains, unless it contains the record of a run."""
    if os.path.lexists(folder / RECORD):  # a link or a pipe is rejected when it is read
        return
    name_one = "give a folder created by --out of an audit"
    if not folder.exists():
        raise RunError(f"{folder}: no such folder; {name_one}")
    if not folder.is_dir():
        raise RunError(f"{folder}: a file, not a run folder; {name_one}")
    below = sorted(path.parent.name for path in folder.glob(f"*/{SUMS}"))[:MOST_NAMED]
    if below:
        raise RunError(f"{folder}: not a run folder, but it contains runs; give one of {', '.join(below)}")
    raise RunError(f"{folder}: not a run folder, because it contains no {RECORD}; {name_one}")


def read_record(folder: Path) -> RunRecord:
    """Read run.json of a finished run.

    Raises
    ------
    RunError : If the run was interrupted or is a shard; see `read_any_record`.
    """
    record = read_any_record(folder)
    if isinstance(record, ShardRecord):
        raise RunError(f"{folder}: {record.words}")
    if isinstance(record, BegunRecord):
        raise RunError(f"{folder}: the run in it was interrupted; finish it with --resume")
    return record


def read_any_record(folder: Path) -> RunRecord | BegunRecord | ShardRecord:
    """Read run.json of any run, including one that is in progress or was interrupted, and of a shard.

    Raises
    ------
    RunError : If the file is missing, a key is invalid for this version, or the folder contains a link, pipe or device.
    """
    require_begun(folder)
    require_own_files(folder)
    try:
        content = read_file(folder / RECORD, MAX_RECORD_BYTES, follow=False)
        what = f"{folder / RECORD}: {len(content):,} bytes of JSON"
        require_room(JSON_EXPANSION * len(content), what, RunError, "more than the limit for the record of a run")
        text = content.decode("utf-8")
    except TooLargeError as error:
        raise RunError(f"{folder / RECORD}: more than {MAX_RECORD_BYTES:,} bytes, the limit for a record") from error
    except (OSError, ValueError) as error:
        raise RunError(f"{folder}: {RECORD} is not readable, so this is not a run folder") from error
    return parse_record(text, folder / RECORD)
