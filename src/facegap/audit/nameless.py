"""--no-ids: salted hashes in place of the names of images and subjects, in every table that a run keeps.

The same name has the same hash throughout a run and another in any other run, so that images of a person stay together and
runs cannot be joined by them. The salt is thrown away with the parts of the run; nobody can compute a hash from a name after.
Columns of labels stay as they are: a label that names people names them still.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from facegap.derive.unnamed import unnamed
from facegap.store.run import PARTS, Pooled, write_bytes

if TYPE_CHECKING:
    from facegap.store.record import RunRecord
    from facegap.store.run import Run

NAMES = ("image", "path", "subject", "template", "media")
SALT_BYTES, HASH_DIGITS = 32, 20  # 80 bits: among ten million names two meet with a chance below 1e-10


def salt_of(folder: Path) -> bytes:
    """The salt of a run that is being written: kept among its parts, so that a resumed run ends with the same hashes."""
    kept = folder / PARTS / "salt"
    if kept.is_file():
        return kept.read_bytes()
    salt = secrets.token_bytes(SALT_BYTES)
    if kept.parent.is_dir():  # a run of a black box is done in one go and has none
        write_bytes(kept, salt)
    return salt


def hashed_names(frame: pd.DataFrame, salt: bytes) -> pd.DataFrame:
    """A table with a hash for each name of an image or a subject; empty names stay empty."""
    columns = [name for name in NAMES if name in frame.columns]
    return frame.assign(**{name: [hashed(str(value), salt) for value in frame[name]] for name in columns})


def hashed(name: str, salt: bytes) -> str:
    """The hash of a name, 20 hexadecimal digits."""
    return hmac.new(salt, name.encode(), hashlib.sha256).hexdigest()[:HASH_DIGITS] if name else ""


def without_names(run: Run, salt: bytes) -> Run:
    """A run, not yet derived, whose tables and warnings name nobody."""
    record: RunRecord = replace(
        run.record,
        warnings=tuple(unnamed(run.record.warnings, run)),
        alarms=tuple(unnamed(run.record.alarms, run)),
    )
    manifest, faces, predictions = (hashed_names(table, salt) for table in (run.manifest, run.faces, run.predictions))
    pooled = None
    if run.pooled is not None:
        tables = (run.pooled.manifest, run.pooled.faces, run.pooled.templates)
        pooled = Pooled(*(hashed_names(table, salt) for table in tables))
    return replace(run, record=record, manifest=manifest, faces=faces, predictions=predictions, pooled=pooled)
