"""Outputs other than gender and age in cards, and the crop that keeps the aspect ratio of the box."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from facegap.inputs.cards.categories import class_word
from facegap.inputs.cards.schema import CropSpec, ModelCard, Outputs
from facegap.inputs.cards.service import AnswerSpec
from fixtures.cards import age_card

MOOD = {"output": "m", "kind": "softmax", "classes": ["happy", "sad"]}


def test_any_table_of_outputs_is_a_category() -> None:
    card = age_card(b"x", outputs={"mood": MOOD, "mask": MOOD | {"label": "wears"}})
    assert list(card.categories) == ["mood", "mask"]
    assert card.categories["mask"].label == "wears"
    assert not card.gender_classes
    assert ModelCard.model_validate(card.model_dump(mode="json")) == card


@pytest.mark.parametrize(
    ("outputs", "said"),
    [
        ({"gendr": MOOD}, "did you mean"),
        ({"Mood": MOOD}, "begins with a letter"),
        ({"mood": MOOD | {"classes": ["Happy", "sad"]}}, "pattern"),
        ({"mood": MOOD | {"classes": ["happy", "happy"]}}, "twice"),
        ({"mood": MOOD | {"bona_fide": "live"}}, "not one of classes"),
        ({"mood": {"output": "m"}}, "Field required"),
        ({f"mood{k}": MOOD for k in range(9)}, "at most 8"),
    ],
)
def test_what_no_output_can_be_is_refused(outputs: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Outputs.model_validate(outputs)


def test_one_output_of_a_card_detects_attacks_and_embedders_have_none() -> None:
    live = MOOD | {"bona_fide": "happy"}
    with pytest.raises(ValidationError, match="only one output of a card can detect attacks"):
        age_card(b"x", outputs={"one": live, "two": live})
    placed = {"template": [[1, 1], [7, 1], [4, 4], [2, 6], [6, 6]], "interpolation": "bilinear"}
    with pytest.raises(ValidationError, match="does not belong to task"):
        age_card(b"x", task="embed", crop=None, alignment=placed, outputs={"mood": MOOD})


@pytest.mark.parametrize(
    ("crop", "said"),
    [
        ({"rule": "shifted"}, "'factor' is missing"),
        ({}, "'margin' is missing"),
        ({"rule": "shifted", "factor": 2.7, "margin": 0.1}, "'margin' does not belong"),
        ({"margin": 0.1, "factor": 2.0}, "'factor' does not belong"),
    ],
)
def test_a_crop_has_the_key_of_its_rule(crop: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        CropSpec.model_validate(crop | {"interpolation": "bilinear"})


def test_words_of_a_service_lead_to_classes() -> None:
    at = {"classes": ["live", "spoof"], "at": "result.label"}
    spec = AnswerSpec.model_validate({"outputs": {"liveness": at | {"words": {"REAL": "live"}}}})
    assert spec.outputs["liveness"].words == {"REAL": "live"}
    with pytest.raises(ValidationError, match="words maps to 'fake'"):
        AnswerSpec.model_validate({"outputs": {"liveness": at | {"words": {"F": "fake"}}}})


def test_words_are_spelt_as_classes() -> None:
    assert [class_word(text) for text in ("Bona fide", "bona-FIDE ", "print")] == ["bona_fide", "bona_fide", "print"]
