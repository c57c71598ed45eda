"""Limit the time and the response size of a call to a service, whatever the service does.

A limit on the time between two bytes does not limit the whole call: headers, interim responses, chunk sizes and trailers can
arrive slowly for ever without any read taking long. Each call therefore runs in its own thread, and the waiting thread closes
the connection when the time is over or the audit is stopped. Bytes are counted at the socket, before responses are parsed, both
before the body and in all.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection

if TYPE_CHECKING:
    from urllib3 import PoolManager

Found = TypeVar("Found")

MOST_HEAD_BYTES = 64 * 1024  # interim responses, status and headers together
MOST_WIRE_BYTES = 8 * 2**20  # of one response: a body of 1 MiB in chunks of one byte takes some 6 MiB
LOOK_AGAIN_S = 0.05
GRACE_S = 1.0  # for a call in progress when the audit is stopped


class OverlongError(http.client.HTTPException):
    """The response has more bytes besides the body than any service needs."""


class StoppedError(Exception):
    """The audit was stopped during the call."""


class LateError(Exception):
    """The time limit of the call was exceeded."""


class Hold:
    """The connection of a call, which another thread can close."""

    def __init__(self) -> None:
        self.connection: Any = None
        self.overlong = False
        self.over = threading.Event()

    def hang_up(self) -> None:
        """End every read and write of the call, and reject any connection opened later."""
        self.over.set()
        sock: socket.socket | None = getattr(self.connection, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


_own = threading.local()  # .hold: the Hold of the call made by this thread


def within(work: Callable[[Hold], Found], seconds: float, stopped: threading.Event) -> Found:
    """Run `work` in a separate thread and return its result, waiting at most `seconds`.

    Raises
    ------
    LateError    : If the time is over; the connection is closed, and the thread ends by itself.
    StoppedError : If `stopped` is set and the call does not end within GRACE_S.
    """
    hold, found, failed = Hold(), list[Found](), list[BaseException]()

    def run() -> None:
        _own.hold = hold
        try:
            found.append(work(hold))
        except BaseException as error:  # noqa: BLE001  (raised again in the waiting thread)
            failed.append(error)

    thread = threading.Thread(target=run, name="facegap-call", daemon=True)
    deadline = time.monotonic() + seconds
    thread.start()
    while thread.is_alive():
        left = deadline - time.monotonic()
        if stopped.is_set():
            thread.join(min(GRACE_S, max(left, 0)))
            break
        if left <= 0:
            break
        thread.join(min(left, LOOK_AGAIN_S))
    if thread.is_alive():
        hold.hang_up()
        raise StoppedError if stopped.is_set() else LateError
    if failed:
        raise failed[0]
    return found[0]


# ---- the connection ----


class Counted:
    """A socket file with a limit on the bytes read. limit : bytes that may still be read"""

    def __init__(self, file: Any, hold: Hold | None) -> None:
        self._file, self._hold, self.limit = file, hold, MOST_HEAD_BYTES

    def _count(self, data: bytes) -> bytes:
        self.limit -= len(data)
        if self.limit < 0 or (self._hold is not None and self._hold.over.is_set()):
            if self._hold is not None:
                self._hold.overlong = self.limit < 0
            raise OverlongError("more bytes around the body of the response than the limit")
        return data

    def read(self, size: int | None = -1) -> bytes:
        """Read at most `size` bytes, or as many as the limit allows."""
        wanted = self.limit + 1 if size is None or size < 0 else min(size, self.limit + 1)
        return self._count(self._file.read(wanted))

    def read1(self, size: int = -1) -> bytes:
        """Read the available bytes, at most `size`."""
        return self._count(self._file.read1(self.limit + 1 if size < 0 else min(size, self.limit + 1)))

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readline(self, size: int = -1) -> bytes:
        """Read a line, or the beginning of one."""
        return self._count(self._file.readline(self.limit + 1 if size < 0 else min(size, self.limit + 1)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class CountedResponse(http.client.HTTPResponse):
    """A response that is read through `Counted`."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._counted = Counted(self.fp, getattr(_own, "hold", None))
        self.fp: Any = self._counted

    def begin(self) -> None:
        """Read interim responses, status and headers."""
        super().begin()
        self._counted.limit = MOST_WIRE_BYTES


class _Held:
    """Common part of both connection classes: they register with the call that uses them, and limit the bytes read."""

    response_class: Any = CountedResponse

    def request(self, *given: Any, **named: Any) -> None:
        """Send a request."""
        hold: Hold | None = getattr(_own, "hold", None)
        if hold is not None:
            hold.connection = self
            if hold.over.is_set():
                raise http.client.HTTPException("the call is over")
        super().request(*given, **named)  # type: ignore[misc]


class HeldConnection(_Held, HTTPConnection):
    """A connection that another thread can close."""


class HeldSecureConnection(_Held, HTTPSConnection):
    """A TLS connection that another thread can close."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = HeldConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = HeldSecureConnection


class HeldAdapter(HTTPAdapter):
    """The transport of a session whose connections are `_Held`, with or without a proxy."""

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        """Create the pools."""
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, *given: Any, **named: Any) -> PoolManager:
        """Return the pools of a proxy."""
        manager = super().proxy_manager_for(*given, **named)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager  # type: ignore[no-any-return]


def held_session(session: requests.Session) -> requests.Session:
    """Mount the transport above on a session."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, HeldAdapter())
    return session
