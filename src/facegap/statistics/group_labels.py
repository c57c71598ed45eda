"""Convert group labels (arrays, dicts, DataFrames of any library) to named groups and codes."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np

from facegap.errors import StatisticsError
from facegap.types import ANY, UNKNOWN, Group, IntArray

Columns = dict[str, list[str]]  # labels by attribute, one per row
EVERYBODY = Group(())


def groups_of_trials(groups: Any, size: int) -> tuple[tuple[Group, ...], IntArray]:
    """The groups that occur and the code of each of `size` trials, int64 (size,).

    groups : None, labels of the trials, or a DataFrame or dict of columns of labels, which are crossed
    """
    if groups is None:
        return (EVERYBODY,), np.zeros(size, np.int64)
    return crossed(label_columns(groups, size))


def groups_of_sides(
    groups: Any, left: Sequence[Hashable], right: Sequence[Hashable]
) -> tuple[tuple[Group, ...], IntArray, IntArray]:
    """The groups that occur and the code of each side of each comparison of two subjects.

    groups : None; labels by subject (a mapping, a Series, or a DataFrame with the subjects as its index); or a tuple of
             the labels of the left and of the right sides
    """
    size = len(left)
    if groups is None:
        return (EVERYBODY,), np.zeros(size, np.int64), np.zeros(size, np.int64)
    if isinstance(groups, tuple):
        first, second = labels_of_both(groups, size)
        found, codes = crossed({name: [*first[name], *second[name]] for name in first})
        return found, codes[:size], codes[size:]
    subjects, columns = labels_by_subject(groups)
    found, codes = crossed(columns)
    code_of = dict(zip(subjects, codes.tolist(), strict=True))
    for row, sides in enumerate(zip(left, right, strict=True)):
        for subject in sides:
            if subject not in code_of:
                raise StatisticsError(
                    f"comparison {row}: subject {subject!r} has no group; add it, with None if unknown"
                )
    of_left, of_right = (np.array([code_of[subject] for subject in side], np.int64) for side in (left, right))
    return found, of_left, of_right


def known_groups(groups: Sequence[Group], codes: IntArray) -> tuple[tuple[Group, ...], IntArray]:
    """The groups without a missing label, with their codes renumbered; -1 for rows of the others."""
    known = np.array([UNKNOWN not in dict(group.attributes).values() for group in groups], np.bool_)
    position = np.where(known, np.cumsum(known) - 1, -1).astype(np.int64)
    return tuple(group for group, is_known in zip(groups, known, strict=True) if is_known), position[codes]


def crossed(columns: Columns) -> tuple[tuple[Group, ...], IntArray]:
    """The combinations of labels that occur, in order, and the code of each row."""
    rows = list(zip(*columns.values(), strict=True))
    distinct = sorted(set(rows), key=lambda values: [label_order(value) for value in values])
    code_of = {values: code for code, values in enumerate(distinct)}
    groups = tuple(Group(tuple(zip(columns, values, strict=True))) for values in distinct)
    return groups, np.array([code_of[values] for values in rows], np.int64)


def label_order(label: str) -> tuple[bool, list[str | int]]:
    """Sort key: numbers in a label by value (9-12 before 10-19), a missing label last."""
    parts = re.split(r"(\d+)", label)
    return label == UNKNOWN, [int(part) if part.isdecimal() else part for part in parts]


def labels_of_both(groups: tuple[Any, ...], size: int) -> tuple[Columns, Columns]:
    """Columns of labels of the left and of the right sides of comparisons."""
    if len(groups) != 2:
        raise StatisticsError(f"groups has {len(groups)} parts; give the labels of the left and of the right sides")
    first, second = (label_columns(part, size) for part in groups)
    if list(first) != list(second):
        raise StatisticsError(
            f"groups: the left sides have the columns {', '.join(first)} and the right sides {', '.join(second)}"
        )
    return first, second


def labels_by_subject(groups: Any) -> tuple[list[Hashable], Columns]:
    """Subjects, each once, and columns of their labels."""
    if isinstance(groups, Mapping):
        subjects, labels = list(groups), list(groups.values())
    elif hasattr(groups, "index") and hasattr(groups, "to_numpy"):
        subjects, labels = list(groups.index), groups
    else:
        raise StatisticsError(
            "groups must be labels by subject or the labels of both sides; give dict(zip(subjects, labels)) or the "
            "tuple (left_labels, right_labels)"
        )
    if len(set(subjects)) < len(subjects):
        twice = next(subject for subject in subjects if subjects.count(subject) > 1)
        raise StatisticsError(f"groups: subject {twice!r} has more than one row; give one row per subject")
    return subjects, label_columns(labels, len(subjects))


def label_columns(groups: Any, size: int) -> Columns:
    """Labels as text by attribute; one array of labels is one attribute, called group."""
    if hasattr(groups, "columns"):
        given = {str(name): groups[name] for name in groups.columns}
    elif isinstance(groups, Mapping):
        given = {str(name): column for name, column in groups.items()}
    else:
        given = {"group": groups}
    if not given:
        raise StatisticsError("groups has no column; omit groups for one rate over all people")
    columns = {name: [as_label(value) for value in as_list(column, f"groups {name}")] for name, column in given.items()}
    for name, labels in columns.items():
        if len(labels) != size:
            raise StatisticsError(f"groups has {len(labels)} labels of {name} for {size} rows; give one per row")
        if ANY in labels:
            raise StatisticsError(f"groups, row {labels.index(ANY)}: {ANY!r} is a reserved word; rename the label")
    return columns


def as_label(value: object) -> str:
    """A label as text; a missing value (None, NaN, NA, an empty text) is `unknown`."""
    text = "" if is_missing(value) else " ".join(str(value).split())
    return text if text and text.lower() != UNKNOWN else UNKNOWN


def is_missing(value: object) -> bool:
    """Whether a value is missing: None, NaN, or the NA and NaT of pandas."""
    return value is None or (not isinstance(value, str) and str(value) in ("nan", "<NA>", "NaT"))


def as_list(values: Any, name: str) -> list[Any]:
    """The values of one column as Python objects, so that a missing value does not become text."""
    array = np.asarray(values, dtype=object)
    if array.ndim != 1:
        raise StatisticsError(f"{name} has {array.ndim} dimensions; give one value per row (and columns as a dict)")
    return list(array.tolist())
