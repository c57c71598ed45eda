"""Read AgeDB-30, whose pairs are in a MATLAB file."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

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
from facegap.inputs.protocols.matlab import Array, read_matlab

FILE = "04_FINAL_protocol_30_years.mat"
PLACES = ("03_Protocol_Images", "images", "AgeDB", "")
FOLDS, EACH = 10, 600
MAX_BYTES = 64 * 2**20
MAX_NAME = 200  # letters
MOST_YEARS = 150
GENDERS = {"f": "female", "m": "male"}


def agedb30(root: Path) -> Listing:
    """Read AgeDB-30: splits[k] of 600 pairs, label 1 for one person and -1 for two; image files NAME.jpg.

    An image's name begins with the person and ends with _f or _m for gender, if every name does. The file contains ages in
    years. Not seen; source : FaceX-Zoo, test_protocol/lfw/pairs_parser.py

    Raises
    ------
    TableError : If the file is missing or has another layout; names split and pair.
    """
    place = next((place for place in (FILE, f"AgeDB/{FILE}") if (root / place).is_file()), FILE)
    content = read_bytes(root / place, MAX_BYTES)
    splits = splits_of(content, place)
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
    """Return an image with its labels."""
    gender = (("gender", GENDERS[name.rpartition("_")[2]]),) if gendered else ()
    return Picture(f"{prefix}{name}.jpg", name.partition("_")[0], (*gender, ("age", age)))


def splits_of(content: bytes, place: str) -> tuple[Array, ...]:
    """Return the splits of the file."""
    splits = read_matlab(content, "splits", place)
    if splits.kind != "cells" or not splits.cells:
        raise TableError(f"{place}: 'splits' is not a cell array; that of the protocol has {FOLDS} structs")
    return splits.cells


def pairs_of(split: Array, where: str) -> Iterator[tuple[tuple[str, str], tuple[str, str], bool]]:
    """Yield the name and age of both images of each pair of a split, and whether the pair is genuine."""
    if split.kind != "struct" or len(split.cells) < 2:
        raise TableError(f"{where}: not a struct of pairs and labels")
    sides, labels = split.cells[:2]
    if sides.kind != "cells" or labels.kind != "numbers":
        raise TableError(f"{where}: expected cells of images, and numbers as labels")
    if sides.extents != (2, len(labels.numbers)):
        raise TableError(
            f"{where}: expected two rows of images and one row of labels, found {sides.extents} and {labels.extents}"
        )
    for k, label in enumerate(labels.numbers):
        if label not in (1, 0, -1):
            raise TableError(f"{where}, pair {k + 1}: label {label!r}; 1 means one person, -1 or 0 two people")
        yield (
            image_of(sides.cells[2 * k], f"{where}, pair {k + 1}"),
            image_of(sides.cells[2 * k + 1], f"{where}, pair {k + 1}"),
            label == 1,
        )


def image_of(cell: Array, where: str) -> tuple[str, str]:
    """Return the name of an image without extension, and the age of the person; empty if the file has none."""
    if cell.kind != "struct" or not cell.cells or cell.cells[0].kind != "text":
        raise TableError(f"{where}: not an image with a name and an age")
    name = cell.cells[0].text
    if not 0 < len(name) <= MAX_NAME or not name.isprintable() or set(name) & {*"/\\"}:
        raise TableError(f"{where}: {name[:60]!r} is not an image name")
    if len(cell.cells) == 1:
        return name, ""
    age = cell.cells[1]
    years = (float(age.text),) if age.text.isdecimal() and len(age.text) < 4 else age.numbers
    if len(years) != 1 or not 0 <= years[0] < MOST_YEARS:
        raise TableError(f"{where}: the age of {name!r} is not a number of years")
    return name, str(int(years[0]))
