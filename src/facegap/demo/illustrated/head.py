"""The head: its outline, light and shadow on cheeks, sockets, nose and chin, and lines of age."""

from __future__ import annotations

import cv2
import numpy as np

from facegap.demo.illustrated.canvas import SHARPER, Map, Relief
from facegap.demo.illustrated.geometry import Floats, circle, mirrored, smooth, xy
from facegap.demo.illustrated.sitting import Sitting, ball_light, cast, lay

SKULL_TOP = -1.40


def head_outline(sitting: Sitting) -> Floats:
    """The outline of skull, cheeks and jaw, in pixels."""
    p = sitting.person
    wide, open_by = p.face_width, 0.07 * sitting.photo.open
    chin = p.chin_length + open_by
    right = xy(
        (0.0, SKULL_TOP),
        (0.56 * wide, -1.26),
        (0.90 * wide, -0.82),
        (0.985 * wide, -0.30),
        (0.985 * wide + p.cheek, 0.16),
        (0.5 * (wide + p.jaw_width) + 0.03 + p.cheek / 2, 0.56),
        (p.jaw_width * 0.93, 0.90 + open_by / 2),
        (p.chin_width + 0.42 * (p.jaw_width - p.chin_width), chin - 0.16),
        (p.chin_width * 0.78, chin - 0.025),
        (0.0, chin),
    )
    return sitting.view.flat(smooth(np.concatenate([right, mirrored(right[1:-1])[::-1]]), closed=True))


def paint_head(sitting: Sitting, outline: Floats) -> None:
    """Fill the outline of the head and shade it."""
    canvas = sitting.canvas
    canvas.fill(outline, sitting.skin)
    cover = canvas.cover(outline)
    broad, middle, fine = (Relief(canvas, softness) for softness in (0.15, 0.062, 0.024))
    model_face(sitting, broad, middle)
    model_nose(sitting, middle, fine)
    model_lines(sitting, middle, fine)
    light = ball_light(sitting, (0.0, 0.05), (1.18, 2.0), sitting.view)
    lay(sitting, cover, light * broad.blurred() * middle.blurred() * fine.blurred(), skin=True)
    blush_and_shine(sitting, cover)
    if sitting.person.freckles:
        paint_freckles(sitting)
    if sitting.person.mole is not None:
        at = sitting.view.relief(xy(sitting.person.mole))[0]
        canvas.fill(disc(at, 0.022 * canvas.unit), sitting.skin_shade(0.75))


def disc(centre: Floats, radius: float, stretch: float = 1.0) -> Floats:
    """A round patch in pixels; stretch: ratio of its height to its width."""
    return np.asarray(centre + circle(16) * (radius, radius * stretch))


def paint_ovals(sitting: Sitting, relief: Relief, rows: list[tuple[float, float, float, float, float]]) -> None:
    """Make ovals on the face lighter or darker; a row is x, y, half axes in head space, and the change of light."""
    table = np.array(rows)
    ovals = sitting.view.relief(table[:, None, :2] + circle(16) * table[:, None, 2:4])
    relief.paint_all(ovals, [float(change) for change in table[:, 4]])


def model_face(sitting: Sitting, broad: Relief, middle: Relief) -> None:
    """Forehead, temples, sockets, cheekbones, the folds next to the mouth, the chin."""
    p, photo = sitting.person, sitting.photo
    hard = 0.6 + 0.8 * photo.harsh
    eye_x, eye_y, mouth_y = p.eye_spacing, p.eye_height, p.mouth_height
    wide, narrow = [], []
    for sign in (-1, 1):
        away = float(0.5 - 0.5 * np.tanh(2.5 * sign * sitting.sun[0]))  # 1 on the side away from the light
        wide += [
            (sign * 0.86, -0.42, 0.20, 0.40, -0.10 * hard),
            (sign * 0.68, 0.74, 0.15, 0.30, -(0.05 + 0.13 * away) * hard),
            (sign * 0.55, 0.34, 0.24, 0.13, 0.06 + 0.05 * (1 - away)),
        ]
        narrow += [
            (sign * eye_x, -0.06 + eye_y, 0.27, 0.15, -0.10 * hard),
            (sign * (eye_x - 0.20), -0.02 + eye_y, 0.09, 0.12, -0.12 * hard),
            (sign * eye_x * 1.02, 0.22 + eye_y, 0.16, 0.05, 0.05),
            (sign * (p.mouth_width + 0.05), mouth_y, 0.05, 0.06, -0.12 * (0.5 + photo.smile)),
        ]
    wide += [(0.0, p.chin_length - 0.16, 0.20, 0.12, 0.09), (0.0, -0.62, 0.48, 0.22, 0.05)]
    narrow += [(0.0, mouth_y + p.lower_lip + 0.10, 0.19, 0.055, -0.17 * hard)]
    paint_ovals(sitting, broad, wide)
    paint_ovals(sitting, middle, narrow)


def model_nose(sitting: Sitting, middle: Relief, fine: Relief) -> None:
    """Bridge, tip, wings and nostrils; the side away from the light and the lip below are in shadow."""
    p, view, canvas = sitting.person, sitting.view, sitting.canvas
    tip_y, hard = p.nose_length, 0.6 + 0.8 * sitting.photo.harsh
    side = float(np.tanh(2.2 * sitting.sun[0]))
    ridge = xy((0, -0.10), (0, tip_y * 0.45), (0, tip_y - 0.05))
    lift = np.array([0.08, 0.20, 0.32])
    top = view.turned(ridge, np.array([0.74, 0.80, 0.78]) + lift)
    for sign in (-1, 1):
        away = 0.5 - 0.5 * sign * side
        foot = view.relief(
            xy(
                (sign * p.nose_bridge * 1.9, -0.06),
                (sign * p.nose_bridge * 2.0, tip_y * 0.5),
                (sign * p.nose_width * 0.95, tip_y),
            )
        )
        middle.paint(np.concatenate([top, foot[::-1]]), -(0.03 + 0.15 * away) * hard)
        inner = view.relief(xy((sign * (p.nose_bridge + 0.02), -0.14), (sign * (p.nose_bridge + 0.05), 0.0)))
        middle.line(inner, -0.10 * hard, 0.09)
    below = circle(16) * (p.nose_width * 0.95, 0.06) + (0.0, tip_y + 0.09)
    shadow = view.relief(below) + cast(sitting, 0.10)
    middle.paint(shadow, -0.20 * hard)
    fine.line(smooth(top), 0.10, p.nose_bridge * 0.9)
    centre = view.turned(xy((0, tip_y - 0.02)), np.array([1.02]))[0]
    fine.paint(disc(centre, p.nose_tip * 0.8 * canvas.unit, 0.8), 0.10)
    paint_nostrils(sitting, fine)


def paint_nostrils(sitting: Sitting, fine: Relief) -> None:
    """Two nostrils, the wings around them, and the lower edge of the tip."""
    p, view, canvas = sitting.person, sitting.view, sitting.canvas
    tip_y, wide, flare = p.nose_length, p.nose_width, 1 + 0.10 * sitting.photo.smile
    dark, deep = sitting.skin_shade(0.42), sitting.skin_shade(0.82)
    for sign in (-1, 1):
        wing = smooth(
            xy((0.80, -0.15), (1.03, -0.06), (1.02, 0.03), (0.80, 0.07)) * np.array([sign * wide * flare, 1.0])
            + xy((0, tip_y))
        )
        canvas.line(view.relief(wing, 0.06), dark, 0.022)
        fine.line(view.relief(wing + xy((sign * 0.035, 0.0)), 0.05), -0.16, 0.05)
        hole = smooth(
            xy((0.28, 0.055), (0.46, 0.015), (0.70, 0.03), (0.74, 0.062), (0.50, 0.078)) * np.array([sign * wide, 1.0])
            + xy((0, tip_y)),
            closed=True,
        )
        canvas.fill(view.relief(hole, 0.14), deep)
    base = smooth(
        xy((-0.30, 0.055), (-0.14, 0.095), (0.0, 0.105), (0.14, 0.095), (0.30, 0.055)) * np.array([wide, 1.0])
        + xy((0, tip_y))
    )
    canvas.line(view.relief(base, 0.18), sitting.skin_shade(0.30), 0.018)


def model_lines(sitting: Sitting, middle: Relief, fine: Relief) -> None:
    """Folds from nose to mouth (deeper with a smile and with age), and lines on the forehead and next to the eyes."""
    p, photo, view = sitting.person, sitting.photo, sitting.view
    age, smile = p.lines, photo.smile
    for sign in (-1, 1):
        fold = smooth(
            xy(
                (sign * p.nose_width * 1.10, p.nose_length - 0.04),
                (sign * (p.nose_width + 0.16 + 0.04 * smile), p.nose_length + 0.14),
                (sign * (p.mouth_width + 0.09 + 0.03 * smile), p.mouth_height - 0.02),
                (sign * (p.mouth_width + 0.07), p.mouth_height + 0.10 * (age + smile) / 2 + 0.02),
            )
        )
        middle.line(view.relief(fold + xy((sign * 0.03, 0))), 0.02 + 0.05 * age, 0.06)
        fine.line(view.relief(fold), -(0.03 + 0.18 * age + 0.08 * smile), 0.03)
        if age > 0.08:
            bag = smooth(
                xy((-0.17, 0.10), (-0.04, 0.175), (0.12, 0.165), (0.2, 0.11)) * np.array([-sign, 1.0])
                + xy((sign * p.eye_spacing, p.eye_height + 0.03))
            )
            fine.line(view.relief(bag), -0.22 * age, 0.025)
            for k, lean in enumerate((-0.05, 0.015, 0.08)):
                x, y = p.eye_spacing + 0.27, p.eye_height - 0.03 + 0.045 * k
                crow = xy((sign * x, y), (sign * (x + 0.11 * (0.6 + age)), y + lean))
                fine.line(view.relief(crow), -0.24 * age * (0.5 + smile), 0.016)
            jowl = smooth(xy((sign * (p.mouth_width + 0.07), 1.0), (sign * (p.mouth_width + 0.12), 1.16)))
            middle.line(view.relief(jowl), -0.14 * age, 0.05)
    if age > 0.15:
        brow = max(photo.brows, 0.0)
        for k in range(3):
            y = -0.56 - 0.12 * k
            bend = smooth(
                xy((-0.5, y + 0.035), (-0.2, y - 0.015), (0.05, y + 0.01), (0.28, y - 0.012), (0.5, y + 0.03))
            )
            fine.line(view.relief(bend), -(0.16 * age + 0.08 * brow), 0.022)
        for sign in (-1, 1):
            frown = smooth(xy((sign * 0.075, -0.34), (sign * 0.085, -0.22), (sign * 0.06, -0.13)))
            fine.line(view.relief(frown), -0.18 * age, 0.02)


def blush_and_shine(sitting: Sitting, cover: Map) -> None:
    """Warm cheeks, nose and chin; shine where the skin faces light and camera, most visible on dark skin."""
    p, canvas = sitting.person, sitting.canvas
    warm, sheen, shine = Relief(canvas, 0.13), Relief(canvas, 0.15), Relief(canvas, 0.05)
    x = -0.10 * sitting.sun[0]
    chin, nose = p.chin_length - 0.17, p.nose_length
    paint_ovals(
        sitting,
        warm,
        [
            (-0.60, 0.42, 0.23, 0.17, 0.66),
            (0.60, 0.42, 0.23, 0.17, 0.66),
            (0.0, nose - 0.02, 0.14, 0.10, 0.45),
            (0.0, chin, 0.16, 0.08, 0.22),
        ],
    )
    paint_ovals(
        sitting,
        sheen,
        [
            (-0.62 - x, 0.26, 0.20, 0.10, 0.5 + 3 * x),
            (0.62 - x, 0.26, 0.20, 0.10, 0.5 - 3 * x),
            (-3.5 * x, -0.66, 0.40, 0.16, 0.55),
            (-x, chin, 0.16, 0.10, 0.4),
            (0.0, 0.5 * nose, 0.10, 0.5 * nose, 0.4),
        ],
    )
    paint_ovals(
        sitting,
        shine,
        [
            (-0.58 - x, 0.18, 0.11, 0.045, 0.42),
            (0.58 - x, 0.18, 0.11, 0.045, 0.42),
            (-3.2 * x, -0.66, 0.24, 0.075, 0.34),
            (-x, chin, 0.09, 0.05, 0.36),
        ],
    )
    tip = sitting.view.turned(xy((-0.5 * x, nose - 0.05)), np.array([1.03]))[0]
    shine.paint(disc(tip, 0.045 * canvas.unit), 1.0)
    ridge = sitting.view.turned(xy((-0.3 * x, 0.02), (-0.3 * x, nose * 0.7)), np.array([0.84, 0.97]))
    shine.line(ridge, 0.5, 0.05)
    canvas.warmth += positive(warm.blurred()) * cover
    dark = (p.monk - 1) / 9
    hard = 0.6 + 0.7 * sitting.photo.harsh
    canvas.gloss += positive(shine.blurred()) * np.float32((0.055 + 0.13 * dark) * hard)
    canvas.gloss += positive(sheen.blurred()) * cover * np.float32(0.24 * dark**2.5 * hard)


def positive(factors: Map) -> Map:
    """The amount by which light factors exceed 1."""
    return np.asarray(np.maximum(factors - np.float32(1), np.float32(0)), np.float32)


def paint_freckles(sitting: Sitting) -> None:
    """Small spots on nose and cheeks, the same in every photograph."""
    p, canvas = sitting.person, sitting.canvas
    rng = np.random.default_rng([p.texture, 2])
    count = int(30 + 60 * p.freckles)
    places = np.stack([rng.normal(0, 0.36, count), rng.normal(0.33, 0.13, count)], axis=1)
    shade = sitting.skin_shade(0.22 + 0.10 * p.freckles)
    for at in (sitting.view.relief(places) + 0.5) * SHARPER - 0.5:
        where = (round(float(at[0]) * 16), round(float(at[1]) * 16))
        cv2.circle(canvas.colour, where, round(0.011 * canvas.unit * SHARPER * 16), shade, -1, cv2.LINE_AA, 4)
