"""AgeDB-30 on a .mat of the same shape, and files that are not of it."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat

from facegap.errors import TableError
from facegap.inputs.protocols import agedb
from facegap.inputs.protocols.agedb import FILE, agedb30


def cells(rows: list[list[object]]) -> np.ndarray:
    made = np.empty((len(rows), len(rows[0])), object)
    for k, row in enumerate(rows):
        for j, value in enumerate(row):
            made[k, j] = value
    return made


def written(root: Path, *, labels: tuple[int, ...] = (1, 1, -1, -1), names: str = "Ann{k}_0_Ann{k}_{age}_f") -> None:
    splits = []
    for fold in range(10):

        def image(k: int, age: int, fold: int = fold) -> dict[str, object]:
            return {"name": names.format(k=10 * fold + k, age=age), "age": age}

        pairs = cells(
            [
                [image(0, 20), image(1, 21), image(0, 20), image(1, 21)],
                [image(0, 50), image(1, 51), image(2, 52), image(3, 53)],
            ]
        )
        splits.append({"pairs": pairs, "labels": np.array([labels])})
    savemat(root / FILE, {"splits": cells([[split] for split in splits])}, do_compression=True)


def test_pairs_come_with_age_gender_and_the_split_as_fold(tmp_path: Path) -> None:
    written(tmp_path)
    found = agedb30(tmp_path)
    assert found.genuine.tolist() == [True, True, False, False] * 10
    assert found.folds.tolist() == [k // 4 for k in range(40)]
    assert found.people.iloc[0].to_dict() == {
        "image": "03_Protocol_Images/Ann0_0_Ann0_20_f.jpg",
        "subject": "Ann0",
        "gender": "female",
        "age": "20",
        "fold": "1",
    }
    assert "40 pairs, the protocol has 6,000" in found.incomplete


def test_names_without_a_gender_at_their_end_give_no_label_of_it(tmp_path: Path) -> None:
    written(tmp_path, names="Ann{k}_{age}")
    assert agedb30(tmp_path).labels == ["age"]


def test_a_label_that_is_neither_is_refused_with_split_and_pair(tmp_path: Path) -> None:
    written(tmp_path, labels=(1, 7, -1, -1))
    with pytest.raises(TableError, match=r"split 1, pair 2: label 7; 1 is one person"):
        agedb30(tmp_path)


def header() -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def matrix(payload: bytes) -> bytes:
    return struct.pack("<II", 14, len(payload)) + payload


def nested(levels: int) -> bytes:
    payload = b""
    for _ in range(levels):
        payload = matrix(payload)
    return payload


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not matlab", "no MATLAB file of version 5"),
        (header() + nested(5_000), "nested deeper than 12 levels"),
        (header() + struct.pack("<II", 15, 4) + b"junk", "damaged packed data"),
        (header() + struct.pack("<II", 14, 400) + b"cut", "cut off"),
        (header(), "no MATLAB file with a cell array 'splits'"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(TableError, match=words):
        agedb30(tmp_path)


def test_packed_data_that_unpack_to_more_than_the_bound_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(agedb, "MAX_UNPACKED", 2**20)
    packed = zlib.compress(bytes(2**21), 9)
    (tmp_path / FILE).write_bytes(header() + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(TableError, match="unpacks to more than 1,048,576 bytes"):
        agedb30(tmp_path)


def test_a_variable_of_another_shape_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / FILE, {"splits": np.zeros((10, 1))})
    with pytest.raises(TableError, match=r"split 1: not a struct of pairs and labels"):
        agedb30(tmp_path)
