"""The groups of an audit: `gender,race` is two separate groupings; `gender*race` is one, crossed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.manifests.labels import UNKNOWN, age_interval
from facegap.tables import BESIDE_LABELS, BESIDE_LABELS_OF_QUALITY
from facegap.types import ANY, Group, IntArray

Grouping = tuple[str, ...]
MOST_DEFAULT_VALUES = 30  # a column with more (a year, a file number) is a grouping only on request
JOINED = {  # prefixes of label columns that come from another file than the manifest
    "measured_": "; measure it first: facegap tone MANIFEST --out tone.parquet, then add --tone tone.parquet",
    "annotated_": "; annotate it first: facegap annotate MANIFEST, then add --annotations with the exported CSV for "
    "that scale (annotated_tone: for one scale only)",
}
MOST_CELLS = 500  # 124,750 pairs of groups; a larger family gives no verdicts and takes minutes


@dataclass(frozen=True)
class Cells:
    """The groups of one grouping and the group of each row.

    codes  : int64 (rows,), index into `groups`
    groups : ordered by first attribute, then second; only those that occur
    known  : bool per group; False if a label is missing
    """

    grouping: Grouping
    codes: IntArray
    groups: tuple[Group, ...]
    known: tuple[bool, ...]


def parse_by(by: str | Sequence[str], labels: Sequence[str]) -> tuple[Grouping, ...]:
    """Terms of a --by text such as 'gender,gender*race', each once.

    Raises
    ------
    TableError : if a name is not a label column of the manifest, or an attribute is crossed with itself
    """
    texts = by.split(",") if isinstance(by, str) else [part for text in by for part in text.split(",")]
    groupings = [tuple(name.strip() for name in text.split("*")) for text in texts if text.strip()]
    for grouping in groupings:
        for name in grouping:
            if name not in labels:
                close = difflib.get_close_matches(name, labels, n=1)
                hint = (
                    f"; did you mean {close[0]!r}?" if close else f"; it has {', '.join(labels) or 'no label column'}"
                )
                if name.casefold() == "sex" and "gender" in labels:
                    hint = "; the column sex is read as gender, so write gender"
                hint = next((cure for start, cure in JOINED.items() if name.startswith(start)), hint)
                raise TableError(f"--by: the manifest has no label column {name!r}{hint}")
        if len(set(grouping)) < len(grouping):
            raise TableError(f"--by: {'*'.join(grouping)!r} crosses a column with itself")
    return tuple(dict.fromkeys(groupings))


def lost_labels(labels: Sequence[str], *, quality: bool) -> list[str]:
    """The label columns that cannot be used for groups because result tables have columns with these names.

    quality : whether the run has the tables of --quality
    """
    fixed = BESIDE_LABELS | BESIDE_LABELS_OF_QUALITY if quality else BESIDE_LABELS
    return [name for name in labels if name in fixed]


def require_kept(groupings: Sequence[Grouping], *, quality: bool) -> None:
    """Raise TableError for a grouping by a column that a result table would overwrite; see `lost_labels`."""
    lost = lost_labels(attribute_columns(groupings), quality=quality)
    if lost:
        raise TableError(
            f"--by: a result table has a column named {lost[0]!r}, so the labels in that column of the manifest "
            f"would be lost; rename it in the manifest"
        )


def default_groupings(manifest: pd.DataFrame, labels: Sequence[str]) -> tuple[tuple[Grouping, ...], tuple[str, ...]]:
    """Every label column separately, and a sentence for each one excluded because it has too many values."""
    values = {name: manifest[name].nunique() for name in labels}
    left_out = tuple(
        f"column {name} has {count} different values and is not used for groups; request it with --by {name}"
        for name, count in values.items()
        if count > MOST_DEFAULT_VALUES
    )
    return tuple((name,) for name, count in values.items() if count <= MOST_DEFAULT_VALUES), left_out


def cells_of(manifest: pd.DataFrame, grouping: Grouping) -> Cells:
    """The cells of one grouping; for the empty grouping a single cell.

    Raises
    ------
    TableError : if there are more than MOST_CELLS cells
    """
    if not grouping:
        return Cells(grouping, np.zeros(len(manifest), np.int64), (Group(()),), (True,))
    combinations = pd.MultiIndex.from_frame(manifest[list(grouping)].astype(str))
    distinct = sorted(combinations.unique(), key=lambda values: [label_order(value) for value in values])
    if len(distinct) > MOST_CELLS:
        raise TableError(
            f"--by {'*'.join(grouping)}: {len(distinct)} cells, more than {MOST_CELLS}; cross fewer columns"
        )
    codes = pd.MultiIndex.from_tuples(distinct).get_indexer(combinations).astype(np.int64)
    groups = tuple(Group(tuple(zip(grouping, values, strict=True))) for values in distinct)
    return Cells(grouping, codes, groups, tuple(UNKNOWN not in values for values in distinct))


def label_order(label: str) -> tuple[bool, float, str]:
    """Sort key of a label: ages by number, a missing label last."""
    ends = age_interval(label)
    return label == UNKNOWN, ends[0] if ends else -1.0, label


def attribute_columns(groupings: Sequence[Grouping]) -> tuple[str, ...]:
    """All attributes of the groupings, each once in order of appearance: the attribute columns of RATES."""
    return tuple(dict.fromkeys(name for grouping in groupings for name in grouping))


def attribute_values(group: Group, attributes: Sequence[str]) -> dict[str, str]:
    """The group as values of all attribute columns, `any` if not split by one."""
    return dict.fromkeys(attributes, ANY) | dict(group.attributes)
