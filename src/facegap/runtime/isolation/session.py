"""A model in a separate process, with the interface of an onnxruntime session."""

from __future__ import annotations

import contextlib
import json
import queue
import sys
import threading
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from facegap.errors import DeviceError, ModelError
from facegap.runtime.isolation import messages, restrictions
from facegap.runtime.isolation.limits import memory_limit
from facegap.runtime.isolation.messages import Port
from facegap.runtime.isolation.process import GIB, TRUSTED, UNTRUE_CURE, Guarded, Lane, Process, Why, started, watch
from facegap.types import AnyArray, Device, Isolation, Unmade

MOST_LANES = 64
START_WITHIN_S = 60.0  # for the process itself, which does not depend on the model; busy machines load Python slowly


class IsolatedSession:
    """A model in a separate process. Several threads may call `run`, with as many concurrent batches as there are lanes."""

    def __init__(
        self,
        content: bytes,
        *,
        name: str,
        file: str,
        timeout_s: float,
        device: Device = "cpu",
        threads: int = 1,
        lanes: int = 1,
        batch: int = 1,
    ) -> None:
        """Start the process, which loads in the background; `send_model` and then `opened` make it ready.

        Raises
        ------
        ModelError : if the process cannot be started
        """
        lanes = min(lanes, MOST_LANES)
        on_cpu = device == "cpu"
        guarded = Guarded(name, file, timeout_s, memory_limit(len(content), lanes=lanes, batch=batch), not on_cpu)
        self._process = started(guarded, lanes, device, threads)
        self._finalizer = weakref.finalize(self, self._process.end)
        threading.Thread(target=watch, args=(self._process,), name="facegap watch", daemon=True).start()
        self._content = content
        self._free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for lane in self._process.lanes:
            self._free.put(lane)

    def get_inputs(self) -> Sequence[Port]:
        """The inputs, as reported by the process."""
        return self._description.inputs

    def get_outputs(self) -> Sequence[Port]:
        """The outputs, as reported by the process."""
        return self._description.outputs

    def get_providers(self) -> list[str]:
        """The providers that were given to the session."""
        return list(self._description.providers)

    @property
    def nodes(self) -> Mapping[str, int]:
        """Number of graph nodes by provider."""
        return self._description.nodes

    def run(self, names: Sequence[str] | None, feed: Mapping[str, AnyArray | Unmade]) -> list[AnyArray]:
        """Outputs `names` of one batch; if None, all outputs that are numeric arrays.

        Raises
        ------
        ModelError        : if the graph rejects an input, or fails
        ModelStoppedError : if the process has ended; all later calls raise it too
        """
        return self.run_each(names, [feed])[0]

    def run_each(
        self, names: Sequence[str] | None, feeds: Sequence[Mapping[str, AnyArray | Unmade]]
    ) -> list[list[AnyArray]]:
        """Like `run` for several batches in order; the next batch is written while one is computed.

        The process can then continue at once: it need not wait until this one has been woken, has copied the outputs and written the
        next batch, which on an idle machine takes longer than the copies do.
        """
        if names is None:
            names = [port.name for port in self.get_outputs() if port.type.startswith("tensor(")]
        if not names:
            raise ModelError(f"{self._process.guarded.name}: the graph has no numerical output")
        if not feeds:
            return []
        lane = self._free.get()
        try:
            with under_way(self._process, lane, doing_of(feeds[0])) as guard:
                return asked_each(lane, tuple(names), feeds, self._process, guard)
        finally:
            self._free.put(lane)

    def stop(self) -> None:
        """End the process; batches in progress end with ModelStoppedError."""
        self._finalizer()

    def send_model(self) -> None:
        """Wait for the restrictions of the process, and send it the model.

        Raises
        ------
        ModelStoppedError : if it crashed, or took too long
        """
        first, guarded = self._process.lanes[0], self._process.guarded
        with self._or_stopped():
            with under_way(self._process, first, "before it was given the model", at_least_s=START_WITHIN_S):
                applied = messages.texts_of(messages.receive(first.connection), "restrictions")
            self.isolation = isolation_of(guarded, applied, address_space=restrictions.ADDRESS_SPACE in applied)
            with under_way(self._process, first, "while it was given the model"):
                messages.send(first.connection, {"name": guarded.name})
                first.connection.send_bytes(self._content)
        del self._content

    def opened(self) -> None:
        """Wait until the model has been opened under its restrictions.

        Raises
        ------
        ModelError, DeviceError : as in `facegap.runtime.open_session`
        ModelStoppedError       : if the process crashed, or exceeded its time or memory limit
        """
        first = self._process.lanes[0]
        with self._or_stopped(), under_way(self._process, first, "while it opened the model"):
            header = messages.receive(first.connection)
            raise_if_error(header, self._process)
            self._description = messages.description_of(header)

    @contextlib.contextmanager
    def _or_stopped(self) -> Iterator[None]:
        """End the process if an error occurs in the block."""
        try:
            yield
        except BaseException:
            self.stop()
            raise


# ---- one batch ----


class under_way:  # noqa: N801  (reads as a statement)
    """A deadline for the lane while a batch is in progress; connection errors mean that the process has ended."""

    def __init__(self, process: Process, lane: Lane, doing: str, *, at_least_s: float = 0.0) -> None:
        self.process, self.lane, self.doing, self.at_least_s = process, lane, doing, at_least_s

    def __enter__(self) -> under_way:
        """Start the deadline."""
        self.next(self.doing)
        if self.process.why:
            raise self.process.said(self.doing)
        return self

    def next(self, doing: str) -> None:
        """Apply the deadline, and the words of errors, to the next batch from now on."""
        self.doing = doing
        self.lane.until = time.monotonic() + max(self.process.guarded.timeout_s, self.at_least_s)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        """Clear the deadline; an interrupted batch would leave its reply in the connection, so the process is ended."""
        self.lane.until = None
        if error is None or isinstance(error, ModelError | DeviceError):
            return
        if isinstance(error, messages.Untrue):
            self.process.end(Why(str(error), UNTRUE_CURE))
        elif not isinstance(error, EOFError | OSError):
            self.process.end()
            return
        raise self.process.said(self.doing) from error


def asked_each(
    lane: Lane,
    names: tuple[str, ...],
    feeds: Sequence[Mapping[str, AnyArray | Unmade]],
    process: Process,
    guard: under_way,
) -> list[list[AnyArray]]:
    """The outputs of each batch; a batch is sent as soon as the second-last one before it has been answered."""
    found: list[list[AnyArray]] = []
    sent = 0
    for number, feed in enumerate(feeds):
        guard.next(doing_of(feed))
        while sent < len(feeds) and (sent == number or (sent == number + 1 and fits_ahead(feeds, number, lane))):
            ask(lane, names, feeds[sent], span_for(feeds, sent, lane))
            sent += 1
        try:
            found.append(answer(lane, len(names), process))
        except (ModelError, DeviceError):
            for _ in range(number + 1, sent):  # otherwise the next batch would receive the reply to this one
                with contextlib.suppress(ModelError, DeviceError):
                    answer(lane, len(names), process)
            raise
    return found


def doing_of(feed: Mapping[str, AnyArray | Unmade]) -> str:
    """Description of a batch in progress, for errors."""
    return f"on input of shape {', '.join(str(array.shape) for array in feed.values())}"


def span_for(feeds: Sequence[Mapping[str, AnyArray | Unmade]], number: int, lane: Lane) -> messages.Span:
    """The space for a batch and its outputs: one half of the shared memory, or all of it for a single batch."""
    whole = 0 if lane.room is None else len(lane.room)
    if len(feeds) == 1:
        return 0, whole
    half = whole // 2 // messages.ALIGNED * messages.ALIGNED
    return (0, half) if number % 2 == 0 else (half, whole)


def fits_ahead(feeds: Sequence[Mapping[str, AnyArray | Unmade]], number: int, lane: Lane) -> bool:
    """Whether the next batch can be sent before this one is answered.

    Only if all of it fits into shared memory: two processes that both write to a connection without reading would deadlock.
    """
    start, end = span_for(feeds, number + 1, lane)
    arrays = feeds[number + 1].values()
    return sum(array.nbytes + messages.ALIGNED for array in arrays) <= end - start


def ask(lane: Lane, names: tuple[str, ...], feed: Mapping[str, AnyArray | Unmade], span: messages.Span) -> None:
    """Send one batch."""
    arrays = list(feed.values())
    forms = messages.forms_of(arrays)
    header, places = lane.question.of(
        (names, tuple(feed), forms, span),
        lambda: question_of(names, tuple(feed), messages.laid_out(forms, span), span),
    )
    messages.put(arrays, places, lane.room)
    lane.connection.send_bytes(header)
    messages.send_rest(lane.connection, arrays, places)


def answer(lane: Lane, count: int, process: Process) -> list[AnyArray]:
    """The `count` outputs of the batch sent first, checked and copied out of shared memory."""
    content = lane.connection.recv_bytes(messages.MOST_HEADER_BYTES)
    given = lane.answer.of((content, count), lambda: answered(content, count, lane, process))
    return messages.take(lane.connection, given, lane.room, copy=True)


def question_of(
    names: Sequence[str], fed: Sequence[str], places: list[messages.Place], span: messages.Span
) -> tuple[bytes, list[messages.Place]]:
    """The header that requests outputs for these arrays, and their places."""
    header = {"names": list(names), "fed": list(fed), "arrays": messages.as_json(places), "room": list(span)}
    return json.dumps(header).encode(), places


def answered(content: bytes, count: int, lane: Lane, process: Process) -> list[messages.Place]:
    """The places of `count` outputs in the header of a reply, checked; raises the error if it contains one."""
    header = messages.header_in(content)
    raise_if_error(header, process)
    return messages.places_of(header, "arrays", count, 0 if lane.room is None else len(lane.room))


def raise_if_error(header: Mapping[str, Any], process: Process) -> None:
    """Raise the error in a header, if any."""
    kind, text, guarded = header.get("error"), messages.text_of(header, "text"), process.guarded
    if kind is None:
        return
    if kind == messages.DEVICE_ERROR:
        raise DeviceError(text)
    short = ("bad_alloc", "Failed to allocate memory", "bad allocation")
    if kind == messages.MEMORY_ERROR or any(words in text for words in short):
        said = text.removeprefix(f"{guarded.name}: ") or "no more memory"
        raise ModelError(
            f"{guarded.name}: {said}; the model {guarded.file} may use {guarded.memory_bytes / GIB:.1f} GiB; use a "
            f"smaller --batch, or "
            f"{TRUSTED}"
        )
    raise ModelError(text or f"{guarded.name}: the process of the model {guarded.file} failed without giving a reason")


def isolation_of(guarded: Guarded, applied: Sequence[str], *, address_space: bool) -> Isolation:
    """The record of the restrictions in place."""
    always = {restrictions.OWN_PROCESS, restrictions.DEADLINE, restrictions.EMPTY_FOLDER, restrictions.FEW_VARIABLES}
    if sys.platform == "linux":
        always.add(restrictions.PROCESSOR_TIME)
        if guarded.watch_memory:
            always.add(restrictions.RESIDENT_MEMORY)
    there = always | set(applied)
    return Isolation(
        isolated=True,
        timeout_s=guarded.timeout_s,
        memory_bytes=guarded.memory_bytes if address_space or restrictions.RESIDENT_MEMORY in there else 0,
        restrictions=tuple(restriction for restriction in restrictions.ALL_RESTRICTIONS if restriction in there),
        absent=tuple(restriction for restriction in restrictions.ALL_RESTRICTIONS if restriction not in there),
    )
