"""Outputs other than gender and age in a service's JSON."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from facegap.inputs.cards.schema import ModelCard
from facegap.vision.service.answers import Call, ServicePrediction, parsed_prediction


def card(**outputs: Any) -> ModelCard:
    return ModelCard.model_validate(
        {
            "name": "box",
            "task": "classify",
            "backend": "http",
            "licence": "terms of a vendor",
            "commercial_use": "unknown",
            "verified": False,
            "citation": "made here",
            "known_limits": [],
            "training_data": {"description": "unknown", "status": "unknown"},
            "request": {"url": "http://127.0.0.1:1/"},
            "answer": {"outputs": outputs},
        }
    )


LIVENESS = {"at": "face.liveness.label", "classes": ["live", "spoof"], "bona_fide": "live"}


def said_of(answer: Any, **outputs: Any) -> ServicePrediction:
    return parsed_prediction(Call(0, 1, "", "answered", "", body=json.dumps(answer).encode()), card(**outputs))


def test_the_word_at_a_path_is_a_class_up_to_case_and_blanks() -> None:
    answer = {"face": {"liveness": {"label": " Live", "score": 93}}}
    spec = LIVENESS | {"confidence": "face.liveness.score", "confidence_scale": 0.01}
    found = said_of(answer, liveness=spec)
    assert found.categories == {"liveness": ("live", pytest.approx(0.93))}
    assert (found.prediction, found.detail) == ("", "")


def test_words_of_the_service_are_translated_and_truth_values_are_words() -> None:
    spec = {"at": "real", "classes": ["live", "spoof"], "words": {"true": "live", "false": "spoof"}}
    assert said_of({"real": True}, liveness=spec).categories["liveness"][0] == "live"
    assert said_of({"real": False}, liveness=spec).categories["liveness"][0] == "spoof"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ({}, "liveness: nothing at face.liveness.label in the response"),
        ({"face": {"liveness": {"label": "maybe\x1b[2J"}}}, "liveness: outside the classes of the card: 'maybe?[2J'"),
        ({"face": {"liveness": {"label": ["live"]}}}, "liveness: no word at face.liveness.label in the response"),
        ([[]], "liveness: nothing at face.liveness.label in the response"),
    ],
)
def test_what_is_no_class_is_no_answer_and_says_why(answer: Any, why: str) -> None:
    found = said_of(answer, liveness=LIVENESS)
    assert found.categories["liveness"][0] == "" and math.isnan(found.categories["liveness"][1])
    assert found.detail == why
