"""One web server on one address, with an end that loses nothing."""

from __future__ import annotations

import contextlib
import errno
import socket
from typing import TYPE_CHECKING

from facegap.errors import FacegapError

if TYPE_CHECKING:
    from starlette.types import ASGIApp

MOST_CONNECTIONS = 512
PATIENCE_S = 5  # for requests under way when the server is told to stop


def require_web() -> None:
    """Raise FacegapError that names the extra where the packages of the web pages are not installed."""
    try:
        import python_multipart  # noqa: F401
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError as error:
        raise FacegapError(f"the web pages need {error.name}; install it with: pip install 'facegap[web]'") from error


def listening_socket(host: str, port: int) -> socket.socket:
    """A socket that is bound before anything is announced; port 0 takes any free one.

    Raises
    ------
    FacegapError : the address is taken, not ours, or not allowed
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


def address(host: str, port: int) -> str:
    """The address to open in a browser on this machine."""
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104
    return f"http://{shown}:{port}/"


def serve(app: ASGIApp, listening: socket.socket) -> None:
    """Answer requests until Ctrl-C or a signal to end; those under way are finished, then the application is closed."""
    import uvicorn

    config = uvicorn.Config(
        app,
        http="h11",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,  # a log of who looked at whom
        proxy_headers=False,  # nobody may say on whose behalf they come
        server_header=False,
        limit_concurrency=MOST_CONNECTIONS,
        timeout_graceful_shutdown=PATIENCE_S,
        h11_max_incomplete_event_size=16_384,
    )
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.Server(config).run(sockets=[listening])
