"""Labels of a protocol's people from a table beside it, for the protocols that have none of their own."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path, PurePosixPath

import pandas as pd

from facegap.errors import TableError
from facegap.inputs.protocols.listing import FOLD, Listing
from facegap.inputs.records import read_records

KEYS = ("image", "subject")
# Of the metadata that NIST publishes with IJB: one row per image, labels by subject. GENDER is 0 or 1; which is which is for
# --map to say.
METADATA_SUBJECT = "SUBJECT_ID"
METADATA = {"SKINTONE": "skin_tone", "GENDER": "gender"}


def with_labels(listing: Listing, path: Path) -> Listing:
    """The protocol with label columns of a CSV or parquet table joined to its people, by `image` or else by `subject`.

    Images are found by the names of their files without folder and suffix (Ann_Lee_0001), where these are different, else by
    their paths. Whoever is not in the table has an empty label; how many that are stands in the notes.

    Raises
    ------
    TableError : no column to join by, no label column, one that the protocol has itself, a name twice, nobody found
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
    """The metadata of IJB with one row per subject; a label that differs between rows of a subject is left empty, and told."""
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
    """The name of a file without folder and suffix."""
    return PurePosixPath(image).stem
