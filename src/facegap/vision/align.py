"""From a picture and a place in it to the small square that a model was trained on."""

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
    """The rotation, scale and shift, without mirroring, that brings points nearest to a template.

    points, template : float (n, 2) as (x, y), n >= 2
    returns          : float64 (2, 3), [[a, -b, tx], [b, a, ty]]; NaN where all points coincide or one is not a number
    Source           : least squares in closed form; a point is the complex number x + iy and the map is z -> (a + ib) z + t
    """
    with np.errstate(over="ignore", invalid="ignore"):  # a model may give any numbers
        z, w = (np.asarray(p, np.float64) @ np.array([1.0, 1.0j]) for p in (points, template))
        centred = z - z.mean()
        spread = (np.abs(centred) ** 2).sum()
        turn = (np.conj(centred) * (w - w.mean())).sum() / spread if spread > 0 else complex(np.nan, np.nan)
        shift = w.mean() - turn * z.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def aligned(
    pixels: Pixels, points: FloatArray, template: FloatArray, size: tuple[int, int], interpolation: Interpolation
) -> Pixels | None:
    """The face brought onto the template by a similarity; black where the picture ends.

    None where the points give it no place: one is not a number, or all coincide. OpenCV would warp by such a map without a word.

    points, template : float (5, 2), in pixels of the picture and of the crop, pixel centres at whole numbers
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
    """The square on the longer side of a box, with a margin, resized; black where the picture ends.

    box    : float (4,), x1, y1, x2, y2 in pixels, edges not centres
    margin : added on each side, as a share of the square's side
    size   : width, height of the crop

    Corner and side are rounded to whole pixels first, as the published numbers of the classifiers here were measured;
    a crop at fractions of a pixel moved the error of single groups by up to 0.04.
    """
    side = float((box[2:] - box[:2]).max()) * (1 + 2 * margin)
    left, top = (round(float(value)) for value in (box[:2] + box[2:]) / 2 - side / 2)
    whole = padded_crop(pixels, left, top, max(1, round(side)))
    return np.asarray(cv2.resize(whole, size, interpolation=INTERPOLATIONS[interpolation]), np.uint8)


def whole_box(box: FloatArray) -> tuple[int, int, int, int]:
    """Left, top, width and height of a box, cut to whole pixels; a side is one pixel at least."""
    left, top, width, height = (int(value) for value in (*box[:2], *(box[2:] - box[:2])))
    return left, top, max(width, 1), max(height, 1)


def possible_factor(box: FloatArray, width: int, height: int, factor: float) -> float:
    """How many times a box can be enlarged inside a picture, `factor` at most; for `shifted_crop`.

    box           : float (4,), x1, y1, x2, y2 in pixels
    width, height : of the picture

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
    """A box enlarged in its own shape, moved until it lies inside the picture, and resized without keeping its shape.

    box    : float (4,), x1, y1, x2, y2 in pixels; cut to whole pixels first
    factor : of the sides; a picture that is too small gives `possible_factor`
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
    """A stretch about a centre, moved inside 0..whole-1; its ends are cut to whole pixels and the last belongs to it."""
    first = min(max(centre - side / 2, 0.0), max(whole - 1 - side, 0.0))
    return slice(int(first), min(int(first + side), whole - 1) + 1)


def padded_crop(pixels: Pixels, left: int, top: int, side: int) -> Pixels:
    """A square of whole pixels; black where it leaves the picture."""
    inside = pixels[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if inside.shape[:2] == (side, side):
        return inside
    square = np.zeros((side, side, 3), np.uint8)
    row, column = max(-top, 0), max(-left, 0)
    square[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return square
