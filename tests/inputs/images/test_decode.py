"""Decoding of files from real encoders returns pixels or a reason, and never raises an exception."""

from __future__ import annotations

import hashlib
import os
import re
import struct
import zlib
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.inputs.images import costly
from facegap.inputs.images import decode as images
from facegap.inputs.images.decode import Picture, Unreadable, decode, is_grey, quiet_decoders, read_picture

PICTURE = cv2.GaussianBlur(np.random.default_rng(1).integers(0, 255, (20, 30, 3), np.uint8), (0, 0), 4)
GREY = PICTURE[..., 0]
ENCODED: dict[str, bytes] = {
    name: cv2.imencode(suffix, pixels, list(flags))[1].tobytes()
    for name, suffix, pixels, flags in [
        ("jpeg", ".jpg", PICTURE, ()),
        ("progressive jpeg", ".jpg", PICTURE, (cv2.IMWRITE_JPEG_PROGRESSIVE, 1)),
        ("png", ".png", PICTURE, ()),
        ("lossy webp", ".webp", PICTURE, (cv2.IMWRITE_WEBP_QUALITY, 80)),
        ("lossless webp", ".webp", PICTURE, (cv2.IMWRITE_WEBP_QUALITY, 101)),
        ("bmp", ".bmp", PICTURE, ()),
        ("tiff", ".tiff", PICTURE, ()),
        ("plain tiff", ".tiff", PICTURE, (cv2.IMWRITE_TIFF_COMPRESSION, 1)),
    ]
}
LOSSY = {"jpeg", "progressive jpeg", "lossy webp"}


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    with quiet_decoders():
        yield


def picture(data: bytes, **options: Any) -> Picture:
    found = decode(data, **options)
    assert isinstance(found, Picture), found
    return found


def reason(data: bytes, **options: Any) -> str:
    found = decode(data, **options)
    assert isinstance(found, Unreadable)
    assert found.outcome == ("refused" if "limit" in found.detail else "unreadable")
    return found.detail


# ---- formats ----


@pytest.mark.parametrize("name", ENCODED)
def test_every_format_gives_its_pixels_back(name: str) -> None:
    found = picture(ENCODED[name])
    difference = np.abs(found.pixels.astype(int) - PICTURE)
    assert difference.max() <= (24 if name in LOSSY else 0)
    assert not found.grey


def test_a_16_bit_png_is_cut_to_8_bits(encode: Any) -> None:
    assert np.array_equal(picture(encode(".png", PICTURE.astype(np.uint16) * 256 + 200)).pixels, PICTURE)


def test_a_16_bit_tiff_is_scaled_to_8_bits(encode: Any) -> None:
    assert np.array_equal(picture(encode(".tiff", PICTURE.astype(np.uint16) * 257)).pixels, PICTURE)


def test_a_tiff_of_floats_ends_in_pixels_or_a_reason(encode: Any) -> None:
    found = decode(encode(".tiff", PICTURE.astype(np.float32)))
    assert isinstance(found, Unreadable) or found.pixels.dtype == np.uint8


def test_transparency_is_dropped_and_the_colour_under_it_kept(encode: Any) -> None:
    alpha = np.zeros(PICTURE.shape[:2], np.uint8)
    assert np.array_equal(picture(encode(".png", np.dstack([PICTURE, alpha]))).pixels, PICTURE)


def png_chunk(kind: bytes, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png(width: int, height: int, colour: int, *chunks: bytes, depth: int = 8) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def test_a_palette_png_is_shown_in_its_colours() -> None:
    palette = png_chunk(b"PLTE", bytes([255, 0, 0, 0, 0, 255]))  # red, blue
    rows = png_chunk(b"IDAT", zlib.compress(b"\0\0\1" + b"\0\1\0"))
    expected = [[[0, 0, 255], [255, 0, 0]], [[255, 0, 0], [0, 0, 255]]]
    assert picture(png(2, 2, 3, palette, rows)).pixels.tolist() == expected


def cmyk_jpeg(cyan: int, magenta: int, yellow: int, black: int) -> bytes:
    """An 8 x 8 JPEG of four components in one colour, inverted as by Adobe software; each value is 1 or 255.

    Every block is a DC difference of category 10, code 1 after the one for category 0, and an end-of-block, code 0.
    """
    adobe = b"\xff\xee" + struct.pack(">H5sHHHB", 14, b"Adobe", 100, 0, 0, 0)
    ones = b"\xff\xdb" + struct.pack(">HB", 67, 0) + b"\x01" * 64
    frame = b"\xff\xc0" + struct.pack(">HBHHB", 20, 8, 8, 8, 4) + b"".join(bytes([k, 0x11, 0]) for k in (1, 2, 3, 4))
    dc = b"\xff\xc4" + struct.pack(">HB", 21, 0x00) + bytes([0, 2, *[0] * 14, 0, 10])
    ac = b"\xff\xc4" + struct.pack(">HB", 20, 0x10) + bytes([1, *[0] * 15, 0])
    scan = b"\xff\xda" + struct.pack(">HB", 14, 4) + b"".join(bytes([k, 0]) for k in (1, 2, 3, 4)) + b"\0\x3f\0"
    levels = [(255 - value - 128) * 8 for value in (cyan, magenta, yellow, black)]
    bits = "".join("01" + format(level if level > 0 else level + 1023, "010b") + "0" for level in levels)
    bits += "1" * (-len(bits) % 8)
    body = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\0")
    return b"\xff\xd8" + adobe + ones + frame + dc + ac + scan + body + b"\xff\xd9"


@pytest.mark.parametrize(
    ("inks", "colour"),
    [
        ((0, 0, 0, 0), (255, 255, 255)),
        ((0, 0, 0, 254), (0, 0, 0)),
        ((254, 0, 0, 0), (255, 255, 0)),
        ((0, 254, 0, 0), (255, 0, 255)),
    ],
)
def test_the_inks_of_a_cmyk_jpeg_become_colours(inks: tuple[int, ...], colour: tuple[int, ...]) -> None:
    found = picture(cmyk_jpeg(*inks)).pixels
    assert found.shape == (8, 8, 3)
    assert np.abs(found.astype(int) - colour).max() <= 2  # blue, green, red


def test_what_follows_the_first_picture_of_a_file_of_two_is_passed_over(encode: Any) -> None:
    second = encode(".jpg", 255 - PICTURE)
    for tail in (second, second[:50], b"\0" * 100):
        assert np.array_equal(picture(ENCODED["jpeg"] + tail).pixels, picture(ENCODED["jpeg"]).pixels)


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """The JPEG with an Exif segment that contains only the orientation (tag 274)."""
    directory = struct.pack("<HHHIHHI", 1, 274, 3, 1, orientation, 0, 0)
    payload = b"Exif\0\0" + b"II*\0" + struct.pack("<I", 8) + directory
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(payload) + 2) + payload + jpeg[2:]


@pytest.mark.parametrize(
    ("orientation", "seen"),
    [
        (1, lambda p: p),
        (2, lambda p: p[:, ::-1]),
        (3, lambda p: p[::-1, ::-1]),
        (4, lambda p: p[::-1]),
        (5, lambda p: p.transpose(1, 0, 2)),
        (6, lambda p: np.rot90(p, -1)),
        (7, lambda p: np.rot90(p, 2).transpose(1, 0, 2)),
        (8, lambda p: np.rot90(p, 1)),
    ],
)
def test_exif_orientation_is_applied(orientation: int, seen: Any) -> None:
    upright = picture(ENCODED["jpeg"]).pixels
    assert np.array_equal(picture(with_orientation(ENCODED["jpeg"], orientation)).pixels, seen(upright))


# ---- grey ----


def test_grey_is_told_by_content_and_not_by_format(encode: Any) -> None:
    assert picture(encode(".png", GREY)).grey
    assert picture(encode(".png", np.dstack([GREY] * 3))).grey
    assert not picture(encode(".png", PICTURE)).grey


def test_a_single_coloured_pixel_in_a_late_row_makes_a_picture_coloured() -> None:
    pixels = np.dstack([GREY] * 3)
    pixels[17, 29, 1] += 1
    assert not is_grey(pixels)


# ---- damage ----


@pytest.mark.parametrize("name", ENCODED)
def test_a_prefix_gives_a_picture_only_if_nothing_is_missing(name: str) -> None:
    data = ENCODED[name]
    whole = picture(data).pixels
    step = max(1, len(data) // 150)
    for end in {*range(0, len(data), step), *range(len(data) - 20, len(data))}:
        found = decode(data[:end])
        assert isinstance(found, Unreadable) or np.array_equal(found.pixels, whole), f"cut at {end} of {len(data)}"


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_of_either_byte_order_is_read_whole_and_refused_without_its_last_rows(order: str) -> None:
    pixels = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)

    def entry(tag: int, kind: int, *values: int) -> bytes:
        stored = struct.pack(order + {3: "H", 4: "I"}[kind] * len(values), *values)
        return struct.pack(order + "HHI", tag, kind, len(values)) + stored.ljust(4, b"\0")

    count, start = 8, 8 + 2 + 8 * 12 + 4
    directory = b"".join(
        [
            entry(256, 3, 5),
            entry(257, 3, 4),
            entry(258, 3, 8),
            entry(262, 3, 2),
            entry(273, 4, start),
            entry(277, 3, 3),
            entry(278, 3, 4),
            entry(279, 4, pixels.size),
        ]
    )
    magic = b"II*\0" if order == "<" else b"MM\0*"
    data = magic + struct.pack(order + "IH", 8, count) + directory + b"\0\0\0\0" + pixels.tobytes()
    assert np.array_equal(picture(data).pixels, pixels[..., ::-1])
    assert "damaged" in reason(data[:-16])


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(ENCODED)), st.data())
def test_changed_bytes_never_raise(name: str, data: st.DataObject) -> None:
    changed = bytearray(ENCODED[name])
    for _ in range(data.draw(st.integers(1, 8))):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    found = decode(bytes(changed), max_pixels=1_000_000)
    assert isinstance(found, Picture | Unreadable)


@given(st.binary(max_size=400))
def test_random_bytes_are_never_a_picture(data: bytes) -> None:
    assert reason(data)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "empty"),
        (b"just text", "not a JPEG"),
        (b"<html><body>404 Not Found</body></html>", "not a JPEG"),
        (ENCODED["png"][:60] + b"\0" * 40 + ENCODED["png"][100:], "damaged"),
        (ENCODED["jpeg"][:-1], "JPEG, 30 x 20 pixels, but the file is truncated"),
    ],
)
def test_the_reason_says_what_is_wrong(data: bytes, said: str) -> None:
    assert said in reason(data)


# ---- limits ----


def test_a_claim_of_1600_million_pixels_is_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: Any) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr(images.cv2, "imdecode", never)
    bomb = png(40_000, 40_000, 2, png_chunk(b"IDAT", zlib.compress(b"\0" * 1000)))
    assert reason(bomb) == "PNG, 40000 x 40000 pixels, more than the limit of 100000000"


def test_the_bound_on_pixels_is_inclusive() -> None:
    assert picture(ENCODED["png"], max_pixels=600)
    assert "limit of 599" in reason(ENCODED["png"], max_pixels=599)


def test_a_file_over_the_bound_on_bytes_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(ENCODED["png"])
    monkeypatch.setattr(images, "MAX_FILE_BYTES", len(ENCODED["png"]) - 1)
    found = read_picture(path)
    assert isinstance(found, Unreadable)
    assert f"{len(ENCODED['png'])} bytes" in found.detail


# ---- files ----


def test_a_file_is_read_from_its_path(tmp_path: Path) -> None:
    path = tmp_path / "Zoë & Ünal 人.png"
    path.write_bytes(ENCODED["png"])
    found = read_picture(path)
    assert isinstance(found, Picture)
    assert np.array_equal(found.pixels, PICTURE)


def test_a_path_without_a_file_is_missing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    for path in (tmp_path / "nobody.png", tmp_path / "no folder" / "a.png", tmp_path / "file" / "a.png"):
        found = read_picture(path)
        assert isinstance(found, Unreadable)
        assert found.outcome == "missing_file"


def test_pipes_devices_and_folders_are_refused_and_never_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")  # opening it would wait forever for a writer
    for path in (tmp_path / "pipe.png", tmp_path, Path("/dev/zero")):
        assert read_picture(path) == Unreadable("unreadable", "not a regular file")


def test_names_that_no_file_can_have_are_unreadable(tmp_path: Path) -> None:
    for name in ("n" * 5000, "a\0b"):
        found = read_picture(tmp_path / name)
        assert isinstance(found, Unreadable)
        assert found.outcome == "unreadable"
        assert found.detail


def test_a_loop_of_links_is_unreadable(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to(tmp_path / "a.png")
    found = read_picture(tmp_path / "a.png")
    assert isinstance(found, Unreadable)
    assert found.outcome == "unreadable"


def test_a_file_that_may_not_be_read_is_unreadable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(ENCODED["png"])

    def forbidden(*_: Any, **__: Any) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "open", forbidden)  # the mode would not stop a test that runs as root
    assert read_picture(path) == Unreadable("unreadable", "Permission denied")


def test_a_link_in_the_place_of_an_image_says_so(tmp_path: Path) -> None:
    (tmp_path / "face.png").write_bytes(ENCODED["png"])
    (tmp_path / "link.png").symlink_to(tmp_path / "face.png")
    found = read_picture("link.png", root=tmp_path)
    assert found == Unreadable("unreadable", "it, or a folder above it, was replaced by a link")


def test_the_hash_of_an_image_is_that_of_its_file_and_the_stamp_sees_a_change_that_touch_hides(tmp_path: Path) -> None:
    path = tmp_path / "face.png"
    path.write_bytes(ENCODED["png"])
    first = images.read_image(path)
    assert isinstance(first, images.ImageFile)
    assert first.sha256 == hashlib.sha256(ENCODED["png"]).hexdigest()
    assert images.read_image(path) == first
    before = path.stat()
    path.write_bytes(ENCODED["png"][::-1])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    second = images.read_image(path)
    assert isinstance(second, images.ImageFile)
    assert second.stamp != first.stamp


# ---- costly files ----


def scans(data: bytes, count: int) -> bytes:
    """A progressive JPEG whose last scan is repeated many times, as an attacker could write it."""
    end = data.rindex(b"\xff\xd9")
    starts = [found.start() for found in re.finditer(rb"\xff\xda\x00", data)]
    return data[:end] + data[starts[-1] : end] * (count - len(starts)) + data[end:]


def grey_progressive(width: int, height: int) -> bytes:
    flat = np.full((height, width, 3), 128, np.uint8)
    return cv2.imencode(".jpg", flat, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()


@pytest.mark.parametrize("name", ENCODED)
def test_a_process_of_its_own_gives_the_same_picture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = picture(ENCODED[name])
    monkeypatch.setattr(images, "is_costly", lambda *_: True)
    apart = picture(ENCODED[name])
    assert np.array_equal(apart.pixels, here.pixels)
    assert (apart.grey, apart.profile, apart.converted) == (here.grey, here.profile, here.converted)
    assert isinstance(
        decode(ENCODED[name][:-30]), type(images.decode_here(ENCODED[name][:-30], max_pixels=10**6, colour="managed"))
    )


def test_a_jpeg_of_many_scans_ends_at_the_limit_of_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    data = scans(grey_progressive(6000, 4000), 190)
    assert len(data) < 200_000
    monkeypatch.setattr(images, "decode_apart", partial(images.decode_apart, limit_s=1))
    found = decode(data)
    assert isinstance(found, Unreadable)
    assert found.outcome == "decode_timeout"
    assert "JPEG, 6000 x 4000 pixels, took more than the limit of 10 s of processor time" in found.detail


def test_a_photograph_of_the_largest_camera_is_decoded_and_costs_no_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "decode_apart", pytest.fail)
    assert picture(grey_progressive(8000, 6000)).pixels.shape == (6000, 8000, 3)


def test_a_decoder_that_dies_costs_its_image_and_not_the_audit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "is_costly", lambda *_: True)
    monkeypatch.setattr(costly, "CODE", "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert decode(ENCODED["png"]) == Unreadable("unreadable", "PNG, 30 x 20 pixels, but the decoder crashed")


def test_a_tile_larger_than_the_bound_is_refused_before_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    """A TIFF of one pixel with one tile of 65,536 x 65,536, for which a decoder would allocate memory."""
    entries = [(256, 4, 1), (257, 4, 1), (258, 3, 8), (259, 3, 1), (262, 3, 1), (322, 4, 65536), (323, 4, 65536)]
    body = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    data = b"II*\0" + struct.pack("<IH", 8, len(entries)) + body + bytes(4)
    monkeypatch.setattr(images.cv2, "imdecode", pytest.fail)
    assert "limit of 100000000" in reason(data)


# ---- noise ----


def test_decoders_do_not_write_into_the_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    before = cv2.utils.logging.getLogLevel()
    with quiet_decoders():
        reason(ENCODED["tiff"][:-20])
    assert cv2.utils.logging.getLogLevel() == before
    assert capfd.readouterr().err == ""
