"""Whether the files of a manifest are there and can be decoded, found before any model runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat
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

MOST_NAMED = 10  # files in one paragraph


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
    """What became of the files of a manifest.

    outcomes  : per row `ok` or one of NEVER_SHOWN
    faces     : per row what is wrong with its given face, empty where nothing is or none is given
    sentences : how many were lost, of which groups, and what a person can do
    stops     : whether an audit would stop for them
    """

    outcomes: tuple[str, ...]
    sentences: tuple[str, ...]
    stops: bool
    faces: tuple[str, ...] = ()

    def count(self, outcome: str) -> int:
        """Rows that ended so."""
        return self.outcomes.count(outcome)


def checked_files(
    manifest: Manifest,
    groupings: Sequence[Grouping],
    given: GivenFaces | None = None,
    *,
    include_ids: bool,
    progress: Callable[[int, int], None] | None = None,
) -> Files:
    """Look for every file of a manifest and decode it.

    given    : faces that no detector finds, held against each picture
    progress : called with the number of files done and of all
    """
    missing = missing_files(manifest.frame, manifest.folder)
    outcomes = np.full(len(manifest.frame), "ok", dtype=object)
    outcomes[[file.position for file in missing]] = "missing_file"
    lost, faces = looked_at(manifest, np.flatnonzero(outcomes == "ok").tolist(), given, progress)
    for one in lost:
        outcomes[one.position] = one.outcome
    ended = tuple(outcomes.tolist())
    sentences = [*never_shown_sentences(manifest.frame, ended, groupings)]
    if missing:
        sentences += told(missing, include_ids=include_ids)
    sentences += undecodable_sentences(lost, include_ids=include_ids)
    stops = bool(missing) or len(lost) > MOST_UNREADABLE * len(ended)
    return Files(ended, (*sentences, f"So {CURE}.") if stops else tuple(sentences), stops, faces)


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
        shown = pool.map(
            seen,
            repeat(manifest.folder),
            (str(paths[row]) for row in rows),
            (str(names[row]) for row in rows),
            repeat(given),
        )
        for done, (row, (lost, face)) in enumerate(zip(rows, shown, strict=True), start=1):
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
    ] + ([f"And {len(lost) - MOST_NAMED} further files."] if len(lost) > MOST_NAMED else [])
