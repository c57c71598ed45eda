"""Messages between an audit and the process of a model: short JSON headers, and arrays in shared memory or after them.

Nothing is unpickled. Messages from the process of a model are checked for form, type and size before they are used, because
the process has run an untrusted file.
"""

from __future__ import annotations

import functools
import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from multiprocessing.connection import Connection
from typing import Any, Final, Generic, TypeVar

import numpy as np

from facegap.types import AnyArray, Device, Unmade

MOST_HEADER_BYTES = 4 * 1024**2
MOST_ARRAY_BYTES = 2**31  # of one output
MOST_AXES = 16
MOST_TEXT = 2000  # characters of an error message
ALIGNED = 64  # alignment in bytes of arrays in shared memory
# Permitted dtypes; text, sequences and bfloat16 are not. onnxruntime is built for this byte order only.
TYPES: Final = frozenset(("|b1", "|i1", "|u1", "<i2", "<u2", "<i4", "<u4", "<i8", "<u8", "<f2", "<f4", "<f8"))
Made = TypeVar("Made")
MODEL_ERROR, DEVICE_ERROR, MEMORY_ERROR = "ModelError", "DeviceError", "MemoryError"


class Untrue(Exception):  # noqa: N818  (becomes a ModelError that names the model)
    """The process of a model sent a message that is not valid."""


@dataclass(frozen=True)
class Port:
    """A port, as described by onnxruntime."""

    name: str
    type: str
    shape: list[int | str | None]


@dataclass(frozen=True)
class Description:
    """Description of an opened model by its process; `nodes` are by provider."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    providers: tuple[str, ...]
    nodes: Mapping[str, int]


@dataclass(frozen=True)
class Words:
    """Parameters of a process.

    lanes        : handles of the connections, one per concurrent batch
    lifeline     : handle whose other end is closed when the audit ends
    memory       : descriptor of the shared memory, None without it
    room_bytes   : of the shared memory, for each lane
    more_bytes   : additional address space for the model
    """

    lanes: tuple[int, ...]
    lifeline: int
    memory: int | None
    room_bytes: int
    device: Device
    threads: int
    more_bytes: int

    @classmethod
    def of(cls, text: str) -> Words:
        """The parameters from a command line, or from a request to the fork server."""
        stated = json.loads(text)
        return cls(**{**stated, "lanes": tuple(stated["lanes"])})

    @property
    def text(self) -> str:
        """The text that `of` reads."""
        return json.dumps(asdict(self))

    @property
    def handles(self) -> tuple[int, ...]:
        """Every handle, in the order in which they are sent to the fork server."""
        return (*self.lanes, self.lifeline, *(() if self.memory is None else (self.memory,)))

    def received(self, handles: Sequence[int]) -> Words:
        """The same parameters with the handle numbers of the process that received them."""
        count = len(self.lanes)
        memory = None if self.memory is None else handles[count + 1]
        return replace(self, lanes=tuple(handles[:count]), lifeline=handles[count], memory=memory)


# ---- headers ----


def send(connection: Connection, header: Mapping[str, Any]) -> None:
    """Send a header."""
    connection.send_bytes(json.dumps(header).encode())


def receive(connection: Connection) -> dict[str, Any]:
    """The next header.

    Raises
    ------
    EOFError, OSError : if the other side has ended
    Untrue            : if the message is not a JSON object, or is megabytes long
    """
    return header_in(connection.recv_bytes(MOST_HEADER_BYTES))


def header_in(content: bytes) -> dict[str, Any]:
    """A header from its bytes; raises Untrue if they are not a JSON object."""
    try:
        header = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise Untrue("sent no readable header") from error
    if not isinstance(header, dict):
        raise Untrue("sent no readable header")
    return header


def text_of(header: Mapping[str, Any], key: str) -> str:
    """A string from a header, truncated to MOST_TEXT characters."""
    value = header.get(key)
    return value[:MOST_TEXT].encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else ""


def texts_of(header: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """A list of strings from a header."""
    values = header.get(key)
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise Untrue(f"returned no list {key}")
    return tuple(values)


def description_of(header: Mapping[str, Any]) -> Description:
    """The description of a model from a header.

    Raises
    ------
    Untrue : if the header does not have this form
    """
    nodes = header.get("nodes")
    if not isinstance(nodes, dict) or not all(isinstance(count, int) for count in nodes.values()):
        raise Untrue("returned no counts of nodes")
    return Description(ports_of(header, "inputs"), ports_of(header, "outputs"), texts_of(header, "providers"), nodes)


def ports_of(header: Mapping[str, Any], key: str) -> tuple[Port, ...]:
    """The ports of a header."""
    entries = header.get(key)
    if not isinstance(entries, list):
        raise Untrue(f"returned no {key}")
    found = []
    for entry in entries:
        name, kind, shape = entry if isinstance(entry, list) and len(entry) == 3 else (None, None, None)
        if not isinstance(name, str) or not isinstance(kind, str) or not isinstance(shape, list):
            raise Untrue(f"returned no readable {key}")
        found.append(Port(name, kind, [side if isinstance(side, int | str) else None for side in shape]))
    return tuple(found)


class Memo(Generic[Made]):
    """The last two results of a function of one value.

    Most batches have the same shape and use one of the two halves of the shared memory, so that headers are written and checked
    only once.
    """

    def __init__(self) -> None:
        self._last: list[tuple[Any, Made]] = []

    def of(self, what: Any, make: Callable[[], Made]) -> Made:
        """The result for `what`, reused if it is one of the last two."""
        for of, made in self._last:
            if of == what:
                return made
        fresh = make()
        self._last = [(what, fresh), *self._last[:1]]
        return fresh


# ---- arrays ----


@dataclass(frozen=True)
class Place:
    """The place of an array; `at` is its offset in the shared memory of its lane, None if it follows the header."""

    dtype: str
    shape: tuple[int, ...]
    at: int | None

    @functools.cached_property
    def bytes(self) -> int:
        """Size in bytes."""
        return math.prod(self.shape) * np.dtype(self.dtype).itemsize


def forms_of(arrays: Iterable[AnyArray | Unmade]) -> tuple[tuple[np.dtype[Any], tuple[int, ...]], ...]:
    """Type and shape of each array, which determine their places."""
    return tuple((array.dtype, array.shape) for array in arrays)


Span = tuple[int, int]  # of the shared memory of a lane: the space for a batch and its outputs


def laid_out(forms: Iterable[tuple[np.dtype[Any], tuple[int, ...]]], span: Span) -> list[Place]:
    """Places of arrays with these types and shapes in a span of shared memory, as far as they fit."""
    start, end = span
    places = []
    for dtype, shape in forms:
        begin = -(-start // ALIGNED) * ALIGNED
        place = Place(dtype.str, shape, begin)
        if begin + place.bytes > end:
            place = Place(dtype.str, shape, None)
        else:
            start = begin + place.bytes
        places.append(place)
    return places


def put(arrays: Sequence[AnyArray | Unmade], places: Sequence[Place], room: memoryview | None) -> None:
    """Write the arrays that fit into shared memory to their places."""
    for array, place in zip(arrays, places, strict=True):
        if place.at is not None and place.bytes:
            write(array, view(place, room))


def write(array: AnyArray | Unmade, out: AnyArray) -> None:
    """Write an array to a place of its shape and type."""
    if isinstance(array, Unmade):
        array.write(out)
    else:
        np.copyto(out, array)


def view(place: Place, room: memoryview | AnyArray | None, start: int = 0) -> AnyArray:
    """The array in shared memory itself, without a copy. start : offset at which `room` begins."""
    assert room is not None and place.at is not None
    flat = np.frombuffer(room, np.dtype(place.dtype), math.prod(place.shape), place.at - start)
    return flat.reshape(place.shape)


def copied(places: Sequence[Place], room: memoryview | None) -> tuple[int, AnyArray | None]:
    """One copy of the part of shared memory that contains the arrays, and its offset: cheaper than a copy of each.

    Valid places are adjacent; places with gaps come from an untrusted process, and the copy is at most as large as the
    shared memory.
    """
    inside = [(place.at, place.at + place.bytes) for place in places if place.at is not None and place.bytes]
    if room is None or not inside:
        return 0, None
    start, end = min(inside)[0], max(end for _, end in inside)
    return start, np.frombuffer(room, np.uint8, end - start, start).copy()


def send_rest(connection: Connection, arrays: Sequence[AnyArray | Unmade], places: Sequence[Place]) -> None:
    """Send the arrays that did not fit into shared memory, after their header."""
    for array, place in zip(arrays, places, strict=True):
        if place.at is None:
            made = array.made() if isinstance(array, Unmade) else array
            connection.send_bytes(np.ascontiguousarray(made).reshape(-1).view(np.uint8).data)


def take(connection: Connection, places: Sequence[Place], room: memoryview | None, *, copy: bool) -> list[AnyArray]:
    """The arrays at their places.

    copy : copy arrays out of shared memory, which is required if the other side is not trusted; they are then parts of one copy

    Raises
    ------
    EOFError, OSError : if the other side has ended, or sent another size
    """
    arrays: list[AnyArray] = []
    start, shared = copied(places, room) if copy else (0, room)
    for place in places:
        if place.at is not None and place.bytes:
            arrays.append(view(place, shared, start))
        elif place.at is not None:
            arrays.append(np.empty(place.shape, np.dtype(place.dtype)))
        else:
            content = connection.recv_bytes(place.bytes)
            if len(content) != place.bytes:
                raise Untrue("sent an array whose size differs from the stated size")
            arrays.append(np.frombuffer(content, np.dtype(place.dtype)).reshape(place.shape))
    return arrays


def span_of(header: Mapping[str, Any], room_bytes: int) -> Span:
    """The span of a header, limited to the shared memory."""
    start, end = header["room"]
    return max(0, int(start)), min(room_bytes, int(end))


def as_json(places: Sequence[Place]) -> list[list[Any]]:
    """Places as JSON for a header."""
    return [[place.dtype, list(place.shape), place.at] for place in places]


def places_of(header: Mapping[str, Any], key: str, count: int, room_bytes: int) -> list[Place]:
    """The places in a header, each within the shared memory and of a permitted size.

    Raises
    ------
    Untrue : if the number of arrays is wrong, a type is unknown, a shape is invalid, or a place is outside the shared memory
    """
    entries = header.get(key)
    if not isinstance(entries, list) or len(entries) != count:
        raise Untrue(f"did not return the {count} arrays that were requested")
    found = []
    for entry in entries:
        dtype, shape, at = entry if isinstance(entry, list) and len(entry) == 3 else (None, None, None)
        if not isinstance(dtype, str) or dtype not in TYPES or not is_shape(shape) or shape is None:
            raise Untrue("returned an array of an unknown type or shape")
        place = Place(dtype, tuple(shape), at)
        inside = at is None or (is_whole(at) and at % ALIGNED == 0 and at + place.bytes <= room_bytes)
        if place.bytes > MOST_ARRAY_BYTES or not inside:
            raise Untrue("returned an array outside its limits")
        found.append(place)
    return found


def is_shape(shape: Any) -> bool:
    """Whether a JSON value is the shape of an array."""
    return isinstance(shape, list) and len(shape) <= MOST_AXES and all(is_whole(side) for side in shape)


def is_whole(value: Any) -> bool:
    """Whether a JSON value is a whole number from 0 to 2**40."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 2**40
