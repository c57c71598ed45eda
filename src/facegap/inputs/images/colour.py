"""Apply colour profiles (ICC): convert pixels to sRGB, on which models were trained and in which tone is measured.

A file may state that its values are Adobe RGB or Display P3. If they are read as sRGB, as cv2.imread does, the person looks paler
than in reality. LittleCMS reads and applies profiles through Pillow.
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

MAX_PROFILE_BYTES = 8 * 2**20  # printer profiles have a few MB
ROUNDING = 2  # levels of 255: a profile that changes no colour by more is equivalent to sRGB
# Constructors instead of Image.open, which only warns about size; headers.py has already checked it.
FILES: dict[str, Any] = {"JPEG": JpegImageFile, "PNG": PngImageFile, "WebP": WebPImageFile, "TIFF": TiffImageFile}
# Markers in files with a profile. Most files have none, and searching for markers takes a tenth of the time of parsing the file.
MARKS: dict[str, bytes] = {"JPEG": b"ICC_PROFILE\0", "PNG": b"iCCP", "WebP": b"ICCP"}
DAMAGED = (OSError, ValueError, SyntaxError, KeyError, TypeError, IndexError, EOFError, OverflowError, struct.error)
SPACES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK"}  # ICC.1:2022, table 19, and Pillow's modes
# The LittleCMS cache in a transform is not thread-safe.
FLAGS = ImageCms.Flags.NOCACHE


@dataclass(frozen=True, eq=False)
class Profile:
    """A profile that is ready to be applied.

    name      : the profile's own description, without control characters
    mode      : Pillow mode of the pixels to which it applies, "" if it cannot be applied
    transform : to sRGB; None if it changes nothing, or cannot be applied
    """

    name: str
    mode: str
    transform: Any


def embedded_profile(data: bytes, file_format: str) -> bytes:
    """Return the ICC profile in an image file, empty if there is none that can be read."""
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
    """Parse a profile; a damaged one, or one that is not for images, changes nothing, which its name states."""
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
    """Return the description of a profile as one short line."""
    try:
        text = str(profile.profile.profile_description or "")
    except DAMAGED:
        text = ""
    return "".join(letter for letter in text if letter.isprintable()).strip()[:60] or "profile without a name"


def changes_nothing(transform: Any) -> bool:
    """Return whether no colour of a grid over the colour cube changes by more than rounding."""
    steps = np.linspace(0, 255, 9).astype(np.uint8)
    grid = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(27, 27, 3)
    moved = applied(transform, grid).astype(int) - grid
    return bool(np.abs(moved).max() <= ROUNDING)


def applied(transform: Any, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert pixels in the mode of the transform, uint8 (height, width[, channels]), to RGB, uint8 (height, width, 3)."""
    picture = Image.fromarray(np.ascontiguousarray(pixels))
    return np.asarray(ImageCms.applyTransform(picture, transform), np.uint8)


def to_srgb(pixels: NDArray[np.uint8], profile: Profile, *, grey: bool) -> NDArray[np.uint8]:
    """Convert pixels to sRGB; unchanged if the profile has no effect or is for another mode.

    pixels : uint8 (height, width, 3), blue, green, red
    grey   : every pixel has three equal channels, which is preserved
    """
    fits = profile.mode == "RGB" or (profile.mode == "L" and grey)
    if profile.transform is None or not fits:
        return pixels
    source = pixels[..., 0] if profile.mode == "L" else pixels[..., ::-1]
    converted = applied(profile.transform, source)
    if grey:  # a channel of a neutral colour may be off by one level, but grey is detected by equality
        return np.repeat(converted[..., 1:2], 3, axis=2)
    return np.ascontiguousarray(converted[..., ::-1])


def cmyk_pixels(data: bytes, icc: bytes) -> NDArray[np.uint8] | None:
    """Return the blue, green, red pixels of a CMYK JPEG, by its profile; None for any other file."""
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
