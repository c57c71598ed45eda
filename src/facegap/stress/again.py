"""Recheck a finished stress test: every file against its hash, every table against the stored rows."""

from __future__ import annotations

from pathlib import Path

from facegap.errors import RunError
from facegap.store.checksums import broken_hashes
from facegap.store.run import csv_bytes, fitting_together
from facegap.store.tables import read_parquet
from facegap.stress.run import ANSWERS, MATED, PEOPLE, RECORD, read_record
from facegap.stress.stored import doses_of, scores_of, tables_of


def recheck(folder: Path) -> list[str]:
    """The inconsistencies in the folder of a stress test; empty if there are none.

    Tables are derived again only if every file has its stated hash.

    Raises
    ------
    RunError : the folder has no finished stress test
    """
    if not (folder / RECORD).is_file():
        raise RunError(f"{folder}: not a stress test; check the run of an audit with facegap recheck")
    problems = broken_hashes(folder)
    if problems:
        return problems
    with fitting_together(folder):
        record = read_record(folder)
        mated = folder / MATED
        scores = scores_of(read_parquet(mated), doses_of(record)) if mated.is_file() else None
        tables = tables_of(record, read_parquet(folder / ANSWERS), read_parquet(folder / PEOPLE), scores)
        for name, frame in tables.items():
            path = folder / name
            if (path.read_bytes() if path.is_file() else b"") != csv_bytes(frame):
                problems.append(f"{name}: differs from the result of the stored rows")
    return problems
