"""Every table that a command writes is in facegap/tables, with all its columns, and written by one of the two writers."""

from __future__ import annotations

import ast
from pathlib import Path

import pandas as pd
import pytest

from facegap.errors import TableError
from facegap.store.files import write_csv, write_parquet
from facegap.tables import COMPARED, EXTRA_TABLES, FACES, PAIRED, RATES, RUN_TABLES, WATERFALL, check
from facegap.tables.schema import FIRST

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "facegap"
WRITERS = ("to_csv", "to_parquet", "writer", "DictWriter", "csv_bytes", "parquet_bytes")
# Files that may write a table other than by write_csv and write_parquet, and why.
ALLOWED = {
    "store/files.py": "the writers",
    "store/parts.py": "parts of a run that is not whole; they are taken away",
    "audit/run.py": "compares a stored table with one that was derived again",
    "catalogue/own_csv.py": "a copy of the user's table in a temporary folder",
    "catalogue/tables.py": "a manifest, whose columns are the user's",
    "demo/run.py": "a manifest",
    "demo/text.py": "columns of SIDE_BY_SIDE, with empty cells",
    "explore/page.py": "checked there; the tables are EXPLORED",
    "inputs/given.py": "a table in memory, in a temporary folder",
    "plan/pairs.py": "checked there; the table is PAIR_LIST",
    "protocol/run.py": "a manifest in a temporary folder",
    "reproduce/gender_shades.py": "a manifest, and predictions as they are given to audit-predictions",
    "stress/again.py": "compares a stored table with one that was derived again",
}


def makes_tables(path: Path) -> bool:
    """Whether a file calls something that writes a CSV or parquet."""
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    return any(ast.unparse(call.func).rpartition(".")[2] in WRITERS for call in calls)


def test_no_file_makes_a_table_past_the_writers() -> None:
    found = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if makes_tables(path)}
    assert found == ALLOWED.keys(), "write it with write_csv or write_parquet, which hold it to a schema"


@pytest.mark.parametrize("write", [write_csv, write_parquet])
def test_a_column_that_is_not_of_the_table_is_not_written(write: object, tmp_path: Path) -> None:
    assert callable(write)
    with pytest.raises(TableError, match="column surprise is not one of the table PAIRED"):
        write(tmp_path / "paired.csv", pd.DataFrame({"metric": ["fmr"], "surprise": [1]}), PAIRED)
    assert not list(tmp_path.iterdir())


def test_label_columns_are_written_where_a_table_has_them(tmp_path: Path) -> None:
    frame = pd.DataFrame({"gender": ["female"], "images": [3]})
    write_csv(tmp_path / "waterfall.csv", frame, WATERFALL)
    assert (tmp_path / "waterfall.csv").read_text() == "gender,images\nfemale,3\n"


def test_labels_that_stand_first_come_back_first() -> None:
    assert WATERFALL.labels_after == FIRST
    checked = check(pd.DataFrame({"images": [3], "gender": ["female"]}), WATERFALL, "waterfall.csv")
    assert list(checked.columns)[:2] == ["gender", "images"]
    assert checked["answered"].isna().all()


def test_every_table_of_a_run_and_of_a_comparison_has_its_own_schema() -> None:
    assert RUN_TABLES["rates.csv"] is RATES
    assert {*EXTRA_TABLES} < {*RUN_TABLES}
    assert len({schema.name for schema in COMPARED.values()}) == len(COMPARED)
    assert FACES.labels_after is None
