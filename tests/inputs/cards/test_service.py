"""The request and answer tables in the card of a black-box service."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from facegap.inputs.cards.read import cards_folder, read_card
from facegap.inputs.cards.service import AnswerSpec, RequestSpec

URL = "https://api.example.org/v1"


def test_a_request_needs_nothing_but_an_address() -> None:
    spec = RequestSpec(url=URL)
    assert (spec.method, spec.encoding, spec.field, spec.key_header, spec.timeout_s) == (
        "POST",
        "multipart",
        "image",
        "Authorization",
        30.0,
    )


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"url": "http://user:word@localhost:80/"}, "an address in a card must not contain a user name or password"),
        ({"encoding": "raw", "fields": {"a": "b"}}, "a raw body cannot contain fields"),
        ({"field": "photo", "fields": {"photo": "b"}}, "under which the image itself is sent"),
        ({"key_prefix": "Bearer\r\nX-Other: "}, "key_prefix"),
        ({"key_header": "X Key"}, "key_header"),
    ],
)
def test_a_request_that_cannot_be_made_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        RequestSpec(**{"url": URL, **keys})


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"gender": "g", "classes": {"Man": "male", "Boy": "male"}}, "one class only"),
        ({"age": "a", "confidence": "c"}, "belong to a gender"),
        ({"gender": "g", "confidence": "c", "confidence_scale": 100.0}, "confidence_scale"),
    ],
)
def test_an_answer_that_cannot_be_told_apart_is_refused(keys: dict[str, Any], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        AnswerSpec(**keys)


def test_the_card_in_the_guide_is_a_card(tmp_path: Path) -> None:
    guide = (cards_folder().parent / "docs" / "black_boxes.md").read_text(encoding="utf-8")
    path = tmp_path / "vendor.toml"
    path.write_text(guide.split("```toml\n")[1].split("```")[0], encoding="utf-8")
    card = read_card(path)
    assert card.gender_classes == ("male", "female")
    assert card.says_age
