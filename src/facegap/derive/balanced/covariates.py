"""The covariates of a run's images: columns of faces.parquet, or of a table given by the auditor, one number per image."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.errors import SettingError, TableError
from facegap.inputs.manifests.labels import age_interval
from facegap.inputs.records import read_records
from facegap.inputs.spelling import LARGEST
from facegap.store.run import Run
from facegap.tables import MODEL_QUALITY
from facegap.types import FloatArray

# given_quality and model_quality are not included: it is unknown what they measure, and whether that includes skin luminance.
NO_COVARIATES = frozenset({"row", "embedding_row", "faces", "x1", "y1", "x2", "y2", "given_quality", MODEL_QUALITY})
POINT = re.compile(r".*_(x|y)$")
RENAMED = {"score": "detector_score"}  # of faces.parquet
# Pose from five landmarks is a rule of thumb: its yaw and pitch depend on more than the pose.
CRUDE = frozenset({"yaw", "pitch"})
MOST_COVARIATES = 12


@dataclass(frozen=True, eq=False)
class Covariate:
    """One number per image, NaN if it could not be measured.

    source      : faces.parquet, manifest, or the name of a file
    reliability : proportion of its variance within a group that is not noise, as stated by the auditor; NaN: not stated
    """

    name: str
    values: FloatArray
    source: str
    reliability: float = float("nan")

    @property
    def is_noisy(self) -> bool:
        """Whether part of its association remains in a gap, by the stated reliability or because the measure is crude."""
        from facegap.statistics.covariates.noise import is_attenuated

        if np.isnan(self.reliability):
            return self.name in CRUDE
        return is_attenuated([self.reliability])


def covariates_of(run: Run, file: Path | None = None) -> dict[str, Covariate]:
    """All covariates of a run by name, those of the file first.

    Raises
    ------
    TableError : if the file has no column `image`, contains an image twice, has text instead of a number, or has no
                 image of the run
    """
    found = {} if file is None else covariates_of_file(file, run.manifest["image"])
    faces = run.faces
    for column in map(str, faces.columns):
        name = RENAMED.get(column, column)
        is_number = pd.api.types.is_numeric_dtype(faces[column]) and not pd.api.types.is_bool_dtype(faces[column])
        if is_number and name not in found and column not in NO_COVARIATES and not POINT.fullmatch(column):
            values = faces[column].to_numpy(np.float64, na_value=np.nan)
            if np.isfinite(values).any():
                found[name] = Covariate(name, np.where(np.isfinite(values), values, np.nan), "faces.parquet")
    if "age" in run.manifest.columns and "age" not in found:
        ages = np.array([middle_of_age(str(label)) for label in run.manifest["age"]], np.float64)
        if np.isfinite(ages).any():
            found["age"] = Covariate("age", ages, "manifest")
    return found


def middle_of_age(label: str) -> float:
    """The midpoint of an age label in years; the start of an open range; NaN for none.

    >>> middle_of_age("20-29"), middle_of_age("unknown")
    (24.5, nan)
    """
    ends = age_interval(label)
    if ends is None:
        return float("nan")
    return (ends[0] + ends[1]) / 2 if np.isfinite(ends[1]) else float(ends[0])


def covariates_of_file(path: Path, images: pd.Series) -> dict[str, Covariate]:
    """The columns of a table by image, in the order of the run's images; NaN for images that are not in the table."""
    records = read_records(path)
    frame = records.frame
    if "image" not in frame.columns:
        raise TableError(
            f"{path.name}: no column image; the first column of a covariates file must contain the image names of "
            f"the manifest"
        )
    doubled = frame["image"].duplicated()
    if doubled.any():
        row = int(doubled.to_numpy().argmax())
        raise TableError(
            f"{path.name} {records.unit} {records.lines[row]}, column image: {str(frame['image'].iloc[row])!r} "
            f"occurs twice; give each image one row"
        )
    place = pd.Index(frame["image"]).get_indexer(pd.Index(images))
    if (place < 0).all():
        raise TableError(f"{path.name}: it contains no image of the run; use the image names of the run's manifest")
    found = {}
    for column in map(str, frame.columns):
        if column == "image":
            continue
        cells = frame[column].str.strip()
        numbers = pd.to_numeric(cells.where(cells != ""), errors="coerce").to_numpy(np.float64)
        numbers = np.where(np.abs(numbers) <= LARGEST, numbers, np.nan)
        wrong = ~np.isfinite(numbers) & (cells != "").to_numpy()
        if wrong.all() or (wrong.any() and not np.isfinite(numbers).any()):
            continue  # a column of words is a label, not a covariate
        if wrong.any():
            row = int(wrong.argmax())
            raise TableError(
                f"{path.name} {records.unit} {records.lines[row]}, column {column}: {str(cells.iloc[row])!r} is not "
                f"a finite number, or larger than {LARGEST:g}; correct it, or leave the cell empty"
            )
        found[column] = Covariate(column, np.where(place >= 0, numbers[place], np.nan), path.name)
    if not found:
        raise TableError(f"{path.name}: no numeric column besides image; add one per covariate")
    return found


def chosen(
    known: Mapping[str, Covariate], names: Sequence[str], reliabilities: Mapping[str, float], option: str
) -> list[Covariate]:
    """The covariates named by an option, with their stated reliability.

    Raises
    ------
    SettingError : if a name is not a covariate of the run or is repeated, a covariate has a single value, or there are too many
    """
    if len(names) > MOST_COVARIATES:
        raise SettingError(
            f"{option}: {len(names)} covariates, more than the limit of {MOST_COVARIATES}; give those relevant to "
            f"the question"
        )
    found: list[Covariate] = []
    for name in names:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"it has {', '.join(known) or 'none'}"
            raise SettingError(f"{option}: the run has no covariate {name!r}; {hint} Add others with --covariates-file")
        if any(one.name == name for one in found):
            raise SettingError(f"{option}: {name!r} is given twice; give it once")
        values = known[name].values
        if len(np.unique(values[np.isfinite(values)])) < 2:
            raise SettingError(
                f"{option}: {name!r} has the same value in all images, so there is nothing to balance; omit it"
            )
        found.append(Covariate(name, values, known[name].source, reliabilities.get(name, float("nan"))))
    return found


def parse_reliabilities(stated: Sequence[str]) -> dict[str, float]:
    """NAME=NUMBER as a mapping.

    Raises
    ------
    SettingError : if a name is not followed by a number above 0 and at most 1

    Examples
    --------
    >>> parse_reliabilities(["sharpness=0.8"])
    {'sharpness': 0.8}
    """
    found: dict[str, float] = {}
    for text in stated:
        name, sign, number = text.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = float("nan")
        if not sign or not name.strip() or not 0 < value <= 1:
            raise SettingError(
                f"--reliability {text!r}: give NAME=NUMBER, a number above 0 and at most 1, for example sharpness=0.8"
            )
        found[name.strip()] = value
    return found
