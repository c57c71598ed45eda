"""The elements of hair: strands, curls, coils, cords, stubble, and the fringe, painted into a mass of hair."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facegap.demo.illustrated.canvas import Colour, Map, mixed, scaled
from facegap.demo.illustrated.geometry import Floats, across, evenly, smooth, surface_z, xy
from facegap.demo.illustrated.sitting import Sitting
from facegap.demo.illustrated.styles import STYLES, Style

CURLS = 190  # arcs on each side
BOW = np.linspace(0, 0.9 * np.pi, 6)  # radians of each


@dataclass(frozen=True)
class Lock:
    """Hair on one side: its two edges, float64 (n, 2) in pixels, from the parting to the tips."""

    inner: Floats
    outer: Floats

    @property
    def outline(self) -> Floats:
        """Both edges as one polygon."""
        return np.concatenate([self.inner, self.outer[::-1]])

    def between(self, shares: Floats) -> Floats:
        """Strands: float64 (k, n, 2) for shares (k,), from 0 (inner edge) to 1 (outer edge)."""
        return self.inner + (self.outer - self.inner) * shares[:, None, None]


def paint_strands(sitting: Sitting, sides: tuple[Lock, Lock], cover: Map) -> None:  # noqa: ARG001
    """Straight or wavy hair: strands in four shades of its colour along its fall."""
    p, canvas = sitting.person, sitting.canvas
    style = STYLES[p.hair]
    rng = np.random.default_rng([p.texture, 6])
    shades = hair_shades(p.hair_colour)
    for lock in sides:
        along = np.linspace(0, 1, len(lock.inner))[::2]
        strands = lock.between(np.clip(np.linspace(0.03, 0.97, 26) + rng.normal(0, 0.015, 26), 0.01, 0.99))[:, ::2]
        if style.texture == "wavy":
            phase = rng.random(26)[:, None] * 0.15 + 2.6 * along
            strands = strands + (np.sin(2 * np.pi * phase) * 0.035 * canvas.unit * np.clip(along * 2 - 0.4, 0, 1))[
                :, :, None
            ] * xy((1.0, 0.15))
        for k, shade in enumerate(shades):
            canvas.hairs(strands[k :: len(shades)], shade, 0.012 + 0.008 * (k % 2))


def paint_curls(sitting: Sitting, sides: tuple[Lock, Lock], cover: Map) -> None:  # noqa: ARG001
    """Curls: arcs of all sizes in shades of the colour, mostly across the fall of the hair."""
    p, canvas = sitting.person, sitting.canvas
    rng = np.random.default_rng([p.texture, 7])
    shades = hair_shades(p.hair_colour)
    bow = np.stack([np.cos(BOW), np.sin(BOW)], axis=1)
    count = CURLS
    for lock in sides:
        shares, at = rng.uniform(0.04, 1.05, count), rng.integers(0, len(lock.inner), count)
        places = lock.inner[at] + (lock.outer[at] - lock.inner[at]) * shares[:, None]
        turns, sizes = rng.uniform(0, 2 * np.pi, count), rng.uniform(0.035, 0.10, count) * canvas.unit
        sine, cosine = np.sin(turns), np.cos(turns)
        spun = np.stack([np.stack([cosine, sine], 1), np.stack([-sine, cosine], 1)], 1)
        curls = places[:, None] + (bow @ spun) * sizes[:, None, None]
        for k, shade in enumerate(shades):
            canvas.hairs(curls[k :: len(shades)], shade, 0.012)


def paint_coils(sitting: Sitting, sides: tuple[Lock, Lock], cover: Map) -> None:  # noqa: ARG001
    """Tight coils: a light and dark grain."""
    p, canvas = sitting.person, sitting.canvas
    grain = 0.7 * grain_of(sitting, 8, 0.013)
    pale = max(p.hair_colour)
    canvas.blend(
        mixed(p.hair_colour, (150.0, 150.0, 155.0), 0.30 if pale < 120 else 0.5), cover * np.clip(grain, 0, 0.75)
    )
    canvas.blend(scaled(p.hair_colour, 0.45, 0.45, 0.45), cover * np.clip(-grain, 0, 0.8))


def paint_ropes(sitting: Sitting, sides: tuple[Lock, Lock], cover: Map) -> None:  # noqa: ARG001
    """Braids or locs: parallel twisted cords, dark in between."""
    p, canvas = sitting.person, sitting.canvas
    dark, light = scaled(p.hair_colour, 0.38, 0.38, 0.38), mixed(p.hair_colour, (120.0, 125.0, 135.0), 0.18)
    unit = canvas.unit
    for lock in sides:
        canvas.hairs(lock.between(np.linspace(0.0, 1.0, 8)), dark, 0.045)
        turns, gleams = [], []
        for cord in lock.between((np.arange(7) + 0.5) / 7):
            fine = evenly(cord, 0.085 * unit)
            side = across(fine)
            step, side = side[:, ::-1] * (unit, -unit), side * (0.040 * unit)
            turns.append(np.stack([fine - side, fine + step * 0.05 + side], axis=1))
            gleams.append(np.stack([fine - 0.3 * side + step * 0.03, fine + step * 0.055 + 0.3 * side], axis=1))
        canvas.hairs(np.concatenate(gleams), light, 0.030)
        canvas.hairs(np.concatenate(turns), dark, 0.014)


def paint_shaved(sitting: Sitting, cover: Map) -> None:
    """Shaved hair: a layer with a soft edge and a fine grain."""
    soft = cv2.GaussianBlur(cover, (0, 0), 0.03 * sitting.canvas.unit) * cover
    grain = 0.62 + 0.20 * grain_of(sitting, 9, 0.009)
    sitting.canvas.blend(
        scaled(sitting.person.hair_colour, 0.9, 0.9, 0.9), np.clip(soft * grain, 0, 0.86).astype(np.float32)
    )


def fringe_outline(sitting: Sitting, style: Style) -> Floats:
    """Hair over the forehead, in pixels."""
    assert style.fringe is not None
    low, wide = style.fringe, 0.86 * sitting.person.face_width
    rng = np.random.default_rng([sitting.person.texture, 10])
    x = np.linspace(-wide, wide, 13)
    y = low + 0.16 * (x / wide) ** 4 + rng.normal(0, 0.022, 13)
    lower = smooth(np.stack([x, y], axis=1), per=3)
    upper = xy((wide * 0.98, -0.75), (0.45, -1.18), (0.0, -1.28), (-0.45, -1.18), (-wide * 0.98, -0.75))
    return sitting.view.turned(np.concatenate([lower, upper]), surface_z(np.concatenate([lower, upper])) + 0.03)


def paint_fringe(sitting: Sitting, outline: Floats) -> None:
    """Strands of a fringe."""
    canvas, rng = sitting.canvas, np.random.default_rng([sitting.person.texture, 11])
    lower = outline[:-5]
    at = rng.integers(1, len(lower) - 1, 30)
    crown = sitting.view.turned(xy((0.0, -1.9)), np.array([0.4]))[0]
    tips = lower[at]
    roots = tips + (crown - tips) * rng.uniform(0.25, 0.5, 30)[:, None]
    middle = (tips + roots) / 2 + (tips - tips.mean(axis=0)) * 0.06
    curves = np.stack([roots, middle, tips], axis=1)
    for k, shade in enumerate(hair_shades(sitting.person.hair_colour)):
        canvas.hairs(curves[k::4], shade, 0.014)


def hair_shades(colour: Colour) -> tuple[Colour, Colour, Colour, Colour]:
    """Shades darker and lighter than the mass; black hair has a cool highlight."""
    pale = sum(colour) / 3
    light = mixed(colour, (118.0, 116.0, 122.0), 0.22) if pale < 60 else scaled(colour, 1.16, 1.18, 1.18)
    return scaled(colour, 0.62, 0.62, 0.62), light, scaled(colour, 0.82, 0.82, 0.82), mixed(colour, light, 0.5)


def grain_of(sitting: Sitting, stream: int, softness: float) -> Map:
    """A person's own grain, fixed relative to the head: float32 (h, w), about -1..1."""
    rng = np.random.default_rng([sitting.person.texture, stream])
    width, height = sitting.canvas.size
    grain = cv2.GaussianBlur(
        rng.standard_normal((height, width), dtype=np.float32), (0, 0), max(0.5, softness * sitting.canvas.unit)
    )
    return np.asarray(grain / np.float32(max(float(grain.std()) * 1.6, 1e-6)), np.float32)


PAINTERS = {
    "straight": paint_strands,
    "wavy": paint_strands,
    "curly": paint_curls,
    "coily": paint_coils,
    "ropes": paint_ropes,
}
