"""Schemas of tables: their columns as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["int", "nullable_int", "float", "str", "bool"]


@dataclass(frozen=True)
class Column:
    """Type and values of one column.

    required : an optional column that is absent is added empty (NaN, NA or ""), so every checked table has all columns
    choices  : the closed set of its values, None if any value is allowed
    """

    kind: Kind
    required: bool = True
    choices: tuple[str, ...] | None = None


FIRST = ""  # labels_after of a table that begins with its label columns


@dataclass(frozen=True)
class Schema:
    """The columns of one table in their order.

    labels_after : the fixed column that label columns (text, one per attribute) follow; FIRST: they come first; None:
                   there are none
    reserved     : values that no label may have
    numbers      : suffix of the names of label columns with numbers; empty: there are none
    """

    name: str
    columns: Mapping[str, Column]
    labels_after: str | None = None
    reserved: tuple[str, ...] = ()
    numbers: str = ""


INT, NULLABLE_INT, FLOAT = Column("int"), Column("nullable_int"), Column("float")
COUNT_IF_ANY, TEXT_IF_ANY, FLOAT_IF_ANY = (Column(kind, required=False) for kind in ("nullable_int", "str", "float"))
TEXT, BOOL = Column("str"), Column("bool")


def counted(name: str) -> dict[str, Column]:
    """Columns of a rate with its counts and interval."""
    counts = {f"{name}_errors": INT, f"{name}_trials": INT}
    return counts | dict.fromkeys((f"{name}_value", f"{name}_low", f"{name}_high"), FLOAT)
