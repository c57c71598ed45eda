"""Eyes and brows."""

from __future__ import annotations

import cv2
import numpy as np

from facegap.demo.illustrated.canvas import SHARPER, Bytes, Colour, mixed, scaled, sharp
from facegap.demo.illustrated.geometry import Floats, across, smooth, stroke, tapered, xy
from facegap.demo.illustrated.head import disc
from facegap.demo.illustrated.sitting import Sitting

WHITE = (224.0, 228.0, 232.0)
PUPIL_UP = 0.10  # height of the pupil above the line between the corners of the eye, as a fraction of its opening


def paint_eye(sitting: Sitting, sign: int) -> None:
    """One eye; sign: -1 for the left one in the picture, 1 for the right one."""
    upper, lower = lids(sitting, sign)
    view, canvas, p = sitting.view, sitting.canvas, sitting.person
    shape = view.relief(np.concatenate([upper, lower[::-1]]), -0.03)
    paint_ball(sitting, sign, shape)
    dark = mixed((22.0, 20.0, 24.0), scaled(p.hair_colour, 0.4, 0.4, 0.4), 0.3)
    lash = view.relief(upper, -0.02)
    # The upper lid is a stroke that widens towards the outer corner.
    widths = (0.012 + 0.020 * np.linspace(0.5, 1.0, len(lash)) + 0.016 * p.lashes) * canvas.unit
    canvas.brush(stroke(lash, widths * tapered(len(lash), start=0.45, end=0.6)), dark)
    if p.lashes > 0.4:
        paint_lashes(sitting, sign, upper, dark)
    canvas.line(view.relief(lower, -0.02), sitting.skin_shade(0.45), 0.010)
    paint_crease(sitting, sign, upper)


def lids(sitting: Sitting, sign: int) -> tuple[Floats, Floats]:
    """Upper and lower lid from the inner to the outer corner, float64 (n, 2) in head space."""
    p, photo = sitting.person, sitting.photo
    half = p.eye_size
    opening = p.eye_open * (1 - 0.85 * photo.blink) * (1 + 0.22 * photo.brows) * (1 - 0.10 * p.lines)
    squint = 0.30 * photo.smile
    tilt = p.eye_tilt
    corner_in, corner_out = (-half, 0.022), (half, 0.004 - tilt)
    upper = xy(
        corner_in,
        (-0.60 * half, -0.62 * opening),
        (-0.05 * half, -1.0 * opening - 0.3 * tilt),
        (0.58 * half, -0.76 * opening - 0.6 * tilt),
        corner_out,
    )
    low = opening * (0.72 - squint)
    lower = xy(
        corner_in,
        (-0.5 * half, 0.62 * low + 0.012),
        (0.08 * half, 0.92 * low),
        (0.62 * half, 0.62 * low - 0.5 * tilt),
        corner_out,
    )
    place = np.array([sign * p.eye_spacing, p.eye_height])
    mirror = np.array([float(sign), 1.0])
    return smooth(upper) * mirror + place, smooth(lower) * mirror + place


def paint_ball(sitting: Sitting, sign: int, shape: Floats) -> None:
    """White, iris, pupil and highlights, visible between the lids."""
    p, photo, canvas = sitting.person, sitting.photo, sitting.canvas
    low, high = np.floor(shape.min(axis=0)).astype(int) - 2, np.ceil(shape.max(axis=0)).astype(int) + 3
    left, top = (int(max(0, value)) for value in low)
    area = canvas.colour[top * SHARPER : int(high[1]) * SHARPER, left * SHARPER : int(high[0]) * SHARPER]
    if area.size == 0:
        return
    offset = np.array([left, top], np.float64)
    mask = np.zeros(area.shape[:2], np.uint8)
    cv2.fillPoly(mask, [sharp(shape - offset)], 255, cv2.LINE_AA, 4)
    eye: Bytes = np.empty_like(area)
    eye[:] = mixed(WHITE, sitting.flush(0.4), 0.10)
    gaze = 0.30 * p.eye_size * photo.gaze
    at = sitting.view.relief(xy((sign * p.eye_spacing + gaze, p.eye_height - PUPIL_UP * p.eye_open)), 0.0)[0] - offset
    iris, unit = 0.47 * p.eye_size * canvas.unit, canvas.unit

    def spot(centre: Floats, radius: float, colour: Colour, stretch: float = 1.0) -> None:
        cv2.fillPoly(eye, [sharp(disc(centre, radius, stretch))], colour, cv2.LINE_AA, 4)

    spot(at, iris, scaled(p.eye_colour, 0.42, 0.42, 0.42))
    spot(at, iris * 0.86, p.eye_colour)
    spot(at + np.array([0, iris * 0.30]), iris * 0.50, mixed(p.eye_colour, (190, 205, 215), 0.22), 0.8)
    spot(at, iris * 0.42, (16.0, 14.0, 14.0))
    # The upper lid casts a shadow on the eyeball.
    shade = shape - offset
    half = len(shade) // 2
    lid = np.concatenate([shade[:half], shade[:half][::-1] + np.array([0, 0.045 * unit])])
    shadow = eye.copy()
    cv2.fillPoly(shadow, [sharp(lid)], scaled(p.eye_colour, 0.25, 0.25, 0.25), cv2.LINE_AA, 4)
    eye = np.asarray(cv2.addWeighted(shadow, 0.38, eye, 0.62, 0), np.uint8)
    glint = at + np.array([0.42 * np.sign(sitting.sun[0] or 1.0), -0.42]) * iris
    spot(glint, max(iris * 0.24, 0.45), (255.0, 255.0, 255.0))
    spot(
        at + np.array([-0.40 * np.sign(sitting.sun[0] or 1.0), 0.45]) * iris,
        iris * 0.13,
        mixed(p.eye_colour, (255, 255, 255), 0.6),
    )
    inner = (
        sitting.view.relief(xy((sign * (p.eye_spacing - p.eye_size * 0.93), p.eye_height + 0.02)), -0.03)[0] - offset
    )
    spot(inner, 0.028 * unit, sitting.flush(0.85))
    weight = mask[:, :, None].astype(np.float32) * np.float32(1 / 255)
    area[:] = area + (eye.astype(np.float32) - area) * weight


def paint_lashes(sitting: Sitting, sign: int, upper: Floats, dark: Colour) -> None:
    """Single lashes along the outer half of the upper lid."""
    p = sitting.person
    roots = upper[len(upper) * 2 // 5 :: 3]
    share = np.linspace(0.3, 1.0, len(roots))
    tips = roots + np.stack([sign * (0.012 + 0.045 * share), -0.030 - 0.020 * share], axis=1) * (0.5 + 0.8 * p.lashes)
    bowed = (roots + tips) / 2 + (0.0, 0.006)
    sitting.canvas.hairs(sitting.view.relief(np.stack([roots, bowed, tips], axis=1)), dark, 0.008)
    corner = upper[-4:]
    wing = np.concatenate([corner, corner[-1:] + xy((sign * 0.05 * p.lashes, -0.03 * p.lashes))])
    pixels = sitting.view.relief(wing)
    sitting.canvas.brush(stroke(pixels, np.linspace(0.035, 0.004, len(pixels)) * sitting.canvas.unit), dark)


def paint_crease(sitting: Sitting, sign: int, upper: Floats) -> None:
    """The fold of the upper lid; if it is small, a soft line close to the lashes."""
    p = sitting.person
    above = 0.022 + 0.052 * p.lid_crease
    middle = np.array([sign * p.eye_spacing, p.eye_height])
    fold = middle + (upper - middle) * np.array([1.04, 1.0]) - np.array([0, above])
    fold = fold[2:-1]
    lid = np.concatenate([fold, upper[2:-1][::-1]])
    if p.lashes > 0.5:
        sitting.canvas.fill(
            sitting.view.relief(lid), mixed(sitting.skin_shade(0.24), sitting.flush(0.8), 0.5 * p.lashes)
        )
    pixels = sitting.view.relief(fold)
    widths = (0.010 + 0.012 * p.lid_crease) * sitting.canvas.unit * tapered(len(pixels))
    sitting.canvas.brush(stroke(pixels, widths), sitting.skin_shade(0.30 + 0.20 * p.lid_crease))


def paint_brow(sitting: Sitting, sign: int) -> None:
    """One brow: a stroke, and single hairs over it."""
    p, photo, view, canvas = sitting.person, sitting.photo, sitting.view, sitting.canvas
    raised = p.brow_height + 0.055 * photo.brows
    y = p.eye_height - raised
    inner, outer = p.eye_spacing - 0.27, p.eye_spacing - 0.27 + p.brow_length
    span = outer - inner
    tilt, arch = p.brow_tilt, p.brow_arch
    centre = smooth(
        xy(
            (inner, y + 0.020 + tilt * 0.5),
            (inner + 0.33 * span, y - 0.45 * arch - 0.01),
            (inner + 0.64 * span, y - arch - tilt * 0.2),
            (outer, y + 0.055 - tilt * 0.6),
        ),
        per=5,
    ) * np.array([sign, 1.0])
    share = np.linspace(0, 1, len(centre))
    widths = p.brow_width * np.interp(share, [0, 0.18, 0.6, 1], [0.62, 1.0, 0.85, 0.16])
    colour = brow_colour(sitting)
    pixels = view.relief(centre, 0.03)
    canvas.brush(stroke(pixels, widths * canvas.unit), mixed(colour, sitting.skin, 0.15))
    rng = np.random.default_rng([p.texture, 3])
    index = rng.integers(0, len(centre) - 1, 34)
    along = across(centre)[index][:, ::-1] * (1.0, -1.0)
    roots = centre[index] + np.stack([0 * index, rng.uniform(-0.30, 0.42, len(index)) * widths[index]], axis=1)
    lean = along * 0.085 + np.stack([0 * index, 0.045 * (share[index] - 0.55)], axis=1)
    hairs = view.relief(np.stack([roots, roots + lean], axis=1), 0.03)
    canvas.hairs(hairs[::2], scaled(colour, 0.80, 0.80, 0.80), 0.009)
    canvas.hairs(hairs[1::2], mixed(colour, sitting.skin, 0.22), 0.009)


def brow_colour(sitting: Sitting) -> Colour:
    """Slightly darker than the hair, but never as pale as white hair."""
    b, g, r = sitting.person.hair_colour
    pale = max(0.0, (b + g + r) / 3 - 120) / 135
    return mixed(scaled((b, g, r), 0.72, 0.70, 0.68), sitting.skin_shade(0.55), 0.25 + 0.25 * pale)
