"""Alignment and crops: transforms recovered exactly, the optimum compared with scipy, pixels computed by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import least_squares

from facegap.vision.align import aligned, padded_crop, possible_factor, shifted_crop, similarity, square_crop

TEMPLATE = np.array([[38.3, 51.7], [73.5, 51.5], [56.0, 71.7], [41.5, 92.4], [70.7, 92.2]])


def applied(matrix: Any, points: Any) -> Any:
    return points @ matrix[:, :2].T + matrix[:, 2]


def test_a_quarter_turn_twice_the_size_and_a_shift_are_read_off_by_hand() -> None:
    points = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0]])
    template = np.array([[5.0, 7.0], [5.0, 9.0], [3.0, 9.0]])  # x goes to y, y goes to -x
    assert similarity(points, template) == pytest.approx(np.array([[0, -2, 5], [2, 0, 7]]), abs=1e-12)


@given(st.floats(-np.pi, np.pi), st.floats(0.01, 100), st.floats(-1000, 1000), st.floats(-1000, 1000))
def test_a_known_turn_scale_and_shift_is_recovered(angle: float, scale: float, x: float, y: float) -> None:
    a, b = scale * np.cos(angle), scale * np.sin(angle)
    known = np.array([[a, -b, x], [b, a, y]])
    found = similarity(TEMPLATE, applied(known, TEMPLATE))
    assert found == pytest.approx(known, rel=1e-9, abs=1e-9 * (1 + scale) * 1000)


@pytest.mark.parametrize("seed", range(5))
def test_no_other_similarity_is_nearer_to_noisy_points(seed: int) -> None:
    points = TEMPLATE + np.random.default_rng(seed).normal(0, 6, TEMPLATE.shape)

    def residual(p: Any) -> Any:
        a, b, x, y = p
        return (applied(np.array([[a, -b, x], [b, a, y]]), points) - TEMPLATE).ravel()

    best = least_squares(residual, [1.0, 0.0, 0.0, 0.0], xtol=1e-15, ftol=1e-15, gtol=1e-15).x
    a, b, x, y = best
    assert similarity(points, TEMPLATE) == pytest.approx(np.array([[a, -b, x], [b, a, y]]), rel=1e-6, abs=1e-6)


def test_mirrored_points_are_turned_or_shrunk_but_never_mirrored() -> None:
    mirrored = TEMPLATE * [-1, 1]
    matrix = similarity(mirrored, TEMPLATE)
    assert np.linalg.det(matrix[:, :2]) >= 0
    assert not np.allclose(applied(matrix, mirrored), TEMPLATE, atol=1)


def test_points_that_coincide_have_no_similarity() -> None:
    assert np.isnan(similarity(np.full((5, 2), 3.0), TEMPLATE)[:, :2]).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf])
def test_a_point_that_is_no_usable_number_leaves_no_similarity_and_no_warning(odd: float) -> None:
    points = TEMPLATE.copy()
    points[2, 0] = odd
    assert not np.isfinite(similarity(points, TEMPLATE)).all()


def drawn(width: int = 8, height: int = 6) -> Any:
    """An image in which every pixel differs: blue is the column, green the row."""
    y, x = np.mgrid[:height, :width]
    return np.dstack([10 * x + 10, 10 * y + 10, np.full_like(x, 200)]).astype(np.uint8)


def test_a_face_that_lies_on_the_template_is_cut_out_unchanged() -> None:
    points = TEMPLATE[:5] / 20
    cut = aligned(drawn(), points + np.array([2, 1]), points, (5, 4), "bilinear")
    assert np.array_equal(cut, drawn()[1:5, 2:7])


def test_pixel_centres_stay_pixel_centres_at_half_the_size() -> None:
    points = TEMPLATE / 10
    cut = aligned(drawn(20, 20), points, points / 2, (5, 5), "bilinear")
    assert np.array_equal(cut, drawn(20, 20)[:10:2, :10:2])


def test_beyond_the_picture_an_aligned_face_is_black() -> None:
    points = TEMPLATE / 20
    cut = aligned(drawn(), points, points + np.array([3, 0]), (6, 4), "bilinear")
    assert not cut[:, :3].any()
    assert np.array_equal(cut[:, 3:], drawn()[:4, :3])


def test_bicubic_and_bilinear_differ_between_pixels_only() -> None:
    pixels = np.random.default_rng(2).integers(0, 255, (20, 20, 3), np.uint8)
    points = TEMPLATE / 8

    def both(shift: float) -> tuple[Any, Any]:
        cuts = [aligned(pixels, points + shift, points, (10, 10), name) for name in ("bilinear", "bicubic")]
        return cuts[0], cuts[1]

    assert np.array_equal(*both(3.0))
    assert not np.array_equal(*both(3.5))


def test_a_square_box_is_cut_out_unchanged() -> None:
    cut = square_crop(drawn(), np.array([2.0, 1.0, 6.0, 5.0]), 0.0, (4, 4), "bilinear")
    assert np.array_equal(cut, drawn()[1:5, 2:6])


def test_the_longer_side_of_a_box_is_the_side_of_its_crop() -> None:
    cut = square_crop(drawn(), np.array([3.0, 1.0, 5.0, 5.0]), 0.0, (4, 4), "bilinear")
    assert np.array_equal(cut, drawn()[1:5, 2:6])


def test_a_margin_is_a_share_of_the_side_on_each_side() -> None:
    cut = square_crop(drawn(), np.array([3.0, 2.0, 5.0, 4.0]), 0.5, (4, 4), "bilinear")  # 2 + 2 * 1 = 4 wide
    assert np.array_equal(cut, drawn()[1:5, 2:6])


def test_a_crop_is_resized_with_edges_on_edges() -> None:
    cut = square_crop(drawn(), np.array([2.0, 1.0, 6.0, 5.0]), 0.0, (2, 2), "bilinear")
    # Each pixel is the mean of the four that it covers; aligned centres would select single pixels instead.
    assert cut[..., 0].tolist() == [[35, 55], [35, 55]]
    assert cut[..., 1].tolist() == [[25, 25], [45, 45]]


def test_over_an_edge_a_crop_is_black() -> None:
    cut = square_crop(drawn(), np.array([-2.0, -1.0, 2.0, 3.0]), 0.0, (4, 4), "bilinear")
    assert not cut[0].any()
    assert not cut[:, :2].any()
    assert np.array_equal(cut[1:, 2:], drawn()[:3, :2])


@given(st.integers(-30, 30), st.integers(-30, 30), st.integers(1, 40))
def test_a_padded_crop_holds_the_picture_where_they_overlap_and_black_elsewhere(left: int, top: int, side: int) -> None:
    pixels = drawn()
    around = np.zeros((140, 140, 3), np.uint8)
    around[40:46, 40:48] = pixels
    assert np.array_equal(padded_crop(pixels, left, top, side), around[40 + top :, 40 + left :][:side, :side])


# ---- shifted crops ----


def coordinates(width: int, height: int) -> np.ndarray:
    """An image whose pixels encode their position."""
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    return np.stack([across, down, np.zeros_like(across)], axis=-1).astype(np.uint8)


def ends_of(picture: np.ndarray, box: list[float], factor: float) -> tuple[list[int], list[int]]:
    """The first and last column and row of a crop, without resizing."""
    height, width = picture.shape[:2]
    f = possible_factor(np.array(box), width, height, factor)
    size = (int((box[2] - box[0]) * f) + 1, int((box[3] - box[1]) * f) + 1)
    cut = shifted_crop(picture, np.array(box), factor, size, "bilinear")
    return [int(cut[0, 0, 0]), int(cut[-1, -1, 0])], [int(cut[0, 0, 1]), int(cut[-1, -1, 1])]


def test_a_box_is_enlarged_about_its_centre_and_keeps_its_shape() -> None:
    # 20 x 30 around (60, 75): 40 x 60, from (40, 45) to (80, 105), the last row and column included
    assert ends_of(coordinates(200, 200), [50, 60, 70, 90], 2.0) == ([40, 80], [45, 105])


def test_a_crop_that_would_leave_the_picture_is_shifted_inside_it() -> None:
    assert ends_of(coordinates(200, 200), [0, 0, 20, 30], 2.0) == ([0, 40], [0, 60])
    assert ends_of(coordinates(200, 200), [180, 170, 200, 200], 2.0) == ([159, 199], [139, 199])


def test_a_picture_that_is_too_small_gives_the_largest_factor_there_is() -> None:
    assert possible_factor(np.array([10.0, 10.0, 50.0, 60.0]), 101, 101, 2.7) == 2.0
    assert ends_of(coordinates(101, 101), [10, 10, 50, 60], 2.7) == ([0, 80], [0, 100])


def test_a_box_is_cut_to_whole_pixels_and_has_one_at_least() -> None:
    picture = coordinates(50, 50)
    assert shifted_crop(picture, np.array([10.9, 10.9, 11.2, 11.2]), 1.0, (2, 2), "bilinear").shape == (2, 2, 3)
    assert shifted_crop(picture, np.array([-90.0, -90.0, -80.0, -80.0]), 1.0, (4, 4), "bilinear").max() <= 10
    assert shifted_crop(picture, np.array([0.0, 0.0, 1e9, 1e9]), 2.7, (4, 4), "bilinear").shape == (4, 4, 3)
