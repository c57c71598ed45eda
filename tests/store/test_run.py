"""The run folder: complete files or none, readable only by the owner, one writer, and every change is detected."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.errors import RunError
from facegap.store import folder as run_folder
from facegap.store import parts
from facegap.store import run as store
from facegap.store.run import Run
from fixtures.records import made_record

EMBEDDINGS = np.arange(12, dtype=np.float32).reshape(4, 3)


def made_run(**changes: Any) -> Run:
    frame = pd.DataFrame({"row": [0, 1], "image": ["a", "b"]})
    tables: dict[str, Any] = {
        "record": made_record(),
        "manifest": frame,
        "faces": frame,
        "predictions": frame,
        "rates": pd.DataFrame({"metric": ["fta"], "value": [0.5]}),
        "gaps": pd.DataFrame({"metric": ["fta"]}),
        "age": pd.DataFrame(),
        "embeddings": EMBEDDINGS,
    }
    return Run(**(tables | changes))


def modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in [folder, *folder.rglob("*")]}


# ---- a written run ----


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    made_run().write(folder)
    read = store.read_run(folder)
    assert read.record == made_record()
    for name in ("manifest", "faces", "predictions", "rates", "gaps"):
        pd.testing.assert_frame_equal(getattr(read, name), getattr(made_run(), name))
    assert read.embeddings is not None
    assert np.array_equal(read.embeddings, EMBEDDINGS)
    assert not store.broken_hashes(folder)


def test_folder_and_files_are_the_owners_alone_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with store.open_folder(tmp_path / "run", resume=False):
            store.write_part(tmp_path / "run", 0, pd.DataFrame({"row": [0]}), EMBEDDINGS)
            assert set(modes(tmp_path / "run").values()) == {0o700, 0o600}
            store.join_embeddings(tmp_path / "run", 1, 4, 3)
            store.write_run(made_run(), tmp_path / "run")
            store.finish(tmp_path / "run")
    finally:
        os.umask(before)
    found = modes(tmp_path / "run")
    assert found.pop("run") == 0o700
    assert set(found.values()) == {0o600}


def test_a_folder_that_others_could_read_is_closed_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o755)
    with store.open_folder(tmp_path / "run", resume=False):
        assert modes(tmp_path / "run")["run"] == 0o700


def test_a_run_without_embeddings_has_no_such_file(tmp_path: Path) -> None:
    made_run(embeddings=None).write(tmp_path / "run")
    assert not (tmp_path / "run" / "embeddings.npy").exists()
    assert store.read_run(tmp_path / "run").embeddings is None


def test_not_a_number_is_no_json(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        store.write_json(tmp_path / "run.json", {"value": float("nan")})
    assert list(tmp_path.iterdir()) == []


# ---- CSV ----


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx"])
def test_a_cell_that_a_spreadsheet_would_run_gets_an_apostrophe(cell: str) -> None:
    (line,) = store.csv_bytes(pd.DataFrame({"race": [cell], "n": [-1]})).decode().split("\n", 1)[1:]
    assert line.lstrip('"').startswith(f"'{cell[0]}")
    assert line.endswith(",-1\n")  # a number is not text


def test_a_column_name_that_a_spreadsheet_would_run_gets_an_apostrophe() -> None:
    assert store.csv_bytes(pd.DataFrame({"=cmd": ["a"]})) == b"'=cmd\na\n"


def test_harmless_cells_stay_as_they_are() -> None:
    frame = pd.DataFrame({"name": ["Zoë", "a=b", "", None], "n": [0.5, np.nan, 2, -3]})
    assert store.csv_bytes(frame).decode() == 'name,n\nZoë,0.5\na=b,\n"",2.0\n,-3.0\n'.replace('""', "")


# ---- one writer, one folder ----


def test_a_folder_that_holds_something_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(RunError, match="not empty; choose another --out, or continue that run with --resume"):
        made_run().write(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_resuming_in_a_folder_that_holds_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(RunError, match="contains no run to resume"), store.open_folder(tmp_path, resume=True):
        pass


def test_a_folder_with_only_what_a_killed_writer_left_counts_as_empty(tmp_path: Path) -> None:
    (tmp_path / ".lock").write_bytes(b"")
    (tmp_path / ".run.json.4711.tmp").write_bytes(b"{")
    for resume in (True, False):
        with store.open_folder(tmp_path, resume=resume):
            pass
    made_run().write(tmp_path)
    assert not store.broken_hashes(tmp_path)
    assert not list(tmp_path.glob(".*.tmp"))


def test_a_second_writer_is_refused_while_the_first_is_at_work(tmp_path: Path) -> None:
    with (
        store.open_folder(tmp_path, resume=False),
        pytest.raises(RunError, match="another process is writing this run"),
        store.open_folder(tmp_path, resume=True),
    ):
        pass
    with store.open_folder(tmp_path, resume=True):  # succeeds afterwards
        pass


def test_another_process_holds_the_folder_too(tmp_path: Path) -> None:
    lock = str(tmp_path / ".lock")
    code = f"import fcntl, os; fd = os.open({lock!r}, os.O_CREAT | os.O_RDWR); fcntl.flock(fd, fcntl.LOCK_EX); "
    holder = subprocess.Popen(
        [sys.executable, "-c", code + "print('held', flush=True); input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunError, match="another process"), store.open_folder(tmp_path, resume=False):
            pass
    finally:
        holder.communicate(b"\n")
    with store.open_folder(tmp_path, resume=False):
        pass


def test_the_lock_is_let_go_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(KeyError), store.open_folder(tmp_path, resume=False):
        raise KeyError
    descriptor = os.open(tmp_path / ".lock", os.O_RDWR)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)


# ---- complete files or none ----


def test_a_write_that_breaks_off_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: Any) -> None:
    store.write_bytes(tmp_path / "a.csv", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(
        RunError, match=r"cannot write the run .No space left on device.; free some space .* then continue an audit"
    ):
        store.write_bytes(tmp_path / "a.csv", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.csv": b"old"}


def test_a_folder_without_a_name_in_utf8_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    """The parquet reader does not accept such names."""
    odd = tmp_path / os.fsdecode(b"odd\xff")
    with pytest.raises(RunError, match="the name of the folder is not UTF-8; choose another --out"):
        made_run().write(odd)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_below_a_file_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(RunError, match=r"cannot write the run \(Not a directory\)"):
        made_run().write(tmp_path / "file" / "run")
    with pytest.raises(RunError, match=r"cannot write the run \(File exists\)"):
        made_run().write(tmp_path / "file")


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np, pandas as pd
from facegap.store import folder as run_folder
from facegap.store import parts
from facegap.store import run as store
from facegap.errors import RunError

folder = Path(sys.argv[1])
with store.open_folder(folder, resume=False):
    store.write_json(folder / store.RECORD, {"state": "running"})
    store.write_part(folder, 0, pd.DataFrame({"row": range(500)}), np.ones((500, 64), np.float32))
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))
    for step in (
        lambda: store.write_part(folder, 1, pd.DataFrame({"row": [1]}), np.ones((500, 64), np.float32)),
        lambda: store.join_embeddings(folder, 1, 500, 64),
    ):
        try:
            step()
        except RunError as error:
            print(error)
print(sorted(path.name for path in folder.rglob("*")))
"""


def test_a_full_disk_is_an_error_at_every_write_and_leaves_what_was_committed(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "run")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr  # a memory-mapped file would have killed the process
    first, second, names = done.stdout.splitlines()
    for line in (first, second):
        assert "cannot write the run (File too large)" in line
        assert "--resume" in line
    assert names == "['.lock', '000000.npy', '000000.parquet', '000000.sha256', 'parts', 'run.json']"


# ---- parts ----


def test_a_part_counts_only_when_its_hashes_are_there(tmp_path: Path, monkeypatch: Any) -> None:
    store.write_part(tmp_path, 3, pd.DataFrame({"row": [9]}), EMBEDDINGS)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(parts, "sha256", killed)
    with pytest.raises(KeyboardInterrupt):
        store.write_part(tmp_path, 4, pd.DataFrame({"row": [10]}), EMBEDDINGS)
    monkeypatch.undo()
    assert store.committed_parts(tmp_path, embedded=True) == {3}
    assert store.committed_parts(tmp_path, embedded=False) == set()  # a run of other models


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def edit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def swap(path: Path) -> None:
    """Rename part 0 to part 1."""
    path.write_bytes(path.with_name(path.name.replace("000001", "000000")).read_bytes())


def noise(path: Path) -> None:
    path.write_bytes(np.random.default_rng(1).bytes(5000))


@pytest.mark.parametrize("suffix", ["npy", "parquet", "sha256"])
@pytest.mark.parametrize("damage", [cut, edit, empty, swap, noise, Path.unlink])
def test_a_part_that_is_not_as_it_was_written_counts_as_not_done(tmp_path: Path, suffix: str, damage: Any) -> None:
    for number in range(3):
        store.write_part(tmp_path, number, pd.DataFrame({"row": [number]}), EMBEDDINGS + number)
    damage(tmp_path / "parts" / f"000001.{suffix}")
    assert store.committed_parts(tmp_path, embedded=True) == {0, 2}


def test_a_part_under_the_name_of_another_and_strange_names_count_as_nothing(tmp_path: Path) -> None:
    store.write_part(tmp_path, 0, pd.DataFrame({"row": [0]}), EMBEDDINGS)
    for name in ("npy", "parquet", "sha256"):  # all three renamed: the hashes name part 0
        (tmp_path / "parts" / f"000000.{name}").rename(tmp_path / "parts" / f"000007.{name}")
    for name in (
        "1e9.sha256",
        "000001 (copy).sha256",
        "\u0663\u0663\u0663\u0663\u0663\u0663.sha256",
        "9" * 200 + ".sha256",
    ):
        (tmp_path / "parts" / name).write_bytes(b"x")
    (tmp_path / "parts" / "000002.sha256").mkdir()
    assert store.committed_parts(tmp_path, embedded=True) == set()


def test_parts_that_do_not_fit_the_faces_are_an_error(tmp_path: Path) -> None:
    store.write_part(tmp_path, 0, pd.DataFrame({"row": [0]}), EMBEDDINGS)
    with pytest.raises(RunError, match="the parts have 4 templates for 5 faces; choose another --out"):
        store.join_embeddings(tmp_path, 1, 5, 3)
    with pytest.raises(RunError, match="has templates of a different dimension; choose"):
        store.join_embeddings(tmp_path, 1, 4, 7)


def test_no_parts_are_committed_in_a_new_folder(tmp_path: Path) -> None:
    assert store.committed_parts(tmp_path, embedded=False) == set()


def test_parts_are_joined_in_their_order_and_not_in_that_of_their_writing(tmp_path: Path) -> None:
    for number in (2, 0, 1):
        store.write_part(tmp_path, number, pd.DataFrame({"row": [number]}), np.full((number, 3), number, np.float32))
    assert store.read_part_rows(tmp_path, 3)["row"].tolist() == [0, 1, 2]
    store.join_embeddings(tmp_path, 3, 3, 3)
    assert np.load(tmp_path / "embeddings.npy").tolist() == [[1, 1, 1], [2, 2, 2], [2, 2, 2]]


def test_no_face_at_all_gives_embeddings_without_rows(tmp_path: Path) -> None:
    store.write_part(tmp_path, 0, pd.DataFrame({"row": [0]}), EMBEDDINGS[:0])
    store.join_embeddings(tmp_path, 1, 0, 3)
    assert np.load(tmp_path / "embeddings.npy", mmap_mode="r").shape == (0, 3)


def test_joined_embeddings_are_the_bytes_that_numpy_writes(tmp_path: Path) -> None:
    store.write_part(tmp_path, 0, pd.DataFrame({"row": [0]}), EMBEDDINGS)
    store.join_embeddings(tmp_path, 1, 4, 3)
    assert (tmp_path / "embeddings.npy").read_bytes() == store.npy_bytes(EMBEDDINGS)


# ---- walking a folder ----


def test_folders_inside_each_other_without_end_are_one_error(finished: Path) -> None:
    place = os.open(finished, os.O_RDONLY)
    for _ in range(1300):  # deeper than any path and than Python's recursion limit
        os.mkdir("d", dir_fd=place)
        inner = os.open("d", os.O_RDONLY, dir_fd=place)
        os.close(place)
        place = inner
    os.close(place)
    for reading in (store.broken_hashes, store.read_run, store.hashed_files, store.read_any_record):
        with pytest.raises(RunError, match="run/d/d/d: folders nested deeper than in any run; remove them"):
            reading(finished)
    with pytest.raises(RunError, match="deeper than in any run"), store.open_folder(finished, resume=True):
        pass
    subprocess.run(["rm", "-rf", str(finished / "d")], check=True)  # pytest's own removal would recurse


# ---- SHA256SUMS ----


@pytest.fixture
def finished(tmp_path: Path) -> Path:
    made_run().write(tmp_path / "run")
    return tmp_path / "run"


def test_sums_are_those_of_sha256sum(finished: Path) -> None:
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=finished, capture_output=True, check=False
    )
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) == len(store.hashed_files(finished)) == 7


@pytest.mark.parametrize("name", ["run.json", "faces.parquet", "embeddings.npy", "rates.csv"])
def test_one_changed_byte_is_named(finished: Path, name: str) -> None:
    data = bytearray((finished / name).read_bytes())
    data[len(data) // 2] ^= 1
    (finished / name).write_bytes(data)
    assert store.broken_hashes(finished) == [f"{name}: changed since the run was written"]


def test_a_missing_and_a_further_file_are_named(finished: Path) -> None:
    (finished / "gaps.csv").unlink()
    (finished / "figures").mkdir()
    (finished / "figures" / "a.svg").write_text("<svg/>")
    (finished / ".hidden.tmp.csv").write_text("x")
    assert store.broken_hashes(finished) == [
        "gaps.csv: missing",
        ".hidden.tmp.csv: not part of the run",
        "figures/a.svg: not part of the run",
    ]


def test_parts_left_by_a_kill_at_the_end_are_named(finished: Path) -> None:
    store.write_part(finished, 0, pd.DataFrame({"row": [0]}), EMBEDDINGS)
    assert store.broken_hashes(finished) == ["parts: left by a run that was killed at its end; --resume removes it"]
    store.remove_leftovers(finished)
    assert store.broken_hashes(finished) == []


def test_parts_are_there_until_the_run_is_whole(tmp_path: Path, monkeypatch: Any) -> None:
    store.write_part(tmp_path, 0, pd.DataFrame({"row": [0]}), EMBEDDINGS)
    store.write_run(made_run(), tmp_path)

    def killed(_: Path) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(run_folder, "remove_leftovers", killed)
    with pytest.raises(KeyboardInterrupt):
        store.finish(tmp_path)
    assert store.is_whole(tmp_path)
    assert store.committed_parts(tmp_path, embedded=True) == {0}


@pytest.mark.parametrize(
    "text", [b"", b"abc  run.json\n", b"\xff\xfe\n", b"0" * 64 + b" run.json\n", b"0" * 64 + b"  \n"]
)
def test_sums_of_another_form_are_an_error(finished: Path, text: bytes) -> None:
    (finished / "SHA256SUMS").write_bytes(text)
    with pytest.raises(RunError, match="SHA256SUMS: "):
        store.broken_hashes(finished)


def test_a_folder_without_sums_has_a_run_that_did_not_reach_its_end(finished: Path) -> None:
    (finished / "SHA256SUMS").unlink()
    with pytest.raises(RunError, match=r"is not finished \(no SHA256SUMS\); finish it with --resume"):
        store.broken_hashes(finished)


def test_what_never_was_a_run_is_called_what_it_is(finished: Path, tmp_path: Path) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("no run")
    wanted = {
        tmp_path / "nowhere": "no such folder; give a folder created by --out of an audit",
        tmp_path / "notes" / "a.txt": "a file, not a run folder; give a folder",
        tmp_path / "notes": "not a run folder, because it contains no run.json; give a folder",
        finished.parent: f"it contains runs; give one of {finished.name}",
    }
    for place, said in wanted.items():
        with pytest.raises(RunError, match=re.escape(said)) as error:
            store.broken_hashes(place)
        with pytest.raises(RunError, match=re.escape(said)):
            store.read_record(place)
        assert str(error.value).startswith(f"{place}: ")
        assert "--resume" not in str(error.value)


# ---- unreadable runs ----


@pytest.mark.parametrize("text", [b"", b"[1]", b"\xff", b"{", b"[" * 100_000])
def test_a_record_that_is_no_json_object_is_an_error(finished: Path, text: bytes) -> None:
    (finished / "run.json").write_bytes(text)
    with pytest.raises(RunError, match=r"run\.json"):
        store.read_record(finished)


@pytest.mark.parametrize("name", ["faces.parquet", "embeddings.npy", "rates.csv"])
@pytest.mark.parametrize("text", [b"", b"\xff\xfe junk", b"PAR1PAR1", b"\x93NUMPY\x01\x00\xff\xff"])
def test_a_table_that_cannot_be_read_is_an_error_or_no_table(finished: Path, name: str, text: bytes) -> None:
    (finished / name).write_bytes(text)
    try:
        read = store.read_run(finished)
    except RunError as error:
        assert str(finished) in str(error)
    else:
        assert name == "rates.csv"  # any text is a CSV
        assert len(read.rates) == 0


def test_pickled_embeddings_are_never_loaded(finished: Path) -> None:
    np.save(finished / "embeddings.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(RunError, match="cannot be read"):
        store.read_run(finished)


def test_a_record_keeps_letters_of_every_script(tmp_path: Path) -> None:
    store.write_json(tmp_path / "run.json", {"by": "tonalité, 肤色"})
    assert "肤色" in (tmp_path / "run.json").read_text("utf-8")
    assert json.loads((tmp_path / "run.json").read_bytes()) == {"by": "tonalité, 肤色"}
