"""Join labels of people from a separate table, for protocols that have none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pandas as pd

from facegap.errors import TableError
from facegap.inputs.protocols.listing import FOLD, Listing
from facegap.inputs.records import read_records

KEYS = ("image", "subject")
# Columns of the metadata that NIST publishes with IJB: one row per image, labels by subject. GENDER is 0 or 1; --map states the
# meaning.
METADATA_SUBJECT = "SUBJECT_ID"
METADATA = {"SKINTONE": "skin_tone", "GENDER": "gender"}


def with_labels(listing: Listing, path: Path) -> Listing:
    """Join label columns of a CSV or parquet table to the people of a protocol, by `image` or else by `subject`.

    Images are matched by file name without folder and extension (Ann_Lee_0001) if these are distinct, else by path. People
    missing from the table have an empty label; the notes state their number.

    Raises
    ------
    TableError : If there is no column to join by, no label column, a label that the protocol has, a duplicate name, or no match.
    """
    records = read_records(path)
    cells, lines, said = records.frame, records.lines, list[str]()
    if METADATA_SUBJECT in cells.columns:
        cells, lines, said = by_subject(cells, lines, path.name)
    key = next((name for name in KEYS if name in cells.columns), None)
    if key is None:
        raise TableError(f"{path.name} line 1: no column image or subject by which to find the people of the protocol")
    columns = [str(name) for name in cells.columns if name not in KEYS]
    taken = [name for name in columns if name in (*listing.people.columns, FOLD)]
    if not columns or taken:
        why = (
            f"the protocol already has a column {taken[0]}; rename yours"
            if taken
            else "no label column; add one, such as gender"
        )
        raise TableError(f"{path.name} line 1: {why}")
    stems = listing.people["image"].map(stem)
    by_stem = key == "image" and stems.is_unique
    names = cells[key].map(stem) if by_stem else cells[key]
    again = names[names.duplicated()]
    if len(again):
        line = lines[int(again.index[0])]
        raise TableError(f"{path.name} {records.unit} {line}, column {key}: {again.iloc[0]!r} occurs twice; keep one")
    own = stems if by_stem else listing.people[key]
    place = pd.Series(range(len(cells)), index=names).reindex(own)
    found = place.notna().to_numpy()
    if not found.any():
        raise TableError(
            f"{path.name}, column {key}: none of its names occurs in the protocol, such as {own.iloc[0]!r}"
        )
    people = listing.people.copy()
    for name in columns:
        people[name] = ""
        people.loc[found, name] = cells[name].to_numpy()[place[found].astype("int64").to_numpy()]
    lost = int((~found).sum())
    said += [f"{lost:,} of {len(people):,} images have no row in {path.name} and so no label"] if lost else []
    return replace(
        listing,
        people=people,
        files=(*listing.files, (path.name, records.sha256)),
        notes=(*listing.notes, *said),
    )


def by_subject(cells: pd.DataFrame, lines: list[int], file: str) -> tuple[pd.DataFrame, list[int], list[str]]:
    """Return IJB's metadata with one row per subject, and notes; a label that differs between rows is left empty."""
    columns = {name: label for name, label in METADATA.items() if name in cells.columns}
    if not columns:
        raise TableError(f"{file} line 1: none of the columns {', '.join(METADATA)} beside {METADATA_SUBJECT}")
    grouped = cells.groupby(METADATA_SUBJECT, sort=False)[list(columns)]
    torn = grouped.min() != grouped.max()
    made = grouped.first().mask(torn, "").rename(columns=columns)
    starts = (~cells[METADATA_SUBJECT].duplicated()).to_numpy().nonzero()[0]
    said = [
        f"{file}: {int(torn[name].sum()):,} subjects have several values of {name} and so no label for it"
        for name in columns
        if torn[name].any()
    ]
    return made.rename_axis("subject").reset_index(), [lines[k] for k in starts], said


def stem(image: str) -> str:
    """Return the name of a file without folder and extension."""
    return PurePosixPath(image).stem
