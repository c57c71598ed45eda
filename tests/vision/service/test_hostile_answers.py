"""Hostile responses of a service: each gives a prediction or a printable reason, and is stored as received."""

from __future__ import annotations

import gzip
import json
import math
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from facegap.inputs.cards.read import read_card
from facegap.vision.service import client as http
from facegap.vision.service.answers import MOST_QUOTED, ServicePrediction, parsed_prediction, read_call
from facegap.vision.service.client import Limits, Service

JPEG = b"\xff\xd8\xff\xe0 the bytes of a photograph"
CARD = """
name = "vendor"
task = "classify"
backend = "http"
licence = "terms"
commercial_use = "unknown"
verified = false
citation = "a server of the tests"
known_limits = []
training_data = {{ description = "not stated", status = "proprietary" }}
request = {{ url = "http://127.0.0.1:{port}/", timeout_s = 20 }}
[answer]
gender = "faces.0.gender.value"
classes = {{ Man = "male", Woman = "female" }}
confidence = "faces.0.gender.sure"
confidence_scale = 0.01
age = "faces.0.age"
"""
NOTHING = "nothing at faces.0.gender.value in the response; nothing at faces.0.age in the response"
NO_JSON, NO_WORD = "the response is not JSON", "no word at faces.0.gender.value in the response"
NO_AGE, OUTSIDE = "no age at faces.0.age in the response", "outside the classes of the card: "


def face(value: object = "Man", sure: object = 97, age: object = 41) -> bytes:
    return json.dumps({"faces": [{"gender": {"value": value, "sure": sure}, "age": age}]}).encode()


def written(text: str, at: str = '"Man"') -> bytes:
    """A response with JSON that Python would not write."""
    return face().replace(at.encode(), text.encode("utf-8", "surrogatepass"))


# The body, and the expected class, probability, age and detail.
ANSWERS: dict[str, tuple[bytes, str, float, float, str]] = {
    # another shape
    "null": (b"null", "", math.nan, math.nan, NOTHING),
    "true": (b"true", "", math.nan, math.nan, NOTHING),
    "a number": (b"1e400", "", math.nan, math.nan, NOTHING),
    "a text": (b'"faces.0.gender.value"', "", math.nan, math.nan, NOTHING),
    "an empty list": (b"[]", "", math.nan, math.nan, NOTHING),
    "lists": (b"[[[[]]]]", "", math.nan, math.nan, NOTHING),
    "faces as an object": (face().replace(b"[", b'{"0": ').replace(b"]", b"}"), "male", 0.97, 41, ""),
    "faces as a text": (b'{"faces": "Man"}', "", math.nan, math.nan, NOTHING),
    "no face but null": (b'{"faces": [null]}', "", math.nan, math.nan, NOTHING),
    "a name twice": (written('"Man", "value": "Woman"'), "female", 0.97, 41, ""),
    # not JSON
    "two documents": (face() + face(), "", math.nan, math.nan, NO_JSON),
    "a comma too many": (written('"Man",'), "", math.nan, math.nan, NO_JSON),
    "bytes that are no UTF-8": (face().replace(b"Man", b"Man\xff"), "", math.nan, math.nan, NO_JSON),
    "objects without end": (b'{"faces":' * 100_000, "", math.nan, math.nan, NO_JSON),
    "a number of 5,000 digits": (written("1" * 5000), "", math.nan, math.nan, NO_JSON),
    "XML": (
        b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]>',
        "",
        math.nan,
        math.nan,
        NO_JSON,
    ),
    "a control sign in a text": (face().replace(b"Man", b"Man\x1b[2J"), "", math.nan, math.nan, NO_JSON),
    # other spellings of JSON
    "a byte order mark": (b"\xef\xbb\xbf" + face(), "male", 0.97, 41, ""),
    "UTF-16": (face().decode().encode("utf-16"), "male", 0.97, 41, ""),
    "blanks before and after": (b" " * 5000 + face() + b"\n" * 5000, "male", 0.97, 41, ""),
    # words
    "a word with blanks": (face("  Man\n"), "male", 0.97, 41, ""),
    "another case": (face("man"), "", math.nan, 41, f"{OUTSIDE}'man'"),
    "a letter of another script": (written('"\\u041can"'), "", math.nan, 41, f"{OUTSIDE}'\u041can'"),
    "a zero byte": (face("Man\0"), "", math.nan, 41, f"{OUTSIDE}'Man?'"),
    "a lone surrogate": (written('"\\ud800"'), "", math.nan, 41, f"{OUTSIDE}'?'"),
    "a turn of direction": (face("\u202enaM"), "", math.nan, 41, f"{OUTSIDE}'?naM'"),
    "a script": (face("<script>alert(1)</script>"), "", math.nan, 41, f"{OUTSIDE}'<script>alert(1)</script>'"),
    "a formula": (face("=cmd|' /C calc'!A0"), "", math.nan, 41, f"{OUTSIDE}\"=cmd|' /C calc'!A0\""),
    "a long word": (face("M" * 900_000), "", math.nan, 41, f"{OUTSIDE}'{'M' * MOST_QUOTED}...'"),
    "a number of 4,000 digits": (written("1" * 4000), "", math.nan, 41, f"{OUTSIDE}'{'1' * MOST_QUOTED}...'"),
    "yes": (face(True), "", math.nan, 41, NO_WORD),
    "a fraction": (face(1.5), "", math.nan, 41, NO_WORD),
    "a list": (face(["Man"]), "", math.nan, 41, NO_WORD),
    "an object": (face({"Man": 1}), "", math.nan, 41, NO_WORD),
    # ages
    "an age as a text": (face(age="41"), "male", 0.97, 41, ""),
    "an age below nothing": (face(age=-1), "male", 0.97, math.nan, NO_AGE),
    "an age of universes": (face(age=1e308), "male", 0.97, math.nan, NO_AGE),
    "no number as an age": (written("NaN", "41"), "male", 0.97, math.nan, NO_AGE),
    "infinity as an age": (written("-Infinity", "41"), "male", 0.97, math.nan, NO_AGE),
    "an age of 400 digits": (written("1" * 400, "41"), "male", 0.97, math.nan, NO_AGE),
    "an age as a yes": (face(age=True), "male", 0.97, math.nan, NO_AGE),
    "an age as a list": (face(age=[41]), "male", 0.97, math.nan, NO_AGE),
    "an age with an underscore": (face(age="4_1"), "male", 0.97, math.nan, NO_AGE),
    # confidences
    "more than sure": (face(sure=101), "male", math.nan, 41, ""),
    "less than nothing": (face(sure=-1e-9), "male", math.nan, 41, ""),
    "a confidence as a text": (face(sure="97"), "male", 0.97, 41, ""),
    "an infinite confidence": (written("1e999", "97"), "male", math.nan, 41, ""),
    "a confidence in an object": (face(sure={"value": 97}), "male", math.nan, 41, ""),
}
HEADERS: dict[str, tuple[bytes, bytes]] = {
    "the type of a picture": (b"Content-Type: image/png\r\n", face()),
    "a type with the signs of a terminal": (b"Content-Type: \x1b[2J\x07\xff\r\n", face()),
    "ninety headers": (b"".join(b"X-%d: y\r\n" % k for k in range(90)), face()),
    "cookies": (b"Set-Cookie: a=b; Domain=example.org\r\n" * 20, face()),
}


class Vendor:
    """A socket that sends a given response, once per connection."""

    def __init__(self) -> None:
        self.said = b""
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return int(self.listening.getsockname()[1])

    def serve(self) -> None:
        """Respond until the socket is closed."""
        with suppress(OSError):
            while True:
                connection, _ = self.listening.accept()
                with connection, suppress(OSError):
                    connection.settimeout(20)
                    read = b""
                    while JPEG not in read:
                        read += connection.recv(65536)
                    connection.sendall(self.said)

    def close(self) -> None:
        """Stop."""
        self.listening.shutdown(socket.SHUT_RDWR)
        self.listening.close()
        self.thread.join()


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., tuple[ServicePrediction, Any]]]:
    """The prediction that a service parses from a response, and the call that it stored."""
    folder, vendor = tmp_path_factory.mktemp("service"), Vendor()
    (folder / "vendor.toml").write_text(CARD.format(port=vendor.port))
    card = read_card(folder / "vendor.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http, "MAX_TRIES", 1)
        service = Service(card, None, folder, Limits(calls_per_second=1e6))
        rows = iter(range(1000, 2000))

        def asked(body: bytes, headers: bytes = b"") -> tuple[ServicePrediction, Any]:
            row = next(rows)
            vendor.said = b"HTTP/1.1 200 OK\r\nConnection: close\r\n%sContent-Length: %d\r\n\r\n" % (headers, len(body))
            vendor.said += body
            said = service.ask(row, JPEG)
            (place,) = (folder / http.ANSWERS).glob(f"*{row}-01.json")
            kept = read_call(place)
            again = parsed_prediction(kept, card)  # as in a resumed run
            assert repr(again) == repr(said)
            return said, kept

        yield asked
        service.close()
    vendor.close()


def seen(said: ServicePrediction) -> tuple[str, float, float, str]:
    return said.prediction, said.probability, said.age, said.detail


@pytest.mark.parametrize("name", ANSWERS)
def test_what_a_lying_service_says_is_an_answer_or_a_reason_that_can_be_printed(ask: Any, name: str) -> None:
    body, *expected = ANSWERS[name]
    said, kept = ask(body)
    assert seen(said) == pytest.approx(tuple(expected), nan_ok=True)
    assert said.detail.isprintable()
    assert len(said.detail) < 200
    assert (kept.state, kept.body) == ("answered", body)


@pytest.mark.parametrize("name", HEADERS)
def test_headers_that_lie_do_not_change_what_was_said(ask: Any, name: str) -> None:
    said, kept = ask(HEADERS[name][1], HEADERS[name][0])
    assert seen(said) == ("male", 0.97, 41, "")
    assert len(kept.content_type) <= 200


@pytest.mark.parametrize("body", [face(), bytes(64 * 2**20)], ids=["an answer", "a bomb"])
def test_an_answer_that_was_compressed_unasked_is_not_unpacked(ask: Any, body: bytes) -> None:
    compressed = gzip.compress(body)
    said, kept = ask(compressed, b"Content-Encoding: gzip\r\n")
    assert seen(said) == pytest.approx(("", math.nan, math.nan, NO_JSON), nan_ok=True)
    assert kept.body == compressed
