"""From head space to pixels: smooth curves, the relief of a face, and its rotation.

The unit of head space is half the width of a face: x points to the right of the picture, y down, z towards the viewer; the
origin is between the eyes, the face is about 2 wide, the chin is near y = 1.4, the top of the skull near y = -1.4.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
FACE_DEPTH = 0.76  # z of the surface between the eyes
FACE_REACH = 1.03  # |x| at which the surface of the face ends
CHIN_FORWARD = 0.45  # z of the chin's outline
SIDEWAYS = np.array([-1.0, 1.0])


def xy(*points: tuple[float, float]) -> Floats:
    """Points as float64 (n, 2)."""
    return np.array(points, np.float64)


def mirrored(points: Floats) -> Floats:
    """The same points on the other side of the face."""
    return np.asarray(points * np.array([-1.0, 1.0]))


def smooth(points: Floats, *, closed: bool = False, per: int = 6) -> Floats:
    """A Catmull-Rom curve through points, with `per` samples between neighbours: float64 (m, k) for points (n, k).

    An open curve starts and ends at its outer points; a closed one does not repeat its first point.
    """
    return np.asarray(curve_weights(len(points), closed, per) @ points)


@lru_cache(maxsize=256)
def curve_weights(count: int, closed: bool, per: int) -> Floats:
    """Weights of `count` points for each sample of a Catmull-Rom curve: float64 (samples, count)."""
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
    half = across(centre) * (widths / 2)[:, None]
    return np.concatenate([centre + half, (centre - half)[::-1]])


def across(curve: Floats) -> Floats:
    """Unit vectors at right angles to a curve: float64 (n, 2)."""
    ahead = np.concatenate([curve[1:], curve[-1:]]) - np.concatenate([curve[:1], curve[:-1]])
    length = np.sqrt(ahead[:, 0] ** 2 + ahead[:, 1] ** 2)
    return np.asarray(ahead[:, ::-1] * SIDEWAYS / np.maximum(length, 1e-9)[:, None])


def evenly(curve: Floats, step: float) -> Floats:
    """A curve sampled at even steps of its length, float64 (n, 2)."""
    length = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.arange(0.0, length[-1], max(step, 1e-3))
    return np.stack([np.interp(at, length, curve[:, 0]), np.interp(at, length, curve[:, 1])], axis=1)


@lru_cache(maxsize=64)
def tapered(count: int, *, start: float = 0.15, end: float = 0.15) -> Floats:
    """Widths of a stroke that is widest in the middle: float64 (count,), at most 1."""
    share = np.linspace(0, 1, count)
    return np.asarray(np.minimum(1.0, np.minimum(start + share * 3, end + (1 - share) * 3)))


@lru_cache(maxsize=8)
def circle(count: int) -> Floats:
    """Points of the unit circle: float64 (count, 2)."""
    angle = np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], axis=1)


def surface_z(points: Floats) -> Floats:
    """z of the face at points of its front view: float64 (...) for (..., 2); 0 outside the outline."""
    x, y = points[..., 0], points[..., 1]
    bulge = np.sqrt(np.maximum(1 - x * x * (1 / FACE_REACH**2), 0))
    y = y - 0.15
    return np.asarray(bulge * (FACE_DEPTH - (FACE_DEPTH * 0.28 / 1.96) * y * y))


@dataclass(frozen=True, eq=False)
class View:
    """The camera: the rotation of the head, and the map from head space to pixels.

    scale  : pixels per unit of head space
    centre : float64 (2,), pixel of the head's origin
    axes   : float64 (3, 2), directions of the head's x, y and z axes in the picture, in pixels per unit
    roll   : float64 (2, 2), the axes of the picture after roll only
    turn, nod : sines of yaw and pitch
    """

    scale: float
    centre: Floats
    axes: Floats
    roll: Floats
    turn: float
    nod: float

    def turned(self, points: Floats, z: Floats) -> Floats:
        """Pixels, float64 (..., 2), of points of the front view (..., 2) with depth (...)."""
        return np.asarray(points @ self.axes[:2] + z[..., None] * self.axes[2] + self.centre)

    def relief(self, points: Floats, lift: float = 0.0) -> Floats:
        """Pixels of points on the face, `lift` above its surface."""
        return self.turned(points, surface_z(points) + lift)

    def behind(self, points: Floats, depth: float) -> Floats:
        """Pixels of points `depth` behind the axis of the head: ears, neck, back hair."""
        return np.asarray(points @ self.axes[:2] + (self.centre - depth * self.axes[2]))

    def flat(self, points: Floats) -> Floats:
        """Pixels of points of the head's outline: its width is constant, its chin turns with the face."""
        far = np.where(points[:, 0] * self.turn > 0, 1 - 0.10 * abs(self.turn), 1.0)
        forward = CHIN_FORWARD * np.clip((points[:, 1] - 0.1) / 1.1, 0, 1) ** 1.5
        level = np.stack([points[:, 0] * far + forward * self.turn, points[:, 1] + forward * self.nod], axis=1)
        return np.asarray(level @ self.roll + self.centre)


def view_of(*, yaw: float, pitch: float, roll: float, scale: float, centre: tuple[float, float]) -> View:
    """The view for angles in radians: positive turns the face to the right of the picture, down, and clockwise."""
    rolled = scale * np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    x = (np.cos(yaw), -np.sin(yaw) * np.sin(pitch))
    z = (np.sin(yaw), np.cos(yaw) * np.sin(pitch))
    axes = np.array([x, (0.0, np.cos(pitch)), z]) @ rolled
    return View(scale, np.array(centre), axes, rolled, float(np.sin(yaw)), float(np.sin(pitch)))
