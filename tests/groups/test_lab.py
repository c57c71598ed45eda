"""Colour spaces against hand-worked values, published pairs and explicit formulas."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.groups.lab import (
    ciede2000,
    hue,
    ita,
    lab_of_light,
    lab_of_srgb,
    linear_light,
    monk_lab,
    nearest_monk,
    rgb_of_hex,
)

# Sharma, Wu and Dalal (2005), table 1: L*, a*, b* of two colours and their difference
SHARMA = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""

colours = st.tuples(st.floats(0, 100), st.floats(-80, 80), st.floats(-80, 80))


def test_all_published_pairs_have_their_published_difference() -> None:
    table = np.array([[float(cell) for cell in line.split()] for line in SHARMA.strip().splitlines()])
    assert len(table) == 34
    assert ciede2000(table[:, :3], table[:, 3:6]) == pytest.approx(table[:, 6], abs=5e-5)
    assert ciede2000(table[:, 3:6], table[:, :3]) == pytest.approx(table[:, 6], abs=5e-5)


@given(colours, colours)
def test_a_difference_is_symmetric_and_nothing_only_for_equal_colours(one: tuple[float], other: tuple[float]) -> None:
    assert ciede2000(one, other) == pytest.approx(ciede2000(other, one), abs=1e-9)
    assert ciede2000(one, one) == 0
    assert ciede2000(one, other) >= 0


def test_a_skin_colour_worked_by_hand() -> None:
    # (215, 189, 150): linear .679542, .508881, .304987; X Y Z .517277, .530460, .363623 by the sRGB matrix;
    # over the white .950470, 1, 1.088830: .544232, .530460, .333958; cube roots .816447, .809501, .693794.
    # 116 * .809501 - 16 = 77.902; 500 * (.816447 - .809501) = 3.473; 200 * (.809501 - .693794) = 23.141
    assert lab_of_srgb([215, 189, 150]) == pytest.approx([77.902, 3.473, 23.141], abs=0.01)


def test_black_white_and_grey_lie_on_the_axis() -> None:
    found = lab_of_srgb([[0, 0, 0], [255, 255, 255], [119, 119, 119]])
    assert found[:, 0] == pytest.approx([0, 100, 50.03], abs=0.02)
    assert found[:, 1:] == pytest.approx(0, abs=0.02)


def test_the_library_agrees_with_the_definition_over_the_whole_cube() -> None:
    levels = np.linspace(0, 255, 12)
    srgb = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    assert lab_of_srgb(srgb) == pytest.approx(defined_lab(linear_light(srgb)), abs=0.02)
    assert lab_of_light(linear_light(srgb)) == pytest.approx(defined_lab(linear_light(srgb)), abs=0.02)


def defined_lab(rgb: np.ndarray) -> np.ndarray:
    """Explicit formulas of CIE 15 and IEC 61966-2-1."""
    matrix = np.array(
        [
            [0.4124564, 0.3575761, 0.1804375],
            [0.2126729, 0.7151522, 0.0721750],
            [0.0193339, 0.1191920, 0.9503041],
        ]
    )
    ratio = rgb @ matrix.T / [0.95047, 1, 1.08883]
    root = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = root[:, 0], root[:, 1], root[:, 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=1)


def test_light_beyond_the_range_is_cut_and_no_colours_are_no_error() -> None:
    assert lab_of_light([2.0, 2.0, 2.0])[0] == pytest.approx(100, abs=1e-3)
    assert lab_of_srgb(np.empty((0, 3))).shape == (0, 3)


def test_linear_light_at_the_two_ends_and_in_the_middle() -> None:
    assert linear_light([0, 255, 10, 128]) == pytest.approx([0, 1, 10 / 255 / 12.92, 0.215861], abs=1e-6)


def test_angles_of_ita_and_hue() -> None:
    assert ita(60, 10) == pytest.approx(45)
    assert ita(40, 10) == pytest.approx(-45)
    assert ita(60, -10) == pytest.approx(135)  # a bluish cast stays on the light side
    assert hue(10, 10) == pytest.approx(45)
    assert ita(50, 0) == 0


def test_every_colour_of_monk_is_nearest_to_itself() -> None:
    number, distance = nearest_monk(monk_lab())
    assert number.tolist() == list(range(1, 11))
    assert distance == pytest.approx(0, abs=1e-9)


def test_a_colour_between_two_of_monk_goes_to_the_nearer_one() -> None:
    between = 0.7 * monk_lab()[5] + 0.3 * monk_lab()[6]
    number, distance = nearest_monk(between)
    assert (int(number), number.shape) == (6, ())
    assert 0 < distance < ciede2000(between, monk_lab()[6])


def test_hex_colours_are_read_with_and_without_their_sign() -> None:
    assert rgb_of_hex(["#0a10ff", "ffffff"]).tolist() == [[10, 16, 255], [255, 255, 255]]
    assert rgb_of_hex([]).shape == (0, 3)
