"""Files that claim more than the free memory are rejected before they are read; the error has both numbers."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from facegap.errors import RunError, TableError
from facegap.inputs import records
from facegap.inputs.records import read_records
from facegap.inputs.scores.read import read_scores
from facegap.store import room, tables
from facegap.store import run as store
from facegap.store.arrays import mapped_npy
from facegap.store.counts import scores_from_npz
from facegap.store.parts import join_embeddings
from facegap.store.tables import read_parquet

LITTLE = 100 * 2**20
BOTH_NUMBERS = r"about [\d,]+ bytes of memory are needed, and 104,857,600 are free"


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine with a hundred megabytes."""
    monkeypatch.setattr(room, "free_memory", lambda: LITTLE)


def repeated(text: str, rows: int) -> pa.Table:
    """One text in very many rows, stored once."""
    return pa.table({"image": pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([text]))})


def test_a_small_parquet_file_of_very_many_rows_is_refused_by_its_footer(little: None, tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    pq.write_table(repeated("a", 5_000_000), path, compression="zstd")
    assert path.stat().st_size < 100_000
    with pytest.raises(RunError, match=rf"5,000,000 rows of 1 columns.*{BOTH_NUMBERS}"):
        read_parquet(path)
    with pytest.raises(TableError, match=BOTH_NUMBERS):
        read_records(path)


def test_a_long_text_in_many_rows_is_refused_while_it_is_stored_once(little: None, tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    pq.write_table(repeated("x" * 9_000, 50_000), path, compression="zstd")
    with pytest.raises(RunError, match=BOTH_NUMBERS):
        read_parquet(path)
    with pytest.raises(TableError, match=BOTH_NUMBERS):
        read_records(path)


@pytest.mark.parametrize("columns", [1, 5])
@pytest.mark.parametrize("value", ["a", 1.5, 7, True, None])
def test_one_value_repeated_is_refused_whatever_the_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, columns: int, value: object
) -> None:
    monkeypatch.setattr(room, "free_memory", lambda: 2**50)
    monkeypatch.setattr(tables, "CELLS_OF_ANY_FILE", 10_000)
    path, rows = tmp_path / "faces.parquet", 1_000_000
    one = pa.array([value]).take(pa.array(np.zeros(rows, np.int8)))
    pq.write_table(pa.table({f"c{k}": one for k in range(columns)}), path, compression="zstd")
    size = path.stat().st_size
    most = max(10_000, 64 * size)
    said = (
        rf"1,000,000 rows of {columns} columns.*: more than the {most:,} cells that a file of {size:,} bytes may have"
    )
    with pytest.raises(RunError, match=said):
        read_parquet(path)
    with pytest.raises(TableError, match=said):
        read_records(path)


def test_ten_million_rows_in_kilobytes_are_refused_at_once(tmp_path: Path) -> None:
    path, rows = tmp_path / "scores.parquet", 10_000_001  # all distinct, and stored as differences of one
    counted = {"use_dictionary": False, "column_encoding": {"image": "DELTA_BINARY_PACKED"}, "compression": "zstd"}
    pq.write_table(pa.table({"image": np.arange(rows)}), path, **counted)
    assert path.stat().st_size < 100_000
    with pytest.raises(RunError, match=r"10,000,001 rows of 1 columns.*: more than the 10,000,000 cells"):
        read_parquet(path)
    with pytest.raises(TableError, match="more than the 10,000,000 cells"):
        read_records(path)


def test_distinct_values_are_turned_into_text_once_and_first_records_are_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked: list[object] = []
    real = records._as_text
    monkeypatch.setattr(records, "_as_text", lambda value, bits: asked.append(value) or real(value, bits))
    texts = ["b", None, "a", "", "b"]
    numbers = [1.0, -0.0, 0.25, np.nan, 1.0]
    frame = {
        "image": texts,
        "n": numbers,
        "yes": [True, None, False, True, True],
        "half": np.float16([1, 2, 1, 0.5, 2]),
    }
    pq.write_table(pa.table({key: pa.array(cells) for key, cells in frame.items()}), tmp_path / "a.parquet")
    read = read_records(tmp_path / "a.parquet").frame
    assert read["image"].tolist() == ["b", "", "a", "", "b"]
    assert read["n"].tolist() == ["1", "0", "0.25", "", "1"]
    assert read["yes"].tolist() == ["True", "", "False", "True", "True"]
    assert read["half"].tolist() == ["1", "2", "1", "0.5", "2"]
    assert len(asked) == 3 + 3 + 2 + 3
    pq.write_table(pa.table({"image": [1.0, 5.0, 2.0**53, 2.0**53]}), tmp_path / "a.parquet")
    with pytest.raises(TableError, match="column image, record 3: 9007199254740992 is a whole number beyond"):
        read_records(tmp_path / "a.parquet")


def test_templates_of_a_part_that_state_more_than_they_hold_are_one_error(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "000000.npy").write_bytes(npy((2**50, 512), bytes(64)))
    with pytest.raises(RunError, match=r"000000\.npy: not the templates of a part: the header states"):
        join_embeddings(tmp_path, 1, 1, 512)


def test_columns_inside_columns_are_in_no_table_of_a_run(tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    pq.write_table(pa.table({"a": [[1, 2]]}), path)
    with pytest.raises(RunError, match="nested columns"):
        read_parquet(path)


@pytest.mark.parametrize("data", [b"", b"PAR1", b"PAR1" + b"\xff" * 40 + b"PAR1", b"x" * 1000])
def test_a_file_that_is_no_parquet_is_an_error_of_files(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(data)
    with pytest.raises(OSError, match="damaged parquet file"):
        read_parquet(tmp_path / "a.parquet")


def test_a_csv_of_very_many_cells_is_refused_before_it_is_taken_apart(little: None, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    row = "," * 1_999 + "\n"
    path.write_text(",".join(f"c{k}" for k in range(2_000)) + "\n" + row * 2_000)
    with pytest.raises(TableError, match=rf"people.csv: some 4,002,000 cells in 2,001 lines: {BOTH_NUMBERS}"):
        read_records(path)
    with pytest.raises(RunError, match=BOTH_NUMBERS):
        store.read_csv(path)


def test_the_bound_on_cells_holds_whatever_the_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("facegap.inputs.records.MAX_CELLS", 100)
    (tmp_path / "people.csv").write_text("image,a\n" + "x,\n" * 60)
    with pytest.raises(TableError, match="some 122 cells in 61 lines, more than 100"):
        read_records(tmp_path / "people.csv")


def test_a_line_of_scores_without_an_end_is_refused_before_it_is_read(little: None, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("left,right,score\n" + "x" * 9 * 2**20)
    with pytest.raises(TableError, match="line 2: longer than 1,048,576 characters; write one comparison a line"):
        read_scores(path)


def test_more_names_in_scores_than_there_is_memory_for_are_refused(little: None, tmp_path: Path) -> None:
    path = tmp_path / "scores.csv"
    path.write_text("left,right,score\n" + "".join(f"{'x' * 900}{k},{'y' * 900}{k},0.5\n" for k in range(20_000)))
    with pytest.raises(TableError, match=rf"names in a file of scores: {BOTH_NUMBERS}"):
        read_scores(path)


def npz(path: Path, **arrays: bytes) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in arrays.items():
            archive.writestr(f"{name}.npy", data)
    return path


def npy(shape: tuple[int, ...], data: bytes = b"") -> bytes:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, {"descr": "<i8", "fortran_order": False, "shape": shape})
    return header.getvalue() + data


def test_counts_that_unpack_to_more_than_the_memory_are_refused_by_the_directory(little: None, tmp_path: Path) -> None:
    path = npz(tmp_path / "counts.npz", impostor=npy((6_000_000,), bytes(48_000_000)))
    assert path.stat().st_size < 100_000
    with pytest.raises(RunError, match=rf"48,000,128 bytes uncompressed: {BOTH_NUMBERS}"):
        scores_from_npz(path)


@pytest.mark.parametrize("shape", [(2**60,), (-1,), (2**31, 2**31, 2**31)])
def test_an_array_that_states_more_than_its_entry_holds_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.raises(RunError, match=r"counts\.npz"):
        scores_from_npz(npz(tmp_path / "counts.npz", edges=npy(shape, bytes(64))))
    (tmp_path / "embeddings.npy").write_bytes(npy(shape, bytes(64)))
    with pytest.raises(ValueError, match="the header states"):
        mapped_npy(tmp_path / "embeddings.npy")


def test_objects_and_strange_headers_are_no_arrays(tmp_path: Path) -> None:
    path = tmp_path / "embeddings.npy"
    np.save(path, np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(ValueError, match="Python objects"):
        mapped_npy(path)
    path.write_bytes(b"\x93NUMPY\x09\x00" + bytes(100))
    with pytest.raises(ValueError, match="version"):
        mapped_npy(path)


def test_a_record_that_would_fill_the_memory_is_refused_unread(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"a": [[]] * 2_000_000}))
    monkeypatch.setattr(room, "free_memory", lambda: LITTLE)
    with pytest.raises(RunError, match=BOTH_NUMBERS):
        store.read_any_record(tmp_path)


# ---- free memory ----


def test_a_limit_of_the_shell_is_seen() -> None:
    code = "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31)); from facegap.store import room; "
    code += "print(room.free_memory())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 0 < int(done.stdout) < 2**31


def test_the_least_of_a_group_and_those_above_it_is_what_is_free(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    inner = tmp_path / "user.slice" / "job"
    inner.mkdir(parents=True)
    for folder, most, now, cached in (
        (inner, "max", 10, 0),
        (inner.parent, "5000", 3000, 500),
        (tmp_path, "9000", 4000, 0),
    ):
        (folder / "memory.max").write_text(f"{most}\n")
        (folder / "memory.current").write_text(f"{now}\n")
        (folder / "memory.stat").write_text(f"anon 7\ninactive_file {cached}\n")
    monkeypatch.setattr(room, "CGROUPS", tmp_path)
    real = room.lines_of
    monkeypatch.setattr(
        room, "lines_of", lambda path: ["0::/user.slice/job"] if path == Path("/proc/self/cgroup") else real(path)
    )
    assert sorted(room.cgroup_free()) == [2500, 5000]
    monkeypatch.setattr(room, "machine_free", lambda: 10**9)
    monkeypatch.setattr(room, "own_limit_free", lambda: [])
    assert room.free_memory() == 2500


def test_what_needs_little_is_never_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "free_memory", lambda: 0)
    room.require_room(room.LEAST_ROOM, "a table", RunError, "cure")
    with pytest.raises(RunError, match="a table: about 67,108,865 bytes of memory are needed, and 0 are free; cure"):
        room.require_room(room.LEAST_ROOM + 1, "a table", RunError, "cure")
