"""`facegap manifest csv`: convert a table of images to a manifest, using the columns that the user names.

Nothing is guessed: columns that are not named are omitted, an ambiguous code stops the command, and every row of the table becomes
a row of the manifest or is counted in a sentence.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

import numpy as np
import pandas as pd

from facegap.audit.manifests import words_of
from facegap.errors import SettingError, TableError
from facegap.groups.swatches import SWATCH_SCALES, labels_of_swatches, srgb_of
from facegap.inputs.datasets.dates import years_between
from facegap.inputs.manifests.labels import GENDER_COLUMNS, GENDERS
from facegap.inputs.records import MAX_FILE_BYTES, Records, read_records
from facegap.inputs.spelling import means_nothing, tidy
from facegap.store.opened import NotRegularError, TooLargeError, read_file
from facegap.store.temporary import temporary_folder

CONSTANT = ("gender", "sex", "race", "ethnicity", "birth_year", "dob")  # constant for each person
MOST_NAMED = 3
_CODE = re.compile(r"[+-]?\d+(\.0*)?|true|false|yes|no|[yn]", re.IGNORECASE)
_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True)
class OwnColumns:
    """The columns of a user's table.

    image, subject : columns; no subject if the table names no people
    labels    : NAME=COLUMN, or COLUMN alone
    words     : COLUMN:WORD=LABEL, with the column name of the manifest
    swatches  : NAME=COLUMN, or NAME=RED,GREEN,BLUE, columns of sRGB
    scale     : tone scale of the swatch labels
    ages      : NAME=BORN,TAKEN, columns of dates
    dates     : format of the dates, as in strptime; None accepts unambiguous formats only
    root      : folder to which image paths are relative; None: the folder of the table
    strip     : prefix to remove from image paths
    encoding, separator : of the table
    """

    image: str = "image"
    subject: str | None = None
    labels: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    swatches: tuple[str, ...] = ()
    scale: str = "monk"
    ages: tuple[str, ...] = ()
    dates: str | None = None
    root: Path | None = None
    strip: str = ""
    encoding: str = "utf-8"
    separator: str = ","


def own_manifest(path: Path, columns: OwnColumns) -> tuple[pd.DataFrame, Path]:
    """Return the manifest of a table, with notes in attrs["notes"], and the folder to which its image paths are relative.

    Raises
    ------
    TableError, SettingError : With the file, line, column and remedy.
    """
    records = transcribed(path, columns)
    table = _Table(records, path.name)
    root = (columns.root or path.parent).resolve()
    made: dict[str, list[str]] = {"image": images_of_column(table, columns, root)}
    if columns.subject is not None:
        made["subject"] = subjects_of_column(table, columns.subject)
    for name, column in pairs_of("--label", columns.labels):
        made[free(name, made)] = table.cells((column,))[0]
    for name, sources in named_columns("--swatch", columns.swatches, (1, 3)):
        made[free(name, made)] = tones_of_columns(table, sources, columns.scale)
    notes: list[str] = []
    for name, sources in named_columns("--age", columns.ages, (2,)):
        made[free(name, made)] = ages_of_columns(table, sources, columns.dates)
        bare = made[name].count("")
        notes += [f"{bare:,} rows have no {name}: a date is missing or cannot be read"] if bare else []
    notes += translate(made, words_of(columns.words), table)
    require_no_codes(made, table)
    frame = pd.DataFrame(made, dtype="str")
    kept, repeated = without_repetitions(frame, table)
    notes += (
        [f"{repeated:,} rows that repeat another row in all columns of the manifest were left out"] if repeated else []
    )
    notes += inconsistent_subjects(kept)
    kept.attrs["notes"] = notes
    return kept, root


def transcribed(path: Path, columns: OwnColumns) -> Records:
    """Read the table as records, first converting it to comma-separated UTF-8 if necessary.

    Raises
    ------
    TableError : If the encoding is unknown or does not match, or `read_records` rejects the table.
    """
    if columns.encoding.lower().replace("_", "-") in ("utf-8", "utf8", "utf-8-sig") and columns.separator == ",":
        return read_records(path)
    try:
        text = read_file(path, MAX_FILE_BYTES).decode(columns.encoding)
    except LookupError:
        raise TableError(
            f"--encoding {columns.encoding}: unknown encoding; utf-8, latin-1 and cp1252 are common"
        ) from None
    except UnicodeDecodeError as error:
        raise TableError(
            f"{path.name}: byte {error.start} is not {columns.encoding} ({error.reason}); try --encoding cp1252"
        ) from None
    except (NotRegularError, TooLargeError, OSError) as error:
        raise TableError(f"{path}: {error.strerror or error}") from error
    if len(columns.separator) != 1:
        raise TableError(f"--separator {columns.separator!r}: one character, such as ';' or a tab")
    try:
        rows = list(
            csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=columns.separator, strict=True)
        )
    except csv.Error as error:
        raise TableError(f"{path.name}: {error}; look for a quote that is not closed") from None
    anew = io.StringIO(newline="")
    csv.writer(anew, lineterminator="\n").writerows(rows)
    with temporary_folder() as folder:
        copy = folder / path.name
        copy.write_text(anew.getvalue(), encoding="utf-8")
        return read_records(copy)


class _Table:
    """The records of a table, and errors that state the location of a cell."""

    def __init__(self, records: Records, name: str) -> None:
        self.records, self.name = records, name

    def cells(self, columns: Sequence[str]) -> list[list[str]]:
        """Return the cells of each column, stripped of leading and trailing spaces."""
        for column in columns:
            if column not in self.records.frame.columns:
                found = ", ".join(str(one) for one in self.records.frame.columns[:12])
                raise TableError(f"{self.name} line 1: no column {column} (found: {found})")
        return [[cell.strip() for cell in self.records.frame[column]] for column in columns]

    def place(self, row: int, column: str) -> str:
        """Return the location of a cell, for error messages."""
        return f"{self.name} {self.records.unit} {self.records.lines[row]}, column {column}"


# ---- options ----


def pairs_of(option: str, given: Sequence[str]) -> list[tuple[str, str]]:
    """Split NAME=COLUMN, or COLUMN alone, into pairs.

    Raises
    ------
    SettingError : If a name is not valid for a manifest column.
    """
    found = []
    for text in given:
        name, equals, column = text.partition("=")
        name, column = name.strip(), (column if equals else name).strip()
        if not _NAME.fullmatch(name) or not column:
            raise SettingError(
                f"{option} {text!r}: write NAME=COLUMN, the name of letters, digits and _, such as gender=Sex"
            )
        found.append((name, column))
    return found


def named_columns(option: str, given: Sequence[str], counts: Sequence[int]) -> list[tuple[str, tuple[str, ...]]]:
    """Parse NAME=COLUMN,COLUMN options with one of these numbers of columns."""
    found = []
    for name, columns in pairs_of(option, given):
        several = tuple(column.strip() for column in columns.split(","))
        if len(several) not in counts:
            wanted = " or ".join(str(count) for count in counts)
            raise SettingError(
                f"{option} {name}={columns}: {len(several)} columns, but {wanted} are needed, separated by commas"
            )
        found.append((name, several))
    return found


def free(name: str, made: Mapping[str, object]) -> str:
    """Return the name if no column has it yet; otherwise raise SettingError."""
    if name in made:
        raise SettingError(f"two columns of the manifest would be named {name}; give one of them another name")
    return name


# ---- cells ----


def images_of_column(table: _Table, columns: OwnColumns, root: Path) -> list[str]:
    """Return the image paths relative to the root, with / as separator.

    Raises
    ------
    TableError : If a cell is empty or a path leads outside the root.
    """
    found = []
    (cells,) = table.cells((columns.image,))
    for row, cell in enumerate(cells):
        where = table.place(row, columns.image)
        if not cell:
            raise TableError(f"{where}: empty; name the image, or remove the row")
        begun = cell.removeprefix(columns.strip) if columns.strip else cell
        found.append(relative_to_root(begun, root, where))
    return found


def relative_to_root(text: str, root: Path, where: str) -> str:
    """Return a path relative to the root, with / as separator; absolute and Windows paths are converted."""
    path = PureWindowsPath(text) if "\\" in text or re.match(r"[A-Za-z]:", text) else PurePosixPath(text)
    if path.drive or (isinstance(path, PureWindowsPath) and path.root):
        raise TableError(
            f"{where}: {text!r} begins with a drive letter; remove it with --strip, such as {path.anchor!r}"
        )
    name = path.as_posix()
    if path.is_absolute():
        if not PurePosixPath(name).is_relative_to(root.as_posix()):
            raise TableError(
                f"{where}: {text!r} lies outside {root}; give the folder of the images with --root, or use --strip"
            )
        name = PurePosixPath(name).relative_to(root.as_posix()).as_posix()
    if ".." in PurePosixPath(name).parts:
        raise TableError(f"{where}: {text!r} leads out of the folder of the images; give the right folder with --root")
    return name


def subjects_of_column(table: _Table, column: str) -> list[str]:
    """Return the subjects; an empty cell is an error, because its image could not be assigned to a person."""
    (cells,) = table.cells((column,))
    for row, cell in enumerate(cells):
        if not cell:
            raise TableError(f"{table.place(row, column)}: empty; name the person, or omit --subject")
    return cells


def tones_of_columns(table: _Table, sources: Sequence[str], scale: str) -> list[str]:
    """Return the label of each row's colour on a scale; empty if the row has no colour."""
    if scale not in SWATCH_SCALES:
        raise SettingError(f"--scale {scale}: not one of {', '.join(SWATCH_SCALES)}")
    colours = []
    cells = table.cells(sources)
    for row, parts in enumerate(zip(*cells, strict=True)):
        try:
            colours.append(srgb_of(",".join(parts)) if any(parts) else None)
        except TableError as error:
            raise TableError(f"{table.place(row, ','.join(sources))}: {error}") from None
    known = [row for row, colour in enumerate(colours) if colour is not None]
    labels = labels_of_swatches(np.array([colours[row] for row in known], np.uint8).reshape(-1, 3), scale)
    found = [""] * len(colours)
    for row, label in zip(known, labels, strict=True):
        found[row] = label
    return found


def ages_of_columns(table: _Table, sources: Sequence[str], form: str | None) -> list[str]:
    """Return the age in years at the time of each photograph; empty if either date is missing.

    Raises
    ------
    TableError : If a date has slashes and --dates does not give their order.
    """
    born, taken = table.cells(sources)
    for column, cells in zip(sources, (born, taken), strict=True):
        for row, cell in enumerate(cells):
            if form is None and re.match(r"\d{1,2}/\d{1,2}/\d{4}", cell):
                raise TableError(
                    f"{table.place(row, column)}: is {cell!r} day or month first? Give --dates %d/%m/%Y or %m/%d/%Y"
                )
    return [years_between(start, end, form=form) for start, end in zip(born, taken, strict=True)]


def translate(made: dict[str, list[str]], words: Mapping[str, Mapping[str, str]], table: _Table) -> list[str]:
    """Replace words by labels in place and return a sentence for each word that occurs in no row.

    Raises
    ------
    SettingError : If the manifest has no such column.
    """
    notes = []
    for name, known in words.items():
        if name not in made or name == "image":
            raise SettingError(
                f"--map {name}: the manifest has no such label (it has {', '.join(list(made)[1:]) or 'none'})"
            )
        there = set(made[name])
        absent = [word for word in known if word not in there]
        notes += [f"no row of {table.name} has {name} {', '.join(map(repr, absent[:MOST_NAMED]))}"] if absent else []
        made[name] = [known.get(cell, cell) for cell in made[name]]
    return notes


def require_no_codes(made: Mapping[str, Sequence[str]], table: _Table) -> None:
    """Raise TableError if gender is given as a code: 1 is female in one table and male in another."""
    for name in (name for name in made if name.lower() in GENDER_COLUMNS):
        codes = sorted({cell for cell in made[name] if _CODE.fullmatch(cell) and cell.lower() not in GENDERS})
        if codes:
            shown = ",".join(f"{code}=..." for code in codes[:MOST_NAMED])
            raise TableError(
                f"{table.name}, {name}: {', '.join(map(repr, codes[:MOST_NAMED]))} are codes, which differ between "
                f"tables; give their meaning with --map {name}:{shown}"
            )


def without_repetitions(frame: pd.DataFrame, table: _Table) -> tuple[pd.DataFrame, int]:
    """Remove rows that repeat another row in all columns, and return how many there were.

    Raises
    ------
    TableError : If two different rows name the same image.
    """
    repeated = frame.duplicated()
    kept = frame[~repeated]
    listed_twice = kept["image"].duplicated()
    if listed_twice.any():
        second = int(kept.index[listed_twice][0])
        first = int(kept.index[kept["image"] == kept["image"][second]][0])
        differ = [str(name) for name in frame.columns if frame[name][first] != frame[name][second]]
        raise TableError(
            f"{table.place(second, 'image')}: {frame['image'][second]!r} repeats {table.records.unit} "
            f"{table.records.lines[first]} with a different {' and '.join(differ)}; keep one row per image"
        )
    return kept.reset_index(drop=True), int(repeated.sum())


def inconsistent_subjects(frame: pd.DataFrame) -> list[str]:
    """Return sentences about subjects with several values of a label that should be constant."""
    notes = []
    for name in (str(name) for name in frame.columns if str(name).lower() in CONSTANT and "subject" in frame.columns):
        known = frame[[not_missing(cell) for cell in frame[name]]]
        values = (
            known.assign(word=[GENDERS.get(cell.lower(), cell) for cell in known[name]])
            .groupby("subject")["word"]
            .nunique()
        )
        inconsistent = sorted(str(who) for who in values.index[values > 1])
        notes += [f"{len(inconsistent):,} subjects have more than one {name} across their rows"] if inconsistent else []
    return notes


def not_missing(cell: str) -> bool:
    """Return whether a cell contains a word that does not mean a missing value."""
    return bool(tidy(cell)) and not means_nothing(tidy(cell))
