"""Access control: host names, tokens, forms, paths, hostile names, and data that must never be sent."""

from __future__ import annotations

import html
import re
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from facegap.errors import FacegapError
from facegap.web import security
from facegap.web.security import (
    MOST_FORM_BYTES,
    Sessions,
    host_names,
    made_key,
    require_safe,
)
from facegap.web.serve import address, listening_socket

TOKEN = "correct-horse-battery"
PATHS = ("/", "/start", "/scale.css", "/static/annotate.css", "/static/annotate.js")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8321",
        "127.0.0.1.evil.example:8321",
        "10.0.0.7:8321",
        "user@127.0.0.1:8321",
        "127.0.0.1:8321/x",
        "[::1",
        "",
    ],
)
def test_a_foreign_host_name_is_rejected(site_of: Callable[..., Any], host: str) -> None:
    visitor = site_of().visitor()
    for path in PATHS:
        visitor.get(path, headers={"host": host})
        assert visitor.status == 421
        assert "photograph" not in visitor.page.lower()


@pytest.mark.parametrize("host", ["127.0.0.1:8321", "localhost:8321", "[::1]:8321", "LOCALHOST:9000"])
def test_our_own_names_are_answered_on_any_port_of_a_tunnel(site_of: Callable[..., Any], host: str) -> None:
    visitor = site_of().visitor()
    visitor.get("/", headers={"host": host})
    assert visitor.title == "Photograph 1 of 6"


def test_every_address_is_answered_by_number_and_never_by_a_foreign_name(site_of: Callable[..., Any]) -> None:
    visitor = site_of(host="0.0.0.0", token=TOKEN).visitor()
    assert visitor.get("/start", headers={"host": "192.168.1.9:8321"}).status_code == 200
    assert visitor.get("/start", headers={"host": "[fe80::1]:8321"}).status_code == 200
    assert visitor.get("/start", headers={"host": "rebound.example:8321"}).status_code == 421


def test_every_answer_carries_the_headers_that_keep_it_private(site_of: Callable[..., Any]) -> None:
    visitor = site_of().visitor()
    visitor.get("/")
    image = re.search(r'src="(/image/[^"]+)"', visitor.page)
    assert image
    for path in (*PATHS, image[1], "/nothing", "/image/0.png"):
        headers = visitor.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        shows_nobody = path.startswith("/static/") or path == "/scale.css"
        assert headers["cache-control"] == ("private, max-age=86400" if shows_nobody else "no-store")
        assert headers["referrer-policy"] == "same-origin"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
    refused = visitor.get("/", headers={"host": "evil.example"})
    assert "default-src 'none'" in refused.headers["content-security-policy"]


# ---- forms ----


def test_a_form_without_the_token_of_its_session_saves_nothing(site_of: Callable[..., Any]) -> None:
    site = site_of()
    visitor, other = site.visitor(), site.visitor()
    visitor.get("/")
    other.get("/")
    fields = visitor.hidden("answer") | {"value": "5"}
    for csrf in ("", "0" * 64, "\u00e9", other.hidden("answer")["csrf"]):
        visitor.post("/answer", fields | {"csrf": csrf})
        assert visitor.status == 403
        assert "nothing was saved" in visitor.page
    visitor.client.cookies.clear()
    visitor.post("/answer", fields)
    assert visitor.status == 403
    assert site.store.table().empty


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "https://127.0.0.1:8321"},
        {"origin": "http://127.0.0.1"},
        {"origin": "http://localhost:8321"},
        {"origin": "http://[::1]:8321"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_form_from_another_page_saves_nothing_even_with_the_token(
    site_of: Callable[..., Any], headers: dict[str, str]
) -> None:
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    for path in ("/answer", "/undo", "/start", "/leave"):
        visitor.post(path, visitor_fields(visitor), headers=headers)
        assert visitor.status == 403
        visitor.get("/")
    assert site.store.table().empty


@pytest.mark.parametrize(
    "origin",
    [
        "http://[",
        "http://]",
        "http://[::1",
        "http://127.0.0.1:8321:8321",
        "http://127.0.0.1:999999",
        "http://127.0.0.1:8321/",
        "http://user@127.0.0.1:8321",
        "http:/127.0.0.1:8321",
        "127.0.0.1:8321",
        "",
        "http://127.0.0.1:8321, http://127.0.0.1:8321",
        b"http://\xff\xfe",
        b"http://\xe2\x84\xa9.example",
    ],
)
def test_an_invalid_origin_is_a_bad_request(site_of: Callable[..., Any], origin: Any) -> None:
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    visitor.post("/answer", visitor_fields(visitor), headers={"origin": origin})
    assert visitor.status == 400
    assert site.store.table().empty


def test_duplicate_headers_are_a_bad_request(site_of: Callable[..., Any]) -> None:
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    own = ("origin", "http://127.0.0.1:8321")
    for twice in (("origin", "http://127.0.0.1:8321"), ("sec-fetch-site", "none")):
        headers = [own, ("sec-fetch-site", "none"), ("content-type", "application/x-www-form-urlencoded"), twice]
        assert visitor.client.post("/answer", content=b"value=5", headers=headers).status_code == 400
    assert site.store.table().empty


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"content-length": "5", "transfer-encoding": "chunked"}, 400),
        ({"transfer-encoding": "chunked"}, 411),
        ({"transfer-encoding": "identity"}, 411),
        ({"content-length": "-5"}, 400),
        ({"content-length": "+5"}, 400),
        ({"content-length": "5e1"}, 400),
        ({"content-length": ""}, 400),
        ({"content-length": "\u0665"}, 400),
        ({"content-length": "9" * 5000}, 413),
        ({"content-length": str(MOST_FORM_BYTES + 1)}, 413),
    ],
)
def test_a_body_without_length_or_with_two_is_rejected(headers: dict[str, str], status: int) -> None:
    from starlette.datastructures import Headers

    found = security.body_fault(Headers(raw=[(k.encode(), v.encode()) for k, v in headers.items()]), "POST")
    assert found is not None
    assert found[0] == status


def test_a_body_longer_than_stated_is_not_read_to_its_end(site_of: Callable[..., Any]) -> None:
    import asyncio

    sent: list[Any] = []
    given = {"count": 0}

    async def receive() -> dict[str, Any]:
        given["count"] += 1
        return {"type": "http.request", "body": b"x" * 4096, "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1:8321"), (b"content-length", b"10")]
    headers += [(b"content-type", b"application/x-www-form-urlencoded")]
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/start",
        "scheme": "http",
        "headers": headers,
        "query_string": b"",
    }
    whole = {**scope, "root_path": "", "http_version": "1.1"}
    # In a thread, because browser tests leave an event loop running in the main one.
    run = threading.Thread(target=lambda: asyncio.run(site_of().app(whole, receive, send)))
    run.start()
    run.join()
    assert sent[0]["status"] == 413
    assert given["count"] == 5  # 16 KiB are four pieces


def test_an_origin_with_its_default_port_equals_the_one_without() -> None:
    assert security.with_port("https://Faces.example") == security.with_port("https://faces.example:443")
    assert security.with_port("http://[::1]") == "http://[::1]:80"
    assert security.with_port("http://a:443") != security.with_port("https://a:443")


def visitor_fields(visitor: Any) -> dict[str, str]:
    return visitor.hidden("answer") | {"value": "5"}


def test_the_cookie_is_out_of_reach_of_scripts_and_of_other_sites(site_of: Callable[..., Any]) -> None:
    visitor = site_of().visitor()
    visitor.get("/")
    cookie = visitor.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert "domain" not in cookie
    assert cookie.startswith("facegap_8321=")


def test_nothing_changes_by_get_and_other_methods_are_refused(site_of: Callable[..., Any]) -> None:
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    fields = visitor_fields(visitor)
    assert visitor.client.get("/answer", params=fields).status_code == 405
    assert visitor.client.get("/undo", params=fields).status_code == 405
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"):
        assert visitor.client.request(method, "/").status_code == 405
    assert site.store.table().empty


def test_a_form_is_bounded_in_bytes_and_fields(site_of: Callable[..., Any]) -> None:
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    fields = visitor_fields(visitor)
    visitor.post("/answer", fields | {"note": "x" * 20_000})
    assert visitor.status == 413
    visitor.post("/answer", fields | {f"field{k}": "x" for k in range(40)})
    assert visitor.status == 400
    endless = visitor.client.post(
        "/answer", content=(b"x" for _ in range(3)), headers={"origin": "http://127.0.0.1:8321"}
    )
    assert endless.status_code == 411
    file = visitor.client.post(
        "/answer", files={"value": b"5"}, data=fields, headers={"origin": "http://127.0.0.1:8321"}
    )
    assert file.status_code == 400
    assert site.store.table().empty


# ---- sessions and tokens ----


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.9", "portraits.example"])
def test_public_addresses_need_tls_or_an_explicit_option(host: str) -> None:
    with pytest.raises(FacegapError) as error:
        require_safe(host, TOKEN, tls=False, plain_http=False)
    for said in (f"--host {host}", "--tls-cert", "--tls-key", "SSH", "--plain-http"):
        assert said in str(error.value)
    require_safe(host, None, tls=True, plain_http=False)
    require_safe(host, None, tls=False, plain_http=True)


def test_a_token_that_can_be_guessed_is_refused() -> None:
    for host in ("127.0.0.1", "0.0.0.0"):
        with pytest.raises(FacegapError, match="--token has fewer than 16 characters"):
            require_safe(host, "secret", tls=True, plain_http=False)
    for host in ("127.0.0.1", "localhost", "::1"):
        require_safe(host, None, tls=False, plain_http=False)


def test_a_generated_key_is_long_and_the_same_at_every_start() -> None:
    key = made_key(b"a" * 32)
    assert key == made_key(b"a" * 32) != made_key(b"b" * 32)
    assert len(key) == 32
    assert re.fullmatch(r"[A-Za-z0-9_-]+", key)


def test_the_key_in_the_address_lets_its_visitor_in_and_leaves_the_address(site_of: Callable[..., Any]) -> None:
    visitor = site_of(token=TOKEN).visitor()
    assert visitor.client.get(f"/?key={TOKEN}", follow_redirects=False).headers["location"] == "/"
    visitor.get("/")
    assert visitor.title == "Photograph 1 of 6"
    assert TOKEN not in visitor.page + str(visitor.headers)
    for wrong in ("wrong", "", "%00", "%ff", "\u00e9" * 32, TOKEN + "x"):
        stranger = site_of(token=TOKEN).visitor()
        stranger.get(f"/?key={wrong}")
        assert stranger.status == 403
        assert stranger.title == "Who is there?"


def test_without_the_token_no_photograph_and_no_number_is_seen(site_of: Callable[..., Any]) -> None:
    site = site_of(token=TOKEN)
    known = site.visitor()
    known.get("/")
    assert known.title == "Who is there?"
    assert "Working as" not in known.page
    known.post("/start", known.hidden("/start") | {"token": TOKEN})
    assert known.title == "Photograph 1 of 6"
    image = re.search(r'src="(/image/[^"]+)"', known.page)
    assert image
    assert known.client.get(image[1]).status_code == 200
    stranger = site.visitor()
    assert stranger.client.get(image[1]).status_code == 403
    stranger.get("/start")
    stranger.post("/start", stranger.hidden("/start") | {"token": "wrong-wrong-wrong-wrong", "name": "Ada"})
    assert stranger.status == 403
    stranger.post("/answer", stranger.hidden("/start") | {"image": image[1][7:31], "value": "5", "practice": "0"})
    assert stranger.status == 403
    assert site.store.table().empty


def test_the_token_appears_in_no_address_and_no_page(site_of: Callable[..., Any]) -> None:
    visitor = site_of(token=TOKEN).visitor()
    visitor.get("/")
    response = visitor.client.post(
        "/start",
        data=visitor.hidden("/start") | {"token": TOKEN},
        headers={"origin": "http://127.0.0.1:8321"},
        follow_redirects=False,
    )
    assert response.status_code == 303
    assert response.headers["location"] == "/"
    visitor.get("/")
    assert TOKEN not in visitor.page + str(visitor.headers)


def test_wrong_tokens_are_slow_and_block_no_one(site_of: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(security.asyncio, "sleep", sleep)
    site = site_of(token=TOKEN)
    guesser, known = site.visitor(), site.visitor()
    guesser.get("/")
    for _ in range(50):
        guesser.post("/start", guesser.hidden("/start") | {"token": "wrong-wrong-wrong-wrong"})
        assert guesser.status == 403
    assert slept == [security.WRONG_TOKEN_S] * 50
    known.get("/")
    known.post("/start", known.hidden("/start") | {"token": TOKEN})
    assert known.title == "Photograph 1 of 6"
    assert len(slept) == 50  # a correct one is answered at once


def test_a_changed_or_foreign_cookie_is_invalid() -> None:
    ours, theirs = Sessions(b"a" * 32, TOKEN), Sessions(b"b" * 32, TOKEN)
    session = ours.new("Ada", admitted=True)
    cookie = ours.cookie(session)
    assert ours.read(cookie) == session
    assert theirs.read(cookie) is None
    assert Sessions(b"a" * 32, "another-token-altogether").read(cookie) is None
    forged = ours.cookie(ours.new("Bo")).split(".")[0] + "." + cookie.split(".")[1]
    for text in ("", ".", "x.y", cookie[:-1], cookie + "0", forged, f".{cookie}", "\u00e9.\u00e9"):
        assert ours.read(text) is None
    assert not ours.new().admitted
    assert Sessions(b"a" * 32, None).new().admitted


def test_a_form_token_is_no_cookie_signature() -> None:
    sessions = Sessions(b"a" * 32, None)
    session = sessions.new("Ada")
    text = sessions.cookie(session).split(".")[0]
    assert sessions.form_token(session) != sessions.cookie(session).split(".")[1]
    assert sessions.read(f"{session.nonce}.{sessions.form_token(session)}") is None
    assert sessions.read(f"{text}.{sessions.form_token(session)}") is None


# ---- files and names ----


@pytest.mark.parametrize(
    "path",
    [
        "/image/../../etc/passwd.png",
        "/image/..%2f..%2fetc%2fpasswd.png",
        "/image/secret%20names%2Fperson%20000.png",
        "/image/000000000000000000000000.png",
        "/image/.png",
        "/image/0.png",
        "/image/%00.png",
        "/image/x",
        "/image/",
        "/static/../annotate.py",
        "/static/..%2fannotate.py",
        "/static/%2e%2e/annotate.py",
        "/static//etc/passwd",
        "/static/annotate.css%00",
        "/people.csv",
        "/people.sqlite",
        "/secret%20names/person%20000.png",
        "//etc/passwd",
    ],
)
def test_nothing_outside_the_manifest_and_the_page_is_served(site_of: Callable[..., Any], path: str) -> None:
    visitor = site_of().visitor()
    visitor.get("/")
    assert visitor.client.get(path).status_code == 404


def test_a_link_put_in_the_place_of_a_photograph_is_not_followed(site_of: Callable[..., Any], tmp_path: Path) -> None:
    site = site_of()
    elsewhere = tmp_path / "elsewhere.png"
    cv2.imwrite(str(elsewhere), cv2.imread(str(site.people.manifest.parent / site.people.images[0])))
    for image in site.people.images:
        (site.people.manifest.parent / image).unlink()
        (site.people.manifest.parent / image).symlink_to(elsewhere)
    visitor = site.visitor()
    visitor.get("/")
    assert "This photograph cannot be shown (unreadable)" in visitor.page


def test_no_file_name_and_no_path_appears_in_a_page(site_of: Callable[..., Any]) -> None:
    site = site_of(practice=1)
    visitor = site.visitor()
    visitor.get("/")
    pages = []
    while visitor.title != "Done":
        pages.append(visitor.page)
        visitor.answer("5")
    everything = "".join([*pages, visitor.page])
    for told in ("person 0", "secret name", "people.csv", str(site.people.manifest.parent), ".sqlite"):
        assert told not in everything
    numbers = set(re.findall(r"/image/([^\"]+)\.png", everything))
    assert len(numbers) == 6
    assert all(re.fullmatch(r"[0-9a-f]{24}", number) for number in numbers)


HOSTILE = '"><script>alert(1)</script>{{ 7*7 }}'


def test_a_hostile_name_is_shown_as_text_and_stored_unchanged(site_of: Callable[..., Any]) -> None:
    site = site_of(annotator=None)
    visitor = site.visitor()
    visitor.get("/")
    visitor.post("/start", visitor.hidden("/start") | {"name": HOSTILE})
    visitor.answer("5")
    assert "<script>alert" not in visitor.page
    assert html.escape(HOSTILE, quote=False).replace('"', "&#34;") in visitor.page
    assert site.store.table()["annotator"].tolist() == [HOSTILE]
    visitor.answer(skipped="other", note=HOSTILE)
    visitor.undo()
    assert "<script>alert" not in visitor.page
    assert html.unescape(visitor.page).count(HOSTILE) == 2  # the name and the withdrawn answer
    other = site.visitor()
    other.get("/")
    other.post("/start", other.hidden("/start") | {"name": HOSTILE})
    assert "<script>alert" not in other.page


def test_a_hostile_file_name_in_the_manifest_is_an_image_like_others(people: Any, site_of: Callable[..., Any]) -> None:
    folder = people.manifest.parent
    names = ["<img src=x onerror=alert(1)>.png", "=cmd|' !A0.png", "a%2fb.png", "\u202egnp.exe.png"]
    for name in names:
        cv2.imwrite(str(folder / "new.png"), cv2.imread(str(folder / people.images[0])))
        (folder / "new.png").rename(folder / name)
    people.manifest.write_text("image\n" + "\n".join(names) + "\n", encoding="utf-8")
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    while visitor.title != "Done":
        assert "onerror" not in visitor.page
        source = re.search(r'src="(/image/[^"]+)"', visitor.page)
        assert source
        assert visitor.client.get(source[1]).status_code == 200
        visitor.answer("5")
    assert sorted(site.store.table()["image"]) == sorted(names)


def test_a_disk_failure_is_reported(site_of: Callable[..., Any], monkeypatch: Any) -> None:
    import sqlite3

    site = site_of()
    visitor = site.visitor()
    visitor.get("/")

    def full(answer: Any) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(site.store, "record", full)
    visitor.answer("5")
    assert visitor.status == 503
    assert "NOT saved: database or disk is full" in visitor.page


# ---- the socket ----


def test_a_port_in_use_is_an_error_with_a_remedy() -> None:
    with listening_socket("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            FacegapError, match=f"127.0.0.1 port {port} is taken by another program; choose another --port"
        ):
            listening_socket("127.0.0.1", port)
    with pytest.raises(FacegapError, match="cannot be used"):
        listening_socket("no.such.host.invalid", 0)


def test_the_address_that_is_printed_can_be_opened_here() -> None:
    assert address("127.0.0.1", 8321) == "http://127.0.0.1:8321/"
    assert address("0.0.0.0", 80) == "http://127.0.0.1:80/"
    assert address("::", 80) == address("::1", 80) == "http://[::1]:80/"
    assert socket.gethostname().lower() in host_names("0.0.0.0")
    assert socket.gethostname().lower() not in host_names("192.168.1.9") - {"192.168.1.9"}
