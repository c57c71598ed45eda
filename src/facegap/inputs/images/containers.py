"""AVIF and HEIC: images in an ISO media container, decoded by other libraries than OpenCV.

Pillow reads AVIF. HEIC needs the extra `heif` (pi-heif, whose wheel contains a decoder and no encoder). The rotation stated in the
file is applied, as for every other format.
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
    """The file cannot be decoded here, for the reason in the message."""


class ContainerBoundError(ContainerError):
    """The file claims more pixels than the limit."""


def decode_container(data: bytes, file_format: str, *, max_pixels: int) -> tuple[NDArray[np.uint8], bytes]:
    """Decode to upright pixels, uint8 (height, width, 3), blue, green, red, and the ICC profile (empty for none).

    Raises
    ------
    ContainerBoundError : If the image has more than `max_pixels` pixels.
    ContainerError      : If the file is damaged, or HEIC without the extra.
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
    """Return the width and height in the header, without decoding; raises the errors of `decode_container`."""
    width, height = opened_within(data, file_format, max_pixels).size
    return int(width), int(height)


def opened_within(data: bytes, file_format: str, max_pixels: int) -> Any:
    """Open the file without decoding, after checking its number of pixels."""
    opened = opened_heic(data) if file_format == "HEIC" else opened_avif(data)
    width, height = opened.size
    if width * height > max_pixels:
        raise ContainerBoundError(f"{claimed_by(opened, file_format)}, more than the limit of {max_pixels}")
    return opened


def claimed_by(opened: Any, file_format: str) -> str:
    """Describe format and size."""
    width, height = opened.size
    return f"{file_format}, {width} x {height} pixels"


def opened_avif(data: bytes) -> Any:
    """Open an AVIF file without decoding its pixels."""
    try:
        return AvifImageFile(io.BytesIO(data))
    except (*DAMAGED, RuntimeError) as error:
        raise ContainerError("AVIF, but the file is damaged") from error


def opened_heic(data: bytes) -> Any:
    """Open a HEIC file without decoding its pixels."""
    try:
        import pi_heif
    except ImportError as error:
        raise ContainerError(f"a HEIC image needs pi-heif, which is not installed; {INSTALL}") from error
    try:
        return pi_heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=True)
    except (*DAMAGED, RuntimeError) as error:
        raise ContainerError("HEIC, but the file is damaged") from error
