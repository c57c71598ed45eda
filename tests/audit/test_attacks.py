"""Malicious files: each leads to an error or an outcome quickly, and nothing else is touched."""

from __future__ import annotations

import csv
import fcntl
import io
import os
import re
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from onnx import TensorProto, helper

from facegap.audit.run import recheck
from facegap.catalogue.tables import write_manifest
from facegap.cli.app import print_error
from facegap.errors import ModelError, RunError, TableError
from facegap.inputs.images.decode import Picture, Unreadable, decode
from facegap.inputs.images.headers import MOST_JPEG_SCANS, MOST_PIECES
from facegap.inputs.manifests.read import read_manifest
from facegap.inputs.records import read_records
from facegap.runtime import open_session, run_session
from facegap.scenarios.tables import scenario_tables
from facegap.store import run as store
from facegap.store.counts import scores_from_npz
from facegap.store.run import Run
from fixtures.records import made_record

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
    assert found == Unreadable("refused", f"a JPEG file of more than {MOST_JPEG_SCANS} scans, the limit")


@pytest.mark.parametrize(
    ("ending", "piece", "at"), [(".jpg", b"\xff\xfe\0\2", 2), (".png", b"\0\0\0\0teSt" + b"\0" * 4, 33)]
)
def test_an_image_of_countless_empty_pieces_is_an_outcome_before_it_costs_minutes(
    encode: Any, ending: str, piece: bytes, at: int
) -> None:
    data: bytes = encode(ending, np.zeros((64, 64, 3), np.uint8))
    found = decode(data[:at] + piece * (MOST_PIECES + 1) + data[at:])
    assert isinstance(found, Unreadable)
    assert found.outcome == "refused"
    assert f"of more than {MOST_PIECES:,}" in found.detail


def test_a_file_with_far_more_bytes_than_pixels_is_decoded_under_the_limit(
    encode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from facegap.inputs.images import decode as images

    data: bytes = encode(".jpg", np.zeros((64, 64, 3), np.uint8))
    apart: list[int] = []
    monkeypatch.setattr(images, "decode_apart", lambda data, *_: apart.append(len(data)))
    decode(data[:2] + b"\xff" * 20_000_000 + data[2:])  # fill bytes, which a decoder reads one by one
    assert apart == [len(data) + 20_000_000]


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
    rows = 100_000  # 1 TB if every cell were expanded
    long = pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int8)), pa.array(["a" * 10_000_000]))
    pq.write_table(pa.table({"image": long}), table, compression="zstd")
    assert table.stat().st_size < 500_000
    with pytest.raises(TableError, match="record 1: a cell of 10,000,000 characters"):
        read_records(table)


# ---- run folders ----


def small_run() -> Run:
    frame = pd.DataFrame({"row": [0], "image": ["a.jpg"]})
    nothing = pd.DataFrame()
    return Run(made_record(), frame, frame, frame, nothing, nothing, nothing)


@pytest.mark.parametrize("name", ["faces.parquet", "run.json", "rates.csv", "more.txt"])
@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_links_and_pipes_in_a_run_folder_are_neither_followed_nor_waited_for(
    tmp_path: Path, name: str, kind: str
) -> None:
    run = tmp_path / "run"
    small_run().write(run)
    (run / name).unlink(missing_ok=True)
    if kind == "link":
        (run / name).symlink_to("/dev/zero")
    else:
        os.mkfifo(run / name)
    for reading in (store.broken_hashes, store.read_run, lambda folder: scenario_tables("unlock", folder)):
        with pytest.raises(
            RunError,
            match=rf"{name}: a link, pipe or device, which does not belong in a run; remove "
            rf"it",
        ):
            reading(run)


@pytest.mark.parametrize("name", ["threshold_set", "parts", "answers", ".lock"])
def test_resuming_a_run_that_leads_elsewhere_by_a_link_touches_nothing_there(tmp_path: Path, name: str) -> None:
    elsewhere, run = tmp_path / "elsewhere", tmp_path / "run"
    (elsewhere / "parts").mkdir(parents=True)
    (elsewhere / "parts" / "000000.parquet").write_bytes(b"somebody's")
    (elsewhere / "embeddings.npy").write_bytes(b"somebody's")
    run.mkdir()
    (run / "run.json").write_text("{}", "utf-8")
    (run / name).symlink_to(elsewhere if name != ".lock" else tmp_path / "new")
    with pytest.raises(RunError, match="a link, pipe or device"), store.open_folder(run, resume=True):
        pytest.fail("the folder was opened")
    assert sorted(path.name for path in elsewhere.rglob("*")) == ["000000.parquet", "embeddings.npy", "parts"]
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_only_a_link_as_its_lock_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".lock").symlink_to(tmp_path / "new")
    with pytest.raises(RunError, match="a link, pipe or device"):
        small_run().write(tmp_path / "run")
    assert not (tmp_path / "new").exists()


def test_a_file_that_lay_open_under_the_temporary_name_does_not_lend_its_mode(tmp_path: Path) -> None:
    left = tmp_path / f".faces.parquet.{os.getpid()}.tmp"
    left.write_bytes(b"of a killed writer")
    left.chmod(0o666)
    store.write_bytes(tmp_path / "faces.parquet", b"faces")
    assert (tmp_path / "faces.parquet").stat().st_mode & 0o777 == 0o600


def test_a_link_under_the_temporary_name_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    somebody_s = tmp_path / "somebody's"
    somebody_s.write_bytes(b"theirs")
    (tmp_path / f".a.{os.getpid()}.tmp").symlink_to(somebody_s)
    store.write_bytes(tmp_path / "a", b"ours")
    assert somebody_s.read_bytes() == b"theirs"
    assert (tmp_path / "a").read_bytes() == b"ours"


def test_a_run_that_another_process_ended_meanwhile_is_not_written_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = fcntl.flock

    def late(lock: int, how: int) -> None:
        (tmp_path / "run" / "rates.csv").write_bytes(b"of the other process")
        held(lock, how)

    monkeypatch.setattr(fcntl, "flock", late)
    with pytest.raises(RunError, match="not empty"):
        small_run().write(tmp_path / "run")


def test_counts_that_claim_more_than_the_memory_are_refused_unread(tmp_path: Path) -> None:
    bomb = tmp_path / "counts.npz"
    header = io.BytesIO()
    said = {"descr": "<f8", "fortran_order": False, "shape": (2**60,)}
    np.lib.format.write_array_header_1_0(header, said)
    with zipfile.ZipFile(bomb, "w") as archive:
        archive.writestr("edges.npy", header.getvalue() + b"\0" * 64)
    with pytest.raises(RunError, match=r"counts\.npz: edges\.npy states an array of"):
        scores_from_npz(bomb)


@pytest.mark.parametrize(
    "label",
    [
        "=cmd|' /C calc'!A0",
        "＝1+1",
        "+1",
        "'=1",
        "''-1",
        "\n=1",
        "it's",
        "'quoted'",
        "'",
        "a;=HYPERLINK()",
        "a; '=1",
        'a;"=1',
        "a\t=1",
        "a|@x",
        "a\n-1",
        ";;+1",
        "a;''=1;'b",
    ],
)
def test_a_label_that_a_spreadsheet_would_run_is_disarmed_and_read_back_as_it_was(tmp_path: Path, label: str) -> None:
    frame = pd.DataFrame({label: [label], "value": [-0.5]})
    store.write_bytes(tmp_path / "rates.csv", store.csv_bytes(frame))
    cell = next(csv.reader(io.StringIO((tmp_path / "rates.csv").read_text("utf-8"))))[0]
    assert not cell.startswith(store.FORMULA_STARTS)
    for apart in re.split(
        r"[;|\t\n]", (tmp_path / "rates.csv").read_text("utf-8")
    ):  # as spreadsheets of some locales split
        assert not apart.lstrip(' "').startswith(store.FORMULA_STARTS) or apart.lstrip(' "').startswith("-0.5"), apart
    pd.testing.assert_frame_equal(store.read_csv(tmp_path / "rates.csv"), frame)


@pytest.mark.parametrize("key", ["groupings", "min_subjects", "level", "models"])
@pytest.mark.parametrize("value", [None, [[]], {"x": 1}, "text"])
def test_a_record_of_other_shapes_ends_in_one_error_that_names_file_and_key(
    tmp_path: Path, key: str, value: Any
) -> None:
    run = tmp_path / "run"
    small_run().write(run)
    store.write_json(run / "run.json", {**small_run().record.to_json(), key: value})
    store.finish(run)
    with pytest.raises(RunError, match=rf"run\.json, key {key}") as caught:
        recheck(run)
    assert str(run) in str(caught.value)


# ---- what is sent, printed and written ----


def test_an_error_of_several_lines_keeps_them_and_loses_its_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    print_error("first \x1b[2Jline\n  second\r line")
    assert capsys.readouterr().err == "first \ufffd[2Jline\n  second\ufffd line\n"


def test_an_error_that_quotes_a_cell_of_a_megabyte_is_cut_and_keeps_its_cure(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_error(f"s.csv line 2: '{'9' * 10**6}' is not finite; write a number")
    said = capsys.readouterr().err
    assert len(said) < 5_000
    assert said.startswith("s.csv line 2: '999")
    assert said.endswith("9' is not finite; write a number\n")


def test_a_folder_of_files_named_like_formulas_gives_a_manifest_that_finds_them(tmp_path: Path) -> None:
    for name in ("=1+1", "@anna", "plain"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "-1.jpg").write_bytes(name.encode())
    write_manifest("folders", tmp_path, None)
    cells = (tmp_path / "manifest.csv").read_text("utf-8").replace("\n", ",").split(",")
    assert not [cell for cell in cells if cell.startswith(store.FORMULA_STARTS)]
    found = read_manifest(tmp_path / "manifest.csv").frame
    assert sorted((tmp_path / path).read_bytes() for path in found["path"]) == [b"=1+1", b"@anna", b"plain"]
