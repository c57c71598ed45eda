"""JPEG quality: exact for libjpeg's tables, nothing for other files, no error for damaged ones."""

from __future__ import annotations

import io
import itertools
import math

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from facegap.inputs.images.jpeg_quality import jpeg_quality, libjpeg_sums

PICTURE = np.random.default_rng(1).integers(0, 255, (24, 24, 3), np.uint8)


def jpeg(quality: int, *options: int) -> bytes:
    return cv2.imencode(".jpg", PICTURE, [cv2.IMWRITE_JPEG_QUALITY, quality, *options])[1].tobytes()


@pytest.mark.parametrize("quality", [1, 5, 24, 25, 49, 50, 51, 75, 90, 95, 99, 100])
def test_the_quality_at_which_a_file_was_written_is_read_from_it(quality: int) -> None:
    assert jpeg_quality(jpeg(quality)) == quality


def test_tables_differ_at_every_quality_so_that_none_is_taken_for_another() -> None:
    sums = libjpeg_sums()
    assert all(coarse > fine for coarse, fine in itertools.pairwise(sums))


def test_pillow_s_own_reader_finds_the_same_sum_of_table_0() -> None:
    data = jpeg(37)
    with Image.open(io.BytesIO(data)) as read:
        total = sum(read.quantization[0])  # type: ignore[attr-defined]
    assert libjpeg_sums()[36] == total


def test_a_progressive_file_and_one_with_metadata_in_front_are_read_too() -> None:
    assert jpeg_quality(jpeg(60, cv2.IMWRITE_JPEG_PROGRESSIVE, 1)) == 60
    data = jpeg(60)
    note = b"\xff\xe1\x00\x08hello!"  # a separate segment, like EXIF
    assert jpeg_quality(data[:2] + note + data[2:]) == 60


def test_a_thumbnail_inside_the_metadata_does_not_count() -> None:
    data, thumbnail = jpeg(80), jpeg(10)
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    assert jpeg_quality(data[:2] + segment + data[2:]) == 80


def test_tables_of_16_bits_are_read() -> None:
    table = (300).to_bytes(2, "big") * 64
    data = b"\xff\xd8\xff\xdb" + (2 + 1 + len(table)).to_bytes(2, "big") + b"\x10" + table + b"\xff\xda\x00\x02"
    assert jpeg_quality(data) == 1  # coarser than any libjpeg table


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".webp"])
def test_other_formats_have_no_jpeg_quality(suffix: str) -> None:
    assert math.isnan(jpeg_quality(cv2.imencode(suffix, PICTURE)[1].tobytes()))


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=300), st.integers(0, 700), st.integers(0, 255))
def test_whatever_a_file_holds_the_answer_is_a_quality_or_none(tail: bytes, at: int, value: int) -> None:
    damaged = bytearray(jpeg(50))
    damaged[at % len(damaged)] = value
    for data in (b"\xff\xd8" + tail, bytes(damaged), bytes(damaged[:at])):
        found = jpeg_quality(data)
        assert math.isnan(found) or 1 <= found <= 100
