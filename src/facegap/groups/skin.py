"""Where the skin of a face is, in a frame around its five points, and how light falls on it. Arrays in, numbers out.

The frame puts the eyes at fixed places, UNIT pixels apart, so that cheeks, forehead, eyes and mouth are always in the
same pixels. Hair, glasses, beard, shadow and shine in these places are told from skin by their colour, robustly.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facegap.groups.lab import LUMINANCE, linear_light
from facegap.types import BoolArray, FloatArray

UNIT = 50.0  # pixels between the eyes
WIDTH, HEIGHT = 160, 200
# Left eye, right eye, nose, left and right corner of the mouth: the ArcFace template, the middle between the eyes at (80, 80).
_ARCFACE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
TEMPLATE: FloatArray = (_ARCFACE - _ARCFACE[:2].mean(axis=0)) * UNIT / np.hypot(*(_ARCFACE[1] - _ARCFACE[0])) + (80, 80)

DARKEST = 3e-4  # linear light of about one step of 8 bits: below it a logarithm would only tell of rounding
FEWEST_PIXELS = 120  # of 160 x 200: less skin than this is none
FEWEST_SEEDS = (
    0.25  # of the pixels where skin nearly always is: fewer of one colour, and the colour is of something else
)
ROUNDS = 4
# Natural logarithms. A pixel is skin within WIDE spreads of the middle of the skin found so far; a spread is never taken
# to be narrower (noise) or wider (hair would creep in) than these: luminance, red over green, green over blue.
WIDE = 3.0
NARROWEST = np.array([0.12, 0.04, 0.05])
WIDEST = np.array([0.50, 0.12, 0.16])
MAD_TO_SD = 1.4826
PATCHES = 7
CLIPPED = np.log(0.99)  # of linear light: 254 of 255


@dataclass(frozen=True)
class Regions:
    """Places of the frame, bool (HEIGHT, WIDTH) each.

    search  : where skin is looked for: the face without eyes, brows, nostrils and mouth
    seeds   : cheeks and bridge of the nose, where it nearly always is
    eyes, mouth : where whites are looked for
    patches : int8, 1 to PATCHES: left and right cheek, three of the forehead, nose, chin; 0 elsewhere
    terms   : float64 (HEIGHT, WIDTH, 6), 1, x, y, x^2, xy, y^2 about the middle of the face
    """

    search: BoolArray
    seeds: BoolArray
    eyes: tuple[BoolArray, BoolArray]
    mouth: BoolArray
    patches: NDArray[np.int8]
    terms: FloatArray


@dataclass(frozen=True)
class Skin:
    """The skin of one face; logarithms are natural, of linear light 0..1.

    mask         : bool (HEIGHT, WIDTH)
    colour       : float64 (3,), logarithm of red, green, blue of lit skin: between the median and the upper quarter of
                   luminance, so that neither shadow nor shine counts
    usable       : share of the pixels looked at that are skin
    patch_colours: float64 (p, 3), of the patches with enough skin
    shine        : contrast of the skin in detail, shading taken out: pores, lines and shine against the rest
    unevenness   : how far the lit half of the face stands above the other
    clipped      : share of the skin's pixels with a channel at its end
    """

    mask: BoolArray
    colour: FloatArray
    usable: float
    patch_colours: FloatArray
    shine: float
    unevenness: float
    clipped: float


def logarithms(srgb: NDArray[np.uint8]) -> FloatArray:
    """Natural logarithm of linear light, float64 of the shape given; black is DARKEST."""
    return np.asarray(_log_table()[srgb])


@functools.cache
def _log_table() -> FloatArray:
    """Logarithm of the light behind each of the 256 values of a channel."""
    return np.log(np.maximum(linear_light(np.arange(256)), DARKEST))


def log_luminance(logs: FloatArray) -> FloatArray:
    """Natural logarithm of the luminance of colours given as logarithms (..., 3)."""
    return np.asarray(np.log(np.exp(logs) @ LUMINANCE))


@functools.cache
def regions() -> Regions:
    """The places, drawn once; coordinates are in distances between the eyes, from the middle between them."""
    rows, columns = np.mgrid[0:HEIGHT, 0:WIDTH]
    x, y = (columns - 80) / UNIT, (rows - 80) / UNIT

    def ellipse(cx: float, cy: float, rx: float, ry: float) -> BoolArray:
        return np.asarray(((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 <= 1)

    brows = (np.abs(y + 0.32) < 0.2) & (np.abs(np.abs(x) - 0.55) < 0.45)
    sockets = ellipse(-0.5, 0, 0.36, 0.2) | ellipse(0.5, 0, 0.36, 0.2)
    nostrils, lips = ellipse(0, 0.68, 0.28, 0.14), ellipse(0, 1.15, 0.55, 0.28)
    cheeks, nose = (ellipse(-0.58, 0.62, 0.24, 0.24), ellipse(0.58, 0.62, 0.24, 0.24)), ellipse(0, 0.3, 0.14, 0.22)
    forehead = tuple(ellipse(cx, -0.72, 0.2, 0.2) for cx in (-0.4, 0.0, 0.4))
    patches = np.zeros((HEIGHT, WIDTH), np.int8)
    for number, patch in enumerate((*cheeks, *forehead, nose, ellipse(0, 1.6, 0.25, 0.12)), start=1):
        patches[patch] = number
    down = y - 0.4
    return Regions(
        search=ellipse(0, 0.35, 1.0, 1.45) & ~brows & ~sockets & ~nostrils & ~lips & (y < 1.75),
        seeds=cheeks[0] | cheeks[1] | nose,
        eyes=(ellipse(-0.5, 0.02, 0.34, 0.14), ellipse(0.5, 0.02, 0.34, 0.14)),
        mouth=ellipse(0, 1.15, 0.38, 0.2),
        patches=patches,
        terms=np.stack([np.ones_like(x), x, down, x * x, x * down, down * down], axis=-1),
    )


def find_skin(face: NDArray[np.uint8], inside: BoolArray) -> Skin | None:
    """The skin of a face in the frame; None where there is too little.

    face   : uint8 (HEIGHT, WIDTH, 3), red, green, blue
    inside : the pixels that the picture has
    """
    places = regions()
    looked = places.search & inside
    logs = logarithms(face[looked])
    luminance = log_luminance(logs)
    chosen = _grown(luminance, logs, places.seeds[looked])
    if chosen is None:
        return None
    surface = shading(luminance, chosen, places.terms[looked])
    number = places.patches[looked]
    patches = [logs[chosen & (number == patch)] for patch in range(1, PATCHES + 1)]
    left = places.terms[looked][:, 1] < 0
    return Skin(
        mask=_back(chosen, looked),
        colour=_lit(logs[chosen], luminance[chosen]),
        usable=float(chosen.mean()),
        patch_colours=np.array([np.median(patch, axis=0) for patch in patches if len(patch) >= 20]).reshape(-1, 3),
        shine=_shine(luminance - surface, chosen),
        unevenness=_unevenness(luminance[left], luminance[~left]),
        clipped=float((logs[chosen] >= CLIPPED).any(axis=1).mean()),
    )


def _back(chosen: BoolArray, looked: BoolArray) -> BoolArray:
    """A mask over the pixels looked at as one over the frame."""
    mask = np.zeros(looked.shape, bool)
    mask[looked] = chosen
    return mask


def _grown(luminance: FloatArray, logs: FloatArray, seeds: BoolArray) -> BoolArray | None:
    """The pixels (n,) whose colour is that of the seeds; None where they are too few.

    Light varies over a face and its colour hardly: luminance may vary widely, the two ratios of channels may not.
    """
    if seeds.sum() < FEWEST_PIXELS:
        return None
    values = np.stack([luminance, logs[:, 0] - logs[:, 1], logs[:, 1] - logs[:, 2]], axis=-1)
    chosen = seeds
    for _ in range(ROUNDS):
        middle = np.median(values[chosen], axis=0)
        spread = np.clip(MAD_TO_SD * np.median(np.abs(values[chosen] - middle), axis=0), NARROWEST, WIDEST)
        apart = (values - middle) / (WIDE * spread)
        chosen = (np.abs(apart[:, 0]) < 1) & (apart[:, 1] ** 2 + apart[:, 2] ** 2 < 1)
        if chosen.sum() < FEWEST_PIXELS or chosen[seeds].mean() < FEWEST_SEEDS:
            return None
    return chosen


def _lit(logs: FloatArray, luminance: FloatArray) -> FloatArray:
    """Mean colour of the pixels between the median and the upper quarter of luminance."""
    low, high = np.quantile(luminance, [0.5, 0.75])
    return np.asarray(logs[(luminance >= low) & (luminance <= high)].mean(axis=0))


def shading(luminance: FloatArray, chosen: BoolArray, terms: FloatArray) -> FloatArray:
    """A smooth surface through the logarithm of luminance (n,) of the chosen pixels, at all pixels.

    Second order in x and y, by reweighted least squares, so that a mole or a shine does not pull it.
    """
    design, values = terms[chosen], luminance[chosen]
    weights = np.ones(len(values))
    for _ in range(ROUNDS):
        weighted = design * weights[:, None]
        solved = np.linalg.solve(weighted.T @ design + 1e-3 * np.eye(design.shape[1]), weighted.T @ values)
        rest = np.abs(values - design @ solved)
        weights = 1 / np.maximum(1, rest / (1.5 * MAD_TO_SD * np.median(rest) + 1e-6))
    return np.asarray(terms @ solved)


def _shine(rest: FloatArray, chosen: BoolArray) -> float:
    """Contrast of the skin in detail: the geometric mean of its bright part and of its whole, shading taken out.

    rest : logarithms of luminance over the surface of shading, of all pixels looked at. Its bright part is taken over
           all of them but the dark ones (beard, glasses): shine is too bright and too pale to be in the mask.
    """
    bright = np.subtract(*np.quantile(rest[rest > -0.7], [0.9, 0.5]))
    whole = MAD_TO_SD * np.median(np.abs(rest[chosen]))
    return float(np.sqrt(max(bright * whole, 0.0)))


def _unevenness(left: FloatArray, right: FloatArray) -> float:
    """Difference of the median logarithms of luminance of the two halves; 0 where one is hardly seen.

    Over all pixels looked at: under hard light from one side the other half is too dark to be in the mask.
    """
    return float(abs(np.median(left) - np.median(right))) if min(len(left), len(right)) >= 20 else 0.0
