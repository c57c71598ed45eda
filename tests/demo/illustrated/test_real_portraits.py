"""Real models on illustrated people: a detector not trained on illustrations finds all faces, an embedder separates people."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.demo.illustrated.portraits import draw, draw_person, draw_photograph
from facegap.inputs.cards.read import resolve_card
from facegap.inputs.cards.weights import read_weights
from facegap.runtime import open_session
from facegap.vision import detect, embed

pytestmark = pytest.mark.real
PEOPLE, PHOTOGRAPHS = 100, 2


def ready(name: str, task: Any, test_data: Path) -> Any:
    card, _ = resolve_card(name, task)
    return card, open_session(read_weights(card, [test_data / "models"]), name=name)


@pytest.fixture(scope="module")
def seen(test_data: Path) -> dict[str, Any]:
    """Per illustration: person, Monk tone, whether a face was found, distance of its points, template."""
    detector = detect.detector(*ready("yunet", "detect", test_data))
    embedder = embed.embedder(*ready("face_reid_0095", "embed", test_data), 8)
    rng = np.random.default_rng(17)
    found: dict[str, list[Any]] = {"person": [], "monk": [], "found": [], "off": [], "template": []}
    for number in range(PEOPLE):
        person = draw_person(rng, monk=1 + number % 10)
        for _ in range(PHOTOGRAPHS):
            drawing = draw(person, draw_photograph(rng))
            faces = detect.detect(detector, drawing.pixels)
            found["found"].append(len(faces) == 1)
            found["monk"].append(person.monk)
            if len(faces):
                iod = np.linalg.norm(drawing.points[1] - drawing.points[0])
                found["off"].append(np.linalg.norm(faces.points[0] - drawing.points, axis=1) / iod)
                crop = embed.face_crop(embedder, drawing.pixels, faces.points[0])
                assert crop is not None
                found["template"].append(embed.embed(embedder, [crop])[0])
                found["person"].append(number)
    return {name: np.array(values) for name, values in found.items()}


def test_yunet_finds_the_illustrations_of_every_tone(seen: dict[str, Any]) -> None:
    assert seen["found"].mean() >= 0.99
    for monk in range(1, 11):
        assert seen["found"][seen["monk"] == monk].mean() >= 0.95  # 20 illustrations per tone: one may be lost


def test_yunet_finds_the_true_points(seen: dict[str, Any]) -> None:
    assert np.median(seen["off"]) <= 0.065  # measured on 4,000 illustrations in benchmarks/drawn_study.py
    assert np.quantile(seen["off"], 0.95) <= 0.2


def test_an_embedder_not_trained_on_illustrations_separates_people(seen: dict[str, Any]) -> None:
    scores = seen["template"] @ seen["template"].T
    same = seen["person"][:, None] == seen["person"]
    later = np.triu(np.ones_like(same), 1)
    genuine, impostor = scores[same & later], scores[~same & later]
    assert genuine.mean() - impostor.mean() > 0.25
    equal = min(
        max((genuine < t).mean(), (impostor >= t).mean()) for t in np.quantile(scores, np.linspace(0.5, 1, 400))
    )
    assert equal < 0.08
