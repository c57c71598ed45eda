"""The list of portraits that an audit starts from, checked in full before any model runs."""

from __future__ import annotations

import difflib
import os
import posixpath
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.images.duplicates import identical_bytes
from facegap.inputs.manifests.labels import normalise_label
from facegap.inputs.manifests.where import select_rows
from facegap.inputs.records import Records, read_records
from facegap.tables import MANIFEST, RATES, check, label_columns

IMAGE_SYNONYMS = ("file", "path", "filename", "file_name", "filepath", "file_path", "image_path", "img", "photo")
_NO_SUBJECT = "empty; name the person, or leave the column out so that every image counts as a person of its own"
_NOBODY = ("unknown", "none", "nan", "na", "n/a", "null", "-", "?")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_PLAIN = re.compile(r"(?:\w[\w.\- ]*/)*\w[\w.\- ]*\w")  # nearly every image cell; nothing in it can be wrong
_ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+://")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


@dataclass(frozen=True, eq=False)
class JoinedLabels:
    """Labels of tone that were joined to a manifest from files beside it.

    probabilities : LABELS, how sure they are
    record        : what run.json says of them: the files' sha256, draws and seed, and of each column its source, how many
                    rows have which label, and why others have none
    """

    probabilities: pd.DataFrame
    record: Mapping[str, Any]


@dataclass(frozen=True)
class Manifest:
    """A checked list of portraits.

    frame        : a MANIFEST table; gender normalised, empty labels `unknown`; `row` is the position in the whole file
    folder       : the folder that `path` starts from; folder / path is the file, which need not exist
    labels       : the label columns in the order of the file
    warnings     : what a person should look at, though the audit can go on
    sha256       : of the manifest file
    has_subjects : whether people are named; without, every image counts as a person of its own
    excluded     : rows that --where left out
    where        : the condition they were chosen by
    joined       : labels of tone that came from other files; None without
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


def read_manifest(
    path: Path, *, allow_outside: bool = False, where: str | None = None, images_dir: Path | None = None
) -> Manifest:
    """Read a CSV or parquet table with the column image and any of subject, gender and other labels.

    where         : a condition on the columns, see `select_rows`; rows that fail it are counted and left unchecked
    allow_outside : accept images outside the folder, absolute paths and symbolic links that leave it
    images_dir    : folder that images are relative to; None: the manifest's own
    Raises        : TableError with file, line, column and cure
    """
    records = read_records(path)
    _check_columns([str(name) for name in records.frame.columns], path.name)
    whole = _with_labels(records, path.name)
    chosen, warnings = _chosen(whole, where, path.name)
    folder = (images_dir or path.parent).resolve()
    resolver = _Resolver(folder, path.name, records.unit, allow_outside)
    chosen["path"], sizes = resolver.resolve_all(chosen)
    _check_repeated(chosen, path.name, records.unit)
    frame = check(chosen, MANIFEST, path.name)
    has_subjects = "subject" in records.frame.columns
    warnings += _one_unknown_person(frame) if has_subjects else ()
    warnings += identical_bytes(frame, folder, sizes, unit=records.unit, has_subjects=has_subjects)
    excluded = len(whole) - len(frame)
    return Manifest(
        frame, folder, label_columns(frame, MANIFEST), warnings, records.sha256, has_subjects, excluded, where
    )


def _chosen(whole: pd.DataFrame, where: str | None, file: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The rows that the condition leaves, at least one, and its warnings."""
    if whole.empty:
        raise TableError(f"{file} line 1: a header and no rows; add one row per image")
    if where is None:
        return whole, ()
    selection = select_rows(whole, where)
    if not selection.rows.any():
        raise TableError(f"{file}: none of {len(whole):,} rows satisfies --where {where}; widen the condition")
    return whole[selection.rows].reset_index(drop=True), selection.warnings


def _one_unknown_person(frame: pd.DataFrame) -> tuple[str, ...]:
    """A warning where a word for nobody in particular stands as the subject of several images."""
    counts = frame["subject"][frame["subject"].str.lower().isin(_NOBODY)].value_counts()
    return tuple(
        f"column subject: {count} images of {name!r} count as one person; give each unnamed person a name of their own"
        for name, count in counts.items()
        if count > 1
    )


def _check_columns(names: list[str], file: str) -> None:
    """Raise TableError where image is missing, or where a label column has the name of a column of facegap's own."""
    if "image" not in names:
        close = [name for name in names if name.lower() in ("image", *IMAGE_SYNONYMS)]
        close = close or difflib.get_close_matches("image", names, n=1)
        cure = f"rename {close[0]} to image" if close else f"add it (found: {', '.join(names)})"
        raise TableError(f"{file} line 1: no column image; {cure}")
    taken = (set(RATES.columns) | set(MANIFEST.columns)) - {"image", "subject"}
    for name in names:
        if name in taken or name.startswith("other_"):
            raise TableError(f"{file} line 1, column {name}: facegap's tables use that name; rename it to my_{name}")
        if _CONTROL.search(name):
            raise TableError(f"{file} line 1, column {name!r}: a control character in the name; remove it")


def _with_labels(records: Records, file: str) -> pd.DataFrame:
    """The records as a MANIFEST table without paths: labels normalised, subjects filled in where there is no column."""
    cells = records.frame
    frame = pd.DataFrame({"row": np.arange(len(cells)), "line": records.lines, "image": cells["image"], "path": ""})
    frame["subject"] = cells["image"]  # unless a column names the person
    for name in cells.columns.drop("image"):
        if name == "subject":
            frame[name] = cells[name].str.strip()
            _refuse(frame, frame[name] == "", name, _NO_SUBJECT, file, records.unit)
        else:
            # A million cells hold few labels: each is normalised once.
            normal = {value: normalise_label(name, value) for value in cells[name].unique()}
            frame[name] = cells[name].map(normal).astype("str")
        _refuse(frame, frame[name].str.contains(_CONTROL), name, "a control character; remove it", file, records.unit)
    return frame


class _Resolver:
    """Turns the image cells of one manifest into paths below its folder."""

    def __init__(self, folder: Path, file: str, unit: str, allow_outside: bool) -> None:
        self.root = folder.as_posix()
        self.file, self.unit, self.allow_outside = file, unit, allow_outside
        self.folders: dict[str, str] = {}  # resolving a folder is slow and a manifest names few

    def resolve_all(self, frame: pd.DataFrame) -> tuple[list[str], list[int]]:
        """Relative posix path and size in bytes of every image; size -1 where there is no regular file."""
        paths, sizes = [], []
        for image, line in zip(frame["image"], frame["line"], strict=True):
            fault = _fault(image, allow_outside=self.allow_outside)
            if fault:
                raise TableError(f"{self.file} {self.unit} {line}, column image: {fault}")
            target, size = self._target(image)
            relative = self._relative(target)
            if relative is None:
                cure = "move it into the manifest's folder, or pass --allow-outside"
                raise TableError(f"{self.file} {self.unit} {line}, column image: {image!r} lies outside; {cure}")
            paths.append(relative)
            sizes.append(size)
        return paths, sizes

    def _target(self, image: str) -> tuple[str, int]:
        """The real path of an image, symbolic links followed, and its size."""
        directory, name = posixpath.split(image)
        if directory not in self.folders:
            self.folders[directory] = _real(posixpath.join(self.root, directory))
        target = posixpath.join(self.folders[directory], name)
        try:
            status = os.lstat(target)
            if stat.S_ISLNK(status.st_mode):
                target = _real(target)
                status = os.lstat(target)
        except OSError:
            return target, -1  # missing, too long or forbidden: the row's outcome will say so
        return target, status.st_size if stat.S_ISREG(status.st_mode) else -1

    def _relative(self, target: str) -> str | None:
        """The path from the root; None where it leaves the root and may not."""
        prefix = self.root.rstrip("/") + "/"
        if target.startswith(prefix):
            return target[len(prefix) :]
        return posixpath.relpath(target, self.root) if self.allow_outside else None


def _real(path: str) -> str:
    """The path with all symbolic links followed, posix; a part that does not exist stays as it is written."""
    return Path(os.path.realpath(path)).as_posix()


def _fault(image: str, *, allow_outside: bool) -> str | None:
    """What is wrong with the text of an image cell, with the cure; None where nothing is."""
    if _PLAIN.fullmatch(image):
        return None
    if not image.strip():
        return "empty; name the image file, or remove the row"
    if _CONTROL.search(image):
        return f"{image!r} has a control character; rename the file"
    if image != image.strip():
        return f"{image!r} begins or ends with white space; remove it"
    if _ADDRESS.match(image):
        return f"{image!r} is an address; facegap reads files only"
    if "\\" in image:
        return f"{image!r} has a backslash; write / between folders"
    if posixpath.basename(image) in ("", ".", ".."):
        return f"{image!r} names a folder; name a file in it"
    if (image.startswith("/") or _DRIVE.match(image)) and not allow_outside:
        return f"{image!r} is absolute; write it relative to the manifest's folder, or pass --allow-outside"
    return None


def _check_repeated(frame: pd.DataFrame, file: str, unit: str) -> None:
    """Raise TableError where two rows lead to one file, be they spelled alike or not."""
    repeated = frame["path"].duplicated()
    if not repeated.any():
        return
    second = frame[repeated].iloc[0]
    first = frame[frame["path"] == second["path"]].iloc[0]
    spelled = "" if first["image"] == second["image"] else f" (there {first['image']!r})"
    raise TableError(
        f"{file} {unit} {second['line']}, column image: {second['image']!r} is the file of {unit} {first['line']}"
        f"{spelled} again ({int(repeated.sum())} repeated in all); keep one row per image"
    )


def _refuse(frame: pd.DataFrame, wrong: pd.Series, column: str, what: str, file: str, unit: str) -> None:
    """Raise TableError that names the first row where `wrong` is true."""
    if wrong.any():
        line = frame["line"].iloc[int(wrong.to_numpy(dtype=bool).argmax())]
        raise TableError(f"{file} {unit} {line}, column {column}: {what}")
