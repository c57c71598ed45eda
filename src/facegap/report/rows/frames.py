"""Read the tables of a run as rows: the group of a row of RATES, and which rows are cells between groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from facegap.derive.groupings import Grouping, attribute_columns
from facegap.store.run import Run
from facegap.types import ANY, Group


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Rows of a frame as dicts by column."""
    return [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]


def groupings_of(run: Run) -> list[Grouping]:
    """The groupings of --by, each with its attributes in the given order: race x gender is not gender x race."""
    return list(run.record.groupings)


def group_of(row: Mapping[str, Any], groupings: Sequence[Grouping], prefix: str = "") -> Group:
    """The group of a row of RATES, with its attributes in the order of its grouping.

    prefix : `other_` for the second group of a cell of the cross-group matrix
    """
    split = {name for name in attribute_columns(groupings) if row[f"{prefix}{name}"] != ANY}
    grouping: Grouping = next((grouping for grouping in groupings if set(grouping) == split), ())
    return Group(tuple((name, str(row[f"{prefix}{name}"])) for name in grouping))


def grouping_of(group: Group) -> Grouping:
    """Names of the attributes that define a group."""
    return tuple(name for name, _ in group.attributes)


def own_rates(run: Run) -> pd.DataFrame:
    """RATES without the cells of the cross-group matrix, with a column `grouping` and a column `group`."""
    groupings = groupings_of(run)
    inside = run.rates[~across_groups(run.rates, attribute_columns(groupings))]
    groups = [group_of(row, groupings) for row in records(inside)]
    return inside.assign(
        group=pd.Series(groups, index=inside.index, dtype=object),
        grouping=pd.Series([grouping_of(group) for group in groups], index=inside.index, dtype=object),
    )


def across_groups(rates: pd.DataFrame, attributes: Sequence[str]) -> pd.Series[bool]:
    """Which rows of RATES are cells of the cross-group matrix."""
    other = [f"other_{name}" for name in attributes if f"other_{name}" in rates.columns]
    return (rates[other] != "").any(axis=1) if other else pd.Series(data=False, index=rates.index)
