"""A local black-box service that responds in every way a real one might: each image gets a prediction or a reason."""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.parser import BytesParser
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.errors import CardError, RunError
from facegap.inputs.cards.read import read_card
from facegap.inputs.cards.schema import ModelCard
from facegap.store.record import SentRecord
from facegap.vision.service import client as http
from facegap.vision.service import wire
from facegap.vision.service.answers import Call, parsed_prediction, read_call
from facegap.vision.service.client import MAX_TRIES, Limits, Service, Tools
from facegap.vision.service.redaction import without_key
from facegap.vision.service.wire import MAX_ANSWER_BYTES, read_key, recipient, retry_after

KEY = "secret+key/0123456789"
JPEG = b"\xff\xd8\xff\xe0 the bytes of a photograph"
Answer = Callable[["Handler"], None]

CARD = """
name = "vendor"
task = "classify"
backend = "http"
licence = "terms of the vendor"
commercial_use = "unknown"
verified = false
citation = "a server of the tests"
known_limits = []
[training_data]
description = "not stated"
status = "proprietary"
[request]
url = "{url}"
{request}
[answer]
gender = "faces.0.gender.value"
{answer}
"""
MAN = {"faces": [{"gender": {"value": "Man", "sure": 97}, "age": 41}]}


# ---- the server ----


class Handler(BaseHTTPRequestHandler):
    """Give the answers of the test in turn, then the last one repeatedly, and record the requests."""

    server: Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with self.server.lock:
            self.server.seen.append((self.headers, body))
            answers = self.server.answers
            answer = answers.pop(0) if len(answers) > 1 else answers[0]
        answer(self)

    do_PUT = do_POST  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


class Server(ThreadingHTTPServer):
    """A service on this machine."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers: list[Answer] = [says(MAN)]
        self.seen: list[tuple[Message, bytes]] = []
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that disconnect early are part of the tests."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/faces"


def says(what: Any, status: int = 200, **headers: str) -> Answer:
    """A response: bytes unchanged, everything else as JSON."""
    body = what if isinstance(what, bytes) else json.dumps(what).encode()

    def answer(handler: Handler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def half_a_body(handler: Handler) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"faces": [')


def hangs_up(handler: Handler) -> None:
    handler.connection.close()


def drips(handler: Handler) -> None:
    """An endless body, one byte at a time, each within any timeout between bytes."""
    handler.send_response(200)
    handler.end_headers()
    for _ in range(200):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.02)


def slow(handler: Handler) -> None:
    time.sleep(0.6)
    says(MAN)(handler)


def echo(handler: Handler) -> None:
    """A careless service, which repeats the request with the key in several encodings."""
    key = handler.headers["X-Key"]
    forms = {
        "plain": key,
        "url": key.replace("+", "%2B").replace("/", "%2F"),
        "coded": base64.b64encode(key.encode()).decode(),
    }
    says({**MAN, "request": forms}, Content_Type=f"application/json; key={key}")(handler)


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield running
        running.shutdown()
        thread.join()


# ---- simulated time ----


class Clock:
    """Seconds that pass only by sleeping; every sleep is recorded."""

    def __init__(self) -> None:
        self.now, self.slept = 0.0, []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def ask_service(server: Server, clock: Clock, tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Factory of services on the server, closed at the end."""
    made: list[Service] = []

    def make(
        *,
        request: str = "",
        answer: str = "",
        limits: Limits | None = None,
        key: str | None = None,
        real: bool = False,
        url: str = "",
    ) -> Service:
        card = card_of(tmp_path, url or server.url, request, answer)
        tools = None if real else Tools(clock, clock.sleep, np.random.default_rng(7))
        made.append(Service(card, key, tmp_path, limits or Limits(calls_per_second=1000), tools))
        return made[-1]

    yield make
    for service in made:
        service.close()


def card_of(folder: Path, url: str, request: str = "", answer: str = "") -> ModelCard:
    path = folder / "vendor.toml"
    path.write_text(CARD.format(url=url, request=request, answer=answer), encoding="utf-8")
    return read_card(path)


WORDS = """
classes = { Man = "male", Woman = "female" }
confidence = "faces.0.gender.sure"
confidence_scale = 0.01
age = "faces.0.age"
"""


def kept(folder: Path) -> list[Call]:
    return [read_call(path) for path in sorted((folder / http.ANSWERS).iterdir())]


# ---- one call by hand ----


def test_a_plain_answer_by_hand(server: Server, ask_service: Any, tmp_path: Path) -> None:
    said = ask_service(answer=WORDS).ask(3, JPEG)
    assert (said.prediction, said.probability, said.age, said.detail) == ("male", pytest.approx(0.97), 41.0, "")
    (call,) = kept(tmp_path)
    assert (call.row, call.attempt, call.state, call.status) == (3, 1, "answered", 200)
    assert json.loads(call.body) == MAN
    assert len(server.seen) == 1


def test_the_image_goes_out_as_it_is_and_without_its_name(server: Server, ask_service: Any) -> None:
    ask_service(request='field = "photo"\nfields = { attributes = "gender" }').ask(0, JPEG)
    headers, body = server.seen[0]
    form = BytesParser().parsebytes(b"Content-Type: " + headers["Content-Type"].encode() + b"\r\n\r\n" + body)
    parts = {part.get_param("name", header="content-disposition"): part for part in form.get_payload()}  # type: ignore[union-attr]
    assert set(parts) == {"photo", "attributes"}
    assert parts["photo"].get_payload(decode=True) == JPEG  # type: ignore[union-attr]
    assert parts["photo"].get_filename() == "image.jpeg"  # type: ignore[union-attr]
    assert parts["photo"].get_content_type() == "image/jpeg"  # type: ignore[union-attr]


def test_json_and_raw_requests_hold_the_same_image(server: Server, ask_service: Any) -> None:
    ask_service(request='encoding = "json-base64"\nfields = { mode = "fast" }').ask(0, JPEG)
    ask_service(request='encoding = "raw"\nmethod = "PUT"').ask(1, JPEG)
    sent = json.loads(server.seen[0][1])
    assert base64.b64decode(sent["image"]) == JPEG
    assert sent["mode"] == "fast"
    assert server.seen[1][1] == JPEG
    assert server.seen[1][0]["Content-Type"] == "image/jpeg"


def test_the_key_is_sent_where_the_card_says_and_nowhere_kept(server: Server, ask_service: Any, tmp_path: Path) -> None:
    server.answers = [echo]
    said = ask_service(request='key_header = "X-Key"', key=KEY, answer=WORDS).ask(0, JPEG)
    assert server.seen[0][0]["X-Key"] == KEY
    assert said.prediction == "male"
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*.json"))
    assert b"[key]" in written
    assert b"0123456789" not in written
    assert base64.b64encode(KEY.encode()) not in written


def test_a_prefix_stands_before_the_key(server: Server, ask_service: Any) -> None:
    ask_service(request='key_prefix = "Bearer "', key=KEY).ask(0, JPEG)
    assert server.seen[0][0]["Authorization"] == f"Bearer {KEY}"


def test_answers_are_readable_by_their_owner_only(ask_service: Any, tmp_path: Path) -> None:
    ask_service().ask(0, JPEG)
    folder = tmp_path / http.ANSWERS
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir()} == {0o600}


# ---- invalid responses ----


@pytest.mark.parametrize(
    ("answer", "detail"),
    [
        (says(b"<!doctype html><title>Welcome</title>"), "the response is not JSON"),
        (says(b"\x00\xff\xfe garbage"), "the response is not JSON"),
        (says(b""), "the response is not JSON"),
        (says(b"[" * 200_000), "the response is not JSON"),
        (says({"faces": []}), "nothing at faces.0.gender.value in the response"),
        (says({"faces": [{"gender": {"value": None}}]}), "nothing at faces.0.gender.value in the response"),
        (says({"faces": [{"gender": {"value": ["Man"]}}]}), "no word at faces.0.gender.value in the response"),
        (says({"faces": [{"gender": {"value": "Robot\x1b[2J"}}]}), "outside the classes of the card: 'Robot?[2J'"),
        (says(MAN, 404), "http 404"),
        (says(MAN, 302, Location="https://example.org/elsewhere"), "http 302, a redirect, which is not followed"),
        (says(b" " * (MAX_ANSWER_BYTES + 1)), "the response is longer than 1,048,576 bytes"),
    ],
)
def test_an_answer_that_says_nothing_is_final_and_says_why(
    server: Server, ask_service: Any, tmp_path: Path, answer: Answer, detail: str
) -> None:
    server.answers = [answer]
    said = ask_service(answer='classes = { Man = "male", Woman = "female" }').ask(0, JPEG)
    assert (said.prediction, said.detail) == ("", detail)
    assert np.isnan(said.probability)
    assert len(server.seen) == 1
    assert kept(tmp_path)[0].state == "answered"
    assert len(kept(tmp_path)[0].body) <= MAX_ANSWER_BYTES


@pytest.mark.parametrize(
    ("answer", "detail", "calls"),
    [
        (says({"error": "internal"}, 500), "http 500", MAX_TRIES),
        (says(b"busy", 429), "http 429", MAX_TRIES),
        (half_a_body, "the response was cut off", MAX_TRIES),
        (hangs_up, "the response was cut off", MAX_TRIES),
    ],
)
def test_a_failure_is_repeated_and_then_an_outcome(
    server: Server, ask_service: Any, tmp_path: Path, answer: Answer, detail: str, calls: int
) -> None:
    server.answers = [answer]
    assert ask_service().ask(0, JPEG).detail == detail
    assert len(server.seen) == calls
    assert [call.state for call in kept(tmp_path)] == ["failed"] * calls


@pytest.mark.parametrize("answer", [slow, drips])
def test_a_slow_answer_ends_after_the_time_of_one_call(
    server: Server, ask_service: Any, answer: Answer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "MAX_TRIES", 1)
    server.answers = [answer]
    started = time.monotonic()
    assert ask_service(request="timeout_s = 0.2", real=True).ask(0, JPEG).detail == "timeout"
    assert time.monotonic() - started < 2


def test_a_failure_that_passes_leaves_no_trace_in_the_answer(server: Server, ask_service: Any, tmp_path: Path) -> None:
    server.answers = [half_a_body, says(b"oops", 503), says(MAN)]
    assert ask_service(answer=WORDS).ask(0, JPEG).prediction == "male"
    assert [call.state for call in kept(tmp_path)] == ["failed", "failed", "answered"]
    assert [call.body for call in kept(tmp_path)][:2] == [b'{"faces": [', b"oops"]


def test_nobody_follows_a_redirect(server: Server, ask_service: Any) -> None:
    with Server() as other:
        server.answers = [says(b"", 307, Location=other.url)]
        ask_service().ask(0, JPEG)
        assert other.seen == []


# ---- pauses ----


def test_pauses_double_and_are_spread(server: Server, ask_service: Any, clock: Clock) -> None:
    server.answers = [says(b"", 500)]
    ask_service(limits=Limits(calls_per_second=1e9)).ask(0, JPEG)
    pauses = [pause for pause in clock.slept if pause > 1e-6]
    assert len(pauses) == MAX_TRIES - 1
    for k, pause in enumerate(pauses):
        assert 0.5 * 2**k <= pause <= 2**k
    assert len({pause / 2**k for k, pause in enumerate(pauses)}) == len(pauses)


def test_retry_after_is_honoured_for_all_images(server: Server, ask_service: Any, clock: Clock) -> None:
    server.answers = [says(b"", 429, Retry_After="7"), says(MAN)]
    service = ask_service()
    service.ask(0, JPEG)
    assert 7 <= clock.now < 7.1
    assert service._next_call_at >= 7


def test_a_pause_that_is_too_long_stops_the_run_and_costs_no_image_its_answer(
    server: Server, ask_service: Any, tmp_path: Path
) -> None:
    server.answers = [says(b"", 429, Retry_After="86400"), says(MAN)]
    with pytest.raises(
        RunError, match=r"asks for a pause of 86,400 s; the responses received are kept, continue with --resume"
    ):
        ask_service().ask(0, JPEG)
    assert kept(tmp_path)[0].state == "unheard"
    assert ask_service(answer=WORDS).ask(0, JPEG).prediction == "male"


def test_retry_after_is_understood_in_both_forms() -> None:
    assert retry_after("120") == 120
    assert retry_after("soon") == retry_after("") == retry_after("-5") == 0
    later = datetime.now(UTC) + timedelta(seconds=90)
    assert 85 < retry_after(format_datetime(later, usegmt=True)) <= 90
    assert retry_after(format_datetime(later - timedelta(days=1), usegmt=True)) == 0


def test_calls_keep_their_distance(ask_service: Any, clock: Clock) -> None:
    service = ask_service(limits=Limits(calls_per_second=4))
    for row in range(5):
        service.ask(row, JPEG)
    assert clock.now == pytest.approx(1.0)  # the first starts at once, then four waits of a quarter


def test_a_rate_holds_over_threads(server: Server, ask_service: Any) -> None:
    service = ask_service(limits=Limits(calls_per_second=50), real=True)
    started = time.monotonic()
    threads = [threading.Thread(target=service.ask, args=(row, JPEG)) for row in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert time.monotonic() - started >= 7 / 50
    assert len(server.seen) == 8


# ---- errors that stop a run ----


def test_a_refused_key_stops_and_is_not_an_outcome(server: Server, ask_service: Any, tmp_path: Path) -> None:
    server.answers = [says({"error": "bad key"}, 401), says(MAN)]
    with pytest.raises(RunError, match="rejects the key") as caught:
        ask_service(key=KEY).ask(0, JPEG)
    assert KEY not in str(caught.value)
    assert len(server.seen) == 1
    assert ask_service(key=KEY, answer=WORDS).ask(0, JPEG).prediction == "male"


def test_a_service_that_is_not_there_stops_the_run_after_some_tries(ask_service: Any, tmp_path: Path) -> None:
    with Server() as gone:
        url = gone.url
    with pytest.raises(RunError, match=r"http://127.0.0.1:\d+ cannot be reached \(no connection\)"):
        ask_service(url=url).ask(0, JPEG)
    assert [call.state for call in kept(tmp_path)] == ["unheard"] * MAX_TRIES
    assert ask_service(answer=WORDS).ask(0, JPEG).prediction == "male"  # and is called again when it is back


def test_a_stopped_service_makes_no_further_call(server: Server, ask_service: Any) -> None:
    service = ask_service()
    service.stop()
    with pytest.raises(RunError, match="stopped"):
        service.ask(0, JPEG)
    assert server.seen == []


def test_stopping_wakes_those_who_wait(server: Server, ask_service: Any) -> None:
    server.answers = [says(b"", 429, Retry_After="200")]
    service = ask_service(real=True)
    threading.Timer(0.1, service.stop).start()
    started = time.monotonic()
    with pytest.raises(RunError, match="stopped"):
        service.ask(0, JPEG)
    assert time.monotonic() - started < 5


def test_a_missing_or_impossible_key_is_an_error_that_does_not_show_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = card_of(tmp_path, "https://api.example.org/v1", 'key_env = "VENDOR_KEY"')
    monkeypatch.delenv("VENDOR_KEY", raising=False)
    with pytest.raises(CardError, match="environment variable VENDOR_KEY is not set"):
        read_key(card)
    for wrong in ("short", "two\nlines of a key", "schlüssel12345"):
        monkeypatch.setenv("VENDOR_KEY", wrong)
        with pytest.raises(CardError, match=r"is not a key \(at least") as caught:
            read_key(card)
        assert wrong not in str(caught.value)
    monkeypatch.setenv("VENDOR_KEY", f" {KEY}\n")
    assert read_key(card) == KEY
    assert read_key(card_of(tmp_path, "https://api.example.org/v1")) is None


def test_the_recipient_is_scheme_host_and_port(tmp_path: Path) -> None:
    assert recipient(card_of(tmp_path, "https://api.example.org:8443/v1?x=1")) == "https://api.example.org:8443"


# ---- stored responses are not paid twice ----


def test_a_kept_answer_is_read_and_not_asked_for_again(server: Server, ask_service: Any) -> None:
    first = ask_service(answer=WORDS).ask(0, JPEG)
    again = ask_service(answer=WORDS)
    assert again.ask(0, JPEG) == first
    assert len(server.seen) == 1
    assert again.sent() == SentRecord(server.url[:-9], images=1, calls=1, max_calls=None)


def test_failures_enough_are_final_too(server: Server, ask_service: Any) -> None:
    server.answers = [says(b"", 500)]
    ask_service().ask(0, JPEG)
    assert ask_service().ask(0, JPEG).detail == "http 500"
    assert len(server.seen) == MAX_TRIES


def test_another_image_under_the_same_row_is_refused(ask_service: Any) -> None:
    ask_service().ask(0, JPEG)
    with pytest.raises(
        RunError, match="manifest row 0: its image differs from the file that was sent before; choose another --out"
    ):
        ask_service().ask(0, JPEG + b"!")


class Killed(BaseException):
    """Simulates a kill: must not be caught."""


@pytest.mark.parametrize("moment", range(13))
def test_a_kill_at_any_moment_pays_for_no_kept_answer_twice(
    server: Server, ask_service: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: int
) -> None:
    server.answers = [says(b"", 500), says(MAN)]
    written, real_write = 0, http.write_call

    def write(folder: Path, call: Call) -> None:
        """Die before the write of moment k (even) or right after it (odd)."""
        nonlocal written
        if moment // 2 == written and moment % 2 == 0:
            raise Killed
        real_write(folder, call)
        written += 1
        if moment // 2 == written - 1 and moment % 2 == 1:
            raise Killed

    monkeypatch.setattr(http, "write_call", write)
    service = ask_service(answer=WORDS)
    try:
        before = [service.ask(row, JPEG).prediction for row in range(2)]
    except Killed:
        before = None
    answered = {call.row for call in kept(tmp_path) if call.state == "answered"}
    calls_before = len(server.seen)
    monkeypatch.setattr(http, "write_call", real_write)
    assert (before is None) == (moment < 12)
    again = ask_service(answer=WORDS)
    assert [again.ask(row, JPEG).prediction for row in range(2)] == ["male", "male"]
    assert len(server.seen) - calls_before == 2 - len(answered) + (moment < 2)  # the 500 has not been sent yet
    assert again.sent().calls >= len(server.seen)  # the budget includes every call


def test_what_a_killed_writer_left_is_removed(ask_service: Any, tmp_path: Path) -> None:
    (tmp_path / http.ANSWERS).mkdir()
    (tmp_path / http.ANSWERS / ".0000000-01.json.99.tmp").write_text("half")
    ask_service().ask(0, JPEG)
    assert len(list((tmp_path / http.ANSWERS).iterdir())) == 1


def test_a_damaged_kept_answer_is_an_error_and_not_asked_for_again(
    server: Server, ask_service: Any, tmp_path: Path
) -> None:
    (tmp_path / http.ANSWERS).mkdir()
    (tmp_path / http.ANSWERS / "0000000-01.json").write_text("half")
    with pytest.raises(RunError, match="the stored response cannot be read; choose another --out"):
        ask_service().ask(0, JPEG)
    assert server.seen == []


# ---- the budget ----


def test_a_budget_counts_repeated_calls_and_those_of_earlier_starts(server: Server, ask_service: Any) -> None:
    server.answers = [says(b"", 500), says(MAN)]
    limits = Limits(max_calls=3, calls_per_second=1000)
    service = ask_service(answer=WORDS, limits=limits)
    assert [service.ask(row, JPEG).prediction for row in range(2)] == ["male", "male"]
    again = ask_service(answer=WORDS, limits=limits)
    assert again.ask(2, JPEG).detail == "the budget of 3 calls was spent"
    assert len(server.seen) == 3
    assert again.sent() == SentRecord(server.url[:-9], images=2, calls=3, max_calls=3)


def test_a_budget_that_ends_between_two_tries_says_what_came_before(server: Server, ask_service: Any) -> None:
    server.answers = [says(b"", 503)]
    said = ask_service(limits=Limits(max_calls=2, calls_per_second=1000)).ask(0, JPEG)
    assert said.detail == "the budget of 2 calls was spent; before that: http 503"


def test_a_budget_holds_over_threads(server: Server, ask_service: Any) -> None:
    service = ask_service(limits=Limits(max_calls=5, calls_per_second=1000), real=True)
    threads = [threading.Thread(target=service.ask, args=(row, JPEG)) for row in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.seen) == 5


# ---- reading answers ----


def read_answer(folder: Path, answer: Any, spec: str) -> Any:
    call = Call(0, 1, "", "answered", "", status=200, body=json.dumps(answer).encode())
    return parsed_prediction(call, card_of(folder, "https://api.example.org/v1", "", spec))


def test_without_classes_words_for_gender_are_understood(tmp_path: Path) -> None:
    assert read_answer(tmp_path, {"faces": [{"gender": {"value": "F"}}]}, "").prediction == "female"
    assert "outside" in read_answer(tmp_path, {"faces": [{"gender": {"value": "child"}}]}, "").detail


def test_a_number_may_be_a_word_of_the_service(tmp_path: Path) -> None:
    spec = 'classes = { "0" = "female", "1" = "male" }'
    assert read_answer(tmp_path, {"faces": [{"gender": {"value": 1}}]}, spec).prediction == "male"
    assert read_answer(tmp_path, {"faces": [{"gender": {"value": True}}]}, spec).prediction == ""


@pytest.mark.parametrize(("age", "years"), [(30, 30.0), ("30.5", 30.5), (-1, np.nan), (900, np.nan), ("old", np.nan)])
def test_an_age_is_a_number_of_years_or_none(tmp_path: Path, age: Any, years: float) -> None:
    said = read_answer(tmp_path, {"faces": [{"gender": {"value": "m"}, "age": age}]}, 'age = "faces.0.age"')
    assert said.prediction == "male"
    assert said.age == pytest.approx(years, nan_ok=True)
    assert said.detail == ("" if years == years else "no age at faces.0.age in the response")


@pytest.mark.parametrize(("value", "sure"), [(0.9, 0.9), (90, np.nan), ("high", np.nan), (None, np.nan)])
def test_a_confidence_that_is_none_does_not_cost_the_answer(tmp_path: Path, value: Any, sure: float) -> None:
    said = read_answer(
        tmp_path, {"faces": [{"gender": {"value": "m", "sure": value}}]}, 'confidence = "faces.0.gender.sure"'
    )
    assert (said.prediction, said.detail) == ("male", "")
    assert said.probability == pytest.approx(sure, nan_ok=True)


def test_without_a_key_nothing_is_taken_out_of_a_body() -> None:
    assert without_key(b"abc", None) == b"abc"
    assert wire.image_format(b"RIFF....WEBPVP8 ") == "webp"
    assert wire.image_format(b"text") == ""
