"""From painted layers to a photograph: light on colour, the colour of the light, lens, sensor."""

from __future__ import annotations

import cv2
import numpy as np

from facegap.simulate.faces.canvas import Bytes, Canvas, Map
from facegap.simulate.faces.photograph import Photograph
from facegap.simulate.faces.sitting import USUAL_WIDTH

BLOOD = (0.20, 0.13, -0.06)  # share of blue, green and red that warm skin swallows


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
    """Bright values bent below white, as a camera does, instead of cut."""
    over = np.maximum(picture - np.float32(225), np.float32(0))
    picture -= over
    picture += np.float32(30) * (np.float32(1) - np.exp(over * np.float32(-1 / 30)))
    return picture


def sensed(picture: Map, photo: Photograph, size: float) -> Bytes:
    """Blurred by the lens, grained by the sensor; size: the width relative to the usual one."""
    if photo.blur * size > 0.15:
        picture = cv2.GaussianBlur(picture, (0, 0), photo.blur * size)
    if photo.noise > 0:
        rng = np.random.default_rng([photo.seed, 2])
        height, width = picture.shape[:2]
        grain = rng.standard_normal((height, width), dtype=np.float32) * np.float32(0.8 * photo.noise)
        coarse = rng.standard_normal(((height + 1) // 2, (width + 1) // 2, 3), dtype=np.float32) * np.float32(0.7 * photo.noise)
        picture += cv2.resize(coarse, (width, height))
        picture += grain[:, :, None]
    return np.asarray(np.clip(picture + np.float32(0.5), 0, 255), np.uint8)
