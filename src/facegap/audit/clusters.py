"""--cluster: label columns that replace the subject as the sampling unit; checked before any model runs."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

import pandas as pd

from facegap.derive.groupings import Grouping
from facegap.derive.units import unit_codes
from facegap.errors import TableError
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.inputs.manifests.read import Manifest


def require_clusters(table: Manifest, columns: Sequence[str], groupings: Sequence[Grouping]) -> tuple[str, ...]:
    """Sentences on the sampling units that --cluster defines; none without it.

    Raises
    ------
    TableError : if the manifest lacks a column, or the columns leave only one unit
    """
    if not columns:
        return ()
    for name in columns:
        require_column(table, name)
    units, people = len(set(unit_codes(table.frame, columns))), table.frame["subject"].nunique()
    named = " and ".join(columns)
    if units < 2:
        raise TableError(
            f"--cluster {','.join(columns)}: all {len(table.frame):,} rows form a single unit, because all have the "
            f"same value, or because subjects with several values connect them; there are no independent units, so "
            f"no interval can be given. Omit --cluster, or give a finer column"
        )
    sentences = [f"--cluster: the sampling unit is {named}: {people:,} people in {units:,} units"]
    for name in columns:
        empty = int((table.frame[name] == UNKNOWN).sum())
        if empty:
            sentences.append(f"--cluster: {empty:,} rows have no {name}; for them the subject is the unit")
        if any(name in grouping for grouping in groupings):
            sentences.append(
                f"--cluster: {name} is also a column of --by, so each of its groups is a single unit, for which no "
                f"interval or gap can be computed"
            )
    return tuple(sentences)


def require_column(table: Manifest, name: str) -> None:
    """Raise TableError if a column of --cluster is not a label column of the manifest."""
    if name in table.labels:
        return
    if name == "subject":
        raise TableError("--cluster subject: the subject is already the unit; omit --cluster")
    near = difflib.get_close_matches(name, table.labels, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(table.labels) or 'no label column'}"
    raise TableError(f"--cluster: the manifest {table.name} has no label column {name!r}; {hint}")


def names_of_units(frame: pd.DataFrame, columns: Sequence[str]) -> pd.Series:
    """The unit that a split must keep whole, as text: the subject of each row, or its unit with --cluster."""
    if not columns:
        return frame["subject"]
    return pd.Series(unit_codes(frame, columns), index=frame.index).astype(str)
