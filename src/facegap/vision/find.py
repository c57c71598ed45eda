"""Locate the face of an image: by a detector, from a file of points, or as the whole image."""

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

# Detectors place points of truncated faces outside the image: yunet did so for three of 4,964 FairFace faces, by 0.01, 0.03 and
# 0.55 of the longer side. Coordinates further outside belong to an image of another size.
OUTSIDE = 0.6


@dataclass(frozen=True)
class WholePicture:
    """Every image is already a crop: `--detect aligned`."""


Finder = Detector | WholePicture | GivenPoints


def find_faces(finder: Finder, image: str, pixels: Pixels) -> Faces:
    """Return the faces of an image, in its pixels; none if a file of points has no row for it.

    image : its name in the manifest

    Raises
    ------
    TableError : If points are far outside the image; names file and line.
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
    """Apply `find_faces` to several images."""
    if isinstance(finder, Detector):
        return detect_each(finder, pictures)
    return [find_faces(finder, image, pixels) for image, pixels in zip(images, pictures, strict=True)]


def nothing_found(finder: Finder | None, image: str) -> tuple[str, str]:
    """Return the outcome of an image without a face, and its detail."""
    if isinstance(finder, GivenPoints):
        return "no_points", finder.why_none(image)
    return "no_face", ""


def require_inside(given: GivenPoints, position: int, image: str, size: tuple[int, int]) -> None:
    """Raise TableError if a point is further outside the image than detectors place points."""
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


# ---- images that are already crops ----


def whole_for_template(pixels: Pixels, card: ModelCard, image: str) -> Pixels:
    """Return an image unchanged as an embedder's crop: the template has fixed pixel positions.

    Raises
    ------
    TableError : If the size of the image is not that of the card's input.
    """
    require_size(pixels, card, image)
    return pixels


def whole_for_box(pixels: Pixels, card: ModelCard, image: str) -> Pixels:
    """Return an image as the square crop of a classifier's card, resized as in the card.

    Raises
    ------
    TableError : If the image is neither a square nor of the size of the card's input.
    """
    require_size(pixels, card, image)
    assert card.input is not None and card.crop is not None
    interpolation = INTERPOLATIONS[card.crop.interpolation]
    return np.asarray(cv2.resize(pixels, card.input.size, interpolation=interpolation), np.uint8)


def require_size(pixels: Pixels, card: ModelCard, image: str) -> None:
    """Raise TableError if an image cannot be the crop of a card; it names the image, both sizes and the remedy."""
    said = misfit(pixels.shape[1], pixels.shape[0], card)
    if said:
        raise TableError(f"{image!r} {said}")


def misfit(width: int, height: int, card: ModelCard) -> str:
    """Explain why an image of this size is not a crop of a card, as the predicate of a sentence; empty if it is.

    An embedder's template has fixed pixel positions, so the size must be exactly that of the input. A classifier's crop is a
    square around the face that is resized to the input, so any square is valid.
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
    """Raise ModelError if a classifier's crop needs boxes and the file of points has none."""
    if not given.has_boxes:
        raise ModelError(
            f"{card.name} crops around the box of the face, but {given.name} has points without boxes; give a table "
            f"with "
            "left_eye_x ... right_mouth_y and x1, y1, x2, y2, as faces.parquet of a run has them, or use --detect yunet"
        )
