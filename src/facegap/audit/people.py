"""Check that a manifest identifies subjects as far as an audit of comparisons needs it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.audit.settings import Verify
from facegap.derive.groupings import Cells, Grouping, cells_of
from facegap.errors import TableError
from facegap.inputs.manifests.read import Manifest
from facegap.store.scratch import chunks
from facegap.types import BoolArray, IntArray

SUBJECT_WORDS = frozenset(
    (
        "subject",
        "subjects",
        "subjectid",
        "person",
        "personid",
        "people",
        "identity",
        "identityid",
        "individual",
        "name",
        "id",
    )
)


def require_people(table: Manifest, verify: Verify) -> None:
    """Raise an error if the manifest has no subjects or no genuine pairs, unless this was requested.

    Raises
    ------
    TableError : if there is no column subject (the message names similar columns), or no subject has two images
    """
    if not table.has_subjects and not verify.images_are_people:
        near = [name for name in table.labels if name.casefold().replace("_", "").replace(" ", "") in SUBJECT_WORDS]
        cure = f"rename {near[0]} to subject" if near else "add it"
        raise TableError(
            f"the manifest has no column subject, so two images of one person would count as an impostor pair; "
            f"{cure}, or pass "
            "--images-are-people if every image shows another person"
        )
    if verify.pairs is None and not verify.impostors_only and table.frame["subject"].nunique() == len(table.frame):
        raise TableError(
            "no subject has two images in the manifest, so there is no genuine pair and false non-matches cannot be "
            "measured; add second images, correct the column subject, or pass --impostors-only to measure false "
            "matches alone"
        )


def require_impostors(
    manifest: pd.DataFrame,
    groupings: Sequence[Grouping],
    evaluated: BoolArray,
    pairs: IntArray | None = None,
    *,
    by_is_given: bool,
) -> tuple[str, ...]:
    """Raise an error if a requested group has no impostor pair; otherwise sentences on the groups that have none.

    evaluated : bool (rows of the manifest,), images of the evaluated subjects
    pairs     : int64 (m, 2), rows of the only pairs to compare; None: all pairs
    by_is_given : whether --by names the groupings; otherwise nothing is raised

    Raises
    ------
    TableError : if a group of two or more subjects has no impostor pair, or no two groups have one
    """
    subjects = pd.factorize(manifest["subject"])[0]
    sentences = []
    for grouping in groupings:
        cells = cells_of(manifest, grouping)
        known = [k for k in range(len(cells.groups)) if cells.known[k]]
        people = [len(set(subjects[evaluated & (cells.codes == k)])) for k in known]
        if pairs is None:
            has = [count > 1 for count in people]
        else:
            within = impostors_by_cell(pairs, subjects, evaluated, cells)
            has = [bool(within[k]) for k in known]
        lacking = [(str(cells.groups[k]), count) for k, count, some in zip(known, people, has, strict=True) if not some]
        if not lacking:
            continue
        named = ", ".join(f"{name} ({count} {'person' if count == 1 else 'people'})" for name, count in lacking[:5])
        more = f" and {len(lacking) - 5} further groups" if len(lacking) > 5 else ""
        where = "the listed pairs" if pairs is not None else "the manifest"
        sentence = f"by {' x '.join(grouping)}, {where} have no impostor pair of: {named}{more}"
        if pairs is None:
            sentence = sentence.replace("have", "has")
        if by_is_given and len(known) > 1 and (sum(has) < 2 or any(count > 1 for _, count in lacking)):
            raise TableError(
                f"{sentence}; so no FMR of such a group can be measured. Add people or pairs, or exclude the groups "
                f"with --where or another --by"
            )
        sentences.append(f"{sentence}; their FMR is not measured")
    return tuple(sentences)


def impostors_by_cell(pairs: IntArray, subjects: IntArray, evaluated: BoolArray, cells: Cells) -> IntArray:
    """How many of the pairs (m, 2) are impostor pairs of evaluated images within each cell."""
    found = np.zeros(len(cells.groups), np.int64)
    for part in chunks(len(pairs)):
        left, right = pairs[part, 0], pairs[part, 1]
        both = evaluated[left] & evaluated[right] & (subjects[left] != subjects[right])
        within = cells.codes[left][both & (cells.codes[left] == cells.codes[right])]
        found += np.bincount(within, minlength=len(found))
    return found
