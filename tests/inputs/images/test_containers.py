"""AVIF and HEIC, and the names of unsupported formats."""

from __future__ import annotations

import base64
import builtins
import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from facegap.inputs.images.decode import Picture, Unreadable, decode

HEIC_BRANDS = [b"heic", b"mif1", b"heix"]


def avif(orientation: int | None = None) -> bytes:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[:20, :30] = (200, 40, 40)  # red in the upper left corner
    file = io.BytesIO()
    options: dict[str, Any] = {}
    if orientation is not None:
        exif = Image.Exif()
        exif[0x0112] = orientation
        options["exif"] = exif
    Image.fromarray(picture).save(file, "AVIF", quality=95, **options)
    return file.getvalue()


def test_avif_is_read() -> None:
    picture = decode(avif())
    assert isinstance(picture, Picture)
    assert picture.pixels.shape == (40, 60, 3)
    np.testing.assert_allclose(picture.pixels[5, 5], (40, 40, 200), atol=12)  # blue, green, red


def test_the_orientation_of_an_avif_is_applied() -> None:
    picture = decode(avif(orientation=6))  # a quarter turn clockwise: the upper left corner moves to the upper right
    assert isinstance(picture, Picture)
    assert picture.pixels.shape == (60, 40, 3)
    np.testing.assert_allclose(picture.pixels[5, 34], (40, 40, 200), atol=12)


def test_an_avif_beyond_the_bound_of_pixels_is_refused_before_it_is_decoded() -> None:
    found = decode(avif(), max_pixels=2399)
    assert isinstance(found, Unreadable)
    assert found.outcome == "refused"
    assert "60 x 40 pixels, more than the limit of 2399" in found.detail


@pytest.mark.parametrize("cut", [30, 200, -20])
def test_a_cut_off_avif_ends_in_an_outcome(cut: int) -> None:
    found = decode(avif()[:cut])
    assert isinstance(found, Unreadable | Picture)
    if isinstance(found, Unreadable):
        assert found.outcome == "unreadable"


@pytest.mark.parametrize("brand", HEIC_BRANDS)
def test_heic_without_its_extra_names_what_to_install(brand: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    real = builtins.__import__

    def without(name: str, *rest: Any, **named: Any) -> Any:
        if name == "pi_heif":
            raise ImportError(name)
        return real(name, *rest, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    found = decode(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1" + brand)
    assert isinstance(found, Unreadable)
    assert found.outcome == "unreadable"
    assert "facegap[heif]" in found.detail


def test_a_damaged_heic_is_unreadable() -> None:
    found = decode(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 400)
    assert isinstance(found, Unreadable)
    assert (found.outcome, "HEIC" in found.detail) == ("unreadable", True)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"GIF89a" + b"\0" * 40, "a GIF image"),
        (b"\xff\x0a" + b"\0" * 40, "a JPEG XL image"),
        (base64.b64decode("AAAADEpYTCANCocK") + b"\0" * 40, "a JPEG XL image"),
        (b"\0\0\0\x0cjP  \r\n\x87\n" + b"\0" * 40, "a JPEG 2000 image"),
        (b"\xff\x4f\xff\x51" + b"\0" * 40, "a JPEG 2000 image"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\n<!DOCTYPE html><html>", "a web page"),
        (b"version https://git-lfs.github.com/spec/v1", "Git LFS pointer"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42", "a video"),
        (b"\1\2\3\4", "of no known format"),
    ],
)
def test_a_format_that_is_not_read_is_named_with_its_cure(data: bytes, name: str) -> None:
    found = decode(data)
    assert isinstance(found, Unreadable)
    assert found.outcome == "unreadable"
    assert name in found.detail
    assert "convert it to JPEG or PNG" in found.detail
