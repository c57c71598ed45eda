"""Read pair lists in the format of Labeled Faces in the Wild: pairs.txt, pairsDevTrain.txt, pairsDevTest.txt.

The first line states the number of folds and of pairs of each kind per fold (or only the pairs: one fold). A line of three cells
is one person with two images, a line of four cells two people; image 4 of Ann_Lee is the file Ann_Lee/Ann_Lee_0004.jpg.
Source: README of Huang, Ramesh, Berg and Learned-Miller (2007), Labeled Faces in the Wild.
"""

from __future__ import annotations

import hashlib
import io
import re
from dataclasses import dataclass
from pathlib import Path

from facegap.errors import TableError
from facegap.store.opened import TooLargeError, opened, read_file

MOST_PAIRS = 10_000_000
MOST_FOLDS = 1_000
MAX_BYTES = 512 * 2**20
HEAD_BYTES = 64 * 1024  # contain the first two lines
LINE_END = re.compile(r"\r\n|\n|\r")
NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class LfwPair:
    """One line: its number, and the person and image number of either side."""

    line: int
    left: tuple[str, int]
    right: tuple[str, int]

    @property
    def stems(self) -> tuple[str, str]:
        """Return the file names without folder and extension: Ann_Lee_0004."""
        return picture_stem(*self.left), picture_stem(*self.right)


def picture_stem(person: str, number: int) -> str:
    """Return the name of an image file without extension."""
    return f"{person}_{number:04d}"


def is_lfw(path: Path) -> bool:
    """Return whether a file begins like these lists: one or two whole numbers, then a person with two images."""
    try:
        with opened(path) as file:
            head = file.read(HEAD_BYTES).decode("utf-8", errors="replace")
    except (OSError, ValueError):
        return False
    # not splitlines, which also splits at a form feed
    lines = [line.split() for line in LINE_END.split(head, maxsplit=2)[:2]]
    if len(lines) < 2:
        return False
    first, second = lines
    return (
        len(first) in (1, 2)
        and all(NUMBER.fullmatch(cell) for cell in first)
        and len(second) in (3, 4)
        and not any("," in cell for cell in second)
        and NUMBER.fullmatch(second[1]) is not None
        and NUMBER.fullmatch(second[-1]) is not None
    )


def read_lfw(path: Path) -> tuple[list[LfwPair], str]:
    """Read all pairs of a list in order, after checking their number against the first line, and the sha256 of the file.

    Raises
    ------
    TableError : If a line is malformed, or the number of pairs differs from the first line; names the line.
    """
    try:
        content = read_file(path, MAX_BYTES)
    except TooLargeError:
        raise TableError(f"{path.name}: LFW's list of pairs is larger than {MAX_BYTES:,} bytes") from None
    except OSError as error:
        raise TableError(f"{path.name}: {error.strerror or error}; make the list of pairs readable") from error
    with io.TextIOWrapper(io.BytesIO(content), encoding="utf-8", errors="replace") as file:
        header = next(file, "").split()
        if len(header) not in (1, 2) or not all(NUMBER.fullmatch(cell) for cell in header):
            raise TableError(
                f"{path.name} line 1: LFW's lists begin with the number of folds and the number of pairs of each "
                f"kind per fold, such as '10 300'; other lists have the same file name"
            )
        folds, each = (1, int(header[0])) if len(header) == 1 else (int(header[0]), int(header[1]))
        if not (1 <= folds <= MOST_FOLDS and each >= 1 and 2 * folds * each <= MOST_PAIRS):
            raise TableError(
                f"{path.name} line 1: LFW's list of pairs has {folds} folds of 2 x {each} pairs: none, or more than "
                f"the limit of {MOST_PAIRS:,} pairs"
            )
        found = [pair_of(path.name, number, line.split()) for number, line in enumerate(file, start=2) if line.strip()]
    expected = 2 * folds * each
    if len(found) != expected:
        raise TableError(
            f"{path.name}: LFW's list of pairs with {len(found):,} pairs, but line 1 says {folds} x 2 x {each} = "
            f"{expected:,}; the file is truncated or was edited"
        )
    for k, pair in enumerate(found):
        genuine = (k // each) % 2 == 0
        if genuine != (pair.left[0] == pair.right[0]):
            raise TableError(
                f"{path.name} line {pair.line}: a pair of {'one person' if genuine else 'two people'} is expected "
                f"here by line 1 ({each} of each kind in turn)"
            )
    return found, hashlib.sha256(content).hexdigest()


def pair_of(name: str, line: int, cells: list[str]) -> LfwPair:
    """Parse one line as a pair; raises TableError with the line number if it is not."""
    if len(cells) == 3:
        cells = [cells[0], cells[1], cells[0], cells[2]]
    if len(cells) != 4 or not (NUMBER.fullmatch(cells[1]) and NUMBER.fullmatch(cells[3])):
        raise TableError(
            f"{name} line {line}: LFW's lists have 'person 1 2' or 'person 1 person 2'; found {len(cells)} cells"
        )
    return LfwPair(line, (cells[0], int(cells[1])), (cells[2], int(cells[3])))
