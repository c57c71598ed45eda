"""Tones from witnesses: worked by hand, monotonic over the Monk colours, and uncertain if the witnesses disagree."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.errors import StatisticsError
from facegap.groups.lab import hue, ita, lab_of_light, monk_lab, rgb_of_hex
from facegap.groups.light import find_light
from facegap.groups.scales import MONK
from facegap.groups.skin import HEIGHT, WIDTH, find_skin, logarithms, regions
from facegap.groups.tone import (
    CHROMA_RANGE,
    FLOOR_SD,
    PORTRAIT_CHROMA,
    PORTRAIT_ITA,
    SHARED_SD,
    SPREAD_SHARE,
    Measurement,
    Witnesses,
    called,
    colour_of,
    flags,
    ita_of_chroma,
    ita_of_reflectance,
    measure,
    pooled,
    weighted_mean,
)

WHOLE = np.ones((HEIGHT, WIDTH), bool)
SKIN = (170, 128, 98)


def portrait(colour: Any, *, light: float = 1.0, white: int = 235, warm: float = 0.0) -> np.ndarray[Any, Any]:
    """A frame of skin with whites of eyes and teeth before a bright wall, under light of given intensity and warmth."""
    rng = np.random.default_rng(5)
    face = np.full((HEIGHT, WIDTH, 3), white, np.float64)
    face[regions().search | regions().seeds] = colour
    face[25:165, 32:128][~regions().search[25:165, 32:128]] = colour
    for place in (*regions().eyes, regions().mouth):
        rows, columns = np.nonzero(place)
        face[rows[::4], columns[::4]] = white
    linear = np.exp(logarithms(face.astype(np.uint8))) * light * np.exp([warm / 2, 0.0, -warm / 2])
    encoded = 255 * (1.055 * np.clip(linear, 0, 1) ** (1 / 2.4) - 0.055)
    return np.clip(encoded + 1.5 * rng.standard_normal(face.shape), 0, 255).round().astype(np.uint8)


def toned(face: np.ndarray[Any, Any]) -> Measurement:
    found = measure(face, WHOLE, face)
    assert isinstance(found, Measurement)
    return found


def made(value: float, deviation: float, **more: Any) -> Measurement:
    colour = np.array([60.0, 10.0, 15.0])
    return Measurement(colour, colour, value, deviation, 5.0, 0.8, (), **more)


def test_the_locus_goes_through_the_colours_of_monk() -> None:
    for l_star, _, b_star in monk_lab()[3:]:  # b* is not monotonic for the three lightest, which share one ITA
        reflectance = math.log(((l_star + 16) / 116) ** 3)
        assert ita_of_reflectance(reflectance) == pytest.approx(ita(l_star, b_star), abs=1.5)


@settings(deadline=None)
@given(st.floats(-8, 1), st.floats(-8, 1))
def test_more_reflectance_is_never_darker(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert ita_of_reflectance(low) <= ita_of_reflectance(high)
    assert -90 <= ita_of_reflectance(low) <= 90


def test_the_chroma_of_portraits_has_their_ita_and_redder_skin_is_darker_as_far_as_it_shows() -> None:
    assert ita_of_chroma(PORTRAIT_CHROMA) == PORTRAIT_ITA
    assert ita_of_chroma(PORTRAIT_CHROMA + 0.2) == pytest.approx(PORTRAIT_ITA - 15)
    assert (ita_of_chroma(9), ita_of_chroma(-9)) == CHROMA_RANGE
    assert math.isnan(ita_of_chroma(math.nan))
    assert math.isnan(ita_of_reflectance(math.nan))


def test_witnesses_count_equally_and_their_quarrel_is_the_doubt() -> None:
    value, deviation = weighted_mean(Witnesses(20, 25, 30, 35, 40))
    assert value == pytest.approx(30)
    assert deviation == pytest.approx(math.hypot(FLOOR_SD, SPREAD_SHARE * math.sqrt(62.5)))
    assert weighted_mean(Witnesses(30, 30, 30, 30, 30)) == pytest.approx((30, FLOOR_SD))


def test_chroma_is_not_heard_on_dark_skin_and_heard_in_part_on_brown_skin() -> None:
    assert weighted_mean(Witnesses(-60, -40, -50, -50, 60))[0] == pytest.approx(-50)
    # level -10: half way between -40 and 20
    assert weighted_mean(Witnesses(-10, -10, -10, -10, 60))[0] == pytest.approx((-40 + 30) / 4.5)


def test_a_witness_that_sees_nothing_is_left_out() -> None:
    assert weighted_mean(Witnesses(10, 20, math.nan, 30, math.nan))[0] == pytest.approx(20)


@pytest.mark.parametrize(
    ("darker", "name"), [(0.0, "lighter"), (0.1, "lighter"), (0.11, "unknown"), (0.89, "unknown"), (0.9, "darker")]
)
def test_a_tone_is_called_from_nine_tenths(darker: float, name: str) -> None:
    assert called(darker) == name


def test_darker_paint_is_measured_darker() -> None:
    angles = [toned(portrait(tuple(colour))).ita for colour in rgb_of_hex(MONK.swatches or ())[3:8]]
    assert angles == sorted(angles, reverse=True)
    assert angles[0] - angles[-1] > 60


def test_the_light_moves_the_measured_ita_less_than_the_plain_one() -> None:
    lights = [{"light": 0.5}, {}, {"warm": 0.3}, {"warm": -0.3}, {"light": 0.7, "warm": 0.2}]
    faces = [toned(portrait(SKIN, **light)) for light in lights]
    plain = np.std([ita(face.photographed[0], face.photographed[2]) for face in faces])
    assert np.std([face.ita for face in faces]) < 0.5 * plain


def test_the_colour_given_has_the_measured_ita() -> None:
    found = toned(portrait(SKIN, light=0.6))
    assert ita(found.lab[0], found.lab[2]) == pytest.approx(found.ita, abs=0.5)


@settings(deadline=None)
@given(st.floats(-60, 70), st.tuples(st.floats(-2, 0), st.floats(-0.9, -0.3), st.floats(-1.2, -0.3)))
def test_a_colour_of_any_ita_is_found_by_exposure_alone(angle: float, logs: tuple[float, float, float]) -> None:
    red, green, blue = logs[0], logs[0] + logs[1] / 2, logs[0] + logs[1] / 2 + logs[2] / 2
    colour = colour_of(angle, np.array([red, green, blue]))
    assert ita(colour[0], colour[2]) == pytest.approx(angle, abs=1.0)


def test_several_photographs_are_weighed_by_their_precision() -> None:
    own = math.sqrt(9**2 - SHARED_SD**2)
    together = pooled([made(10, 9), made(30, 9)])
    assert together.ita == pytest.approx(20)
    assert together.ita_sd == pytest.approx(math.hypot(own / math.sqrt(2), SHARED_SD))
    assert together.photographs == 2
    assert pooled([made(10, 9), made(30, 60)]).ita < 11


def test_no_number_of_photographs_takes_away_what_they_share() -> None:
    assert pooled([made(20, 9)] * 1000).ita_sd == pytest.approx(SHARED_SD, abs=0.05)
    assert pooled([made(20, 9)]).ita_sd == 9
    with pytest.raises(StatisticsError, match="no photographs to pool"):
        pooled([])


def test_a_face_without_skin_says_so() -> None:
    noisy = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    assert "too few pixels" in str(measure(noisy, WHOLE, noisy))


def test_flags_tell_of_the_exposure() -> None:
    assert toned(portrait(SKIN)).exposure == ()
    assert "dark" in toned(portrait(SKIN, light=0.05)).exposure
    burnt = toned(portrait((255, 240, 230), white=255))
    assert {"bright", "clipped"} <= set(burnt.exposure)
    shaded = portrait(SKIN)
    shaded[:, :80] = (shaded[:, :80] * 0.65).astype(np.uint8)
    assert "uneven" in toned(shaded).exposure
    bearded = portrait(SKIN)
    bearded[104:, :60] = (40, 36, 34)
    bearded[114:] = (40, 36, 34)
    bearded[:86] = (40, 36, 34)
    assert "little_skin" in toned(bearded).exposure


def test_hue_is_of_the_colour_as_photographed() -> None:
    found = toned(portrait(SKIN))
    plain = lab_of_light(np.exp(logarithms(np.array(SKIN, np.uint8))))
    assert hue(found.photographed[1], found.photographed[2]) == pytest.approx(hue(plain[1], plain[2]), abs=3)


def test_contrary_witnesses_are_flagged() -> None:
    face = portrait(SKIN)
    skin = find_skin(face, WHOLE)
    assert skin is not None
    light = find_light(face, WHOLE, face, skin.colour)
    assert "contrary" in flags(skin, light, Witnesses(-60, 60, 0, 50, -50))
    assert "contrary" not in flags(skin, light, Witnesses(20, 25, 30, 28, 22))
