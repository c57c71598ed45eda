"""Files that somebody else made to do harm: each ends in an error or an outcome, soon, and touches nothing else."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper

from facegap.errors import ModelError, TableError
from facegap.inputs.csv_records import read_records
from facegap.inputs.headers import MOST_JPEG_SCANS
from facegap.inputs.images import Picture, Unreadable, decode
from facegap.runtime import open_session, run_session

# ---- models ----


def test_a_name_in_a_model_file_cannot_steer_the_terminal_through_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    node = helper.make_node("Reshape", ["x", "shape"], ["y"], name="\x1b]0;steered\x07")
    shape = helper.make_tensor("shape", TensorProto.INT64, [1], [7])
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n"]) for name in "xy"]
    graph = helper.make_graph([node], "g", ports[:1], ports[1:], [shape])
    model: Any = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    assert isinstance(model, onnx.ModelProto)
    session = open_session(model.SerializeToString(), name="hostile")
    with pytest.raises(ModelError, match="the model fails"):
        run_session(session, None, {"x": np.zeros(3, np.float32)}, name="hostile")
    written = capfd.readouterr()
    assert "\x1b" not in written.err + written.out


# ---- images ----


def progressive(encode: Any, more_scans: int) -> bytes:
    import cv2

    data: bytes = encode(".jpg", np.zeros((64, 64, 3), np.uint8), cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
    last = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + last * more_scans + b"\xff\xd9"


def test_a_jpeg_of_thousands_of_scans_is_an_outcome_before_it_costs_hours(encode: Any) -> None:
    assert isinstance(decode(progressive(encode, 0)), Picture)
    found = decode(progressive(encode, 5000))
    assert found == Unreadable("unreadable", f"a JPEG file of more than {MOST_JPEG_SCANS} scans")


# ---- tables ----


def test_a_hundred_thousand_columns_are_refused_at_once(tmp_path: Path) -> None:
    table = tmp_path / "wide.csv"
    table.write_text(",".join(f"c{k}" for k in range(100_000)) + "\n", "utf-8")
    started = time.perf_counter()
    with pytest.raises(TableError, match="line 1: 100,000 columns, more than 2,000"):
        read_records(table)
    assert time.perf_counter() - started < 5


def test_a_small_parquet_file_of_very_many_rows_is_refused_unread(tmp_path: Path) -> None:
    table = tmp_path / "bomb.parquet"
    rows = 1_000_000
    one_value = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["a.jpg"]))
    with pq.ParquetWriter(table, pa.schema([("image", one_value.type)]), compression="zstd") as writer:
        for _ in range(101):
            writer.write_table(pa.table({"image": one_value}))
    assert table.stat().st_size < 500_000
    with pytest.raises(TableError, match="101,000,000 rows of 1 columns"):
        read_records(table)


def test_a_text_of_megabytes_in_every_row_of_a_parquet_file_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "long.parquet"
    rows = 100_000  # 1 TB, were every cell unpacked
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["a" * 10_000_000]))
    pq.write_table(pa.table({"image": long}), table, compression="zstd")
    assert table.stat().st_size < 500_000
    with pytest.raises(TableError, match="record 1: a cell of 10,000,000 characters"):
        read_records(table)
