"""--weights, --shares and --slope: weights of images, the composition of a population, and numeric columns.

All are checked before any model runs.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from facegap.derive.population import estimand, weights_of_manifest
from facegap.derive.slopes import values_of
from facegap.errors import TableError
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.records import Records, read_records
from facegap.store.record import ShareRecord, SharesRecord
from facegap.types import FloatArray

SHARE = "share"
LEAST_WEIGHT, MOST_WEIGHT = 1e-12, 1e12  # besides 0
OFF_ONE = 1e-6  # tolerance for the sum of proportions, as published tables are rounded


def require_weights(table: Manifest, column: str | None) -> tuple[str, ...]:
    """A sentence on the weights of --weights; none without it.

    Raises
    ------
    TableError : if the column is missing, a weight is missing, negative or not a number, or all weights are 0
    """
    if column is None:
        return ()
    require_label(table, column, "--weights")
    for position, text in enumerate(table.frame[column]):
        if not is_weight(str(text)):
            line = table.frame["line"].iloc[position]
            raise TableError(
                f"{table.name} line {line}, column {column}: {text[:60]!r} is not a weight; give every row 0 or a number from "
                f"{LEAST_WEIGHT:g} to {MOST_WEIGHT:g}, or exclude rows with --where"
            )
    weights = weights_of_manifest(table.frame, column)
    if not weights.sum() > 0:
        raise TableError(f"{table.name}, column {column}: all weights are 0, so no row counts")
    return (f"--weights: {estimand(column, None)}; {spread(weights)}",)


def require_slopes(table: Manifest, columns: Sequence[str]) -> tuple[str, ...]:
    """Sentences on the columns of --slope; none without it.

    Raises
    ------
    TableError : if a column is missing, a value is neither missing nor a number (with its line), or all values are equal
    """
    sentences = []
    for name in columns:
        require_label(table, name, "--slope")
        values = values_of(table.frame, name)
        known = np.isfinite(values)
        worded = ~known & (table.frame[name] != UNKNOWN).to_numpy(np.bool_)
        if worded.any():
            row = int(worded.argmax())
            raise TableError(
                f"{table.name} line {table.frame['line'].iloc[row]}, column {name}: {table.frame[name].iloc[row]!r} is not a number "
                f"({int(worded.sum())} such rows); --slope needs numbers, such as an age in years; compare ranges with --by {name}"
            )
        if len(np.unique(values[known])) < 2:
            raise TableError(f"--slope {name}: all rows have the same value, so no slope can be estimated")
        lost = f"; {int((~known).sum()):,} rows have none and are in no curve" if not known.all() else ""
        ends = f"from {values[known].min():g} to {values[known].max():g}"
        sentences.append(f"--slope: {name} runs {ends}; images are not weighted{lost}")
    return tuple(sentences)


def is_weight(text: str) -> bool:
    """Whether text is 0 or a number whose squares and sums are finite."""
    if not text.isascii() or "_" in text:  # float() accepts 1_000 and digits of other scripts
        return False
    try:
        return float(text) == 0 or LEAST_WEIGHT <= float(text) <= MOST_WEIGHT
    except ValueError:
        return False


def spread(weights: FloatArray) -> str:
    """The range of the weights and the effective sample size, in words."""
    positive = weights[weights > 0]
    kish = weights.sum() ** 2 / (weights**2).sum()
    return (
        f"weights from {positive.min():g} to {positive.max():g}, by which {len(weights):,} images are equivalent to "
        f"{kish:,.0f} of equal "
        "weight"
    )


def require_label(table: Manifest, name: str, option: str) -> None:
    """Raise TableError if a column is not a label column of the manifest."""
    if name in table.labels:
        return
    near = difflib.get_close_matches(name, table.labels, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(table.labels) or 'no label column'}"
    raise TableError(f"{option}: the manifest {table.name} has no label column {name!r}; {hint}")


def shares_of(path: Path | None, table: Manifest, weights: str | None) -> tuple[SharesRecord | None, tuple[str, ...]]:
    """The composition of the population in --shares, checked against the subjects of the manifest, and notes on it.

    Raises
    ------
    TableError : if the file is malformed (no column `share`, no or an unknown label column, a proportion outside 0 to 1, a repeated
                cell, a sum other than 1), a cell with a proportion has no subjects, or subjects are in an unlisted cell
    """
    if path is None:
        return None, ()
    records = read_records(path)
    columns = tuple(str(name) for name in records.frame.columns if name != SHARE)
    if SHARE not in records.frame.columns or not columns:
        raise TableError(f"{path.name} line 1: needs a column 'share' and at least one label column of the manifest")
    for name in columns:
        require_label(table, name, f"--shares {path.name}")
    cells = tuple(share_of(records, row, columns, path.name) for row in range(len(records.frame)))
    require_whole(cells, records, path.name)
    require_people(cells, columns, table, path.name)
    found = SharesRecord(records.sha256, columns, cells)
    unplaced = int((table.frame[list(columns)] == UNKNOWN).any(axis=1).sum())
    lost = (
        f"; {unplaced:,} rows without a label of {' and '.join(columns)} are excluded from these rates"
        if unplaced
        else ""
    )
    return found, (f"--shares: {estimand(weights, found)}{lost}",)


def share_of(records: Records, row: int, columns: Sequence[str], file: str) -> ShareRecord:
    """One line of the file."""
    cells = records.frame.iloc[row]
    text = str(cells[SHARE])
    if not is_weight(text) or float(text) > 1:
        raise TableError(f"{file} line {records.lines[row]}, column share: {text!r} is not a number from 0 to 1")
    labels = tuple(str(cells[name]) for name in columns)
    if "" in labels or UNKNOWN in labels:
        raise TableError(f"{file} line {records.lines[row]}: a cell of the population needs a label in every column")
    return ShareRecord(labels, float(text))


def require_whole(cells: Sequence[ShareRecord], records: Records, file: str) -> None:
    """Raise TableError if a cell is listed twice, or the proportions do not sum to 1."""
    seen: set[tuple[str, ...]] = set()
    for row, cell in enumerate(cells):
        if cell.labels in seen:
            raise TableError(
                f"{file} line {records.lines[row]}: {' '.join(cell.labels)!r} occurs twice; add up the two"
            )
        seen.add(cell.labels)
    total = math.fsum(cell.share for cell in cells)
    if abs(total - 1) > OFF_ONE:
        raise TableError(
            f"{file}, column share: the shares sum to {total:.6g}, not to 1; give the proportions of the whole population"
        )


def require_people(cells: Sequence[ShareRecord], columns: Sequence[str], table: Manifest, file: str) -> None:
    """Raise TableError if a cell with a proportion has no subjects, or subjects are in a cell without one."""
    rows = table.frame[list(columns)].astype(str)
    there = {tuple(row) for row in rows.to_numpy() if UNKNOWN not in row}
    named = {cell.labels: cell.share for cell in cells}
    empty = [labels for labels, share in named.items() if share > 0 and labels not in there]
    if empty:
        raise TableError(
            f"{file}: {' '.join(empty[0])!r} has a proportion but no subject in {table.name} ({len(empty)} such); "
            f"nothing can be said about a part of the population that was not audited; merge it with another cell in "
            f"both files, or audit people from it"
        )
    foreign = sorted(there - named.keys())
    if foreign:
        raise TableError(
            f"{file}: has no proportion for {' '.join(foreign[0])!r} of {table.name} ({len(foreign)} such); add a "
            f"line for it, with 0 if it is not part of the population"
        )
