"""Shared functions of the adapters: find the folder of a data set and its images, and report other layouts."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from facegap.errors import TableError
from facegap.inputs.records import Records, read_records

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
RACES_OF_BUPT = ("African", "Asian", "Caucasian", "Indian")  # of RFW and BUPT-Balancedface


def images_of(folder: Path) -> list[Path]:
    """Return all image files below the folder, sorted by path; empty if it is not a folder."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(path for path in found if not path.name.startswith(".") and path.is_file())


def one_folder_per_person(base: Path, root: Path) -> pd.DataFrame:
    """Return the images below `base`, with paths relative to `root`; the first folder below `base` is the subject."""
    paths = [path for path in images_of(base) if path.parent != base]
    rows = [(path.relative_to(root).as_posix(), path.relative_to(base).parts[0]) for path in paths]
    return pd.DataFrame(rows, columns=["image", "subject"], dtype="str")


def first_folder(folder: Path, places: Iterable[str], fits: Callable[[Path], bool]) -> Path | None:
    """Return the first of the subfolders that exists and fits."""
    candidates = (folder / place for place in places)
    return next((place for place in candidates if place.is_dir() and fits(place)), None)


def has_any(folder: Path, names: Iterable[str]) -> bool:
    """Return whether the folder has a subfolder with one of the names."""
    return any((folder / name).is_dir() for name in names)


def prefix_of(base: Path, folder: Path) -> str:
    """Return the prefix of paths in `base` relative to `folder`."""
    return "" if base == folder else base.relative_to(folder).as_posix() + "/"


def other_shape(adapter: str, folder: Path, looked_for: str) -> TableError:
    """Return the error for a folder with another layout, with what it contains."""
    if not folder.is_dir():
        return TableError(f"{folder}: no such folder; give the folder into which the data set was unpacked")
    there = ", ".join(sorted(child.name for child in folder.iterdir())[:5]) or "nothing"
    return TableError(f"{folder}: not the layout of {adapter}; looked for {looked_for}, found {there}")


def by_race(folder: Path, places: Iterable[str], adapter: str, looked_for: str) -> pd.DataFrame:
    """Return image, subject and race of the images in <race>/<person>/ below one of the places, with RFW's races."""
    base = first_folder(folder, places, lambda at: has_any(at, RACES_OF_BUPT))
    if base is None:
        raise other_shape(adapter, folder, f"{looked_for} with race one of {', '.join(RACES_OF_BUPT)}")
    parts = [
        one_folder_per_person(base / race, folder).assign(race=race) for race in RACES_OF_BUPT if (base / race).is_dir()
    ]
    return pd.concat(parts, ignore_index=True)


def table_with(path: Path, columns: Iterable[str]) -> Records:
    """Read the records of a table; raises TableError if a column is missing."""
    records = read_records(path)
    for name in columns:
        if name not in records.frame.columns:
            found = ", ".join(str(column) for column in records.frame.columns[:8])
            raise TableError(
                f"{path.name} line 1: no column {name} (found: {found}); this is not the table of the data set"
            )
    return records


def place_of_images(folder: Path, names: Iterable[str], places: Iterable[str], adapter: str, table: str) -> str:
    """Return the first place, as a prefix with a slash, that contains one of the first images.

    names : image paths in the table, relative to an unstated folder
    """
    first = [name for name, _ in zip(names, range(50), strict=False)]
    tried = [f"{place}/" if place else "" for place in places]
    for prefix in tried:
        if any(is_inside(folder, prefix + name) and (folder / (prefix + name)).is_file() for name in first):
            return prefix
    where = ", ".join(prefix or "the folder itself" for prefix in tried)
    shown = first[0] if first else "none"
    raise other_shape(adapter, folder, f"the images that {table} names, such as {shown}, below {where}")


def is_inside(folder: Path, name: str) -> bool:
    """Return whether a path from a table stays inside the folder; others must not be opened."""
    try:
        return (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        return False


def clean_path(text: str) -> str:
    """Normalise a path in a table: / as separator, without a leading ./ ."""
    return text.strip().replace("\\", "/").removeprefix("./")


def is_image(name: str) -> bool:
    """Return whether a file name has a supported image extension."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def with_notes(frame: pd.DataFrame, *notes: str) -> pd.DataFrame:
    """Attach notes for the user on what was omitted and how the data were read."""
    frame.attrs["notes"] = [note for note in notes if note]
    return frame


def counted(count: int, what: str) -> str:
    """Return a phrase with a count; empty for none."""
    return f"{count:,} {what}" if count else ""
