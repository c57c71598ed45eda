"""Cells of parquet and CSV files as text: ids that were stored as floats, and long files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.errors import TableError
from facegap.inputs import records
from facegap.inputs.records import read_records


def stored(folder: Path, values: Any) -> Path:
    pd.DataFrame({"image": [f"{k}.jpg" for k in range(len(values))], "subject": values}).to_parquet(
        folder / "m.parquet"
    )
    return folder / "m.parquet"


@pytest.mark.parametrize(("kind", "bits"), [("float64", 53), ("float32", 24), ("float16", 11)])
def test_whole_floats_are_integers_up_to_what_their_type_can_tell_apart(tmp_path: Path, kind: str, bits: int) -> None:
    largest = 2**bits - 1
    cells = read_records(stored(tmp_path, np.array([largest, 7], kind))).frame["subject"]
    assert cells.tolist() == [str(largest), "7"]
    with pytest.raises(TableError, match=rf"column subject, record 2: {2**bits} is a whole number beyond 2\*\*{bits}"):
        read_records(stored(tmp_path, np.array([7, 2**bits], kind)))


def test_missing_floats_are_empty_and_fractions_keep_their_digits(tmp_path: Path) -> None:
    cells = read_records(stored(tmp_path, np.array([np.nan, 0.1 + 0.2]))).frame["subject"]
    assert cells.tolist() == ["", "0.30000000000000004"]


def test_a_csv_longer_than_one_part_keeps_its_rows_their_order_and_their_lines(tmp_path: Path) -> None:
    rows = 2 * records.ROWS_AT_ONCE + 1
    path = tmp_path / "many.csv"
    path.write_text("image,note\n\n" + "".join(f'{row}.png,"n\n{row}"\n' for row in range(rows)))
    found = read_records(path)
    assert found.frame["image"].tolist() == [f"{row}.png" for row in range(rows)]
    assert found.frame["note"].tolist() == [f"n\n{row}" for row in range(rows)]
    assert list(found.lines) == [3 + 2 * row for row in range(rows)]


def test_a_csv_of_a_header_alone_has_columns_of_text_and_no_rows(tmp_path: Path) -> None:
    path = tmp_path / "none.csv"
    path.write_text("image,note\n")
    found = read_records(path)
    assert (list(found.frame.columns), len(found.frame)) == (["image", "note"], 0)
    assert all(kind == "str" for kind in found.frame.dtypes)
