"""Access control for pages that show faces: host names, tokens, sessions, forms, and the headers of every response.

Any page open in the same browser can send requests to a page on this machine. So the host name must be ours (against DNS
rebinding), a form must have a token of its own session and come from our own page (against forgery), and the browser is
told to load nothing from other sites and to store nothing.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import hmac
import ipaddress
import json
import re
import secrets
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from facegap.errors import FacegapError

if TYPE_CHECKING:
    from starlette.datastructures import Headers
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

LOOPBACK = ("127.0.0.1", "localhost", "::1")
EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104  (named to be recognised, not bound)
LEAST_TOKEN_CHARACTERS = 16
MOST_FORM_BYTES = 16_384
WRONG_TOKEN_S = 1.0  # delay after a wrong token; with the limit on connections it bounds the number of guesses
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:[0-9]{1,5})?")
_ORIGIN = re.compile(rf"null|[a-z][a-z0-9+.-]*://{_HOST.pattern}")

HEADERS = (
    (
        "content-security-policy",
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; form-action 'self'; base-uri 'none'; "
        "frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("referrer-policy", "same-origin"),  # no-referrer would also remove the Origin header of our own forms
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    ("cache-control", "no-store"),
)


def is_loopback(host: str) -> bool:
    """Whether a server bound to `host` is reachable only from this machine."""
    return host.lower() in LOOPBACK


def require_safe(host: str, token: str | None, *, tls: bool, plain_http: bool) -> None:
    """Raise FacegapError for a public address without TLS, and for a token that can be guessed."""
    if not is_loopback(host) and not tls and not plain_http:
        raise FacegapError(
            f"--host {host} makes these faces reachable for others, and plain HTTP can be read and changed in transit; give --tls-cert "
            "and --tls-key, omit --host and use an SSH tunnel, or accept the risk with --plain-http"
        )
    if token is not None and len(token) < LEAST_TOKEN_CHARACTERS:
        raise FacegapError(
            f"--token has fewer than {LEAST_TOKEN_CHARACTERS} characters and could be guessed; omit it to generate one, or "
            "create one with: python -c 'import secrets; print(secrets.token_urlsafe(16))'"
        )


def made_key(secret: bytes) -> str:
    """The default key of a page: 192 bits, and the same at every start with the same secret."""
    return base64.urlsafe_b64encode(hmac.digest(secret, b"access key", "sha256")[:24]).decode()


def host_names(host: str) -> frozenset[str]:
    """The host names of a server bound to `host`; IP addresses only if it is bound to all of them, see `Guard`."""
    names = {*LOOPBACK, host.lower()}
    if host in EVERY_ADDRESS:
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(names)


# ---- sessions ----


@dataclass(frozen=True)
class Session:
    """The content of a signed cookie.

    nonce    : random, identifies the session
    name     : of the visitor, "" before it is entered
    admitted : whether the access token was given, or none is needed
    """

    nonce: str
    name: str
    admitted: bool


class Sessions:
    """Cookies and form tokens, signed so that they survive a restart of the server but not a change of the token."""

    def __init__(self, secret: bytes, token: str | None) -> None:
        self._key = hmac.digest(secret, (token or "").encode(), "sha256")
        self._token = token

    def new(self, name: str = "", *, admitted: bool = False) -> Session:
        """A session with its own nonce."""
        return Session(secrets.token_urlsafe(16), name, admitted or self._token is None)

    def cookie(self, session: Session) -> str:
        """The session as text for a cookie."""
        content = json.dumps([session.nonce, session.name, session.admitted]).encode()
        text = base64.urlsafe_b64encode(content).decode()
        return f"{text}.{self._signature('cookie', text)}"

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie signed by this server; None for any other text."""
        text, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature("cookie", text).encode()):
            return None
        try:
            nonce, name, admitted = json.loads(base64.urlsafe_b64decode(text))
        except (ValueError, binascii.Error):
            return None
        return Session(str(nonce), str(name), bool(admitted))

    def form_token(self, session: Session) -> str:
        """The token in every form of the session."""
        return self._signature("form", session.nonce)

    def is_own_form(self, session: Session, form_token: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(form_token.encode(), self.form_token(session).encode())

    async def admits(self, token: str) -> bool:
        """Whether the access token is correct. A wrong one is answered after a delay, without blocking others."""
        if self._token is None:
            return True
        right = hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode())
        if not right:
            await asyncio.sleep(WRONG_TOKEN_S)
        return right

    def _signature(self, kind: str, text: str) -> str:
        """HMAC-SHA-256 in hex; `kind` prevents a form token from being used as a cookie."""
        return hmac.new(self._key, f"{kind}:{text}".encode(), hashlib.sha256).hexdigest()


# ---- the guard in front of the application ----


class Guard:
    """ASGI middleware: rejects foreign hosts, foreign forms and large bodies, and sets HEADERS on every response."""

    def __init__(self, app: ASGIApp, names: Collection[str], *, any_address: bool) -> None:
        self.app, self.names, self.any_address = app, frozenset(names), any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with an error."""
        from starlette.responses import PlainTextResponse

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *missing_headers(message["headers"])]
            await send(message)

        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self.app(scope, receive, send)
            return
        fault = self.fault(scope)
        if fault is None:
            await self.app(scope, counted(receive), send_with_headers)
            return
        status, message = fault
        await PlainTextResponse(message + "\n", status_code=status)(scope, receive, send_with_headers)

    def fault(self, scope: Scope) -> tuple[int, str] | None:
        """Status and message for a rejected request; None if it is accepted."""
        from starlette.datastructures import Headers

        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.is_our_host(hosts[0]):
            return 421, "This server does not answer under that host name."
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "Only GET and POST are supported."
        return body_fault(headers, scope["method"]) or (
            origin_fault(headers, f"{scope['scheme']}://{hosts[0]}") if scope["method"] == "POST" else None
        )

    def is_our_host(self, host: str) -> bool:
        """Whether a Host header names this server; the port may differ, as behind a tunnel."""
        found = _HOST.fullmatch(host.lower())
        if found is None:
            return False
        name = found[1].strip("[]")
        return name in self.names or (self.any_address and _is_address(name))


def counted(receive: Receive) -> Receive:
    """`receive` that returns at most MOST_FORM_BYTES of a body, however it is sent."""
    from starlette.exceptions import HTTPException

    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MOST_FORM_BYTES:
            raise HTTPException(413, "This form is too large.")
        return message

    return bounded


def body_fault(headers: Headers, method: str) -> tuple[int, str] | None:
    """What is wrong with the length headers of a request; None if nothing is."""
    lengths = headers.getlist("content-length")
    if "transfer-encoding" in headers:
        return (400, "A body must have one length.") if lengths else (411, "A form must state its length.")
    if len(lengths) > 1 or not all(length.isascii() and length.isdecimal() for length in lengths):
        return 400, "The length of the body is not a number."
    if method == "POST" and not lengths:
        return 411, "A form must state its length."
    if lengths and int(lengths[0][:12]) > (MOST_FORM_BYTES if method == "POST" else 0):
        return (413, "This form is too large.") if method == "POST" else (400, "A GET request must have no body.")
    return None


def origin_fault(headers: Headers, own: str) -> tuple[int, str] | None:
    """Why a form does not come from our own page; None if it does. own : scheme, host and port of that page"""
    origins, sites = headers.getlist("origin"), headers.getlist("sec-fetch-site")
    if len(origins) > 1 or len(sites) > 1 or not all(_ORIGIN.fullmatch(origin.lower()) for origin in origins):
        return 400, "The origin of this form is invalid."
    if any(with_port(origin) != with_port(own) for origin in origins):
        return 403, "This form was not sent from this server's own page."
    if any(site not in ("same-origin", "none") for site in sites):
        return 403, "This form was not sent from this server's own page."
    return None


def with_port(origin: str) -> str:
    """Scheme, host and port; the default port of the scheme is made explicit."""
    low = origin.lower()
    scheme, _, host = low.partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme, "")
    return low if re.search(r":[0-9]+$", host) else low + port


def missing_headers(given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """HEADERS that a response lacks; only responses that show no person may set their own cache lifetime."""
    names = {name.lower() for name, _ in given}
    return [(name.encode(), value.encode()) for name, value in HEADERS if name.encode() not in names]


def _is_address(name: str) -> bool:
    """Whether a host is an IP address; DNS rebinding needs a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
