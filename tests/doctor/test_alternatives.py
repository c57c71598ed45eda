"""Alternative settings: one change at a time, never the card's own setting again, and always a valid card."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from facegap.doctor.alternatives import (
    TEMPLATES,
    Variant,
    colours,
    given_input,
    given_template,
    placed_points,
    same_values,
    scales,
    variants,
    with_input,
)
from facegap.inputs.cards.read import load_cards
from facegap.inputs.cards.schema import ModelCard

CARDS = load_cards()
JUDGED = [name for name, card in CARDS.items() if card.task != "detect" and card.backend == "onnx"]


def settings(card: ModelCard, aspect: str) -> dict[str, Variant]:
    return {one.setting: one for one in variants(card) if one.aspect == aspect}


@pytest.mark.parametrize("name", JUDGED)
def test_the_card_comes_first_and_every_other_setting_once_and_valid(name: str) -> None:
    tried = variants(CARDS[name])
    assert tried[0].card is CARDS[name]
    assert tried[0].aspect == "the card"
    keys = [(one.card.model_dump_json(), one.box_margin) for one in tried]
    assert len(set(keys)) == len(keys) >= 6
    assert len({one.name for one in tried}) == len(tried)
    for one in tried:
        assert ModelCard.model_validate(one.card.model_dump(exclude_unset=True)) == one.card


@pytest.mark.parametrize("name", JUDGED)
def test_each_setting_changes_one_table_only(name: str) -> None:
    own = CARDS[name].model_dump()
    tables = {"colour": "input", "scale": "input", "alignment": "alignment", "crop": "crop", "classes": "outputs"}
    for one in variants(CARDS[name])[1:]:
        changed = {key for key, value in one.card.model_dump().items() if value != own[key]}
        if one.box_margin is not None:
            assert not changed
        elif one.aspect == "interpolation":
            assert len(changed & {"alignment", "crop"}) == 1
        else:
            assert changed == {tables[one.aspect]}


def test_a_mean_goes_with_its_colour() -> None:
    caffe = with_input(CARDS["mobileface_v2"], colour="BGR", mean=(104.0, 117.0, 123.0), scale=(1.0, 2.0, 3.0))
    (other,) = colours(caffe)
    spec = given_input(other.card)
    assert (spec.colour, spec.mean, spec.scale) == ("RGB", (123.0, 117.0, 104.0), (3.0, 2.0, 1.0))


def test_means_of_a_blue_first_model_are_blue_first() -> None:
    found = settings(CARDS["face_reid_0095"], "scale")
    assert given_input(found["0..255 minus 123, 117, 104"].card).mean == (104.0, 117.0, 123.0)
    assert given_input(found["ImageNet's mean and standard deviation"].card).mean == pytest.approx(
        (103.53, 116.28, 123.675)
    )


def test_a_grey_model_has_one_mean_and_no_colour_order() -> None:
    card = CARDS["mini_xception_gender"]
    assert settings(card, "colour") == {}
    assert set(settings(card, "scale")) == {"0..255", "0..1"}  # -1..1 is the card's own
    assert given_input(settings(card, "scale")["0..1"].card).scale == (1 / 255,)


def test_bytes_are_fed_as_they_are() -> None:
    assert scales(with_input(CARDS["mobileface_v2"], dtype="uint8")) == []


@pytest.mark.parametrize(
    ("mean", "scale", "same"),
    [
        (127.5, 1 / 128, True),
        (127.5, 1 / 127.5, True),
        (127.5, 1 / 255, False),
        (0.0, 1 / 255, False),
        (125.0, 1 / 127.5, True),
        (117.0, 1 / 127.5, False),
    ],
)
def test_scales_of_127_5_and_128_are_one_setting(mean: float, scale: float, same: bool) -> None:
    spec = given_input(with_input(CARDS["mobileface_v2"], mean=(127.5,) * 3, scale=(1 / 127.5,) * 3))
    assert same_values(spec, (mean,) * 3, (scale,) * 3) is same


def test_the_project_s_cards_have_the_published_templates() -> None:
    for name, called in (("mobileface_v2", "ArcFace"), ("face_reid_0095", "Open Model Zoo")):
        card = CARDS[name]
        published = np.array(placed_points(TEMPLATES[called], *given_input(card).size))
        assert np.array(given_template(card)) == pytest.approx(published, abs=2e-4)
        assert f"{called} template" not in settings(card, "alignment")


def test_a_template_on_a_narrow_crop_is_centred_and_not_squeezed() -> None:
    # SphereFace's 96 x 112 crop is ArcFace's with 8 pixels fewer on each side.
    points = np.array(placed_points(TEMPLATES["ArcFace"], 96, 112))
    assert points[:, 0] + 8 == pytest.approx([38.2946, 73.5318, 56.0252, 41.5493, 70.7299])


def test_a_smaller_face_stays_centred() -> None:
    found = settings(CARDS["mobileface_v2"], "alignment")
    cards = CARDS["mobileface_v2"], found["face 10% smaller in the crop"].card
    own, smaller = (np.array(given_template(card)) for card in cards)
    assert smaller - 56 == pytest.approx(0.9 * (own - 56), abs=1e-3)


def test_no_alignment_is_the_box_of_the_detector() -> None:
    assert [one.box_margin for one in variants(CARDS["mobileface_v2"]) if one.box_margin is not None] == [0.0]


def test_every_margin_but_the_card_s_own_is_tried() -> None:
    assert set(settings(CARDS["faceapi_age_gender"], "crop")) == {
        f"margin {m}" for m in ("0", "0.1", "0.2", "0.3", "0.4")
    }


def test_classes_are_exchanged_for_genders_and_years_scaled_for_ages() -> None:
    card = CARDS["faceapi_age_gender"]
    assert set(settings(card, "classes")) == {"female, male"}
    by_age: dict[str, Any] = {one.aspect: one for one in variants(card, age=True)}
    assert "classes" not in by_age
    assert by_age["years"].card.outputs.age.scale == 100
