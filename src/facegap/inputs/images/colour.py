"""Colour profiles (ICC): pixels as their file means them, brought to sRGB, in which models were trained and tone is measured.

A file may say that its numbers are Adobe RGB or Display P3. Read as sRGB, as cv2.imread does, such a picture looks paler
than the person did. Profiles are read and applied by LittleCMS through Pillow.
"""

from __future__ import annotations

import functools
import io
import struct
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

Colour = Literal["managed", "as-stored"]

MAX_PROFILE_BYTES = 8 * 2**20  # printers' profiles take a few MB
ROUNDING = 2  # levels of 255: a profile that moves no colour by more is sRGB under another name
# Constructors instead of Image.open, whose check of the size is a warning; ours (headers.py) has been made by then.
FILES: dict[str, Any] = {"JPEG": JpegImageFile, "PNG": PngImageFile, "WebP": WebPImageFile, "TIFF": TiffImageFile}
# What a file with a profile holds somewhere: most have none, and to look for it takes a tenth of what it takes to read the file.
MARKS: dict[str, bytes] = {"JPEG": b"ICC_PROFILE\0", "PNG": b"iCCP", "WebP": b"ICCP"}
DAMAGED = (OSError, ValueError, SyntaxError, KeyError, TypeError, IndexError, EOFError, OverflowError, struct.error)
SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # ICC.1:2022, table 19, and Pillow's modes
# The cache of LittleCMS inside a transform is not safe among threads.
FLAGS = ImageCms.Flags.NOCACHE


@dataclass(frozen=True, eq=False)
class Profile:
    """A profile ready to be applied.

    name      : as the profile calls itself, without control characters
    mode      : Pillow's mode of the pixels that it is about, "" where it cannot be applied
    transform : to sRGB; None where it changes nothing, or cannot be applied
    """

    name: str
    mode: str
    transform: Any


def embedded_profile(data: bytes, file_format: str) -> bytes:
    """The ICC profile inside an image file, empty where there is none, or none that can be read."""
    reader = FILES.get(file_format)
    if reader is None or MARKS.get(file_format, b"") not in data:
        return b""
    try:
        found = reader(io.BytesIO(data)).info.get("icc_profile")
    except DAMAGED:
        return b""
    return found if isinstance(found, bytes) and len(found) <= MAX_PROFILE_BYTES else b""


@functools.lru_cache(maxsize=64)
def profile_of(icc: bytes) -> Profile:
    """What a profile does; a damaged one, or one for other data than pictures, changes nothing and says so in its name."""
    try:
        read = ImageCms.ImageCmsProfile(io.BytesIO(icc))
        name = described(read)
        mode = SPACES.get(read.profile.xcolor_space, "")
        if not mode:
            return Profile(f"{name} (not applied)", "", None)
        transform = ImageCms.buildTransform(
            read,
            ImageCms.createProfile("sRGB"),
            mode,
            "RGB",
            ImageCms.Intent.RELATIVE_COLORIMETRIC,
            FLAGS,
        )
    except (*DAMAGED, ImageCms.PyCMSError):
        return Profile("damaged profile (not applied)", "", None)
    return Profile(name, mode, None if mode == "RGB" and changes_nothing(transform) else transform)


def described(profile: ImageCms.ImageCmsProfile) -> str:
    """The description of a profile as one short line."""
    try:
        text = str(profile.profile.profile_description or "")
    except DAMAGED:
        text = ""
    return "".join(letter for letter in text if letter.isprintable()).strip()[:60] or "profile without a name"


def changes_nothing(transform: Any) -> bool:
    """Whether no colour of a grid over the cube moves by more than rounding."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    moved = applied(transform, grid).astype(int) - grid
    return bool(np.abs(moved).max() <= ROUNDING)


def applied(transform: Any, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB, uint8 (height, width, 3), of pixels in the mode of the transform, uint8 (height, width[, channels])."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(ImageCms.applyTransform(picture, transform), np.uint8)


def to_srgb(pixels: NDArray[np.uint8], profile: Profile, *, grey: bool) -> NDArray[np.uint8]:
    """Blue, green, red pixels in sRGB; as they were where the profile changes nothing or is about other pixels.

    pixels : uint8 (height, width, 3), blue, green, red
    grey   : every pixel has three equal channels; it still has afterwards
    """
    fits = profile.mode == "RGB" or (profile.mode == "L" and grey)
    if profile.transform is None or not fits:
        return pixels
    source = pixels[..., 0] if profile.mode == "L" else pixels[..., ::-1]
    converted = applied(profile.transform, source)
    if grey:  # a neutral colour may be off by one level in a channel; colour and grey are distinguished by equality
        return np.repeat(converted[..., 1:2], 3, axis=2)
    return np.ascontiguousarray(converted[..., ::-1])


def cmyk_pixels(data: bytes, icc: bytes) -> NDArray[np.uint8] | None:
    """Blue, green, red pixels of a JPEG in four inks, by its profile; None for any other file."""
    profile = profile_of(icc)
    if profile.mode != "CMYK" or profile.transform is None:
        return None
    from PIL import ImageOps

    try:
        picture = JpegImageFile(io.BytesIO(data))
        if picture.mode != "CMYK":
            return None
        upright = ImageOps.exif_transpose(picture)
        converted = ImageCms.applyTransform(upright, profile.transform)
    except (*DAMAGED, ImageCms.PyCMSError):
        return None
    return np.ascontiguousarray(np.asarray(converted, np.uint8)[..., ::-1])
