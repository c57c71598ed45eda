"""Comparison by a service, with every kind of failure: a score, no face, or no score with the reason."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facegap.inputs.cards.read import read_card
from facegap.vision.service import client
from facegap.vision.service.answers import Query
from facegap.vision.service.client import Limits, Service, Tools
from facegap.vision.service.compare import Compared, compare
from fixtures.dialects import DIALECTS, KEYS, DialectServer, Handler, by_colours, card_for, serving

Ask = Callable[..., Compared]


def picture(seed: int) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 255, (6, 6, 3)).astype(np.uint8)
    return bytes(cv2.imencode(".png", cv2.resize(pixels, (24, 24), interpolation=cv2.INTER_NEAREST))[1])


ANN, BEA = picture(1), picture(2)
NOBODY = bytes(cv2.imencode(".png", np.full((24, 24, 3), 90, np.uint8))[1])


@pytest.fixture
def server() -> Iterator[DialectServer]:
    with serving() as running:
        yield running


@pytest.fixture
def ask(server: DialectServer, tmp_path: Path) -> Iterator[Ask]:
    """Compare two images by a service, without waiting between calls."""
    opened = []

    def asked(
        name: str = "insightface_server_verify", *, images: Any = (ANN, BEA), row: int = 0, **replaced: str
    ) -> Compared:
        card = read_card(card_for(name, server, tmp_path, **replaced))
        tools = Tools(lambda: 0.0, lambda _: None, np.random.default_rng(0))
        service = Service(card, next(iter(KEYS.values())), tmp_path, Limits(calls_per_second=1e9), tools)
        opened.append(service)
        return compare(service, Query(row, row + 1), *images)

    yield asked
    for service in opened:
        service.close()


def status(code: int, what: Any = None) -> Callable[[Handler], None]:
    return lambda handler: handler.answer(code, {"error": "internal"} if what is None else what)


def half_a_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"similarity": 0.')
    handler.close_connection = True


@pytest.mark.parametrize("name", DIALECTS)
def test_a_score_rises_with_likeness_in_every_dialect(ask: Ask, name: str) -> None:
    one, other = by_colours(ANN), by_colours(BEA)
    assert one is not None and other is not None
    cosine = float(one @ other)
    expected = {"compreface_verify": (1 + cosine) / 2, "deepface_verify": cosine - 1}.get(name, cosine)
    assert ask(name) == Compared(pytest.approx(expected, abs=1e-12), "scored")
    assert ask(name, images=(ANN, ANN), row=4).score > ask(name, images=(ANN, BEA), row=8).score


@pytest.mark.parametrize(
    ("name", "images", "outcome"),
    [
        ("compreface_verify", (NOBODY, ANN), "no_face_somewhere"),
        ("compreface_verify", (ANN, NOBODY), "no_face_somewhere"),
        ("deepface_verify", (NOBODY, ANN), "no_face_probe"),
        ("deepface_verify", (ANN, NOBODY), "no_face_reference"),
        ("insightface_server_verify", (NOBODY, ANN), "no_face_somewhere"),
    ],
)
def test_no_face_is_no_score(ask: Ask, server: DialectServer, name: str, images: Any, outcome: str) -> None:
    found = ask(name, images=images)
    assert math.isnan(found.score)
    assert found.outcome == outcome
    assert "found no face" in found.detail
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (status(200, {"result": [{"face_matches": []}]}), "no_face_reference"),
        (status(500, {"message": "No Face is found in the given image"}), "no_answer"),  # the rule requires status 400
        (status(400, {"message": "the key is for another service"}), "no_answer"),
        (status(400, b"no face is found"), "no_answer"),  # no value at the path
    ],
)
def test_a_rule_holds_as_a_whole(ask: Ask, server: DialectServer, answer: Any, outcome: str) -> None:
    server.faults = [answer] * 5
    assert ask("compreface_verify").outcome == outcome


def test_a_face_that_is_not_there_is_not_asked_for_again_though_the_status_is_one_of_failures(
    ask: Ask, server: DialectServer
) -> None:
    server.faults = [status(500, {"error": "face_not_found"})]
    assert ask(**{"status = 422": "status = 500"}).outcome == "no_face_somewhere"
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("fault", "detail", "calls"),
    [
        (status(429), "http 429", 5),
        (status(500), "http 500", 5),
        (half_a_body, "the response was cut off", 5),
        (status(302), "http 302, a redirect, which is not followed", 1),
        (status(200, b"<html>"), "the response is not JSON", 1),
        (status(200, b"\x00\xff\xfe"), "the response is not JSON", 1),
        (status(200, b" " * (2**20 + 1)), "the response is longer than 1,048,576 bytes", 1),
        (status(200, {"similarity": "high"}), "no finite number at similarity in the response", 1),
        (status(200, {"similarity": [0.9]}), "no finite number at similarity in the response", 1),
        (status(200, {"similarity": True}), "no finite number at similarity in the response", 1),
        (status(200, b'{"similarity": NaN}'), "no finite number at similarity in the response", 1),
        (status(200, b'{"similarity": -Infinity}'), "no finite number at similarity in the response", 1),
        (status(200, b'{"similarity": 1e999}'), "no finite number at similarity in the response", 1),
        (
            status(200, {"similarity": 97.5}),
            "97.5 at similarity is outside the card's score_range, -1.001 to 1.001",
            1,
        ),
        (status(200, {"similarity": None}), "nothing at similarity in the response", 1),
        (status(200, {}), "nothing at similarity in the response", 1),
        (status(200, [1, 2]), "nothing at similarity in the response", 1),
    ],
)
def test_a_pair_without_a_usable_answer_is_lost_with_its_reason(
    ask: Ask, server: DialectServer, fault: Any, detail: str, calls: int
) -> None:
    server.faults = [fault] * calls
    found = ask()
    assert math.isnan(found.score)
    assert (found.outcome, found.detail) == ("no_answer", detail)
    assert len(server.seen) == calls


def test_a_slow_answer_is_lost_after_the_time_of_the_card(
    ask: Ask, server: DialectServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_TRIES", 1)
    over = threading.Event()
    server.faults = [lambda handler: over.wait(20) and None]
    try:
        assert ask(**{'key_prefix = "Bearer "': "timeout_s = 0.3"}).detail == "timeout"
    finally:
        over.set()


@pytest.mark.parametrize(
    ("said", "score"),
    [
        (True, 1.0),
        (False, 0.0),
        ("TRUE", 1.0),
        ("false", 0.0),
        (1, 1.0),
        (0, 0.0),
        ("perhaps", math.nan),
        (2, math.nan),
    ],
)
def test_a_decision_is_one_or_zero(ask: Ask, server: DialectServer, said: Any, score: float) -> None:
    server.faults = [status(200, {"matched": said})]
    found = ask(
        **{
            'score = "similarity"\nscore_range = [-1.001, 1.001]': 'decision = "matched"',
            "published_threshold = 0.4": "",
        }
    )
    assert found.score == pytest.approx(score, nan_ok=True)
    assert found.outcome == ("no_answer" if math.isnan(score) else "scored")


def test_a_score_is_brought_to_the_scale_of_the_card(ask: Ask, server: DialectServer) -> None:
    server.faults = [status(200, {"similarity": "87.5"})]
    found = ask(**{"score_range = [-1.001, 1.001]": "score_range = [0, 100]\nscore_scale = 0.01"})
    assert found.score == pytest.approx(0.875)


def test_two_images_in_base64_say_their_type_where_the_card_wants_it(ask: Ask, server: DialectServer) -> None:
    ask("deepface_verify")
    ((_, headers, images),) = server.seen
    assert headers["Content-Type"] == "application/json"
    assert images == {"img1": ANN, "img2": BEA}
