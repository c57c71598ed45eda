"""Image bytes to pixels. Whatever a file holds, the answer is an image or a reason, never an exception.

Rule for EXIF orientation: it is applied, so boxes and points are in the picture as a viewer shows it. Rule for colour
profiles: they are applied, so that colours are those that a viewer shows, unless `as-stored` is asked for.
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

MAX_PIXELS = 100_000_000  # 300 MB of decoded pixels; the largest cameras sold make about as many
MAX_FILE_BYTES = 256 * 2**20
LINKED = "it, or a folder above it, was replaced by a link"
EXIF_RULE = "EXIF orientation is applied"
try:
    import cv2
except ImportError as error:  # libGL and libglib are not on slim images
    raise FacegapError(
        f"OpenCV cannot be loaded ({error}); on Debian or Ubuntu: apt-get install libgl1 libglib2.0-0"
    ) from error

Pixels = NDArray[np.uint8]
Reason = Literal["missing_file", "unreadable", "refused", "decode_timeout"]


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


@dataclass(frozen=True)
class ImageFile:
    """The bytes of an image file, their sha256, and what the file system said of it: see `stamp_of`."""

    data: bytes
    sha256: str
    stamp: str


def read_picture(
    path: str | Path, *, root: Path | None = None, max_pixels: int = MAX_PIXELS, colour: Colour = "managed"
) -> Picture | Unreadable:
    """Decode the file at `path`; a reason where that cannot be done.

    root : folder that `path` is relative to, below which no link is followed; None: its own folder
    """
    found = read_image(path, root=root)
    return found if isinstance(found, Unreadable) else decode(found.data, max_pixels=max_pixels, colour=colour)


def read_image(path: str | Path, *, root: Path | None = None) -> ImageFile | Unreadable:
    """The bytes of a regular file of bounded size, opened once: neither links nor pipes put in its place are waited for.

    root : folder that `path` is relative to, below which no link is followed; None: its own folder
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
    """Size and times of a file as text: another one says that its bytes may have changed, the same one that they have not.

    The time at which the entry itself last changed is among them: `touch` can put the other one back.
    """
    return f"{status.st_size} {status.st_mtime_ns} {status.st_ctime_ns}"


def stamp_on_disk(path: Path) -> str:
    """`stamp_of` the file that is there now, no link followed; empty where there is none."""
    try:
        return stamp_of(path.lstat())
    except (OSError, ValueError):
        return ""


def decode(data: bytes, *, max_pixels: int = MAX_PIXELS, colour: Colour = "managed") -> Picture | Unreadable:
    """Pixels of an encoded image.

    max_pixels : an image that claims more is refused before it is decoded
    colour     : "managed" brings pixels to sRGB by the profile in the file; "as-stored" ignores it, as cv2.imread does
    returns    : Picture; Unreadable with outcome `refused` beyond a bound of facegap's own, `decode_timeout` where decoding
                 takes more than costly.LIMIT_S seconds of processor time, and `unreadable` where the file is damaged, cut
                 off, or of a format that is not read
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
    """What a file says of itself. work : pixels that its decoder visits."""

    format: str
    width: int
    height: int
    work: int

    def __str__(self) -> str:
        return f"{self.format}, {self.width} x {self.height} pixels"


def claim_of(data: bytes, max_pixels: int) -> Claim | Unreadable:
    """What a file claims, or why it is not decoded at all."""
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
    """`decode` in this process, however long it takes."""
    claimed = claim_of(data, max_pixels)
    if isinstance(claimed, Unreadable):
        return claimed
    return decode_claimed(data, claimed, max_pixels=max_pixels, colour=colour)


def decode_claimed(data: bytes, claimed: Claim, *, max_pixels: int, colour: Colour) -> Picture | Unreadable:
    """`decode_here` of a file whose claims are known."""
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
