"""A real server: idle connections are closed, slow ones time out, and active visitors are served all the time."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import trustme
import uvicorn

from facegap.errors import FacegapError
from facegap.web import connections
from facegap.web import serve as web
from facegap.web.connections import MOST_PER_ADDRESS, BoundedProtocol
from facegap.web.serve import Certificate, certificate_of, listening_socket, serve

BODY = b"hello"


async def app(scope: Any, receive: Any, send: Any) -> None:
    """Read the body and reply; /slow never does."""
    import asyncio

    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    if scope["path"] == "/slow":
        await asyncio.sleep(3600)
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
    await send({"type": "http.response.body", "body": BODY})


@contextmanager
def served(certificate: Certificate | None = None) -> Iterator[int]:
    """`serve` in a thread; returns its port. The server is stopped as by a signal."""
    running: list[uvicorn.Server] = []
    real = uvicorn.Server.__init__

    def remembered(self: uvicorn.Server, *given: Any, **named: Any) -> None:
        real(self, *given, **named)
        running.append(self)

    with pytest.MonkeyPatch.context() as patch, listening_socket("127.0.0.1", 0) as listening:
        patch.setattr(uvicorn.Server, "__init__", remembered)
        thread = threading.Thread(target=serve, args=(app, listening, certificate))
        thread.start()
        try:
            while not (running and running[0].started):
                time.sleep(0.01)
            yield int(listening.getsockname()[1])
        finally:
            running[0].should_exit = running[0].force_exit = True
            thread.join()


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Limits of a fraction of a second."""
    monkeypatch.setattr(BoundedProtocol, "limits_s", {"head": 0.6, "body": 0.6, "answer": 0.6})
    monkeypatch.setattr(connections, "LOOK_AGAIN_S", 0.1)


def connected(port: int, said: bytes = b"") -> socket.socket:
    found = socket.create_connection(("127.0.0.1", port), timeout=10)
    if said:
        found.sendall(said)
    return found


def asked(port: int) -> bytes:
    with connected(port, b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n") as one:
        return b"".join(iter(lambda: one.recv(4096), b""))


def ends_within(one: socket.socket, seconds: float) -> bool:
    one.settimeout(seconds)
    try:
        while one.recv(4096):
            pass
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


STALLED = {
    "silent": b"",
    "half a head": b"GET / HTTP/1.1\r\nHost: a\r\nX-",
    "half a body": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
    "half a chunk": b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "no answer": b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n",
}


@pytest.mark.parametrize("name", STALLED)
def test_a_connection_that_stalls_at_any_stage_is_closed(hurried: None, name: str) -> None:
    with served() as port, connected(port, STALLED[name]) as one:
        assert ends_within(one, 8)


@pytest.mark.parametrize(
    "start", [b"GET / HTTP/1.1\r\nX: ", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9000\r\n\r\n"]
)
def test_slow_bytes_do_not_extend_the_time_limit(hurried: None, start: bytes) -> None:
    with served() as port, connected(port, start) as one:
        begun = time.monotonic()
        with suppress(ConnectionError):
            while time.monotonic() - begun < 8:
                one.sendall(b"x")
                time.sleep(0.05)
        assert time.monotonic() - begun < 8


def test_a_second_request_on_a_connection_has_a_time_limit(hurried: None) -> None:
    with served() as port, connected(port, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n") as one:
        seen = b""
        while not seen.endswith(BODY):
            seen += one.recv(4096)
        one.sendall(b"GET / HTT")
        assert ends_within(one, 8)


@pytest.mark.parametrize("count", [MOST_PER_ADDRESS + 10, 515])
def test_hundreds_of_idle_connections_block_no_one(count: int) -> None:
    """With the default time limits: idle connections are closed at once to make room."""
    with served() as port, ExitStack() as open_ones:
        for k in range(count):
            open_ones.enter_context(connected(port, b"" if k % 2 else b"GET / HTTP/1.1\r\nX: "))
        assert [asked(port)[-5:] for _ in range(5)] == [BODY] * 5


def test_active_connections_are_not_closed_for_idle_ones() -> None:
    with served() as port, ExitStack() as open_ones:
        busy = open_ones.enter_context(connected(port, b"GET /slow HTTP/1.1\r\nHost: a\r\n\r\n"))
        time.sleep(0.3)
        for _ in range(2 * MOST_PER_ADDRESS):
            open_ones.enter_context(connected(port))
        time.sleep(0.3)
        assert not ends_within(busy, 0.3)


def test_malformed_requests_are_answered_with_400() -> None:
    with served() as port:
        for said in (
            b"\0\0\0\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 70000,
        ):
            with connected(port) as one, suppress(ConnectionError):
                one.sendall(said)
                assert one.recv(100).startswith(b"HTTP/1.1 400 ")
        assert asked(port).endswith(BODY)


# ---- TLS ----


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def files(authority: trustme.CA, tmp_path: Path) -> Certificate:
    issued = authority.issue_cert("localhost")
    issued.private_key_pem.write_to_path(str(tmp_path / "key.pem"))
    for k, blob in enumerate(issued.cert_chain_pems):
        blob.write_to_path(str(tmp_path / "cert.pem"), append=k > 0)
    return Certificate(tmp_path / "cert.pem", tmp_path / "key.pem")


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


def test_the_page_is_served_by_the_given_certificate(authority: trustme.CA, files: Certificate) -> None:
    context = trusting(authority)
    with served(files) as port, context.wrap_socket(connected(port), server_hostname="localhost") as one:
        one.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert b"".join(iter(lambda: one.recv(4096), b"")).endswith(BODY)
        assert one.version() in ("TLSv1.2", "TLSv1.3")


def test_half_a_handshake_times_out_and_plain_http_is_not_answered(
    files: Certificate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(web, "HANDSHAKE_S", 0.5)
    with served(files) as port:
        for said in (b"", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"):
            with connected(port, said) as one:
                assert ends_within(one, 8)


def test_an_invalid_certificate_is_an_error_that_names_both_options(files: Certificate, tmp_path: Path) -> None:
    assert certificate_of(None, None) is None
    assert certificate_of(files.chain, files.key) == files
    other = trustme.CA().issue_cert("localhost")
    other.private_key_pem.write_to_path(str(tmp_path / "other.pem"))
    (tmp_path / "noise.pem").write_bytes(b"\0" * 50)
    wrong: list[Callable[[], Any]] = [
        lambda: certificate_of(files.chain, tmp_path / "other.pem"),
        lambda: certificate_of(tmp_path / "noise.pem", files.key),
        lambda: certificate_of(tmp_path / "nobody.pem", files.key),
        lambda: certificate_of(tmp_path, files.key),
        lambda: certificate_of(files.chain, None),
    ]
    for one in wrong:
        with pytest.raises(FacegapError, match=r"--tls-cert.*--tls-key"):
            one()


def test_a_key_with_a_passphrase_is_rejected_without_a_prompt(files: Certificate, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_pem_private_key(files.key.read_bytes(), None)
    locked = serialization.BestAvailableEncryption(b"secret")
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8)
    (tmp_path / "locked.pem").write_bytes(key.private_bytes(*form, locked))
    with pytest.raises(FacegapError, match="protected by a passphrase"):
        certificate_of(files.chain, tmp_path / "locked.pem")
