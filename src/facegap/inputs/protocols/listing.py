"""The common form of all benchmark protocols: images of people, pairs of images, and the folds of the pairs."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.errors import TableError
from facegap.store.opened import NotRegularError, TooLargeError, read_file
from facegap.tables import MEMBERSHIP
from facegap.types import BoolArray, IntArray

MAX_LIST_BYTES = 64 * 2**20  # a list of 6,000 pairs has half a megabyte
FOLD = "fold"  # column of the people, if each is in a single fold
NO_FOLD = -1
SHOWN = 10  # names in a message
INCOMPLETE = "pass --allow-incomplete to evaluate what is available; the result will say so"


@dataclass(frozen=True)
class Picture:
    """One image of a protocol: its file relative to the root, its subject, and its labels by column."""

    image: str
    subject: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PairLine:
    """One pair in a protocol. part : its list, if the protocol has several (RFW: the race)"""

    left: Picture
    right: Picture
    genuine: bool
    fold: int
    part: str = ""


@dataclass(frozen=True)
class Counted:
    """The number found, and the number in the protocol; None if it does not state it."""

    what: str
    found: int
    expected: int | None


@dataclass(frozen=True, eq=False)
class Listing:
    """A protocol read from a folder.

    people  : image (relative to `folder`), subject, label columns; `fold` if each subject is in a single fold; `template` and
              `media` if images are pooled
    pairs   : int64 (m, 2), rows of `people`, or templates in order of their appearance there; in the order of the protocol.
              genuine : bool (m,), as stated by the protocol
    folds   : int64 (m,), fold of each pair from 0; -1 in a protocol without folds
    parts   : text (m,), list of each pair; empty if there is one
    files   : name and sha256 of every file of the protocol that was read
    images  : bytes by image name, if the protocol contains the images (.bin); written to files for the audit
    notes   : notes on these data for the reader
    points  : file with five points per image; None without one
    gallery : gallery that is searched, if the people have roles instead of pairs: 1, 2 or both
    """

    name: str
    title: str
    folder: Path
    people: pd.DataFrame
    pairs: IntArray
    genuine: BoolArray
    folds: IntArray
    parts: NDArray[np.str_]
    counts: tuple[Counted, ...]
    files: tuple[tuple[str, str], ...]
    images: Mapping[str, bytes] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    points: Path | None = None
    gallery: Literal["", "1", "2", "both"] = ""

    @property
    def labels(self) -> list[str]:
        """Return the label columns of the people, without the fold."""
        return [
            str(name) for name in self.people.columns if name not in ("image", "subject", FOLD, "role", *MEMBERSHIP)
        ]

    @property
    def incomplete(self) -> list[str]:
        """Describe differences from the protocol: counts, then the number of missing images."""
        said = [
            f"{count.found:,} {count.what}, the protocol has {count.expected:,}"
            for count in self.counts
            if count.expected is not None and count.found != count.expected
        ]
        missing = self.missing
        return said + ([f"{len(missing):,} of {len(self.people):,} images are missing"] if missing else [])

    @property
    def missing(self) -> list[str]:
        """Return the images that are not in the folder, in the order of the people."""
        if self.images:
            return []
        return [str(image) for image in self.people["image"] if not (self.folder / str(image)).is_file()]


@dataclass(frozen=True)
class TextFile:
    """A text file of a protocol: its name, its numbered non-blank lines, and its sha256."""

    name: str
    lines: tuple[tuple[int, str], ...]
    sha256: str

    def fault(self, number: int, what: str) -> TableError:
        """Return the error for a line."""
        return TableError(f"{self.name} line {number}: {what}")


def require_complete(listing: Listing) -> None:
    """Raise TableError if counts differ from the protocol or images are missing; it names the first of these."""
    if not listing.incomplete:
        return
    missing = listing.missing
    named = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN:,} more" if len(missing) > SHOWN else "")
    where = f" (missing in {listing.folder}: {named})" if missing else ""
    raise TableError(f"{listing.title}: {'; '.join(listing.incomplete)}{where}. Complete the folder, or {INCOMPLETE}")


def read_text(root: Path, *places: str, most: int = MAX_LIST_BYTES) -> TextFile:
    """Read the first of several files that exists below the root.

    Raises
    ------
    TableError : If none exists, or the file is too large or not UTF-8.
    """
    place = next((place for place in places if (root / place).is_file()), None)
    if place is None:
        raise TableError(
            f"{root}: no file {' or '.join(places)}; --root must be the folder into which the protocol was unpacked"
        )
    content = read_bytes(root / place, most)
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TableError(f"{place} line {line}: not UTF-8; this is not a list of the protocol") from None
    lines = tuple((number, line.strip()) for number, line in enumerate(text.split("\n"), start=1) if line.strip())
    return TextFile(place, lines, hashlib.sha256(content).hexdigest())


def read_bytes(path: Path, most: int) -> bytes:
    """Read a file of limited size.

    Raises
    ------
    TableError : If it is missing, not a regular file, or larger than `most`.
    """
    try:
        return read_file(path, most)
    except TooLargeError as error:
        raise TableError(f"{path.name}: {error.size:,} bytes, more than {most:,}, the limit for a list") from None
    except NotRegularError:
        raise TableError(f"{path}: not a regular file") from None
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: {getattr(error, 'strerror', None) or error}") from error


def first_folder(root: Path, places: Sequence[str], holds: Callable[[Path], bool]) -> str:
    """Return the first folder for which `holds` is true as a prefix of image names; the first of all if none is."""
    found = next((place for place in places if (root / place).is_dir() and holds(root / place)), places[0])
    return f"{found}/" if found else ""


def listing_of(
    name: str,
    title: str,
    root: Path,
    lines: Sequence[PairLine],
    *,
    counts: Sequence[Counted],
    files: Sequence[TextFile],
    images: Mapping[str, bytes] | None = None,
    notes: Sequence[str] = (),
) -> Listing:
    """Build a protocol from its pairs; each image is one row of the people, even if it is in several pairs.

    Raises
    ------
    TableError : If there are no pairs, or an image has two subjects or two values of a label.
    """
    if not lines:
        raise TableError(f"{title}: no pairs are listed")
    pictures: dict[str, Picture] = {}
    for line in lines:
        for picture in (line.left, line.right):
            known = pictures.setdefault(picture.image, picture)
            if known != picture:
                raise TableError(
                    f"{title}: the image {picture.image!r} is listed as {known.subject!r} and {picture.subject!r}"
                )
    place = {image: row for row, image in enumerate(pictures)}
    columns = list(dict.fromkeys(column for picture in pictures.values() for column, _ in picture.labels))
    people = pd.DataFrame(
        {
            "image": list(pictures),
            "subject": [picture.subject for picture in pictures.values()],
            **{column: [dict(picture.labels).get(column, "") for picture in pictures.values()] for column in columns},
        },
        dtype="str",
    )
    pairs = np.array([[place[line.left.image], place[line.right.image]] for line in lines], np.int64).reshape(-1, 2)
    folds = np.array([line.fold for line in lines], np.int64)
    genuine = np.array([line.genuine for line in lines], np.bool_)
    fold = folds_of_people(people["subject"], pairs, folds)
    if fold is not None:
        people[FOLD] = [str(number + 1) for number in fold]
    elif (folds != NO_FOLD).any():
        notes = (
            *notes,
            "the protocol's folds share subjects, so a threshold set on some folds would not be evaluated on other "
            "people: FMR and FNMR use folds that facegap made by subject; accuracy by folds uses the folds of the "
            "protocol",
        )
    return Listing(
        name,
        title,
        root,
        people,
        pairs,
        genuine,
        folds,
        np.array([line.part for line in lines], dtype=np.str_),
        tuple(counts),
        tuple((file.name, file.sha256) for file in files),
        images or {},
        (*notes, *contradictions(people["subject"], pairs, genuine)),
    )


def contiguous_folds(pairs: int, folds: int = 10) -> IntArray:
    """Return the fold of each pair in list order, as in scikit-learn's KFold without shuffling, int64 (pairs,).

    If the number of pairs is not a multiple of the folds, the first folds have one more. With fewer pairs than folds, each pair
    is a fold.

    Examples
    --------
    >>> contiguous_folds(7, 3).tolist()
    [0, 0, 0, 1, 1, 2, 2]
    """
    sizes = np.full(folds, pairs // folds)
    sizes[: pairs % folds] += 1
    return np.repeat(np.arange(folds), sizes).astype(np.int64)


def folds_of_people(subjects: pd.Series, pairs: IntArray, folds: IntArray) -> IntArray | None:
    """Return the fold of each row of the people, int64; None if a person is in two folds or there are no folds."""
    if not len(pairs) or (folds == NO_FOLD).any():
        return None
    codes = np.asarray(pd.factorize(subjects)[0], np.int64)
    low, high = np.full(codes.max() + 1, np.iinfo(np.int64).max), np.full(codes.max() + 1, -1)
    for side in (0, 1):
        np.minimum.at(low, codes[pairs[:, side]], folds)
        np.maximum.at(high, codes[pairs[:, side]], folds)
    return low[codes] if (low == high).all() else None


def contradictions(subjects: pd.Series, pairs: IntArray, genuine: BoolArray) -> tuple[str, ...]:
    """Return a sentence on pairs whose label contradicts their subjects."""
    codes = np.asarray(pd.factorize(subjects)[0], np.int64)
    torn = int(((codes[pairs[:, 0]] == codes[pairs[:, 1]]) != genuine).sum())
    if not torn:
        return ()
    return (
        f"{torn:,} pairs have labels that contradict their subjects; the protocol's numbers follow the labels, and "
        f"FMR and FNMR follow the subjects",
    )
