"""A hostile service: every call ends within its time limit, and no response exceeds the size limits."""

from __future__ import annotations

import itertools
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from facegap.errors import RunError
from facegap.inputs.cards.read import read_card
from facegap.vision.service import client as http
from facegap.vision.service.answers import read_call
from facegap.vision.service.client import Limits, Service
from facegap.vision.service.wire import OVERLONG

JPEG = b"\xff\xd8\xff\xe0 the bytes of a photograph"
MAN = json.dumps({"gender": "male"}).encode()
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
request = {{ url = "http://127.0.0.1:{port}/", timeout_s = {timeout_s} }}
answer = {{ gender = "gender" }}
"""
Talk = Callable[[Callable[[bytes], None]], None]


@contextmanager
def server(talk: Talk) -> Iterator[int]:
    """The port of a socket that reads a request and then sends what `talk` writes, even if it is not HTTP."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.05)

        def answer(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.settimeout(5)
                while b"\r\n\r\n" not in connection.recv(65536):
                    pass

                def send(data: bytes) -> None:
                    if over.is_set():
                        raise OSError
                    connection.sendall(data)

                talk(send)

        def serve() -> None:
            while not over.is_set():
                with suppress(TimeoutError):
                    threading.Thread(target=answer, args=(listening.accept()[0],), daemon=True).start()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1]
        finally:
            over.set()
            thread.join()


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[str, float, Any]]:
    """Call a server that sends this; returns the detail, the duration in seconds, and the stored call."""
    monkeypatch.setattr(http, "MAX_TRIES", 1)

    def ask(talk: Talk, timeout_s: float = 0.5) -> tuple[str, float, Any]:
        with server(talk) as port:
            path = tmp_path / "vendor.toml"
            path.write_text(CARD.format(port=port, timeout_s=timeout_s))
            service = Service(read_card(path), None, tmp_path, Limits(calls_per_second=1000))
            started = time.monotonic()
            try:
                said = service.ask(0, JPEG)
            finally:
                service.close()
            took = time.monotonic() - started
        (kept,) = (read_call(file) for file in (tmp_path / "answers").iterdir())
        return said.detail or said.prediction, took, kept

    return ask


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def drip(start: bytes, again: bytes, pause_s: float = 0.02) -> Talk:
    """Send one thing, then another for ever, too slowly for the call but not for a timeout between bytes."""

    def talk(send: Callable[[bytes], None]) -> None:
        send(start)
        for _ in range(1000):
            for letter in again:
                send(bytes([letter]))
                time.sleep(pause_s)

    return talk


def flood(start: bytes, again: bytes) -> Talk:
    """Send one thing, then another as fast as the socket accepts it."""

    def talk(send: Callable[[bytes], None]) -> None:
        send(start)
        while True:
            send(again)

    return talk


def whole(data: bytes) -> Talk:
    return lambda send: send(data)


SLOW: dict[str, Talk] = {
    "nothing at all": lambda send: time.sleep(3),
    "a status line": drip(b"", b"HTTP/1.1 200 OK"),
    "interim answers": drip(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "other interim answers": drip(b"", b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"),
    "a header": drip(HEAD + b"X: ", b"xxxx"),
    "headers": drip(HEAD, b"X-A: b\r\n"),
    "a body": drip(HEAD + b"Content-Length: 100000\r\n\r\n", b" "),
    "a body without length": drip(HEAD + b"\r\n", b" "),
    "chunk sizes": drip(CHUNKED, b"0000000"),
    "chunk extensions": drip(CHUNKED + b"1;x=", b"yyyy"),
    "chunks": drip(CHUNKED, b"1\r\n \r\n"),
    "trailers": drip(CHUNKED + b"1\r\n1\r\n0\r\n", b"X-A: b\r\n"),
    "after a redirect": drip(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 99999\r\n\r\n", b" "),
}


@pytest.mark.parametrize("name", SLOW)
def test_whatever_comes_drop_by_drop_ends_with_the_time_of_the_call(asked: Any, name: str) -> None:
    detail, took, kept = asked(SLOW[name])
    assert took < 3
    assert (detail, kept.state) == ("timeout", "failed")


FLOODS: dict[str, Talk] = {
    "interim answers": flood(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
    "interim answers of long headers": flood(b"", b"HTTP/1.1 100 Continue\r\nX: " + b"x" * 60000 + b"\r\n\r\n"),
    "headers": flood(HEAD, b"X: " + b"x" * 30000 + b"\r\n"),
    "chunk extensions": flood(CHUNKED + b"1;", b"x" * 65536),
    "chunk sizes": flood(CHUNKED, b"0" * 65536),
    "trailers": flood(CHUNKED + b"1\r\n1\r\n0\r\n", b"X: " + b"x" * 60000 + b"\r\n"),
}


@pytest.mark.parametrize("name", FLOODS)
def test_whatever_comes_without_end_is_read_no_further_than_its_bound(asked: Any, name: str) -> None:
    detail, took, kept = asked(FLOODS[name], timeout_s=20)
    assert took < 10
    assert detail == OVERLONG or detail in (
        "the response was cut off",
        "the response is not JSON",
    ), detail
    assert len(kept.body) <= 2**20
    assert kept.state in ("answered", "failed")


def test_an_answer_in_many_small_chunks_is_read(asked: Any) -> None:
    pieces = b"".join(b"1;note=x\r\n" + bytes([letter]) + b"\r\n" for letter in MAN)
    assert asked(whole(CHUNKED + pieces + b"0\r\nX-Done: yes\r\n\r\n"))[0] == "male"


def test_an_interim_answer_or_two_do_no_harm(asked: Any) -> None:
    body = b"Content-Length: %d\r\n\r\n" % len(MAN) + MAN
    assert asked(whole(b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + HEAD + body))[0] == "male"


STRANGE = [
    b"",
    b"\0" * 100,
    b"HTTP/9.9 200 OK\r\n\r\n",
    b"HTTP/1.1 -5 OK\r\n\r\n",
    b"HTTP/1.1 99999999999 OK\r\n\r\n",
    HEAD + b"Content-Length: -1\r\n\r\n" + MAN,
    HEAD + b"Content-Length: 1e9\r\n\r\n" + MAN,
    HEAD + b"Content-Length: 99999999999999999999999\r\n\r\n" + MAN,
    HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + MAN,
    CHUNKED + b"-1\r\n" + MAN,
    CHUNKED + b"FFFFFFFFFFFFFFFFFFFF\r\n" + MAN,
    CHUNKED + b"zz\r\n" + MAN,
    HEAD + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\n\x1f\x8b\x08",
    HEAD + b"Retry-After: Fri, 31 Dec 9999 23:59:59 -2359\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 429 Slow\r\nRetry-After: Fri, 31 Dec 9999 23:59:59 -2359\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 503 Slow\r\nRetry-After: Mon, 01 Jan 0001 00:00:00 +2359\r\nContent-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 200 OK\r\n" + "X-Ünïcode: é\r\n".encode("latin-1") + b"Content-Length: 2\r\n\r\n{}",
    b"HTTP/1.1 304 Not Modified\r\n\r\n",
    b"HTTP/1.1 101 Switching\r\n\r\n" + b"x" * 100,
]


@pytest.mark.parametrize("data", STRANGE, ids=range(len(STRANGE)))
def test_a_strange_answer_ends_in_a_reason_or_one_error_and_is_kept(asked: Any, data: bytes, tmp_path: Path) -> None:
    try:
        detail, took, kept = asked(whole(data), timeout_s=2)
    except RunError:  # no connection, or a pause requested
        return
    assert took < 5
    assert detail
    assert kept.state in ("answered", "failed")


@pytest.mark.parametrize("status", [200, 301, 400, 404, 500, 502])
def test_a_retry_after_beside_any_other_status_is_passed_over(asked: Any, status: int) -> None:
    said = b"HTTP/1.1 %d X\r\nRetry-After: 86400\r\nContent-Length: %d\r\n\r\n" % (status, len(MAN)) + MAN
    detail, took, kept = asked(whole(said))
    assert took < 3
    assert kept.state == ("failed" if status in (500, 502) else "answered")
    assert detail.startswith("male" if status == 200 else "http")


def test_stopping_hangs_up_a_call_that_is_under_way(tmp_path: Path) -> None:
    with server(SLOW["headers"]) as port:
        path = tmp_path / "vendor.toml"
        path.write_text(CARD.format(port=port, timeout_s=60))
        service = Service(read_card(path), None, tmp_path, Limits(calls_per_second=1000))
        threading.Timer(0.2, service.stop).start()
        started = time.monotonic()
        with pytest.raises(RunError, match=r"stopped; the responses received are kept, continue with --resume"):
            service.ask(0, JPEG)
        assert time.monotonic() - started < 3
        service.close()
    (kept,) = (read_call(file) for file in (tmp_path / "answers").iterdir())
    assert kept.state == "sent"  # counts in the budget, because it may have been billed


def test_a_call_that_is_nearly_over_when_the_audit_stops_is_kept(tmp_path: Path) -> None:
    def talk(send: Callable[[bytes], None]) -> None:
        time.sleep(0.4)
        send(HEAD + b"Content-Length: %d\r\n\r\n" % len(MAN) + MAN)

    with server(talk) as port:
        path = tmp_path / "vendor.toml"
        path.write_text(CARD.format(port=port, timeout_s=60))
        service = Service(read_card(path), None, tmp_path, Limits(calls_per_second=1000))
        threading.Timer(0.1, service.stop).start()
        assert service.ask(0, JPEG).prediction == "male"
        service.close()


def test_a_connection_is_used_again_and_its_bounds_begin_anew(tmp_path: Path) -> None:
    """Twenty responses of a megabyte each over one connection: the limit is per response, not per connection."""
    accepted = itertools.count()
    body = MAN + b" " * (2**20 - len(MAN) - 1)

    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            next(accepted)
            with connection, suppress(OSError):
                while data := connection.recv(65536):
                    if JPEG in data:
                        connection.sendall(HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body)

        threading.Thread(target=serve, daemon=True).start()
        path = tmp_path / "vendor.toml"
        path.write_text(CARD.format(port=listening.getsockname()[1], timeout_s=20))
        service = Service(read_card(path), None, tmp_path, Limits(calls_per_second=1000))
        assert [service.ask(row, JPEG).prediction for row in range(20)] == ["male"] * 20
        service.close()
    assert next(accepted) == 1
