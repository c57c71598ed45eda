"""A text table is made of rows of values and a list of columns."""

from __future__ import annotations

from facegap.report.tables import Column, table_of


def test_a_table_writes_each_row_under_each_column_and_dims_what_it_is_told_to() -> None:
    columns = (Column[int]("n", str), Column[int]("square", lambda n: str(n * n)))
    table = table_of("squares", columns, [1, 2, 3], is_dimmed=lambda n: n < 2, notes=["whole numbers"])
    assert table.title == "squares"
    assert table.columns == ("n", "square")
    assert table.rows == (("1", "1"), ("2", "4"), ("3", "9"))
    assert table.dimmed == {0}
    assert table.notes == ("whole numbers",)


def test_a_table_without_rows_keeps_its_columns() -> None:
    table = table_of("nothing", (Column[int]("n", str),), [])
    assert (table.columns, table.rows, table.dimmed, table.notes) == (("n",), (), frozenset(), ())
