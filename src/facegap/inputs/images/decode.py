"""Image bytes to pixels. Whatever a file holds, the answer is an image or a reason, never an exception.

Rule for EXIF orientation: it is applied, so boxes and points are in the picture as a viewer shows it. Rule for colour
profiles: they are applied, so that colours are those that a viewer shows, unless `as-stored` is asked for.
"""

from __future__ import annotations

import contextlib
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facegap.errors import FacegapError
from facegap.inputs.images.colour import Colour, cmyk_pixels, embedded_profile, profile_of, to_srgb
from facegap.inputs.images.containers import ContainerBoundError, ContainerError, decode_container
from facegap.inputs.images.headers import HeaderBoundError, HeaderError, container_format, read_header

MAX_PIXELS = 100_000_000  # 300 MB of decoded pixels; the largest cameras sold make about as many
MAX_FILE_BYTES = 256 * 2**20
EXIF_RULE = "EXIF orientation is applied"
try:
    import cv2
except ImportError as error:  # libGL and libglib are not on slim images
    raise FacegapError(
        f"OpenCV cannot be loaded ({error}); on Debian or Ubuntu: apt-get install libgl1 libglib2.0-0"
    ) from error

Pixels = NDArray[np.uint8]
Reason = Literal["missing_file", "unreadable", "refused"]


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    pixels : uint8 (height, width, 3), blue, green, red, EXIF orientation applied; transparency dropped, 16 bits
             brought to 8 (a PNG's lower bits are cut, a TIFF's values scaled)
    grey   : every pixel has three equal channels, whatever the file's format claims
    profile : name of the colour profile in the file, empty where there is none
    converted : that profile moved the colours, and they were brought to sRGB
    """

    pixels: Pixels
    grey: bool
    profile: str = ""
    converted: bool = False


@dataclass(frozen=True)
class Unreadable:
    """Why there is no picture: the outcome of the row, and a sentence for a person."""

    outcome: Reason
    detail: str


def read_picture(path: Path, *, max_pixels: int = MAX_PIXELS, colour: Colour = "managed") -> Picture | Unreadable:
    """Decode the file at `path`; a reason where that cannot be done."""
    data = read_bytes(path)
    return data if isinstance(data, Unreadable) else decode(data, max_pixels=max_pixels, colour=colour)


def read_bytes(path: Path) -> bytes | Unreadable:
    """Bytes of a regular file of bounded size. Devices and pipes are refused before they are opened: they may never end."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            return Unreadable("unreadable", "not a regular file")
        if status.st_size > MAX_FILE_BYTES:
            return Unreadable("refused", f"{status.st_size} bytes, more than the bound of {MAX_FILE_BYTES}")
        with path.open("rb") as file:
            return file.read(MAX_FILE_BYTES)
    except (FileNotFoundError, NotADirectoryError):
        return Unreadable("missing_file", "no such file")
    except (OSError, ValueError) as error:  # no permission, a name too long for the system, a loop of links
        return Unreadable("unreadable", getattr(error, "strerror", None) or "a name that no file can have")


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS, colour: Colour = "managed") -> Picture | Unreadable:
    """Pixels of an encoded image.

    max_pixels : an image that claims more is refused before it is decoded
    colour     : "managed" brings pixels to sRGB by the profile in the file; "as-stored" ignores it, as cv2.imread does
    returns    : Picture; Unreadable with outcome `refused` beyond a bound of facegap's own, and `unreadable` where the
                 file is damaged, cut off, or of a format that is not read
    """
    try:
        boxed = container_format(data)
        if boxed:
            pixels, icc = decode_container(data, boxed, max_pixels=max_pixels)
            return finished(pixels, icc, colour)
        header = read_header(data)
    except (HeaderBoundError, ContainerBoundError) as error:
        return Unreadable("refused", str(error))
    except (HeaderError, ContainerError) as error:
        return Unreadable("unreadable", str(error))
    claimed = f"{header.format}, {header.width} x {header.height} pixels"
    if header.width * header.height > max_pixels:
        return Unreadable("refused", f"{claimed}, more than the bound of {max_pixels}")
    if not header.complete:
        return Unreadable("unreadable", f"{claimed}, but the file is cut off")
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        decoded = None
    if decoded is None:
        return Unreadable("unreadable", f"{claimed}, but the image data is damaged")
    icc = embedded_profile(data, header.format)
    inks = cmyk_pixels(data, icc) if icc and colour == "managed" else None
    if inks is not None:
        return Picture(inks, is_grey(inks), profile_of(icc).name, converted=True)
    return finished(np.asarray(decoded, np.uint8), icc, colour)


def finished(pixels: Pixels, icc: bytes, colour: Colour) -> Picture:
    """A picture of decoded pixels, its colours managed where asked."""
    grey = is_grey(pixels)
    if not icc:
        return Picture(pixels, grey)
    profile = profile_of(icc)
    managed = to_srgb(pixels, profile, grey=grey) if colour == "managed" else pixels
    return Picture(managed, grey, profile.name, converted=managed is not pixels)


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """Keep OpenCV's own complaints about damaged files off stderr, where they would tear the progress bar.

    The outcome of the row says it better. The setting is the process's, so it is put back. What libjpeg and libpng
    themselves print (one line for some damaged files) has no switch.
    """
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def is_grey(pixels: Pixels) -> bool:
    """Whether all three channels are equal everywhere; colour is nearly always seen in the first rows that are tried."""
    return all(
        bool(np.array_equal(part[..., 0], part[..., 1]) and np.array_equal(part[..., 1], part[..., 2]))
        for part in (pixels[::16], pixels)
    )
