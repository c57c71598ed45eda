"""Facial hair and glasses."""

from __future__ import annotations

import cv2
import numpy as np

from facegap.demo.illustrated.canvas import Map, Relief, mixed, scaled
from facegap.demo.illustrated.geometry import Floats, mirrored, smooth, xy
from facegap.demo.illustrated.mouth import corner
from facegap.demo.illustrated.sitting import Sitting
from facegap.demo.illustrated.strands import grain_of


def paint_beard(sitting: Sitting) -> None:
    """Stubble, moustache, goatee or full beard; the mouth is painted later."""
    p, canvas = sitting.person, sitting.canvas
    if p.beard == "none":
        return
    cover = np.zeros_like(canvas.light)
    if p.beard in ("full", "stubble"):
        cover = canvas.cover(full_outline(sitting))
    if p.beard == "goatee":
        cover = canvas.cover(goatee_outline(sitting))
    cover = np.maximum(cover, canvas.cover(moustache_outline(sitting)))
    soft = cv2.GaussianBlur(cover, (0, 0), (0.055 if p.beard == "stubble" else 0.032) * canvas.unit)
    if p.beard == "stubble":
        strength = (0.36 + 0.16 * grain_of(sitting, 12, 0.012)) * p.beard_density
    else:
        strength = (0.82 + 0.13 * grain_of(sitting, 12, 0.012)) * (0.7 + 0.3 * p.beard_density)
    colour = mixed(scaled(p.hair_colour, 0.85, 0.85, 0.88), sitting.skin_shade(0.7), 0.12)
    canvas.blend(colour, (soft * np.clip(strength, 0, 0.97)).astype(np.float32))
    if p.beard != "stubble":
        paint_bristles(sitting, cover)


def full_outline(sitting: Sitting) -> Floats:
    """From one side of the head along the cheek under the nose to the other, and back along the jaw."""
    p = sitting.person
    cx, cy = corner(sitting)
    chin, wide = p.chin_length + 0.07 * sitting.photo.open, p.face_width
    grown = 0.03 if p.beard == "stubble" else 0.06 + 0.06 * p.beard_density
    cheek = xy(
        (0.97 * wide, 0.10),
        (0.86 * wide, 0.44),
        (0.64, 0.70),
        (cx + 0.14, cy - 0.06),
        (0.30, p.nose_length + 0.20),
        (0.0, p.nose_length + 0.22),
    )
    jaw = xy(
        (0.0, chin + grown),
        (p.chin_width * 0.9, chin - 0.02 + grown),
        (p.jaw_width * 0.94 + grown * 0.3, 0.94 + grown / 2),
        (0.99 * wide, 0.52),
    )
    upper = sitting.view.relief(smooth(np.concatenate([cheek, mirrored(cheek[:-1])[::-1]])), 0.0)
    lower = sitting.view.flat(smooth(np.concatenate([jaw[::-1], mirrored(jaw[1:])])))
    return np.concatenate([upper, lower[::-1]])


def goatee_outline(sitting: Sitting) -> Floats:
    """Around mouth and chin."""
    p = sitting.person
    cx, cy = corner(sitting)
    chin = p.chin_length + 0.07 * sitting.photo.open
    right = xy(
        (0.0, p.nose_length + 0.22),
        (0.8 * cx, cy - 0.14),
        (cx + 0.08, cy),
        (cx * 0.95, cy + 0.22),
        (p.chin_width * 0.85, chin - 0.06),
    )
    bottom = xy((0.0, chin + 0.05))
    return sitting.view.relief(smooth(np.concatenate([right, bottom, mirrored(right[1:])[::-1]]), closed=True), 0.03)


def moustache_outline(sitting: Sitting) -> Floats:
    """Between nose and mouth."""
    p = sitting.person
    cx, cy = corner(sitting)
    top, low = p.nose_length + 0.16, p.mouth_height - p.upper_lip * 0.55
    right = xy(
        (0.0, top + 0.02),
        (0.14, top),
        (0.28, top + 0.07),
        (cx + 0.05, cy + 0.02),
        (cx * 0.8, cy - 0.03),
        (0.2, low),
        (0.0, low + 0.01),
    )
    return sitting.view.relief(smooth(np.concatenate([right, mirrored(right[1:-1])[::-1]]), closed=True), 0.06)


def paint_bristles(sitting: Sitting, cover: Map) -> None:
    """Single hairs, mostly pointing down."""
    p, canvas = sitting.person, sitting.canvas
    rng = np.random.default_rng([p.texture, 13])
    low = np.array([[-0.8, 0.6]]) if p.beard == "full" else np.array([[-0.42, 0.6]])
    span = np.array([[1.6, 0.95]]) if p.beard == "full" else np.array([[0.84, 0.9]])
    roots = low + span * rng.random((150, 2))
    tips = roots + np.stack([0.05 * np.sign(roots[:, 0]) * rng.random(150), 0.05 + 0.03 * rng.random(150)], axis=1)
    a, b = sitting.view.relief(roots), sitting.view.relief(tips)
    width, height = canvas.size
    column, row = np.clip(b[:, 0].astype(int), 0, width - 1), np.clip(b[:, 1].astype(int), 0, height - 1)
    inside = np.flatnonzero(
        (cover[row, column] > 0.9)
        & (cover[np.clip(a[:, 1].astype(int), 0, height - 1), np.clip(a[:, 0].astype(int), 0, width - 1)] > 0.9)
    )
    hairs = np.stack([a[inside], b[inside]], axis=1)
    pale = sum(p.hair_colour) / 3
    light = mixed(p.hair_colour, (120.0, 120.0, 128.0), 0.25) if pale < 60 else scaled(p.hair_colour, 1.25, 1.25, 1.25)
    canvas.hairs(hairs[::2], scaled(p.hair_colour, 0.6, 0.6, 0.6), 0.010)
    canvas.hairs(hairs[1::2], light, 0.010)


LENS: dict[str, tuple[tuple[float, float], ...]] = {
    "round": (
        (-0.30, -0.02),
        (-0.22, -0.21),
        (0.0, -0.28),
        (0.22, -0.21),
        (0.31, 0.0),
        (0.22, 0.22),
        (0.0, 0.29),
        (-0.21, 0.21),
    ),
    "square": (
        (-0.32, -0.17),
        (-0.10, -0.20),
        (0.12, -0.20),
        (0.33, -0.17),
        (0.34, 0.04),
        (0.28, 0.19),
        (0.0, 0.22),
        (-0.27, 0.19),
        (-0.32, 0.04),
    ),
    "cat-eye": (
        (-0.29, -0.10),
        (0.0, -0.20),
        (0.30, -0.25),
        (0.38, -0.22),
        (0.33, 0.02),
        (0.20, 0.18),
        (-0.05, 0.21),
        (-0.25, 0.13),
    ),
    "aviator": (
        (-0.31, -0.15),
        (0.0, -0.20),
        (0.30, -0.16),
        (0.35, 0.0),
        (0.26, 0.24),
        (0.05, 0.32),
        (-0.18, 0.22),
        (-0.29, 0.02),
    ),
}


def paint_glasses(sitting: Sitting) -> None:
    """Frame, bridge and arms, and a reflection on each lens."""
    p, canvas = sitting.person, sitting.canvas
    if p.glasses == "none":
        return
    thick = 0.022 if p.glasses == "aviator" else 0.042
    shadow = Relief(canvas, 0.03)
    gleam = Relief(canvas, 0.012)
    for sign in (-1, 1):
        lens = lens_outline(sitting, sign)
        rim = np.concatenate([lens, lens[:1]])
        shadow.line(rim + np.array([0, 0.05 * canvas.unit]), -0.20, 0.05)
        across = xy((sign * 0.985, -0.06), (sign * (p.eye_spacing + 0.30), p.eye_height - 0.12))
        canvas.line(sitting.view.turned(across, np.array([0.05, 0.68])), p.glasses_colour, thick * 1.1)
        canvas.line(rim, p.glasses_colour, thick)
        canvas.line(
            rim[: len(rim) // 2] - np.array([0.2, 0.3]) * thick * canvas.unit,
            mixed(p.glasses_colour, (255, 255, 255), 0.35),
            thick * 0.2,
        )
        middle, half = lens.mean(axis=0), (lens.max(axis=0) - lens.min(axis=0)) / 2
        for at, size in ((-0.45, 0.16), (-0.12, 0.07)):
            x = at * half[0]
            right = x + size * half[0] * 2
            low = (x - 0.5 * half[0], 0.5 * half[1])
            streak = middle + xy(
                (x, -0.78 * half[1]), (right, -0.78 * half[1]), (right - 0.5 * half[0], 0.5 * half[1]), low
            )
            gleam.paint(streak, 0.30)
    y = p.eye_height - 0.10
    bridge = smooth(xy((-(p.eye_spacing - 0.30), y), (0.0, y - 0.06), (p.eye_spacing - 0.30, y)))
    canvas.line(sitting.view.turned(bridge, np.array(np.full(len(bridge), 0.92))), p.glasses_colour, thick)
    canvas.light *= shadow.blurred()
    canvas.gloss += np.clip(gleam.blurred() - 1, 0, 1) * np.float32(0.45)


def lens_outline(sitting: Sitting, sign: int) -> Floats:
    """One lens in pixels; lenses are in front of the eyes and nearly flat."""
    p = sitting.person
    shape = smooth(xy(*LENS[p.glasses]), closed=True) * np.array([sign, 1.0]) + xy(
        (sign * (p.eye_spacing + 0.015), p.eye_height + 0.02)
    )
    return sitting.view.turned(shape, 0.90 - 0.35 * np.abs(shape[:, 0]) ** 2)
