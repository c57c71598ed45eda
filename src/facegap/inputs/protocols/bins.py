"""Read InsightFace's .bin files, a pickle of (images, same), without executing anything in them.

Every operation of the pickle is checked before any is executed: only those that create lists, tuples, strings, bytes and numbers
are allowed, in limited number. The few functions that such files name (NumPy arrays, bytes written by Python 2) are replaced by
functions here that take and return bytes; no other name is resolved, and NumPy is not called.
"""

from __future__ import annotations

import hashlib
import io
import pickle
import pickletools
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facegap.errors import TableError
from facegap.inputs.protocols.listing import (
    Counted,
    Listing,
    PairLine,
    Picture,
    TextFile,
    contiguous_folds,
    listing_of,
    read_bytes,
)
from facegap.types import BoolArray, IntArray

MAX_BYTES = 2**30  # the largest in use, with 14,000 images of 112 x 112, has 80 MB
MAX_OPERATIONS = 5_000_000  # 12,000 arrays need some 200,000
MOST_IMAGES = 400_000
MAX_IMAGE_BYTES = 16 * 2**20
SUFFIXES = {b"\xff\xd8\xff": ".jpg", b"\x89PNG": ".png", b"BM": ".bmp", b"RIFF": ".webp"}

FRAMING = "PROTO FRAME MARK STOP POP POP_MARK"
CONTAINERS = "EMPTY_LIST LIST APPEND APPENDS EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3"
CONTENTS = "STRING BINSTRING SHORT_BINSTRING BINBYTES SHORT_BINBYTES BINBYTES8 BYTEARRAY8 READONLY_BUFFER"
WORDS = "UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8 INT BININT BININT1 BININT2 LONG LONG1 NONE NEWTRUE NEWFALSE"
SEEN_BEFORE = "PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET"
FUNCTIONS = "GLOBAL STACK_GLOBAL REDUCE BUILD"  # only those below
ALLOWED = frozenset(" ".join([FRAMING, CONTAINERS, CONTENTS, WORDS, SEEN_BEFORE, FUNCTIONS]).split())
MEMO = frozenset(("PUT", "BINPUT", "LONG_BINPUT"))


class Refused(ValueError):  # noqa: N818  (the reader converts it to a TableError)
    """Content that such a file must not have."""


class Bytes:
    """A one-dimensional array of bytes that replaces NumPy's, created by `_reconstruct` and filled by its state."""

    def __init__(self) -> None:
        self.content: bytes | bytearray = b""

    def __setstate__(self, state: Any) -> None:
        """Set (version, shape, dtype, Fortran order, raw bytes), as ndarray.__reduce__ returns them."""
        if not isinstance(state, tuple) or len(state) != 5 or not isinstance(state[2], ByteType):
            raise Refused("an array of another type than bytes (uint8)")
        self.content = one_dimensional(state[1], state[4])


class ByteType:
    """The data type uint8 that replaces NumPy's; its state (byte order and sizes) is not needed."""

    def __init__(self, name: Any = None, *_: Any) -> None:
        if name not in ("u1", b"u1", "|u1", b"|u1", "uint8"):
            # Never show the content: nested references can expand beyond all memory.
            shown = repr(name[:20]) if isinstance(name, str | bytes) else type(name).__name__
            raise Refused(f"an array of {shown}, which is not an image of bytes (uint8)")

    def __setstate__(self, state: Any) -> None:
        """Ignore the state, which is not needed."""


class ArrayType:
    """Placeholder for numpy.ndarray, the type passed to `_reconstruct`."""


def one_dimensional(shape: Any, content: Any) -> bytes | bytearray:
    """Return the bytes of an array (n,) without copying, because many arrays may share them."""
    if not isinstance(content, bytes | bytearray) or shape != (len(content),):
        raise Refused("an array whose shape does not match its number of bytes")
    return content


def empty_array(kind: Any = None, *_: Any) -> Bytes:
    """Replace `_reconstruct` of NumPy; the given size is ignored, because the state contains the data."""
    if kind is not ArrayType:
        raise Refused("_reconstruct of something other than an array")
    return Bytes()


def from_buffer(content: Any = b"", kind: Any = None, shape: Any = None, *_: Any) -> Bytes:
    """Replace `_frombuffer` of NumPy, which pickles of protocol 5 use."""
    if not isinstance(kind, ByteType):
        raise Refused("an array of another type than bytes (uint8)")
    made = Bytes()
    made.content = one_dimensional(shape, content)
    return made


NAMES: Mapping[tuple[str, str], Any] = {
    **{
        (f"numpy.{core}", name): made
        for core, name, made in (
            ("core.multiarray", "_reconstruct", empty_array),
            ("_core.multiarray", "_reconstruct", empty_array),
            ("core.numeric", "_frombuffer", from_buffer),
            ("_core.numeric", "_frombuffer", from_buffer),
        )
    },
    ("numpy", "ndarray"): ArrayType,
    ("numpy", "dtype"): ByteType,
}


class BinUnpickler(pickle.Unpickler):
    """An unpickler that resolves only the names above and `_codecs.encode`."""

    def __init__(self, content: bytes) -> None:
        super().__init__(io.BytesIO(content), encoding="bytes")
        self.left = len(content)  # bytes that may still be encoded from strings, each of which is in the file once

    def latin_bytes(self, text: Any = "", encoding: Any = "latin1") -> bytes:
        """Replace `_codecs.encode`, with which Python 3 writes bytes for Python 2."""
        if not isinstance(text, str) or encoding not in ("latin1", "latin-1", b"latin1", b"latin-1"):
            raise Refused("_codecs.encode of something other than text as latin1")
        self.left -= len(text)
        if self.left < 0:
            raise Refused("texts that expand to more bytes than the file has")
        return text.encode("latin-1")

    def find_class(self, module: str, name: str) -> Any:
        """Return the replacement for a name."""
        if (module, name) == ("_codecs", "encode"):
            return self.latin_bytes
        if (module, name) not in NAMES:
            raise Refused(
                f"it refers to {module[:40]}.{name[:40]}, which no .bin file needs and which would execute code"
            )
        return NAMES[module, name]


def read_bin(path: Path) -> tuple[list[bytes], BoolArray, str]:
    """Return the encoded images, two per pair in turn, whether each pair is genuine, and the sha256 of the file.

    Raises
    ------
    TableError : If the file is not a pickle of (images, same), has other content (named), or exceeds a limit.
    """
    content = read_bytes(path, MAX_BYTES)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)  # for escapes in strings, which Python leaves unchanged
            require_harmless(content)
            made = BinUnpickler(content).load()
        images, same = contents(made)
    except Refused as error:
        raise TableError(f"{path.name}: refused: {error}") from None
    except (
        pickle.UnpicklingError,
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        RecursionError,
        TypeError,
        ValueError,
    ) as error:
        raise TableError(
            f"{path.name}: not a readable .bin file ({type(error).__name__}: {str(error)[:120]})"
        ) from None
    return images, same, hashlib.sha256(content).hexdigest()


def require_harmless(content: bytes) -> None:
    """Raise Refused for operations that no .bin needs, for too many, and for a memo with excessive indices."""
    for count, (code, argument, _) in enumerate(pickletools.genops(content), start=1):
        if code.name not in ALLOWED:
            raise Refused(f"the pickle operation {code.name}, which no .bin file needs")
        if count > MAX_OPERATIONS:
            raise Refused(f"more than {MAX_OPERATIONS:,} pickle operations")
        if code.name in MEMO and int(str(argument)) > count:
            raise Refused(f"a memo of {int(str(argument)):,} entries after {count:,} operations")


def contents(made: Any) -> tuple[list[bytes], BoolArray]:
    """Return the images and labels of an unpickled file."""
    if not isinstance(made, tuple | list) or len(made) != 2:
        raise Refused("not a pair (images, same)")
    images, same = made
    if not isinstance(images, tuple | list) or not isinstance(same, tuple | list):
        raise Refused("the images and the labels must both be lists")
    if len(images) != 2 * len(same) or not same or len(images) > MOST_IMAGES:
        raise Refused(
            f"{len(images):,} images for {len(same):,} pairs; each pair needs two, and at most {MOST_IMAGES:,} are read"
        )
    wrong = next((k for k, label in enumerate(same) if not (isinstance(label, bool | int) and label in (0, 1))), None)
    if wrong is not None:
        raise Refused(f"the label of pair {wrong + 1} is neither True nor False")
    found = [image_content(k, image) for k, image in enumerate(images)]
    once: dict[int, bytes] = {}  # a list may contain the same object many times
    for content in found:
        if id(content) not in once:
            once[id(content)] = bytes(content)
    return [once[id(content)] for content in found], np.array(same, np.bool_)


def image_content(k: int, image: Any) -> bytes | bytearray:
    """Return the encoded image at a position in the list."""
    content = image.content if isinstance(image, Bytes) else image
    if not isinstance(content, bytes | bytearray):
        raise Refused(f"image {k + 1} is a {type(content).__name__}, not bytes")
    if not 0 < len(content) <= MAX_IMAGE_BYTES:
        raise Refused(f"image {k + 1} has {len(content):,} bytes")
    return content


def bin_listing(path: Path) -> Listing:
    """Read a .bin as a protocol. Pair k consists of images 2 k and 2 k + 1; its folds are ten parts in the order of the file.

    Such a file names no people. Images with the same bytes are one image, and images connected by genuine pairs, directly or
    through others, are of one person. A person whose images are not connected counts as several people.
    """
    images, same, sha256 = read_bin(path)
    hashes = {id(image): hashlib.sha256(image).hexdigest() for image in {id(image): image for image in images}.values()}
    names = [hashes[id(image)] for image in images]
    first: dict[str, int] = {}
    for k, name in enumerate(names):
        first.setdefault(name, k)
    rows = places(names, first)
    person = people_joined(rows.reshape(-1, 2)[same], len(first))
    pictures = [
        Picture(f"{k:06d}{suffix(images[k])}", f"person-{person[row] + 1:05d}") for row, k in enumerate(first.values())
    ]
    folds = contiguous_folds(len(same))
    lines = [
        PairLine(pictures[left], pictures[right], bool(genuine), int(fold))
        for (left, right), genuine, fold in zip(rows.reshape(-1, 2), same, folds, strict=True)
    ]
    return listing_of(
        "bin",
        path.stem,
        path.parent,
        lines,
        counts=[
            Counted("pairs", len(same), None),
            Counted("genuine pairs", int(same.sum()), None),
            Counted("different images", len(first), None),
        ],
        files=[TextFile(path.name, (), sha256)],
        images={pictures[row].image: images[k] for row, k in enumerate(first.values())},
        notes=[
            "a .bin file names no subjects: images connected by genuine pairs count as one person. If no pair "
            "connects the images of a person, they count as several people, and intervals are too narrow"
        ],
    )


def places(names: Sequence[str], first: Mapping[str, int]) -> IntArray:
    """Return the number of each image among the distinct ones."""
    number = {name: row for row, name in enumerate(first)}
    return np.array([number[name] for name in names], np.int64)


def people_joined(genuine: IntArray, images: int) -> IntArray:
    """Return the person of each image, int64 (images,): images connected by genuine pairs belong to one person."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    ones = np.ones(len(genuine), np.int8)
    joined = coo_array((ones, (genuine[:, 0], genuine[:, 1])), shape=(images, images))
    return np.asarray(connected_components(joined, directed=False)[1], np.int64)


def suffix(image: bytes) -> str:
    """Return the file extension of an image, from its first bytes."""
    return next((name for start, name in SUFFIXES.items() if image.startswith(start)), ".img")
