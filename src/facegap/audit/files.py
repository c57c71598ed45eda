"""Missing and unreadable image files: reported before the first image; a run stops if there are more than a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from facegap.derive.groupings import Grouping
from facegap.derive.never_shown import never_shown_sentences
from facegap.errors import TableError
from facegap.inputs.manifests.near_names import MissingFile, missing_file_sentences, missing_files
from facegap.inputs.manifests.read import Manifest
from facegap.store.record import ColourRecord
from facegap.tables import NEVER_SHOWN, NOT_SENT

MOST_UNREADABLE = 0.01  # of the manifest; above it, something is wrong with the files in general
CURE = "correct the manifest or the files, or pass --allow-missing to audit the other images"


def require_files(table: Manifest, groupings: Sequence[Grouping], *, include_ids: bool = False) -> None:
    """Raise an error if image files of the manifest are missing, with counts by group and similar names in their folders.

    Raises
    ------
    TableError : if a file is missing
    """
    missing = missing_files(table.frame, table.folder)
    if missing:
        raise TableError(
            " ".join([*missing_sentences(table, missing, groupings, include_ids=include_ids), f"So {CURE}."])
        )


def missing_sentences(
    table: Manifest, missing: Sequence[MissingFile], groupings: Sequence[Grouping], *, include_ids: bool
) -> list[str]:
    """How many files are missing, from which groups, and which existing files have similar names."""
    outcomes = np.full(len(table.frame), "ok", dtype=object)
    outcomes[[file.position for file in missing]] = "missing_file"
    return [
        *never_shown_sentences(table.frame, outcomes.tolist(), groupings),
        *missing_file_sentences(missing, table.folder, len(table.frame), include_ids=include_ids),
    ]


@dataclass
class Unreadable:
    """A count of images that could not be passed to a model; stops a run if there are too many.

    allowed : continue whatever the count
    """

    rows: int
    allowed: bool
    count: int = 0
    reasons: dict[str, int] = field(default_factory=dict)

    def add(self, rows: pd.DataFrame) -> None:
        """Add the rows of one part.

        Raises
        ------
        TableError : if more than MOST_UNREADABLE of the manifest is unreadable and this is not allowed
        """
        lost = rows[rows["outcome"].isin(NEVER_SHOWN) & (rows["outcome"] != NOT_SENT)]
        self.count += len(lost)
        for reason in lost["detail"]:
            self.reasons[str(reason)] = self.reasons.get(str(reason), 0) + 1
        if not self.allowed and self.count > MOST_UNREADABLE * self.rows:
            commonest = sorted(self.reasons.items(), key=lambda item: -item[1])[:3]
            why = "; ".join(f"{reason} ({count})" for reason, count in commonest)
            raise TableError(
                f"{self.count} of {self.rows:,} images could not be passed to a model, more than "
                f"{MOST_UNREADABLE:.0%} of the "
                f"manifest: {why}. Therefore {CURE}; completed work is kept with --resume"
            )


def colour_record(rows: pd.DataFrame, colour: str) -> ColourRecord:
    """The colour section of run.json: treatment of colour profiles, number of images with each, and of those converted to sRGB."""
    counts = rows["profile"].value_counts()
    profiles = {str(name) or "none": int(count) for name, count in counts.items()}
    return ColourRecord(colour, profiles, converted=int(rows["converted"].sum()))
