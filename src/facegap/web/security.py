"""Who may talk to a page that shows faces: host names, tokens, sessions, forms, and the headers of every answer.

A page on this machine can be reached by any page that is open in the same browser. So the host must be one of ours
(against DNS rebinding), a form must carry a token of its own session and come from our own page (against forgery), and
the browser is told to load nothing from elsewhere and to keep nothing.
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
WRONG_TOKEN_S = 1.0  # before a wrong token is answered: with the connections of an address a bound on its guesses
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
    ("referrer-policy", "same-origin"),  # no-referrer would also take the Origin off our own forms
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
    ("cache-control", "no-store"),
)


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server that is bound to `host`."""
    return host.lower() in LOOPBACK


def require_safe(host: str, token: str | None, *, tls: bool, plain_http: bool) -> None:
    """Raise FacegapError for an address that others reach without TLS, and for a token that can be guessed."""
    if not is_loopback(host) and not tls and not plain_http:
        raise FacegapError(
            f"--host {host} lets others reach these faces, and plain HTTP can be read and changed on the way; give --tls-cert "
            "and --tls-key, leave --host out and use an SSH tunnel, or accept it with --plain-http"
        )
    if token is not None and len(token) < LEAST_TOKEN_CHARACTERS:
        raise FacegapError(
            f"--token has fewer than {LEAST_TOKEN_CHARACTERS} characters and could be guessed; leave it out to have one made, or "
            "make one with: python -c 'import secrets; print(secrets.token_urlsafe(16))'"
        )


def made_key(secret: bytes) -> str:
    """The key of a page that nobody chose one for: of 192 bits, and the same at every start with the same secret."""
    return base64.urlsafe_b64encode(hmac.digest(secret, b"access key", "sha256")[:24]).decode()


def host_names(host: str) -> frozenset[str]:
    """The names under which a server bound to `host` answers; an IP address only where every one is bound, see `Guard`."""
    names = {*LOOPBACK, host.lower()}
    if host in EVERY_ADDRESS:
        names |= {socket.gethostname().lower(), socket.getfqdn().lower()}
    return frozenset(names)


# ---- sessions ----


@dataclass(frozen=True)
class Session:
    """What a signed cookie says.

    nonce    : random, the session's name
    name     : who is working, "" before they said so
    admitted : the access token was given, or none is needed
    """

    nonce: str
    name: str
    admitted: bool


class Sessions:
    """Cookies and form tokens, signed so that a restart of the server keeps them and another token ends them."""

    def __init__(self, secret: bytes, token: str | None) -> None:
        self._key = hmac.digest(secret, (token or "").encode(), "sha256")
        self._token = token

    def new(self, name: str = "", *, admitted: bool = False) -> Session:
        """A session with a name of its own."""
        return Session(secrets.token_urlsafe(16), name, admitted or self._token is None)

    def cookie(self, session: Session) -> str:
        """The session as text for a cookie."""
        said = json.dumps([session.nonce, session.name, session.admitted]).encode()
        text = base64.urlsafe_b64encode(said).decode()
        return f"{text}.{self._signature('cookie', text)}"

    def read(self, cookie: str) -> Session | None:
        """The session of a cookie that we signed; None for any other text."""
        text, _, signature = cookie.rpartition(".")
        if not hmac.compare_digest(signature.encode(), self._signature("cookie", text).encode()):
            return None
        try:
            nonce, name, admitted = json.loads(base64.urlsafe_b64decode(text))
        except (ValueError, binascii.Error):
            return None
        return Session(str(nonce), str(name), bool(admitted))

    def form_token(self, session: Session) -> str:
        """What every form of the session carries."""
        return self._signature("form", session.nonce)

    def is_own_form(self, session: Session, form_token: str) -> bool:
        """Whether a form was made for this session."""
        return hmac.compare_digest(form_token.encode(), self.form_token(session).encode())

    async def admits(self, token: str) -> bool:
        """Whether the access token is right. A wrong one is told so a second later, and keeps nobody else waiting."""
        if self._token is None:
            return True
        right = hmac.compare_digest(token.encode("utf-8", "replace"), self._token.encode())
        if not right:
            await asyncio.sleep(WRONG_TOKEN_S)
        return right

    def _signature(self, kind: str, text: str) -> str:
        """HMAC-SHA-256 in hex; `kind` keeps a form's token from passing as a cookie's."""
        return hmac.new(self._key, f"{kind}:{text}".encode(), hashlib.sha256).hexdigest()


# ---- the guard before the application ----


class Guard:
    """ASGI middleware: refuses foreign hosts, foreign forms and large bodies, and sets HEADERS on every answer."""

    def __init__(self, app: ASGIApp, names: Collection[str], *, any_address: bool) -> None:
        self.app, self.names, self.any_address = app, frozenset(names), any_address

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer it with what is wrong."""
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
        status, said = fault
        await PlainTextResponse(said + "\n", status_code=status)(scope, receive, send_with_headers)

    def fault(self, scope: Scope) -> tuple[int, str] | None:
        """Status and sentence for a request that is refused; None for one that may pass."""
        from starlette.datastructures import Headers

        headers = Headers(scope=scope)
        hosts = headers.getlist("host")
        if len(hosts) != 1 or not self.is_our_host(hosts[0]):
            return 421, "This server does not answer under that host name."
        if scope["method"] not in ("GET", "HEAD", "POST"):
            return 405, "Only GET and POST are understood."
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
    """`receive` that gives no more than MOST_FORM_BYTES of a body: one bound, however the body is sent."""
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
    """What is wrong with how a request says what its body is; None for nothing."""
    lengths = headers.getlist("content-length")
    if "transfer-encoding" in headers:
        return (400, "A body has one length.") if lengths else (411, "A form must say its length.")
    if len(lengths) > 1 or not all(length.isascii() and length.isdecimal() for length in lengths):
        return 400, "The length of the body is not a number."
    if method == "POST" and not lengths:
        return 411, "A form must say its length."
    if lengths and int(lengths[0][:12]) > (MOST_FORM_BYTES if method == "POST" else 0):
        return (413, "This form is too large.") if method == "POST" else (400, "A question has no body.")
    return None


def origin_fault(headers: Headers, own: str) -> tuple[int, str] | None:
    """Why a form does not come from our own page; None where it does. own : scheme, host and port of that page"""
    origins, sites = headers.getlist("origin"), headers.getlist("sec-fetch-site")
    if len(origins) > 1 or len(sites) > 1 or not all(_ORIGIN.fullmatch(origin.lower()) for origin in origins):
        return 400, "The origin of this form cannot be understood."
    if any(with_port(origin) != with_port(own) for origin in origins):
        return 403, "This form was not sent from this server's own page."
    if any(site not in ("same-origin", "none") for site in sites):
        return 403, "This form was not sent from this server's own page."
    return None


def with_port(origin: str) -> str:
    """Scheme, host and port, the port written out where it is that of the scheme."""
    low = origin.lower()
    scheme, _, host = low.partition("://")
    port = {"http": ":80", "https": ":443"}.get(scheme, "")
    return low if re.search(r":[0-9]+$", host) else low + port


def missing_headers(given: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """HEADERS less those that an answer brings: only what shows nobody may say for itself how long it is kept."""
    names = {name.lower() for name, _ in given}
    return [(name.encode(), value.encode()) for name, value in HEADERS if name.encode() not in names]


def _is_address(name: str) -> bool:
    """Whether a host is an IP address: DNS rebinding needs a name."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
