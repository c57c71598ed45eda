"""AgeDB-30: pairs of one file of MATLAB, whose size and nesting are looked at before SciPy reads it."""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from collections.abc import Iterator
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
    first_folder,
    listing_of,
    read_bytes,
)
from facegap.inputs.protocols.lists import NOT_SEEN

FILE = "04_FINAL_protocol_30_years.mat"
PLACES = ("03_Protocol_Images", "images", "AgeDB", "")
FOLDS, EACH = 10, 600
MAX_BYTES, MAX_UNPACKED = 64 * 2**20, 256 * 2**20
MAX_LEVELS = 12  # splits, a fold, its pairs, an image, its name: with the structs between them eight
MATRIX, COMPRESSED = 14, 15  # types of elements in a .mat file of version 5
GENDERS = {"f": "female", "m": "male"}


def agedb30(root: Path) -> Listing:
    """AgeDB-30: splits[k] of 600 pairs, label 1 for one person and -1 for two; image files NAME.jpg.

    An image's name begins with the person and ends with _f or _m: the gender, where every name has one. Its age in years is
    in the file. Not seen; source : FaceX-Zoo, test_protocol/lfw/pairs_parser.py

    Raises
    ------
    TableError : no such file, not of this shape, naming split and pair
    """
    place = next((place for place in (FILE, f"AgeDB/{FILE}") if (root / place).is_file()), FILE)
    content = read_bytes(root / place, MAX_BYTES)
    require_bounded(content, place)
    splits = loaded(content, place)
    base = place.rpartition("/")[0]
    found = [(k, pair) for k, split in enumerate(splits) for pair in pairs_of(split, f"{place}, split {k + 1}")]
    names = [name for _, (one, other, _) in found for name, _ in (one, other)]
    places = tuple(f"{base}/{inner}".strip("/") for inner in PLACES)
    prefix = first_folder(root, places, lambda at: any((at / f"{name}.jpg").is_file() for name in names[:100]))
    gendered = all(name.rpartition("_")[2] in GENDERS for name in names)
    lines = [
        PairLine(picture(prefix, *one, gendered=gendered), picture(prefix, *other, gendered=gendered), genuine, fold)
        for fold, (one, other, genuine) in found
    ]
    counts = [
        Counted("splits", len(splits), FOLDS),
        Counted("pairs", len(lines), FOLDS * EACH),
        Counted("genuine pairs", sum(line.genuine for line in lines), FOLDS * EACH // 2),
    ]
    file = TextFile(place, (), hashlib.sha256(content).hexdigest())
    return listing_of("agedb30", "AgeDB-30", root, lines, counts=counts, files=[file], notes=[NOT_SEEN])


def picture(prefix: str, name: str, age: str, *, gendered: bool) -> Picture:
    """An image with its labels."""
    gender = (("gender", GENDERS[name.rpartition("_")[2]]),) if gendered else ()
    return Picture(f"{prefix}{name}.jpg", name.partition("_")[0], (*gender, ("age", age)))


def loaded(content: bytes, place: str) -> list[Any]:
    """The splits of the file, each as SciPy gives it."""
    from scipy.io import loadmat

    try:
        made = loadmat(io.BytesIO(content), variable_names=["splits"])  # type: ignore[arg-type]  # the stubs know paths only
        return list(np.asarray(made["splits"]).reshape(-1))
    except Exception as error:  # noqa: BLE001  (SciPy's reader raises whatever the bytes lead to)
        raise TableError(
            f"{place}: no MATLAB file with a cell array 'splits' ({type(error).__name__}: {str(error)[:100]})"
        ) from None


def pairs_of(split: Any, where: str) -> Iterator[tuple[tuple[str, str], tuple[str, str], bool]]:
    """Name and age of both images of each pair of a split, and whether they are of one person."""
    try:
        record = split[0][0]
        sides, labels = record[0], np.asarray(record[1]).reshape(-1)
    except (LookupError, TypeError, ValueError) as error:
        raise TableError(f"{where}: not a struct of pairs and labels ({error})") from None
    if np.ndim(sides) != 2 or len(sides) != 2 or len(sides[0]) != len(labels):
        raise TableError(
            f"{where}: two rows of images and one row of labels are due, {np.shape(sides)} and {labels.shape} found"
        )
    for k, label in enumerate(labels.tolist()):
        if label not in (1, 0, -1):
            raise TableError(f"{where}, pair {k + 1}: label {label!r}; 1 is one person, -1 or 0 two")
        yield (
            image_of(sides[0][k], f"{where}, pair {k + 1}"),
            image_of(sides[1][k], f"{where}, pair {k + 1}"),
            label == 1,
        )


def image_of(cell: Any, where: str) -> tuple[str, str]:
    """Name of an image without its suffix, and the age of its person; empty where the file has none."""
    try:
        record = cell[0][0]
        name = str(np.asarray(record[0]).reshape(-1)[0])
        age = str(int(np.asarray(record[1]).reshape(-1)[0])) if len(record) > 1 else ""
    except (LookupError, TypeError, ValueError, OverflowError) as error:
        raise TableError(f"{where}: no image with a name and an age ({error})") from None
    if not name or "/" in name or "\\" in name:
        raise TableError(f"{where}: {name[:60]!r} is not a name of an image")
    return name, age


def require_bounded(content: bytes, place: str) -> None:
    """Raise TableError for a file that unpacks to too much, or is nested deeper than SciPy's recursion bears."""
    try:
        waiting = [(unpacked, 1) for unpacked in elements_of(content, place)]
        while waiting:
            payload, level = waiting.pop()
            if level > MAX_LEVELS:
                raise TableError(f"{place}: nested deeper than {MAX_LEVELS} levels, which no protocol is")
            waiting += [(inner, level + 1) for inner in matrices_in(payload)]
    except struct.error:
        raise TableError(f"{place}: a MATLAB file that is cut off") from None


def elements_of(content: bytes, place: str) -> Iterator[memoryview]:
    """The payloads of the matrices on the highest level, unpacked where they are packed."""
    left = MAX_UNPACKED
    order = order_of(content, place)
    for kind, payload in tagged(memoryview(content)[128:], order):
        if kind == COMPRESSED:
            unpacker = zlib.decompressobj()
            try:
                unpacked = unpacker.decompress(payload, left)
            except zlib.error:
                raise TableError(f"{place}: damaged packed data") from None
            if unpacker.unconsumed_tail:
                raise TableError(f"{place}: unpacks to more than {MAX_UNPACKED:,} bytes")
            left -= len(unpacked)
            if left <= 0:
                raise TableError(f"{place}: unpacks to more than {MAX_UNPACKED:,} bytes")
            for inner, found in tagged(memoryview(unpacked), order):
                if inner == MATRIX:
                    yield found
        elif kind == MATRIX:
            yield payload


def order_of(content: bytes, place: str) -> str:
    """Byte order of a file of version 5, which begins with 124 bytes of text, a version and two letters."""
    if len(content) < 128 or content[126:128] not in (b"IM", b"MI"):
        raise TableError(f"{place}: no MATLAB file of version 5")
    if content[126:128] == b"MI":
        raise TableError(f"{place}: a MATLAB file of the other byte order, which the protocol's is not; save it again")
    return "<"


def matrices_in(payload: memoryview) -> Iterator[memoryview]:
    """The matrices inside a matrix: cells and fields of structs."""
    for kind, inner in tagged(payload, "<"):
        if kind == MATRIX:
            yield inner


def tagged(content: memoryview, order: str) -> Iterator[tuple[int, memoryview]]:
    """Type and payload of each element; short ones have both in eight bytes, packed ones no padding."""
    at = 0
    while at + 8 <= len(content):
        kind, size = struct.unpack_from(f"{order}II", content, at)
        if kind >> 16:
            at += 8
            continue
        if size > len(content) - at - 8:
            raise struct.error
        yield kind, content[at + 8 : at + 8 + size]
        at += 8 + (size if kind == COMPRESSED else (size + 7) // 8 * 8)
