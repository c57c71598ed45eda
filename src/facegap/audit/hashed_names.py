"""--no-ids: salted hashes replace the names of images and subjects in every table of a run.

A name has the same hash throughout a run and a different one in every other run, so images of one subject stay together
and runs cannot be linked. The salt is deleted with the parts of the run; afterwards nobody can compute a hash from a name.
Label columns are unchanged: a label that identifies people still does.
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
SALT_BYTES, HASH_DIGITS = 32, 20  # 80 bits: among ten million names, the probability of a collision is below 1e-10


def salt_of(folder: Path) -> bytes:
    """The salt of a run in progress, stored with its parts so that a resumed run gives the same hashes."""
    kept = folder / PARTS / "salt"
    if kept.is_file():
        return kept.read_bytes()
    salt = secrets.token_bytes(SALT_BYTES)
    if kept.parent.is_dir():  # an audit of a black box is not resumed and has none
        write_bytes(kept, salt)
    return salt


def hashed_names(frame: pd.DataFrame, salt: bytes) -> pd.DataFrame:
    """A table with a hash for each name of an image or subject; empty names stay empty."""
    columns = [name for name in NAMES if name in frame.columns]
    return frame.assign(**{name: [hashed(str(value), salt) for value in frame[name]] for name in columns})


def hashed(name: str, salt: bytes) -> str:
    """The hash of a name, 20 hexadecimal digits."""
    return hmac.new(salt, name.encode(), hashlib.sha256).hexdigest()[:HASH_DIGITS] if name else ""


def without_names(run: Run, salt: bytes) -> Run:
    """A run, before its tables are computed, whose tables and warnings contain no names."""
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
