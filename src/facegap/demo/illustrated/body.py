"""Neck, shoulders, clothes, ears."""

from __future__ import annotations

import numpy as np

from facegap.demo.illustrated.canvas import Relief, mixed, scaled
from facegap.demo.illustrated.geometry import Floats, mirrored, smooth, xy
from facegap.demo.illustrated.sitting import Sitting, ball_light, cast, lay

SHOULDER = xy((1.10, 2.00), (1.60, 2.14), (2.06, 2.38), (2.34, 2.90), (2.40, 3.90))


def paint_body(sitting: Sitting, outline: Floats) -> None:
    """Neck, with clothes over it; outline: of the head, which casts its shadow on the neck."""
    canvas, person = sitting.canvas, sitting.person
    neck = neck_outline(sitting)
    canvas.fill(neck, sitting.skin)
    light = ball_light(sitting, (0.0, 1.7), (1.15, 2.4), sitting.body)
    soft = Relief(canvas, 0.09)
    soft.paint(outline + cast(sitting, 0.16) + np.array([0, 0.20 * canvas.unit]), -0.22 - 0.20 * sitting.photo.harsh)
    soft.paint(outline + np.array([0, 0.05 * canvas.unit]), -0.42)
    for sign in (-1, 1):  # the muscles from behind the ears to the collar bones
        muscle = sitting.body.behind(smooth(xy((sign * person.neck * 0.86, 1.25), (sign * 0.10, 1.98))), 0.1)
        soft.line(muscle, 0.06, 0.07)
        soft.line(sitting.body.behind(smooth(xy((sign * 0.14, 2.02), (sign * 0.9, 1.99))), 0.1), -0.14, 0.05)
    lay(sitting, canvas.cover(neck), light * soft.blurred(), skin=True)
    paint_clothes(sitting)


def neck_outline(sitting: Sitting) -> Floats:
    """The neck from under the jaw to the shoulders, in pixels."""
    wide = sitting.person.neck
    upper, lower = xy((wide, 0.70), (wide * 0.95, 1.20)), xy((wide * 0.98, 1.55), (wide * 1.14, 1.82), (1.0, 2.16))
    bottom = xy((1.0, 2.6), (1.0, 3.9))
    right = [sitting.view.behind(upper, 0.12), sitting.body.behind(np.concatenate([lower, bottom]), 0.12)]
    left = [
        sitting.view.behind(mirrored(upper), 0.12),
        sitting.body.behind(mirrored(np.concatenate([lower, bottom])), 0.12),
    ]
    return smooth(np.concatenate([*right, *(part[::-1] for part in left[::-1])]), closed=True)


def paint_clothes(sitting: Sitting) -> None:
    """Clothes with folds."""
    canvas, cloth, kind = sitting.canvas, sitting.photo.cloth, sitting.photo.clothes
    side = sitting.person.neck * 1.16
    neckline = {
        "crew": xy((side, 1.80), (0.50, 2.02), (0.0, 2.12)),
        "v-neck": xy((side, 1.80), (0.36, 2.14), (0.0, 2.46)),
        "shirt": xy((side * 0.98, 1.76), (0.34, 2.08), (0.0, 2.34)),
        "blazer": xy((side * 0.98, 1.76), (0.34, 2.10), (0.0, 2.40)),
        "turtleneck": xy((side * 0.93, 1.46), (0.40, 1.58), (0.0, 1.62)),
        "hoodie": xy((side * 1.06, 1.74), (0.55, 2.02), (0.0, 2.16)),
    }[kind]
    half = np.concatenate([smooth(SHOULDER)[::-1], xy((side + 0.12, 1.84)), smooth(neckline)])
    shape = at_body(sitting, np.concatenate([half, mirrored(half[:-1])[::-1]]))
    canvas.fill(shape, cloth)
    DETAILS[kind](sitting, smooth(neckline))
    light = ball_light(sitting, (0.0, 3.1), (2.5, 1.9), sitting.body)
    soft = Relief(canvas, 0.12)
    for sign in (-1, 1):
        soft.line(at_body(sitting, smooth(xy((sign * 1.55, 3.6), (sign * 1.42, 2.9), (sign * 1.62, 2.45)))), -0.22, 0.1)
        soft.line(at_body(sitting, smooth(xy((sign * 0.9, 2.12), (sign * 1.5, 2.26), (sign * 1.9, 2.5)))), 0.10, 0.12)
    lay(sitting, canvas.cover(shape), light * soft.blurred())


def at_body(sitting: Sitting, points: Floats) -> Floats:
    """Pixels of points of the body."""
    return sitting.body.behind(points, 0.05)


def both(points: Floats) -> Floats:
    """A curve from one side to the middle, mirrored to the other side."""
    return np.concatenate([points, mirrored(points[:-1])[::-1]])


def hem(sitting: Sitting, neckline: Floats, width: float, shade: float) -> None:
    """A band along the neckline."""
    sitting.canvas.line(
        at_body(sitting, both(neckline) + np.array([0, width / 2])),
        scaled(sitting.photo.cloth, shade, shade, shade),
        width,
    )


def crew(sitting: Sitting, neckline: Floats) -> None:
    """A round hem."""
    hem(sitting, neckline, 0.09, 0.86)


def v_neck(sitting: Sitting, neckline: Floats) -> None:
    """A narrow hem down to a point."""
    hem(sitting, neckline, 0.07, 0.84)


def turtleneck(sitting: Sitting, neckline: Floats) -> None:
    """A rolled collar."""
    dark = scaled(sitting.photo.cloth, 0.82, 0.82, 0.82)
    wide = sitting.person.neck
    for low in (0.22, 0.42):
        fold = smooth(xy((wide * 1.14, 1.52 + low), (0.42, 1.66 + low), (0.0, 1.70 + low)))
        sitting.canvas.line(at_body(sitting, both(fold)), dark, 0.03)
    hem(sitting, neckline, 0.04, 1.12)


def hoodie(sitting: Sitting, neckline: Floats) -> None:
    """A thick hood on the shoulders, and two cords."""
    cloth = sitting.photo.cloth
    for k, shade in ((0.17, 0.80), (0.10, 0.93)):
        hem(sitting, neckline, k * 1.4, shade)
    for sign in (-1, 1):
        cord = smooth(xy((sign * 0.22, 2.26), (sign * 0.26, 2.55), (sign * 0.24, 2.9)))
        sitting.canvas.line(at_body(sitting, cord), mixed(cloth, (235, 235, 235), 0.7), 0.035)


def shirt(sitting: Sitting, neckline: Floats) -> None:  # noqa: ARG001
    """Two points of a collar, and a row of buttons."""
    collar(sitting, mixed(sitting.photo.cloth, (255, 255, 255), 0.16))
    dark = scaled(sitting.photo.cloth, 0.80, 0.80, 0.80)
    sitting.canvas.line(at_body(sitting, xy((0.0, 2.34), (0.0, 3.9))), dark, 0.02)


def collar(sitting: Sitting, colour: tuple[float, float, float]) -> None:
    """The two points of a collar."""
    side = sitting.person.neck
    dark = scaled(colour, 0.72, 0.72, 0.72)
    for sign in (-1, 1):
        point = xy(
            (sign * side * 1.0, 1.66),
            (sign * (side * 1.22 + 0.02), 1.84),
            (sign * 0.50, 2.42),
            (sign * 0.02, 2.30),
            (sign * side * 0.62, 1.98),
        )
        sitting.canvas.fill(at_body(sitting, point), colour)
        sitting.canvas.line(at_body(sitting, point[1:4]), dark, 0.02)
        sitting.canvas.line(at_body(sitting, point[[0, 4, 3]]), dark, 0.015)


def blazer(sitting: Sitting, neckline: Floats) -> None:  # noqa: ARG001
    """A light shirt under two lapels."""
    cloth, white = sitting.photo.cloth, (226.0, 226.0, 222.0)
    light_cloth = sum(cloth) > 480
    inner = (96.0, 74.0, 60.0) if light_cloth else white
    sitting.canvas.fill(at_body(sitting, both(xy((0.62, 1.80), (0.40, 2.5), (0.0, 3.3)))), inner)
    sitting.canvas.fill(at_body(sitting, both(smooth(xy((0.56, 1.78), (0.30, 2.06), (0.0, 2.32))))), sitting.skin)
    collar(sitting, mixed(inner, (255, 255, 255), 0.3))
    lapel = scaled(cloth, 0.88, 0.88, 0.88)
    for sign in (-1, 1):
        shape = xy(
            (sign * (sitting.person.neck * 1.22), 1.80),
            (sign * 0.56, 2.42),
            (sign * 0.02, 3.6),
            (sign * 0.9, 3.0),
            (sign * 1.02, 2.48),
            (sign * 0.86, 2.40),
            (sign * 0.98, 2.2),
        )
        sitting.canvas.fill(at_body(sitting, shape), lapel)
        sitting.canvas.line(at_body(sitting, shape[[0, 1, 2]]), scaled(cloth, 0.62, 0.62, 0.62), 0.02)
        sitting.canvas.line(at_body(sitting, shape[[3, 4, 5, 6]]), scaled(cloth, 0.68, 0.68, 0.68), 0.02)


DETAILS = {
    "crew": crew,
    "v-neck": v_neck,
    "shirt": shirt,
    "blazer": blazer,
    "turtleneck": turtleneck,
    "hoodie": hoodie,
}


def paint_ears(sitting: Sitting) -> None:
    """Both ears; the head, painted later, covers their hidden part."""
    person, canvas = sitting.person, sitting.canvas
    high, out = person.ear_size, person.ear_out
    light = ball_light(sitting, (0.0, 0.1), (1.3, 1.7), sitting.view)
    for sign in (-1, 1):
        edge = person.face_width * 0.95
        shape = smooth(
            xy(
                (edge - 0.06, -0.10),
                (edge + out * 0.75, -0.14),
                (edge + out + 0.04, 0.02 + high * 0.2),
                (edge + out * 0.8, high * 0.9),
                (edge + out * 0.42, 0.14 + high * 1.15),
                (edge - 0.08, 0.10 + high),
            )
            * np.array([sign, 1.0]),
            closed=True,
        )
        pixels = sitting.view.behind(shape, 0.06)
        canvas.fill(pixels, sitting.flush(0.22))
        lay(sitting, canvas.cover(pixels), light, skin=True)
        middle = pixels.mean(axis=0)
        inner = middle + (pixels - middle) * 0.62
        canvas.fill(inner, sitting.skin_shade(0.30))
        fold = smooth(
            xy((edge + out * 0.5, 0.02), (edge + out * 0.72, high * 0.45), (edge + out * 0.3, high * 0.85))
            * np.array([sign, 1.0])
        )
        canvas.line(sitting.view.behind(fold, 0.06), sitting.flush(0.3), 0.045)
        if person.earrings:
            at = sitting.view.behind(xy((sign * (edge + out * 0.42), 0.16 + high * 1.15)), 0.06)[0]
            angle = np.linspace(0, 2 * np.pi, 12, endpoint=False)
            ring = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 0.045 * canvas.unit
            canvas.fill(at + ring, (150.0, 205.0, 232.0))
            canvas.fill(at + ring * 0.45 - 0.012 * canvas.unit, (245.0, 250.0, 255.0))
