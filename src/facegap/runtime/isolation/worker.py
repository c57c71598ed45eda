"""The process of a model: `begin.py` or the fork server calls `work`. It opens no file and replies to one kind of request.

The order matters: onnxruntime is loaded and run once, then the restrictions are applied, and only then the model is received.
"""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from facegap import runtime
from facegap.errors import DeviceError, FacegapError, ModelError
from facegap.runtime.isolation import messages, restrictions
from facegap.runtime.isolation.pipes import inherited

# An ONNX graph of one Identity operator, which makes onnxruntime load and set up everything it needs on first use.
IDENTITY = (
    b'\x08\x08:9\n\x10\n\x01x\x12\x01y"\x08Identity\x12\x01gZ\x10\n\x01x\x12\x0b\n\t\x08\x01\x12\x05\n\x03\x12\x01n'
    b"b\x10\n\x01y\x12\x0b\n\t\x08\x01\x12\x05\n\x03\x12\x01nB\x04\n\x00\x10\r"
)


def main(text: str) -> None:
    """Serve with the parameters of a command line."""
    work(messages.Words.of(text))


def work(words: messages.Words, *, warm: bool = False) -> None:
    """Serve until the audit ends.

    warm : this process is a copy of a process that was warmed up
    """
    restrictions.stop_with(words.lifeline)
    restrictions.leave_no_core()
    lanes = [inherited(handle) for handle in words.lanes]
    rooms = rooms_of(words)
    applied: list[str] = []
    if words.device == "cpu":
        if not warm:
            warm_up()
        applied = restrictions.apply(words.more_bytes)
    messages.send(lanes[0], {"restrictions": applied})
    asked = messages.receive(lanes[0])
    content = lanes[0].recv_bytes()
    name = str(asked["name"])
    try:
        session = runtime.start_session(content, name=name, device=words.device, threads=words.threads)
    except (FacegapError, MemoryError) as error:
        messages.send(lanes[0], error_header(error))
        return
    del content
    messages.send(lanes[0], described(session))
    for connection, room in zip(lanes[1:], rooms[1:], strict=True):
        threading.Thread(target=serve, args=(session, connection, room, name), daemon=True).start()
    serve(session, lanes[0], rooms[0], name)


def rooms_of(words: messages.Words) -> Sequence[memoryview | None]:
    """The shared memory of each lane."""
    if words.memory is None:
        return [None] * len(words.lanes)
    whole = memoryview(mmap.mmap(words.memory, words.room_bytes * len(words.lanes)))
    return [whole[k * words.room_bytes : (k + 1) * words.room_bytes] for k in range(len(words.lanes))]


def warm_up() -> None:
    """Run the code that will be needed later, including errors: afterwards no module can be loaded."""
    session = runtime.start_session(IDENTITY, name="", device="cpu", threads=1)
    runtime.run_session(session, None, {"x": np.zeros(1, np.float32)}, name="")
    described(session)
    room, one = memoryview(bytearray(128)), messages.Place("<f4", (1,), 0)
    binding = bound(session, Question(["y"], ["x"], [one], (0, 0)), [replace(one, at=64)], b"", room)
    if binding is not None:
        session.run_with_iobinding(binding[0])
    try:
        runtime.run_session(session, None, {"x": np.zeros((1, 1), np.float32)}, name="")
    except ModelError as error:
        error_header(error)
    try:
        runtime.start_session(b"none", name="", device="cpu", threads=1)
    except ModelError as error:
        error_header(error)
    with contextlib.suppress(ImportError, RuntimeError, OSError):  # the restriction is then not listed
        restrictions.loaded_seccomp()


def described(session: Any) -> dict[str, Any]:
    """Ports, providers and nodes of a session."""

    def listed(ports: Any) -> list[Any]:
        return [[str(port.name), str(port.type), list(port.shape or [])] for port in ports]

    return {
        "inputs": listed(session.get_inputs()),
        "outputs": listed(session.get_outputs()),
        "providers": list(session.get_providers()),
        "nodes": runtime.nodes_per_provider(session),
    }


def serve(session: Any, connection: Connection, room: memoryview | None, name: str) -> None:
    """Run the batches of one lane in turn; the whole process ends when the first lane is closed."""
    lane = Lane(connection, room)
    while True:
        try:
            answer(session, lane, connection.recv_bytes(messages.MOST_HEADER_BYTES), name)
        except (EOFError, OSError):
            os._exit(0)


@dataclass
class Lane:
    """A connection with its shared memory, and its most recent requests."""

    connection: Connection
    room: memoryview | None
    question: messages.Memo[Question] = field(default_factory=messages.Memo)


@dataclass
class Question:
    """The requested outputs, the inputs with their places in shared memory, and the free space after them.

    answer  : types and shapes of the last outputs, the header that gives their places, and the places
    bound   : onnxruntime's binding of inputs and outputs to their places, made once the places of outputs are known
    binds   : whether this is allowed; false after a bound run has failed, as with outputs whose shape changes
    """

    names: list[str]
    fed: list[str]
    places: list[messages.Place]
    free: messages.Span
    answer: messages.Memo[tuple[bytes, list[messages.Place]]] = field(default_factory=messages.Memo)
    bound: tuple[Any, bytes] | None = None
    binds: bool = True


def question_of(content: bytes, room: memoryview | None) -> Question:
    """The request in a header."""
    asked = messages.header_in(content)
    names, fed = list(asked["names"]), list(asked["fed"])
    room_bytes = 0 if room is None else len(room)
    places = messages.places_of(asked, "arrays", len(fed), room_bytes)
    start, end = messages.span_of(asked, room_bytes)
    start = max([start, *(place.at + place.bytes for place in places if place.at is not None)])
    return Question(names, fed, places, (start, end))


def faults() -> tuple[type[Exception], ...]:
    """Exceptions of a run that are caused by the model or its memory."""
    return (*runtime.failures(), MemoryError)


def answer(session: Any, lane: Lane, content: bytes, name: str) -> None:
    """Run one batch and send the outputs, or the error."""
    asked = lane.question.of(content, lambda: question_of(content, lane.room))
    if asked.bound is not None:
        try:
            session.run_with_iobinding(asked.bound[0])
        except faults():  # the batch is run again below, where the error is reported
            asked.bound, asked.binds = None, False
        else:
            lane.connection.send_bytes(asked.bound[1])
            return
    feed = dict(zip(asked.fed, messages.take(lane.connection, asked.places, lane.room, copy=False), strict=True))
    try:
        outputs = runtime.run_session(session, asked.names, feed, name=name)
        for output, value in zip(asked.names, outputs, strict=True):
            if not isinstance(value, np.ndarray) or value.dtype.str not in messages.TYPES:
                raise ModelError(f"{name}: the output {output!r} is not an array of numbers")
    except (ModelError, MemoryError) as error:
        messages.send(lane.connection, error_header(error))
        return
    forms = messages.forms_of(outputs)
    header, places = asked.answer.of(forms, lambda: answer_header(messages.laid_out(forms, asked.free)))
    messages.put(outputs, places, lane.room)
    lane.connection.send_bytes(header)
    messages.send_rest(lane.connection, outputs, places)
    if asked.binds:
        asked.bound = bound(session, asked, places, header, lane.room)
        asked.binds = asked.bound is not None


def bound(
    session: Any, asked: Question, places: list[messages.Place], header: bytes, room: memoryview | None
) -> tuple[Any, bytes] | None:
    """Inputs and outputs bound to their places, with the header of the reply: nothing is then copied or named again.

    None if an array is empty or outside the shared memory, and for models that do not run on the processor.
    """
    wanted = [*asked.places, *places]
    if list(session.get_providers()) != ["CPUExecutionProvider"] or any(
        place.at is None or not place.bytes for place in wanted
    ):
        return None
    binding = session.io_binding()
    for name, place in zip(asked.fed, asked.places, strict=True):
        array = messages.view(place, room)
        binding.bind_input(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
    for name, place in zip(asked.names, places, strict=True):
        array = messages.view(place, room)
        binding.bind_output(name, "cpu", 0, array.dtype, array.shape, array.ctypes.data)
    return binding, header


def answer_header(places: list[messages.Place]) -> tuple[bytes, list[messages.Place]]:
    """The header with the places of the outputs, and the places."""
    return json.dumps({"arrays": messages.as_json(places)}).encode(), places


def error_header(error: BaseException) -> dict[str, str]:
    """An error as a header."""
    kinds = {DeviceError: messages.DEVICE_ERROR, ModelError: messages.MODEL_ERROR, MemoryError: messages.MEMORY_ERROR}
    kind = next((word for known, word in kinds.items() if isinstance(error, known)), messages.MODEL_ERROR)
    return {"error": kind, "text": str(error)[: messages.MOST_TEXT]}
