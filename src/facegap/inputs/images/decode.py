"""Decode image bytes to pixels. For any file content, the result is an image or a reason, never an exception.

EXIF orientation is applied, so boxes and points refer to the image as a viewer shows it. Colour profiles are applied, so colours
are those that a viewer shows, unless `as-stored` is requested.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facegap.errors import FacegapError
from facegap.inputs.images.colour import Colour, cmyk_pixels, embedded_profile, profile_of, to_srgb
from facegap.inputs.images.containers import ContainerBoundError, ContainerError, container_size, decode_container
from facegap.inputs.images.costly import LIMIT_S, DecoderDiedError, DecodeTimeError, Request, decode_apart, is_costly
from facegap.inputs.images.headers import HeaderBoundError, HeaderError, container_format, read_header
from facegap.store.opened import TooLargeError, opened_below, read_within

MAX_PIXELS = 100_000_000  # 300 MB of decoded pixels, about the size of images from the largest cameras
MAX_FILE_BYTES = 256 * 2**20
LINKED = "it, or a folder above it, was replaced by a link"
EXIF_RULE = "EXIF orientation is applied"
try:
    import cv2
except ImportError as error:  # slim container images lack libGL and libglib
    raise FacegapError(
        f"OpenCV cannot be loaded ({error}); on Debian or Ubuntu: apt-get install libgl1 libglib2.0-0"
    ) from error

Pixels = NDArray[np.uint8]
Reason = Literal["missing_file", "unreadable", "refused", "decode_timeout"]


@dataclass(frozen=True)
class Picture:
    """A decoded image.

    pixels : uint8 (height, width, 3), blue, green, red, with EXIF orientation applied, without transparency, 16 bits
             reduced to 8 (PNG: lower bits dropped; TIFF: values scaled)
    grey   : every pixel has three equal channels, whatever the file format declares
    profile : name of the colour profile in the file, empty if there is none
    converted : the profile changed the colours, and they were converted to sRGB
    """

    pixels: Pixels
    grey: bool
    profile: str = ""
    converted: bool = False


@dataclass(frozen=True)
class Unreadable:
    """Why there is no image: the outcome of the row, and an explanation."""

    outcome: Reason
    detail: str


@dataclass(frozen=True)
class ImageFile:
    """The bytes of an image file, their sha256, and the file's stamp, see `stamp_of`."""

    data: bytes
    sha256: str
    stamp: str


def read_picture(
    path: str | Path, *, root: Path | None = None, max_pixels: int = MAX_PIXELS, colour: Colour = "managed"
) -> Picture | Unreadable:
    """Decode the file at `path`, or return the reason why it cannot be decoded.

    root : folder to which `path` is relative, below which no link is followed; None: its own folder
    """
    found = read_image(path, root=root)
    return found if isinstance(found, Unreadable) else decode(found.data, max_pixels=max_pixels, colour=colour)


def read_image(path: str | Path, *, root: Path | None = None) -> ImageFile | Unreadable:
    """Read a regular file of limited size, which is opened once, without following links or blocking on pipes.

    root : folder to which `path` is relative, below which no link is followed; None: its own folder
    """
    folder, name = (Path(path).parent, Path(path).name) if root is None else (root, str(path))
    try:
        with opened_below(folder, name) as file:
            data = read_within(file, MAX_FILE_BYTES)
            return ImageFile(data, hashlib.sha256(data).hexdigest(), stamp_of(os.fstat(file.fileno())))
    except TooLargeError as error:
        return Unreadable("refused", f"{error.size} bytes, more than the limit of {MAX_FILE_BYTES}")
    except (FileNotFoundError, NotADirectoryError):
        return Unreadable("missing_file", "no such file")
    except (OSError, ValueError) as error:  # no permission, a name too long for the system, a loop of links
        if isinstance(error, OSError) and error.errno == errno.ELOOP:
            return Unreadable("unreadable", LINKED)
        return Unreadable("unreadable", getattr(error, "strerror", None) or "not a valid file name")


def stamp_of(status: os.stat_result) -> str:
    """Return the size and times of a file as text; a different stamp means that its bytes may have changed.

    It includes the time of the last change of the inode, which `touch` cannot reset.
    """
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def stamp_on_disk(path: Path) -> str:
    """Return `stamp_of` the file on disk, without following a link; empty if there is none."""
    try:
        return stamp_of(path.lstat())
    except (OSError, ValueError):
        return ""


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS, colour: Colour = "managed") -> Picture | Unreadable:
    """Decode an encoded image.

    max_pixels : an image that claims more is rejected before it is decoded
    colour     : "managed" converts pixels to sRGB by the profile in the file; "as-stored" ignores it, as cv2.imread does
    returns    : Picture; Unreadable with outcome `refused` above a limit of facegap, `decode_timeout` if decoding takes more
                 than costly.LIMIT_S seconds of processor time, and `unreadable` if the file is damaged, truncated, or of an
                 unsupported format
    """
    found = claim_of(data, max_pixels)
    if isinstance(found, Unreadable):
        return found
    if not is_costly(found.format, found.work, len(data)):
        return decode_claimed(data, found, max_pixels=max_pixels, colour=colour)
    try:
        picture: Picture | Unreadable = decode_apart(data, Request(max_pixels, colour))
    except DecodeTimeError:
        return Unreadable(
            "decode_timeout", f"{found}, took more than the limit of {LIMIT_S} s of processor time to decode"
        )
    except DecoderDiedError:
        return Unreadable("unreadable", f"{found}, but the decoder crashed")
    return picture


@dataclass(frozen=True)
class Claim:
    """Format and size claimed by a file. work : pixels that its decoder visits"""

    format: str
    width: int
    height: int
    work: int

    def __str__(self) -> str:
        return f"{self.format}, {self.width} x {self.height} pixels"


def claim_of(data: bytes, max_pixels: int) -> Claim | Unreadable:
    """Return what the header claims, or why the file is not decoded."""
    try:
        boxed = container_format(data)
        if boxed:
            width, height = container_size(data, boxed, max_pixels=max_pixels)
            return Claim(boxed, width, height, width * height)
        header = read_header(data)
    except (HeaderBoundError, ContainerBoundError) as error:
        return Unreadable("refused", str(error))
    except (HeaderError, ContainerError) as error:
        return Unreadable("unreadable", str(error))
    claim = Claim(header.format, header.width, header.height, header.work or header.width * header.height)
    if max(header.width * header.height, claim.work if header.format == "TIFF" else 0) > max_pixels:
        return Unreadable("refused", f"{claim}, more than the limit of {max_pixels}")
    if not header.complete:
        return Unreadable("unreadable", f"{claim}, but the file is truncated")
    return claim


def decode_here(data: bytes, *, max_pixels: int, colour: Colour) -> Picture | Unreadable:
    """Decode in this process, without a time limit."""
    claimed = claim_of(data, max_pixels)
    if isinstance(claimed, Unreadable):
        return claimed
    return decode_claimed(data, claimed, max_pixels=max_pixels, colour=colour)


def decode_claimed(data: bytes, claimed: Claim, *, max_pixels: int, colour: Colour) -> Picture | Unreadable:
    """Decode in this process a file whose header was already read."""
    if claimed.format in ("AVIF", "HEIC"):
        try:
            pixels, icc = decode_container(data, claimed.format, max_pixels=max_pixels)
        except ContainerError as error:
            return Unreadable("unreadable", str(error))
        return finished(pixels, icc, colour)
    try:
        decoded = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error:
        decoded = None
    if decoded is None:
        return Unreadable("unreadable", f"{claimed}, but the image data is damaged")
    icc = embedded_profile(data, claimed.format)
    inks = cmyk_pixels(data, icc) if icc and colour == "managed" else None
    if inks is not None:
        return Picture(inks, is_grey(inks), profile_of(icc).name, converted=True)
    return finished(np.asarray(decoded, np.uint8), icc, colour)


def finished(pixels: Pixels, icc: bytes, colour: Colour) -> Picture:
    """Return a picture of decoded pixels, with colour management if requested."""
    grey = is_grey(pixels)
    if not icc:
        return Picture(pixels, grey)
    profile = profile_of(icc)
    managed = to_srgb(pixels, profile, grey=grey) if colour == "managed" else pixels
    return Picture(managed, grey, profile.name, converted=managed is not pixels)


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """Suppress OpenCV's own messages about damaged files on stderr, which would disrupt the progress bar.

    The outcome of the row is more informative. The setting is global to the process, so it is restored. Messages of libjpeg and
    libpng (one line for some damaged files) cannot be suppressed.
    """
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        yield
    finally:
        cv2.utils.logging.setLogLevel(level)


def is_grey(pixels: Pixels) -> bool:
    """Return whether all three channels are equal; a colour image is nearly always detected in the first rows."""
    return all(
        bool(np.array_equal(part[..., 0], part[..., 1]) and np.array_equal(part[..., 1], part[..., 2]))
        for part in (pixels[::16], pixels)
    )
