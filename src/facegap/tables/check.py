"""Checks of frames against the schema of their table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd
from pandas.api.types import infer_dtype, is_integer_dtype

from facegap.errors import TableError
from facegap.tables.schema import FIRST, FLOAT, TEXT, Column, Kind, Schema

# Any: pandas-stubs requires literals where a table of dtypes is needed.
DTYPES: Mapping[Kind, Any] = {"int": "int64", "nullable_int": "Int32", "float": "float64", "str": "str", "bool": "bool"}
NUMBERS = (
    "floating",
    "integer",
    "mixed-integer-float",
)  # the dtype of pandas for columns with text only


def check(frame: pd.DataFrame, schema: Schema, where: str) -> pd.DataFrame:
    """A new frame with exactly the columns, order and dtypes of `schema`; `frame` is not changed.

    where  : the file (or call) from which the frame came, for messages. Rows are named by their column `line` if the
             table has one, by row + 2 if `where` is a CSV, else by position from 0.
    frame  : zero rows are allowed. Missing text becomes "". Numbers given as text are read as numbers.
    Raises : TableError for a missing, repeated or unknown column, a value of another type, a value outside a closed
             set, or a reserved label
    """
    _check_names(frame, schema, where)
    labels = label_columns(frame, schema)
    columns: dict[str, pd.Series] = {}
    if schema.labels_after == FIRST:
        columns |= {label: _checked_column(frame, label, TEXT, where) for label in labels}
    for name, column in schema.columns.items():
        columns[name] = _checked_column(frame, name, column, where)
        if name == schema.labels_after:
            kinds = {label: FLOAT if schema.numbers and label.endswith(schema.numbers) else TEXT for label in labels}
            columns |= {label: _checked_column(frame, label, kind, where) for label, kind in kinds.items()}
    for label in labels:
        for value in schema.reserved:
            said = f"{value!r} is reserved; use another label"
            _refuse(frame, columns[label] == value, label, said, where)
    return pd.DataFrame(columns, index=frame.index).reset_index(drop=True)


def label_columns(frame: pd.DataFrame, schema: Schema) -> tuple[str, ...]:
    """The label columns of `frame`, in order: those that are not in the schema."""
    return tuple(str(name) for name in frame.columns if name not in schema.columns)


def check_known(frame: pd.DataFrame, schema: Schema, where: str) -> None:
    """Raise TableError if columns are repeated or not of this table."""
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled):
        raise TableError(f"{where}: column {doubled[0]} occurs more than once; rename or remove one")
    others = label_columns(frame, schema)
    if others and schema.labels_after is None:
        raise TableError(f"{where}: column {others[0]} is not one of the table {schema.name}; remove it")


def _check_names(frame: pd.DataFrame, schema: Schema, where: str) -> None:
    """Raise TableError if columns are missing, repeated or not of this table."""
    missing = [name for name, column in schema.columns.items() if column.required and name not in frame.columns]
    if missing and not frame.columns.has_duplicates:
        found = ", ".join(str(name) for name in frame.columns) or "none"
        raise TableError(f"{where}: column {missing[0]} of the table {schema.name} is missing; add it (found: {found})")
    check_known(frame, schema, where)


def _checked_column(frame: pd.DataFrame, name: str, column: Column, where: str) -> pd.Series:
    """The column with the dtype of its kind; an absent optional column is returned empty."""
    if not len(frame):
        return pd.Series(index=frame.index, dtype=DTYPES[column.kind])
    if name not in frame.columns:
        empty = {"float": float("nan"), "str": "", "nullable_int": pd.NA}[column.kind]
        return pd.Series([empty] * len(frame), index=frame.index, dtype=DTYPES[column.kind])
    series = frame[name]
    if column.kind == "str":
        text = _as_text(series)
        if column.choices is not None:
            choices = ", ".join(choice or "(empty)" for choice in column.choices)
            _refuse(frame, ~text.isin(column.choices), name, f"{{value}} is not one of {choices}", where)
        return text
    if column.kind == "bool":
        return _as_bool(frame, name, where)
    return _as_number(frame, name, column.kind, where)


def _as_text(series: pd.Series) -> pd.Series:
    """The column as text, "" for missing values."""
    if str(series.dtype) == DTYPES["str"] and not series.hasnans:
        return series
    if series.dtype != object or infer_dtype(series, skipna=False) != "string":
        series = series.astype("object").where(series.notna(), "")
    return series.astype(DTYPES["str"])


def _as_bool(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """True and False from booleans or from text, as in a CSV."""
    series = frame[name]
    if series.dtype == bool or (series.dtype == object and infer_dtype(series, skipna=False) == "boolean"):
        return series.astype(DTYPES["bool"])
    truth = series.astype("str").str.strip().str.lower().map({"true": True, "false": False})
    _refuse(frame, truth.isna(), name, "{value} is neither True nor False", where)
    return truth.astype(DTYPES["bool"])


def _as_number(frame: pd.DataFrame, name: str, kind: Kind, where: str) -> pd.Series:
    """The column as int64, nullable Int32 or float64; an empty cell is NA or NaN, and an error for int64."""
    series = frame[name]
    if str(series.dtype) == DTYPES[kind]:
        return series
    empty = series.isna()
    if infer_dtype(series, skipna=False) not in NUMBERS:
        empty |= series.astype("str").str.strip() == ""
        series = series.where(~empty)
    numbers = pd.to_numeric(series, errors="coerce")
    _refuse(frame, numbers.isna() & ~empty, name, "{value} is not a number", where)
    if kind == "float":
        return numbers.astype(DTYPES[kind])
    if kind == "int":
        _refuse(frame, empty, name, "an empty cell where a whole number is required", where)
    if not is_integer_dtype(numbers):
        _refuse(frame, (numbers % 1 != 0) & ~empty, name, "{value} is not a whole number", where)
    return numbers.astype(DTYPES[kind])


def _refuse(frame: pd.DataFrame, wrong: pd.Series, name: str, what: str, where: str) -> None:
    """Raise TableError that names the first row where `wrong` is true; `{value}` in `what` becomes its value."""
    positions = wrong.to_numpy(dtype=bool, na_value=True).nonzero()[0]
    if not len(positions):
        return
    row = int(positions[0])
    further = f" (and {len(positions) - 1} more rows)" if len(positions) > 1 else ""
    said = what.replace("{value}", repr(str(frame[name].iloc[row])))
    raise TableError(f"{where} {_place(frame, row, where)}, column {name}: {said}{further}")


def _place(frame: pd.DataFrame, row: int, where: str) -> str:
    """The name of a row in messages: its line, if known."""
    if "line" in frame.columns:
        return f"line {frame['line'].iloc[row]}"
    return f"line {row + 2}" if where.endswith(".csv") else f"row {row} (counted from 0)"
