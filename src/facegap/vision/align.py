"""Crop and align faces to the small square that a model was trained on."""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from facegap.inputs.images.decode import Pixels
from facegap.types import FloatArray

Interpolation = Literal["bilinear", "bicubic"]
INTERPOLATIONS: dict[Interpolation, int] = {"bilinear": cv2.INTER_LINEAR, "bicubic": cv2.INTER_CUBIC}


def similarity(points: FloatArray, template: FloatArray) -> NDArray[np.float64]:
    """Return the similarity transform, without reflection, that best maps points to a template.

    points, template : float (n, 2) as (x, y), n >= 2
    returns          : float64 (2, 3), [[a, -b, tx], [b, a, ty]]; NaN if all points coincide or any is NaN
    Source           : closed-form least squares; a point is a complex number x + iy and the map is z -> (a + ib) z + t
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a model may return any number
        z, w = (np.asarray(p, np.float64) @ np.array([1.0, 1.0j]) for p in (points, template))
        centred = z - z.mean()
        spread = (np.abs(centred) ** 2).sum()
        turn = (np.conj(centred) * (w - w.mean())).sum() / spread if spread > 0 else complex(np.nan, np.nan)
        shift = w.mean() - turn * z.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def aligned(
    pixels: Pixels, points: FloatArray, template: FloatArray, size: tuple[int, int], interpolation: Interpolation
) -> Pixels | None:
    """Warp a face to the template by a similarity transform; black outside the image.

    None if the points define no transform (all coincide, or one is not a number); OpenCV would warp without an error.

    points, template : float (5, 2), in pixels of the image and of the crop, pixel centres at whole numbers
    size             : width, height of the crop
    """
    matrix = similarity(points, template)
    if not np.isfinite(matrix).all():
        return None
    warped = cv2.warpAffine(pixels, matrix, size, flags=INTERPOLATIONS[interpolation])
    return np.asarray(warped, np.uint8)


def square_crop(
    pixels: Pixels, box: FloatArray, margin: float, size: tuple[int, int], interpolation: Interpolation
) -> Pixels:
    """Crop a square on the longer side of a box, with a margin, and resize it; black outside the image.

    box    : float (4,), x1, y1, x2, y2 in pixels, edges not centres
    margin : added on each side, as a proportion of the square's side
    size   : width, height of the crop

    Corner and side are rounded to whole pixels first, as for the published numbers of the classifiers here; subpixel crops
    changed the error rate of single groups by up to 0.04.
    """
    side = float((box[2:] - box[:2]).max()) * (1 + 2 * margin)
    left, top = (round(float(value)) for value in (box[:2] + box[2:]) / 2 - side / 2)
    whole = padded_crop(pixels, left, top, max(1, round(side)))
    return np.asarray(cv2.resize(whole, size, interpolation=INTERPOLATIONS[interpolation]), np.uint8)


def whole_box(box: FloatArray) -> tuple[int, int, int, int]:
    """Return left, top, width and height of a box, truncated to whole pixels; each side is at least one pixel."""
    left, top, width, height = (int(value) for value in (*box[:2], *(box[2:] - box[:2])))
    return left, top, max(width, 1), max(height, 1)


def possible_factor(box: FloatArray, width: int, height: int, factor: float) -> float:
    """Return the factor, at most `factor`, by which `shifted_crop` can enlarge a box within an image.

    box           : float (4,), x1, y1, x2, y2 in pixels
    width, height : of the image

    Examples
    --------
    >>> import numpy as np
    >>> possible_factor(np.array([10.0, 10.0, 50.0, 60.0]), 101, 101, 2.7)
    2.0
    """
    _, _, wide, high = whole_box(box)
    return min(factor, (width - 1) / wide, (height - 1) / high)


def shifted_crop(
    pixels: Pixels, box: FloatArray, factor: float, size: tuple[int, int], interpolation: Interpolation
) -> Pixels:
    """Enlarge a box proportionally, shift it into the image, crop, and resize without keeping the aspect ratio.

    box    : float (4,), x1, y1, x2, y2 in pixels; truncated to whole pixels first
    factor : enlargement of the sides; limited to `possible_factor` in a small image
    size   : width, height of the crop
    Source : CropImage of minivision-ai/Silent-Face-Anti-Spoofing, commit b6d5f04
    """
    height, width = pixels.shape[:2]
    left, top, wide, high = whole_box(box)
    most = possible_factor(box, width, height, factor)
    columns, rows = inside(left + wide / 2, wide * most, width), inside(top + high / 2, high * most, height)
    cut = np.ascontiguousarray(pixels[rows, columns])
    return np.asarray(cv2.resize(cut, size, interpolation=INTERPOLATIONS[interpolation]), np.uint8)


def inside(centre: float, side: float, whole: int) -> slice:
    """Return an interval around a centre, shifted into 0..whole-1; its ends are truncated and both are included."""
    first = min(max(centre - side / 2, 0.0), max(whole - 1 - side, 0.0))
    return slice(int(first), min(int(first + side), whole - 1) + 1)


def padded_crop(pixels: Pixels, left: int, top: int, side: int) -> Pixels:
    """Crop a square at whole pixels; black outside the image."""
    inside = pixels[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if inside.shape[:2] == (side, side):
        return inside
    square = np.zeros((side, side, 3), np.uint8)
    row, column = max(-top, 0), max(-left, 0)
    square[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return square
