"""A web server on one address, with a graceful shutdown."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegap.errors import FacegapError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

PATIENCE_S = 1  # seconds for current requests at shutdown
HANDSHAKE_S = 10.0


def require_web() -> None:
    """Raise FacegapError, which names the extra, if the packages of the web pages are not installed."""
    try:
        import python_multipart  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise FacegapError(f"the web pages need {error.name}; install it with: pip install 'facegap[web]'") from error


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound before anything is announced; port 0 selects a free one.

    Raises
    ------
    FacegapError : the address is in use, not local, or not permitted
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family)
    except OSError as error:
        where = f"{host} port {port}"
        if error.errno == errno.EADDRINUSE:
            raise FacegapError(f"{where} is taken by another program; choose another --port") from error
        raise FacegapError(
            f"{where} cannot be used ({error.strerror or error}); choose another --host or --port"
        ) from error


@dataclass(frozen=True)
class Certificate:
    """The files of a TLS certificate with its chain, and of its key; PEM."""

    chain: Path
    key: Path


def certificate_of(chain: Path | None, key: Path | None) -> Certificate | None:
    """A certificate with a matching key; None if neither is given.

    Raises
    ------
    FacegapError : only one of the two, unreadable or mismatched files, or a key with a passphrase
    """
    if chain is None and key is None:
        return None
    if chain is None or key is None:
        raise FacegapError("--tls-cert and --tls-key go together: the certificate and its key, both PEM")

    def no_passphrase() -> str:
        raise FacegapError(
            f"--tls-key {key}: protected by a passphrase, which cannot be entered here; use a key without one"
        )

    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(chain, key, password=no_passphrase)
    except (OSError, ValueError) as error:  # SSLError is an OSError
        raise FacegapError(
            f"--tls-cert {chain} and --tls-key {key}: not a certificate with its key ({error})"
        ) from error
    return Certificate(chain, key)


def address(host: str, port: int, *, tls: bool = False) -> str:
    """The address to open in a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"{'https' if tls else 'http'}://{shown}:{port}/"


def serve(app: ASGIApp, listening: socket.socket, certificate: Certificate | None = None) -> None:
    """Handle requests until Ctrl-C or a signal; current requests are finished, then the application is closed."""
    import uvicorn

    from facegap.web.connections import MOST_CONNECTIONS, BoundedProtocol

    config = uvicorn.Config(
        app,
        http=BoundedProtocol,
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # it would record who looked at whom
        proxy_headers=False,  # do not trust forwarded addresses
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS + 1,
        timeout_graceful_shutdown=PATIENCE_S,
        h11_max_incomplete_event_size=16_384,
        ssl_certfile=None if certificate is None else certificate.chain,
        ssl_keyfile=None if certificate is None else certificate.key,
    )
    with contextlib.suppress(KeyboardInterrupt), asyncio.Runner(loop_factory=Loop) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listening]))


class Loop(asyncio.SelectorEventLoop):
    """An event loop in which TLS handshakes have a few seconds instead of a minute."""

    async def create_server(self, *given: Any, **named: Any) -> asyncio.Server:
        """A server."""
        if named.get("ssl") is not None:
            named["ssl_handshake_timeout"] = HANDSHAKE_S
        return await super().create_server(*given, **named)
