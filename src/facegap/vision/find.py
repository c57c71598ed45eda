"""Where the face of a picture is: found by a detector, given by a file of points, or the whole picture itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from facegap.errors import ModelError, TableError
from facegap.inputs.cards.decoders import Faces
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.images.decode import Pixels
from facegap.inputs.points import GivenPoints
from facegap.tables import POINTS
from facegap.vision.align import INTERPOLATIONS
from facegap.vision.detect import Detector, detect, detect_each

# Detectors put points of faces that a picture cuts off outside it: of 4,964 FairFace faces yunet put three so, by 0.01, 0.03
# and 0.55 of the longer side. Coordinates that are further out belong to a picture of another size.
OUTSIDE = 0.6


@dataclass(frozen=True)
class WholePicture:
    """Every picture is a crop already: `--detect aligned`."""


Finder = Detector | WholePicture | GivenPoints


def find_faces(finder: Finder, image: str, pixels: Pixels) -> Faces:
    """The faces of a picture, in its pixels; none where a file of points has no row for the image.

    image : its name in the manifest

    Raises
    ------
    TableError : points far outside the picture, with file and line
    """
    if isinstance(finder, Detector):
        return detect(finder, pixels)
    height, width = pixels.shape[:2]
    if isinstance(finder, WholePicture):
        whole = np.array([[0.0, 0.0, width, height]])
        return Faces(whole, np.full((1, 5, 2), np.nan), np.full(1, np.nan))
    position = finder.position(image)
    if position is None:
        return Faces(np.empty((0, 4)), np.empty((0, 5, 2)), np.empty(0))
    require_inside(finder, position, image, (width, height))
    rows = slice(position, position + 1)
    return Faces(finder.boxes[rows], finder.points[rows], finder.scores[rows])


def find_each(finder: Finder, images: Sequence[str], pictures: Sequence[Pixels]) -> list[Faces]:
    """`find_faces` for several pictures and their names."""
    if isinstance(finder, Detector):
        return detect_each(finder, pictures)
    return [find_faces(finder, image, pixels) for image, pixels in zip(images, pictures, strict=True)]


def nothing_found(finder: Finder | None, image: str) -> tuple[str, str]:
    """The outcome of a picture without a face, and its detail."""
    if isinstance(finder, GivenPoints):
        return "no_points", finder.why_none(image)
    return "no_face", ""


def require_inside(given: GivenPoints, position: int, image: str, size: tuple[int, int]) -> None:
    """Raise TableError where a point lies further outside the picture than a detector puts one."""
    points, slack = given.points[position], OUTSIDE * max(size)
    out = ((points < -slack) | (points > np.array(size) + slack)).any(axis=1)
    if out.any():
        k = int(np.argmax(out))
        x, y = points[k].tolist()
        raise TableError(
            f"{given.place(position)}: {POINTS[k].replace('_', ' ')} ({x:g}, {y:g}) lies outside {image!r}, {size[0]} x "
            f"{size[1]} pixels; points are in pixels of the image as displayed (EXIF orientation applied); give "
            f"those for this file, not for another size of the image"
        )


# ---- pictures that are crops already ----


def whole_for_template(pixels: Pixels, card: ModelCard, image: str) -> Pixels:
    """A picture as an embedder's crop, untouched: its template lies at fixed pixels of the input.

    Raises
    ------
    TableError : the picture has another size than the card's input
    """
    require_size(pixels, card, image)
    return pixels


def whole_for_box(pixels: Pixels, card: ModelCard, image: str) -> Pixels:
    """A picture as the square that a classifier's card cuts around a box, brought to the input as the card says.

    Raises
    ------
    TableError : the picture is neither a square nor of the size of the card's input
    """
    require_size(pixels, card, image)
    assert card.input is not None and card.crop is not None
    interpolation = INTERPOLATIONS[card.crop.interpolation]
    return np.asarray(cv2.resize(pixels, card.input.size, interpolation=interpolation), np.uint8)


def require_size(pixels: Pixels, card: ModelCard, image: str) -> None:
    """Raise TableError where a picture cannot be the crop of a card; it names the image, both sizes and the cure."""
    said = misfit(pixels.shape[1], pixels.shape[0], card)
    if said:
        raise TableError(f"{image!r} {said}")


def misfit(width: int, height: int, card: ModelCard) -> str:
    """Why a picture of this size is no crop of a card, as the end of a sentence; empty where it is one.

    An embedder's template lies at fixed pixels, so the size must be exactly that of the input. A classifier's crop is a
    square around the face that the card brings to the input's size, so any square may be one.
    """
    assert card.input is not None
    wide, high = card.input.size
    if (width, height) == (wide, high) or (card.crop is not None and width == height):
        return ""
    wanted = f"a square, or {wide} x {high}" if card.crop is not None else f"{wide} x {high}"
    return (
        f"has {width} x {height} pixels, and --detect aligned uses the whole image as the crop of {card.name}, which "
        f"is {wanted}; align the images for this card, or use --detect yunet or --points FILE to find the faces"
    )


def require_boxes(given: GivenPoints, card: ModelCard) -> None:
    """Raise ModelError where a classifier's crop needs boxes that a file of points does not have."""
    if not given.has_boxes:
        raise ModelError(
            f"{card.name} crops around the box of the face, but {given.name} has points without boxes; give a table "
            f"with "
            "left_eye_x ... right_mouth_y and x1, y1, x2, y2, as faces.parquet of a run has them, or use --detect yunet"
        )
