"""Read the quality of each image from a file: a table with the column image and a column of numbers, or the CSV of OFIQ.

OFIQ is the reference implementation of ISO/IEC 29794-5. Its scalar columns are read (0..100, higher is better); -1 means that the
measure failed and is not a quality. Its CSV is separated by semicolons, and names images by the paths that it was given.
"""

from __future__ import annotations

import difflib
import math
import posixpath
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from facegap.errors import TableError
from facegap.inputs.point_layouts import number_of
from facegap.inputs.points import same_image
from facegap.inputs.records import Records, read_records
from facegap.inputs.spelling import LARGEST
from facegap.store.opened import opened
from facegap.types import BoolArray, FloatArray

IMAGE_OF_OFIQ, SCALAR, UNIFIED = "Filename", ".scalar", "UnifiedQualityScore"
FAILED, BEST = -1.0, 100.0  # of a scalar
QUALITY = "quality"  # the column that is read if there are several
HEAD_BYTES = 64 * 1024
MOST_NAMED = 12  # columns in a message
MOST_LETTERS = 60  # of a cell shown in a message


@dataclass(frozen=True, eq=False)
class GivenQualities:
    """The qualities in a file.

    name, sha256 : of the file; unit: what `lines` counts, line or record
    layout : table, OFIQ, or an enrolment log of NIST's driver
    column : column that was read
    images : as written in the file, see `same_image`, without duplicates
    values : float64 (images,), higher is better; NaN if missing
    """

    name: str
    sha256: str
    unit: str
    layout: Literal["table", "OFIQ", "FRTE enrolment log"]
    column: str
    images: Sequence[str]
    lines: Sequence[int]
    values: FloatArray


@dataclass(frozen=True, eq=False)
class MatchedQualities:
    """The qualities of the images of a manifest.

    values   : float64 (rows of the manifest,), NaN if missing
    has_row  : whether the file has a row for the image, bool (rows,)
    unused   : number of rows of the file that match no image of the manifest
    by_name  : whether images were matched by file name only, because no path in the file is in the manifest
    """

    given: GivenQualities
    values: FloatArray
    has_row: BoolArray
    unused: int
    by_name: bool


def read_qualities(path: Path, column: str | None = None) -> GivenQualities:
    """Read and check the quality of each image in a file.

    column : column of the file; None: the only one other than image, or `quality`; for OFIQ, UnifiedQualityScore. A measure of
             OFIQ is given with or without `.scalar`; the scalar is read

    Raises
    ------
    TableError : If the column is missing or ambiguous, a cell is not a finite number, a scalar of OFIQ is neither from 0 to
                 100 nor -1, or an image is empty or duplicate; with file, line, column and remedy. See `read_records`.
    """
    records = read_records(path, separator=";" if is_ofiq(path) else ",")
    names = [str(name) for name in records.frame.columns]
    ofiq = IMAGE_OF_OFIQ in names and any(name.endswith(SCALAR) for name in names)
    image = IMAGE_OF_OFIQ if ofiq else "image"
    head = f"{path.name} line 1" if records.unit == "line" else path.name
    if image not in names:
        raise TableError(
            f"{head}: column image is missing; add it, with the names of the manifest (found: {listed(names)})"
        )
    read = ofiq_column(names, column, head) if ofiq else table_column(names, column, head)
    if records.frame.empty:
        raise TableError(f"{head}: a header and no rows; add one row per image")
    images = images_of(records, image, path.name, windows=ofiq)
    values = values_of(records, read, path.name)
    layout: Literal["table", "OFIQ"] = "OFIQ" if ofiq else "table"
    return GivenQualities(path.name, records.sha256, records.unit, layout, read, images, records.lines, values)


def is_ofiq(path: Path) -> bool:
    """Return whether the first line is a header of OFIQ: `Filename` and further names, separated by semicolons."""
    try:
        with opened(path) as file:
            head = file.read(HEAD_BYTES).removeprefix(b"\xef\xbb\xbf")
    except (OSError, ValueError):
        return False  # read_records reports the error
    return head.startswith(f"{IMAGE_OF_OFIQ};".encode())


# ---- columns ----


def ofiq_column(names: Sequence[str], asked: str | None, head: str) -> str:
    """Return the scalar column of a measure."""
    measure = (UNIFIED if asked is None else asked).removesuffix(SCALAR)
    if measure + SCALAR in names:
        return measure + SCALAR
    known = [name.removesuffix(SCALAR) for name in names if name.endswith(SCALAR)]
    raise TableError(f"{head}: no column {measure}{SCALAR}; {near(measure, known)}")


def table_column(names: Sequence[str], asked: str | None, head: str) -> str:
    """Return the quality column."""
    known = [name for name in names if name != "image"]
    if asked is not None:
        if asked in known:
            return asked
        raise TableError(f"{head}: no column {asked}; {near(asked, known)}")
    if not known:
        raise TableError(f"{head}: no column beside image; add one with a number per image, higher is better")
    if len(known) > 1 and QUALITY not in known:
        raise TableError(
            f"{head}: several columns ({listed(known)}); choose the one with the quality by --quality-column"
        )
    return known[0] if len(known) == 1 else QUALITY


def near(asked: str, known: Sequence[str]) -> str:
    """Suggest a column."""
    close = difflib.get_close_matches(asked, known, n=1)
    return f"did you mean {close[0]}?" if close else f"--quality-column is one of {listed(known)}"


def listed(names: Sequence[str]) -> str:
    """List names separated by commas, up to MOST_NAMED."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


# ---- rows ----


def images_of(records: Records, column: str, name: str, *, windows: bool) -> list[str]:
    """Return the images of the rows, which must be distinct. windows : paths may contain backslashes as separators"""
    first: dict[str, int] = {}
    for cell, line in zip(records.frame[column].tolist(), records.lines, strict=True):
        place = f"{name} {records.unit} {line}, column {column}"
        if not cell.strip():
            raise TableError(f"{place}: empty; name the image as the manifest does, or remove the row")
        image = same_image(cell.replace("\\", "/") if windows else cell)
        if image in first:
            raise TableError(f"{place}: {cell!r} repeats {records.unit} {first[image]}; keep one row per image")
        first[image] = line
    return list(first)


def values_of(records: Records, column: str, name: str) -> FloatArray:
    """Return the numbers of a column; NaN if a cell is empty or a measure of OFIQ failed."""
    scalar = column.endswith(SCALAR)
    values = np.full(len(records.frame), np.nan)
    for k, cell in enumerate(records.frame[column].tolist()):
        if not (text := cell.strip()):
            continue
        number = math.nan if "_" in text else number_of(text)
        if not abs(number) <= LARGEST:
            fault = f"not a finite number, or larger than {LARGEST:g}; correct it, or empty the cell"
        elif scalar and number != FAILED and not 0 <= number <= BEST:
            fault = "not an OFIQ scalar, which is from 0 to 100, or -1 if the measure failed"
        else:
            values[k] = math.nan if scalar and number == FAILED else number
            continue
        raise TableError(
            f"{name} {records.unit} {records.lines[k]}, column {column}: {text[:MOST_LETTERS]!r} is {fault}"
        )
    return values


# ---- images of a manifest ----


def match_qualities(
    given: GivenQualities, images: Sequence[str], manifest: str, left_out: Collection[str] = ()
) -> MatchedQualities:
    """Match the qualities to the images of a manifest.

    An image is matched by its path in the manifest, or by a longer path that ends in it. If no path in the file is in the
    manifest, images are matched by file name only.

    images   : images of the manifest, without duplicates; left_out : further images of the manifest that rows may match
    manifest : its name, for messages

    Raises
    ------
    TableError : If several rows may match one image, or one row several images; if no row matches any image, or no image
                 has a quality.
    """
    wanted = [same_image(image) for image in images]
    everyone = list(dict.fromkeys([*wanted, *map(same_image, left_out)]))
    found = by_path(given, everyone, set(wanted))
    if by_name := not found:
        found = by_file_name(given, everyone, set(wanted))
    rows = np.array([found.get(image, -1) for image in wanted], np.int64)
    has_row: BoolArray = np.asarray(rows >= 0)
    if not has_row.any():
        raise TableError(
            f"{given.name}: contains no quality for any image of {manifest}; use the names of the manifest, such as "
            f"{images[0]!r}, not {given.images[0]!r}"
        )
    values = np.where(has_row, given.values[rows], np.nan)
    if not np.isfinite(values).any():
        raise TableError(
            f"{given.name}, column {given.column}: no number for any image of {manifest}; choose another column"
        )
    return MatchedQualities(given, values, has_row, len(given.images) - len(set(found.values())), by_name)


def by_path(given: GivenQualities, images: Sequence[str], wanted: Collection[str]) -> dict[str, int]:
    """Match images to rows whose path equals or ends in that of the image. Longer image paths are matched first."""
    exact = {image: row for row, image in enumerate(given.images)}
    found = {image: exact[image] for image in images if image in exact}
    rest = [image for image in images if image not in found]
    taken = set(found.values())  # rows that match, or may match, an image
    for depth in sorted({parts_of(image) for image in rest}, reverse=True):
        ends: dict[str, list[int]] = {}
        for row, path in enumerate(given.images):
            if row not in taken and parts_of(path) > depth:
                ends.setdefault("/".join(path.split("/")[-depth:]), []).append(row)
        for image in rest:
            if parts_of(image) == depth and image in ends:
                if len(ends[image]) > 1 and image in wanted:
                    raise several_rows(given, image, ends[image])
                found[image] = ends[image][0]
                taken.update(ends[image])
    return found


def by_file_name(given: GivenQualities, images: Sequence[str], wanted: Collection[str]) -> dict[str, int]:
    """Match images to rows by file name."""
    rows, named = under_file_names(given.images), under_file_names(images)
    found = {}
    for place, image in enumerate(images):
        name = posixpath.basename(image)
        if image not in wanted or name not in rows:
            continue
        if len(rows[name]) > 1:
            raise several_rows(given, image, rows[name])
        if len(named[name]) > 1:
            other = images[next(k for k in named[name] if k != place)]
            raise TableError(
                f"{given.name} {given.unit} {given.lines[rows[name][0]]}: {given.images[rows[name][0]]!r} may be {image!r} or "
                f"{other!r} of the manifest; write paths that end like those of the manifest"
            )
        found[image] = rows[name][0]
    return found


def under_file_names(paths: Sequence[str]) -> Mapping[str, list[int]]:
    """Return the positions of paths by file name."""
    found: dict[str, list[int]] = {}
    for place, path in enumerate(paths):
        found.setdefault(posixpath.basename(path), []).append(place)
    return found


def several_rows(given: GivenQualities, image: str, rows: Sequence[int]) -> TableError:
    """Return the error for rows with different paths that may match one image."""
    first, second = rows[:2]
    return TableError(
        f"{given.name} {given.unit} {given.lines[second]}: {given.images[second]!r} may be {image!r} of the manifest, and so may "
        f"{given.images[first]!r} of {given.unit} {given.lines[first]}; write paths as the manifest does, or keep one row per image"
    )


def parts_of(path: str) -> int:
    """Return the number of parts of a path."""
    return path.count("/") + 1
