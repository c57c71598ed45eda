"""Select rows of a manifest by a condition such as `age not in ('0-2', '3-9') and gender == 'female'`.

The condition is parsed by Python's parser and interpreted here; it is never evaluated as code. It may contain column names,
quoted text, numbers, ==, !=, <, <=, >, >=, in, not in, and, or, not and parentheses. A column name that is not a Python identifier
is written in backticks: `skin tone` == 'V'.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.manifests.labels import UNKNOWN, normalise_label
from facegap.types import BoolArray

MAX_CHARACTERS = 2_000  # enough for any condition written by hand, but too short to exhaust the parser
LARGEST = 1e300

_ORDERS: Mapping[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}
_STRINGS_OR_BACKTICKS = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"|`([^`]*)`")
_HIDDEN = ("row", "line", "path")  # facegap's own columns of a manifest


@dataclass(frozen=True)
class Selection:
    """rows: bool (rows of the frame,), True where the condition holds. warnings: on constants that no cell equals."""

    rows: BoolArray
    warnings: tuple[str, ...]


def select_rows(frame: pd.DataFrame, condition: str) -> Selection:
    """Return which rows of a MANIFEST frame satisfy the condition.

    ==, !=, in : a number is compared with numerical cells, text with the cell's text; a constant compared with the column
                 gender is normalised like its labels ('F' matches female). A cell that is not a number differs from every
                 number.
    <, <=, ... : for numbers only. An empty cell (`unknown`) satisfies none of them; other text is an error.
    Raises     : TableError that points at the position, for any other syntax, a missing column, or an ordering of values
                 that are not numbers
    """
    return _Condition(frame, condition).select()


class _Condition:
    """One condition on one frame; its text is kept to show positions in messages."""

    def __init__(self, frame: pd.DataFrame, text: str) -> None:
        self.frame = frame
        self.text = text = re.sub(r"\s", " ", text).strip()
        self.columns = [str(name) for name in frame.columns if name not in _HIDDEN]
        self.code, self.backticked = _without_backticks(text)
        self.warnings: list[str] = []

    def select(self) -> Selection:
        """Return the rows for which the whole condition holds."""
        if len(self.text) > MAX_CHARACTERS:
            raise TableError(f"--where: longer than {MAX_CHARACTERS:,} characters; filter the file instead")
        try:
            rows = self._truth(self._parsed())
        except (RecursionError, MemoryError):
            raise TableError("--where: nested too deeply; simplify the condition") from None
        return Selection(rows, tuple(dict.fromkeys(self.warnings)))

    def _parsed(self) -> ast.expr:
        """Parse the condition to a syntax tree."""
        with warnings.catch_warnings():
            # The parser warns of odd but legal code ('\d', 1 is 1); here that is an error.
            warnings.simplefilter("error")
            try:
                return ast.parse(self.code, mode="eval").body
            except SyntaxError as error:
                # The parser counts characters, from 1, in the line where it stopped; conditions have one line.
                raise self._error((error.offset or 1) - 1, f"not understood ({error.msg})") from None
            except ValueError:
                raise TableError("--where: contains a NUL character; remove it") from None

    def _truth(self, node: ast.expr) -> BoolArray:
        """Return one bool per row for and, or, not and comparisons."""
        match node:
            case ast.BoolOp(op=op, values=values):
                join = np.logical_and if isinstance(op, ast.And) else np.logical_or
                truth: BoolArray = join.reduce([self._truth(value) for value in values])
                return truth
            case ast.UnaryOp(op=ast.Not(), operand=operand):
                return ~self._truth(operand)
            case ast.Compare(left=left, ops=ops, comparators=rights):
                rows = np.ones(len(self.frame), dtype=bool)
                for comparison, right in zip(ops, rights, strict=True):
                    rows &= self._compared(left, comparison, right)
                    left = right
                return rows
        raise self._refused(node, "expected a comparison, or and, or, not")

    def _compared(self, left: ast.expr, op: ast.cmpop, right: ast.expr) -> BoolArray:
        """Return one bool per row for a single comparison."""
        match op:
            case ast.Eq():
                return self._equal(left, right)
            case ast.NotEq():
                return ~self._equal(left, right)
            case ast.In() | ast.NotIn():
                items = right.elts if isinstance(right, ast.Tuple | ast.List | ast.Set) else [right]
                if not items or any(self._is_column(item) for item in items):
                    raise self._refused(right, "'in' needs a list of values, such as ('a', 'b')")
                found: BoolArray = np.logical_or.reduce([self._equal(left, item) for item in items])
                return found if isinstance(op, ast.In) else ~found
            case ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE():
                if not (self._is_column(left) or self._is_column(right)):
                    raise self._refused(left, "one side must be a column")
                return np.asarray(_ORDERS[type(op)](self._numbers(left), self._numbers(right)), dtype=bool)
        raise self._refused(right, "the operators are ==, !=, <, <=, >, >=, in and not in")

    def _equal(self, left: ast.expr, right: ast.expr) -> BoolArray:
        """Return one bool per row: two columns are compared as text, a column and a constant by the constant's type."""
        if self._is_column(right) and not self._is_column(left):
            left, right = right, left
        if not self._is_column(left):
            raise self._refused(left, "one side must be a column")
        cells = self._cells(left)
        if self._is_column(right):
            return (cells == self._cells(right)).to_numpy(dtype=bool)
        constant = self._constant(right)
        if isinstance(constant, str):
            constant = normalise_label(str(cells.name), constant)
            rows = (cells == constant).to_numpy(dtype=bool)
        else:
            rows = (pd.to_numeric(cells, errors="coerce") == constant).to_numpy(dtype=bool)
        if not rows.any() and len(cells):
            found = ", ".join(repr(str(value)) for value in cells.drop_duplicates().head(5))
            self.warnings.append(f"--where: no cell of column {cells.name} is {constant!r}; it contains {found} ...")
        return rows

    def _numbers(self, node: ast.expr) -> pd.Series | float:
        """Return a column as numbers, NaN for unknown, or a constant; other operands raise TableError."""
        if not self._is_column(node):
            constant = self._constant(node)
            if isinstance(constant, str):
                raise self._refused(node, "text is not ordered; compare numbers, or list the values with 'in'")
            return constant
        cells = self._cells(node)
        numbers = pd.to_numeric(cells, errors="coerce")
        text = (numbers.isna() & (cells != UNKNOWN)).to_numpy(dtype=bool)
        if text.any():
            row = int(text.argmax())
            place = f"in line {self.frame['line'].iloc[row]} " if "line" in self.frame.columns else ""
            what = (
                f"column {cells.name} holds {cells.iloc[row]!r} {place}which is not a number; list the values with 'in'"
            )
            raise self._refused(node, what)
        return numbers

    def _is_column(self, node: ast.expr) -> bool:
        return isinstance(node, ast.Name)

    def _cells(self, node: ast.expr) -> pd.Series:
        """Return the cells of the column that the node names."""
        assert isinstance(node, ast.Name)
        name = self.backticked.get(node.id, node.id)
        if name in self.columns:
            return self.frame[name]
        close = difflib.get_close_matches(name, self.columns, n=1)
        hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(self.columns)}"
        raise self._refused(node, f"no column {name}; {hint} (text is written in quotes)")

    def _constant(self, node: ast.expr) -> str | float:
        """Return quoted text or a number."""
        match node:
            case ast.Constant(value=bool() | None):
                raise self._refused(node, "cells are text: write it in quotes (an empty cell is 'unknown')")
            case ast.Constant(value=str() as text):
                return text
            case ast.Constant(value=int() | float() as number) if abs(number) < LARGEST:
                return float(number)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float()) as number_node):
                return -float(self._constant(number_node))
        raise self._refused(node, "only column names, quoted text and numbers are allowed here")

    def _refused(self, node: ast.expr, what: str) -> TableError:
        """Return an error that points at a node of the tree, whose offset counts UTF-8 bytes."""
        lines = self.code.split("\n")
        line = lines[node.lineno - 1].encode()
        before = sum(len(text) + 1 for text in lines[: node.lineno - 1])
        return self._error(before + len(line[: node.col_offset].decode()), what)

    def _error(self, position: int, what: str) -> TableError:
        return TableError(f"--where, character {position + 1}: {what}\n  {self.text}\n  {' ' * position}^")


def _without_backticks(text: str) -> tuple[str, dict[str, str]]:
    """Replace each name in backticks by an identifier of equal length, and return their names."""
    names: dict[str, str] = {}

    def replace(found: re.Match[str]) -> str:
        name = found.group(1)
        if name is None:  # quoted text
            return found.group(0)
        identifier = f"_{len(names)}".ljust(len(found.group(0)), "_")
        while identifier in text:
            identifier += "_"
        names[identifier] = name.strip()
        return identifier

    return _STRINGS_OR_BACKTICKS.sub(replace, text), names
