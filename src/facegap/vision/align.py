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
    returns          : float64 (2, 3), [[a, -b, tx], [b, a, ty]]; NaN where all points coincide or one is no number
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
) -> Pixels:
    """The face brought onto the template by a similarity; black where the picture ends.

    points, template : float (5, 2), in pixels of the picture and of the crop, pixel centres at whole numbers
    size             : width, height of the crop
    """
    warped = cv2.warpAffine(pixels, similarity(points, template), size, flags=INTERPOLATIONS[interpolation])
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


def padded_crop(pixels: Pixels, left: int, top: int, side: int) -> Pixels:
    """A square of whole pixels; black where it leaves the picture."""
    inside = pixels[max(top, 0) : max(top + side, 0), max(left, 0) : max(left + side, 0)]
    if inside.shape[:2] == (side, side):
        return inside
    square = np.zeros((side, side, 3), np.uint8)
    row, column = max(-top, 0), max(-left, 0)
    square[row : row + inside.shape[0], column : column + inside.shape[1]] = inside
    return square
