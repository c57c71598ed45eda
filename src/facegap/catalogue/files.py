"""Whether the files of a manifest are there and can be decoded, found before any model runs."""

from __future__ import annotations

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
from facegap.inputs.manifests.near_names import missing_files, told
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.videos.read import is_video
from facegap.inputs.videos.read import why_not as why_no_video
from facegap.runtime import usable_cores
from facegap.types import IntArray

MOST_NAMED = 10  # files in one paragraph
AT_ONCE = 4096  # files that wait to be decoded


@dataclass(frozen=True)
class LostFile:
    """A file that could not be shown to a model, by its row of the manifest."""

    position: int
    line: int
    image: str
    outcome: str
    detail: str


@dataclass(frozen=True)
class Files:
    """Outcome of the files of a manifest.

    outcomes  : per row `ok` or one of NEVER_SHOWN
    faces     : per row what is wrong with its given face, empty where nothing is or none is given
    sentences : how many were lost, of which groups, and what a person can do
    stops     : whether an audit would stop for them
    decoded   : how many files were decoded; of the others only the name was looked for
    """

    outcomes: tuple[str, ...]
    sentences: tuple[str, ...]
    stops: bool
    faces: tuple[str, ...] = ()
    decoded: int = 0

    def count(self, outcome: str) -> int:
        """Rows that ended so."""
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
    """Look for every file of a manifest, and decode all of them or a random sample.

    given    : faces that no detector finds, held against each picture
    decode   : how many files to decode, the same ones each time; None: all
    progress : called with the number of files done and of all that are decoded
    """
    missing = missing_files(manifest.frame, manifest.folder)
    outcomes = np.full(len(manifest.frame), "ok", dtype=object)
    outcomes[[file.position for file in missing]] = "missing_file"
    rows = sampled(np.flatnonzero(outcomes == "ok"), decode)
    lost, faces = looked_at(manifest, rows.tolist(), given, progress)
    for one in lost:
        outcomes[one.position] = one.outcome
    ended = tuple(outcomes.tolist())
    there = len(ended) - len(missing)
    if len(rows) == there:
        sentences = [*never_shown_sentences(manifest.frame, ended, groupings)]
    else:  # of the files that were not decoded only this is known
        names_alone = np.where(outcomes == "missing_file", outcomes, "ok").tolist()
        sentences = [*never_shown_sentences(manifest.frame, names_alone, groupings)]
        sentences += never_shown_sentences(manifest.frame.iloc[rows], outcomes[rows].tolist(), groupings)
    if missing:
        sentences += told(missing, manifest.folder, len(manifest.frame), include_ids=include_ids)
    sentences += undecodable_sentences(lost, include_ids=include_ids)
    if len(rows) < there:
        sentences.append(
            f"{len(rows):,} of {there:,} files were decoded, a random sample; --decode-all decodes every file."
        )
    tried = len(rows) + len(missing)
    stops = bool(missing) or len(lost) > MOST_UNREADABLE * tried
    return Files(ended, (*sentences, f"So {CURE}.") if stops else tuple(sentences), stops, faces, len(rows))


def sampled(rows: IntArray, most: int | None) -> IntArray:
    """The rows, or as many as `most` of them at random, in their order; the same rows each time."""
    if most is None or len(rows) <= most:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, most, replace=False))


def looked_at(
    manifest: Manifest,
    rows: Sequence[int],
    given: GivenFaces | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[LostFile], tuple[str, ...]]:
    """The files among these rows that give no picture, in the order of the manifest, and per row what is wrong with its face."""
    names, lines, paths = (manifest.frame[column].tolist() for column in ("image", "line", "path"))
    found, faces = [], [""] * len(names)
    with quiet_decoders(), ThreadPoolExecutor(usable_cores()) as pool:
        for start in range(0, len(rows), AT_ONCE):
            batch = rows[start : start + AT_ONCE]
            shown = pool.map(lambda row: seen(manifest.folder, str(paths[row]), str(names[row]), given), batch)
            for done, (row, (lost, face)) in enumerate(zip(batch, shown, strict=True), start=start + 1):
                faces[row] = face
                if lost is not None:
                    found.append(LostFile(row, int(lines[row]), str(names[row]), lost.outcome, lost.detail))
                if progress is not None:
                    progress(done, len(rows))
    return found, tuple(faces)


def seen(folder: Path, path: str, image: str, given: GivenFaces | None) -> tuple[Unreadable | None, str]:
    """Why a file gives no picture, or what is wrong with its given face. The pixels are dropped at once."""
    if is_video(path):
        return why_no_video(path, root=folder), ""
    picture = read_picture(path, root=folder, colour="as-stored")
    if isinstance(picture, Unreadable):
        return picture, ""
    return None, "" if given is None else given.wrong_with(image, picture.pixels)


def undecodable_sentences(lost: Sequence[LostFile], *, include_ids: bool) -> list[str]:
    """The first of them by line with the reason; the names only where they are asked for."""
    return [
        f"Line {one.line}{f', {one.image!r}' if include_ids else ''}: {one.detail}." for one in lost[:MOST_NAMED]
    ] + ([f"And {len(lost) - MOST_NAMED} more files."] if len(lost) > MOST_NAMED else [])
