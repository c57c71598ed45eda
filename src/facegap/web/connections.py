"""Connections to a page: time limits, and a maximum number per address.

An idle or very slow connection costs its owner nothing, and without limits some hundreds of them would block everyone else.
Here each stage of a request has a time limit, and if an address has too many connections, its oldest one without a request
is closed, so that active visitors are always served.
"""

from __future__ import annotations

import asyncio
from typing import Any, Literal

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

Stage = Literal["head", "body", "answer"]

LIMITS_S: dict[Stage, float] = {"head": 10.0, "body": 20.0, "answer": 120.0}
LOOK_AGAIN_S = 0.5
MOST_CONNECTIONS = 512
MOST_PER_ADDRESS = 64  # a browser opens six; several people may share one tunnel


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with a time limit for each stage of a request, and a maximum number of connections per address."""

    limits_s = LIMITS_S

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept a connection, perhaps in place of an idle one."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._stage: tuple[Stage, Any] = ("head", None)
        self._since = self._begun = self.loop.time()
        self._over = self.loop.call_later(LOOK_AGAIN_S, self._watch)
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop the timer."""
        self._over.cancel()
        super().connection_lost(exc)

    def stage(self) -> tuple[Stage, Any]:
        """The stage of the connection, and its request."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return "head", cycle
        return ("body" if self.conn.their_state is h11.SEND_BODY else "answer"), cycle

    def _watch(self) -> None:
        """Close the connection if its stage exceeds the time limit."""
        now, stage = self.loop.time(), self.stage()
        if stage != self._stage:
            self._stage, self._since = stage, now
        if now - self._since > self.limits_s[stage[0]]:
            self.transport.abort()
        else:
            self._over = self.loop.call_later(LOOK_AGAIN_S, self._watch)

    def _make_room(self) -> None:
        """Close the oldest connection without a request, from the same address or from any, if there are too many."""
        everybody = [other for other in self.connections if isinstance(other, BoundedProtocol)]
        same = [other for other in everybody if other._address() == self._address()]
        for crowd, most in ((same, MOST_PER_ADDRESS), (everybody, MOST_CONNECTIONS)):
            waiting = [other for other in crowd if other is not self and other.stage()[0] == "head"]
            if len(crowd) > most:
                oldest = min(waiting, key=lambda other: other._begun, default=self)
                self.connections.discard(oldest)  # no longer counted, although it closes a moment later
                oldest.transport.abort()

    def _address(self) -> str:
        """The remote address of the connection."""
        return self.client[0] if self.client else ""
