"""Check that an audit can run the requested age check, and state the limits of its age labels."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from facegap.audit.settings import AuditSettings
from facegap.derive.groupings import Grouping, attribute_columns
from facegap.derive.never_shown import counted_by_group
from facegap.errors import SettingError, TableError
from facegap.inputs.manifests.born import AGE, with_ages
from facegap.inputs.manifests.labels import side_of_limit
from facegap.inputs.manifests.read import Manifest
from facegap.tables import AGE_TABLES, RATES, TEMPLATE
from facegap.types import BoolArray


def with_stated_ages(table: Manifest, settings: AuditSettings) -> Manifest:
    """The manifest with ages computed from birth year and photo year, where --age-from or these columns exist.

    Raises
    ------
    TableError   : see `with_ages`
    SettingError : if templates consist of several images, which may differ in age
    """
    named = settings.faces.age_from
    if TEMPLATE in table.frame.columns:
        if named:
            raise SettingError(
                "--age-from: a template of several images may have several ages; omit the column template"
            )
        return table
    return with_ages(table, (named[0], named[1]) if named else None)


def require_ages(
    table: Manifest, settings: AuditSettings, groupings: Sequence[Grouping], *, says_age: bool
) -> tuple[str, ...]:
    """Sentences on the ages of an age check; none without --age-limit.

    says_age : whether the model estimates ages

    Raises
    ------
    SettingError : if --age-limit is given and the model does not estimate age
    TableError   : if --age-limit is given and no age is labelled, or a grouping uses a column name of the age tables
    """
    limit = settings.faces.age_limit
    if says_age and AGE in table.frame.columns:
        require_other_names(table, groupings)
    if limit is None:
        return ()
    if not says_age:
        raise SettingError(
            f"--age-limit {limit:g}: no age is estimated; give a classifier of age with --classify, or predictions "
            f"with a column age"
        )
    if AGE not in table.frame.columns:
        raise TableError(
            f"--age-limit {limit:g}: {table.name} has no column age; add it, or birth_year and photo_year (--age-from names columns "
            f"like these; found: {', '.join(table.labels) or 'none'})"
        )
    sides = np.array([side_of_limit(str(label), limit) or "" for label in table.frame[AGE]])
    if not np.isin(sides, ("under", "from")).any():
        raise TableError(
            f"{table.name}, column age: no age is known to be under --age-limit {limit:g} or at least that, so there "
            f"is nothing to evaluate"
        )
    return tuple(side_sentences(table, sides, limit, groupings))


def require_other_names(table: Manifest, groupings: Sequence[Grouping]) -> None:
    """Raise TableError if a grouping uses a column name of the age tables."""
    taken = {name for schema in AGE_TABLES for name in schema.columns} - set(RATES.columns)
    for name in attribute_columns(groupings):
        if name in taken:
            raise TableError(
                f"{table.name}, column {name}: the age tables use that name; rename it to my_{name}, or omit it from "
                f"--by"
            )


def side_sentences(table: Manifest, sides: np.ndarray, limit: float, groupings: Sequence[Grouping]) -> list[str]:
    """How many images are not trials, by group, and which of the two rates cannot be measured."""
    said = []
    whole: list[tuple[BoolArray, str]] = [
        (
            np.asarray(sides == "straddles", np.bool_),
            f"have a labelled age range that includes {limit:g} and are not trials",
        ),
        (np.asarray(sides == "", np.bool_), "have no labelled age and are not trials"),
    ]
    for lacking, why in whole:
        if lacking.any():
            head = f"--age-limit: {int(lacking.sum()):,} of {len(sides):,} images {why}"
            said.append(". ".join([head, *counted_by_group(table.frame, lacking, groupings)]) + ".")
    for side, who, rate in (("under", "under", "false positives"), ("from", "of", "false negatives")):
        if not (sides == side).any():
            age = f"{limit:g}" if side == "under" else f"{limit:g} or more"
            said.append(f"--age-limit: the manifest has no one {who} {age}, so {rate} are not measured")
    return said
