"""Checks on the bytes of an .onnx file before anything is built from them: format, size, and references to other files.

The bytes are walked as protobuf, by the descriptors of the installed onnx, before any message is built from them.
So every message is checked wherever it occurs (attributes, sparse tensors, functions, training information), unknown fields
are rejected, and a small file that would expand to many gigabytes costs nothing.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from facegap.errors import ModelError

MOST_BYTES = 2**31 - 1  # protobuf reads no longer message
MOST_LEVELS = 100  # of nested messages, as in protobuf's own parsers
MOST_MESSAGES = 1_000_000  # the largest face models here have about 20,000
MOST_FIELDS = 5_000_000
MOST_NODES = 100_000  # with functions expanded
UNCOUNTABLE = 10**15
VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5  # wire types of protobuf
TENSOR = "onnx.TensorProto"
OTHER_FILES = "stores weights in other files; save it as one file (onnx.save_model without external data)"
Name = tuple[str, str]  # domain and name of an operator or function
NOT_ONNX = "not an ONNX file ({reason}); fetch it again"


@dataclass(frozen=True)
class Known:
    """One field of a kind of message.

    written : wire types in which its values may be written
    inside  : the fields of the message that it contains, None if it contains none
    """

    name: str
    written: frozenset[int]
    inside: Message | None


@dataclass(frozen=True)
class Message:
    """A kind of message, and its fields by number; filled after creation, since messages may contain their own kind."""

    name: str
    fields: dict[int, Known] = field(default_factory=dict)


class NotOnnx(Exception):  # noqa: N818  (becomes a ModelError that names the file)
    """Why a file is rejected."""


def require_sound(model: bytes, name: str) -> None:
    """Reject a model that is not an ONNX graph, refers to other files, or is larger than any face model.

    Parameters
    ----------
    model : bytes
        The content of an .onnx file.
    name : str
        Name in error messages.

    Raises
    ------
    ModelError
        If it is not ONNX or damaged, has a field that the installed onnx does not know or a tensor with external data in any
        field, exceeds the limits of this module, or has an input that is declared without axes.

    Examples
    --------
    >>> require_sound(b"", "empty.onnx")
    Traceback (most recent call last):
    facegap.errors.ModelError: empty.onnx: an ONNX file without a graph
    """
    import onnx
    from google.protobuf.message import DecodeError

    if len(model) > MOST_BYTES:
        raise ModelError(f"{name}: larger than 2 GiB, the limit for an ONNX file")
    try:
        walk(model, kind_of(onnx.ModelProto.DESCRIPTOR))
        proto = onnx.load_model_from_string(model)
    except NotOnnx as error:
        raise ModelError(f"{name}: {error}") from error
    except (DecodeError, ValueError, RuntimeError) as error:
        said = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise ModelError(f"{name}: {NOT_ONNX.format(reason=said)}") from error
    if not proto.HasField("graph") or not proto.graph.node:
        raise ModelError(f"{name}: an ONNX file without a graph")
    require_few_nodes(proto, name)
    require_axes(proto.graph, name)


# ---- the bytes ----


def kind_of(descriptor: Any) -> Message:
    """The kind of message of a descriptor, with all kinds inside it."""
    return known_kinds(descriptor)[descriptor.full_name]


@functools.cache
def known_kinds(descriptor: Any) -> Mapping[str, Message]:
    """Every kind of message that can occur inside one, by name."""
    kinds: dict[str, Message] = {}
    waiting = [descriptor]
    while waiting:
        one = waiting.pop()
        if one.full_name in kinds:
            continue
        kinds[one.full_name] = Message(one.full_name)
        waiting += [entry.message_type for entry in one.fields if entry.message_type is not None]
    seen = [descriptor, *inner_descriptors(descriptor, set())]
    for one in seen:
        for entry in one.fields:
            inside = None if entry.message_type is None else kinds[entry.message_type.full_name]
            kinds[one.full_name].fields[entry.number] = Known(entry.name, ways_to_write(entry), inside)
    return kinds


def inner_descriptors(descriptor: Any, seen: set[str]) -> Iterator[Any]:
    """The descriptors of all messages inside one, each once."""
    for entry in descriptor.fields:
        inner = entry.message_type
        if inner is not None and inner.full_name not in seen:
            seen.add(inner.full_name)
            yield inner
            yield from inner_descriptors(inner, seen)


def ways_to_write(entry: Any) -> frozenset[int]:
    """Wire types of the values of a field; repeated numbers may also be packed, as all parsers accept."""
    if entry.message_type is not None or entry.type in (entry.TYPE_STRING, entry.TYPE_BYTES):
        return frozenset((LENGTH,))
    single = {
        entry.TYPE_FLOAT: FOUR_BYTES,
        entry.TYPE_FIXED32: FOUR_BYTES,
        entry.TYPE_SFIXED32: FOUR_BYTES,
        entry.TYPE_DOUBLE: EIGHT_BYTES,
        entry.TYPE_FIXED64: EIGHT_BYTES,
        entry.TYPE_SFIXED64: EIGHT_BYTES,
    }.get(entry.type, VARINT)
    repeated = entry.is_repeated if hasattr(entry, "is_repeated") else entry.label == entry.LABEL_REPEATED
    return frozenset((single, LENGTH) if repeated else (single,))


def walk(data: bytes, kind: Message) -> None:
    """Check every field of a message and of all messages inside it.

    Raises
    ------
    NotOnnx : if the file is truncated or not protobuf, a field is unknown or has a wrong wire type, a tensor has external data, or
             a limit of this module is exceeded
    """
    open_messages = [(len(data), kind)]
    at, messages, fields = 0, 1, 0
    while open_messages:
        end, kind = open_messages[-1]
        if at == end:
            open_messages.pop()
            continue
        tag, at = varint(data, at, end)
        number, written = tag >> 3, tag & 7
        known = kind.fields.get(number)
        if known is None or written not in known.written:
            raise NotOnnx(unknown(number, written, kind, known))
        fields += 1
        if fields > MOST_FIELDS:
            raise NotOnnx(f"more than {MOST_FIELDS:,} values, the limit; no face model has so many")
        if written == LENGTH:
            length, at = varint(data, at, end)
            if length > end - at:
                raise NotOnnx(NOT_ONNX.format(reason="truncated or damaged"))
            if kind.name == TENSOR and known.name == "external_data":
                raise NotOnnx(OTHER_FILES)
            if known.inside is None:
                at += length
                continue
            messages += 1
            if messages > MOST_MESSAGES:
                raise NotOnnx(f"more than {MOST_MESSAGES:,} parts, the limit; no face model has so many")
            if len(open_messages) == MOST_LEVELS:
                raise NotOnnx(f"nested more than {MOST_LEVELS} levels deep, the limit")
            open_messages.append((at + length, known.inside))
        elif written == VARINT:
            value, at = varint(data, at, end)
            if value and kind.name == TENSOR and known.name == "data_location":
                raise NotOnnx(OTHER_FILES)
        else:
            at += 8 if written == EIGHT_BYTES else 4
            if at > end:
                raise NotOnnx(NOT_ONNX.format(reason="truncated or damaged"))


def varint(data: bytes, at: int, end: int) -> tuple[int, int]:
    """A varint of protobuf, and the position after it."""
    value = shift = 0
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise NotOnnx(NOT_ONNX.format(reason="truncated or damaged"))


def unknown(number: int, written: int, kind: Message, known: Known | None) -> str:
    """Why a field is rejected. Fields of later versions of onnx have small numbers."""
    if known is None and 0 < number < 1000 and written in (VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES):
        from facegap.runtime import version_of

        return (
            f"not an ONNX file that onnx {version_of('onnx')} knows: {kind.name.removeprefix('onnx.')} has a field {number}; "
            "fetch it again, or update onnx if the file needs a later version"
        )
    return NOT_ONNX.format(reason="damaged, or not protobuf")


# ---- the graph ----


def require_few_nodes(proto: Any, name: str) -> None:
    """Raise ModelError for more than MOST_NODES operators after expanding every function, or a function that calls itself."""
    calls: dict[Name, Counter[Name]] = {}
    for function in proto.functions:  # overloads of one name count as the largest of them together
        calls.setdefault(called(function.domain, function.name), Counter()).update(operators(function.node))
    sizes: dict[Name, int] = {}
    for function in calls:
        write_size(function, calls, sizes, name)
    graphs = [proto.graph]
    for training in proto.training_info:
        graphs += [training.initialization, training.algorithm]
    total = sum(times(operators(graph.node), sizes) for graph in graphs)
    if total > MOST_NODES:
        raise ModelError(
            f"{name}: {total:,} operators with its functions expanded, more than the limit of {MOST_NODES:,}; no "
            f"face model has so many"
        )


def write_size(start: Name, calls: Mapping[Name, Counter[Name]], sizes: dict[Name, int], name: str) -> None:
    """Write the number of operators of a function and its callees to `sizes`, without recursion.

    Raises
    ------
    ModelError : if a function calls itself, directly or indirectly
    """
    if start in sizes:
        return
    under_way = {start: iter(calls[start])}  # in the order of the calls
    while under_way:
        function = next(reversed(under_way))
        inner = next((one for one in under_way[function] if one in calls and one not in sizes), None)
        if inner is None:
            sizes[function] = times(calls[function], sizes)
            del under_way[function]
        elif inner in under_way:
            raise ModelError(f"{name}: its function {inner[1]!r} calls itself; export the model again")
        else:
            under_way[inner] = iter(calls[inner])


def times(counted: Counter[Name], sizes: Mapping[Name, int]) -> int:
    """Number of operators after expanding each function; at most UNCOUNTABLE."""
    return min(sum(count * sizes.get(one, 1) for one, count in counted.items()), UNCOUNTABLE)


def operators(nodes: Iterable[Any]) -> Counter[Name]:
    """How often each operator or function is used, including in graphs inside nodes."""
    return Counter(called(node.domain, node.op_type) for node in all_nodes(nodes))


def called(domain: str, operator: str) -> Name:
    """The name of an operator or function; the domain of ONNX itself has two spellings."""
    return ("" if domain == "ai.onnx" else domain, operator)


def all_nodes(nodes: Iterable[Any]) -> Iterator[Any]:
    """Nodes, and those of the graphs inside them; the depth is bounded by `walk`."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            for graph in (*([attribute.g] if attribute.HasField("g") else ()), *attribute.graphs):
                yield from all_nodes(graph.node)


def require_axes(graph: Any, name: str) -> None:
    """Raise ModelError if the only input of a graph is declared a scalar: onnxruntime would accept any shape for it."""
    stored = {tensor.name for tensor in graph.initializer}
    inputs = [port for port in graph.input if port.name not in stored]
    if len(inputs) != 1:
        return
    (port,) = inputs
    tensor = port.type.tensor_type
    if port.type.HasField("tensor_type") and tensor.HasField("shape") and not tensor.shape.dim:
        raise ModelError(
            f"{name}: input.layout: the graph's input {port.name!r} is declared as a single number, without axes, "
            f"but a batch of images has four (images, channels, height, width); export the model with these"
        )
