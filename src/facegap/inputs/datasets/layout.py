"""What the adapters share: finding the folder of a set, its images, and the error for another layout."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pandas as pd

from facegap.errors import TableError
from facegap.inputs.records import Records, read_records

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")
RACES_OF_BUPT = ("African", "Asian", "Caucasian", "Indian")  # of RFW and BUPT-Balancedface


def images_of(folder: Path) -> list[Path]:
    """All image files below the folder, in order of their paths; none where it is no folder."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES)
    return sorted(path for path in found if not path.name.startswith(".") and path.is_file())


def one_folder_per_person(base: Path, root: Path) -> pd.DataFrame:
    """Images below the folders of `base`, named from `root`; the first folder below `base` is the subject."""
    paths = [path for path in images_of(base) if path.parent != base]
    rows = [(path.relative_to(root).as_posix(), path.relative_to(base).parts[0]) for path in paths]
    return pd.DataFrame(rows, columns=["image", "subject"], dtype="str")


def first_folder(folder: Path, places: Iterable[str], fits: Callable[[Path], bool]) -> Path | None:
    """The first of the places below the folder that is a folder and fits."""
    candidates = (folder / place for place in places)
    return next((place for place in candidates if place.is_dir() and fits(place)), None)


def has_any(folder: Path, names: Iterable[str]) -> bool:
    """Whether any of the names is a folder in this one."""
    return any((folder / name).is_dir() for name in names)


def prefix_of(base: Path, folder: Path) -> str:
    """How names in `base` begin when they are told from `folder`."""
    return "" if base == folder else base.relative_to(folder).as_posix() + "/"


def other_shape(adapter: str, folder: Path, looked_for: str) -> TableError:
    """The error for a folder of another layout, with a look at what is there."""
    if not folder.is_dir():
        return TableError(f"{folder}: no such folder; give the folder into which the data set was unpacked")
    there = ", ".join(sorted(child.name for child in folder.iterdir())[:5]) or "nothing"
    return TableError(f"{folder}: not the layout of {adapter}; looked for {looked_for}, found {there}")


def by_race(folder: Path, places: Iterable[str], adapter: str, looked_for: str) -> pd.DataFrame:
    """Images in <race>/<person>/ below one of the places, the races those of RFW: image, subject, race."""
    base = first_folder(folder, places, lambda at: has_any(at, RACES_OF_BUPT))
    if base is None:
        raise other_shape(adapter, folder, f"{looked_for} with race one of {', '.join(RACES_OF_BUPT)}")
    parts = [
        one_folder_per_person(base / race, folder).assign(race=race) for race in RACES_OF_BUPT if (base / race).is_dir()
    ]
    return pd.concat(parts, ignore_index=True)


def table_with(path: Path, columns: Iterable[str]) -> Records:
    """The records of a table; TableError where it lacks one of the columns."""
    records = read_records(path)
    for name in columns:
        if name not in records.frame.columns:
            found = ", ".join(str(column) for column in records.frame.columns[:8])
            raise TableError(
                f"{path.name} line 1: no column {name} (found: {found}); this is not the table of the data set"
            )
    return records


def place_of_images(folder: Path, names: Iterable[str], places: Iterable[str], adapter: str, table: str) -> str:
    """The first of the places, as a prefix with its slash, below which one of the first named images lies.

    names : of the images as the table has them, relative to a folder that it does not state
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
    """Whether a name from a table stays below the folder: none may name a file elsewhere."""
    try:
        return (folder / name).resolve().is_relative_to(folder.resolve())
    except (OSError, ValueError, RuntimeError):
        return False


def clean_path(text: str) -> str:
    """A path of a table with / between folders and without a leading ./ ."""
    return text.strip().replace("\\", "/").removeprefix("./")


def is_image(name: str) -> bool:
    """Whether a file name has the suffix of an image that is read."""
    return name.lower().endswith(IMAGE_SUFFIXES)


def with_notes(frame: pd.DataFrame, *notes: str) -> pd.DataFrame:
    """The frame with sentences on what was left out or taken for what, for the person who wrote the command."""
    frame.attrs["notes"] = [note for note in notes if note]
    return frame


def counted(count: int, what: str) -> str:
    """A sentence part on how many there are; empty for none."""
    return f"{count:,} {what}" if count else ""
