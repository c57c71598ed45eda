"""Skin tone from a photograph, with its uncertainty, by combination of several estimates of the illuminant.

A photograph records the product of skin reflectance and light. Each estimator ("witness") divides by a different
estimate of the light and so gives a different ITA; none is exact, and their disagreement is the uncertainty. They use
only colour and light: nothing was fitted to race labels or depends on identity. docs/skin_tone.md reports the accuracy
and its limits.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from facegap.errors import StatisticsError
from facegap.groups.lab import ita, lab_of_light, monk_lab
from facegap.groups.light import Light, find_light
from facegap.groups.scales import DARKER, LIGHTER
from facegap.groups.skin import Skin, find_skin, log_luminance
from facegap.types import BoolArray, FloatArray

MeasuredTone = Literal["lighter", "darker", "unknown"]
UNKNOWN: Final = "unknown"
SURE = 0.9  # probability at or above which a tone is assigned

# Offset between the log of skin and that of each witness under a photographer's light: the median over the colour portraits of
# US legislators of 2015 and 2024, set to give the plain ITA of lit skin there, on the assumption that such portraits are
# correctly exposed on average. benchmarks/tone_study.py reproduces them to 0.02, or one degree.
PORTRAIT_ITA = 41.8  # degrees
SHIFTS = {"exposure": 0.071, "picture": -0.410, "whites": -0.793, "shine": -2.417}
LEAST_SHINE = (
    0.08  # two fifths of that of portraits: below it a face is retouched, drawn or blurred, and shine is ignored
)
PORTRAIT_CHROMA = 0.712  # log of red over blue of the skin relative to the light
CHROMA_SLOPE = -75.0  # degrees per unit of that logarithm, between Monk colours 4 and 6
CHROMA_RANGE = (-10.0, 85.0)  # degrees: darker skin has no more chroma
CHROMA_BLIND, CHROMA_SEES = -40.0, 20.0  # degrees by exposure and picture: below the first, chroma is ignored

FLOOR_SD = 7.0  # degrees: of a photograph whose witnesses agree
SPREAD_SHARE = 0.4  # of the standard deviation among the witnesses, added in quadrature
SHARED_SD = 4.0  # degrees: error common to all photographs of a person, which pooling cannot reduce

LEAST_B_STAR = 1.0  # of skin, which is never bluish itself

# Flags of the exposure, by the quantity they depend on
DARK, BRIGHT, CLIPPED, UNEVEN, LITTLE_SKIN, CONTRARY = "dark", "bright", "clipped", "uneven", "little_skin", "contrary"


@dataclass(frozen=True)
class Witnesses:
    """ITA in degrees under five estimates of the light; NaN where an estimate is not available.

    exposure : assumes that the picture is exposed as portraits are
    picture  : assumes that its brightest parts and edges are as bright as in portraits
    whites   : assumes the same of eyes and teeth
    shine    : shine, which has the colour of the light, has more contrast on dark skin than on light skin
    chroma   : red over blue relative to the colour of the light, which decreases from brown skin to light skin
    """

    exposure: float
    picture: float
    whites: float
    shine: float
    chroma: float

    def array(self) -> FloatArray:
        """The five values."""
        return np.array([self.exposure, self.picture, self.whites, self.shine, self.chroma])


@dataclass(frozen=True)
class Measurement:
    """A measured skin tone; colours are CIELAB under D65, angles are in degrees.

    photographed : skin colour in the file, including the effect of the light: float64 (3,)
    lab          : a colour with the measured ITA: the same without the exposure and half of the colour cast
    ita, ita_sd  : the measurement and its standard deviation
    """

    photographed: FloatArray
    lab: FloatArray
    ita: float
    ita_sd: float
    patch_spread: float
    usable_fraction: float
    exposure: tuple[str, ...]
    photographs: int = 1


def measure(face: NDArray[np.uint8], inside: BoolArray, picture: NDArray[np.uint8]) -> Measurement | str:
    """Measure the skin tone of a face; if that is not possible, return the reason as a sentence.

    face    : uint8 (HEIGHT, WIDTH, 3) in the frame of `skin.py`, RGB; inside: whether each pixel lies in the picture
    picture : uint8 (h, w, 3), the whole picture, RGB
    """
    skin = find_skin(face, inside)
    if skin is None:
        return "too few pixels around the cheeks have a uniform colour, as skin would"
    light = find_light(face, inside, picture, skin.colour)
    found = witnesses(skin, light)
    value, deviation = weighted_mean(found)
    photographed = lab_of_light(np.exp(skin.colour))
    return Measurement(
        photographed=photographed,
        lab=colour_of(value, skin.colour - half_cast(light)),
        ita=value,
        ita_sd=deviation,
        patch_spread=patch_spread(skin),
        usable_fraction=skin.usable,
        exposure=flags(skin, light, found),
    )


def witnesses(skin: Skin, light: Light) -> Witnesses:
    """The ITA of the skin under each estimate of the light."""
    level = float(log_luminance(skin.colour))
    picture = float(np.mean([log_luminance(light.brightest), log_luminance(light.edges)]))
    return Witnesses(
        exposure=ita_of_reflectance(level + SHIFTS["exposure"]),
        picture=ita_of_reflectance(level - picture + SHIFTS["picture"]),
        whites=ita_of_reflectance(level - _mean(log_luminance(np.stack([light.eyes, light.teeth]))) + SHIFTS["whites"]),
        shine=ita_of_reflectance(-math.log(skin.shine) + SHIFTS["shine"]) if skin.shine >= LEAST_SHINE else math.nan,
        chroma=ita_of_chroma(float(skin.colour[0] - skin.colour[2]) - light_chroma(light)),
    )


def light_chroma(light: Light) -> float:
    """Log of red over blue of the light: the mean of the available estimates."""
    return _mean(np.array([logs[0] - logs[2] for logs in (light.brightest, light.edges, light.eyes, light.teeth)]))


def _mean(values: FloatArray) -> float:
    """Mean of the values that are not NaN; NaN if there are none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


@functools.cache
def _locus() -> tuple[FloatArray, FloatArray]:
    """Log reflectance, increasing, and the ITA of skin with that reflectance, along the Monk colours."""
    colours = monk_lab()[np.argsort(monk_lab()[:, 0])]
    reflectance = np.linspace(-6.0, 0.0, 601)
    l_star = np.maximum(116 * np.cbrt(np.exp(reflectance)) - 16, 0)
    angles = ita(l_star, np.interp(l_star, colours[:, 0], colours[:, 2]))
    return reflectance, np.maximum.accumulate(angles)


def ita_of_reflectance(log_reflectance: float) -> float:
    """ITA of skin from the natural log of its luminous reflectance, along the Monk colours; NaN for NaN.

    The slope is about 50 degrees per unit between colours 5 and 8; the range is -90 to 90.
    """
    return float(np.interp(log_reflectance, *_locus())) if math.isfinite(log_reflectance) else math.nan


def ita_of_chroma(log_red_over_blue: float) -> float:
    """ITA of skin from the log by which it is redder than the light, clipped to the range of this witness; NaN for NaN."""
    if not math.isfinite(log_red_over_blue):
        return math.nan
    return float(np.clip(PORTRAIT_ITA + CHROMA_SLOPE * (log_red_over_blue - PORTRAIT_CHROMA), *CHROMA_RANGE))


def weighted_mean(found: Witnesses) -> tuple[float, float]:
    """Weighted mean of the witnesses and its standard deviation, which increases with their disagreement.

    Weights are equal, as the best witness differs between pictures, except that the weight of chroma decreases the
    darker the skin is by the first two: dark skin is hardly redder than brown skin, and the darkest less red.
    """
    values = found.array()
    weights = np.isfinite(values).astype(np.float64)
    level = _mean(values[:2])
    weights[-1] *= np.clip((level - CHROMA_BLIND) / (CHROMA_SEES - CHROMA_BLIND), 0, 1)
    heard = weights > 0
    weights, values = weights[heard] / weights.sum(), values[heard]
    middle = float(weights @ values)
    variance = float(weights @ (values - middle) ** 2) * len(values) / (len(values) - 1)
    return middle, math.hypot(FLOOR_SD, SPREAD_SHARE * math.sqrt(variance))


def called(darker: float) -> MeasuredTone:
    """Return lighter, darker or unknown, by the probability of darker."""
    if darker >= SURE:
        return DARKER
    return LIGHTER if 1 - darker >= SURE else UNKNOWN


def pooled(photographs: Sequence[Measurement]) -> Measurement:
    """Pool the measurements of several photographs of one person; a single one is returned unchanged.

    Each is weighted by its precision. The uncertainty keeps the error common to all, such as a tan or a bias of the
    method. Colour, spread and flags are those of the photograph with the largest weight.

    Raises
    ------
    StatisticsError : if there are no photographs
    """
    if not photographs:
        raise StatisticsError("no photographs to pool; give at least one measurement")
    if len(photographs) == 1:
        return photographs[0]
    precision = np.array([1 / (found.ita_sd**2 - SHARED_SD**2) for found in photographs])
    value = float(precision @ [found.ita for found in photographs] / precision.sum())
    best = photographs[int(precision.argmax())]
    return replace(
        best,
        ita=value,
        ita_sd=math.sqrt(1 / precision.sum() + SHARED_SD**2),
        photographs=len(photographs),
        lab=precision @ np.array([found.lab for found in photographs]) / precision.sum(),
    )


def half_cast(light: Light) -> FloatArray:
    """Half of the colour cast of the light, from red to blue, as logarithms; half, because no witness is known to be white."""
    return np.array([0.25, 0.0, -0.25]) * light_chroma(light)


def colour_of(angle: float, logs: FloatArray) -> FloatArray:
    """The CIELAB colour with this ITA that differs from a given colour only by exposure: float64 (3,).

    Under a blue light b* can be 0 or less, for which ITA is meaningless; it is then replaced by LEAST_B_STAR.
    """
    shifts = np.linspace(-5, 5, 501)
    colours = lab_of_light(np.exp(logs + shifts[:, None]))
    colours[:, 2] = np.maximum(colours[:, 2], LEAST_B_STAR)
    angles = np.maximum.accumulate(ita(colours[:, 0], colours[:, 2]))
    return np.array([np.interp(angle, angles, channel) for channel in colours.T])


def patch_spread(skin: Skin) -> float:
    """Standard deviation of the plain ITA over cheeks, forehead, nose and chin; NaN if fewer than two are visible."""
    if len(skin.patch_colours) < 2:
        return math.nan
    colours = lab_of_light(np.exp(skin.patch_colours))
    return float(np.std(ita(colours[:, 0], colours[:, 2]), ddof=1))


def flags(skin: Skin, light: Light, found: Witnesses) -> tuple[str, ...]:
    """Flags of exposure problems, as words for a table."""
    level = float(log_luminance(light.brightest))
    wrong = {
        DARK: level < -1.5,
        BRIGHT: float(log_luminance(skin.colour)) > -0.25,
        CLIPPED: skin.clipped > 0.02,
        UNEVEN: skin.unevenness > 0.8,
        LITTLE_SKIN: skin.usable < 0.3,
        CONTRARY: float(np.nanstd(found.array(), ddof=1)) > 45,
    }
    return tuple(name for name, holds in wrong.items() if holds)
