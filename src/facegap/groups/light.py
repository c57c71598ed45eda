"""The light in which a face was photographed, from what in the picture is not skin. Arrays in, numbers out.

Each is a colour that a white thing would about have: of the eyes and teeth, of the brightest things in the picture, of
its edges. None of them is known to be white, so they are witnesses and not judges; `tone.py` weighs them.
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
EYE_SHARE, MOUTH_SHARE = 0.10, 0.08  # of the pixels around an eye, a mouth, that may be white
FEWEST_PIXELS = 4
PALER = 0.15  # of the logarithm of red over blue; lips and skin differ by less, teeth and skin by about 0.6


@dataclass(frozen=True)
class Light:
    """Natural logarithms of linear red, green, blue, float64 (3,) each; NaN where there is nothing to see.

    brightest : Minkowski norm over the picture (shades of grey, Finlayson and Trezzi 2004)
    edges     : the same of its gradients (grey edge, van de Weijer, Gevers and Gijsenij 2007)
    eyes      : the brightest and palest pixels about the eyes
    teeth     : and of the mouth, where they are paler than the skin: a shut mouth shows none
    """

    brightest: FloatArray
    edges: FloatArray
    eyes: FloatArray
    teeth: FloatArray


def find_light(face: NDArray[np.uint8], inside: BoolArray, picture: NDArray[np.uint8], skin: FloatArray) -> Light:
    """The witnesses of one picture.

    face    : uint8 (HEIGHT, WIDTH, 3), the face in the frame; inside: the pixels that the picture has
    picture : uint8 (h, w, 3), the whole picture, red first
    skin    : float64 (3,), logarithms of the colour of the skin
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
    """The colour, or NaN where it is hardly less red over blue than the skin is."""
    paler = (skin[0] - skin[2]) - (white[0] - white[2]) > PALER
    return white if paler else np.full(3, np.nan)


def _palest(logs: FloatArray, share: float) -> FloatArray:
    """Mean of the pixels (n, 3) that are brightest for their colour; NaN where there are too few."""
    count = int(share * len(logs))
    if count < FEWEST_PIXELS:
        return np.full(3, np.nan)
    white = log_luminance(logs) - np.maximum(logs[:, 0] - logs[:, 2], 0)
    return np.asarray(logs[np.argpartition(white, -count)[-count:]].mean(axis=0))


def _gradients(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Sum of the absolute slopes across and down, of each channel, after a slight blur against noise."""
    smooth = cv2.GaussianBlur(light, (0, 0), 1)
    slopes = np.abs(cv2.Sobel(smooth, cv2.CV_32F, 1, 0)) + np.abs(cv2.Sobel(smooth, cv2.CV_32F, 0, 1))
    return np.asarray(slopes, np.float32)


def _norm(values: NDArray[np.float32]) -> FloatArray:
    """Logarithm of the Minkowski mean of each channel of (h, w, 3)."""
    cubes = values.reshape(-1, 3) ** 2 * values.reshape(-1, 3)
    powers = np.mean(cubes * cubes, axis=0, dtype=np.float64)  # the sixth: POWER by two products, ten times as fast
    return np.asarray(np.log(np.maximum(powers ** (1 / POWER), DARKEST)))
