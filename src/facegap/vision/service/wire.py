"""Make one call to a black-box service, with the image in the card's format and limits on response time and length."""

from __future__ import annotations

import base64
import os
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from facegap.errors import CardError
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.service import RequestSpec
from facegap.vision.service.answers import Call
from facegap.vision.service.deadline import Hold, LateError, OverlongError, within
from facegap.vision.service.redaction import text_without_key, without_key

if TYPE_CHECKING:
    import requests

MAX_ANSWER_BYTES = 2**20
FEWEST_KEY_LETTERS = 8  # a shorter key could not be removed from responses without damaging them
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})
KEY_REFUSED = frozenset({401, 407})
ASKS_FOR_A_PAUSE = frozenset({429, 503})  # Retry-After is ignored with any other status
OVERLONG = "more bytes of headers, interim responses, chunk sizes or trailers than the limit"
UNREACHABLE = "no connection"
FORMATS = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png", b"GIF8": "gif", b"BM": "bmp", b"II*\0": "tiff", b"MM\0*": "tiff"}


@dataclass(frozen=True)
class Line:
    """The key and session of every call. session : from `held_session`"""

    key: str | None
    session: requests.Session


@dataclass(frozen=True)
class Message:
    """The content of one call. images : one, or probe and reference"""

    spec: RequestSpec
    images: tuple[bytes, ...]

    @property
    def fields(self) -> Mapping[str, bytes]:
        """Return the images by field name."""
        names = (self.spec.field, self.spec.reference_field)[: len(self.images)]
        return {str(name): data for name, data in zip(names, self.images, strict=True)}


def recipient(card: ModelCard) -> str:
    """Return the scheme, host and port to which images are sent."""
    assert card.request is not None
    parts = urlsplit(card.request.url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # without a user name and password in the address


def read_key(card: ModelCard) -> str | None:
    """Read the key of a service from its environment variable; None if the card names no variable.

    Raises
    ------
    CardError : If the variable is not set or not a valid key; the message never contains it.
    """
    assert card.request is not None
    name = card.request.key_env
    if name is None:
        return None
    key = os.environ.get(name, "").strip()
    if not key:
        raise CardError(f"{card.name}: the environment variable {name} is not set; put the service's key into it")
    if len(key) < FEWEST_KEY_LETTERS or not key.isascii() or not key.isprintable():
        raise CardError(
            f"{card.name}: the value of {name} is not a key (at least {FEWEST_KEY_LETTERS} printable characters)"
        )
    return key


def exchange(line: Line, call: Call, message: Message, stopped: threading.Event | None = None) -> tuple[Call, float]:
    """Make a call and return it with its result, and the pause in seconds that the service requests, 0 for none.

    The state is answered if another call would give the same result, failed if a retry may succeed, and unheard if the service
    did not process the image: no connection, or a rejected key. The call ends within the card's time limit, whatever the
    service does.

    Raises
    ------
    StoppedError : If `stopped` is set during the call.
    """
    received = Received()
    try:
        answer = within(
            lambda hold: _receive(line, call, message, received, hold),
            message.spec.timeout_s,
            stopped or threading.Event(),
        )
    except LateError:
        answer = replace(received.so_far(call), state="failed", reason="timeout")
    key, body = line.key, bytes(received.body)
    whole = answer.state == "answered" and not answer.reason
    kept = without_key(body, key, cut_off=not whole)[:MAX_ANSWER_BYTES]
    pause_s = retry_after(received.retry_after) if answer.status in ASKS_FOR_A_PAUSE else 0.0
    return replace(answer, content_type=text_without_key(answer.content_type, key)[:200], body=kept), pause_s


@dataclass
class Received:
    """The response received so far; filled by the reading thread, and read by the waiting one."""

    status: int | None = None
    content_type: str = ""
    retry_after: str = ""
    body: bytearray = field(default_factory=bytearray)

    def so_far(self, call: Call) -> Call:
        """Return the call with the status and content type received so far."""
        return replace(call, status=self.status, content_type=self.content_type)


def _receive(line: Line, call: Call, message: Message, received: Received, hold: Hold) -> Call:
    """Make a call, reading the response into `received` as it arrives."""
    import requests
    import urllib3

    try:
        with _send(line, message) as response:
            received.status = response.status_code
            received.content_type = response.headers.get("Content-Type", "")
            received.retry_after = response.headers.get("Retry-After", "")
            for piece in _pieces(response):
                received.body += piece
                if len(received.body) > MAX_ANSWER_BYTES:
                    break
        return _with_state(received.so_far(call), len(received.body) > MAX_ANSWER_BYTES)
    except (requests.exceptions.SSLError, requests.exceptions.ProxyError, requests.exceptions.ConnectTimeout) as error:
        return replace(received.so_far(call), state="unheard", reason=f"{UNREACHABLE} ({type(error).__name__})")
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
        return replace(received.so_far(call), state="failed", reason="timeout")
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OverlongError) as error:
        if hold.overlong:
            return replace(received.so_far(call), state="answered", reason=OVERLONG)
        never_there = bool(error.args) and isinstance(error.args[0], urllib3.exceptions.MaxRetryError)
        if never_there:
            return replace(call, state="unheard", reason=UNREACHABLE)
        return replace(received.so_far(call), state="failed", reason="the response was cut off")


def _with_state(call: Call, too_long: bool) -> Call:
    """Set the state of a call with a complete response, and the reason if the response is unusable."""
    status = call.status or 0
    if status in KEY_REFUSED:
        return replace(call, state="unheard", reason=f"http {status}, the key was rejected")
    if status in WORTH_ANOTHER_TRY:
        return replace(call, state="failed", reason=f"http {status}")
    if 300 <= status < 400:
        return replace(call, state="answered", reason=f"http {status}, a redirect, which is not followed")
    if not 200 <= status < 300:
        return replace(call, state="answered", reason=f"http {status}")
    reason = f"the response is longer than {MAX_ANSWER_BYTES:,} bytes" if too_long else ""
    return replace(call, state="answered", reason=reason)


def _send(line: Line, message: Message) -> requests.Response:
    """Send a request and return the response, with its body unread.

    The adapter is used without the session's own `send`, which would read the body of a redirect without a limit.
    """
    spec = message.spec
    own = line.session.merge_environment_settings(spec.url, {}, None, None, None)
    request = line.session.prepare_request(_request(line.key, message))
    adapter = line.session.get_adapter(spec.url)
    trusted = True if own["verify"] is None else own["verify"]
    return adapter.send(
        request, stream=True, timeout=spec.timeout_s, verify=trusted, cert=own["cert"], proxies=own["proxies"]
    )


def _request(key: str | None, message: Message) -> requests.Request:
    """Build the request with the images in the card's format. File names are not sent, because they may name people."""
    import requests

    spec = message.spec
    request = requests.Request(spec.method, spec.url)
    request.headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    if key is not None:
        request.headers[spec.key_header] = spec.key_prefix + key
    if spec.encoding == "multipart":
        request.data = dict(spec.fields)
        request.files = {name: as_file(data) for name, data in message.fields.items()}
    elif spec.encoding == "json-base64":
        request.json = {**spec.fields, **{name: as_text(data, spec) for name, data in message.fields.items()}}
    else:
        (request.data,) = message.images
        request.headers["Content-Type"] = media_type(request.data)
    return request


def as_file(data: bytes) -> tuple[str, bytes, str]:
    """Return an image as a form file: a name that reveals only its format, its bytes, its media type."""
    kind = image_format(data)
    return f"image.{kind}" if kind else "image", data, media_type(data)


def as_text(data: bytes, spec: RequestSpec) -> str:
    """Encode an image as base64."""
    text = base64.b64encode(data).decode("ascii")
    return f"data:{media_type(data)};base64,{text}" if spec.data_uri else text


def media_type(data: bytes) -> str:
    """Return the media type of an image, from its first bytes."""
    kind = image_format(data)
    return f"image/{kind}" if kind else "application/octet-stream"


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """Yield the body as it arrives, without decompression, so that a slow body cannot exceed the time limit."""
    while piece := response.raw.read1(65536, decode_content=False):
        yield piece


def retry_after(text: str) -> float:
    """Return the seconds in a Retry-After header of either form (RFC 9110, 10.2.3); 0 if it is empty or invalid."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, LookupError):  # an invalid date is ignored
        return 0.0


def image_format(data: bytes) -> str:
    """Return the format of an image file, from its first bytes; empty if it is not a common one."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((name for start, name in FORMATS.items() if data.startswith(start)), "")
