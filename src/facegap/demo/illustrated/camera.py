"""From painted layers to a photograph: lighting, colour of the light, lens, sensor."""

from __future__ import annotations

from functools import lru_cache

import cv2
import numpy as np

from facegap.demo.illustrated.canvas import Bytes, Canvas, Map
from facegap.demo.illustrated.photograph import Photograph
from facegap.demo.illustrated.sitting import USUAL_WIDTH

KNEE, HEADROOM = 222.0, 33.0  # brightness from which values are compressed, and the range above it
BLOOD = (0.20, 0.13, -0.06)  # proportion of blue, green and red absorbed by warm skin


def expose(canvas: Canvas, photo: Photograph) -> Bytes:
    """The picture, uint8 (h, w, 3), blue, green, red."""
    colour = cv2.resize(canvas.colour, canvas.size, interpolation=cv2.INTER_AREA).astype(np.float32)
    light = canvas.light * np.float32(photo.exposure)
    gains = (1 - 0.10 * photo.warmth, 1 - 0.01 * photo.warmth, 1 + 0.07 * photo.warmth)
    gloss = canvas.gloss * np.float32(255 * photo.exposure)
    planes = [
        colour[:, :, k] * light * (np.float32(1) - canvas.warmth * np.float32(BLOOD[k])) * np.float32(gain) + gloss
        for k, gain in enumerate(gains)
    ]
    picture = shoulder(cv2.merge(planes))
    return sensed(picture, photo, canvas.size[0] / USUAL_WIDTH)


def shoulder(picture: Map) -> Map:
    """Compress bright values below white, as a camera does, instead of clipping them."""
    over = np.maximum(picture - np.float32(KNEE), np.float32(0))
    # A value x above the knee becomes x h / (x + h): slope 1 at the knee, and always less than h.
    picture -= over * over / (over + np.float32(HEADROOM))
    return picture


def sensed(picture: Map, photo: Photograph, size: float) -> Bytes:
    """The picture blurred by the lens, with sensor noise; size: the width relative to the usual one."""
    if photo.blur * size > 0.15:
        picture = np.asarray(cv2.GaussianBlur(picture, (0, 0), photo.blur * size), np.float32)
    if photo.noise > 0:
        picture += noise(picture.shape[1], picture.shape[0], photo.seed) * np.float32(photo.noise)
    picture += np.float32(0.5)
    return np.asarray(np.clip(picture, 0, 255, out=picture), np.uint8)


def noise(width: int, height: int, seed: int) -> Map:
    """Sensor noise, float32 (height, width, 3): a random crop of one large sheet, rotated, by seed."""
    sheet = noise_sheet(1 << (max(width, height, 256) * 2 - 1).bit_length())
    rng = np.random.default_rng([seed, 2])
    top, left = int(rng.integers(0, len(sheet) - height)), int(rng.integers(0, len(sheet) - width))
    cut = sheet[top : top + height, left : left + width]
    return np.asarray(cut[:: rng.choice([-1, 1]), :: rng.choice([-1, 1])])


@lru_cache(maxsize=2)
def noise_sheet(side: int) -> Map:
    """Fine noise common to all colours, and coarser noise of each: float32 (side, side, 3)."""
    rng = np.random.default_rng(0)
    fine = rng.standard_normal((side, side, 1), dtype=np.float32)
    coarse = cv2.resize(rng.standard_normal((side // 2, side // 2, 3), dtype=np.float32), (side, side))
    return np.asarray(fine * np.float32(0.8) + coarse * np.float32(0.7), np.float32)
