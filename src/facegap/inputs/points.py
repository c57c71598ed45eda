"""Read five points per image from a file: of another detector, of a data set, or of an earlier run of facegap.

Four layouts are supported. A CSV or parquet table with the column image and either x1, y1, ... x5, y5, or left_eye_x, left_eye_y,
... right_mouth_y (faces.parquet of a run, where x1, y1, x2, y2 are the corners of the face box). A table with the columns
filepath and keypoints, as in FHIBE. Space-separated text without a header, as in the InsightFace files of IJB (image, ten
numbers, score) and RFW (image, label, ten numbers).

The order is left eye, right eye, nose, left and right mouth corner, left and right as seen in the image. Coordinates are pixels
of the image after EXIF orientation is applied.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.point_layouts import BOX, NAMED, Listed, exchanged, is_blank_separated, read_blanks, read_table
from facegap.inputs.spelling import tidy
from facegap.types import BoolArray, FloatArray

WITHIN_A_PIXEL = 1.5  # if all coordinates are below, they are proportions of the image


@dataclass(frozen=True, eq=False)
class GivenPoints:
    """The points of a file.

    name, sha256 : of the file; unit: what `lines` counts, line or record
    images : image name as in a manifest -> position in the arrays
    points : float64 (n, 5, 2), pixels, in the order of POINTS
    boxes  : float64 (n, 4), x1, y1, x2, y2 in pixels; NaN if the file has none
    scores : float64 (n,), of the detector; NaN if the file has none
    faceless : image -> reason in the file for missing points
    """

    name: str
    sha256: str
    unit: str
    images: Mapping[str, int]
    lines: Sequence[int]
    points: FloatArray
    boxes: FloatArray
    scores: FloatArray
    faceless: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_boxes(self) -> bool:
        """Return whether every face has a box, which a classifier's crop needs."""
        return bool(np.isfinite(self.boxes).all())

    def position(self, image: str) -> int | None:
        """Return the position of the face of an image; None if the file has no points for it."""
        return self.images.get(same_image(image))

    def place(self, position: int) -> str:
        """Return the location of a face for messages: points.csv line 17."""
        return f"{self.name} {self.unit} {self.lines[position]}"

    def why_none(self, image: str) -> str:
        """Explain why an image has no points."""
        said = self.faceless.get(same_image(image))
        return f"{self.name} contains no points for the image" + (f", but the outcome {said}" if said else "")


def same_image(image: str) -> str:
    """Normalise an image path: ./a.jpg becomes a.jpg."""
    return posixpath.normpath(tidy(image))


def read_points(path: Path) -> GivenPoints:
    """Read and check the five points of each image in a file.

    Raises
    ------
    TableError : If the layout is unknown; a number is missing, invalid or not finite; points coincide, are proportions of the
                 image instead of pixels, or have left and right exchanged; or an image occurs twice. Names file and line.
    """
    listed = read_blanks(path) if is_blank_separated(path) else read_table(path)
    require_numbers(listed, path.name)
    require_pixels(listed, path.name)
    points = listed.numbers.reshape(-1, 5, 2)
    require_order(points, listed, path.name)
    names = [same_image(image) for image in listed.images]
    require_once(names, listed, path.name)
    kept = np.flatnonzero(listed.known)
    return GivenPoints(
        path.name,
        listed.sha256,
        listed.unit,
        {names[row]: k for k, row in enumerate(kept.tolist())},
        [listed.lines[row] for row in kept.tolist()],
        points[kept],
        listed.boxes[kept],
        listed.scores[kept],
        {names[row]: listed.outcomes[row] for row in np.flatnonzero(~listed.known).tolist()},
    )


def points_of(faces: pd.DataFrame) -> GivenPoints:
    """Return the points stored by a run, from FACES; images without points are in `faceless`."""
    numbers = faces[list(NAMED)].to_numpy(np.float64)
    known = np.isfinite(numbers).all(axis=1)
    kept = np.flatnonzero(known)
    names = [same_image(str(image)) for image in faces["image"]]
    return GivenPoints(
        "faces.parquet",
        "",
        "record",
        {names[row]: k for k, row in enumerate(kept.tolist())},
        (kept + 1).tolist(),
        numbers[kept].reshape(-1, 5, 2),
        faces[list(BOX)].to_numpy(np.float64)[kept],
        faces["score"].to_numpy(np.float64)[kept],
        {names[row]: str(faces["outcome"].iloc[row]) for row in np.flatnonzero(~known).tolist()},
    )


# ---- checks ----


def require_numbers(listed: Listed, name: str) -> None:
    """Raise TableError if a coordinate is missing, not a number, or not finite."""
    if not len(listed.images):
        raise TableError(f"{name}: no row of points; give the file that contains them")
    broken = ~np.isfinite(listed.numbers) & listed.known[:, None]
    if broken.any():
        row, column = np.argwhere(broken)[0].tolist()
        raise TableError(
            f"{name} {listed.unit} {listed.lines[row]}, column {listed.columns[column]}: missing or not a finite "
            f"number; fill it in, or remove the row (an image without a row gets the outcome "
            f"no_points){more(np.asarray(broken.any(axis=1)))}"
        )
    boxed = np.isfinite(listed.boxes).any(axis=1) & listed.known
    sides = listed.boxes[:, 2:] - listed.boxes[:, :2]
    bad: BoolArray = np.asarray(boxed & ~(np.isfinite(listed.boxes).all(axis=1) & (sides > 0).all(axis=1)))
    if bad.any():
        row = int(np.argmax(bad))
        raise TableError(
            f"{name} {listed.unit} {listed.lines[row]}, columns {', '.join(BOX)}: no box with an area{more(bad)}"
        )


def require_pixels(listed: Listed, name: str) -> None:
    """Raise TableError if points coincide, or all numbers in the file are proportions of the image size."""
    known = listed.numbers[listed.known]
    if len(known) and np.abs(known).max() <= WITHIN_A_PIXEL:
        raise TableError(
            f"{name}: all coordinates lie within {WITHIN_A_PIXEL:g} of 0, so they are proportions of the image size; "
            f"multiply x by the width and y by the height of the image in pixels"
        )
    points = listed.numbers.reshape(-1, 5, 2)
    same: BoolArray = np.asarray(listed.known & (points == points[:, :1]).all(axis=(1, 2)))
    if same.any():
        row = int(np.argmax(same))
        raise TableError(
            f"{name} {listed.unit} {listed.lines[row]}: the five points coincide; remove the row (an image without a "
            f"row gets the outcome no_points){more(same)}"
        )


def require_order(points: FloatArray, listed: Listed, name: str) -> None:
    """Raise TableError if left and right are exchanged: such a face would be aligned as if it were mirrored."""
    wrong: BoolArray = np.asarray(exchanged(points) & listed.known, np.bool_)
    if wrong.any():
        row = int(np.argmax(wrong))
        eyes = ", ".join(listed.columns[:2]), ", ".join(listed.columns[2:4])
        raise TableError(
            f"{name} {listed.unit} {listed.lines[row]}: left and right are exchanged (or y increases upwards); left "
            f"and right mean as seen in the image: {eyes[0]} is the eye on the left of an upright image, {eyes[1]} "
            f"the other, and likewise for the corners of the mouth{more(wrong)}"
        )


def require_once(names: Sequence[str], listed: Listed, name: str) -> None:
    """Raise TableError if an image has two rows: the file must determine which face to use."""
    first: dict[str, int] = {}
    for row, image in enumerate(names):
        if image in first:
            raise TableError(
                f"{name} {listed.unit} {listed.lines[row]}: the image {image!r} repeats {listed.unit} "
                f"{listed.lines[first[image]]}; keep the row of the face to be evaluated"
            )
        first[image] = row


def more(wrong: BoolArray) -> str:
    """Return a phrase with the number of further such rows."""
    return f" (and {int(wrong.sum()) - 1:,} more rows)" if wrong.sum() > 1 else ""


def require_shared(given: GivenPoints, images: Sequence[str], manifest: str) -> None:
    """Raise TableError if no image of a manifest has points, because the names differ.

    manifest : its name, for messages
    """
    if len(images) and not any(given.position(image) is not None for image in images):
        example = next(iter(given.images), "")
        raise TableError(
            f"{given.name}: contains no points for any image of {manifest}; use the names of the manifest, such as "
            f"{images[0]!r}, not {example!r}"
        )
