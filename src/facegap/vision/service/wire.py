"""One call to a black-box service: the image as its card asks for it, the answer bounded in time and length, without the key."""

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
FEWEST_KEY_LETTERS = 8  # a shorter key could not be kept out of answers without tearing them
WORTH_ANOTHER_TRY = frozenset({408, 425, 429, 500, 502, 503, 504})
KEY_REFUSED = frozenset({401, 407})
ASKS_FOR_A_PAUSE = frozenset({429, 503})  # beside any other status a Retry-After says nothing to whom it answers
OVERLONG = "more bytes of headers, interim responses, chunk sizes or trailers than the limit"
UNREACHABLE = "no connection"
FORMATS = {b"\xff\xd8\xff": "jpeg", b"\x89PNG": "png", b"GIF8": "gif", b"BM": "bmp", b"II*\0": "tiff", b"MM\0*": "tiff"}


@dataclass(frozen=True)
class Line:
    """What every call needs. session : one of `held_session`"""

    key: str | None
    session: requests.Session


@dataclass(frozen=True)
class Message:
    """What one call carries. images : one, or probe and reference"""

    spec: RequestSpec
    images: tuple[bytes, ...]

    @property
    def fields(self) -> Mapping[str, bytes]:
        """The images by the name of their field."""
        names = (self.spec.field, self.spec.reference_field)[: len(self.images)]
        return {str(name): data for name, data in zip(names, self.images, strict=True)}


def recipient(card: ModelCard) -> str:
    """Scheme, host and port that images of a card go to."""
    assert card.request is not None
    parts = urlsplit(card.request.url)
    return (
        f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"  # a name and password in the address are nobody's to read
    )


def read_key(card: ModelCard) -> str | None:
    """The key of a service from its environment variable; None where the card names none.

    Raises
    ------
    CardError : the variable is not set, or holds what cannot be a key; the message never holds it
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
    """The call with what came of it, and the pause in seconds that the service asks for, 0 for none.

    The call is answered where another one would bring the same, failed where another may do better, and unheard where
    the service has not looked at the image: no connection, or a key that it refuses. It ends within the time of the card,
    whatever the service does.

    Raises
    ------
    StoppedError : `stopped` was set while the call was under way
    """
    heard = Heard()
    try:
        answer = within(
            lambda hold: _heard(line, call, message, heard, hold), message.spec.timeout_s, stopped or threading.Event()
        )
    except LateError:
        answer = replace(heard.so_far(call), state="failed", reason="timeout")
    key, body = line.key, bytes(heard.body)
    whole = answer.state == "answered" and not answer.reason
    kept = without_key(body, key, cut_off=not whole)[:MAX_ANSWER_BYTES]
    asked = retry_after(heard.retry_after) if answer.status in ASKS_FOR_A_PAUSE else 0.0
    return replace(answer, content_type=text_without_key(answer.content_type, key)[:200], body=kept), asked


@dataclass
class Heard:
    """What has come of an answer so far; filled by the thread that reads, and read by the one that waits."""

    status: int | None = None
    content_type: str = ""
    retry_after: str = ""
    body: bytearray = field(default_factory=bytearray)

    def so_far(self, call: Call) -> Call:
        """The call with status and type, where these have come."""
        return replace(call, status=self.status, content_type=self.content_type)


def _heard(line: Line, call: Call, message: Message, heard: Heard, hold: Hold) -> Call:
    """The call with what came of it, read into `heard` as it comes."""
    import requests
    import urllib3

    try:
        with _send(line, message) as response:
            heard.status = response.status_code
            heard.content_type = response.headers.get("Content-Type", "")
            heard.retry_after = response.headers.get("Retry-After", "")
            for piece in _pieces(response):
                heard.body += piece
                if len(heard.body) > MAX_ANSWER_BYTES:
                    break
        return _judged(heard.so_far(call), len(heard.body) > MAX_ANSWER_BYTES)
    except (requests.exceptions.SSLError, requests.exceptions.ProxyError, requests.exceptions.ConnectTimeout) as error:
        return replace(heard.so_far(call), state="unheard", reason=f"{UNREACHABLE} ({type(error).__name__})")
    except (requests.exceptions.Timeout, urllib3.exceptions.TimeoutError):
        return replace(heard.so_far(call), state="failed", reason="timeout")
    except (requests.exceptions.RequestException, urllib3.exceptions.HTTPError, OverlongError) as error:
        if hold.overlong:
            return replace(heard.so_far(call), state="answered", reason=OVERLONG)
        never_there = bool(error.args) and isinstance(error.args[0], urllib3.exceptions.MaxRetryError)
        if never_there:
            return replace(call, state="unheard", reason=UNREACHABLE)
        return replace(heard.so_far(call), state="failed", reason="the response was cut off")


def _judged(call: Call, too_long: bool) -> Call:
    """A call whose answer has come: final or not, and why nothing can be read from it."""
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
    """The answer, its body unread.

    The adapter is used without the session's own `send`, which would read the body of a redirect without bound.
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
    """The images as the card asks for them. No file name leaves this machine: names of files are names of people."""
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
    """An image as a file of a form: a name that says nothing but its format, its bytes, its media type."""
    kind = image_format(data)
    return f"image.{kind}" if kind else "image", data, media_type(data)


def as_text(data: bytes, spec: RequestSpec) -> str:
    """An image as base64."""
    text = base64.b64encode(data).decode("ascii")
    return f"data:{media_type(data)};base64,{text}" if spec.data_uri else text


def media_type(data: bytes) -> str:
    """The media type of an image by its first bytes."""
    kind = image_format(data)
    return f"image/{kind}" if kind else "application/octet-stream"


def _pieces(response: requests.Response) -> Iterator[bytes]:
    """The body as it arrives, so that one that drips cannot hold a call beyond its time; never unpacked."""
    while piece := response.raw.read1(65536, decode_content=False):
        yield piece


def retry_after(text: str) -> float:
    """Seconds that a Retry-After header asks for, in either of its forms (RFC 9110, 10.2.3); 0 where it says nothing."""
    if text.isascii() and text.isdigit() and len(text) < 10:
        return float(text)
    try:
        at = parsedate_to_datetime(text)
        aware = at if at.tzinfo else at.replace(tzinfo=UTC)
        return max(0.0, (aware - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError, LookupError):  # a date that no calendar holds says nothing
        return 0.0


def image_format(data: bytes) -> str:
    """The format of an image file by its first bytes, empty where it is none of the usual ones."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return next((name for start, name in FORMATS.items() if data.startswith(start)), "")
