"""A call to a service that ends when its time is over, whatever the service does, and that reads no more than its bounds.

A limit on the time between two bytes is none on the whole: headers, interim answers, chunk sizes and trailers can come drop by
drop for ever, and no read in between ever takes long. So the call runs in a thread of its own; who waits for it hangs up from
outside when the time is over or the audit is stopped. What is read before the body, and the whole that is read, is counted at
the socket, below everything that takes answers apart.
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

MOST_HEAD_BYTES = 64 * 1024  # interim answers, status and headers together
MOST_WIRE_BYTES = 8 * 2**20  # of one answer: a body of 1 MiB in chunks of one byte is some 6 MiB
LOOK_AGAIN_S = 0.05
GRACE_S = 1.0  # for a call under way when the audit is stopped


class OverlongError(http.client.HTTPException):
    """More bytes around the body than any service needs."""


class StoppedError(Exception):
    """The audit was stopped while the call was under way."""


class LateError(Exception):
    """The time of the call was over."""


class Hold:
    """The connection of a call, so that somebody else can hang up."""

    def __init__(self) -> None:
        self.connection: Any = None
        self.overlong = False
        self.over = threading.Event()

    def hang_up(self) -> None:
        """End every read and write of the call, and of a connection that is still to come."""
        self.over.set()
        sock: socket.socket | None = getattr(self.connection, "sock", None)
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


_own = threading.local()  # .hold of the call that this thread makes


def within(work: Callable[[Hold], Found], seconds: float, stopped: threading.Event) -> Found:
    """What `work` gives, called in a thread of its own and waited for no longer than `seconds`.

    Raises
    ------
    LateError    : the time was over; the connection is hung up, and the thread left to end by itself
    StoppedError : `stopped` was set, and the call did not end within GRACE_S
    """
    hold, found, failed = Hold(), list[Found](), list[BaseException]()

    def run() -> None:
        _own.hold = hold
        try:
            found.append(work(hold))
        except BaseException as error:  # noqa: BLE001  (raised again by who waits)
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
    """The reading end of a socket that gives no more than its bound. limit : bytes that may still be read"""

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
        """At most `size` bytes, or as many as the bound leaves."""
        wanted = self.limit + 1 if size is None or size < 0 else min(size, self.limit + 1)
        return self._count(self._file.read(wanted))

    def read1(self, size: int = -1) -> bytes:
        """What is there, at most `size` bytes."""
        return self._count(self._file.read1(self.limit + 1 if size < 0 else min(size, self.limit + 1)))

    def readinto(self, buffer: Any) -> int:
        """Fill a buffer."""
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def readline(self, size: int = -1) -> bytes:
        """A line, or the beginning of one."""
        return self._count(self._file.readline(self.limit + 1 if size < 0 else min(size, self.limit + 1)))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class CountedResponse(http.client.HTTPResponse):
    """An answer that is read through `Counted`."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._counted = Counted(self.fp, getattr(_own, "hold", None))
        self.fp: Any = self._counted

    def begin(self) -> None:
        """Read interim answers, status and headers."""
        super().begin()
        self._counted.limit = MOST_WIRE_BYTES


class _Held:
    """What both kinds of connections have in common: they tell the call that uses them, and are read within bounds."""

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
    """A connection that somebody else can end."""


class HeldSecureConnection(_Held, HTTPSConnection):
    """The same with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = HeldConnection


class _SecurePool(HTTPSConnectionPool):
    ConnectionCls = HeldSecureConnection


class HeldAdapter(HTTPAdapter):
    """The transport of a session whose connections are `_Held`, by a proxy or without."""

    def init_poolmanager(self, *given: Any, **named: Any) -> None:
        """Make the pools."""
        super().init_poolmanager(*given, **named)
        self.poolmanager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}

    def proxy_manager_for(self, *given: Any, **named: Any) -> PoolManager:
        """The pools of a proxy."""
        manager = super().proxy_manager_for(*given, **named)
        manager.pool_classes_by_scheme = {"http": _Pool, "https": _SecurePool}
        return manager  # type: ignore[no-any-return]


def held_session(session: requests.Session) -> requests.Session:
    """A session with the transport above."""
    for scheme in ("http://", "https://"):
        session.mount(scheme, HeldAdapter())
    return session
