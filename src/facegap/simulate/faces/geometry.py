"""From a head in units of half a face's width to pixels: smooth curves, the relief of a face, and how it turns.

Head space: x to the right of the picture, y down, z towards the viewer; the origin lies between the eyes, the face is
about 2 wide, the chin near y = 1.4, the top of the skull near y = -1.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FACE_DEPTH = 0.82  # z of the surface between the eyes
FACE_REACH = 1.03  # |x| at which the surface of the face ends
CHIN_FORWARD = 0.45  # z of the chin's outline


def xy(*points: tuple[float, float]) -> Floats:
    """Points as float64 (n, 2)."""
    return np.array(points, np.float64)


def mirrored(points: Floats) -> Floats:
    """The same points on the other side of the face."""
    return points * np.array([-1.0, 1.0])


def smooth(points: Floats, *, closed: bool = False, per: int = 6) -> Floats:
    """A Catmull-Rom curve through points, `per` samples between two of them: float64 (m, k) for points (n, k).

    An open curve begins and ends at its outer points; a closed one does not repeat its first.
    """
    return np.asarray(curve_weights(len(points), closed, per) @ points)


@lru_cache(maxsize=256)
def curve_weights(count: int, closed: bool, per: int) -> Floats:
    """Weights of `count` points in each sample of a Catmull-Rom curve: float64 (samples, count)."""
    pieces = count if closed else count - 1
    share = np.arange(per) / per
    powers = np.stack([np.ones(per), share, share**2, share**3])
    blend = 0.5 * np.array([[0, 2, 0, 0], [-1, 0, 1, 0], [2, -5, 4, -1], [-1, 3, -3, 1]], np.float64)
    weights = np.zeros((pieces * per + (not closed), count))
    for piece in range(pieces):
        for k in range(4):
            at = piece + k - 1
            at = at % count if closed else min(max(at, 0), count - 1)
            weights[piece * per : (piece + 1) * per, at] += powers.T @ blend[:, k]
    if not closed:
        weights[-1, -1] = 1.0
    return weights


def stroke(centre: Floats, widths: Floats) -> Floats:
    """The outline of a brush stroke along a curve: float64 (2 n, 2) for a centre line (n, 2) and its widths (n,)."""
    along = np.gradient(centre, axis=0)
    across = np.stack([-along[:, 1], along[:, 0]], axis=1)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-9)
    half = across * widths[:, None] / 2
    return np.concatenate([centre + half, (centre - half)[::-1]])


def tapered(count: int, *, start: float = 0.15, end: float = 0.15) -> Floats:
    """Widths of a stroke that swells in the middle: float64 (count,), 1 at most."""
    share = np.linspace(0, 1, count)
    return np.asarray(np.minimum(1.0, np.minimum(start + share * 3, end + (1 - share) * 3)))


def surface_z(points: Floats) -> Floats:
    """z of the face at points of its front view: float64 (n,) for (n, 2); 0 from the outline on."""
    x, y = points[:, 0], points[:, 1]
    bulge = np.sqrt(np.clip(1 - (x / FACE_REACH) ** 2, 0, 1))
    return np.asarray(FACE_DEPTH * bulge * (1 - 0.28 * ((y - 0.15) / 1.4) ** 2))


@dataclass(frozen=True)
class View:
    """Where the camera is: how the head is turned, and the map from head space to pixels.

    yaw, pitch, roll : radians; positive turns the face to the right of the picture, down, and clockwise
    scale            : pixels per unit of head space
    centre           : pixel of the head's origin, before the turn
    """

    yaw: float
    pitch: float
    roll: float
    scale: float
    centre: tuple[float, float]

    def turned(self, points: Floats, z: Floats) -> Floats:
        """Pixels, float64 (n, 2), of points of the front view (n, 2) with their depth (n,)."""
        x = points[:, 0] * np.cos(self.yaw) + z * np.sin(self.yaw)
        depth = z * np.cos(self.yaw) - points[:, 0] * np.sin(self.yaw)
        y = points[:, 1] * np.cos(self.pitch) + depth * np.sin(self.pitch)
        return self.placed(np.stack([x, y], axis=1))

    def placed(self, points: Floats) -> Floats:
        """Pixels of points that are turned already: roll, scale and shift only."""
        sine, cosine = np.sin(self.roll), np.cos(self.roll)
        return np.asarray(points @ (self.scale * np.array([[cosine, sine], [-sine, cosine]])) + np.array(self.centre))

    def relief(self, points: Floats, lift: float = 0.0) -> Floats:
        """Pixels of points on the face, `lift` above its surface."""
        return self.turned(points, surface_z(points) + lift)

    def flat(self, points: Floats) -> Floats:
        """Pixels of points of the head's outline: it keeps its width, its chin turns with the face."""
        sine = np.sin(self.yaw)
        far = np.where(points[:, 0] * sine > 0, 1 - 0.10 * abs(sine), 1.0)
        forward = CHIN_FORWARD * np.clip((points[:, 1] - 0.1) / 1.1, 0, 1) ** 1.5
        x = points[:, 0] * far + forward * sine
        y = points[:, 1] * np.cos(self.pitch) + forward * np.sin(self.pitch)
        return self.placed(np.stack([x, y], axis=1))

    def behind(self, points: Floats, depth: float) -> Floats:
        """Pixels of points `depth` behind the axis of the head: ears, the neck, the hair at the back."""
        return self.turned(points, np.full(len(points), -depth))
