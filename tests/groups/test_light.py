"""Estimates of the light in frames with known light."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.groups.light import find_light
from facegap.groups.skin import HEIGHT, WIDTH, logarithms, regions

WHOLE = np.ones((HEIGHT, WIDTH), bool)
SKIN = np.array((160, 126, 86), np.uint8)
COLOUR = logarithms(SKIN)


def face_with(white: tuple[int, int, int] | None = None) -> np.ndarray:
    """A brown frame; with `white`, it includes a few pixels of eyes and mouth."""
    face = np.tile(SKIN, (HEIGHT, WIDTH, 1))
    if white is not None:
        for place in (*regions().eyes, regions().mouth):
            rows, columns = np.nonzero(place)
            face[rows[::6], columns[::6]] = white
    return face


def test_eyes_and_teeth_are_the_whitest_pixels_of_their_places() -> None:
    light = find_light(face_with((230, 220, 200)), WHOLE, face_with(), COLOUR)
    assert light.eyes == pytest.approx(logarithms(np.array((230, 220, 200), np.uint8)))
    assert light.teeth == pytest.approx(logarithms(np.array((230, 220, 200), np.uint8)))


def test_a_bright_red_pixel_is_no_white() -> None:
    face = face_with((200, 190, 180))
    rows, columns = np.nonzero(regions().mouth)
    face[rows[3::6], columns[3::6]] = (235, 60, 60)
    assert find_light(face, WHOLE, face, COLOUR).teeth == pytest.approx(logarithms(np.array((200, 190, 180), np.uint8)))


def test_a_shut_mouth_shows_no_teeth() -> None:
    face = face_with((230, 220, 200))
    face[regions().mouth] = (150, 90, 80)
    light = find_light(face, WHOLE, face, COLOUR)
    assert np.isnan(light.teeth).all()
    assert np.isfinite(light.eyes).all()


def test_an_eye_outside_the_picture_is_left_out_and_none_is_no_number() -> None:
    inside = WHOLE.copy()
    inside[:, :80] = False
    face = face_with((230, 220, 200))
    assert find_light(face, inside, face, COLOUR).eyes == pytest.approx(logarithms(np.array((230, 220, 200), np.uint8)))
    assert np.isnan(find_light(face, ~WHOLE, face, COLOUR).eyes).all()
    assert np.isnan(find_light(face, ~WHOLE, face, COLOUR).teeth).all()


def test_the_brightest_lies_between_the_mean_and_the_maximum() -> None:
    picture = np.zeros((64, 64, 3), np.uint8)
    picture[:32] = 255
    # half the pixels 1, half 0: the sixth root of one half
    assert find_light(face_with(), WHOLE, picture, COLOUR).brightest == pytest.approx(np.log(0.5 ** (1 / 6)))


def test_half_the_light_is_seen_as_half_the_light() -> None:
    rng = np.random.default_rng(0)
    bright = np.clip(120 + 60 * rng.standard_normal((64, 64, 3)), 5, 250)
    linear = np.where(bright / 255 <= 0.04045, bright / 255 / 12.92, ((bright / 255 + 0.055) / 1.055) ** 2.4) / 2
    dim = 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    one, other = (find_light(face_with(), WHOLE, picture.round().astype(np.uint8), COLOUR) for picture in (bright, dim))
    assert one.brightest - other.brightest == pytest.approx(np.log(2), abs=0.01)
    assert one.edges - other.edges == pytest.approx(np.log(2), abs=0.01)


def test_a_picture_without_edges_has_dark_ones() -> None:
    light = find_light(face_with(), WHOLE, np.full((32, 32, 3), 90, np.uint8), COLOUR)
    assert np.isfinite(light.edges).all()
