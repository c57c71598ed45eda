"""Connections to a page: how long each may take, and how many there may be from one address.

A connection that is opened and says nothing, or says it drop by drop, costs its owner nothing. Without limits some hundred of
them keep everybody out. Here each stage of a request has its time, and where an address has more connections than its share, the
oldest of them that has not asked for anything yet gives way: who asks is answered, whatever else is open.
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
MOST_PER_ADDRESS = 64  # a browser opens six; several people may come through one tunnel


class BoundedProtocol(H11Protocol):
    """HTTP/1.1 with a time limit for each stage of a request, and a share of the connections for each address."""

    limits_s = LIMITS_S

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take up a connection, perhaps in the place of one that waits for nothing."""
        super().connection_made(transport)  # type: ignore[arg-type]
        self._stage: tuple[Stage, Any] = ("head", None)
        self._since = self._begun = self.loop.time()
        self._over = self.loop.call_later(LOOK_AGAIN_S, self._watch)
        self._make_room()

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of the clock."""
        self._over.cancel()
        super().connection_lost(exc)

    def stage(self) -> tuple[Stage, Any]:
        """What the connection is at, and with which request."""
        cycle = self.cycle
        if cycle is None or cycle.response_complete:
            return "head", cycle
        return ("body" if self.conn.their_state is h11.SEND_BODY else "answer"), cycle

    def _watch(self) -> None:
        """End the connection where its stage has taken longer than it may."""
        now, stage = self.loop.time(), self.stage()
        if stage != self._stage:
            self._stage, self._since = stage, now
        if now - self._since > self.limits_s[stage[0]]:
            self.transport.abort()
        else:
            self._over = self.loop.call_later(LOOK_AGAIN_S, self._watch)

    def _make_room(self) -> None:
        """End the oldest connection that has asked for nothing, of the same address or of all, where there are too many."""
        everybody = [other for other in self.connections if isinstance(other, BoundedProtocol)]
        same = [other for other in everybody if other._address() == self._address()]
        for crowd, most in ((same, MOST_PER_ADDRESS), (everybody, MOST_CONNECTIONS)):
            waiting = [other for other in crowd if other is not self and other.stage()[0] == "head"]
            if len(crowd) > most:
                oldest = min(waiting, key=lambda other: other._begun, default=self)
                self.connections.discard(oldest)  # it counts no longer, though its end comes a moment later
                oldest.transport.abort()

    def _address(self) -> str:
        """Where the connection comes from."""
        return self.client[0] if self.client else ""
