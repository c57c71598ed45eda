"""Image files that are not there, and files beside them whose names are nearly the same.

File names are opened byte for byte as the manifest writes them; what is found here is only ever proposed. A name is near
if it differs by upper and lower case, Unicode form (é as one sign or as two), blanks, percent-encoding, backslashes, or the
suffix.
"""

from __future__ import annotations

import os
import shlex
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

import pandas as pd

MOST_LISTED = 200_000  # entries of a folder that are looked through
MOST_PROPOSED = 5  # rows named in a message
LISTED_FROM = 64  # rows of one folder
MOST_LOOKED_UP = 5_000  # missing files for which near names are looked for
MOST_FOLDERS = 1_000  # folders beside the manifest in which missing files are looked for
MOST_SOUGHT = 20  # missing files that are looked for there


@dataclass(frozen=True)
class MissingFile:
    """A row whose file does not exist.

    position : of the row in the manifest's frame
    line     : of the manifest
    near     : a path that is there and nearly the same, relative to the manifest's folder; empty for none
    how      : in what it differs, in words; empty for none
    """

    position: int
    line: int
    image: str
    near: str = ""
    how: str = ""


def missing_files(frame: pd.DataFrame, folder: Path) -> list[MissingFile]:
    """The rows of a manifest whose files are not there, with near names.

    frame  : MANIFEST
    folder : that its paths are relative to
    """
    indexed = lru_cache(maxsize=1024)(index_of)
    found: list[MissingFile] = []
    paths, images, lines = (frame[column].tolist() for column in ("path", "image", "line"))
    for position in unlisted(paths, os.fspath(folder)):
        path = str(paths[position])
        if not exists(os.path.join(folder, path)):  # noqa: PTH118  (a million paths)
            near, how = near_name(path, folder, indexed) if len(found) < MOST_LOOKED_UP else ("", "")
            found.append(MissingFile(position, int(lines[position]), str(images[position]), near, how))
    return found


def unlisted(paths: Sequence[str], root: str) -> list[int]:
    """Positions of paths that no listing of their folder shows: files that are missing, and those of folders with few rows.

    A listing is many times faster than a look at each name, and a manifest of a million rows names whole folders.
    """
    rows_of: dict[str, list[int]] = {}
    for position, path in enumerate(paths):
        rows_of.setdefault(path.rpartition("/")[0], []).append(position)
    left: list[int] = []
    for inside, rows in rows_of.items():
        listed = set(entries_of(Path(root, inside))) if len(rows) >= LISTED_FROM else set[str]()
        left += [position for position in rows if paths[position].rpartition("/")[2] not in listed]
    return sorted(left)


def exists(path: str | Path) -> bool:
    """Whether something has this name; what it is, and whether it may be read, is found out when it is opened."""
    try:
        return os.path.lexists(path)
    except ValueError:  # a name with a zero byte
        return False


def entries_of(folder: Path) -> tuple[str, ...]:
    """Names in a folder; none where it cannot be listed, and the first MOST_LISTED of a huge one."""
    names = []
    try:
        with os.scandir(folder) as found:
            for entry in found:
                names.append(entry.name)
                if len(names) >= MOST_LISTED:
                    break
    except (OSError, ValueError):
        return ()
    return tuple(names)


SAME: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("Unicode form", lambda name: unicodedata.normalize("NFC", name)),
    ("upper and lower case", lambda name: unicodedata.normalize("NFC", name).casefold()),
    ("blanks", lambda name: "".join(unicodedata.normalize("NFC", name).casefold().split())),
    ("percent-encoding", lambda name: "".join(unicodedata.normalize("NFC", unquote(name)).casefold().split())),
)


@dataclass(frozen=True)
class Index:
    """The names in a folder by each way of being nearly the same, and by their stems."""

    same: tuple[dict[str, list[str]], ...]
    stems: dict[str, list[str]]


def index_of(folder: Path) -> Index:
    """The names in a folder, ready to be asked for near ones."""
    names = entries_of(folder)
    loosest = SAME[-1][1]
    return Index(tuple(grouped(names, key) for _, key in SAME), grouped(names, lambda name: stem_of(loosest(name))))


def grouped(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    """The names under what `key` makes of each."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return found


def near_name(path: str, folder: Path, indexed: Callable[[Path], Index]) -> tuple[str, str]:
    """A path that is there and nearly `path`, and in what it differs; two empty texts where there is none.

    Each part is looked for in the folder that the parts before it led to, so that a folder may differ as well.
    """
    parts = PurePosixPath(path.replace("\\", "/")).parts
    how = ["backslashes"] if "\\" in path else []
    place, chosen = folder, []
    for number, part in enumerate(parts):
        if part in ("..", "/"):
            return "", ""
        if exists(place / part):
            name, difference = part, ""
        else:
            name, difference = nearest(part, indexed(place), is_file=number == len(parts) - 1)
        if not name:
            return "", ""
        chosen.append(name)
        how += [difference] if difference and difference not in how else []
        place = place / name
    return ("/".join(chosen), ", ".join(how)) if how else ("", "")


def nearest(part: str, index: Index, *, is_file: bool) -> tuple[str, str]:
    """The one name of a folder that differs least from `part`, and how; none where two are equally near."""
    for (words, key), names in zip(SAME, index.same, strict=True):
        same = names.get(key(part), [])
        if same:
            return (same[0], words) if len(same) == 1 else ("", "")
    if not is_file:
        return "", ""
    same = index.stems.get(stem_of(SAME[-1][1](part)), [])
    return (same[0], "suffix") if len(same) == 1 else ("", "")


def stem_of(name: str) -> str:
    """A name without its suffix; one without a suffix is its own stem."""
    return name.rpartition(".")[0] or name


def folder_with(missing: Sequence[MissingFile], folder: Path) -> str:
    """The one folder below `folder` that has most of the first missing files; empty where none or several have.

    A manifest often lies beside the folder of its images and names them without it.
    """
    sought = [file.image for file in missing[:MOST_SOUGHT]]
    below = sorted(entries_of(folder))[:MOST_FOLDERS]
    found = [name for name in below if 2 * sum(exists(folder / name / image) for image in sought) > len(sought)]
    return found[0] if len(found) == 1 else ""


def told(missing: Sequence[MissingFile], folder: Path, rows: int, *, include_ids: bool) -> list[str]:
    """Sentences on missing files: how many have a near name and in what these differ, where they are, and the first lines.

    folder : that the paths of the manifest are relative to
    rows   : of the manifest
    """
    near = [file for file in missing if file.near]
    lines = [f"First at line {', '.join(str(file.line) for file in missing[:MOST_PROPOSED])} of the manifest."]
    if near:
        kinds = ", ".join(f"{how} ({count})" for how, count in counted(file.how for file in near))
        lines.append(f"{len(near)} of them have a similar name on the disk that differs in {kinds}.")
    if beside := folder_with(missing, folder) if len(missing) == rows else "":
        lines.append(
            f"The folder {beside} has files of these names: pass --images-dir {shlex.quote(str(folder / beside))}."
        )
    if include_ids:
        lines += [
            f"Line {file.line}: {file.image!r}"
            + (f" does not exist, but {file.near!r} does." if file.near else " does not exist.")
            for file in missing[:MOST_PROPOSED]
        ]
    return lines


def counted(words: Iterable[str]) -> list[tuple[str, int]]:
    """Each word with its number, the commonest first."""
    return [(str(word), int(number)) for word, number in pd.Series(list(words)).value_counts().items()]
