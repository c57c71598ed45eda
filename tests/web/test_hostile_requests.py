"""Requests that no browser sends, to both pages: each gets a status below 500 without portraits, and blocks no one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from facegap.annotate import page
from facegap.annotate.database import open_store
from facegap.annotate.page import Door, Task
from facegap.annotate.pictures import Pictures
from facegap.explore.page import create_app
from facegap.groups.scales import SCALES
from facegap.inputs.manifests.read import read_manifest
from facegap.store.run import read_run
from fixtures.settings import audit_predictions
from fixtures.sites import People, Site

HOST = b"127.0.0.1:8321"
KEY = "a-key-of-this-start-only"
Header = tuple[bytes, bytes]
FORM: Header = (b"content-type", b"application/x-www-form-urlencoded")
OURS: Header = (b"origin", b"http://" + HOST)


def length(size: object) -> Header:
    return b"content-length", str(size).encode()


# Method, raw path, query, headers besides the host, body.
REQUESTS: dict[str, tuple[str, bytes, bytes, list[Header], bytes]] = {
    # paths
    "up": ("GET", b"/../../etc/passwd", b"", [], b""),
    "up in percents": ("GET", b"/%2e%2e/%2e%2e/etc/passwd", b"", [], b""),
    "up in percents twice": ("GET", b"/static/%252e%252e/page.py", b"", [], b""),
    "backslashes": ("GET", b"/static/..\\..\\page.py", b"", [], b""),
    "a second slash": ("GET", b"//example.org/x", b"", [], b""),
    "a whole address": ("GET", b"http://example.org/", b"", [], b""),
    "a zero byte": ("GET", b"/static/a%00.css", b"", [], b""),
    "no UTF-8": ("GET", b"/image/\xff\xfe", b"", [], b""),
    "a long place": ("GET", b"/" + b"a" * 60_000, b"", [], b""),
    "a hidden file": ("GET", b"/.git/config", b"", [], b""),
    "the table": ("GET", b"/people.csv", b"", [], b""),
    "a picture by its number": ("GET", b"/image/0", b"", [], b""),
    # queries
    "a wrong key": ("GET", b"/", b"key=wrong", [], b""),
    "an empty key": ("GET", b"/", b"key=", [], b""),
    "a key that is no UTF-8": ("GET", b"/", b"key=%ff%00", [], b""),
    "two keys": ("GET", b"/", b"key=a&key=" + KEY.encode(), [], b""),
    "a token for the other page": ("GET", b"/", b"token=x&key=x", [], b""),
    "ten thousand questions": ("GET", b"/", b"&".join(b"a%d=1" % k for k in range(10_000)), [], b""),
    "numbers that are none": ("GET", b"/", b"threshold=nan&page=-1&sort=%00", [], b""),
    "a format": ("GET", b"/export.csv", b"table=../../run.json", [], b""),
    # methods
    "PUT": ("PUT", b"/", b"", [length(0)], b""),
    "DELETE": ("DELETE", b"/answer", b"", [], b""),
    "TRACE": ("TRACE", b"/", b"", [], b""),
    "CONNECT": ("CONNECT", b"example.org:443", b"", [], b""),
    "a method of its own": ("GET\x00", b"/", b"", [], b""),
    "HEAD": ("HEAD", b"/image/0", b"", [], b""),
    "a form where there is none": ("POST", b"/static/a.css", b"", [FORM, OURS, length(3)], b"a=b"),
    # bodies
    "no length": ("POST", b"/answer", b"", [FORM, OURS], b"value=1"),
    "two lengths": ("POST", b"/answer", b"", [FORM, OURS, length(7), length(8)], b"value=1"),
    "a length below nothing": ("POST", b"/answer", b"", [FORM, OURS, length(-7)], b"value=1"),
    "a length in other digits": ("POST", b"/answer", b"", [FORM, OURS, length("٧")], b"value=1"),
    "a length without end": ("POST", b"/answer", b"", [FORM, OURS, length("9" * 5000)], b"value=1"),
    "length and chunks": (
        "POST",
        b"/answer",
        b"",
        [FORM, OURS, length(7), (b"transfer-encoding", b"chunked")],
        b"value=1",
    ),
    "more than it said": ("POST", b"/answer", b"", [FORM, OURS, length(7)], b"value=1" + b"x" * 100_000),
    "a body of a GET": ("GET", b"/", b"", [length(7)], b"value=1"),
    "no form": ("POST", b"/answer", b"", [(b"content-type", b"application/json"), OURS, length(2)], b"{}"),
    "parts without bounds": (
        "POST",
        b"/answer",
        b"",
        [(b"content-type", b"multipart/form-data"), OURS, length(3)],
        b"a=b",
    ),
    "parts that break off": (
        *("POST", b"/answer", b""),
        [(b"content-type", b"multipart/form-data; boundary=x"), OURS, length(40)],
        b'--x\r\nContent-Disposition: form-data; n="v',
    ),
    "ten thousand fields": ("POST", b"/answer", b"", [FORM, OURS, length(9999)], b"&".join([b"a=1"] * 2500)),
    "no UTF-8 in a form": ("POST", b"/answer", b"", [FORM, OURS, length(9)], b"value=%ff"),
    # origins
    "no host": ("GET", b"/", b"", [(b"host", b"")], b""),
    "two hosts": ("GET", b"/", b"", [(b"host", HOST), (b"host", b"example.org")], b""),
    "another host": ("GET", b"/", b"", [(b"host", b"example.org")], b""),
    "a host with a path": ("GET", b"/", b"", [(b"host", HOST + b"/x")], b""),
    "half an origin": ("POST", b"/answer", b"", [FORM, (b"origin", b"http://["), length(7)], b"value=1"),
    "no origin of ours": ("POST", b"/answer", b"", [FORM, (b"origin", b"https://" + HOST), length(7)], b"value=1"),
    "an origin of null": ("POST", b"/answer", b"", [FORM, (b"origin", b"null"), length(7)], b"value=1"),
    "from another site": (
        "POST",
        b"/answer",
        b"",
        [FORM, OURS, (b"sec-fetch-site", b"cross-site"), length(7)],
        b"value=1",
    ),
    "no cookie of ours": ("GET", b"/", b"", [(b"cookie", b"a=b; facegap8321=" + b"x" * 4000)], b""),
    "a cookie that is no text": ("GET", b"/", b"", [(b"cookie", b"\xff\xfe=\x00;;;=")], b""),
    "a language without end": ("GET", b"/", b"", [(b"accept-language", b"de," * 20_000)], b""),
}


def answer_of(app: Any, request: tuple[str, bytes, bytes, list[Header], bytes]) -> tuple[int, bytes]:
    """Status and body of a page's response to a request, as sent by a server."""
    method, path, question, headers, body = request
    hosts = [] if any(name == b"host" for name, _ in headers) else [(b"host", HOST)]
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": unquoted(path),
        "raw_path": path,
        "query_string": question,
        "root_path": "",
        "headers": [*hosts, *headers],
        "client": ("127.0.0.1", 50_000),
        "server": ("127.0.0.1", 8321),
    }
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    # In a separate thread, because a browser of another test keeps an event loop running in this one.
    with ThreadPoolExecutor(max_workers=1) as alone:
        alone.submit(lambda: asyncio.run(app(scope, receive, send))).result()
    assert sent[0]["type"] == "http.response.start"
    return sent[0]["status"], b"".join(message.get("body", b"") for message in sent[1:])


def unquoted(path: bytes) -> str:
    """The path as decoded by uvicorn."""
    from urllib.parse import unquote

    return unquote(path.decode("ascii", "surrogateescape") if path.isascii() else path.decode("latin-1"))


@pytest.fixture(scope="module")
def explored(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("explored")
    image = [f"secret-{k}.png" for k in range(40)]
    gender = ["female", "male"] * 20
    pd.DataFrame({"image": image, "subject": image, "gender": gender}).to_csv(folder / "people.csv", index=False)
    pd.DataFrame({"image": image, "prediction": ["male"] * 40}).to_csv(folder / "said.csv", index=False)
    audit_predictions(folder / "said.csv", folder / "people.csv", by="gender", out=folder / "run")
    return create_app(read_run(folder / "run"), key=KEY, port=8321, include_ids=False, folder=Path("run"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wrong keys are answered without delay."""
    monkeypatch.setattr("facegap.web.security.WRONG_TOKEN_S", 0.0)


def require_harmless(app: Any, request: tuple[str, bytes, bytes, list[Header], bytes]) -> None:
    status, body = answer_of(app, request)
    assert 200 <= status < 500, status
    for word in (b"Traceback", b"secret-", b"secret names", b"root:", b"import ", b"\x89PNG"):
        assert word not in body
    if status == 200 and request[0] != "HEAD":
        assert b"<title>" in body  # a page with a form, or one that asks for the key


@pytest.mark.parametrize("name", REQUESTS)
def test_no_request_breaks_the_page_of_a_run_or_shows_data_without_the_key(
    explored: Any, quick: None, name: str
) -> None:
    require_harmless(explored, REQUESTS[name])


@pytest.fixture(scope="module")
def annotated(people_of: Callable[[int], People]) -> Iterator[Site]:
    people = people_of(2)
    manifest = read_manifest(people.manifest)
    with contextlib.closing(open_store(people.manifest.with_suffix(".sqlite"), manifest.sha256)) as answers:
        task = Task(SCALES["monk"], "Ada", 0, 0)
        app = page.create_app(task, answers, Pictures(manifest, answers.secret), Door("127.0.0.1", 8321, KEY))
        yield Site(people, answers, app)


@pytest.mark.parametrize("name", REQUESTS)
def test_no_request_breaks_the_page_of_annotations_or_saves_anything(annotated: Site, quick: None, name: str) -> None:
    require_harmless(annotated.app, REQUESTS[name])
    assert annotated.store.table().empty


def test_visitors_with_the_key_are_served_afterwards(annotated: Site, quick: None) -> None:
    for request in REQUESTS.values():
        answer_of(annotated.app, request)
    visitor = annotated.visitor()
    visitor.get(f"/?key={KEY}")
    assert (visitor.status, visitor.title) == (200, "Photograph 1 of 2")
