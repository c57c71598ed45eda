"""Illustrated people: the same bytes from the same seed, true landmarks, and no single trait that reveals gender."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
import pytest

from facegap.demo.illustrated.person import HAIR_COLOURS
from facegap.demo.illustrated.photograph import BACKDROPS, CLOTHES
from facegap.demo.illustrated.portraits import PLAIN, SIZE, draw, draw_person, draw_photograph
from facegap.demo.illustrated.styles import STYLES
from facegap.groups.scales import MONK


def people(count: int, seed: int = 0, **given: Any) -> list[Any]:
    rng = np.random.default_rng(seed)
    return [draw_person(rng, **given) for _ in range(count)]


def test_the_same_seed_gives_the_same_bytes() -> None:
    once, again = (
        [draw(draw_person(rng), draw_photograph(rng)) for _ in range(6)]
        for rng in (np.random.default_rng(3), np.random.default_rng(3))
    )
    for one, other in zip(once, again, strict=True):
        assert one.pixels.tobytes() == other.pixels.tobytes()
        assert one.points.tobytes() == other.points.tobytes()
        assert one.box.tobytes() == other.box.tobytes()


def test_a_picture_does_not_depend_on_previous_ones() -> None:
    rng = np.random.default_rng(4)
    pairs = [(draw_person(rng), draw_photograph(rng)) for _ in range(4)]
    forwards = [draw(*pair).pixels for pair in pairs]
    backwards = [draw(*pair).pixels for pair in reversed(pairs)]
    assert all(np.array_equal(a, b) for a, b in zip(forwards, reversed(backwards), strict=True))


def test_two_people_and_two_photographs_of_one_differ() -> None:
    one, other = people(2, seed=5)
    rng = np.random.default_rng(6)
    assert not np.array_equal(draw(one, PLAIN).pixels, draw(other, PLAIN).pixels)
    assert not np.array_equal(draw(one, draw_photograph(rng)).pixels, draw(one, draw_photograph(rng)).pixels)


def test_a_picture_has_the_size_and_type_that_every_stage_expects() -> None:
    drawing = draw(people(1)[0], PLAIN)
    assert drawing.pixels.dtype == np.uint8
    assert drawing.pixels.shape == (SIZE[1], SIZE[0], 3)
    assert drawing.points.shape == (5, 2)
    assert drawing.box.shape == (4,)


def test_points_lie_in_the_box_in_the_order_that_detectors_use() -> None:
    rng = np.random.default_rng(7)
    for _ in range(40):
        drawing = draw(draw_person(rng), draw_photograph(rng), size=(44, 55))
        left_eye, right_eye, nose, left_mouth, right_mouth = drawing.points
        x1, y1, x2, y2 = drawing.box
        assert ((drawing.points > (x1, y1)) & (drawing.points < (x2, y2))).all()
        assert left_eye[0] < right_eye[0]
        assert left_mouth[0] < right_mouth[0]
        assert max(left_eye[1], right_eye[1]) < nose[1] < min(left_mouth[1], right_mouth[1])
        assert (drawing.box > -0.5).all()
        assert x2 <= 44
        assert y2 <= 55


def test_a_larger_picture_has_the_same_content() -> None:
    rng = np.random.default_rng(8)
    person, photograph = draw_person(rng), replace(draw_photograph(rng), noise=0.0, blur=0.0)
    small, large = (draw(person, photograph, size=(176 * k, 220 * k)) for k in (1, 2))
    assert large.points == pytest.approx((small.points + 0.5) * 2 - 0.5, abs=1e-6)
    shrunk = cv2.resize(large.pixels, SIZE, interpolation=cv2.INTER_AREA)
    assert np.abs(shrunk.astype(int) - small.pixels).mean() < 6


def test_a_turn_of_the_camera_moves_the_points_as_it_should() -> None:
    person = people(1, seed=9)[0]
    straight, right, down, tilted = (
        draw(person, replace(PLAIN, **turn)).points for turn in ({}, {"yaw": 15.0}, {"pitch": 6.0}, {"roll": 8.0})
    )
    assert right[2, 0] - straight[2, 0] > right[0, 0] - straight[0, 0] > 0  # the nose protrudes, so it moves more
    assert down[2, 1] > straight[2, 1]
    slope = np.rad2deg(np.arctan2(*(tilted[1] - tilted[0])[::-1]))
    assert slope == pytest.approx(8.0, abs=1.5)


@pytest.mark.parametrize("monk", range(1, 11))
def test_skin_in_plain_light_has_the_colour_of_its_tone(monk: int) -> None:
    assert MONK.swatches is not None
    named = np.array([int(MONK.swatches[monk - 1][k : k + 2], 16) for k in (5, 3, 1)])
    measured = np.array(
        [cheek(draw(person, PLAIN)) for person in people(6, seed=monk, monk=monk) if person.beard == "none"]
    )
    assert np.abs(np.median(measured, axis=0) - named).max() < 40
    assert np.linalg.norm(np.median(measured, axis=0) - named) < 50  # cheeks are warmer


def test_darker_tones_are_painted_darker() -> None:
    brightness = [
        np.median([cheek(draw(p, PLAIN)).mean() for p in people(4, seed=11, monk=monk)]) for monk in range(1, 11)
    ]
    assert brightness[0] > brightness[4] > brightness[5] > brightness[7] > brightness[9]


def cheek(drawing: Any) -> Any:
    """Median colour under the left eye, between it and the corner of the mouth."""
    x, y = (0.5 * drawing.points[0] + 0.5 * drawing.points[3]).astype(int)
    return np.median(drawing.pixels[y - 3 : y + 4, x - 3 : x + 4].reshape(-1, 3), axis=0)


def test_every_style_backdrop_and_piece_of_clothing_can_be_painted() -> None:
    person = people(1, seed=12)[0]
    seen = {draw(replace(person, hair=style), PLAIN, size=(64, 80)).pixels.tobytes() for style in STYLES}
    assert len(seen) == len(STYLES)
    for backdrop in BACKDROPS:
        for clothes in CLOTHES:
            draw(person, replace(PLAIN, backdrop=backdrop, clothes=clothes), size=(64, 80))
    for beard in ("none", "stubble", "moustache", "goatee", "full"):
        for glasses in ("none", "round", "square", "cat-eye", "aviator"):
            draw(replace(person, beard=beard, glasses=glasses), PLAIN, size=(64, 80))


def test_extreme_poses_and_light_give_no_warning() -> None:
    rng = np.random.default_rng(13)
    for turn in ({"yaw": 60.0}, {"pitch": -40.0}, {"roll": 90.0}, {"size": 3.0}, {"shift": (4.0, 4.0)}, {"size": 0.1}):
        draw(draw_person(rng), replace(draw_photograph(rng), **turn), size=(64, 80))
    draw(draw_person(rng), replace(PLAIN, light_from=(90.0, 0.0), exposure=5.0, harsh=1.0))


def test_a_person_is_immutable() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        people(1)[0].age = 30


def test_requested_traits_are_used() -> None:
    assert {(p.gender, p.monk) for p in people(5, gender="male", monk=7)} == {("male", 7)}
    drawn = people(400)
    assert {p.monk for p in drawn} == set(range(1, 11))
    assert 150 < sum(p.gender == "female" for p in drawn) < 250
    assert {p.hair for p in drawn} == set(STYLES)


def test_no_single_trait_separates_women_from_men() -> None:
    drawn = people(1500, seed=14)
    women = np.array([p.gender == "female" for p in drawn])
    names = [field.name for field in dataclasses.fields(drawn[0]) if isinstance(getattr(drawn[0], field.name), float)]
    for name in set(names) - {"presentation"}:
        values = np.array([getattr(p, name) for p in drawn])
        above = (values[women][:, None] > values[~women]).mean() + 0.5 * (
            values[women][:, None] == values[~women]
        ).mean()
        assert max(above, 1 - above) < 0.95, name
    for style in STYLES:
        wearers = [p.gender for p in drawn if p.hair == style]
        assert 0.03 < np.mean([gender == "female" for gender in wearers]) < 0.995 or len(wearers) < 60, style
    assert any(p.gender == "male" and p.earrings for p in drawn)


def test_hair_is_made_of_named_colours_at_any_age() -> None:
    for person in people(200, seed=15):
        assert all(0 <= value <= 255 for value in (*person.hair_colour, *person.skin))
    assert len(HAIR_COLOURS) >= 10
