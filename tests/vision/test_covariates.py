"""Covariates: by hand on simple images, compared with the truth for illustrated people, and NaN if undefined."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr

from facegap.demo.illustrated.portraits import PLAIN, draw, draw_person, draw_photograph
from facegap.groups.skin import TEMPLATE
from facegap.tables import IMAGE_COVARIATES
from facegap.types import FloatArray
from facegap.vision.align import similarity
from facegap.vision.covariates import covariates, frame_of, pose

POINTS = np.array([[40.0, 40], [60, 40], [50, 51], [43, 62], [57, 62]])
BOX = np.array([30.0, 25, 70, 75])


def grey(level: int, side: int = 100) -> Any:
    return np.full((side, side, 3), level, np.uint8)


def turned(points: FloatArray, degrees: float, about: tuple[float, float] = (50, 50)) -> FloatArray:
    angle = math.radians(degrees)
    rotation = np.array([[math.cos(angle), math.sin(angle)], [-math.sin(angle), math.cos(angle)]])
    return np.asarray((points - about) @ rotation + about)


# ---- by hand ----


def test_a_face_that_looks_straight_ahead_has_no_angles_but_the_rule_s_own() -> None:
    found = pose(POINTS)
    assert (found["yaw"], found["roll"], found["inter_eye_px"]) == (0, 0, 20)
    assert found["pitch"] == pytest.approx(90 * (11 / 22 - 0.45))


def test_yaw_and_pitch_are_ninety_degrees_times_the_shares_of_the_rule() -> None:
    points = POINTS.copy()
    points[2] = (54, 48)  # the nose 4 of 20 pixels to the right of the middle, and 8 of 22 below the eyes
    assert pose(points)["yaw"] == pytest.approx(90 * 4 / 20)
    assert pose(points)["pitch"] == pytest.approx(90 * (8 / 22 - 0.45))


@pytest.mark.parametrize("degrees", [-120, -30, 10, 45, 90, 170])
def test_a_rolled_head_has_the_same_yaw_and_pitch(degrees: float) -> None:
    points = POINTS.copy()
    points[2] = (54, 48)
    rolled = pose(turned(points, degrees))
    assert rolled["roll"] == pytest.approx(degrees)
    assert [rolled[name] for name in ("yaw", "pitch")] == pytest.approx([pose(points)[n] for n in ("yaw", "pitch")])


def test_a_profile_whose_eyes_nearly_coincide_has_a_yaw_of_a_right_angle_at_most() -> None:
    points = POINTS.copy()
    points[0] = (59.9, 40)
    assert pose(points)["yaw"] == -90


def test_eyes_in_one_place_have_a_distance_of_nothing_and_no_angle() -> None:
    points = POINTS.copy()
    points[0] = points[1]
    assert pose(points) == {"inter_eye_px": 0}


def test_the_face_share_is_of_the_part_of_the_box_that_is_in_the_picture() -> None:
    assert covariates(grey(99), BOX, POINTS)["face_share"] == pytest.approx(40 * 50 / 100**2)
    assert covariates(grey(99), BOX - 50, POINTS)["face_share"] == pytest.approx(20 * 25 / 100**2)
    assert covariates(grey(99), BOX + 200, POINTS)["face_share"] == 0


def test_quartiles_and_proportions_are_those_of_the_pixels() -> None:
    picture = grey(100)
    picture[:, :50] = 20  # the left half of the picture is underexposed
    found = covariates(picture, BOX, POINTS)
    assert (found["background_luminance_25"], found["background_luminance_75"]) == (20, 100)
    assert found["background_under"] == pytest.approx(0.5, abs=0.01)
    assert found["background_over"] == 0
    assert found["cheek_balance"] == pytest.approx(0.2)
    assert (found["skin_luminance_25"], found["skin_luminance_75"]) == (20, 100)
    assert covariates(grey(250), BOX, POINTS)["skin_over"] == 1
    edges = [covariates(grey(level), BOX, POINTS) for level in (25, 26, 246, 247)]
    assert [found["skin_under"] for found in edges] == [1, 0, 0, 0]
    assert [found["skin_over"] for found in edges] == [0, 0, 0, 1]


def test_the_background_is_neither_the_head_nor_what_is_below_the_chin() -> None:
    picture = grey(200)
    cv2.ellipse(picture, (50, 50), (26, 37), 0, 0, 360, (10, 10, 10), -1)  # the head and its hair
    picture[75:] = 0
    found = covariates(picture, BOX, POINTS)
    assert [found[f"background_luminance_{share}"] for share in (25, 50, 75)] == [200] * 3
    assert found["background_under"] == pytest.approx(0, abs=0.02)


def test_the_frame_is_that_of_the_similarity_by_least_squares() -> None:
    points = turned(POINTS, 23) * 1.7 + (3, -8)
    found = frame_of(points)
    assert found is not None
    back = np.linalg.inv(np.vstack([similarity(points, TEMPLATE), [0, 0, 1]]))
    expected = [found.turn.real, found.turn.imag, found.shift.real, found.shift.imag]
    assert expected == pytest.approx([back[0, 0], back[1, 0], back[0, 2], back[1, 2]])


# ---- undefined values ----


def test_a_detector_of_boxes_alone_leaves_what_needs_points_empty() -> None:
    found = covariates(grey(99), BOX, np.full((5, 2), np.nan))
    known = {name for name in IMAGE_COVARIATES if not math.isnan(found[name])}
    assert known == {name for name in IMAGE_COVARIATES if name.startswith("background")} | {"face_share"}


def test_a_head_that_fills_the_picture_leaves_no_background() -> None:
    found = covariates(grey(99), np.array([-50.0, -50, 150, 150]), POINTS)
    assert math.isnan(found["background_luminance_50"])
    assert found["skin_luminance_50"] == 99


def test_a_face_outside_the_picture_has_no_skin_and_no_sharpness() -> None:
    found = covariates(grey(99), BOX + 500, POINTS + 500)
    assert math.isnan(found["skin_luminance_50"])
    assert math.isnan(found["sharpness"])
    assert found["inter_eye_px"] == 20


def test_one_luminance_everywhere_has_no_sharpness_and_black_cheeks_no_balance() -> None:
    assert math.isnan(covariates(grey(99), BOX, POINTS)["sharpness"])
    assert math.isnan(covariates(grey(0), BOX, POINTS)["cheek_balance"])


@settings(max_examples=80, deadline=None)
@given(
    st.lists(st.floats(width=32), min_size=10, max_size=10),
    st.lists(st.floats(width=32), min_size=4, max_size=4),
    st.integers(1, 40),
    st.integers(1, 40),
)
def test_whatever_a_detector_says_each_value_is_a_number_in_its_range_or_none(
    points: list[float], box: list[float], width: int, height: int
) -> None:
    pixels = np.arange(width * height * 3, dtype=np.uint8).reshape(height, width, 3)
    found = covariates(pixels, np.array(box, np.float64), np.array(points, np.float64).reshape(5, 2))
    assert set(found) == set(IMAGE_COVARIATES)
    for name, value in found.items():
        top = 255 if "luminance" in name else 180 if name == "roll" else 90 if name in ("yaw", "pitch") else 1
        if name not in ("sharpness", "inter_eye_px"):
            assert math.isnan(value) or -top <= value <= top * (1 + 1e-9), name


# ---- illustrated people with known truth ----


@pytest.fixture(scope="module")
def illustrated() -> pd.DataFrame:
    """Covariates and true values of 110 images of illustrated people."""
    rng = np.random.default_rng(7)
    rows = []
    for _ in range(110):
        person, photograph = draw_person(rng), draw_photograph(rng)
        drawing = draw(person, photograph)
        truth = dataclasses.asdict(photograph) | {
            "monk": person.monk,
            "lit_skin": float(np.dot(person.skin, [0.114, 0.587, 0.299])) * photograph.exposure,
            "side": abs(photograph.light_from[0]),
        }
        found = covariates(drawing.pixels, drawing.box, drawing.points)
        rows.append(found | {f"true_{name}": value for name, value in truth.items()})
    return pd.DataFrame(rows)


def related(table: pd.DataFrame, first: str, second: str) -> float:
    """Rank correlation."""
    return float(spearmanr(table[first], table[second], nan_policy="omit")[0])


def test_roll_is_that_of_the_head_and_yaw_rises_with_it(illustrated: pd.DataFrame) -> None:
    upright = illustrated[illustrated["true_yaw"].abs() < 10]
    assert (upright["roll"] - upright["true_roll"]).abs().max() < 1.5
    slope, offset = np.polyfit(illustrated["true_yaw"], illustrated["yaw"], 1)
    assert 0.55 < slope < 0.70
    assert abs(offset) < 0.5
    assert related(illustrated, "yaw", "true_yaw") > 0.99


def test_pitch_rises_with_that_of_each_person_and_differs_between_people() -> None:
    person = draw_person(np.random.default_rng(4))
    angles = (-16, -8, 0, 8, 16)
    found = [draw(person, dataclasses.replace(PLAIN, pitch=angle)) for angle in angles]
    slope = np.polyfit(angles, [pose(one.points)["pitch"] for one in found], 1)[0]
    assert 0.55 < slope < 0.8


def test_luminance_of_skin_follows_skin_and_exposure(illustrated: pd.DataFrame) -> None:
    assert related(illustrated, "skin_luminance_50", "true_lit_skin") > 0.98


def test_cheek_balance_falls_with_light_from_the_side_and_hardly_depends_on_the_skin(illustrated: pd.DataFrame) -> None:
    assert related(illustrated, "cheek_balance", "true_side") < -0.75
    assert abs(related(illustrated, "cheek_balance", "true_monk")) < 0.2


def test_sharpness_falls_with_blur_and_depends_far_less_on_the_skin(illustrated: pd.DataFrame) -> None:
    assert related(illustrated, "sharpness", "true_blur") < -0.6
    assert abs(related(illustrated, "sharpness", "true_monk")) < 0.3


def test_the_same_light_on_another_skin_leaves_what_is_measured_outside_the_skin_alone() -> None:
    person = draw_person(np.random.default_rng(11))
    pale, dark = (dataclasses.replace(person, skin=skin) for skin in ((190.0, 215.0, 240.0), (40.0, 55.0, 75.0)))
    one, other = (draw(face, PLAIN) for face in (pale, dark))
    first, second = (covariates(drawing.pixels, drawing.box, drawing.points) for drawing in (one, other))
    outside = [name for name in IMAGE_COVARIATES if name.startswith("background")]
    assert [first[name] for name in outside] == pytest.approx([second[name] for name in outside], abs=1)
    assert first["skin_luminance_50"] > 2.5 * second["skin_luminance_50"]
    assert first["cheek_balance"] == pytest.approx(second["cheek_balance"], abs=0.05)


def test_a_brighter_photograph_has_the_same_balance_and_sharpness() -> None:
    person = draw_person(np.random.default_rng(5), monk=6)
    dim, bright = (draw(person, dataclasses.replace(PLAIN, exposure=exposure)) for exposure in (0.6, 1.0))
    first, second = (covariates(drawing.pixels, drawing.box, drawing.points) for drawing in (dim, bright))
    assert first["cheek_balance"] == pytest.approx(second["cheek_balance"], abs=0.02)
    assert first["sharpness"] == pytest.approx(second["sharpness"], rel=0.05)
    assert first["background_luminance_50"] == pytest.approx(0.6 * second["background_luminance_50"], rel=0.05)


def test_a_larger_picture_of_the_same_scene_has_about_the_same_values() -> None:
    person = draw_person(np.random.default_rng(5), monk=6)
    small, large = (draw(person, PLAIN, size=size) for size in ((176, 220), (704, 880)))
    first, second = (covariates(drawing.pixels, drawing.box, drawing.points) for drawing in (small, large))
    assert second["inter_eye_px"] == pytest.approx(4 * first["inter_eye_px"], rel=0.01)
    for name in ("yaw", "pitch", "roll", "face_share", "cheek_balance"):
        assert second[name] == pytest.approx(first[name], abs=0.6), name
    for name in ("skin_luminance_50", "background_luminance_50"):
        assert second[name] == pytest.approx(first[name], abs=4), name
