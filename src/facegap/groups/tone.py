"""A skin tone from a photograph, with its uncertainty: several witnesses of the light, weighed.

A photograph gives the product of skin and light. Each witness divides by another guess of the light and so gives another
ITA; none is right, and what they disagree on is the uncertainty. They see colour and light alone: nothing here was fitted to
race labels, and nothing knows whose face it is. docs/skin_tone.md says how well this works, and where it does not.
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
SURE = 0.9  # probability from which a tone is called

# What stands between the logarithm of skin and that of each witness where the light is a photographer's. One number
# each: the median over the colour portraits of US legislators of 2015 and 2024, brought to the plain ITA of lit skin there:
# such portraits are taken to be rightly exposed on the whole. benchmarks/tone_study.py finds them again to 0.02, a degree.
PORTRAIT_ITA = 41.8  # degrees
SHIFTS = {"exposure": 0.071, "picture": -0.410, "whites": -0.793, "shine": -2.417}
LEAST_SHINE = 0.08  # two fifths of that of portraits: retouched, drawn or blurred, and says nothing
PORTRAIT_CHROMA = 0.712  # logarithm of red over blue of the skin, over that of the light
CHROMA_SLOPE = -75.0  # degrees per unit of that logarithm, between the colours 4 and 6 of Monk
CHROMA_RANGE = (-10.0, 85.0)  # degrees: darker skin than that has no more colour
CHROMA_BLIND, CHROMA_SEES = -40.0, 20.0  # degrees by exposure and picture: below the first chroma does not count

FLOOR_SD = 7.0  # degrees: of a photograph whose witnesses agree
SPREAD_SHARE = 0.4  # of the standard deviation among the witnesses, added in squares
SHARED_SD = 4.0  # degrees: what all photographs of a person have in common, and pooling cannot remove

LEAST_B_STAR = 1.0  # of skin: it is never bluish itself

# Flags of the exposure, by what they are read from
DARK, BRIGHT, CLIPPED, UNEVEN, LITTLE_SKIN, CONTRARY = "dark", "bright", "clipped", "uneven", "little_skin", "contrary"


@dataclass(frozen=True)
class Witnesses:
    """ITA in degrees under five guesses of the light; NaN where a witness sees nothing.

    exposure : the picture is exposed as portraits are
    picture  : its brightest things and edges are as bright as in portraits
    whites   : eyes and teeth are
    shine    : shine, which is the lamp's and not the skin's, stands out against dark skin more than against light skin
    chroma   : red over blue, against the colour of the light, which falls from brown skin to light skin
    """

    exposure: float
    picture: float
    whites: float
    shine: float
    chroma: float

    def array(self) -> FloatArray:
        """All five."""
        return np.array([self.exposure, self.picture, self.whites, self.shine, self.chroma])


@dataclass(frozen=True)
class Measurement:
    """One skin tone; colours are CIELAB under D65, angles degrees.

    photographed : the skin's colour as the file has it, light and all: float64 (3,)
    lab          : a colour of the measured ITA: the same with the exposure taken out and half of the cast
    ita, ita_sd  : measured, and the standard deviation of the measurement
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
    """The skin tone of a face; where there is none, a sentence that says why.

    face    : uint8 (HEIGHT, WIDTH, 3) in the frame of `skin.py`, red first; inside: the pixels that the picture has
    picture : uint8 (h, w, 3), the whole picture, red first
    """
    skin = find_skin(face, inside)
    if skin is None:
        return "too few pixels around the cheeks have a uniform colour, as skin would"
    light = find_light(face, inside, picture, skin.colour)
    found = witnesses(skin, light)
    value, deviation = weighed(found)
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
    """What each guess of the light makes of the skin."""
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
    """Logarithm of red over blue of the light: the mean of those witnesses that see anything."""
    return _mean(np.array([logs[0] - logs[2] for logs in (light.brightest, light.edges, light.eyes, light.teeth)]))


def _mean(values: FloatArray) -> float:
    """Mean of the numbers among some values, NaN where there are none."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else math.nan


@functools.cache
def _locus() -> tuple[FloatArray, FloatArray]:
    """Logarithm of reflectance, rising, and the ITA of skin of that reflectance, along the colours of Monk."""
    colours = monk_lab()[np.argsort(monk_lab()[:, 0])]
    reflectance = np.linspace(-6.0, 0.0, 601)
    l_star = np.maximum(116 * np.cbrt(np.exp(reflectance)) - 16, 0)
    angles = ita(l_star, np.interp(l_star, colours[:, 0], colours[:, 2]))
    return reflectance, np.maximum.accumulate(angles)


def ita_of_reflectance(log_reflectance: float) -> float:
    """ITA of skin whose luminous reflectance has this natural logarithm, along the colours of Monk; NaN for NaN.

    About 50 degrees for each unit between the colours 5 and 8; -90 to 90.
    """
    return float(np.interp(log_reflectance, *_locus())) if math.isfinite(log_reflectance) else math.nan


def ita_of_chroma(log_red_over_blue: float) -> float:
    """ITA of skin that is redder than the light by this logarithm; cut to what the witness can see; NaN for NaN."""
    if not math.isfinite(log_red_over_blue):
        return math.nan
    return float(np.clip(PORTRAIT_ITA + CHROMA_SLOPE * (log_red_over_blue - PORTRAIT_CHROMA), *CHROMA_RANGE))


def weighed(found: Witnesses) -> tuple[float, float]:
    """Mean of the witnesses and its standard deviation, which grows with what they disagree on.

    Equal weights, as which witness is best differs from picture to picture; but the darker the skin is by the first two,
    the less chroma counts: dark skin is hardly redder than brown skin, and the darkest less so.
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
    """Lighter, darker or unknown, by the probability of darker."""
    if darker >= SURE:
        return DARKER
    return LIGHTER if 1 - darker >= SURE else UNKNOWN


def pooled(photographs: Sequence[Measurement]) -> Measurement:
    """What several photographs of one person say together; with one of them, itself.

    Each counts by its precision. What they have in common, a tan or a fault of the method, stays in the uncertainty. Colour,
    spread and flags are those of the photograph that counts most.

    Raises
    ------
    StatisticsError : no photographs
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
    """Half of the light's colour, from red to blue, as logarithms: half, because no witness is known to be white."""
    return np.array([0.25, 0.0, -0.25]) * light_chroma(light)


def colour_of(angle: float, logs: FloatArray) -> FloatArray:
    """The CIELAB colour of this ITA among those that differ from a colour by exposure alone: float64 (3,).

    Under a blue light b* can be 0 and less, where ITA loses its meaning; it is taken to be LEAST_B_STAR.
    """
    shifts = np.linspace(-5, 5, 501)
    colours = lab_of_light(np.exp(logs + shifts[:, None]))
    colours[:, 2] = np.maximum(colours[:, 2], LEAST_B_STAR)
    angles = np.maximum.accumulate(ita(colours[:, 0], colours[:, 2]))
    return np.array([np.interp(angle, angles, channel) for channel in colours.T])


def patch_spread(skin: Skin) -> float:
    """Standard deviation of the plain ITA among cheeks, forehead, nose and chin; NaN where fewer than two are seen."""
    if len(skin.patch_colours) < 2:
        return math.nan
    colours = lab_of_light(np.exp(skin.patch_colours))
    return float(np.std(ita(colours[:, 0], colours[:, 2]), ddof=1))


def flags(skin: Skin, light: Light, found: Witnesses) -> tuple[str, ...]:
    """What is wrong with the exposure, in words that a table can hold."""
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
