"""Arrays of many rows lie in temporary files, not in private memory, and a full disk is told."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facegap.errors import RunError
from facegap.store import files, scratch
from facegap.store.tables import read_numbers
from facegap.tables import PAIRS


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every array in a file, three rows at a time."""
    monkeypatch.setattr(scratch, "LEAST_MAPPED", 1)
    monkeypatch.setattr(scratch, "CHUNK", 3)


def private_bytes() -> int:
    """RssAnon of this process."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("no RssAnon")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_a_large_array_takes_no_private_memory() -> None:
    before = private_bytes()
    array = scratch.scratch((8, 2**20), np.int64)
    array[:] = 7
    column = scratch.Column(np.float64)
    for _ in range(64):
        column.append(np.ones(2**17))
    assert int(array.sum()) == 7 * 2**23 and float(column.array().sum()) == 2**23
    assert private_bytes() - before < 2**24  # of 2 x 2**26 bytes


def test_pieces_come_back_as_one_array(small: None) -> None:
    column = scratch.Column(np.int32)
    for piece in ([1, 2], [], [3], range(4, 9)):
        column.append(np.array(piece))
    assert column.array().tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert scratch.Column(np.int8).array().tolist() == []


def test_places_and_rows_are_those_of_numpy(small: None) -> None:
    flags = np.array([True, False, False, True, True, False, True])
    rows = scratch.places(flags[part] for part in scratch.chunks(7))
    assert rows.tolist() == np.flatnonzero(flags).tolist()
    table = np.arange(14).reshape(7, 2)
    assert np.array_equal(scratch.taken(table, rows), table[rows])


def test_a_full_disk_is_told_before_the_array_is_there(small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int, start: int, size: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full, raising=False)
    with pytest.raises(RunError, match=r"800 bytes of temporary files cannot be written \(No space left.*TMPDIR"):
        scratch.scratch(100, np.int64)


def test_pairs_are_written_by_groups_of_rows_and_read_as_they_were(
    small: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(files, "GROUP_ROWS", 4)
    pairs = pd.DataFrame(
        {
            "left": range(10),
            "right": range(1, 11),
            "genuine": [True, False] * 5,
            "score": [np.nan, *np.linspace(0, 1, 9)],
        }
    )
    files.write_parquet(tmp_path / "pairs.parquet", pairs, PAIRS)
    pd.testing.assert_frame_equal(read_numbers(tmp_path / "pairs.parquet", PAIRS), pairs)
    named = pairs.assign(outcome="scored", detail="")
    files.write_parquet(tmp_path / "pairs.parquet", named, PAIRS)
    pd.testing.assert_frame_equal(
        read_numbers(tmp_path / "pairs.parquet", PAIRS), pd.read_parquet(tmp_path / "pairs.parquet")
    )
