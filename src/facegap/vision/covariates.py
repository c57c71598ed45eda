"""Measure covariates of a photograph at its face: pose, size, light, sharpness, compression. No model is needed.

Each value is one number per image, measured on a small sample of its pixels, so that it adds little to the time of an audit. The
regions of the face are those in which `facegap tone` samples skin. docs/covariates.md defines each value and its limitations.
"""

from __future__ import annotations

import cmath
import functools
import math
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facegap.groups.skin import TEMPLATE, UNIT, WIDTH, regions
from facegap.inputs.images.decode import Pixels
from facegap.tables import IMAGE_COVARIATES
from facegap.types import BoolArray, FloatArray

Luminance = NDArray[np.uint8]

UNDER, OVER = 26, 246  # luminance below and above which a pixel counts as under- or overexposed
PITCH_LEVEL = 0.45  # relative height of the nose between eyes and mouth of a level face (InsightFace)
DEGREES_PER_SHARE = 90.0
GRID = 48  # samples across and down the whole image
# Semi-axes of an ellipse around the head, in widths and heights of the box; outside it and above the chin is background.
HEAD_WIDTH, HEAD_HEIGHT = 0.65, 0.75
FEWEST_BACKGROUND, FEWEST_SKIN = 40, 40  # samples; fewer give NaN
SKIN_STEP = 2  # distance of skin samples in pixels of the frame
FACE_UNIT = 35.2  # inter-eye distance at which a face is measured: that of the 112-pixel ArcFace template
FACE_REACH = 0.9  # half the side of the measured square, in inter-eye distances
MIDDLE = complex(WIDTH / 2, 105)  # of the face in the frame of `groups.skin`, where the eyes are at height 80
LEAST_SIDE = 8  # least side, in pixels, of the part of the square within the image
SOBEL_GAIN = 8  # response of the 3 x 3 Sobel operator to a slope of one level per pixel
NO_COVARIATES = dict.fromkeys(IMAGE_COVARIATES, math.nan)
_TEMPLATE_CENTRE = complex(*TEMPLATE.mean(axis=0))
_CENTRED_TEMPLATE = [complex(x, y) - _TEMPLATE_CENTRE for x, y in TEMPLATE.tolist()]


@dataclass(frozen=True)
class Frame:
    """A similarity transform from the frame of `groups.skin` to pixels: x + iy maps to turn * (x + iy) + shift."""

    turn: complex
    shift: complex

    @property
    def unit(self) -> float:
        """Return the inter-eye distance of the template in pixels."""
        return abs(self.turn) * UNIT


@dataclass(frozen=True)
class Sample:
    """The pixels on which the covariates of one face are measured; a small copy, so that the image can be freed.

    size   : width, height of the image
    grid   : uint8 (GRID, GRID, 3), regularly spaced pixels of the image
    face   : luminance of a square around the face, FACE_UNIT pixels between the eyes; None if it cannot be located
    frame  : transform from the frame of `groups.skin` to the pixels of `face`
    """

    size: tuple[int, int]
    box: FloatArray
    points: FloatArray
    grid: Pixels
    face: Luminance | None
    frame: Frame | None


@dataclass(frozen=True)
class Places:
    """Regions that nearly always show skin, in the frame of `groups.skin`: both cheeks and the bridge of the nose.

    at          : complex128 (n,), x + iy
    left, right : bool (n,), the cheeks, as seen in the image
    """

    at: NDArray[np.complex128]
    left: BoolArray
    right: BoolArray


@functools.cache
def places() -> Places:
    """Return every SKIN_STEP-th pixel of the regions, across and down."""
    found = regions()
    rows, columns = (SKIN_STEP * at for at in np.nonzero(found.seeds[::SKIN_STEP, ::SKIN_STEP]))
    number = found.patches[rows, columns]
    return Places(columns + 1j * rows, number == 1, number == 2)


def covariates(pixels: Pixels, box: FloatArray, points: FloatArray) -> dict[str, float]:
    """Return the covariates of one face, by their column names in faces.parquet.

    Parameters
    ----------
    pixels : uint8 (height, width, 3)
        Blue, green, red.
    box : float (4,)
        x1, y1, x2, y2 in pixels; edges, not centres.
    points : float (5, 2)
        As tables.POINTS; pixel centres at whole numbers. NaN if the detector returns boxes only.

    Returns
    -------
    dict
        IMAGE_COVARIATES by name. NaN if a value is undefined: values that need points if there are none, and those of
        skin or background if too little of it is in the image.

    Examples
    --------
    >>> grey = np.full((100, 100, 3), 120, np.uint8)
    >>> points = np.array([[40, 40], [60, 40], [50, 51], [43, 62], [57, 62]], float)
    >>> found = covariates(grey, np.array([30.0, 25.0, 70.0, 75.0]), points)
    >>> found["inter_eye_px"], found["face_share"], found["skin_luminance_50"], found["roll"]
    (20.0, 0.2, 120.0, 0.0)
    """
    return measured(sample(pixels, box, points))


def sample(pixels: Pixels, box: FloatArray, points: FloatArray) -> Sample:
    """Return the pixels on which the covariates of a face are measured; arguments as for `covariates`."""
    height, width = pixels.shape[:2]
    grid = np.asarray(cv2.resize(pixels, (GRID, GRID), interpolation=cv2.INTER_NEAREST), np.uint8)
    frame = frame_of(points)
    face, placed = (None, None) if frame is None else face_square(pixels, frame)
    return Sample((width, height), box, points, grid, face, placed)


def measured(taken: Sample) -> dict[str, float]:
    """Return the covariates of a sample."""
    found = dict(NO_COVARIATES)
    edges = [float(value) for value in taken.box]
    if all(map(math.isfinite, edges)):
        found["face_share"] = face_share(edges, *taken.size)
        found |= background(taken.grid, edges, *taken.size)
    if np.isfinite(taken.points).all():
        found |= pose(taken.points)
    if taken.face is not None and taken.frame is not None:
        found |= skin(taken.face, taken.frame)
        found["sharpness"] = sharpness(taken.face)
    return found


def frame_of(points: FloatArray) -> Frame | None:
    """Fit the frame to five points by least squares, as `align.similarity`; None if all coincide or one is not a number."""
    at = [complex(x, y) for x, y in points.tolist()]
    centre = sum(at) / len(at)
    fitted = sum((point - centre).conjugate() * place for point, place in zip(at, _CENTRED_TEMPLATE, strict=True))
    spread = sum((point - centre).real ** 2 + (point - centre).imag ** 2 for point in at)
    if not (math.isfinite(spread) and spread and fitted and cmath.isfinite(fitted)):
        return None
    turn = spread / fitted
    return Frame(turn, centre - turn * _TEMPLATE_CENTRE)


def face_square(pixels: Pixels, frame: Frame) -> tuple[Luminance | None, Frame | None]:
    """Return the upright square around a face and the frame in its pixels; None if hardly any of it is in the image.

    It contains every region of `places` for any roll of the head.
    """
    middle, reach, scale = frame.turn * MIDDLE + frame.shift, FACE_REACH * frame.unit, FACE_UNIT / frame.unit
    height, width = pixels.shape[:2]
    left, right = (int(min(max(middle.real + sign * reach, 0), width)) for sign in (-1, 1))
    top, bottom = (int(min(max(middle.imag + sign * reach, 0), height)) for sign in (-1, 1))
    size = (round((right - left) * scale), round((bottom - top) * scale))
    if min(size) < LEAST_SIDE:
        return None, None
    grey = luminance(pixels[top:bottom, left:right])
    grey = np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR), np.uint8)
    # Pixel centres, not corners, are at whole numbers.
    shift = (frame.shift - complex(left, top) + (0.5 + 0.5j)) * scale - (0.5 + 0.5j)
    return grey, Frame(frame.turn * scale, shift)


def face_share(box: Sequence[float], width: int, height: int) -> float:
    """Return the proportion of the image area covered by the part of the box within the image."""
    across, down = min(box[2], width) - max(box[0], 0.0), min(box[3], height) - max(box[1], 0.0)
    return max(across, 0.0) * max(down, 0.0) / (width * height)


def pose(points: FloatArray) -> dict[str, float]:
    """Return head angles in degrees, by InsightFace's rule for five points after removing roll, and the inter-eye distance.

    Positive: the face is turned to the right of the image, down, and clockwise. No angle if the eyes coincide, no pitch if
    eyes and mouth are at the same height.
    """
    left_eye, right_eye, nose, left_mouth, right_mouth = (complex(x, y) for x, y in points.tolist())
    across = right_eye - left_eye
    distance = abs(across)
    if not distance:
        return {"inter_eye_px": distance}
    eyes = (left_eye + right_eye) / 2
    upright = distance / across  # unit complex number that rotates the eyes to a horizontal line
    tip, lips = (nose - eyes) * upright, ((left_mouth + right_mouth) / 2 - eyes) * upright
    found = {"inter_eye_px": distance, "roll": math.degrees(cmath.phase(across)), "yaw": angle(tip.real / distance)}
    return found | {"pitch": angle(tip.imag / lips.imag - PITCH_LEVEL)} if lips.imag else found


def angle(share: float) -> float:
    """Convert a ratio to degrees by the rule for five points, clipped to 90 degrees: the ratio is unbounded in profiles."""
    return min(max(DEGREES_PER_SHARE * share, -90.0), 90.0)


def skin(face: Luminance, frame: Frame) -> dict[str, float]:
    """Return the luminance of cheeks and nose bridge and the balance of the cheeks; empty if too little is visible."""
    known = places()
    at = np.rint((frame.turn * known.at + frame.shift).view(np.float64)).astype(np.intp)
    columns, rows = at[::2], at[1::2]
    height, width = face.shape
    inside = (columns >= 0) & (rows >= 0) & (columns < width) & (rows < height)
    values = face[rows[inside], columns[inside]]
    if len(values) < FEWEST_SKIN:
        return {}
    cheeks = (values[side[inside]] for side in (known.left, known.right))
    return light("skin", values) | {"cheek_balance": balance(*cheeks)}


def background(grid: Pixels, box: Sequence[float], width: int, height: int) -> dict[str, float]:
    """Return the luminance outside an ellipse around the head, above the chin; empty if too few samples remain."""
    x, y = ((np.arange(GRID) + 0.5) * (side / GRID) for side in (width, height))
    wide, high = max(box[2] - box[0], 1.0), max(box[3] - box[1], 1.0)
    across = ((x - (box[0] + box[2]) / 2) / (HEAD_WIDTH * wide)) ** 2
    down = ((y - (box[1] + box[3]) / 2) / (HEAD_HEIGHT * high)) ** 2
    down[y > box[3]] = -np.inf
    values = luminance(grid)[down[:, None] + across > 1]
    return light("background", values) if len(values) >= FEWEST_BACKGROUND else {}


def light(what: str, values: Luminance) -> dict[str, float]:
    """Return quartiles of luminance and the proportions of under- and overexposed pixels."""
    ordered = np.sort(values).tobytes()
    quartiles = {f"{what}_luminance_{share}": quantile(ordered, share / 100) for share in (25, 50, 75)}
    under, not_over = bisect_left(ordered, UNDER), bisect_right(ordered, OVER)
    return quartiles | {f"{what}_under": under / len(ordered), f"{what}_over": 1 - not_over / len(ordered)}


def quantile(ordered: bytes, share: float) -> float:
    """Return a quantile of sorted values, interpolated as in numpy, whose own function is slower than all else here."""
    place = share * (len(ordered) - 1)
    low = int(place)
    return ordered[low] + (place - low) * (ordered[min(low + 1, len(ordered) - 1)] - ordered[low])


def balance(left: Luminance, right: Luminance) -> float:
    """Return the median luminance of the darker cheek divided by that of the brighter, 0..1.

    NaN if one is hardly visible, or both are black.
    """
    if min(len(left), len(right)) < FEWEST_SKIN:
        return math.nan
    darker, brighter = sorted(quantile(np.sort(side).tobytes(), 0.5) for side in (left, right))
    return darker / brighter if brighter else math.nan


def sharpness(face: Luminance) -> float:
    """Return the mean square of the Laplacian divided by that of the gradient; NaN if the luminance is constant.

    The variance of the Laplacian alone decreases with luminance and contrast, and so with darker skin; the ratio hardly does.
    """
    slope = sum(cv2.norm(axis, cv2.NORM_L2SQR) for axis in cv2.spatialGradient(face)) / SOBEL_GAIN**2
    return cv2.norm(cv2.Laplacian(face, cv2.CV_16S), cv2.NORM_L2SQR) / slope if slope else math.nan


def luminance(pixels: Pixels) -> Luminance:
    """Return 0.299 R + 0.587 G + 0.114 B of the stored values (ITU-R BT.601), uint8 (height, width) from (height, width, 3)."""
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY), np.uint8)
