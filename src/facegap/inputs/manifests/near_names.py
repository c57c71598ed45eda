"""Find missing image files, and existing files with similar names.

Files are opened under exactly the names in the manifest; similar names are only suggested. A name is similar if it differs in
case, Unicode form (é as one character or two), spaces, percent-encoding, backslashes, or the extension.
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

MOST_LISTED = 200_000  # entries of a folder that are read
MOST_PROPOSED = 5  # rows named in a message
LISTED_FROM = 64  # rows in one folder from which on it is listed
MOST_LOOKED_UP = 5_000  # missing files for which similar names are sought
MOST_FOLDERS = 1_000  # folders next to the manifest that are searched for missing files
MOST_SOUGHT = 20  # missing files that are sought there


@dataclass(frozen=True)
class MissingFile:
    """A row whose file does not exist.

    position : position of the row in the manifest's frame
    line     : line of the manifest
    near     : similar path that exists, relative to the manifest's folder; empty for none
    how      : how it differs, in words; empty for none
    """

    position: int
    line: int
    image: str
    near: str = ""
    how: str = ""


def missing_files(frame: pd.DataFrame, folder: Path) -> list[MissingFile]:
    """Return the rows of a manifest whose files are missing, with similar names.

    frame  : MANIFEST
    folder : folder to which its paths are relative
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
    """Return positions of paths not found in a listing of their folder, including all paths in folders with few rows.

    A listing is many times faster than a test for each file, and a manifest of a million rows names whole folders.
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
    """Return whether the path exists; its type and permissions are checked when it is opened."""
    try:
        return os.path.lexists(path)
    except ValueError:  # a name with a null byte
        return False


def entries_of(folder: Path) -> tuple[str, ...]:
    """Return the names in a folder, at most MOST_LISTED; empty if it cannot be listed."""
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
    """The names in a folder, indexed by each normalised form and by stem."""

    same: tuple[dict[str, list[str]], ...]
    stems: dict[str, list[str]]


def index_of(folder: Path) -> Index:
    """Index the names in a folder for similarity search."""
    names = entries_of(folder)
    loosest = SAME[-1][1]
    return Index(tuple(grouped(names, key) for _, key in SAME), grouped(names, lambda name: stem_of(loosest(name))))


def grouped(names: Iterable[str], key: Callable[[str], str]) -> dict[str, list[str]]:
    """Group names by key."""
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(key(name), []).append(name)
    return found


def near_name(path: str, folder: Path, indexed: Callable[[Path], Index]) -> tuple[str, str]:
    """Return an existing path similar to `path`, and how it differs; two empty strings if there is none.

    Each part is searched for in the folder found for the previous parts, so folder names may also differ.
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
    """Return the name in a folder that differs least from `part`, and how; empty if two are equally similar."""
    for (words, key), names in zip(SAME, index.same, strict=True):
        same = names.get(key(part), [])
        if same:
            return (same[0], words) if len(same) == 1 else ("", "")
    if not is_file:
        return "", ""
    same = index.stems.get(stem_of(SAME[-1][1](part)), [])
    return (same[0], "suffix") if len(same) == 1 else ("", "")


def stem_of(name: str) -> str:
    """Return a name without its extension."""
    return name.rpartition(".")[0] or name


def folder_with(missing: Sequence[MissingFile], folder: Path) -> str:
    """Return the only folder below `folder` with most of the first missing files; empty if there is none or several.

    A manifest is often next to the image folder and omits its name from paths.
    """
    sought = [file.image for file in missing[:MOST_SOUGHT]]
    below = sorted(entries_of(folder))[:MOST_FOLDERS]
    found = [name for name in below if 2 * sum(exists(folder / name / image) for image in sought) > len(sought)]
    return found[0] if len(found) == 1 else ""


def missing_file_sentences(missing: Sequence[MissingFile], folder: Path, rows: int, *, include_ids: bool) -> list[str]:
    """Return sentences on missing files: similar names and how they differ, where files may be, and the first lines.

    folder : folder to which the paths of the manifest are relative
    rows   : number of rows of the manifest
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
    """Count each word, commonest first."""
    return [(str(word), int(number)) for word, number in pd.Series(list(words)).value_counts().items()]
