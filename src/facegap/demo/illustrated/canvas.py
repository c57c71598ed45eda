"""A canvas: flat colours at twice the final size, and soft maps of light, gloss and warmth at the final size.

Colour and light are kept separate until the photograph is taken. So a line in a darker skin colour is correct under any
light, and a soft shadow needs only one blur of a small map.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facegap.demo.illustrated.geometry import Floats

SHARPER = 2  # factor between the size of the colour layer and the final size
SHIFT = 4  # fractional bits of a polygon's corners
NO_DISCS = np.empty((0, 3))
NEUTRAL = 128  # value of a relief map that leaves the light unchanged
Bytes = NDArray[np.uint8]
Map = NDArray[np.float32]
Colour = tuple[float, float, float]  # blue, green, red, 0..255


@dataclass(eq=False)
class Canvas:
    """The layers of one picture of `size` (width, height); all are painted in place.

    colour : uint8 (2 h, 2 w, 3), colours under even light
    light  : float32 (h, w), factor of the light; 1 is even light
    gloss  : float32 (h, w), added shine, as a fraction of white
    warmth : float32 (h, w), 0..1, blood under the skin
    unit   : pixels of the final picture per unit of head space
    """

    size: tuple[int, int]
    unit: float
    colour: Bytes
    light: Map
    gloss: Map
    warmth: Map

    @property
    def detail(self) -> int:
        """Samples between two points of a long curve: more in larger pictures."""
        return 6 if self.unit < 70 else 14

    @classmethod
    def blank(cls, size: tuple[int, int], unit: float) -> Canvas:
        """An empty canvas with even light."""
        width, height = size
        return cls(
            size,
            unit,
            np.zeros((height * SHARPER, width * SHARPER, 3), np.uint8),
            np.ones((height, width), np.float32),
            np.zeros((height, width), np.float32),
            np.zeros((height, width), np.float32),
        )

    def fill(self, points: Floats, colour: Colour) -> None:
        """Fill a polygon, corners in pixels of the final picture."""
        cv2.fillPoly(self.colour, [sharp(points)], colour, cv2.LINE_AA, SHIFT)

    def lines(self, curves: list[Floats], colour: Colour, width: float) -> None:
        """Draw open curves of one colour; width in units of head space, at least one pixel."""
        thick = max(1, round(width * self.unit * SHARPER))
        cv2.polylines(self.colour, [sharp(curve) for curve in curves], False, colour, thick, cv2.LINE_AA, SHIFT)

    def hairs(self, curves: Floats, colour: Colour, width: float) -> None:
        """Draw many open curves with the same number of points, float64 (k, n, 2); faster than `lines`."""
        thick = max(1, round(width * self.unit * SHARPER))
        # Not antialiased: at twice the final size this is invisible, and it takes a fifth of the time.
        cv2.polylines(self.colour, list(sharp(curves)), False, colour, thick, cv2.LINE_8, SHIFT)

    def line(self, curve: Floats, colour: Colour, width: float) -> None:
        """Draw one open curve."""
        self.lines([curve], colour, width)

    def brush(self, outline: Floats, colour: Colour) -> None:
        """Fill the outline of a stroke, which may intersect itself."""
        self.fill(outline, colour)

    def discs(self, discs: Floats, colour: Colour) -> None:
        """Fill discs, float64 (k, 3): x, y and radius in pixels of the final picture."""
        corners, radii = sharp(discs[:, :2]).tolist(), fixed(discs[:, 2] * SHARPER).tolist()
        for at, radius in zip(corners, radii, strict=True):
            cv2.circle(self.colour, at, radius, colour, -1, cv2.LINE_AA, SHIFT)

    def cover(self, *polygons: Floats, discs: Floats = NO_DISCS) -> Map:
        """The fraction of each pixel of the final picture covered by polygons and discs: float32 (h, w) in 0..1."""
        mask = np.zeros(self.light.shape, np.uint8)
        for polygon in polygons:
            cv2.fillPoly(mask, [fixed(polygon)], 255, cv2.LINE_AA, SHIFT)
        for at, radius in zip(fixed(discs[:, :2]).tolist(), fixed(discs[:, 2]).tolist(), strict=True):
            cv2.circle(mask, at, radius, 255, -1, cv2.LINE_AA, SHIFT)
        return mask.astype(np.float32) * np.float32(1 / 255)

    def blend(self, colour: Colour, share: Map) -> None:
        """Mix a colour into the picture, with a weight (h, w) for each pixel of the final picture."""
        rows, columns = np.flatnonzero(share.any(axis=1)), np.flatnonzero(share.any(axis=0))
        if not len(rows):
            return
        top, bottom, left, right = rows[0], rows[-1] + 1, columns[0], columns[-1] + 1
        area = self.colour[top * SHARPER : bottom * SHARPER, left * SHARPER : right * SHARPER]
        large = cv2.resize(share[top:bottom, left:right], area.shape[1::-1], interpolation=cv2.INTER_LINEAR)
        now = area.astype(np.float32)
        now += (np.array(colour, np.float32) - now) * large[:, :, None]
        area[:] = now + np.float32(0.5)


def fixed(points: Floats) -> NDArray[np.int32]:
    """Corners in the final picture, in the fixed-point format of OpenCV with SHIFT."""
    return np.rint(points * (1 << SHIFT)).astype(np.int32)


def sharp(points: Floats) -> NDArray[np.int32]:
    """Corners in the larger colour layer; pixel centres have integer coordinates in both."""
    return np.rint(points * (SHARPER << SHIFT) + (SHARPER - 1) * (1 << SHIFT) / 2).astype(np.int32)


class Relief:
    """A soft map of darker and lighter areas: shapes are painted, blurred once, and multiplied with the light."""

    def __init__(self, canvas: Canvas, softness: float) -> None:
        self.canvas = canvas
        self.sigma = softness * canvas.unit
        # Strong blurs need no resolution: half the size takes a quarter of the time.
        self.part = 1 if self.sigma < 2 else 2 if self.sigma < 5 else 4
        self.map = np.full(tuple(-(-side // self.part) for side in canvas.light.shape), NEUTRAL, np.uint8)

    def paint(self, points: Floats, change: float) -> None:
        """Make a polygon lighter (change > 0) or darker (< 0), by a fraction of the light, -1..1."""
        at = (points + 0.5) / self.part - 0.5
        cv2.fillPoly(self.map, [fixed(at)], tone(change), cv2.LINE_AA, SHIFT)

    def paint_all(self, polygons: Floats, changes: list[float]) -> None:
        """Paint polygons with the same number of corners, float64 (k, n, 2), one after the other."""
        corners = fixed((polygons + 0.5) / self.part - 0.5)
        for polygon, change in zip(corners, changes, strict=True):
            cv2.fillPoly(self.map, [polygon], tone(change), cv2.LINE_AA, SHIFT)

    def line(self, curve: Floats, change: float, width: float) -> None:
        """Make an open curve lighter or darker; width in units of head space."""
        at = (curve + 0.5) / self.part - 0.5
        thick = max(1, round(width * self.canvas.unit / self.part))
        cv2.polylines(self.map, [fixed(at)], False, tone(change), thick, cv2.LINE_AA, SHIFT)

    def blurred(self) -> Map:
        """Factors of the light: float32 (h, w), 1 where nothing was painted."""
        soft: Map = self.map.astype(np.float32) * np.float32(1 / NEUTRAL)
        soft = np.asarray(cv2.GaussianBlur(soft, (0, 0), self.sigma / self.part), np.float32)
        if self.part > 1:
            height, width = self.canvas.light.shape
            soft = np.asarray(
                cv2.resize(soft, (self.map.shape[1] * self.part, self.map.shape[0] * self.part)), np.float32
            )[:height, :width]
        return np.asarray(soft, np.float32)


def tone(change: float) -> float:
    """A change of light as a value of a relief map."""
    return min(255.0, max(0.0, NEUTRAL * (1 + change)))


def mixed(one: Colour, other: Colour, share: float) -> Colour:
    """A colour between two; share: the weight of the other."""
    b, g, r = (a + (c - a) * share for a, c in zip(one, other, strict=True))
    return b, g, r


def scaled(colour: Colour, blue: float, green: float, red: float) -> Colour:
    """A colour with each channel multiplied, clipped to 0..255."""
    b, g, r = (min(255.0, max(0.0, a * f)) for a, f in zip(colour, (blue, green, red), strict=True))
    return b, g, r
