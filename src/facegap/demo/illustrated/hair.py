"""Hair: a mass on each side of the parting, strands along it, light on its curve, and the hair at the back."""

from __future__ import annotations

import cv2
import numpy as np

from facegap.demo.illustrated.canvas import NO_DISCS, Map, Relief, scaled
from facegap.demo.illustrated.geometry import Floats, evenly, mirrored, smooth, surface_z, xy
from facegap.demo.illustrated.head import disc
from facegap.demo.illustrated.person import Person
from facegap.demo.illustrated.sitting import Sitting, ball_light, cast, lay
from facegap.demo.illustrated.strands import PAINTERS, Lock, fringe_outline, paint_fringe, paint_shaved
from facegap.demo.illustrated.styles import STYLES, Edge, Style, Texture

TIPS = 1.3  # y from which hair rests on the body and does not turn with the head


def locks(sitting: Sitting, style: Style) -> tuple[Lock, Lock]:
    """The left and the right mass of hair."""
    p = sitting.person
    part = p.parting if style.parted else 0.0
    rng = np.random.default_rng([p.texture, 4])
    found = []
    for sign in (-1, 1):
        inner = smooth(shaped(style, style.inner, p), per=sitting.canvas.detail) * (sign, 1.0)
        outer = smooth(shaped(style, style.outer, p, outside=True), per=sitting.canvas.detail) * (sign, 1.0)
        for edge, reach in ((inner, 0.45), (outer, 0.25)):
            edge[:, 0] += part * np.exp(-((np.abs(edge[:, 0]) / reach) ** 2)) * (1 if edge is inner else 0.6)
        if style.texture == "wavy":
            outer = outer + ripples(outer, rng)
        depth = surface_z(inner) * np.clip((TIPS - inner[:, 1]) / 0.6, 0, 1)
        found.append(Lock(sitting.view.turned(inner, depth), outer_pixels(sitting, outer)))
    return found[0], found[1]


def shaped(style: Style, edge: Edge, p: Person, *, outside: bool = False) -> Floats:
    """An edge with the person's own hairline, width, volume and length."""
    points = xy(*edge)
    points[:, 0] *= p.face_width / 0.965
    if outside:
        away = points - (0.0, -0.1)
        thick = 0.10 * (p.hair_volume - 1) * (0.5 if style.texture == "shaved" else 1.0)
        points += away / np.linalg.norm(away, axis=1, keepdims=True) * (thick, 1.2 * thick)
    else:
        points[:, 1] -= p.hairline * np.clip((-points[:, 1] - 0.3) / 0.6, 0, 1)
    if style.long:
        points[:, 1] += np.maximum((points[:, 1] - 0.4) / 1.5, 0) * (p.hair_length - 1.9)
    return points


def outer_pixels(sitting: Sitting, points: Floats) -> Floats:
    """Pixels of the outer edge: of constant width around the head, hanging on the body below."""
    hang = np.clip((points[:, 1] - 0.5) / 0.8, 0, 1)[:, None]
    return sitting.view.behind(points, 0.05) * (1 - hang) + sitting.body.behind(points, 0.0) * hang


def ripples(edge: Floats, rng: np.random.Generator) -> Floats:
    """Waves of an outer edge, as shifts (n, 2)."""
    along = np.linspace(0, 1, len(edge))
    wave = np.sin(2 * np.pi * (4.2 * along + rng.random())) + 0.5 * np.sin(2 * np.pi * (7.1 * along + rng.random()))
    away = edge - (0.0, -0.1)
    away /= np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-6)
    return np.asarray(away * (wave * 0.034 * np.minimum(along * 4, 1))[:, None])


def puffs(sitting: Sitting, edge: Floats, texture: Texture, stream: int) -> Floats:
    """Round tufts along an edge (pixels) of curled hair: float64 (k, 3), x, y and radius in pixels."""
    size, spacing, jitter = {"curly": (0.115, 0.11, 0.35), "coily": (0.060, 0.055, 0.25)}[texture]
    rng, unit = np.random.default_rng([sitting.person.texture, stream]), sitting.canvas.unit
    places = evenly(edge, spacing * unit)
    radii = size * unit * (1 + jitter * rng.uniform(-1, 1, len(places)))
    return np.column_stack([places + rng.normal(0, 0.018 * unit, places.shape), radii])


def paint_back(sitting: Sitting) -> None:
    """Hair behind neck and head."""
    p, canvas = sitting.person, sitting.canvas
    style = STYLES[p.hair]
    dark = scaled(p.hair_colour, 0.62, 0.62, 0.62)
    if style.top is not None:
        paint_top(sitting, style.top)
    if style.back is None:
        return
    wide, low = style.back
    low += (p.hair_length - 1.9) if style.long else 0.0
    half = smooth(
        xy(
            (0.0, -1.3),
            (0.8 * wide, -1.0),
            (1.03 * wide, 0.0),
            (1.05 * wide, 0.6 * low),
            (0.96 * wide, low),
            (0.0, low + 0.05),
        )
    )
    shape = outer_pixels(sitting, np.concatenate([half, mirrored(half[1:-1])[::-1]]))
    tufts = puffs(sitting, shape, style.texture, 5) if style.texture in ("curly", "coily") else NO_DISCS
    canvas.fill(shape, dark)
    canvas.discs(tufts, dark)
    lay(sitting, canvas.cover(shape, discs=tufts), ball_light(sitting, (0.0, 0.6), (1.6, 2.4), sitting.view))


def paint_top(sitting: Sitting, top: tuple[float, float, float]) -> None:
    """A bun above the head."""
    p, canvas = sitting.person, sitting.canvas
    x, y, radius = top
    at = sitting.view.behind(xy((x, y)), 0.25)[0]
    ring = disc(at, radius * canvas.unit * (0.85 + 0.15 * p.hair_volume), 0.86)
    canvas.fill(ring, scaled(p.hair_colour, 0.86, 0.86, 0.86))
    for turn in range(5):
        angle = np.linspace(0.3 * turn, 0.3 * turn + 2.4, 10)
        curve = at + np.stack([np.cos(angle), 0.8 * np.sin(angle)], axis=1) * radius * canvas.unit * (
            0.25 + 0.15 * turn
        )
        shade = 0.66 if turn % 2 else 1.22
        canvas.line(curve, scaled(p.hair_colour, shade, shade, shade), 0.018)
    lay(sitting, canvas.cover(ring), ball_light(sitting, (x, y), (radius * 1.5, radius * 1.5), sitting.view))


def paint_front(sitting: Sitting) -> None:
    """Hair on the head, over everything except glasses."""
    p, canvas = sitting.person, sitting.canvas
    style = STYLES[p.hair]
    if p.hair == "bald":
        return
    sides = locks(sitting, style)
    tufts = NO_DISCS
    if style.texture in ("curly", "coily"):
        edges = [puffs(sitting, lock.outer, style.texture, 14 + k) for k, lock in enumerate(sides)]
        tufts = np.concatenate(
            [*edges, *(puffs(sitting, lock.inner[1:], "coily", 16 + k) for k, lock in enumerate(sides))]
        )
    shapes = [lock.outline for lock in sides]
    cover = canvas.cover(*shapes, discs=tufts)
    fringe = fringe_outline(sitting, style) if style.fringe is not None else None
    if fringe is not None:
        cover = np.maximum(cover, canvas.cover(fringe))
    shadow_on_face(sitting, cover)
    if style.texture == "shaved":
        paint_shaved(sitting, cover)
        return
    for shape in (*shapes, *([] if fringe is None else [fringe])):
        canvas.fill(shape, p.hair_colour)
    canvas.discs(tufts, p.hair_colour)
    PAINTERS[style.texture](sitting, sides, cover)
    if fringe is not None:
        paint_fringe(sitting, fringe)
    lay(sitting, cover, hair_light(sitting, sides, style))
    if style.texture in ("straight", "wavy"):
        shine(sitting, sides, cover)


def hair_light(sitting: Sitting, sides: tuple[Lock, Lock], style: Style) -> Map:
    """Light on the mass of hair: a ball, a bright band around the crown, darker at the roots and inside the lower part."""
    light = ball_light(sitting, (0.0, 0.1), (1.75, 2.1), sitting.view)
    soft = Relief(sitting.canvas, 0.07)
    for lock in sides:
        count = len(lock.inner)
        first, last = int(0.18 * count), int(0.42 * count)
        band = lock.between(np.array([0.25, 0.80]))
        if style.texture != "coily":
            bright = 0.10 if style.texture == "curly" else 0.22
            soft.paint(np.concatenate([band[0, first:last], band[1, first:last][::-1]]), bright)
        low = lock.between(np.array([0.0, 0.35]))
        soft.paint(np.concatenate([low[0, count // 2 :], low[1, count // 2 :][::-1]]), -0.26)
        soft.line(lock.inner[: count // 2], -0.22, 0.05)
    return light * soft.blurred()


def shine(sitting: Sitting, sides: tuple[Lock, Lock], cover: Map) -> None:
    """A soft gleam on smooth hair."""
    soft = Relief(sitting.canvas, 0.05)
    for lock in sides:
        count = len(lock.inner)
        band = lock.between(np.array([0.35, 0.70]))
        first, last = int(0.24 * count), int(0.34 * count)
        soft.paint(np.concatenate([band[0, first:last], band[1, first:last][::-1]]), 0.5)
    sitting.canvas.gloss += np.clip(soft.blurred() - 1, 0, 1) * cover * np.float32(0.10)


def shadow_on_face(sitting: Sitting, cover: Map) -> None:
    """The soft shadow of the hair on forehead and cheeks."""
    canvas = sitting.canvas
    dx, dy = cast(sitting, 0.07) + np.array([0, 0.05 * canvas.unit])
    moved = cv2.warpAffine(cover, np.array([[1, 0, dx], [0, 1, dy]]), canvas.size)
    moved = cv2.GaussianBlur(moved, (0, 0), 0.06 * canvas.unit)
    canvas.light *= np.float32(1) - moved * np.float32(0.16 + 0.16 * sitting.photo.harsh)
