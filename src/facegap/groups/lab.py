"""Colour computations: sRGB, linear light, CIELAB under D65, ITA and hue, CIEDE2000, the nearest Monk colour."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from facegap.groups.scales import MONK
from facegap.types import FloatArray

LUMINANCE = np.array([0.2126, 0.7152, 0.0722])  # of linear sRGB, IEC 61966-2-1


def linear_light(srgb: ArrayLike) -> FloatArray:
    """Linear light of sRGB values 0..255: float64 in 0..1, same shape.

    Source : IEC 61966-2-1. Tone adjustments by a camera or an editor are not undone.
    """
    encoded = np.asarray(srgb, np.float64) / 255
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def lab_of_srgb(srgb: ArrayLike) -> FloatArray:
    """CIELAB (D65, 2 degrees) of red, green, blue in 0..255: float64 (..., 3), same shape; L* in 0..100."""
    return lab_of_light(linear_light(srgb))


def lab_of_light(rgb: ArrayLike) -> FloatArray:
    """CIELAB (D65, 2 degrees) of linear red, green, blue; values outside 0..1 are clipped, as a reflectance cannot have them.

    OpenCV converts from linear light here, because its conversion from sRGB interpolates a table, with errors of up to
    0.3 units.
    """
    light = np.clip(np.asarray(rgb, np.float64), 0, 1)
    image = np.ascontiguousarray(light, np.float32).reshape(-1, 1, 3)
    if not len(image):
        return np.empty(light.shape)
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_LRGB2Lab), np.float64).reshape(light.shape)


def rgb_of_hex(colours: Sequence[str]) -> NDArray[np.uint8]:
    """Red, green, blue of colours in the form "#rrggbb": uint8 (n, 3)."""
    return np.array([list(bytes.fromhex(colour.removeprefix("#"))) for colour in colours], np.uint8).reshape(-1, 3)


def ita(l_star: ArrayLike, b_star: ArrayLike) -> Any:
    """Individual typology angle in degrees, in (-180, 180]: high is light. float64, or an array of the given shape.

    Source : Chardon, Cretois and Hourseau (1991), with atan2, so that it is defined for a bluish cast (b* below 0)
    """
    return np.degrees(np.arctan2(np.asarray(l_star, np.float64) - 50, np.asarray(b_star, np.float64)))


def hue(a_star: ArrayLike, b_star: ArrayLike) -> Any:
    """Hue angle in degrees, in (-180, 180]: 0 red, 90 yellow."""
    return np.degrees(np.arctan2(np.asarray(b_star, np.float64), np.asarray(a_star, np.float64)))


def ciede2000(lab_a: ArrayLike, lab_b: ArrayLike) -> FloatArray:
    """Colour difference of two broadcastable arrays of CIELAB colours (..., 3): float64 (...), 0 where equal.

    Source : Sharma, Wu and Dalal (2005), Color Research and Application 30(1), equations 2 to 22, k_L = k_C = k_H = 1;
             tested with all 34 pairs of their table 1
    """
    (l_1, a_1, b_1), (l_2, a_2, b_2) = (np.moveaxis(np.asarray(lab, np.float64), -1, 0) for lab in (lab_a, lab_b))
    stretch = 1 + 0.5 * (1 - _saturation((np.hypot(a_1, b_1) + np.hypot(a_2, b_2)) / 2))
    c_1, c_2 = np.hypot(stretch * a_1, b_1), np.hypot(stretch * a_2, b_2)
    h_1, h_2 = (np.degrees(np.arctan2(b, stretch * a)) % 360 for a, b in ((a_1, b_1), (a_2, b_2)))
    coloured = c_1 * c_2 > 0
    turn = np.where(coloured, (h_2 - h_1 + 180) % 360 - 180, 0)
    turn = np.where(coloured & (h_2 - h_1 == 180), 180, turn)
    total = h_1 + h_2
    apart = np.abs(h_1 - h_2) > 180
    h_mean = np.where(coloured, np.where(apart, total + np.where(total < 360, 360, -360), total) / 2, total)
    l_mean, c_mean = (l_1 + l_2) / 2, (c_1 + c_2) / 2
    t = (
        1
        - 0.17 * _cos(h_mean - 30)
        + 0.24 * _cos(2 * h_mean)
        + 0.32 * _cos(3 * h_mean + 6)
        - 0.20 * _cos(4 * h_mean - 63)
    )
    lightness = (l_2 - l_1) / (1 + 0.015 * (l_mean - 50) ** 2 / np.sqrt(20 + (l_mean - 50) ** 2))
    chroma = (c_2 - c_1) / (1 + 0.045 * c_mean)
    hues = 2 * np.sqrt(c_1 * c_2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * c_mean * t)
    rotation = -2 * _saturation(c_mean) * np.sin(np.radians(60 * np.exp(-(((h_mean - 275) / 25) ** 2))))
    return np.asarray(np.sqrt(lightness**2 + chroma**2 + hues**2 + rotation * chroma * hues))


def _saturation(chroma: FloatArray) -> FloatArray:
    """sqrt(C^7 / (C^7 + 25^7)), which CIEDE2000 uses twice."""
    return np.asarray(np.sqrt(chroma**7 / (chroma**7 + 25.0**7)))


def _cos(degrees: FloatArray) -> FloatArray:
    """Cosine of an angle in degrees."""
    return np.asarray(np.cos(np.radians(degrees)))


@functools.cache
def monk_lab() -> FloatArray:
    """CIELAB of the ten Monk colours: float64 (10, 3), read-only."""
    assert MONK.swatches is not None
    colours = lab_of_srgb(rgb_of_hex(MONK.swatches))
    colours.flags.writeable = False
    return colours


def nearest_monk(lab: ArrayLike) -> tuple[NDArray[np.int64], FloatArray]:
    """Number (1..10) and CIEDE2000 distance of the nearest Monk colour to each CIELAB colour (..., 3)."""
    distances = ciede2000(np.asarray(lab, np.float64)[..., None, :], monk_lab())
    return np.argmin(distances, axis=-1) + 1, distances.min(axis=-1)
