"""Read enrolment logs of NIST's drivers: the image of each template, failed templates, and their quality.

A match log names only templates; its enrolment logs link them to images, and a manifest links these to people.
"""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BufferedReader
from pathlib import Path

import numpy as np

from facegap.errors import TableError
from facegap.inputs.points import same_image
from facegap.inputs.scores.read import ScoreList
from facegap.inputs.scores.rows import FaultError, return_code
from facegap.store.opened import NotRegularError, opened
from facegap.store.room import require_room
from facegap.types import BoolArray, FloatArray, IntArray

NEEDED = ("id", "image", "templateSizeBytes", "returnCode")
EYES = ("isLeftEyeAssigned", "isRightEyeAssigned", "xleft", "yleft", "xright", "yright")
QUALITY = "quality"
KNOWN = (*NEEDED, *EYES, QUALITY)
ENDINGS = (".template", ".templ", ".enroll", ".enrol", ".verif")  # of template names in match logs, after the id
MOST_LETTERS = 4096  # in a cell
COPIES = 12  # of the file's bytes, as Python objects


@dataclass(frozen=True, eq=False)
class Enrolments:
    """The templates in enrolment logs, in order.

    images  : image of each template; ids: its name; both as in the logs
    failed  : bool (templates,), the driver returned a code other than 0, or an empty template
    codes   : int64 (templates,), return codes
    quality : float64 (templates,), higher is better; NaN if the log has none, or -1
    names, sha256 : of the files
    """

    ids: tuple[str, ...]
    images: tuple[str, ...]
    failed: BoolArray
    codes: IntArray
    quality: FloatArray
    names: tuple[str, ...]
    sha256: tuple[str, ...]

    @property
    def has_quality(self) -> bool:
        """Return whether any template has a quality."""
        return bool(np.isfinite(self.quality).any())


@dataclass(frozen=True)
class _Line:
    """One line of a log."""

    id: str
    image: str
    size: int
    code: int
    quality: float


def read_enrolments(paths: Sequence[Path]) -> Enrolments:
    """Read the templates in enrolment logs: separated by spaces, with a header, columns in any order.

    Required columns: id, image, templateSizeBytes, returnCode; optional: quality and the six eye columns.

    Raises
    ------
    TableError : no such file, a column that is missing, unknown or twice, a line with another number of cells, a return code or size
                 that is none, a quality that is no number, an id that stands in two lines; with file, line, column and cure
    """
    seen: dict[str, str] = {}
    lines: list[_Line] = []
    hashes: list[str] = []
    for path in paths:
        for where, line in _log(path, hashes):
            if line.id in seen:
                raise TableError(
                    f"{where}, column id: {line.id[:60]!r} repeats {seen[line.id]}; each template must have one line"
                )
            seen[line.id] = where
            lines.append(line)
    return Enrolments(
        tuple(line.id for line in lines),
        tuple(line.image for line in lines),
        np.array([line.code != 0 or line.size == 0 for line in lines], np.bool_),
        np.array([line.code for line in lines], np.int64),
        np.array([line.quality for line in lines], np.float64),
        tuple(path.name for path in paths),
        tuple(hashes),
    )


def _log(path: Path, hashes: list[str]) -> Iterator[tuple[str, _Line]]:
    """Yield location and content of each line of one log; adds its hash at the end."""
    try:
        with opened(path) as file:
            size = os.fstat(file.fileno()).st_size
            require_room(
                COPIES * size,
                f"{path.name}: {size:,} bytes of enrolments",
                TableError,
                "use a machine with more memory",
            )
            yield from _lines(file, path.name)
            file.seek(0)
            hashes.append(hashlib.file_digest(file, "sha256").hexdigest())
    except NotRegularError:
        raise TableError(f"{path} is not a regular file; give the path of an enrolment log") from None
    except (OSError, ValueError) as error:
        said = getattr(error, "strerror", None) or error
        raise TableError(f"{path}: {said}; give the path of a readable enrolment log") from error


def _lines(raw: BufferedReader, name: str) -> Iterator[tuple[str, _Line]]:
    """Yield location and content of the non-blank lines below the header."""
    file = io.TextIOWrapper(raw, encoding="utf-8-sig", errors="surrogateescape", newline="")
    columns: list[str] = []
    found = False
    try:
        for number, text in enumerate(file, start=1):
            cells = text.split()
            where = f"{name} line {number}"
            if not cells:
                continue
            if not columns:
                columns = _header(cells, where)
                continue
            found = True
            yield where, _line(cells, columns, where)
    finally:
        file.detach()  # or it would close the caller's file
    if not found:
        raise TableError(
            f"{name} line 1: no templates; an enrolment log has the header {' '.join(KNOWN)} and a line per template"
        )


def _header(cells: list[str], where: str) -> list[str]:
    """Return the columns of a log."""
    missing = [name for name in NEEDED if name not in cells]
    if missing:
        raise TableError(
            f"{where}: no column {missing[0]}; an enrolment log has the header {' '.join(KNOWN)} (the eyes and "
            f"quality may be absent), separated by spaces (found: {' '.join(cells)[:200]!a})"
        )
    for name in cells:
        if name not in KNOWN or cells.count(name) > 1:
            raise TableError(f"{where}, column {name[:60]!a}: unknown in an enrolment log, or repeated; remove it")
    return cells


def _line(cells: list[str], columns: list[str], where: str) -> _Line:
    """Parse one line by its columns."""
    if len(cells) != len(columns):
        raise TableError(
            f"{where}: {len(cells)} cells where {len(columns)} are needed ({' '.join(columns)}); names cannot "
            f"contain spaces. Correct the line"
        )
    of: Mapping[str, str] = dict(zip(columns, cells, strict=True))
    for name in ("id", "image"):
        if len(of[name]) > MOST_LETTERS or any("\udc80" <= letter <= "\udcff" for letter in of[name]):
            raise TableError(f"{where}, column {name}: longer than {MOST_LETTERS} characters, or not UTF-8; correct it")
    size = of["templateSizeBytes"]
    if not (size.isascii() and size.isdigit() and len(size) <= 15):
        raise TableError(
            f"{where}, column templateSizeBytes: {size[:60]!a} is not a number of bytes; write 0 for a template that failed"
        )
    try:
        code = return_code(of["returnCode"], "returnCode")
    except FaultError as fault:
        column, what = fault.args
        raise TableError(f"{where}, column {column}: {what}") from None
    return _Line(of["id"], of["image"], int(size), code, _quality(of.get(QUALITY, "-1"), where))


def _quality(text: str, where: str) -> float:
    """Parse a quality; NaN for -1, which means none."""
    try:
        value = float(text.replace("_", "?"))
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise TableError(f"{where}, column quality: {text[:60]!a} is not a finite number; write -1 if there is none")
    return math.nan if value == -1 else value


# ---- match logs with enrolment logs ----


@dataclass(frozen=True, eq=False)
class Enrolled:
    """A match log in which templates are replaced by their images.

    listed          : comparisons of images; without a score if a template failed
    failed_images   : images without a successful template
    enrolled_images : images with a line in the logs, in order
    quality         : of these, float64; the highest of their templates
    by_template     : comparisons with a score in the match log although a template failed in the enrolment log
    log_names, log_sha256 : of the logs; for several, the hash of their hashes
    """

    listed: ScoreList
    failed_images: frozenset[str]
    enrolled_images: tuple[str, ...]
    quality: FloatArray
    by_template: int
    log_names: str
    log_sha256: str


def by_images(listed: ScoreList, logs: Enrolments, name: str) -> Enrolled:
    """Return the comparisons of a match log by the images of its templates.

    A template is matched by its id, or by its name without endings such as .enroll and .template.

    Raises
    ------
    TableError : If a template has no line in the logs, or two templates of one image are compared.
    """
    place = {template: k for k, template in enumerate(logs.ids)}
    rows = np.array([_found(template, place) for template in listed.names], np.int64)
    missing = np.flatnonzero(rows < 0)
    if len(missing):
        raise TableError(
            f"{name}: {listed.names[missing[0]][:200]!r} has no line in {' and '.join(logs.names)} ({len(missing):,} such templates); "
            "give all enrolment logs with --enrolment-log"
        )
    images = [same_image(logs.images[row]) for row in rows]
    order = sorted(set(images))
    code = {image: k for k, image in enumerate(order)}
    of_name = np.array([code[image] for image in images], np.int64)
    left, right = of_name[listed.left], of_name[listed.right]
    itself = np.flatnonzero(left == right)
    if len(itself):
        raise TableError(
            f"{name}: row {int(itself[0]) + 1} of the scores compares two templates of {order[left[itself[0]]]!r} "
            f"({len(itself):,} such rows); comparing an image with itself says nothing about people, so remove these "
            f"rows"
        )
    failed = logs.failed[rows]
    lost = failed[listed.left] | failed[listed.right]
    scores = np.where(lost, np.nan, listed.scores)
    every = dict.fromkeys(map(same_image, logs.images))
    made = {same_image(image) for image, fault in zip(logs.images, logs.failed, strict=True) if not fault}
    best: dict[str, float] = {}
    for image, value in zip(map(same_image, logs.images), logs.quality, strict=True):
        if math.isfinite(value):
            best[image] = max(float(value), best.get(image, -math.inf))
    return Enrolled(
        replace(listed, left=left, right=right, names=tuple(order), scores=scores),
        frozenset(image for image in every if image not in made),
        tuple(every),
        np.array([best.get(image, math.nan) for image in every], np.float64),
        int((lost & np.isfinite(listed.scores)).sum()),
        " and ".join(logs.names),
        logs.sha256[0] if len(logs.sha256) == 1 else hashlib.sha256("".join(logs.sha256).encode()).hexdigest(),
    )


def _found(template: str, place: Mapping[str, int]) -> int:
    """Return the line of a template; -1 for none."""
    name = template
    while name not in place:
        shorter = next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)
        if shorter in (name, ""):
            return -1
        name = shorter
    return place[name]
