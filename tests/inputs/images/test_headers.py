"""Headers: sizes computed by hand from crafted bytes, and files of every format truncated at every position."""

from __future__ import annotations

import struct
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.inputs.images.headers import Header, HeaderError, read_header

PICTURE = np.add.outer(np.arange(20), np.arange(30) * 4).astype(np.uint8)  # 30 wide, 20 high
COLOUR = np.stack([PICTURE, PICTURE[::-1], 255 - PICTURE], axis=-1)
KINDS: dict[str, tuple[str, Any, tuple[int, ...]]] = {
    "baseline JPEG": (".jpg", COLOUR, ()),
    "progressive JPEG": (".jpg", COLOUR, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
    "JPEG with restart markers": (".jpg", COLOUR, (cv2.IMWRITE_JPEG_RST_INTERVAL, 1)),
    "grey JPEG": (".jpg", PICTURE, ()),
    "PNG": (".png", COLOUR, ()),
    "16-bit PNG": (".png", COLOUR.astype(np.uint16) * 257, ()),
    "lossy WebP": (".webp", COLOUR, (cv2.IMWRITE_WEBP_QUALITY, 80)),
    "lossless WebP": (".webp", COLOUR, (cv2.IMWRITE_WEBP_QUALITY, 101)),
    "BMP": (".bmp", COLOUR, ()),
    "TIFF": (".tiff", COLOUR, ()),
}


@pytest.mark.parametrize("kind", KINDS)
def test_size_and_completeness_are_read_from_every_kind_of_file(kind: str, encode: Any) -> None:
    suffix, pixels, flags = KINDS[kind]
    header = read_header(encode(suffix, pixels, *flags))
    assert (header.width, header.height, header.complete) == (30, 20, True)
    assert header.format in kind


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "TIFF"])  # a TIFF has no end marker
def test_a_file_that_lacks_even_its_last_byte_is_not_complete(kind: str, encode: Any) -> None:
    suffix, pixels, flags = KINDS[kind]
    data = encode(suffix, pixels, *flags)
    for end in range(len(data)):
        try:
            header = read_header(data[:end])
        except HeaderError:
            continue
        assert not header.complete, f"cut at {end} of {len(data)}"


@given(
    st.binary(max_size=300),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"BM", b"II*\0", b"MM\0*"]),
)
def test_any_bytes_give_a_header_or_a_reason(tail: bytes, magic: bytes) -> None:
    try:
        header = read_header(magic + tail)
    except HeaderError:
        return
    assert header.width >= 0
    assert header.height >= 0


def test_a_bmp_of_negative_width_is_refused_and_one_of_negative_height_is_read() -> None:
    def bmp(width: int, height: int) -> bytes:
        return b"BM" + bytes(12) + struct.pack("<Iii", 40, width, height)

    assert read_header(bmp(3, -2)).height == 2
    with pytest.raises(HeaderError, match="negative width"):
        read_header(bmp(-3, 2))


def jpeg(*segments: bytes) -> bytes:
    """A JPEG of the given segments between start and end markers."""
    return b"\xff\xd8" + b"".join(segments) + b"\xff\xd9"


def segment(marker: int, payload: bytes) -> bytes:
    """A marker with its length and payload."""
    return struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload


FRAME = segment(0xC0, struct.pack(">BHHB", 8, 20, 30, 1) + b"\x01\x11\x00")
SCAN = segment(0xDA, b"\x01\x01\x00\x00\x3f\x00") + b"\x12\xff\x00\x34\xff\xd0\x56"


def test_a_jpeg_by_hand_ends_at_its_end_marker_after_a_scan() -> None:
    assert read_header(jpeg(FRAME, SCAN)) == Header("JPEG", 30, 20, complete=True, work=600)


def test_an_end_marker_inside_a_thumbnail_is_not_the_end_of_the_file() -> None:
    thumbnail = segment(0xE1, b"Exif\0\0" + jpeg(FRAME, SCAN))
    assert not read_header((jpeg(thumbnail, FRAME, SCAN))[:-2]).complete
    assert read_header(jpeg(thumbnail, FRAME, SCAN)).complete


def test_an_end_marker_before_any_scan_is_no_end() -> None:
    assert not read_header(jpeg(FRAME)).complete


def test_stuffed_zeros_restarts_and_fill_bytes_are_no_markers() -> None:
    assert read_header(jpeg(b"\xff\xff\xff" + FRAME, SCAN + b"\xff\xff")) == Header(
        "JPEG", 30, 20, complete=True, work=600
    )


def test_the_size_of_a_jpeg_is_that_of_its_first_frame() -> None:
    second = segment(0xC0, struct.pack(">BHHB", 8, 9000, 9000, 1) + b"\x01\x11\x00")
    assert read_header(jpeg(FRAME, second, SCAN)).width == 30


def test_a_jpeg_without_a_frame_states_no_size() -> None:
    with pytest.raises(HeaderError, match="no size"):
        read_header(jpeg(SCAN))


def tiff(entries: list[tuple[int, int, int, bytes]], *, order: str = "<", strip: bytes = b"") -> bytes:
    """A TIFF with one directory right after its header; entries are (tag, type, count, four bytes), the strip follows."""
    directory = struct.pack(order + "H", len(entries))
    for tag, kind, count, value in entries:
        directory += struct.pack(order + "HHI", tag, kind, count) + value
    magic = b"II*\0" if order == "<" else b"MM\0*"
    return magic + struct.pack(order + "I", 8) + directory + struct.pack(order + "I", 0) + strip


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(("kind", "form"), [(3, "HH"), (4, "I")])
def test_tiff_sizes_are_read_in_both_byte_orders_and_both_widths(order: str, kind: int, form: str) -> None:
    def value(number: int) -> bytes:
        return struct.pack(order + form, *([number, 0] if form == "HH" else [number]))

    header = read_header(tiff([(256, kind, 1, value(30)), (257, kind, 1, value(20))], order=order))
    assert (header.width, header.height) == (30, 20)


def test_the_first_of_two_widths_counts_as_it_does_for_the_decoder() -> None:
    entries = [
        (256, 4, 1, struct.pack("<I", 60_000)),
        (256, 4, 1, struct.pack("<I", 1)),
        (257, 4, 1, struct.pack("<I", 60_000)),
    ]
    assert read_header(tiff(entries)).width == 60_000


@pytest.mark.parametrize("kind", [1, 5, 13, 16])
def test_a_tiff_size_that_is_no_short_and_no_long_is_refused(kind: int) -> None:
    # Type 16 stores its number elsewhere; these four bytes would be mistaken for it.
    with pytest.raises(HeaderError, match="size"):
        read_header(tiff([(256, kind, 1, struct.pack("<I", 30)), (257, 4, 1, struct.pack("<I", 20))]))


def test_a_tiff_without_a_height_states_no_size() -> None:
    with pytest.raises(HeaderError, match="no size"):
        read_header(tiff([(256, 4, 1, struct.pack("<I", 30))]))


def test_a_bmp_with_rows_from_the_top_has_a_positive_height(encode: Any) -> None:
    data = bytearray(encode(".bmp", COLOUR))
    struct.pack_into("<i", data, 22, -20)
    assert read_header(bytes(data)).height == 20


def test_an_extended_webp_states_the_size_of_its_canvas() -> None:
    chunk = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + (29).to_bytes(3, "little") + (19).to_bytes(3, "little")
    data = b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk
    assert read_header(data) == Header("WebP", 30, 20, complete=True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "the file is empty"),
        (b"<!DOCTYPE html><html>404</html>", "not a JPEG"),
        (b"image,gender\n", "not a JPEG"),
        (b"GIF89a\x01\x00\x01\x00", "not a JPEG"),
        (b"RIFF\x04\0\0\0WAVEfmt ", "not WebP"),
        (b"\x89PNG\r\n\x1a\n", "inside its header"),
        (b"BM" + struct.pack("<IIIIii", 26, 0, 26, 12, 30, 20), "a BMP file in a format older than Windows 3"),
    ],
)
def test_what_is_no_image_is_named(data: bytes, reason: str) -> None:
    with pytest.raises(HeaderError, match=reason):
        read_header(data)


def test_the_work_of_a_jpeg_is_its_pixels_times_its_scans() -> None:
    assert read_header(jpeg(FRAME, SCAN + SCAN + SCAN + b"\xff\xd9")).work == 3 * 600
