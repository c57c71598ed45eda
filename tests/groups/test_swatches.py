"""Stated skin colours as tones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from facegap.errors import TableError
from facegap.groups.lab import ciede2000, rgb_of_hex
from facegap.groups.scales import MONK, SCALES
from facegap.groups.swatches import SWATCH_SCALES, labels_of_swatches, srgb_of

FHIBE_STEPS = [(102, 78, 65), (136, 105, 81), (164, 131, 103), (175, 148, 120), (189, 163, 137), (198, 180, 157)]


@pytest.mark.parametrize(
    "text",
    [
        "#a07e56",
        "A07E56",
        "160,126,86",
        "160, 126, 86",
        "(160; 126; 86)",
        "[160 126 86]",
        "rgb(160, 126, 86)",
        "2. [160, 126, 86]",
    ],
)
def test_the_ways_to_write_a_colour(text: str) -> None:
    assert srgb_of(text) == (160, 126, 86)


@pytest.mark.parametrize(
    "text", ["#a07e5", "red", "256, 0, 0", "0.6, 0.5, 0.3", "1,2", "1,2,3,4", "-1,2,3", "#a07e56#", "=1+1"]
)
def test_what_is_no_colour_is_refused(text: str) -> None:
    with pytest.raises(TableError, match="is not a colour; write #rrggbb"):
        srgb_of(text)


def test_the_colours_of_monk_are_their_own_steps() -> None:
    assert labels_of_swatches(rgb_of_hex(MONK.swatches), "monk") == list(MONK.labels)


def lab_by_hand(srgb: np.ndarray) -> np.ndarray:
    """CIELAB under D65 from the definitions of IEC 61966-2-1 and CIE 15, without OpenCV."""
    share = srgb / 255.0
    light = np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.412453, 0.357580, 0.180423], [0.212671, 0.715160, 0.072169], [0.019334, 0.119193, 0.950227]])
    x, y, z = (light @ to_xyz.T / to_xyz.sum(axis=1)).T
    f = [np.where(v > 216 / 24389, np.cbrt(v), (24389 / 27 * v + 16) / 116) for v in (x, y, z)]
    return np.stack([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])], axis=1)


def test_tones_agree_with_colours_converted_by_hand() -> None:
    colours = np.random.default_rng(3).integers(20, 256, (200, 3)).astype(np.uint8)
    lab, monk = lab_by_hand(colours), lab_by_hand(rgb_of_hex(MONK.swatches))
    nearest = ciede2000(lab[:, None], monk[None]).argmin(axis=1)
    assert labels_of_swatches(colours, "monk") == [str(k + 1) for k in nearest]
    angles = np.degrees(np.arctan2(lab[:, 0] - 50, lab[:, 2]))
    bounds = [(55, "very light"), (41, "light"), (28, "intermediate"), (10, "tan"), (-30, "brown"), (-math.inf, "dark")]
    assert labels_of_swatches(colours, "ita") == [
        next(name for bound, name in bounds if angle > bound) for angle in angles
    ]
    assert labels_of_swatches(colours, "lighter_darker") == ["lighter" if angle > 28 else "darker" for angle in angles]
    hues = np.degrees(np.arctan2(lab[:, 2], lab[:, 1]))
    words = [
        f"{'light' if one[0] > 60 else 'dark'} {'yellow' if turn > 55 else 'red'}"
        for one, turn in zip(lab, hues, strict=True)
    ]
    assert labels_of_swatches(colours, "l_hue") == words


def test_the_six_steps_of_fhibe_are_in_order_on_monk_and_ita() -> None:
    steps = np.array(FHIBE_STEPS, np.uint8)
    monk = [int(label) for label in labels_of_swatches(steps, "monk")]
    assert monk == sorted(monk, reverse=True)
    assert labels_of_swatches(steps, "lighter_darker")[0] == "darker"
    assert labels_of_swatches(steps, "lighter_darker")[-1] == "lighter"


@pytest.mark.parametrize("scale", SWATCH_SCALES)
def test_labels_are_those_of_the_scale_and_none_of_no_colour(scale: str) -> None:
    assert set(labels_of_swatches(np.array(FHIBE_STEPS, np.uint8), scale)) <= set(SCALES[scale].labels)
    assert labels_of_swatches(np.empty((0, 3), np.uint8), scale) == []


def test_fitzpatrick_is_no_colour() -> None:
    with pytest.raises(TableError, match="'fitzpatrick' is not a scale that can be computed from a colour"):
        labels_of_swatches(np.array(FHIBE_STEPS, np.uint8), "fitzpatrick")
