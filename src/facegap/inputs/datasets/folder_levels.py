"""Determine what folders represent: people, or years, splits and genders, which must not be mistaken for people."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Literal

import pandas as pd

from facegap.errors import TableError

SubjectFrom = Literal["folder", "name", "nobody"]

YEAR = re.compile(r"(18|19|20)\d\d")
DATE = re.compile(r"(18|19|20)\d\d[-_.]?(0[1-9]|1[0-2])([-_.]?(0[1-9]|[12]\d|3[01]))?")
SPLITS = frozenset(("train", "training", "val", "valid", "validation", "test", "testing", "dev", "eval", "evaluation"))
GENDERS = frozenset(("female", "male", "woman", "man", "women", "men", "females", "males", "f", "m", "w"))
RACES = frozenset(
    [
        "african",
        "asian",
        "black",
        "caucasian",
        "east_asian",
        "hispanic",
        "indian",
        "latino",
        "latino_hispanic",
        "middle_eastern",
        "others",
        "southeast_asian",
        "white",
    ]
)
CONTAINERS = frozenset(
    ("images", "image", "img", "imgs", "faces", "photos", "pictures", "portraits", "data", "jpg", "png")
)
AGES = re.compile(r"\d{1,3}(-\d{1,3}|\+)|more than \d{1,3}", re.IGNORECASE)
SHOWN = 3  # examples in a message


def levels_of(paths: Sequence[PurePosixPath], subject: SubjectFrom | None = None) -> tuple[pd.DataFrame, list[str]]:
    """Return the manifest of images in folders, and sentences on how the folders were read.

    paths   : images, relative to the collection
    subject : what names the subject: the first folder, the file, or nobody; None: determined from the names
    returns : image, subject if known, then year, date, age, split, gender or race if folders represent those

    Raises
    ------
    TableError : If images are outside the folders, or only some of the folders are years.
    """
    columns: dict[str, list[str]] = {"image": [path.as_posix() for path in paths]}
    rest = [path.parts for path in paths]
    notes: list[str] = []
    if subject is None or subject != "folder":
        while rest and all(len(parts) > 1 for parts in rest):
            names = list(dict.fromkeys(parts[0] for parts in rest))
            kind = kind_of(names)
            if kind is None:
                break
            if kind != "container":
                columns[kind] = [parts[0] for parts in rest]
                notes.append(f"the folders {shown(names)} were read as the column {kind}, not as people")
            rest = [parts[1:] for parts in rest]
    found, said = subjects_of(rest, columns, subject)
    notes += said
    if found is not None:
        columns = {"image": columns.pop("image"), "subject": found, **columns}
    if notes and subject is None:
        notes.append("if that is wrong, give --subject folder, name or nobody")
    return pd.DataFrame(columns, dtype="str"), notes


def kind_of(names: Sequence[str]) -> str | None:
    """Return what a level of folders represents: year, date, age, split, gender, race or container; None if possibly people.

    Raises
    ------
    TableError : If most are years, but not all.
    """
    years = [name for name in names if YEAR.fullmatch(name)]
    if len(years) == len(names):
        return "year"
    if len(years) > len(names) / 2:
        others = [name for name in names if name not in years]
        raise TableError(
            f"the folders {shown(years)} look like years and {shown(others)} do not; specify the subject with "
            f"--subject folder, name or nobody"
        )
    if all(DATE.fullmatch(name) for name in names):
        return "date"
    if all(AGES.fullmatch(name) for name in names):
        return "age"
    for kind, words in (("split", SPLITS), ("gender", GENDERS), ("race", RACES), ("container", CONTAINERS)):
        if all(name.casefold().replace(" ", "_") in words for name in names):
            return kind
    return None


def subjects_of(
    rest: Sequence[tuple[str, ...]], columns: Mapping[str, Sequence[str]], subject: SubjectFrom | None
) -> tuple[list[str] | None, list[str]]:
    """Return the subject of each image, None if unknown, and sentences on how it was determined.

    rest : rest of each path, below the folders that do not represent people
    """
    stems = [PurePosixPath(parts[-1]).stem for parts in rest]
    if subject == "nobody":
        return None, []
    if subject == "name":
        return stems, []
    deep = [len(parts) > 1 for parts in rest]
    if all(deep):
        return [parts[0] for parts in rest], []
    if any(deep) or subject == "folder" or len(columns) == 1:
        loose = next(parts for parts, inside in zip(rest, deep, strict=True) if not inside)
        raise TableError(
            f"{loose[-1]}: an image outside any person's folder; move it into one, or specify the subject with "
            f"--subject name or nobody"
        )
    again = pd.Series(stems).duplicated(keep=False)
    if again.any():
        some = shown(list(dict.fromkeys(pd.Series(stems)[again])))
        return stems, [f"file names occur in several folders ({some}), so the file name is used as the subject"]
    return None, ["no file name occurs in two folders, so no column subject was written"]


def shown(names: Sequence[str]) -> str:
    """Return the first few names."""
    return ", ".join(repr(name) for name in names[:SHOWN]) + (
        f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    )
