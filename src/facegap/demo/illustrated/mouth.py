"""The mouth: two lips of different tones, the line between them, and teeth if it is open."""

from __future__ import annotations

import numpy as np

from facegap.demo.illustrated.canvas import Colour, Relief, mixed, scaled
from facegap.demo.illustrated.geometry import Floats, mirrored, smooth, surface_z, xy
from facegap.demo.illustrated.sitting import Sitting

LIP_LIFT = 0.02


def corner(sitting: Sitting) -> tuple[float, float]:
    """The right corner of the mouth in head space; a smile moves it out and up."""
    p, smile = sitting.person, sitting.photo.smile
    return p.mouth_width * (0.97 + 0.12 * smile), p.mouth_height - 0.075 * smile + 0.016


def paint_mouth(sitting: Sitting) -> None:
    """Lips, teeth and the shadows around them."""
    p, photo, canvas = sitting.person, sitting.photo, sitting.canvas
    (cx, cy), y = corner(sitting), p.mouth_height
    apart = 0.16 * photo.open
    thin = 1 - 0.22 * photo.smile
    up, low = p.upper_lip * thin, p.lower_lip * thin
    seam_up = half_curve(
        (cx, cy),
        (0.55 * cx, y + 0.008 - 0.30 * apart),
        (0.22 * cx, y - 0.004 - 0.42 * apart),
        (0, y + 0.012 - 0.42 * apart),
    )
    seam_low = half_curve(
        (cx, cy),
        (0.55 * cx, y + 0.012 + 0.60 * apart),
        (0.22 * cx, y + 0.006 + 0.85 * apart),
        (0, y + 0.016 + 0.85 * apart),
    )
    top = half_curve(
        (cx, cy),
        (0.66 * cx, y - 0.66 * up - 0.30 * apart),
        (0.26 * cx, y - up - p.cupid * 0.4 - 0.42 * apart),
        (0, y - up + p.cupid - 0.42 * apart),
    )
    bottom = half_curve(
        (cx, cy),
        (0.68 * cx, y + 0.70 * low + 0.70 * apart),
        (0.28 * cx, y + low + 0.9 * apart),
        (0, y + 1.04 * low + 0.9 * apart),
    )
    upper, lower = lip_colours(sitting)
    if apart > 0.012:
        paint_inside(sitting, seam_up, seam_low)
    canvas.fill(on_lips(sitting, np.concatenate([bottom, seam_low[::-1]])), lower)
    canvas.fill(on_lips(sitting, np.concatenate([top, seam_up[::-1]])), upper)
    line = on_lips(sitting, seam_up)
    canvas.line(line, scaled(upper, 0.46, 0.42, 0.52), 0.014 if apart > 0.012 else 0.022)
    shade_mouth(sitting, y, low + 0.9 * apart, (cx, cy))


def half_curve(*points: tuple[float, float]) -> Floats:
    """A smooth curve through points from the right corner to the middle, mirrored to the left corner."""
    right = xy(*points)
    return smooth(np.concatenate([right, mirrored(right[:-1])[::-1]]), per=4)


def on_lips(sitting: Sitting, points: Floats) -> Floats:
    """Pixels of points of the mouth, which is slightly in front of the face."""
    reach = np.clip(1 - (points[:, 0] / 0.5) ** 2, 0, 1)
    return sitting.view.turned(points, surface_z(points) + LIP_LIFT * reach)


def lip_colours(sitting: Sitting) -> tuple[Colour, Colour]:
    """Upper lip (darker, because it faces down) and lower lip; some people wear lipstick."""
    p = sitting.person
    bare = sitting.flush(0.50 + 0.25 * max(0.0, p.lip_colour))
    worn = mixed((92.0, 66.0, 178.0), scaled(sitting.skin, 0.5, 0.42, 0.85), 0.45)
    colour = mixed(bare, worn, max(0.0, p.lip_colour - 0.35) * 1.3)
    dark = (p.monk - 1) / 9
    lower = mixed(colour, (132.0, 118.0, 188.0), 0.30 * dark * (1 - p.lip_colour))
    return scaled(colour, 0.84 - 0.08 * dark, 0.80 - 0.08 * dark, 0.88 - 0.06 * dark), lower


def paint_inside(sitting: Sitting, seam_up: Floats, seam_low: Floats) -> None:
    """The dark interior of an open mouth, and the upper teeth."""
    canvas = sitting.canvas
    canvas.fill(on_lips(sitting, np.concatenate([seam_up, seam_low[::-1]])), (38.0, 26.0, 58.0))
    inner = slice(3, len(seam_up) - 3)
    edge = seam_up[inner] + (seam_low[inner] - seam_up[inner]) * 0.62
    canvas.fill(on_lips(sitting, np.concatenate([seam_up[inner], edge[::-1]])), (214.0, 228.0, 234.0))


def shade_mouth(sitting: Sitting, y: float, depth: float, at: tuple[float, float]) -> None:
    """The groove above, dark corners, and the light on the lower lip."""
    canvas, view = sitting.canvas, sitting.view
    fine = Relief(canvas, 0.022)
    groove = smooth(xy((0, sitting.person.nose_length + 0.12), (0, y - sitting.person.upper_lip - 0.02)), per=3)
    fine.line(view.relief(groove), -0.10, 0.05)
    for sign in (-1, 1):
        spot = view.relief(xy((sign * at[0] * 0.96, at[1]), (sign * (at[0] + 0.03), at[1] + 0.005)))
        fine.line(spot, -0.30, 0.03)
    canvas.light *= fine.blurred()
    shine = Relief(canvas, 0.028)
    wide = sitting.person.mouth_width * 0.42
    x = 0.10 * sitting.sun[0]
    curve = smooth(xy((x - wide, y + 0.50 * depth), (x, y + 0.58 * depth), (x + wide, y + 0.50 * depth)))
    shine.line(on_lips(sitting, curve), 0.55, 0.035)
    strength = 0.13 * (0.4 + sitting.person.lip_colour)
    canvas.gloss += np.clip(shine.blurred() - 1, 0, 1) * np.float32(strength)
