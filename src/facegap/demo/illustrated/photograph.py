"""One photograph of a person: pose, expression, light, camera and background."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from facegap.demo.illustrated.canvas import Colour

Backdrop = Literal["studio", "wall", "window", "shelf", "leaves", "lights"]
BACKDROPS: tuple[Backdrop, ...] = ("studio", "wall", "window", "shelf", "leaves", "lights")
Clothes = Literal["crew", "v-neck", "shirt", "blazer", "turtleneck", "hoodie"]
CLOTHES: tuple[Clothes, ...] = ("crew", "v-neck", "shirt", "blazer", "turtleneck", "hoodie")
# Backdrops and clothes: muted colours that match, in blue, green, red.
QUIET: tuple[Colour, ...] = (
    (196, 190, 182),
    (208, 214, 220),
    (176, 186, 168),
    (150, 160, 178),
    (190, 176, 150),
    (206, 196, 176),
    (132, 140, 150),
    (108, 122, 120),
    (170, 188, 206),
    (152, 132, 118),
    (96, 96, 104),
    (196, 208, 200),
)
CLOTH: tuple[Colour, ...] = (
    (92, 64, 44),
    (60, 58, 58),
    (214, 216, 220),
    (74, 92, 60),
    (60, 66, 128),
    (120, 98, 74),
    (84, 132, 176),
    (128, 92, 104),
    (150, 146, 138),
    (50, 40, 34),
    (86, 70, 150),
    (168, 150, 96),
    (70, 110, 140),
    (196, 180, 168),
)


@dataclass(frozen=True)
class Photograph:
    """Everything that changes between photographs.

    yaw, pitch, roll : degrees; positive turns the face to the right of the picture, down, and clockwise
    size             : of the face, relative to its usual size; shift: of its centre, in half widths of a face
    smile, open      : 0..1, lips stretched, and parted; brows: -1..1; gaze: -1..1 to the sides; blink: 0 open to 1 shut
    light_from       : degrees, to the right of the camera and above it; harsh: 0 soft to 1 hard shadows
    exposure         : brightness; warmth: -1 bluish to 1 orange light
    noise            : standard deviation in 0..255; blur: standard deviation in pixels for a width of 160
    seed             : of the noise, and of shapes in the background
    """

    yaw: float
    pitch: float
    roll: float
    size: float
    shift: tuple[float, float]
    smile: float
    open: float
    brows: float
    gaze: float
    blink: float
    light_from: tuple[float, float]
    harsh: float
    exposure: float
    warmth: float
    noise: float
    blur: float
    backdrop: Backdrop
    backdrop_colour: Colour
    clothes: Clothes
    cloth: Colour
    seed: int


# A frontal face in soft even light, for measurements that need only the face.
PLAIN = Photograph(
    yaw=0,
    pitch=0,
    roll=0,
    size=1,
    shift=(0, 0),
    smile=0.45,
    open=0,
    brows=0,
    gaze=0,
    blink=0,
    light_from=(18, 30),
    harsh=0.35,
    exposure=1,
    warmth=0,
    noise=0,
    blur=0,
    backdrop="studio",
    backdrop_colour=QUIET[0],
    clothes="crew",
    cloth=CLOTH[0],
    seed=0,
)


def draw_photograph(rng: np.random.Generator) -> Photograph:
    """A typical photograph: mostly frontal, mostly in good light."""
    smile = float(np.clip(0.48 + 0.32 * rng.standard_normal(), 0, 1))
    return Photograph(
        yaw=spread(rng, 0, 8, 24),
        pitch=spread(rng, 0, 3, 8),
        roll=spread(rng, 0, 3, 9),
        size=float(np.clip(1 + 0.06 * rng.standard_normal(), 0.85, 1.15)),
        shift=(spread(rng, 0, 0.06, 0.16), spread(rng, 0, 0.05, 0.12)),
        smile=smile,
        open=float(np.clip(rng.uniform(-0.5, 0.6), 0, 1) * (0.35 + smile)),
        brows=spread(rng, 0.05, 0.3, 0.9),
        gaze=spread(rng, 0, 0.3, 0.8),
        blink=float(np.clip(0.2 * abs(rng.standard_normal()), 0, 0.5)),
        light_from=(spread(rng, 0, 28, 60), float(np.clip(28 + 12 * rng.standard_normal(), 2, 58))),
        harsh=float(rng.beta(2, 3)),
        exposure=float(np.clip(1 + 0.08 * rng.standard_normal(), 0.78, 1.2)),
        warmth=spread(rng, 0.05, 0.3, 0.9),
        noise=float(rng.gamma(2.0, 1.0)),
        blur=float(np.clip(rng.gamma(1.5, 0.21), 0, 1.0)),
        backdrop=BACKDROPS[int(rng.integers(0, len(BACKDROPS)))],
        backdrop_colour=QUIET[int(rng.integers(0, len(QUIET)))],
        clothes=CLOTHES[int(rng.integers(0, len(CLOTHES)))],
        cloth=CLOTH[int(rng.integers(0, len(CLOTH)))],
        seed=int(rng.integers(0, 2**31)),
    )


def spread(rng: np.random.Generator, middle: float, deviation: float, limit: float) -> float:
    """A normal random number around `middle`, limited to `limit` on both sides."""
    return float(np.clip(middle + deviation * rng.standard_normal(), -limit, limit))
