"""Skin segmentation in a synthetic frame with known colour, shading and hair."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facegap.groups.lab import rgb_of_hex
from facegap.groups.scales import MONK
from facegap.groups.skin import (
    DARKEST,
    HEIGHT,
    TEMPLATE,
    UNIT,
    WIDTH,
    find_skin,
    log_luminance,
    logarithms,
    regions,
)

WHOLE = np.ones((HEIGHT, WIDTH), bool)
BROWN = (160, 126, 86)  # the sixth colour of Monk


def frame(colour: Any = BROWN, *, noise: float = 0.0) -> np.ndarray[Any, Any]:
    """A frame of one colour with noise of a given number of steps, from a fixed seed."""
    rng = np.random.default_rng(0)
    plain = np.tile(np.array(colour, np.float64), (HEIGHT, WIDTH, 1))
    return np.clip(plain + noise * rng.standard_normal(plain.shape), 0, 255).round().astype(np.uint8)


def test_the_eyes_of_the_frame_are_one_unit_apart_about_its_origin() -> None:
    assert np.hypot(*(TEMPLATE[1] - TEMPLATE[0])) == pytest.approx(UNIT)
    assert TEMPLATE[:2].mean(axis=0) == pytest.approx([80, 80])


def test_a_face_of_one_colour_is_all_skin_of_that_colour() -> None:
    skin = find_skin(frame(), WHOLE)
    assert skin is not None
    assert skin.usable == 1
    assert skin.colour == pytest.approx(logarithms(np.array(BROWN, np.uint8)))
    assert skin.shine < 1e-5
    assert (skin.unevenness, skin.clipped) == (0, 0)
    assert skin.patch_colours.shape == (7, 3)


def test_a_beard_and_a_fringe_are_not_skin() -> None:
    face = frame(noise=2)
    face[130:] = (40, 34, 30)
    face[:50] = (50, 36, 26)
    skin = find_skin(face, WHOLE)
    assert skin is not None
    assert not skin.mask[132:].any()
    assert not skin.mask[:48].any()
    assert skin.mask[60:125][regions().search[60:125]].mean() > 0.95
    assert skin.colour == pytest.approx(logarithms(np.array(BROWN, np.uint8)), abs=0.05)


def test_a_pale_shine_on_the_forehead_does_not_brighten_the_skin() -> None:
    face = frame(noise=2)
    face[35:45, 70:90] = (250, 248, 244)
    skin = find_skin(face, WHOLE)
    assert skin is not None
    assert not skin.mask[35:45, 70:90].any()
    assert skin.colour == pytest.approx(logarithms(np.array(BROWN, np.uint8)), abs=0.05)


def test_light_from_one_side_is_seen_as_uneven_and_both_halves_stay_skin() -> None:
    slope = np.linspace(0.75, 1.2, WIDTH)[None, :, None]
    face = np.clip(frame() * slope, 0, 255).astype(np.uint8)
    skin = find_skin(face, WHOLE)
    assert skin is not None
    assert skin.usable > 0.95
    left, right = (
        float(np.median(log_luminance(logarithms(face[100, part])))) for part in (slice(30, 80), slice(80, 130))
    )
    assert skin.unevenness == pytest.approx(right - left, rel=0.3)
    assert skin.shine < 0.03  # a gradient is shading, not detail


def test_detail_is_stronger_where_the_same_shine_lies_on_darker_skin() -> None:
    def shine(monk: int) -> float:
        rgb = rgb_of_hex(MONK.swatches or ())[monk - 1]
        light = np.exp(logarithms(np.tile(rgb, (HEIGHT, WIDTH, 1))))
        glints = 0.03 * np.abs(np.random.default_rng(1).standard_normal((HEIGHT, WIDTH, 1)))
        encoded = 255 * (1.055 * np.clip(light + glints, 0.004, 1) ** (1 / 2.4) - 0.055)
        skin = find_skin(encoded.round().astype(np.uint8), WHOLE)
        assert skin is not None
        return skin.shine

    values = [shine(monk) for monk in (4, 5, 6, 7, 8)]
    assert values == sorted(values)
    assert values[-1] > 3 * values[0]


def test_where_the_picture_ends_there_is_no_skin() -> None:
    inside = WHOLE.copy()
    inside[:, :80] = False
    skin = find_skin(frame(noise=1), inside)
    assert skin is not None
    assert not skin.mask[:, :80].any()
    assert skin.unevenness == 0  # one side only
    assert find_skin(frame(), np.zeros_like(WHOLE)) is None


def test_cheeks_of_every_colour_are_no_skin() -> None:
    noisy = np.random.default_rng(3).integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    assert find_skin(noisy, WHOLE) is None


def test_a_burnt_out_face_is_said_to_be_clipped() -> None:
    skin = find_skin(frame((255, 250, 240)), WHOLE)
    assert skin is not None
    assert skin.clipped == 1


def test_black_has_a_logarithm() -> None:
    assert logarithms(np.zeros(3, np.uint8)) == pytest.approx(np.log(DARKEST))
