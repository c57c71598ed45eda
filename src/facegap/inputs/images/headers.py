"""Read format, size and completeness of an image file from its bytes, without decoding.

Two facts must be known before OpenCV decodes a file: its claimed number of pixels (a 1 MB file can claim 1.6 billion), and whether
it is complete, because OpenCV decodes a truncated JPEG to an image that is grey below the cut.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Header:
    """Header of a file: format, stored width and height in pixels, and whether the file is complete.

    work : pixels that a decoder visits, if not those of the image: each scan of a JPEG visits all of them again, and a tile of
           a TIFF may be larger than the image; 0: as many as the image has
    """

    format: str
    width: int
    height: int
    complete: bool
    work: int = 0


class HeaderError(ValueError):
    """The bytes are not an image of a supported format, for the reason in the message."""


class HeaderBoundError(HeaderError):
    """The file may be an image, but exceeds a limit of facegap."""


def read_header(data: bytes) -> Header:
    """Read the header of a JPEG, PNG, WebP, BMP or TIFF file.

    Raises
    ------
    HeaderBoundError : If the file exceeds a limit of this module.
    HeaderError      : If it is empty, of another format (named if known), or too damaged to state a size.
    """
    if not data:
        raise HeaderError("the file is empty")
    for magic, reader in READERS.items():
        if data.startswith(magic):
            try:
                return reader(data)
            except (struct.error, IndexError) as error:
                raise HeaderError("the file ends inside its header") from error
    raise HeaderError(
        f"{foreign_format(data)}, not a JPEG, PNG, WebP, BMP, TIFF or AVIF image; convert it to JPEG or PNG"
    )


FOREIGN: dict[bytes, str] = {
    b"GIF8": "a GIF image",
    b"\xff\x0a": "a JPEG XL image",
    b"\x00\x00\x00\x0cJXL ": "a JPEG XL image",
    b"\x00\x00\x00\x0cjP  ": "a JPEG 2000 image",
    b"\xff\x4f\xff\x51": "a JPEG 2000 image",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a ZIP archive",
    b"8BPS": "a Photoshop document",
    b"\x1a\x45\xdf\xa3": "a Matroska or WebM video",
    b"qoif": "a QOI image",
    b"version https://git-lfs": "a Git LFS pointer (the file itself was never downloaded: git lfs pull)",
}
HEIC_BRANDS = frozenset(
    {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1", b"mif2"}
)
AVIF_BRANDS = frozenset({b"avif", b"avis"})


def foreign_format(data: bytes) -> str:
    """Describe a file that is not an image of a supported format."""
    for magic, name in FOREIGN.items():
        if data.startswith(magic):
            return name
    if data[4:8] == b"ftyp":
        return "a video (MP4 or QuickTime)"
    start = data[:256].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        return "a web page (perhaps a failed download)"
    if start.startswith((b"<svg", b"<?xml")):
        return "an SVG or XML file"
    return "of no known format"


def container_format(data: bytes) -> str:
    """Return HEIC or AVIF, from the brands of an ISO base media file (ISO/IEC 14496-12, 4.3); otherwise empty."""
    if data[4:8] != b"ftyp":
        return ""
    (length,) = struct.unpack_from(">I", data.ljust(4, b"\0"), 0)
    box = data[8 : min(length, 256)]
    brands = {box[at : at + 4] for at in range(0, len(box) - 3, 4) if at != 4}  # the second word is a version
    if brands & AVIF_BRANDS:
        return "AVIF"
    return "HEIC" if brands & HEIC_BRANDS else ""


# A marker in entropy-coded data: FF followed by anything but a stuffed zero, a restart marker or a fill byte.
JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
JPEG_SIZES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start-of-frame markers (ITU-T T.81, table B.1)
JPEG_SCAN, JPEG_END = 0xDA, 0xD9
# Each scan of 20 bytes makes a decoder visit every pixel again, so a small file could occupy a worker for hours. Encoders write
# about ten scans, and no progression of three colours needs more than this.
MOST_JPEG_SCANS = 200
# Segments of a JPEG or chunks of a PNG: a million empty ones take a decoder seconds. Encoders write 8 to 64 KB each.
MOST_PIECES = 100_000


def jpeg_header(data: bytes) -> Header:
    """Parse the segments (ITU-T T.81, annex B): size in the frame, complete if an end marker follows the last scan."""
    width = height = 0
    scans = pieces = 0
    at = 2
    while at < len(data):
        pieces += 1
        if pieces > MOST_PIECES:
            raise HeaderBoundError(f"a JPEG file of more than {MOST_PIECES:,} segments, the limit")
        found = JPEG_MARKER.search(data, at)
        if not found:
            break
        marker, at = data[found.start() + 1], found.end()
        if marker == JPEG_END:
            return Header("JPEG", *jpeg_size(width, height), complete=scans > 0, work=width * height * max(scans, 1))
        if marker in (0x01, 0xD8):  # markers without a segment
            continue
        (length,) = struct.unpack_from(">H", data, at)
        if marker in JPEG_SIZES and not width:
            height, width = struct.unpack_from(">HH", data, at + 3)
        scans += marker == JPEG_SCAN
        if scans > MOST_JPEG_SCANS:
            raise HeaderBoundError(f"a JPEG file of more than {MOST_JPEG_SCANS} scans, the limit")
        at += length
    return Header("JPEG", *jpeg_size(width, height), complete=False)


def jpeg_size(width: int, height: int) -> tuple[int, int]:
    """Return the size; raise HeaderError if no frame states it."""
    if not width or not height:
        raise HeaderError("a JPEG file that states no size")
    return width, height


def png_header(data: bytes) -> Header:
    """Parse the chunks (ISO/IEC 15948, clause 5): size in IHDR, complete if IEND is reached."""
    width, height = struct.unpack_from(">II", data, 16)
    at, kind, pieces = 8, b"", 0
    while at + 12 <= len(data) and kind != b"IEND":
        pieces += 1
        if pieces > MOST_PIECES:
            raise HeaderBoundError(f"a PNG file of more than {MOST_PIECES:,} chunks, the limit")
        length, kind = struct.unpack_from(">I4s", data, at)
        at += 12 + length
    return Header("PNG", width, height, complete=kind == b"IEND" and at <= len(data))


def webp_header(data: bytes) -> Header:
    """Parse the first chunk of a RIFF container (RFC 9649): lossy, lossless or extended; complete if not shorter than stated."""
    length, form, kind = struct.unpack_from("<I4s4s", data, 4)
    if form != b"WEBP":
        raise HeaderError("a RIFF file that is not WebP")
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[at : at + 3], "little") for at in (24, 27))
    elif kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        width, height = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    else:
        width, height = (side & 0x3FFF for side in struct.unpack_from("<HH", data, 26))
    return Header("WebP", width, height, complete=len(data) >= length + 8)


def bmp_header(data: bytes) -> Header:
    """Parse size field, width and height of a BITMAPINFOHEADER; height may be negative (rows from the top)."""
    length, _, _, header, width, height = struct.unpack_from("<IIIIii", data, 2)
    if header < 40:
        raise HeaderError("a BMP file in a format older than Windows 3")
    if width < 0:  # a negative height means top-down rows; a negative width is invalid
        raise HeaderError("a BMP file with a negative width")
    return Header("BMP", width, abs(height), complete=len(data) >= length)


TIFF_SIZE, TIFF_TILE = (256, 257), (322, 323)  # width and height of the image, and of a tile
TIFF_NUMBERS = {3: "H", 4: "I"}  # SHORT and LONG; other types may store the number elsewhere in the file


def tiff_header(data: bytes) -> Header:
    """Parse tags 256, 257, 322 and 323 of the first directory (TIFF 6.0, section 2); libtiff itself rejects missing strips.

    The first entry of a tag is used, as in libtiff, so that a second, smaller one cannot hide the size of the image.
    """
    order = "<" if data.startswith(b"II") else ">"
    (start,) = struct.unpack_from(order + "I", data, 4)
    (count,) = struct.unpack_from(order + "H", data, start)
    sizes: dict[int, int] = {}
    tags = (*TIFF_SIZE, *TIFF_TILE)
    for entry in range(count):
        tag, kind = struct.unpack_from(order + "HH", data, start + 2 + 12 * entry)
        if tag in tags and tag not in sizes:
            if kind not in TIFF_NUMBERS:
                raise HeaderError("a TIFF file whose stated size is not a whole number")
            (sizes[tag],) = struct.unpack_from(order + TIFF_NUMBERS[kind], data, start + 10 + 12 * entry)
    if not all(tag in sizes for tag in TIFF_SIZE):
        raise HeaderError("a TIFF file that states no size")
    width, height = (sizes[tag] for tag in TIFF_SIZE)
    tile = [sizes.get(tag, 0) for tag in TIFF_TILE]
    return Header("TIFF", width, height, complete=True, work=max(width, tile[0]) * max(height, tile[1]))


READERS: dict[bytes, Callable[[bytes], Header]] = {
    b"\xff\xd8\xff": jpeg_header,
    b"\x89PNG\r\n\x1a\n": png_header,
    b"RIFF": webp_header,
    b"BM": bmp_header,
    b"II*\x00": tiff_header,
    b"MM\x00*": tiff_header,
}
