"""Fetching from a local TLS server: the card's file arrives, or nothing is left behind."""

from __future__ import annotations

import errno
import hashlib
import os
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import trustme

from facegap.errors import FetchError
from facegap.inputs.cards.fetch import MAX_REDIRECTS, fetch
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.weights import read_weights
from fixtures.cards import age_card

CONTENT = b"\x08\x07weights " * 50_000  # 500 kB: several chunks
Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Serve what the test put at each path, and record the requests."""

    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, dict(self.headers)))
        answers = self.server.answers[self.path]
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    def log_message(self, format: str, *args: Any) -> None:
        """Keep the test's output clean."""


class Server(ThreadingHTTPServer):
    """An https server on this machine."""

    daemon_threads = True

    def __init__(self, context: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.answers: dict[str, list[Answer]] = {}
        self.seen: list[tuple[str, dict[str, str]]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that disconnect early are part of the tests."""

    def url(self, path: str) -> str:
        return f"https://localhost:{self.server_address[1]}{path}"

    def put(self, *answers: Answer, path: str = "/toy.onnx") -> str:
        """Return the address that serves these answers, one per request, then the last one repeatedly."""
        self.answers[path] = list(answers)
        return self.url(path)


def body(content: bytes, *, length: int | None = -1, kind: str = "application/octet-stream") -> Answer:
    """An answer with this body and Content-Length `length`; -1: the true length, None: no header."""

    def answer(handler: Handler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Type", kind)
        if length is not None:
            handler.send_header("Content-Length", str(len(content) if length == -1 else length))
        handler.end_headers()
        handler.wfile.write(content)

    return answer


def redirect(target: str, **headers: str) -> Answer:
    """A redirect."""

    def answer(handler: Handler) -> None:
        handler.send_response(302)
        handler.send_header("Location", target)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return answer


def failure(status: int) -> Answer:
    """An error response."""
    return lambda handler: handler.send_error(status)


def endless(handler: Handler) -> None:
    """An endless body without a length."""
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(b"x" * 65536)


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def server(authority: trustme.CA, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server whose certificate the transport trusts, because the user's settings say so."""
    bundle = tmp_path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv("no_proxy", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    server = Server(context)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "models"


def card_of(source: str | None, content: bytes = CONTENT, **changes: Any) -> ModelCard:
    """An age classifier's card for weights of this content at this address."""
    return age_card(content, source=source, **{"obtain": None, **changes})


def yes(_: ModelCard) -> bool:
    return True


def refusal(card: ModelCard, cache: Path) -> str:
    """The message of a failed fetch; the cache is left empty."""
    with pytest.raises(FetchError) as caught:
        fetch(card, cache=cache, accept=yes)
    assert str(caught.value).startswith("toy: ")
    assert not cache.exists() or list(cache.iterdir()) == []
    return str(caught.value)


def test_the_right_file_arrives_whole(server: Server, cache: Path, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[tuple[int, int | None]] = []
    card = card_of(server.put(body(CONTENT)), size_bytes=len(CONTENT))
    path = fetch(card, cache=cache, accept=yes, progress=lambda done, total: seen.append((done, total)))
    assert path == cache / "toy.onnx"
    assert path.read_bytes() == read_weights(card, [cache]) == CONTENT
    assert [total for _, total in seen] == [len(CONTENT)] * len(seen)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == len(CONTENT)
    assert len(seen) > 1
    assert list(cache.iterdir()) == [path]
    assert capfd.readouterr() == ("", "")


def test_a_second_call_uses_the_cache_and_asks_nobody(server: Server, cache: Path) -> None:
    card = card_of(server.put(body(CONTENT)))
    first = fetch(card, cache=cache, accept=yes)
    assert fetch(card, cache=cache, accept=lambda _: pytest.fail("asked again")) == first
    assert len(server.seen) == 1


def test_a_damaged_file_in_the_cache_is_replaced(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "toy.onnx").write_bytes(b"half")
    assert fetch(card_of(server.put(body(CONTENT))), cache=cache, accept=yes).read_bytes() == CONTENT


def test_a_failed_fetch_leaves_a_file_in_the_cache_as_it_was(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "toy.onnx").write_bytes(b"half")
    with pytest.raises(FetchError):
        fetch(card_of(server.put(failure(500))), cache=cache, accept=yes)
    assert (cache / "toy.onnx").read_bytes() == b"half"


def test_a_refused_licence_sends_nothing(server: Server, cache: Path) -> None:
    shown: list[str] = []
    card = card_of(server.put(body(CONTENT)))
    with pytest.raises(FetchError, match=r"licence \(MIT\) was not accepted; nothing was fetched"):
        fetch(card, cache=cache, accept=lambda seen: bool(shown.append(seen.licence)))
    assert (shown, server.seen, cache.exists()) == (["MIT"], [], False)


def test_a_card_without_an_address_says_how_the_file_is_obtained(cache: Path) -> None:
    assert "Convert it yourself." in refusal(card_of(None, obtain="Convert it yourself."), cache)


def test_another_file_is_refused_with_both_hashes(server: Server, cache: Path) -> None:
    other = b"other" * 1000
    message = refusal(card_of(server.put(body(other))), cache)
    assert f"wrong file: sha256 is {hashlib.sha256(other).hexdigest()}" in message
    assert hashlib.sha256(CONTENT).hexdigest() in message


@pytest.mark.parametrize("length", [len(CONTENT), None])
def test_a_truncated_body_is_named_so(server: Server, cache: Path, length: int | None) -> None:
    source = server.put(body(CONTENT[:-1], length=length))
    assert "truncated" in refusal(card_of(source, size_bytes=len(CONTENT)), cache)


def test_a_broken_first_attempt_is_followed_by_a_clean_second(server: Server, cache: Path) -> None:
    card = card_of(server.put(body(CONTENT[:300_000], length=len(CONTENT)), body(CONTENT)))
    assert "truncated" in refusal(card, cache)
    assert fetch(card, cache=cache, accept=yes).read_bytes() == CONTENT


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><title>Sign in</title>", b"\n <html>Not found</html>"])
def test_a_web_page_in_place_of_a_model_is_named_so(server: Server, cache: Path, page: bytes) -> None:
    assert "a web page (HTML) instead of the model" in refusal(card_of(server.put(body(page))), cache)


def test_a_git_lfs_pointer_in_place_of_a_model_is_named_so(server: Server, cache: Path) -> None:
    pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 3\n"
    assert "Git LFS pointer" in refusal(card_of(server.put(body(pointer)), size_bytes=len(CONTENT)), cache)


def test_a_redirect_within_https_is_followed(server: Server, cache: Path) -> None:
    server.put(body(CONTENT), path="/store/1")
    server.put(redirect("/store/1"), path="/moved")
    card = card_of(server.put(redirect(server.url("/moved"))))
    assert fetch(card, cache=cache, accept=yes).read_bytes() == CONTENT
    assert [path for path, _ in server.seen] == ["/toy.onnx", "/moved", "/store/1"]


@pytest.mark.parametrize(
    "target", ["http://localhost:1/toy.onnx", "file:///etc/passwd", "ftp://a.b/c", "//[", "javascript:1", "HTTP://a.b"]
)
def test_a_redirect_off_https_is_refused(server: Server, cache: Path, target: str) -> None:
    message = refusal(card_of(server.put(redirect(target))), cache)
    assert "not https" in message or "Invalid" in message
    assert len(server.seen) == 1


def test_redirects_in_a_circle_come_to_an_end(server: Server, cache: Path) -> None:
    assert "redirects" in refusal(card_of(server.put(redirect("/toy.onnx"))), cache)
    assert len(server.seen) == MAX_REDIRECTS + 1


@pytest.mark.parametrize("status", [403, 404, 500])
def test_an_error_of_the_server_is_told_with_its_number(server: Server, cache: Path, status: int) -> None:
    assert f"the server returned status {status}" in refusal(card_of(server.put(failure(status))), cache)


def test_a_longer_file_is_refused_before_it_is_read(server: Server, cache: Path) -> None:
    source = server.put(body(CONTENT))
    assert "500,000 bytes announced, 100 allowed" in refusal(card_of(source, size_bytes=100), cache)


def test_an_endless_body_is_stopped_at_the_size_of_the_card(server: Server, cache: Path) -> None:
    message = refusal(card_of(server.put(endless), size_bytes=len(CONTENT)), cache)
    assert "stopped after 500,000 bytes" in message


def test_without_a_connection_the_user_learns_which_file_goes_where(server: Server, cache: Path) -> None:
    card = card_of("https://localhost:1/toy.onnx", size_bytes=len(CONTENT))
    message = refusal(card, cache)
    assert "cannot reach localhost" in message
    assert f"save it as toy.onnx in {cache} (500,000 bytes, sha256 {card.sha256})" in message
    assert "--models-dir" in message


def test_an_untrusted_certificate_is_refused(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("REQUESTS_CA_BUNDLE")
    assert "certificate is not trusted" in refusal(card_of(server.put(body(CONTENT))), cache)
    assert server.seen == []


def test_a_missing_bundle_of_certificates_is_named_so(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/authority.pem")
    assert "check REQUESTS_CA_BUNDLE" in refusal(card_of(server.put(body(CONTENT))), cache)


def test_nothing_but_the_request_is_sent(
    server: Server, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine localhost login user password secret\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.put(body(CONTENT), path="/store")
    fetch(card_of(server.put(redirect("/store", Set_Cookie="a=b"))), cache=cache, accept=yes)
    for _, headers in server.seen:
        assert set(headers) == {"Host", "User-Agent", "Accept-Encoding", "Accept", "Connection"}
        assert headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize("interruption", [KeyboardInterrupt, OSError(errno.ENOSPC, "No space left on device")])
def test_an_interrupted_fetch_leaves_nothing(server: Server, cache: Path, interruption: BaseException) -> None:
    def interrupt(done: int, total: int | None) -> None:
        raise interruption

    with pytest.raises((KeyboardInterrupt, FetchError)) as caught:
        fetch(card_of(server.put(body(CONTENT))), cache=cache, accept=yes, progress=interrupt)
    assert list(cache.iterdir()) == []
    if caught.type is FetchError:
        assert f"cannot write into {cache}: No space left on device" in str(caught.value)


def test_what_a_killed_fetch_left_is_removed_once_it_is_old(server: Server, cache: Path) -> None:
    for name, age_s in (("incoming-old", 25 * 3600), ("incoming-new", 60)):
        (cache / name).mkdir(parents=True)
        (cache / name / "tmp1").write_bytes(b"half")
        os.utime(cache / name, (time.time() - age_s,) * 2)
    fetch(card_of(server.put(body(CONTENT))), cache=cache, accept=yes)
    assert sorted(path.name for path in cache.iterdir()) == ["incoming-new", "toy.onnx"]


def test_a_cache_that_can_not_be_made_is_one_clear_error(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(FetchError, match=r"toy: cannot write into .*models"):
        fetch(card_of(server.put(body(CONTENT))), cache=tmp_path / "file" / "models", accept=yes)


def test_two_fetches_at_once_both_end_with_the_whole_file(server: Server, cache: Path) -> None:
    card, paths = card_of(server.put(body(CONTENT))), []
    threads = [threading.Thread(target=lambda: paths.append(fetch(card, cache=cache, accept=yes))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [cache / "toy.onnx"] * 4
    assert read_weights(card, [cache]) == CONTENT
