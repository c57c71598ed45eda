"""Test the card of a service with a few calls, on local services that behave like real ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from fixtures.command_lines import Call
from fixtures.dialects import CLASSIFIER, DIALECTS, EMBEDDING, KEYS, DialectServer, card_for, serving


@pytest.fixture
def server() -> Iterator[DialectServer]:
    with serving() as running:
        yield running


@pytest.fixture
def people(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Four people with two pictures each."""
    for name, key in KEYS.items():
        monkeypatch.setenv(name, key)
    rng = np.random.default_rng(1)
    lines = ["image,subject,gender"]
    for person in range(4):
        face = rng.integers(30, 220, (6, 6, 3))
        for image in range(2):
            noisy = np.clip(face + rng.normal(0, 20, face.shape), 0, 255).astype(np.uint8)
            cv2.imwrite(str(tmp_path / f"{person}_{image}.png"), noisy)
            lines.append(f"{person}_{image}.png,{person},{'fm'[person % 2]}")
    (tmp_path / "people.csv").write_text("\n".join(lines) + "\n")
    return tmp_path / "people.csv"


def examine(call: Call, card: Path, people: Path, *more: str) -> tuple[int, str]:
    """The exit code, and the whole output in one line."""
    quick = ("--calls-per-second", "1000")
    code, out, problem = call("doctor", str(card), "--manifest", str(people), "--send-images", *quick, *more)
    return code, " ".join((out + problem).split())


def test_number_price_and_recipient_are_shown_and_nothing_is_sent_without_permission(
    call: Call, people: Path, server: DialectServer, tmp_path: Path
) -> None:
    card = card_for("compreface_verify", server, tmp_path)
    code, _, problem = call("doctor", str(card), "--manifest", str(people), "--price-per-call", "0.5")
    said = " ".join(problem.split())
    assert code == 2
    assert "8 calls, 4.00 at 0.5 each, with 6 images of the manifest" in said
    assert f"to {server.url} with the value of COMPREFACE_KEY" in said
    assert "Nothing was sent" in said
    assert server.seen == []


def test_images_may_lie_in_another_folder_than_the_manifest(
    call: Call, people: Path, server: DialectServer, tmp_path: Path
) -> None:
    beside = tmp_path / "tables" / "people.csv"
    beside.parent.mkdir()
    people.rename(beside)
    card = card_for("compreface_verify", server, tmp_path)
    assert examine(call, card, beside, "--images-dir", str(tmp_path))[0] == 0


def test_an_error_of_a_test_call_does_not_mention_resuming(call: Call, people: Path, tmp_path: Path) -> None:
    with serving(says=lambda path, images: (401, {})) as refusing:
        code, said = examine(call, card_for("compreface_verify", refusing, tmp_path), people)
    assert code == 2
    assert "rejects the key" in said
    assert "--resume" not in said


@pytest.mark.parametrize("name", DIALECTS)
def test_a_correct_card_passes(call: Call, people: Path, server: DialectServer, tmp_path: Path, name: str) -> None:
    code, said = examine(call, card_for(name, server, tmp_path), people)
    assert code == 0, said
    assert said.count("in order") == 4
    assert len(server.seen) == 8


@pytest.mark.parametrize(
    ("name", "old", "new", "what"),
    [
        (
            "compreface_verify",
            "face_matches.0.similarity",
            "face_matches.0.score",
            "answer path: 0 of 7 calls returned a score",
        ),
        (
            "compreface_verify",
            "score_range = [0.0, 1.0]",
            "score_range = [0.0, 100.0]",
            "scale: an image compared with itself scores 1;",
        ),
        ("deepface_verify", "falling = true", "falling = false", "direction: same image"),
        ("deepface_verify", 'text = "img2_path"', 'text = "other"', "no face: a plain grey image fits no rule"),
        ("insightface_server_verify", "face_not_found", "no_face_here", "no face: a plain grey image fits no rule"),
    ],
)
def test_what_is_wrong_on_a_card_is_named(
    call: Call, people: Path, server: DialectServer, tmp_path: Path, name: str, old: str, new: str, what: str
) -> None:
    code, said = examine(call, card_for(name, server, tmp_path, **{old: new}), people)
    assert code == 1
    assert what in said.partition("FAILED: ")[2]


@pytest.mark.parametrize("name", EMBEDDING)
def test_a_service_that_embeds_is_tested(
    call: Call, people: Path, server: DialectServer, tmp_path: Path, name: str
) -> None:
    fits = {f"dimension = {EMBEDDING[name]}": "dimension = 108"}
    code, said = examine(call, card_for(name, server, tmp_path, **fits), people)
    assert (code, said.count("in order")) == (0, 4), said
    assert len(server.seen) == 8
    code, said = examine(call, card_for(name, server, tmp_path), people)
    assert code == 1
    assert "answer path: 0 of 7 calls returned an embedding; 108 numbers at" in said


CARD = (
    CLASSIFIER
    + """[answer]
gender = "gender"
classes = {{ {classes} }}
"""
)


@pytest.mark.parametrize(
    ("classes", "code", "what"),
    [
        ('W = "female", M = "male"', 0, "6 of 6 predictions equal the label"),
        ('W = "male", M = "female"', 1, "classes: 0 of 6 predictions equal the label"),
    ],
)
def test_a_service_that_classifies_is_tested(
    call: Call, people: Path, tmp_path: Path, classes: str, code: int, what: str
) -> None:
    women = {(people.parent / f"{k}_{image}.png").read_bytes() for k in (0, 2) for image in (0, 1)}

    def says(path: str, images: Mapping[str, bytes]) -> tuple[int, Any]:
        data = images["image"]
        return (200, {}) if data.startswith(b"\xff\xd8") else (200, {"gender": "W" if data in women else "M"})

    with serving(says=says) as server:
        (tmp_path / "vendor.toml").write_text(CARD.format(url=server.url, classes=classes))
        found, said = examine(call, tmp_path / "vendor.toml", people)
        assert len(server.seen) == 7
    assert (found, what in said) == (code, True), said
    assert "a plain grey image gets no answer" in said


def test_a_service_that_searches_is_referred_to_an_audit(
    call: Call, people: Path, server: DialectServer, tmp_path: Path
) -> None:
    code, said = examine(call, card_for("compreface_search", server, tmp_path), people)
    assert (code, "must first be given a gallery" in said) == (2, True)
    assert server.seen == []
