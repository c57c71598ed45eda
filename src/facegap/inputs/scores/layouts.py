"""The layouts of score files: their columns, what these name, and how they are separated.

Sources: Bob's text files are those of bob.measure and bob.bio.base (`score/load.py`: `split` for two columns, -1 or 1
and the score; `four_column`: claimed_id real_id test_label score; `five_column`: claimed_id model_label real_id
test_label score), its CSV is that of `CSVScoreWriter`.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Literal

from facegap.errors import TableError
from facegap.inputs.lfw_pairs import is_lfw

Named = Literal["subject", "image", "nobody"]
HEAD_BYTES = 64 * 1024  # contain the first line of a file

# Bob's text files have no header: the number of cells determines the layout.
BOB_TEXT: Mapping[int, tuple[str, ...]] = {
    2: ("genuine", "score"),
    4: ("claimed_id", "real_id", "test_label", "score"),
    5: ("claimed_id", "model_label", "real_id", "test_label", "score"),
}
BOB_CSV = ("bio_ref_subject_id", "probe_subject_id", "score")
ATTACK = "probe_attack_type"
WEIGHT = "weight"
MOST_WEIGHT = 1e15  # more pairs than any data set has
# NIST's FRTE 1:1 driver writes a header, and a return code for each comparison: 0, or why there is no score.
FRTE = ("enrollTempl", "verifTempl", "simScore", "returnCode")
BOB_PREFIXES = ("bio_ref_", "probe_")


@dataclass(frozen=True)
class Layout:
    """The layout of a score file.

    name      : name in records and messages
    columns   : of the file, in order
    delimiter : comma with quotes and a header; space or tab without either, possibly repeated
    lines_above : lines before the first record
    left, right, genuine, score, attack : column names, None if the file has no such column
    code      : column of return codes; a row with a code other than 0 has no score
    named     : type of the names in left and right
    directed  : the file states which image was the probe, so (a, b) and (b, a) are two trials
    reference : column of the reference, left or right, named in rows with an attack; None without attacks
    weight    : column of the number of pairs that each row represents, if the rows are a sample; None without one
    """

    name: str
    columns: tuple[str, ...]
    delimiter: Literal[",", " ", "\t"]
    lines_above: int
    left: str | None
    right: str | None
    genuine: str | None
    named: Named
    score: str = "score"
    attack: str | None = None
    directed: bool = False
    reference: str | None = None
    weight: str | None = None
    code: str | None = None

    @property
    def is_csv(self) -> bool:
        """Return whether cells are separated by commas."""
        return self.delimiter == ","


def layout_of(path: Path, file: BufferedReader, *, frte: bool = False) -> Layout:
    """Determine the layout from the first non-blank line of an open file.

    path : for messages; frte : the file must be a match log of NIST's driver
    """
    number, line = _first_line(path, file)
    if frte or {"enrollTempl", "verifTempl"} & set(line.split()):
        return _match_log(line, number, f"{path.name} line {number}")
    if is_lfw(path):
        raise TableError(
            f"{path.name}: this is a list of pairs as LFW publishes it; it has no scores. Give it to facegap audit MANIFEST "
            "--embed MODEL --pairs, or write a CSV with left,right,score from the scores of your system"
        )
    where = f"{path.name} line {number}"
    if "," in line:
        names = [name.strip() for name in next(csv.reader([line]))]
        return _csv_layout(names, number, where)
    if ";" in line:
        raise TableError(f"{where}: the columns are separated by semicolons; save the file with commas")
    columns = BOB_TEXT.get(len(line.split()))
    if columns is None:
        raise TableError(
            f"{where}: {len(line.split())} cells; a score file has two (1 or -1, score), four (claimed_id real_id "
            "test_label score) or five (claimed_id model_label real_id test_label score) separated by spaces, or is "
            "a CSV with the header left,right,score"
        )
    delimiter: Literal["\t", " "] = "\t" if "\t" in line else " "
    if len(columns) == 2:
        return Layout("two columns", columns, delimiter, 0, None, None, "genuine", "nobody")
    name = "four columns" if len(columns) == 4 else "five columns"
    return Layout(name, columns, delimiter, 0, "claimed_id", "real_id", None, "subject")


def _match_log(line: str, number: int, where: str) -> Layout:
    """Determine the layout of a match log from its header."""
    names = line.split()
    missing = [name for name in FRTE if name not in names]
    if missing:
        raise TableError(
            f"{where}: no column {missing[0]}; a match log of FRTE has the header {' '.join(FRTE)}, separated by "
            f"spaces (found: {line.strip()[:200]})"
        )
    foreign = [name for name in names if name not in FRTE or names.count(name) > 1]
    if foreign:
        raise TableError(f"{where}, column {foreign[0][:60]}: unknown in a match log, or repeated; remove it")
    delimiter: Literal["\t", " "] = "\t" if "\t" in line else " "
    return Layout(
        "FRTE match log",
        tuple(names),
        delimiter,
        number,
        "verifTempl",
        "enrollTempl",
        None,
        "image",
        score="simScore",
        directed=True,
        code="returnCode",
    )


def _first_line(path: Path, file: BufferedReader) -> tuple[int, str]:
    """Return number and text of the first non-blank line."""
    file.seek(0)
    head = file.read(HEAD_BYTES)
    if b"\0" in head or head.startswith((b"\x1f\x8b", b"PK\x03\x04")):
        raise TableError(
            f"{path.name} line 1: not a text file (compressed, a spreadsheet, UTF-16?); save it as UTF-8 text"
        )
    text = head.removeprefix(b"\xef\xbb\xbf").decode("utf-8", errors="replace")
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            return number, line
    raise TableError(f"{path.name} line 1: the file is empty; it needs one row per comparison")


def _csv_layout(names: list[str], line: int, where: str) -> Layout:
    """Determine the layout of a CSV from its header."""
    doubled = [name for name in names if names.count(name) > 1]
    if doubled:
        raise TableError(f"{where}, column {doubled[0]}: the name occurs more than once; rename or remove one")
    columns = tuple(names)
    if set(BOB_CSV) <= set(names):
        foreign = [name for name in names if name != "score" and not name.startswith(BOB_PREFIXES)]
        attack = ATTACK if ATTACK in names else None
        found = Layout(
            "bob CSV", columns, ",", line, BOB_CSV[0], BOB_CSV[1], None, "subject", attack=attack, reference=BOB_CSV[0]
        )
    elif {"left", "right", "score"} <= set(names):
        foreign = [name for name in names if name not in ("left", "right", "score", "genuine", WEIGHT)]
        genuine = "genuine" if "genuine" in names else None
        weight = WEIGHT if WEIGHT in names else None
        found = Layout("left, right, score", columns, ",", line, "left", "right", genuine, "image", weight=weight)
    elif {"probe", "reference", "score"} <= set(names):
        foreign = [name for name in names if name not in ("probe", "reference", "score", "genuine", "attack", WEIGHT)]
        genuine = "genuine" if "genuine" in names else None
        attack = "attack" if "attack" in names else None
        name = "probe, reference, score"
        found = Layout(
            name,
            columns,
            ",",
            line,
            "probe",
            "reference",
            genuine,
            "image",
            attack=attack,
            directed=True,
            reference="reference",
            weight=WEIGHT if WEIGHT in names else None,
        )
    elif {"genuine", "score"} <= set(names):
        foreign = [name for name in names if name not in ("genuine", "score")]
        found = Layout("genuine, score", columns, ",", line, None, None, "genuine", "nobody")
    else:
        raise TableError(
            f"{where}: a header with left, right, score (and genuine), with probe, reference, score, with genuine, score, or with "
            f"{', '.join(BOB_CSV)} is needed (found: {', '.join(names)}); add it or rename the columns"
        )
    if foreign:
        raise TableError(f"{where}, column {foreign[0]}: not a column of a score file ({found.name}); remove it")
    return found
