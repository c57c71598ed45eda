"""What every benchmark protocol comes to: images of people, pairs of them, and the folds of the pairs."""

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
FOLD = "fold"  # column of the people, where each has one
NO_FOLD = -1
SHOWN = 10  # names in a message
INCOMPLETE = "pass --allow-incomplete to evaluate what is available; the result will say so"


@dataclass(frozen=True)
class Picture:
    """One image of a protocol: its file relative to the root, whose it is, and its labels by column."""

    image: str
    subject: str
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class PairLine:
    """One pair as a protocol lists it. part : the list that it is of, where a protocol has several (RFW: the race)"""

    left: Picture
    right: Picture
    genuine: bool
    fold: int
    part: str = ""


@dataclass(frozen=True)
class Counted:
    """How many of something there are, and how many the protocol has; None where it does not say."""

    what: str
    found: int
    expected: int | None


@dataclass(frozen=True, eq=False)
class Listing:
    """A protocol as it lies in a folder.

    people  : image (relative to `folder`), subject, label columns; `fold` where each subject has one fold only; `template` and
              `media` where images are pooled
    pairs   : int64 (m, 2), rows of `people`, or templates in the order in which they appear there, in the order of the
              protocol; genuine : bool (m,), as the protocol says
    folds   : int64 (m,), fold of each pair from 0; -1 in a protocol without folds
    parts   : text (m,), list that each pair is of; empty where there is one
    files   : name and sha256 of every file of the protocol that was read
    images  : bytes by image name, where the protocol holds the images itself (.bin); written out for the audit
    notes   : what a reader must know of these data
    points  : file with five points per image; None without one
    gallery : which gallery is searched, where the people have roles in place of pairs: 1, 2 or both
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
        """The label columns of the people, without the fold."""
        return [
            str(name) for name in self.people.columns if name not in ("image", "subject", FOLD, "role", *MEMBERSHIP)
        ]

    @property
    def incomplete(self) -> list[str]:
        """What is not as the protocol has it, in words: counts, then the number of missing images."""
        said = [
            f"{count.found:,} {count.what}, the protocol has {count.expected:,}"
            for count in self.counts
            if count.expected is not None and count.found != count.expected
        ]
        missing = self.missing
        return said + ([f"{len(missing):,} of {len(self.people):,} images are missing"] if missing else [])

    @property
    def missing(self) -> list[str]:
        """Images that are not in the folder, in the order of the people."""
        if self.images:
            return []
        return [str(image) for image in self.people["image"] if not (self.folder / str(image)).is_file()]


@dataclass(frozen=True)
class TextFile:
    """A text file of a protocol: its name, its lines that are not blank with their numbers, and its sha256."""

    name: str
    lines: tuple[tuple[int, str], ...]
    sha256: str

    def fault(self, number: int, what: str) -> TableError:
        """The error of a line."""
        return TableError(f"{self.name} line {number}: {what}")


def require_complete(listing: Listing) -> None:
    """Raise TableError where counts are not those of the protocol or images are missing; it names the first of these."""
    if not listing.incomplete:
        return
    missing = listing.missing
    named = ", ".join(missing[:SHOWN]) + (f" and {len(missing) - SHOWN:,} more" if len(missing) > SHOWN else "")
    where = f" (missing in {listing.folder}: {named})" if missing else ""
    raise TableError(f"{listing.title}: {'; '.join(listing.incomplete)}{where}. Complete the folder, or {INCOMPLETE}")


def read_text(root: Path, *places: str, most: int = MAX_LIST_BYTES) -> TextFile:
    """The first of some files below the root that is there.

    Raises
    ------
    TableError : none is there, too large, no UTF-8
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
    """A file of bounded size.

    Raises
    ------
    TableError : not there, no regular file, larger than `most`
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
    """The first of some folders below the root that holds something, as a prefix of image names; the first where none does."""
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
    """A protocol from its pairs; each image is one row of the people, however many pairs it is in.

    Raises
    ------
    TableError : no pairs; one image under two subjects or with two values of a label
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
    """The fold of each pair in the order of a list, as scikit-learn's KFold without shuffling deals them, int64 (pairs,).

    Where the pairs are no multiple of the folds, the first folds have one more. Fewer pairs than folds have one fold each.

    Examples
    --------
    >>> contiguous_folds(7, 3).tolist()
    [0, 0, 0, 1, 1, 2, 2]
    """
    sizes = np.full(folds, pairs // folds)
    sizes[: pairs % folds] += 1
    return np.repeat(np.arange(folds), sizes).astype(np.int64)


def folds_of_people(subjects: pd.Series, pairs: IntArray, folds: IntArray) -> IntArray | None:
    """The fold of each row of the people, int64; None where a person is in two folds, or the protocol has none."""
    if not len(pairs) or (folds == NO_FOLD).any():
        return None
    codes = np.asarray(pd.factorize(subjects)[0], np.int64)
    low, high = np.full(codes.max() + 1, np.iinfo(np.int64).max), np.full(codes.max() + 1, -1)
    for side in (0, 1):
        np.minimum.at(low, codes[pairs[:, side]], folds)
        np.maximum.at(high, codes[pairs[:, side]], folds)
    return low[codes] if (low == high).all() else None


def contradictions(subjects: pd.Series, pairs: IntArray, genuine: BoolArray) -> tuple[str, ...]:
    """A sentence on pairs whose label is not what the names of their people say."""
    codes = np.asarray(pd.factorize(subjects)[0], np.int64)
    torn = int(((codes[pairs[:, 0]] == codes[pairs[:, 1]]) != genuine).sum())
    if not torn:
        return ()
    return (
        f"{torn:,} pairs have labels that contradict their subjects; the protocol's numbers follow the labels, and "
        f"FMR and FNMR follow the subjects",
    )
