"""Estimates of the illuminant of a photograph from pixels that are not skin.

Each is an approximate colour of a white object under that light: from the eyes and teeth, the brightest pixels of the
picture, or its edges. None of these is known to be white, so each is only one estimate; `tone.py` combines them.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facegap.groups.lab import linear_light
from facegap.groups.skin import DARKEST, log_luminance, logarithms, regions
from facegap.types import BoolArray, FloatArray

POWER = 6  # of the Minkowski norm: between the mean (1) and the brightest pixel (infinite)
EYE_SHARE, MOUTH_SHARE = 0.10, 0.08  # of the pixels around an eye or a mouth that may be white
FEWEST_PIXELS = 4
PALER = 0.15  # of the logarithm of red over blue; lips and skin differ by less, teeth and skin by about 0.6


@dataclass(frozen=True)
class Light:
    """Natural logarithms of linear red, green, blue, float64 (3,) each; NaN if not visible.

    brightest : Minkowski norm over the picture (shades of grey, Finlayson and Trezzi 2004)
    edges     : the same for its gradients (grey edge, van de Weijer, Gevers and Gijsenij 2007)
    eyes      : the brightest and palest pixels around the eyes
    teeth     : the same of the mouth, if they are paler than the skin; none if the mouth is shut
    """

    brightest: FloatArray
    edges: FloatArray
    eyes: FloatArray
    teeth: FloatArray


def find_light(face: NDArray[np.uint8], inside: BoolArray, picture: NDArray[np.uint8], skin: FloatArray) -> Light:
    """Estimate the illuminant of one picture.

    face    : uint8 (HEIGHT, WIDTH, 3), the face in the frame; inside: whether each pixel lies in the picture
    picture : uint8 (h, w, 3), the whole picture, RGB
    skin    : float64 (3,), logarithms of the skin colour
    """
    places, logs = regions(), logarithms(face)
    light = np.asarray(linear_light(np.arange(256)), np.float32)[picture]
    eyes = np.array([_palest(logs[eye & inside], EYE_SHARE) for eye in places.eyes])
    seen = np.isfinite(eyes[:, 0])
    return Light(
        brightest=_norm(light),
        edges=_norm(_gradients(light)),
        eyes=eyes[seen].mean(axis=0) if seen.any() else np.full(3, np.nan),
        teeth=_if_paler(_palest(logs[places.mouth & inside], MOUTH_SHARE), skin),
    )


def _if_paler(white: FloatArray, skin: FloatArray) -> FloatArray:
    """Return the colour, or NaN if its red over blue is hardly lower than that of the skin."""
    paler = (skin[0] - skin[2]) - (white[0] - white[2]) > PALER
    return white if paler else np.full(3, np.nan)


def _palest(logs: FloatArray, share: float) -> FloatArray:
    """Mean of the brightest and palest pixels of (n, 3); NaN if there are too few."""
    count = int(share * len(logs))
    if count < FEWEST_PIXELS:
        return np.full(3, np.nan)
    white = log_luminance(logs) - np.maximum(logs[:, 0] - logs[:, 2], 0)
    return np.asarray(logs[np.argpartition(white, -count)[-count:]].mean(axis=0))


def _gradients(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum of the absolute horizontal and vertical gradients of each channel, after a slight blur against noise."""
    smooth = cv2.GaussianBlur(light, (0, 0), 1)
    slopes = np.abs(cv2.Sobel(smooth, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return np.asarray(slopes, np.float32)


def _norm(values: NDArray[np.float32]) -> FloatArray:
    """Logarithm of the Minkowski mean of each channel of (h, w, 3)."""
    cubes = values.reshape(-1, 3) ** 2 * values.reshape(-1, 3)
    powers = np.mean(cubes * cubes, axis=0, dtype=np.float64)  # power POWER = 6 by two products, ten times as fast
    return np.asarray(np.log(np.maximum(powers ** (1 / POWER), DARKEST)))
