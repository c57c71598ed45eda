"""Skin segmentation of a face in a frame around its five landmarks, and the illumination of the skin.

The frame places the eyes at fixed positions, UNIT pixels apart, so that cheeks, forehead, eyes and mouth are always at
the same pixels. Hair, glasses, beard, shadow and shine in these regions are separated from skin by colour with a robust
method.
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
# Left eye, right eye, nose, left and right corner of the mouth: the ArcFace template, with the midpoint between the eyes at
# (80, 80).
_ARCFACE = np.array(
    [[38.2946, 51.6963], [73.5318, 51.5014], [56.0252, 71.7366], [41.5493, 92.3655], [70.7299, 92.2041]]
)
TEMPLATE: FloatArray = (_ARCFACE - _ARCFACE[:2].mean(axis=0)) * UNIT / np.hypot(*(_ARCFACE[1] - _ARCFACE[0])) + (80, 80)

DARKEST = 3e-4  # linear light of about one step of 8 bits: below it a logarithm would only reflect rounding
FEWEST_PIXELS = 120  # of 160 x 200; with fewer there is no skin
FEWEST_SEEDS = 0.25  # of the seed pixels: if fewer have one colour, it is not that of skin
ROUNDS = 4
# Natural logarithms. A pixel is skin if it is within WIDE spreads of the median of the skin found so far. Spreads are limited
# from below (noise) and above (hair would be included) by these values for luminance, red over green, green over blue.
WIDE = 3.0
NARROWEST = np.array([0.12, 0.04, 0.05])
WIDEST = np.array([0.50, 0.12, 0.16])
MAD_TO_SD = 1.4826
PATCHES = 7
CLIPPED = np.log(0.99)  # of linear light: 254 of 255


@dataclass(frozen=True)
class Regions:
    """Regions of the frame, bool (HEIGHT, WIDTH) each.

    search  : candidate pixels for skin: the face without eyes, brows, nostrils and mouth
    seeds   : cheeks and bridge of the nose, which are nearly always skin
    eyes, mouth : candidate pixels for whites
    patches : int8, 1 to PATCHES: left and right cheek, three of the forehead, nose, chin; 0 elsewhere
    terms   : float64 (HEIGHT, WIDTH, 6), 1, x, y, x^2, xy, y^2 around the centre of the face
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
    colour       : float64 (3,), logarithm of red, green, blue of lit skin: between the median and the upper quartile of
                   luminance, which excludes shadow and shine
    usable       : proportion of the candidate pixels that are skin
    patch_colours: float64 (p, 3), of the patches with enough skin
    shine        : fine contrast of the skin without shading: pores, lines and shine against the rest
    unevenness   : excess luminance of the lit half of the face over the other
    clipped      : proportion of skin pixels with a saturated channel
    """

    mask: BoolArray
    colour: FloatArray
    usable: float
    patch_colours: FloatArray
    shine: float
    unevenness: float
    clipped: float


def logarithms(srgb: NDArray[np.uint8]) -> FloatArray:
    """Natural logarithm of linear light, float64 of the given shape; black is DARKEST."""
    return np.asarray(_log_table()[srgb])


@functools.cache
def _log_table() -> FloatArray:
    """Logarithm of the linear light of each of the 256 values of a channel."""
    return np.log(np.maximum(linear_light(np.arange(256)), DARKEST))


def log_luminance(logs: FloatArray) -> FloatArray:
    """Natural logarithm of the luminance of colours given as logarithms (..., 3)."""
    return np.asarray(np.log(np.exp(logs) @ LUMINANCE))


@functools.cache
def regions() -> Regions:
    """The regions, computed once; coordinates are in units of the eye distance, from the midpoint between the eyes."""
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
    """The skin of a face in the frame; None if there is too little.

    face   : uint8 (HEIGHT, WIDTH, 3), red, green, blue
    inside : whether each pixel lies in the picture
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
    """Convert a mask over the candidate pixels to one over the frame."""
    mask = np.zeros(looked.shape, bool)
    mask[looked] = chosen
    return mask


def _grown(luminance: FloatArray, logs: FloatArray, seeds: BoolArray) -> BoolArray | None:
    """The pixels (n,) with the colour of the seeds; None if there are too few.

    Over a face the intensity of the light varies, its colour hardly: luminance may vary widely, the two channel ratios may not.
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
    """Mean colour of the pixels between the median and the upper quartile of luminance."""
    low, high = np.quantile(luminance, [0.5, 0.75])
    return np.asarray(logs[(luminance >= low) & (luminance <= high)].mean(axis=0))


def shading(luminance: FloatArray, chosen: BoolArray, terms: FloatArray) -> FloatArray:
    """A smooth surface fitted to the log luminance (n,) of the chosen pixels, evaluated at all pixels.

    Second order in x and y, by reweighted least squares, which is robust to moles and shine.
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
    """Fine contrast of the skin without shading: the geometric mean of that of its bright part and of the whole.

    rest : log luminance minus the shading surface, at all candidate pixels. The bright part uses all of them except
           dark ones (beard, glasses), because shine is too bright and too pale to be in the mask.
    """
    bright = np.subtract(*np.quantile(rest[rest > -0.7], [0.9, 0.5]))
    whole = MAD_TO_SD * np.median(np.abs(rest[chosen]))
    return float(np.sqrt(max(bright * whole, 0.0)))


def _unevenness(left: FloatArray, right: FloatArray) -> float:
    """Difference of the median log luminance of the two halves; 0 if one is hardly visible.

    It uses all candidate pixels, because under hard light from one side the other half is too dark to be in the mask.
    """
    return float(abs(np.median(left) - np.median(right))) if min(len(left), len(right)) >= 20 else 0.0
