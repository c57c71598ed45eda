"""Arrays are mapped from a file with a valid header; anything else raises one type of error."""

from __future__ import annotations

import io
import random
from pathlib import Path

import numpy as np
import pytest

from facegap.store.arrays import mapped_npy

HEADERS = [
    b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4",  # incomplete for numpy's tokeniser
    b"{'descr': '<f4', 'fortran_order': False}",
    b"{'descr': ['<f4'], 'fortran_order': False, 'shape': (3, 4)}",
    b"{'descr': '<f4', 'fortran_order': 0, 'shape': (3, 4)}",
    b"{[]: 1}",
    b"{**{}}",
    b"(" * 300,
    b"[3]",
    b"\x00\xff",
]


def with_header(header: bytes) -> bytes:
    padded = header.ljust(118) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(padded).to_bytes(2, "little") + padded + bytes(48)


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_that_is_none_is_a_value_error(tmp_path: Path, header: bytes) -> None:
    (tmp_path / "a.npy").write_bytes(with_header(header))
    with pytest.raises(ValueError, match=r".+"):
        mapped_npy(tmp_path / "a.npy")


@pytest.mark.filterwarnings("ignore:Reading .npy")
def test_a_file_with_changed_bytes_is_an_array_or_a_value_error(tmp_path: Path) -> None:
    kept, rng = io.BytesIO(), random.Random(5)
    np.save(kept, np.arange(12, dtype=np.float32).reshape(3, 4))
    refused = 0
    for _ in range(1500):
        changed = bytearray(kept.getvalue())
        for _ in range(rng.randint(1, 4)):
            changed[rng.randrange(100)] = rng.choice((0, 10, 34, 39, 40, 41, 44, 91, 123, 125, rng.randrange(256)))
        (tmp_path / "a.npy").write_bytes(changed)
        try:
            mapped_npy(tmp_path / "a.npy")
        except ValueError:
            refused += 1
    assert refused > 1000
