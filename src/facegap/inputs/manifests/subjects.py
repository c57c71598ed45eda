"""Check the subject column. Two spellings would turn one person into two, so ambiguous ones are rejected."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from facegap.errors import TableError
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.inputs.spelling import (
    is_scientific,
    means_nothing,
    near_spellings,
    number_spelling,
    same_letters,
    same_word,
    tidy,
)

AS_WRITTEN = "correct the file, or pass --subjects-as-written if these are different people"
MOST_NAMED = 3


def subject_column(
    cells: pd.Series, lines: Sequence[int], file: str, unit: str, *, as_written: bool, keep_words: bool = False
) -> tuple[pd.Series, list[str]]:
    """Return the subjects of a manifest, stripped, and warnings.

    Names that differ in spaces, Unicode form, invisible characters or the spelling of a number are rejected. Names that differ
    in case or accents cause a warning (random ids may differ in case; Jos\u00e9 is not Jose), or are rejected if no subject has
    a second image, because a genuine pair may then be hidden by two spellings.

    as_written : every spelling is a separate person
    keep_words : None, null, nan and similar words are names of people

    Raises
    ------
    TableError : For spellings as above; ids that a spreadsheet shortened to 1.23E+15; a word for a missing name.
    """
    stripped = cells.str.strip()
    if as_written:
        return stripped, []
    counts = {str(name): int(rows) for name, rows in stripped.value_counts().items() if name}
    tidied = {name: tidy(name) for name in counts}
    nobody = [name for name, text in tidied.items() if means_nothing(text, beside=counts) or text.lower() == UNKNOWN]
    if nobody and not keep_words:
        line, rows = line_of(stripped, nobody[0], lines), sum(counts[name] for name in nobody)
        raise TableError(
            f"{file} {unit} {line}, column subject: {nobody[0]!r} is a word for a missing name ({rows:,} rows); "
            "name the person, leave such rows out with --where, or pass --keep-words if it is a name"
        )
    shortened = [name for name in counts if is_scientific(name)]
    if shortened:
        line = line_of(stripped, shortened[0], lines)
        raise TableError(
            f"{file} {unit} {line}, column subject: {shortened[0]!r} is a number that was shortened by a "
            f"spreadsheet, so its last digits are lost; save the column as text"
        )
    near = near_spellings(counts, key=same_word)
    if near:
        first = near[0]
        told = " and ".join(f"{name!r} ({unit} {line_of(stripped, name, lines)})" for name in first.words[:2])
        raise TableError(
            f"{file}, column subject: {told} are two spellings of one subject ({len(near)} such subjects in all); "
            f"{AS_WRITTEN}"
        )
    # Integers from a column of floats: 1001.0 is the same as 1001.
    read = {name: number_spelling(text) if name.endswith(".0") else text for name, text in tidied.items()}
    subjects = stripped.map({**read, "": ""}).astype("str")
    alike = near_spellings(counts, key=same_letters)
    if not alike:
        return subjects, []
    named = "; ".join(str(group) for group in alike[:MOST_NAMED])
    said = f"{len(alike)} subjects differ from another only in case, accents or spaces: {named}"
    if max(counts.values()) == 1:
        raise TableError(f"{file}, column subject: no subject has two images, and {said}; {AS_WRITTEN}")
    return subjects, [f"column subject: {said}; they count as different people"]


def line_of(cells: pd.Series, name: str, lines: Sequence[int]) -> int:
    """Return the line of the first row with this subject."""
    return lines[int((cells == name).to_numpy(dtype=bool).argmax())]
