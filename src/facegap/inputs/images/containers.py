"""AVIF and HEIC: pictures in a box of ISO media, decoded by libraries instead of OpenCV.

AVIF is read by Pillow itself. HEIC needs the extra `heif` (pi-heif, whose wheel carries a decoder and no encoder). The
rotation that such a file states is applied, as for every other format.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import ImageOps
from PIL.AvifImagePlugin import AvifImageFile

from facegap.inputs.images.colour import DAMAGED

INSTALL = "install it with: pip install 'facegap[heif]', or convert the file to JPEG or PNG"


class ContainerError(ValueError):
    """The file cannot be decoded here; the text says why."""


class ContainerBoundError(ContainerError):
    """The file claims more pixels than the bound."""


def decode_container(data: bytes, file_format: str, *, max_pixels: int) -> tuple[NDArray[np.uint8], bytes]:
    """Pixels, uint8 (height, width, 3), blue, green, red, upright, and the ICC profile (empty for none).

    Raises
    ------
    ContainerBoundError : more than `max_pixels`
    ContainerError      : damaged, or HEIC without the extra
    """
    opened = opened_within(data, file_format, max_pixels)
    claimed = claimed_by(opened, file_format)
    try:
        picture = opened.to_pillow() if file_format == "HEIC" else opened
        icc = picture.info.get("icc_profile") or b""
        upright = ImageOps.exif_transpose(picture).convert("RGB")
    except (*DAMAGED, RuntimeError, MemoryError) as error:
        raise ContainerError(f"{claimed}, but the image data is damaged") from error
    return np.ascontiguousarray(np.asarray(upright, np.uint8)[..., ::-1]), icc if isinstance(icc, bytes) else b""


def container_size(data: bytes, file_format: str, *, max_pixels: int) -> tuple[int, int]:
    """Width and height that the file claims; raises what `decode_container` does, and decodes nothing."""
    width, height = opened_within(data, file_format, max_pixels).size
    return int(width), int(height)


def opened_within(data: bytes, file_format: str, max_pixels: int) -> Any:
    """The file, its pixels not decoded yet, and no more of them than the bound."""
    opened = opened_heic(data) if file_format == "HEIC" else opened_avif(data)
    width, height = opened.size
    if width * height > max_pixels:
        raise ContainerBoundError(f"{claimed_by(opened, file_format)}, more than the limit of {max_pixels}")
    return opened


def claimed_by(opened: Any, file_format: str) -> str:
    """Format and size in words."""
    width, height = opened.size
    return f"{file_format}, {width} x {height} pixels"


def opened_avif(data: bytes) -> Any:
    """An AVIF file, its pixels not decoded yet."""
    try:
        return AvifImageFile(io.BytesIO(data))
    except (*DAMAGED, RuntimeError) as error:
        raise ContainerError("AVIF, but the file is damaged") from error


def opened_heic(data: bytes) -> Any:
    """A HEIC file, its pixels not decoded yet."""
    try:
        import pi_heif
    except ImportError as error:
        raise ContainerError(f"a HEIC image needs pi-heif, which is not installed; {INSTALL}") from error
    try:
        return pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    except (*DAMAGED, RuntimeError) as error:
        raise ContainerError("HEIC, but the file is damaged") from error
