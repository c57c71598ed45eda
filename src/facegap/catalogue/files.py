"""Find missing and undecodable files of a manifest before any model runs."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from facegap.audit.files import CURE, MOST_UNREADABLE
from facegap.catalogue.faces import GivenFaces
from facegap.derive.groupings import Grouping
from facegap.derive.never_shown import never_shown_sentences
from facegap.inputs.images.decode import Unreadable, quiet_decoders, read_picture
from facegap.inputs.manifests.near_names import missing_file_sentences, missing_files
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.videos.read import is_video
from facegap.inputs.videos.read import why_not as why_no_video
from facegap.runtime import usable_cores
from facegap.types import IntArray

MOST_NAMED = 10  # files named in one paragraph
PER_TASK = 8  # files; more would save little time, and an interrupt waits for them
AT_ONCE = 4096  # files queued for decoding


@dataclass(frozen=True)
class LostFile:
    """A file that could not be passed to a model, by its row in the manifest."""

    position: int
    line: int
    image: str
    outcome: str
    detail: str


@dataclass(frozen=True)
class Files:
    """Result of checking the files of a manifest.

    outcomes  : per row `ok` or one of NEVER_SHOWN
    faces     : per row what is wrong with the given face; empty if nothing is or no face is given
    sentences : how many files were lost, in which groups, and what to do
    stops     : whether an audit would stop because of them
    decoded   : number of files decoded; the others were only checked for existence
    """

    outcomes: tuple[str, ...]
    sentences: tuple[str, ...]
    stops: bool
    faces: tuple[str, ...] = ()
    decoded: int = 0

    def count(self, outcome: str) -> int:
        """Return the number of rows with this outcome."""
        return self.outcomes.count(outcome)


def checked_files(
    manifest: Manifest,
    groupings: Sequence[Grouping],
    given: GivenFaces | None = None,
    *,
    include_ids: bool,
    decode: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Files:
    """Locate every file of a manifest, and decode all of them or a random sample.

    given    : faces to check against each image, if no detector is used
    decode   : number of files to decode, the same files on every call; None decodes all
    progress : called with the number of files decoded so far and the total
    """
    missing = missing_files(manifest.frame, manifest.folder)
    outcomes = np.full(len(manifest.frame), "ok", dtype=object)
    outcomes[[file.position for file in missing]] = "missing_file"
    rows = sampled(np.flatnonzero(outcomes == "ok"), decode)
    lost, faces = faults_of_files(manifest, rows.tolist(), given, progress)
    for one in lost:
        outcomes[one.position] = one.outcome
    ended = tuple(outcomes.tolist())
    there = len(ended) - len(missing)
    if len(rows) == there:
        sentences = [*never_shown_sentences(manifest.frame, ended, groupings)]
    else:  # files that were not decoded are only known to exist
        names_alone = np.where(outcomes == "missing_file", outcomes, "ok").tolist()
        sentences = [*never_shown_sentences(manifest.frame, names_alone, groupings)]
        sentences += never_shown_sentences(manifest.frame.iloc[rows], outcomes[rows].tolist(), groupings)
    if missing:
        sentences += missing_file_sentences(missing, manifest.folder, len(manifest.frame), include_ids=include_ids)
    sentences += undecodable_sentences(lost, include_ids=include_ids)
    if len(rows) < there:
        sentences.append(
            f"{len(rows):,} of {there:,} files were decoded, a random sample; --decode-all decodes every file."
        )
    tried = len(rows) + len(missing)
    stops = bool(missing) or len(lost) > MOST_UNREADABLE * tried
    return Files(ended, (*sentences, f"So {CURE}.") if stops else tuple(sentences), stops, faces, len(rows))


def sampled(rows: IntArray, most: int | None) -> IntArray:
    """Return all rows, or a random sample of `most` of them in ascending order; repeated calls return the same rows."""
    if most is None or len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def faults_of_files(
    manifest: Manifest,
    rows: Sequence[int],
    given: GivenFaces | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[LostFile], tuple[str, ...]]:
    """Return the files of these rows that cannot be read, in manifest order, and per row what is wrong with its face."""
    names, lines, paths = (manifest.frame[column].tolist() for column in ("image", "line", "path"))
    found, faces = [], [""] * len(names)

    def faults_of(task: Sequence[int]) -> list[tuple[Unreadable | None, str]]:
        return [fault_of_file(manifest.folder, str(paths[row]), str(names[row]), given) for row in task]

    with quiet_decoders(), ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(rows), AT_ONCE):
            batch = rows[start : start + AT_ONCE]
            tasks = (batch[first : first + PER_TASK] for first in range(0, len(batch), PER_TASK))
            faults = itertools.chain.from_iterable(pool.map(faults_of, tasks))
            for done, (row, (lost, face)) in enumerate(zip(batch, faults, strict=True), start=start + 1):
                faces[row] = face
                if lost is not None:
                    found.append(LostFile(row, int(lines[row]), str(names[row]), lost.outcome, lost.detail))
                if progress is not None:
                    progress(done, len(rows))
    return found, tuple(faces)


def fault_of_file(folder: Path, path: str, image: str, given: GivenFaces | None) -> tuple[Unreadable | None, str]:
    """Return why a file cannot be read, or what is wrong with its given face. The pixels are discarded at once."""
    if is_video(path):
        return why_no_video(path, root=folder), ""
    picture = read_picture(path, root=folder, colour="as-stored")
    if isinstance(picture, Unreadable):
        return picture, ""
    return None, "" if given is None else given.wrong_with(image, picture.pixels)


def undecodable_sentences(lost: Sequence[LostFile], *, include_ids: bool) -> list[str]:
    """Describe the first lost files by line and reason; files are named only on request."""
    return [
        f"Line {one.line}{f', {one.image!r}' if include_ids else ''}: {one.detail}." for one in lost[:MOST_NAMED]
    ] + ([f"And {len(lost) - MOST_NAMED} more files."] if len(lost) > MOST_NAMED else [])
