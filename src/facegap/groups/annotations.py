"""Tables of annotations: the tone that each annotator gave each image, read from a CSV and converted to a matrix."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.groups.scales import SCALES, Scale, scale_named
from facegap.inputs.records import Records, read_records
from facegap.store.run import as_it_was
from facegap.tables import ANNOTATIONS, check
from facegap.types import BoolArray, IntArray

NO_LABEL = -1  # in a matrix of codes: not shown, or skipped
MOST_NAME_CHARACTERS = 64


@dataclass(frozen=True, eq=False)
class Ratings:
    """The labels of one scale as a matrix.

    codes      : int64 [annotators, images], index of the label on the scale, NO_LABEL if there is none
    annotators : their names, sorted
    images     : as in the file, in the order of their first row, including those that all annotators skipped
    skipped    : int64 [annotators], number of images skipped by each annotator
    """

    scale: Scale
    codes: IntArray
    annotators: tuple[str, ...]
    images: tuple[str, ...]
    skipped: IntArray


def read_annotations(path: Path) -> pd.DataFrame:
    """An ANNOTATIONS table from CSV or parquet; see `checked_annotations`."""
    return checked_annotations(read_records(path), path.name)


def checked_annotations(records: Records, name: str) -> pd.DataFrame:
    """An ANNOTATIONS table, one row per annotator, image and scale; times are in UTC. name : of the file.

    Raises
    ------
    TableError : if a column is missing or unknown, a scale is unknown, a value is not on its scale, a row has both or
                 neither of value and skipped, a time has no time zone, or a row is repeated; with file, line, column
                 and remedy
    """
    cells = records.frame.map(as_it_was)
    if cells.empty:
        raise TableError(f"{name} line 1: a header and no rows; annotate first")
    frame = check(cells, ANNOTATIONS, name)
    where = _Where(name, records)
    _check_values(frame, where)
    frame["at"] = _utc_times(frame["at"], where)
    repeated = frame.duplicated(["image", "annotator", "scale"]).to_numpy()
    where.refuse(repeated, "image", "repeats an annotator, image and scale; keep the last label")
    return frame


def scales_of(annotations: pd.DataFrame) -> tuple[str, ...]:
    """The scales in a table, in facegap's order."""
    present = set(annotations["scale"])
    return tuple(name for name in SCALES if name in present)


def ratings(annotations: pd.DataFrame, scale: str) -> Ratings:
    """The answers on one scale as a matrix.

    Raises
    ------
    TableError : if the scale is not in the table
    """
    chosen = annotations[annotations["scale"] == scale]
    if chosen.empty:
        found = ", ".join(scales_of(annotations)) or "none"
        raise TableError(f"no annotations on the scale {scale!r} (found: {found}); choose another --scale")
    named = scale_named(scale)
    row, annotators = pd.factorize(chosen["annotator"], sort=True)
    column, images = pd.factorize(chosen["image"])
    position = {label: code for code, label in enumerate(named.labels)} | {"": NO_LABEL}
    codes = np.full((len(annotators), len(images)), NO_LABEL, np.int64)
    codes[row, column] = chosen["value"].map(position).to_numpy(np.int64)
    skipped = np.bincount(row[(chosen["skipped"] != "").to_numpy()], minlength=len(annotators)).astype(np.int64)
    return Ratings(named, codes, tuple(annotators), tuple(images), skipped)


def utc_time(text: str) -> str:
    """A time as ISO 8601 in UTC, to the millisecond where it has one.

    Raises
    ------
    ValueError : if the text is not an ISO 8601 time with a time zone
    """
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError("no zone")
    return time.astimezone(UTC).isoformat(timespec="milliseconds" if time.microsecond else "seconds")


@dataclass(frozen=True)
class _Where:
    """Position in the file, for messages."""

    file: str
    records: Records

    def refuse(self, wrong: pd.Series | BoolArray, column: str, what: str) -> None:
        """Raise a TableError that names the first row where `wrong` is true."""
        positions = np.flatnonzero(np.asarray(wrong, dtype=bool))
        if len(positions):
            line = self.records.lines[int(positions[0])]
            raise TableError(f"{self.file} {self.records.unit} {line}, column {column}: {what}")


def _check_values(frame: pd.DataFrame, where: _Where) -> None:
    """Raise a TableError for the first row that is not a valid annotation."""
    where.refuse(frame["image"] == "", "image", "empty; give the name of the image in the manifest")
    names = frame["annotator"]
    where.refuse(names.str.strip() == "", "annotator", "empty; name the annotator")
    too_long = f"a name of more than {MOST_NAME_CHARACTERS} characters; shorten it"
    where.refuse(names.str.len() > MOST_NAME_CHARACTERS, "annotator", too_long)
    known = ", ".join(SCALES)
    where.refuse(~frame["scale"].isin(list(SCALES)), "scale", f"not a known scale; the scales are {known}")
    for name in frame["scale"].unique():
        labels = SCALES[name].labels
        strange = (frame["scale"] == name) & ~frame["value"].isin(["", *labels])
        where.refuse(strange, "value", f"not a label of {name}; it has {', '.join(labels)}")
    both_or_neither = (frame["value"] == "") == (frame["skipped"] == "")
    where.refuse(both_or_neither, "value", "give either a value, or the reason why there is none in the column skipped")


def _utc_times(times: pd.Series, where: _Where) -> list[str]:
    """Every time in UTC, or a TableError that names the first invalid one."""
    found = []
    for position, text in enumerate(times):
        try:
            found.append(utc_time(text))
        except (ValueError, OverflowError):
            wrong = np.arange(len(times)) == position
            cure = "write it as 2025-01-31T12:00:00+00:00"
            where.refuse(wrong, "at", f"{text[:40]!r} is not an ISO 8601 time with a time zone; {cure}")
    return found
