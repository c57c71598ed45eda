"""Colour profiles: their effect on pixels, compared with the arithmetic of the ICC model."""

from __future__ import annotations

import io
import struct
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from facegap.inputs.images.colour import MAX_PROFILE_BYTES, embedded_profile, profile_of
from facegap.inputs.images.decode import Picture, decode

# Colorants of Adobe RGB (1998) and of sRGB, adapted to D50 (columns: red, green, blue; rows: X, Y, Z).
ADOBE = np.array([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]])
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])
ADOBE_GAMMA = 2.19921875
COLOURS = np.array([[130, 100, 80], [60, 90, 140], [200, 190, 180], [20, 60, 30]], np.uint8)


def matrix_profile(colorants: np.ndarray[Any, Any], gamma: float, name: str = "made for a test") -> bytes:
    """A matrix profile of three colorants and one gamma (ICC.1:2001-04, clauses 6 and 8.3)."""

    def xyz(values: Any) -> bytes:
        return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(float(value) * 65536) for value in values))

    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    text = name.encode() + b"\0"
    described = b"desc\0\0\0\0" + struct.pack(">I", len(text)) + text + b"\0" * 78
    tags = {
        b"desc": described + b"\0" * (-len(described) % 4),
        b"wtpt": xyz((0.9642, 1.0, 0.8249)),
        **{tag: xyz(colorants[:, k]) for k, tag in enumerate((b"rXYZ", b"gXYZ", b"bXYZ"))},
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
        b"cprt": b"text\0\0\0\0none\0\0\0\0",
    }
    at = 128 + 4 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, content in tags.items():
        table += tag + struct.pack(">II", at + len(body), len(content))
        body += content
    head = struct.pack(">I4sI4s4s4s", at + len(body), b"none", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    head = head.ljust(36, b"\0") + b"acsp"
    head = head.ljust(68, b"\0") + struct.pack(">3i", 63190, 65536, 54061)
    return head.ljust(128, b"\0") + table + body


def by_arithmetic(colours: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Adobe RGB to sRGB: linear light, through XYZ, encoded (IEC 61966-2-1)."""
    light = (colours / 255) ** ADOBE_GAMMA
    linear = np.clip(light @ ADOBE.T @ np.linalg.inv(SRGB).T, 0, 1)
    return 255 * np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def encoded(colours: np.ndarray[Any, Any], kind: str, icc: bytes | None, mode: str = "RGB") -> bytes:
    """An image with a block of each colour."""
    blocks = np.repeat(np.repeat(colours[None], 16, axis=0), 16, axis=1)
    file = io.BytesIO()
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {"quality": 100} if kind == "JPEG" else {}
    Image.fromarray(blocks).convert(mode).save(file, kind, icc_profile=icc, **options)
    return file.getvalue()


def block_colours(picture: Any) -> np.ndarray[Any, Any]:
    assert isinstance(picture, Picture)
    return picture.pixels[8, 8::16, ::-1].astype(float)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "JPEG"])
def test_adobe_rgb_becomes_srgb_as_the_icc_model_says(kind: str) -> None:
    data = encoded(COLOURS, kind, matrix_profile(ADOBE, ADOBE_GAMMA, "like Adobe RGB"))
    picture = decode(data)
    assert isinstance(picture, Picture)
    assert (picture.profile, picture.converted) == ("like Adobe RGB", True)
    np.testing.assert_allclose(block_colours(picture), by_arithmetic(COLOURS), atol=4 if kind == "JPEG" else 1.5)


def test_as_stored_gives_the_numbers_of_the_file_as_opencv_reads_them() -> None:
    data = encoded(COLOURS, "PNG", matrix_profile(ADOBE, ADOBE_GAMMA))
    picture = decode(data, colour="as-stored")
    assert isinstance(picture, Picture)
    assert not picture.converted
    assert picture.profile == "made for a test"
    np.testing.assert_array_equal(picture.pixels, cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR))


def test_a_profile_that_is_srgb_under_any_name_leaves_every_pixel_as_it_is() -> None:
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    plain, named = decode(encoded(COLOURS, "PNG", None)), decode(encoded(COLOURS, "PNG", own))
    assert isinstance(plain, Picture)
    assert isinstance(named, Picture)
    assert not named.converted
    np.testing.assert_array_equal(plain.pixels, named.pixels)


def test_a_grey_picture_with_a_profile_of_colours_stays_grey() -> None:
    greys = np.repeat(np.array([[10], [90], [200], [250]], np.uint8), 3, axis=1)
    picture = decode(encoded(greys, "PNG", matrix_profile(ADOBE, 1.8)))
    assert isinstance(picture, Picture)
    assert picture.grey
    assert picture.converted
    np.testing.assert_array_equal(picture.pixels[..., 0], picture.pixels[..., 2])


@pytest.mark.parametrize("icc", [b"no profile at all", b"\0" * 200, matrix_profile(ADOBE, 2.2)[:150]])
def test_a_damaged_profile_is_named_and_changes_nothing(icc: bytes) -> None:
    picture = decode(encoded(COLOURS, "PNG", icc))
    assert isinstance(picture, Picture)
    assert picture.profile == "damaged profile (not applied)"
    np.testing.assert_array_equal(block_colours(picture), COLOURS)


def test_a_hostile_name_is_shortened_and_loses_its_control_characters() -> None:
    assert profile_of(matrix_profile(ADOBE, 2.2, "a\x1b[31mb" + "c" * 300)).name == "a[31mb" + "c" * 54


def test_a_profile_beyond_the_bound_is_not_read() -> None:
    data = encoded(COLOURS, "TIFF", b"x" * (MAX_PROFILE_BYTES + 1))
    assert embedded_profile(data, "TIFF") == b""


def test_a_jpeg_in_four_inks_without_a_profile_is_read_as_opencv_reads_it() -> None:
    data = encoded(COLOURS, "JPEG", None, mode="CMYK")
    picture = decode(data)
    assert isinstance(picture, Picture)
    assert (picture.profile, picture.converted) == ("", False)
