"""Cells of parquet files as text: ids that went through floats."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.errors import TableError
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
