"""The background behind the person, out of focus."""

from __future__ import annotations

import cv2
import numpy as np

from facegap.demo.illustrated.canvas import Bytes, Map
from facegap.demo.illustrated.photograph import Photograph

COLUMNS, ROWS = 32, 40  # size of the background before it is blurred and enlarged


def paint_backdrop(colour: Bytes, photo: Photograph) -> None:
    """Fill the colour layer with the background."""
    rng = np.random.default_rng([photo.seed, 1])
    base = np.array(photo.backdrop_colour, np.float32)
    small: Map = np.empty((ROWS, COLUMNS, 3), np.float32)
    down = np.linspace(1.07, 0.90, ROWS, dtype=np.float32)[:, None, None]
    across = np.linspace(0.96, 1.04, COLUMNS, dtype=np.float32)[None, :, None]
    small[:] = base * down * (across if rng.random() < 0.5 else across[:, ::-1])
    softness = PAINTERS[photo.backdrop](small, base, rng)
    small = np.asarray(cv2.GaussianBlur(small, (0, 0), softness), np.float32)
    if photo.backdrop == "studio":
        small *= halo()
    # Interpolate smoothly to a quarter of the size, and then, since nothing is sharp, use the fast method.
    height, width = colour.shape[:2]
    middle = cv2.resize(
        np.clip(small, 0, 255).astype(np.uint8), (width // 4, height // 4), interpolation=cv2.INTER_CUBIC
    )
    large = cv2.resize(middle, (width, height), interpolation=cv2.INTER_LINEAR)
    colour[:] = large


def halo() -> Map:
    """A soft pool of light behind the head."""
    y, x = np.mgrid[0:ROWS, 0:COLUMNS].astype(np.float32)
    away = ((x - COLUMNS / 2) / COLUMNS) ** 2 + ((y - ROWS * 0.42) / ROWS) ** 2
    return np.asarray(1.08 - 0.55 * away, np.float32)[:, :, None]


def studio(small: Map, base: Map, rng: np.random.Generator) -> float:  # noqa: ARG001
    """Paper of one colour."""
    return 2.0


def wall(small: Map, base: Map, rng: np.random.Generator) -> float:
    """A wall with a picture on it, or a panel."""
    left, top = int(rng.integers(-6, 20)), int(rng.integers(-4, 10))
    wide, high = int(rng.integers(9, 18)), int(rng.integers(8, 16))
    colour = tuple(float(value) for value in base * rng.uniform(0.72, 1.22))
    cv2.rectangle(small, (left, top), (left + wide, top + high), colour, -1)
    inner = tuple(float(value) for value in base * rng.uniform(0.8, 1.12, 3))
    cv2.rectangle(small, (left + 1, top + 1), (left + wide - 1, top + high - 1), inner, -1)
    return 0.8


def window(small: Map, base: Map, rng: np.random.Generator) -> float:
    """Daylight from a window on one side."""
    small *= np.float32(0.82)
    left = int(rng.choice([-4, 21]))
    cv2.rectangle(small, (left, 2), (left + 14, 27), (238.0, 234.0, 226.0), -1)
    frame = tuple(float(value) for value in base * 0.9)
    cv2.line(small, (left + 7, 2), (left + 7, 27), frame, 1)
    cv2.line(small, (left, 14), (left + 14, 14), frame, 1)
    return 1.0


def shelf(small: Map, base: Map, rng: np.random.Generator) -> float:
    """A shelf of books."""
    small *= np.float32(0.72)
    for top in (-2, 9, 20, 31):
        x = 0
        while x < COLUMNS:
            wide, high = int(rng.integers(2, 4)), int(rng.integers(6, 10))
            colour = tuple(float(v) for v in np.clip(base * rng.uniform(0.5, 1.2) * rng.uniform(0.75, 1.25, 3), 0, 240))
            cv2.rectangle(small, (x, top + 10 - high), (x + wide - 1, top + 9), colour, -1)
            x += wide
    return 1.1


def leaves(small: Map, base: Map, rng: np.random.Generator) -> float:
    """Green outdoors."""
    small[:] = (0.35 * base + 0.65 * np.array([96, 132, 112], np.float32)) * rng.uniform(0.75, 1.05)
    for _ in range(36):
        at = (int(rng.integers(0, COLUMNS)), int(rng.integers(0, ROWS)))
        colour = np.array([84, 136, 112]) * rng.uniform(0.55, 1.6) * rng.uniform(0.85, 1.15, 3)
        cv2.circle(small, at, int(rng.integers(1, 5)), tuple(float(v) for v in np.clip(colour, 0, 245)), -1)
    return 1.3


def lights(small: Map, base: Map, rng: np.random.Generator) -> float:
    """An evening street with round, blurred lights."""
    small[:] = (0.3 * base + 0.7 * np.array([74, 62, 58], np.float32)) * 0.8
    for _ in range(14):
        at = (int(rng.integers(0, COLUMNS)), int(rng.integers(0, ROWS)))
        colour = np.array([[120, 190, 235], [200, 190, 170], [130, 140, 210]][int(rng.integers(0, 3))])
        cv2.circle(small, at, int(rng.integers(1, 3)), tuple(float(v) for v in colour * rng.uniform(0.7, 1.1)), -1)
    return 1.15


PAINTERS = {"studio": studio, "wall": wall, "window": window, "shelf": shelf, "leaves": leaves, "lights": lights}
