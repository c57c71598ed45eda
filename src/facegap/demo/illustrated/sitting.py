"""One person in front of one camera: what all painting functions need, and how light falls."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np

from facegap.demo.illustrated.canvas import Canvas, Colour, Map, mixed, scaled
from facegap.demo.illustrated.geometry import Floats, View, view_of
from facegap.demo.illustrated.person import Person
from facegap.demo.illustrated.photograph import Photograph

USUAL_WIDTH = 160  # pixels; the picture width for which blur and noise are defined
UNIT_SHARE = 0.290  # half the width of a face, relative to the width of the picture
COARSER = 4  # light on a ball is smooth, so it is computed on a coarser grid, by this factor
WRAP = 0.35  # how far soft light reaches around a ball


@dataclass(frozen=True)
class Sitting:
    """A person, a photograph, the two views (head and body), the canvas, and the colours of the skin.

    sun : unit vector towards the light, in the picture's axes (right, down, towards the viewer)
    """

    person: Person
    photo: Photograph
    view: View
    body: View
    canvas: Canvas
    sun: tuple[float, float, float]

    @property
    def skin(self) -> Colour:
        """The person's skin in even light."""
        return self.person.skin

    def skin_shade(self, depth: float) -> Colour:
        """Skin in a fold: darker and redder; depth 0..1."""
        return scaled(self.skin, 1 - 0.62 * depth, 1 - 0.58 * depth, 1 - 0.46 * depth)

    def flush(self, share: float) -> Colour:
        """Reddened skin; share 0..1."""
        b, g, r = self.skin
        return mixed(self.skin, (b * 0.66 + 14, g * 0.60 + 12, min(255.0, r * 0.90 + 26)), share)


def sitting_of(person: Person, photo: Photograph, size: tuple[int, int]) -> Sitting:
    """Set up camera and light for a picture of `size` (width, height)."""
    width, height = size
    unit = width * UNIT_SHARE * photo.size
    centre = (width / 2 + photo.shift[0] * unit - 0.5, height * 0.480 + photo.shift[1] * unit - 0.5)
    yaw, pitch, roll = (float(np.deg2rad(angle)) for angle in (photo.yaw, photo.pitch, photo.roll))
    head = view_of(yaw=yaw, pitch=pitch, roll=roll, scale=unit, centre=centre)
    body = view_of(yaw=0.25 * yaw, pitch=0.0, roll=0.2 * roll, scale=unit, centre=centre)
    return Sitting(
        person,
        photo,
        head,
        body,
        Canvas.blank(size, unit),
        towards_light(photo),
    )


def towards_light(photo: Photograph) -> tuple[float, float, float]:
    """Unit vector from the face to the light: right, down, towards the viewer."""
    side, up = (float(np.deg2rad(angle)) for angle in photo.light_from)
    return float(np.sin(side) * np.cos(up)), float(-np.sin(up)), float(np.cos(side) * np.cos(up))


def ball_light(sitting: Sitting, centre: tuple[float, float], radii: tuple[float, float], view: View) -> Map:
    """Light on a ball the size of a head: float32 (h, w), 1 where its surface faces the camera.

    centre, radii : in units of head space
    """
    width, height = sitting.canvas.size
    coarse = (-(-width // COARSER), -(-height // COARSER))
    # Linear maps from pixels of the coarser grid to the ball's axes, one each for nx and ny.
    to_ball = np.linalg.inv(view.roll) / np.array(radii)
    start = ((COARSER - 1) / 2 - view.centre) @ to_ball - np.array(centre) / np.array(radii)
    columns, rows = pixel_grid(coarse)
    step = to_ball * COARSER
    nx = columns * np.float32(step[0, 0]) + (rows * np.float32(step[1, 0]) + np.float32(start[0]))
    ny = columns * np.float32(step[0, 1]) + (rows * np.float32(step[1, 1]) + np.float32(start[1]))
    nz = np.sqrt(np.maximum(np.float32(1) - nx * nx - ny * ny, np.float32(0.02)))
    ambient = 0.80 - 0.42 * sitting.photo.harsh
    direct = (1 - ambient) / max(0.35, (sitting.sun[2] + WRAP) / (1 + WRAP)) / (1 + WRAP)
    sun = [np.float32(part * direct) for part in sitting.sun]
    light = np.maximum(nx * sun[0] + ny * sun[1] + nz * sun[2] + np.float32(WRAP * direct), np.float32(0)) + np.float32(
        ambient
    )
    return np.asarray(cv2.resize(light, (coarse[0] * COARSER, coarse[1] * COARSER))[:height, :width], np.float32)


@lru_cache(maxsize=8)
def pixel_grid(size: tuple[int, int]) -> tuple[Map, Map]:
    """Column and row of every pixel: float32 (1, w) and (h, 1)."""
    return np.arange(size[0], dtype=np.float32)[None, :], np.arange(size[1], dtype=np.float32)[:, None]


def lay(sitting: Sitting, cover: Map, light: Map, *, skin: bool = False) -> None:
    """Put a lit surface over the picture: its light replaces the light below, and the shine below is hidden.

    skin : shadows on it are warm, because some light passes through it
    """
    canvas = sitting.canvas
    canvas.light += (light - canvas.light) * cover
    bare = np.float32(1) - cover
    canvas.gloss *= bare
    canvas.warmth *= bare
    if skin:
        canvas.warmth += cover * np.maximum(np.float32(1.122) - light * np.float32(1.1), np.float32(0))


def cast(sitting: Sitting, length: float) -> Floats:
    """Displacement in pixels of the shadow of something `length` above a surface."""
    x, y, z = sitting.sun
    return np.array([-x, -y]) * (length * sitting.view.scale / max(z, 0.5))
