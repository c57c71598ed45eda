"""AgeDB-30 on a .mat of the same layout, and malformed files."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from scipy.io import savemat
from scipy.sparse import csc_matrix

from facegap.errors import TableError
from facegap.inputs.protocols import matlab
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
    with pytest.raises(TableError, match=r"split 1, pair 2: label 7; 1 means one person, -1 or 0 two people"):
        agedb30(tmp_path)


def header() -> bytes:
    return b"MATLAB 5.0 MAT-file".ljust(124) + b"\x00\x01IM"


def matrix(payload: bytes) -> bytes:
    return struct.pack("<II", 14, len(payload)) + payload


def element(kind: int, content: bytes) -> bytes:
    return struct.pack("<II", kind, len(content)) + content + bytes(-len(content) % 8)


def stated(kind: int, extents: tuple[int, ...], body: bytes = b"") -> bytes:
    """The array `splits` with a stated class and stated sizes that differ from its body."""
    flags, sizes = struct.pack("<II", kind, 0), struct.pack(f"<{len(extents)}i", *extents)
    return element(14, element(6, flags) + element(5, sizes) + element(1, b"splits") + body)


def packed(content: bytes) -> bytes:
    small = zlib.compress(content)
    return struct.pack("<II", 15, len(small)) + small


def nested(levels: int) -> bytes:
    """Nested cells."""
    content = b""
    for _ in range(levels):
        content = stated(1, (1, 1), content or element(14, b""))
    return content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"not matlab", "not a MATLAB file of version 5"),
        (header() + nested(500), "nested deeper than 12 levels"),
        (header() + struct.pack("<II", 15, 4) + b"junk", "damaged compressed data"),
        (header() + struct.pack("<II", 14, 400) + b"cut", "a truncated or damaged MATLAB file"),
        (header(), "not a MATLAB file with a cell array 'splits'"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(TableError, match=words):
        agedb30(tmp_path)


def test_packed_data_that_unpack_to_more_than_the_bound_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matlab, "MAX_UNPACKED", 2**20)
    packed = zlib.compress(bytes(2**21), 9)
    (tmp_path / FILE).write_bytes(header() + struct.pack("<II", 15, len(packed)) + packed)
    with pytest.raises(TableError, match="expands to more than 1,048,576 bytes"):
        agedb30(tmp_path)


def test_a_variable_of_another_shape_is_refused(tmp_path: Path) -> None:
    savemat(tmp_path / FILE, {"splits": np.zeros((10, 1))})
    with pytest.raises(TableError, match=r"'splits' is not a cell array; that of the protocol has"):
        agedb30(tmp_path)
    savemat(tmp_path / FILE, {"splits": cells([[np.zeros(3)]])})
    with pytest.raises(TableError, match=r"split 1: not a struct of pairs and labels"):
        agedb30(tmp_path)


STRUCT = element(5, struct.pack("<i", 8)) + element(1, b"a".ljust(8, b"\0"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (stated(1, (2**14, 2**14)), "an array with fewer parts than stated"),
        (stated(1, (2**31 - 1,) * 32), "an array with fewer parts than stated"),
        (stated(2, (2**14, 2**14), STRUCT), "an array with fewer parts than stated"),
        (stated(4, (2**14, 2**14), element(16, b"")), "'splits' is not a cell array; that of the protocol has"),
        (stated(9, (2**14, 2**14), element(9, b"")), "268,435,456 numbers in one array"),
        (stated(9, (2, 2), element(9, b"")), "a stated count of numbers that does not match the data"),
        (stated(1, (-1, -5)), "an array with a negative dimension"),
        (stated(1, ()), "an array without dimensions, or with too many"),
        (packed(stated(1, (1, 1), struct.pack("<II", 14, 0) * 2**23)), "expands to more than 67,108,864 bytes"),
        (stated(17, (1, 1)), "an array of class 17"),
    ],
)
def test_sizes_that_are_only_stated_take_no_memory(tmp_path: Path, content: bytes, words: str) -> None:
    """184 bytes that state 268 million cells."""
    (tmp_path / FILE).write_bytes(header() + content)
    with pytest.raises(TableError, match=words):
        agedb30(tmp_path)


def image_named(name: object) -> np.ndarray:
    image, other = {"name": name, "age": 20}, {"name": "Bob_0_Bob_30_m", "age": 30}
    return cells([[image, other], [other, image]])


@pytest.mark.parametrize(
    ("pairs", "labels", "words"),
    [
        (
            image_named("Ann_0_Ann_20_f"),
            cells([[np.arange(3), np.arange(2)]]),
            "expected cells of images, and numbers as labels",
        ),
        (image_named("Ann_0_Ann_20_f"), "ab", "expected cells of images, and numbers as labels"),
        (csc_matrix(np.ones((2, 2))), np.array([[1, -1]]), "an array of class 5"),
        (
            image_named("a\nb,\x1b[31m"),
            np.array([[1, -1]]),
            r"split 1, pair 1: 'a\\nb,\\x1b\[31m' is not an image name",
        ),
        (image_named("a" * 100_000), np.array([[1, -1]]), "split 1, pair 1: 'aaa"),
        (image_named(np.ones((2, 2))), np.array([[1, -1]]), "not an image with a name and an age"),
    ],
    ids=["cells as labels", "text as labels", "sparse pairs", "control characters", "a long name", "numbers as a name"],
)
def test_hostile_pairs_are_one_error(tmp_path: Path, pairs: object, labels: object, words: str) -> None:
    savemat(tmp_path / FILE, {"splits": cells([[{"pairs": pairs, "labels": labels}]])})
    with pytest.raises(TableError, match=words):
        agedb30(tmp_path)
