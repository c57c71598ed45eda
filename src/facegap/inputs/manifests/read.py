"""Read and check a manifest, the list of images that an audit starts from, before any model runs."""

from __future__ import annotations

import difflib
import os
import posixpath
import re
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.images.duplicates import identical_bytes
from facegap.inputs.manifests.labels import UNKNOWN, normalise_label
from facegap.inputs.manifests.subjects import subject_column
from facegap.inputs.manifests.where import select_rows
from facegap.inputs.records import Records, read_records
from facegap.inputs.spelling import has_invisible, means_nothing, merged, near_spellings, tidy
from facegap.store.record import LabelsRecord
from facegap.tables import MANIFEST, MEDIA, MEMBERSHIP, RATES, TEMPLATE, check, label_columns

IMAGE_SYNONYMS = ("file", "path", "filename", "file_name", "filepath", "file_path", "image_path", "img", "photo")
_NO_SUBJECT = "empty; name the person, or omit the column so that every image counts as a different person"
_NO_MEMBERSHIP = {
    TEMPLATE: "empty; name the template to which the image belongs, or omit the column so that each image is a "
    "template",
    MEDIA: "empty; name the medium (a video, or the photograph itself), or omit the column so that each image is a "
    "medium",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PLAIN = re.compile(r"(?:\w[\w.\- ]*/)*\w[\w.\- ]*\w")  # nearly every image cell; needs no further check
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE = re.compile(r"[A-Za-z]:")  # also C:a.jpg, relative to the current folder of the drive


@dataclass(frozen=True, eq=False)
class JoinedLabels:
    """Tone labels joined to a manifest from other files.

    probabilities : LABELS, the uncertainty of the labels
    record        : entry in run.json: sha256 of the files, draws and seed, and for each column its source, the number of rows
                    with each label, and the reasons for missing labels
    """

    probabilities: pd.DataFrame
    record: LabelsRecord


@dataclass(frozen=True)
class Manifest:
    """A checked manifest.

    frame        : a MANIFEST table; gender normalised, empty labels `unknown`; `row` is the position in the whole file
    folder       : folder to which `path` is relative; the file folder / path need not exist
    labels       : the label columns in the order of the file
    warnings     : findings that need a person's attention but do not stop the audit
    sha256       : of the manifest file
    has_subjects : whether people are named; otherwise, every image counts as a separate person
    excluded     : number of rows excluded by --where
    where        : the condition of --where
    joined       : tone labels from other files; None without
    name         : of the file, for messages
    left_out     : images of the rows excluded by --where
    members      : if each row of `frame` is a template pooled from images, the manifest of these images; else None
    """

    frame: pd.DataFrame
    folder: Path
    labels: tuple[str, ...]
    warnings: tuple[str, ...]
    sha256: str
    has_subjects: bool
    excluded: int = 0
    where: str | None = None
    joined: JoinedLabels | None = None
    name: str = "manifest"
    left_out: frozenset[str] = frozenset()
    members: Manifest | None = None

    @property
    def by_image(self) -> Manifest:
        """Return the manifest with a row per image file."""
        return self if self.members is None else self.members

    @property
    def images(self) -> frozenset[str]:
        """Return every image of the file, including those excluded by --where."""
        return self.left_out.union(self.frame["image"])


@dataclass(frozen=True)
class Reading:
    """How the words of a manifest are read.

    keep_words          : words that mean a missing value (None, n/a, -) are ordinary labels
    merge_spellings     : similar spellings of a label are merged into the commonest
    subjects_as_written : every spelling of a subject is a separate person
    words               : column -> {word in the file: label}, applied first
    """

    keep_words: bool = False
    merge_spellings: bool = False
    subjects_as_written: bool = False
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


AS_USUAL = Reading()


def read_manifest(
    path: Path,
    *,
    allow_outside: bool = False,
    where: str | None = None,
    images_dir: Path | None = None,
    reading: Reading = AS_USUAL,
    most_compared: int | None = None,
) -> Manifest:
    """Read a CSV or parquet table with the column image and any of subject, gender and other labels.

    where         : a condition on the columns, see `select_rows`; other rows are counted but not checked
    allow_outside : accept images outside the folder, absolute paths and symbolic links that lead outside
    images_dir    : folder to which images are relative; None: the manifest's own
    reading       : how its words are read
    most_compared : number of image files to open to find duplicates, see `identical_bytes`; None: all
    Raises        : TableError with file, line, column and remedy
    """
    records = read_records(path)
    _check_columns([str(name) for name in records.frame.columns], path.name)
    whole, said = _with_labels(records, path.name, reading)
    chosen, warnings = _chosen(whole, where, path.name)
    warnings = (*said, *warnings)
    folder = (images_dir or path.parent).resolve()
    resolver = _Resolver(folder, path.name, records.unit, allow_outside)
    chosen["path"], sizes = resolver.resolve_all(chosen)
    _check_repeated(chosen, path.name, records.unit)
    frame = check(chosen, MANIFEST, path.name)
    has_subjects = "subject" in records.frame.columns
    warnings += _several_genders(frame) if has_subjects else ()
    warnings += identical_bytes(frame, folder, sizes, unit=records.unit, has_subjects=has_subjects, most=most_compared)
    return Manifest(
        frame,
        folder,
        tuple(name for name in label_columns(frame, MANIFEST) if name not in membership(frame.columns)),
        warnings,
        records.sha256,
        has_subjects,
        excluded=len(whole) - len(frame),
        where=where,
        name=path.name,
        left_out=frozenset() if where is None else frozenset(whole["image"]).difference(frame["image"]),
    )


def _chosen(whole: pd.DataFrame, where: str | None, file: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the rows that satisfy the condition, at least one, and its warnings."""
    if whole.empty:
        raise TableError(f"{file} line 1: a header and no rows; add one row per image")
    if where is None:
        return whole, ()
    selection = select_rows(whole, where)
    if not selection.rows.any():
        raise TableError(f"{file}: none of {len(whole):,} rows satisfies --where {where}; relax the condition")
    return whole[selection.rows].reset_index(drop=True), selection.warnings


def _several_genders(frame: pd.DataFrame) -> tuple[str, ...]:
    """Warn if a subject has two genders, because their images then count in both groups."""
    if "gender" not in frame.columns:
        return ()
    known = frame[frame["gender"] != UNKNOWN]
    genders = known.groupby("subject")["gender"].nunique()
    torn = int((genders > 1).sum())
    if not torn:
        return ()
    people = "1 subject has" if torn == 1 else f"{torn:,} subjects have"
    return (f"column gender: {people} more than one gender; each image counts under its own label",)


def _check_columns(names: list[str], file: str) -> None:
    """Raise TableError if the column image is missing, or a label column has a reserved name."""
    if "image" not in names:
        close = [name for name in names if name.lower() in ("image", *IMAGE_SYNONYMS)]
        close = close or difflib.get_close_matches("image", names, n=1)
        cure = f"rename {close[0]} to image" if close else f"add it (found: {', '.join(names)})"
        raise TableError(
            f"{file} line 1: no column image; {cure}; `facegap manifest csv` makes a manifest of a table with other names"
        )
    taken = (set(RATES.columns) | set(MANIFEST.columns)) - {"image", "subject"}
    for name in names:
        if name in taken or name.startswith("other_"):
            raise TableError(f"{file} line 1, column {name}: facegap's tables use that name; rename it to my_{name}")
        if _CONTROL.search(name):
            raise TableError(f"{file} line 1, column {name!r}: the name contains a control character; remove it")


def _with_labels(records: Records, file: str, reading: Reading) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the records as a MANIFEST table without paths, with normalised labels, and notes on how they were read.

    Without a subject column, subjects are filled in; a column sex is used as gender if there is no gender.
    """
    cells = records.frame
    unknown = [name for name in reading.words if name not in cells.columns]
    if unknown:
        raise TableError(f"--map {unknown[0]}: {file} has no such column (found: {', '.join(map(str, cells.columns))})")
    frame = pd.DataFrame({"row": np.arange(len(cells)), "line": records.lines, "image": cells["image"], "path": ""})
    frame["subject"] = cells["image"]  # replaced below if a column names the person
    warnings: list[str] = []
    members = membership(cells.columns)
    for name in cells.columns.drop("image"):
        if name in members:
            frame[name] = cells[name].map(tidy).astype("str")
            _refuse(frame, frame[name] == "", name, _NO_MEMBERSHIP[name], file, records.unit)
            continue
        if name == "subject":
            frame[name], said = subject_column(
                cells[name],
                records.lines,
                file,
                records.unit,
                as_written=reading.subjects_as_written,
                keep_words=reading.keep_words,
            )
            _refuse(frame, frame[name] == "", name, _NO_SUBJECT, file, records.unit)
            warnings += said
            continue
        column, said = _labels(str(name), cells[name], reading)
        serves = name == "sex" and "gender" not in cells.columns
        frame["gender" if serves else name] = column
        warnings += said + (
            ["column sex is used as gender because the manifest has no column gender"] if serves else []
        )
    return frame, tuple(warnings)


def membership(names: Iterable[object]) -> frozenset[str]:
    """Return the columns with the template and medium of an image; empty without `template`."""
    given = {str(name) for name in names}
    return frozenset(MEMBERSHIP) & given if TEMPLATE in given else frozenset()


def _labels(name: str, cells: pd.Series, reading: Reading) -> tuple[pd.Series, list[str]]:
    """Normalise one label column, with sentences on corrections, missing values and spellings."""
    # A million cells contain few labels, each processed once.
    counts = {str(word): int(rows) for word, rows in cells.value_counts().items()}
    mapped = reading.words.get(name, {})
    plain = {word: mapped.get(word, tidy(word)) for word in counts}
    labels, warnings = {}, []
    hidden = sum(rows for word, rows in counts.items() if has_invisible(word))
    if hidden:
        warnings.append(f"column {name}: invisible characters were removed from {hidden:,} cells")
    nothing: dict[str, int] = {}
    for word, read in plain.items():
        if not reading.keep_words and read and means_nothing(read, beside=plain.values()):
            nothing[read] = nothing.get(read, 0) + counts[word]
            labels[word] = UNKNOWN
        else:
            labels[word] = normalise_label(name, read)
    if nothing:
        words = ", ".join(f"{word!r} ({rows:,} rows)" for word, rows in nothing.items())
        warnings.append(f"column {name}: {words} read as missing; --keep-words keeps such words as labels")
    elif not reading.keep_words and "NA" in plain.values():
        warnings.append(f"column {name}: 'NA' read as a two-letter code like others in the column, not as missing")
    rows_of: dict[str, int] = {}
    for word, label in labels.items():
        rows_of[label] = rows_of.get(label, 0) + counts[word]
    near = near_spellings({label: rows for label, rows in rows_of.items() if label != UNKNOWN})
    if near and reading.merge_spellings:
        into = merged(near)
        labels = {word: into.get(label, label) for word, label in labels.items()}
        warnings += [f"column {name}: {group} merged as {group.words[0]!r}" for group in near]
    else:
        warnings += [
            f"column {name}: {group} differ only in spelling and count as separate groups; correct the file, or pass "
            f"--merge-spellings"
            for group in near
        ]
    return cells.map(labels).astype("str"), warnings


class _Resolver:
    """Resolves the image cells of one manifest to paths below its folder."""

    def __init__(self, folder: Path, file: str, unit: str, allow_outside: bool) -> None:
        self.root = folder.as_posix()
        self.prefix = self.root.rstrip("/") + "/"
        self.file, self.unit, self.allow_outside = file, unit, allow_outside
        self.folders: dict[str, str] = {}  # resolving a folder is slow, and a manifest names few

    def resolve_all(self, frame: pd.DataFrame) -> tuple[list[str], list[int]]:
        """Return the relative POSIX path and size in bytes of every image; the size is -1 if it is not a regular file."""
        paths, sizes = [], []
        for position, image in enumerate(frame["image"].tolist()):
            if not _PLAIN.fullmatch(image) and (fault := _fault(image, allow_outside=self.allow_outside)):
                raise TableError(f"{self._line(frame, position)}, column image: {fault}")
            target, size = self._target(image)
            relative = self._relative(target)
            if relative is None:
                cure = "move it into the manifest's folder, or pass --allow-outside"
                raise TableError(f"{self._line(frame, position)}, column image: {image!r} lies outside; {cure}")
            paths.append(relative)
            sizes.append(size)
        return paths, sizes

    def _line(self, frame: pd.DataFrame, position: int) -> str:
        """Return the place of a row in the file, for messages."""
        return f"{self.file} {self.unit} {frame['line'].iloc[position]}"

    def _target(self, image: str) -> tuple[str, int]:
        """Return the real path of an image, with symbolic links resolved, and its size."""
        directory, slash, name = image.rpartition("/")
        inside = self.folders.get(directory + slash)
        if inside is None:
            found = _real(posixpath.join(self.root, directory + slash))
            inside = self.folders[directory + slash] = found.rstrip("/") + "/"
        target = inside + name
        try:
            status = os.lstat(target)
            if stat.S_ISREG(status.st_mode):
                return target, status.st_size
            if stat.S_ISLNK(status.st_mode):
                target = _real(target)
                status = os.lstat(target)
        except OSError:
            return target, -1  # missing, too long or forbidden: the outcome of the row will state it
        return target, status.st_size if stat.S_ISREG(status.st_mode) else -1

    def _relative(self, target: str) -> str | None:
        """Return the path relative to the root; None if it leaves the root without permission."""
        if target.startswith(self.prefix):
            return target[len(self.prefix) :]
        return posixpath.relpath(target, self.root) if self.allow_outside else None


def _real(path: str) -> str:
    """Return the POSIX path with all symbolic links resolved; parts that do not exist are unchanged."""
    return Path(os.path.realpath(path)).as_posix()


def _fault(image: str, *, allow_outside: bool) -> str | None:
    """Describe what is wrong with the text of an image cell, with the remedy; None if nothing is."""
    if not image.strip():
        return "empty; name the image file, or remove the row"
    if _CONTROL.search(image):
        return f"{image!r} contains a control character; rename the file"
    if image != image.strip():
        return f"{image!r} begins or ends with white space; remove it"
    if _ADDRESS.match(image):
        return f"{image!r} is a URL; facegap reads files only"
    if "\\" in image:
        return f"{image!r} contains a backslash; separate folders with /"
    if posixpath.basename(image) in ("", ".", ".."):
        return f"{image!r} names a folder; name a file in it"
    if (image.startswith("/") or _DRIVE.match(image)) and not allow_outside:
        return f"{image!r} is absolute; write it relative to the manifest's folder, or pass --allow-outside"
    return None


def _check_repeated(frame: pd.DataFrame, file: str, unit: str) -> None:
    """Raise TableError if two rows refer to the same file, even with different spellings."""
    repeated = frame["path"].duplicated()
    if not repeated.any():
        return
    second = frame[repeated].iloc[0]
    first = frame[frame["path"] == second["path"]].iloc[0]
    spelled = "" if first["image"] == second["image"] else f" (there {first['image']!r})"
    raise TableError(
        f"{file} {unit} {second['line']}, column image: {second['image']!r} is the same file as in {unit} "
        f"{first['line']}{spelled} ({int(repeated.sum())} repeated in all); keep one row per image"
    )


def _refuse(frame: pd.DataFrame, wrong: pd.Series, column: str, what: str, file: str, unit: str) -> None:
    """Raise TableError for the first row where `wrong` is true."""
    if wrong.any():
        line = frame["line"].iloc[int(wrong.to_numpy(dtype=bool).argmax())]
        raise TableError(f"{file} {unit} {line}, column {column}: {what}")
