"""Call a black-box service: send whole image files, one or two per call, and store every response.

A call is recorded before it is sent, and its response before it is parsed. A program killed at any moment therefore never pays
twice for a stored response, and the budget of calls includes those whose response was lost.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from facegap.errors import RunError
from facegap.inputs.cards.fetch import own_session
from facegap.inputs.cards.schema import ModelCard
from facegap.store.record import SentRecord
from facegap.store.run import explained
from facegap.vision.service.answers import (
    Call,
    Query,
    ServicePrediction,
    call_path,
    kept_calls,
    parsed_prediction,
    read_call,
    write_call,
)
from facegap.vision.service.deadline import StoppedError, held_session
from facegap.vision.service.no_face import says_no_face
from facegap.vision.service.wire import KEY_REFUSED, Line, Message, exchange, recipient

ANSWERS = "answers"  # folder of the run with every call
MAX_TRIES = 5  # failed calls for one image, and consecutive calls that do not reach the service
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0
LONGEST_RETRY_AFTER_S = 300.0  # longer waits end the run, to be resumed later


@dataclass(frozen=True)
class Limits:
    """Limits on the calls of a run.

    max_calls        : requests in all, including repeated ones and those before a resume; None: no limit
    calls_per_second : for all workers together, above 0
    resumable        : whether the responses are stored, so that the run can be resumed
    """

    max_calls: int | None = None
    calls_per_second: float = 2.0
    resumable: bool = True

    def with_cure(self, fault: str, later: str = "") -> str:
        """Return a fault and, if possible, how to continue."""
        return f"{fault}; the responses received are kept, continue with --resume{later}" if self.resumable else fault


@dataclass(frozen=True)
class Tools:
    """Clock and randomness, replaced in tests to avoid waiting.

    clock : monotonic time in seconds
    sleep : waits; None: until the time is over or the service is stopped
    rng   : spreads retries over time; results do not depend on it
    """

    clock: Callable[[], float]
    sleep: Callable[[float], None] | None
    rng: np.random.Generator


@dataclass(frozen=True)
class Unanswered:
    """No further call is made, because the budget is spent or enough is known. sent : at least one call was made"""

    detail: str
    sent: bool


class Service:
    """One service and the calls that a run has made to it; safe to use from several threads."""

    def __init__(
        self, card: ModelCard, key: str | None, folder: Path, limits: Limits, tools: Tools | None = None
    ) -> None:
        """Load the calls stored in `folder` / ANSWERS, which is created if missing."""
        self.card, self.limits, self.folder = card, limits, folder / ANSWERS
        self._tools = tools or Tools(time.monotonic, None, np.random.default_rng())
        with explained(folder):
            self.folder.mkdir(mode=0o700, exist_ok=True)
            for left in self.folder.glob(".*.tmp"):
                left.unlink()
        self._kept = kept_calls(self.folder)
        self._calls = sum(map(len, self._kept.values()))
        self._line = Line(key, held_session(own_session()))
        self._lock, self._stopped = threading.Lock(), threading.Event()
        self._next_call_at = 0.0
        self._closed = ""

    def ask(self, row: int, data: bytes) -> ServicePrediction:
        """Return the service's prediction for the image of a manifest row.

        Raises
        ------
        RunError : See `call`.
        """
        answer = self.call(Query(row), (data,))
        if isinstance(answer, Unanswered):
            return ServicePrediction(detail=answer.detail, sent=answer.sent)
        return parsed_prediction(answer, self.card)

    def call(self, query: Query, images: tuple[bytes, ...], subject: str = "") -> Call | Unanswered:
        """Return the final call for an image or a pair; the service is called only if none is stored.

        subject : name under which an image is enrolled

        Raises
        ------
        RunError : If a file differs from the one sent before; the service cannot be reached, rejects the key or requests a
                   long pause; a response cannot be stored; or another thread has met one of these.
        """
        assert self.card.request is not None
        hashes = [hashlib.sha256(data).hexdigest() for data in images]
        sha256 = hashes[0] if len(hashes) == 1 else hashlib.sha256("".join(hashes).encode()).hexdigest()
        calls = [read_call(path) for path in self._kept.get(query, [])]
        if any(call.image_sha256 != sha256 for call in calls):
            raise RunError(f"{query.words}: its image differs from the file that was sent before; choose another --out")
        message, earlier = Message(self.card.request.of_subject(subject), images), len(calls)
        while not calls or not is_final(calls):
            if self._closed:
                return Unanswered(self._closed, sent=bool(calls))
            if not self._may_call():
                last = f"; before that: {calls[-1].reason}" if calls and calls[-1].reason else ""
                return Unanswered(f"the budget of {self.limits.max_calls} calls was spent{last}", sent=bool(calls))
            self._wait_for_turn()
            now = datetime.now(UTC).isoformat(timespec="seconds")
            call = Call(query.row, len(calls) + 1, sha256, "sent", now, reference=query.reference)
            tries = len(calls) - earlier + 1
            answer, requested_pause_s = self._made(call, message, tries)
            calls.append(answer)
            if not is_final(calls):
                self._back_off(tries, requested_pause_s)
        return calls[-1]

    def sent(self) -> SentRecord:
        """Return the recipient and the numbers of images, pairs and calls sent, for the record of the run."""
        rows = {row for query in self._kept for row in (query.row, query.reference) if row is not None}
        pairs = sum(query.reference is not None for query in self._kept)
        return SentRecord(recipient(self.card), len(rows), self._calls, self.limits.max_calls, pairs)

    def close_to_new(self, why: str) -> None:
        """From now on, use stored responses only. why : detail for all other images"""
        self._closed = why

    def stop(self) -> None:
        """Start no further call in any thread; a call in progress has deadline.GRACE_S to end and be stored."""
        self._stopped.set()

    def close(self) -> None:
        """Close the connections."""
        self._line.session.close()

    def _may_call(self) -> bool:
        """Take one call from the budget, if any is left."""
        with self._lock:
            if self.limits.max_calls is not None and self._calls >= self.limits.max_calls:
                return False
            self._calls += 1
            return True

    def _wait_for_turn(self) -> None:
        """Wait until the rate limit allows another call."""
        with self._lock:
            now = self._tools.clock()
            start = max(now, self._next_call_at)
            self._next_call_at = start + 1 / self.limits.calls_per_second
        self._pause(start - now)

    def _pause(self, seconds: float) -> None:
        """Wait, unless the service is stopped."""
        if seconds > 0 and self._tools.sleep is not None:
            self._tools.sleep(seconds)
        elif seconds > 0:
            self._stopped.wait(seconds)
        if self._stopped.is_set():
            raise self._stop_error()

    def _stop_error(self) -> RunError:
        return RunError(self.limits.with_cure(f"{self.card.name}: stopped"))

    def _made(self, call: Call, message: Message, tries: int) -> tuple[Call, float]:
        """Make a call, storing it before and after; return it with the pause in seconds that the service requests.

        tries : calls for it since the program started, including this one
        """
        write_call(self.folder, call)
        query = Query(call.row, call.reference)
        self._kept.setdefault(query, []).append(call_path(self.folder, query, call.attempt))
        started = self._tools.clock()
        try:
            answer, requested_pause_s = exchange(self._line, call, message, self._stopped)
        except StoppedError as error:
            raise self._stop_error() from error
        if answer.state == "failed" and says_no_face(
            answer, self.card
        ):  # an image without a face is not a failure to retry
            answer = replace(answer, state="answered")
        if answer.state == "failed" and requested_pause_s > LONGEST_RETRY_AFTER_S:
            answer = replace(answer, state="unheard")
        answer = replace(answer, seconds=round(self._tools.clock() - started, 4))
        write_call(self.folder, answer)
        if answer.state == "unheard":
            self._require_recoverable(answer, requested_pause_s, tries)
        return answer, requested_pause_s

    def _require_recoverable(self, call: Call, requested_pause_s: float, tries: int) -> None:
        """Raise RunError if further calls would fail in the same way for every image."""
        host, later = recipient(self.card), ""
        if call.status in KEY_REFUSED:
            fault = f"{host} rejects the key (HTTP status {call.status}); put a valid one into its environment variable"
        elif requested_pause_s > LONGEST_RETRY_AFTER_S:
            fault = f"{host} asks for a pause of {requested_pause_s:,.0f} s"
            later = " after it"
        elif tries >= MAX_TRIES:
            fault = f"{host} cannot be reached ({call.reason})"
        else:
            return
        raise RunError(self.limits.with_cure(f"{self.card.name}: {fault}", later))

    def _back_off(self, tries: int, requested_pause_s: float) -> None:
        """Pause before a retry: twice as long each time, randomised, and at least as long as the service requests."""
        with self._lock:
            spread = 0.5 + 0.5 * float(self._tools.rng.random())
            pause = max(min(FIRST_PAUSE_S * 2 ** (tries - 1), LONGEST_PAUSE_S) * spread, requested_pause_s)
            if requested_pause_s > 0:  # the other threads wait as well
                self._next_call_at = max(self._next_call_at, self._tools.clock() + pause)
        self._pause(pause)


def is_final(calls: list[Call]) -> bool:
    """Return whether the calls for an image are complete: answered, or failed too often."""
    return calls[-1].state == "answered" or sum(call.state == "failed" for call in calls) >= MAX_TRIES
