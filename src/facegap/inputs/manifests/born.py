"""Compute ages from the year of birth and the year of the photograph."""

from __future__ import annotations

import re
from dataclasses import replace

import pandas as pd

from facegap.errors import TableError
from facegap.inputs.manifests.labels import OLDEST, UNKNOWN
from facegap.inputs.manifests.read import Manifest

BIRTH_YEAR, PHOTO_YEAR, AGE = "birth_year", "photo_year", "age"
_YEAR = re.compile(r"((?:1[89]|2[01])\d\d)(?:\.0|-\d\d(?:-\d\d)?)?")  # a year, or the year of an ISO date


def age_columns(table: Manifest, named: tuple[str, str] | None) -> tuple[str, str] | None:
    """Return the named columns, else birth_year and photo_year; None if the manifest has ages or not both columns.

    Raises
    ------
    TableError : If a named column is missing, or the manifest already has ages.
    """
    if named is None:
        usual = {BIRTH_YEAR, PHOTO_YEAR} <= set(table.labels) and AGE not in table.frame.columns
        return (BIRTH_YEAR, PHOTO_YEAR) if usual else None
    if AGE in table.frame.columns:
        raise TableError(f"--age-from: {table.name} already has a column age; omit the option, or rename that column")
    for name in named:
        if name not in table.labels:
            raise TableError(
                f"--age-from: {table.name} has no column {name} (found: {', '.join(table.labels) or 'none'})"
            )
    return named


def with_ages(table: Manifest, named: tuple[str, str] | None = None) -> Manifest:
    """Add a column `age`, computed from the year of birth and the year of the photograph, if the manifest has none.

    Someone born in 1997 and photographed in 2015 was 17 or 18: the label is the range "17-18", because the days are unknown. If
    either cell is empty, the age is `unknown`.

    Parameters
    ----------
    table : Manifest
        With the two columns, each of years (1800 to 2199) or ISO dates, of which only the year is used.
    named : tuple of str, optional
        Columns of birth and of the photograph; None: birth_year and photo_year if both are present and `age` is not.

    Raises
    ------
    TableError : If a column is missing, a cell is not a year, or a photograph is before birth or over 150 years after it.
    """
    columns = age_columns(table, named)
    if columns is None:
        return table
    frame = table.frame
    ages = [
        age_label(str(born), str(taken), f"{table.name} line {line}", columns)
        for born, taken, line in zip(frame[columns[0]], frame[columns[1]], frame["line"], strict=True)
    ]
    missing = ages.count(UNKNOWN)
    said = f"the column age is computed from {columns[0]} and {columns[1]}; each age is a range of two years like 17-18"
    said += f"; {missing:,} of {len(ages):,} rows lack one of the two and so have no age" if missing else ""
    return replace(
        table,
        frame=frame.assign(age=pd.Series(ages, index=frame.index, dtype="str")),
        labels=(*table.labels, AGE),
        warnings=(*table.warnings, said),
    )


def age_label(born: str, taken: str, where: str, columns: tuple[str, str]) -> str:
    """Return the range of ages that two years allow, as a label; `unknown` if one is missing."""
    if UNKNOWN in (born, taken):
        return UNKNOWN
    years = []
    for text, column in zip((born, taken), columns, strict=True):
        found = _YEAR.fullmatch(text.strip())
        if found is None:
            raise TableError(
                f"{where}, column {column}: {text!r} is not a year such as 1997; write one, or leave the cell empty"
            )
        years.append(int(found.group(1)))
    age = years[1] - years[0]
    if not 0 <= age <= OLDEST:
        raise TableError(
            f"{where}, column {columns[1]}: photographed in {years[1]}, "
            f"{'before' if age < 0 else f'{age} years after'} the birth in {years[0]}; correct one of the two"
        )
    return f"{max(age - 1, 0)}-{age}"
