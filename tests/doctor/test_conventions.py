"""Which published convention a card follows, most common first."""

from __future__ import annotations

import pytest

from facegap.doctor.alternatives import variants, with_input
from facegap.doctor.conventions import CONVENTIONS, convention_name, convention_rank
from facegap.inputs.cards.read import load_cards

CARDS = load_cards()


@pytest.mark.parametrize(
    ("name", "family"),
    [
        ("arcface_r50", "ArcFace and related models"),
        ("mobilenetv2_face", "ArcFace and related models"),
        ("mobileface_v2", "ArcFace and related models, scaled inside the graph"),
        ("adaface_ir18", "AdaFace"),
        ("face_reid_0095", "Open Model Zoo"),
        ("fairface", "torchvision"),
        ("faceapi_age_gender", "scaled inside the graph"),
        ("googlenet_gender", "Caffe"),
    ],
)
def test_cards_of_published_models_follow_their_family(name: str, family: str) -> None:
    assert convention_name(CARDS[name]) == family


def test_a_changed_setting_follows_another_convention_or_none() -> None:
    card = CARDS["mobileface_v2"]
    found = {one.name: convention_name(one.card, one.box_margin) for one in variants(card)}
    assert found["scale -1..1"] == "ArcFace and related models"
    assert found["alignment face 10% larger in the crop"] == ""
    assert found["alignment none, box with margin 0"] == ""
    assert found["interpolation bicubic"] == ""
    assert found["scale 0..255 minus 123, 117, 104"] == ""


def test_what_follows_no_convention_comes_last() -> None:
    card = CARDS["mobileface_v2"]
    assert convention_rank(card, 0.0) == len(CONVENTIONS) > convention_rank(card)


def test_a_graph_that_takes_bytes_scales_them_itself() -> None:
    card = with_input(CARDS["mobileface_v2"], dtype="uint8")
    assert convention_name(card) == "ArcFace and related models, scaled inside the graph"
