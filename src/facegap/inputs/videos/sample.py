"""The process that decodes one video: it receives the open file by number, restricts itself, and only then reads the file.

FFmpeg supports files that name other files and addresses (playlists, lists of parts, session descriptions). Here it only reads
from an open file: once restricted, the process can open no file or socket, and only the containers in FORMATS are tried.
"""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

FORMATS = "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpeg"  # names of FFmpeg's own demuxers
CAPTURE_OPTIONS = f"protocol_whitelist;none|format_whitelist;{FORMATS}"
NOMINAL_FPS = 25.0  # if a file states no plausible rate
CAN_BE_FPS = (1.0, 240.0)


@dataclass(frozen=True)
class Arguments:
    """The arguments of the process.

    file              : descriptor of the open file
    frames_per_second : sampling rate, by the timestamps of the file
    max_frames        : maximum number of sampled frames
    max_pixels        : of a frame
    cpu_s             : processor time for the whole video
    memory_bytes      : address space beyond that in use before the file is read
    """

    file: int
    frames_per_second: float
    max_frames: int
    max_pixels: int
    cpu_s: int
    memory_bytes: int


class Stream(io.BufferedIOBase):
    """An already open file, in the form that OpenCV reads."""

    def __init__(self, number: int) -> None:
        self._file = io.FileIO(number)
        self._file.seek(0)  # the offset is shared with the process that opened the file

    def read(self, size: int | None = -1, /) -> bytes:
        """Read some bytes."""
        return self._file.read(-1 if size is None else size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move to an offset."""
        return self._file.seek(offset, whence)


def serve(text: str) -> None:
    """Decode one video and write its frames to stdout: a line of JSON, then the pixels; a last line states the result."""
    import resource

    import cv2

    from facegap.runtime.isolation import restrictions

    arguments = Arguments(**json.loads(text))
    out = os.fdopen(os.dup(1), "wb")
    restrictions.leave_no_core()
    spent = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(spent.ru_utime + spent.ru_stime) + arguments.cpu_s
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    cv2.setNumThreads(1)
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    with contextlib.suppress(ImportError, RuntimeError, OSError):  # the other restrictions remain
        restrictions.loaded_seccomp()
    restrictions.apply(arguments.memory_bytes)
    try:
        stream: Any = Stream(arguments.file)  # OpenCV accepts any io.BufferedIOBase, but its stubs do not
        capture = cv2.VideoCapture(stream, cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        for head, pixels in output_of(capture, arguments):
            out.write(json.dumps(head).encode() + b"\n")
            out.write(pixels)
    except (cv2.error, MemoryError) as error:
        kind = "memory" if isinstance(error, MemoryError) or "memory" in str(error).lower() else "damaged"
        out.write(json.dumps({"end": kind}).encode() + b"\n")
    out.flush()


def output_of(capture: Any, arguments: Arguments) -> Iterator[tuple[dict[str, Any], bytes]]:
    """Yield the output: a header and pixels for each frame, then a final header without pixels."""
    import cv2

    if not capture.isOpened():
        yield {"end": "unopened"}, b""
        return
    width, height = (int(capture.get(which)) for which in (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT))
    if width * height > arguments.max_pixels:
        yield {"end": "pixels", "width": width, "height": height}, b""
        return
    for time_s, pixels in sampled(capture, arguments):
        high, wide = pixels.shape[:2]
        if high * wide > arguments.max_pixels:
            yield {"end": "pixels", "width": wide, "height": high}, b""
            return
        yield {"width": wide, "height": high, "time_s": time_s}, pixels.tobytes()
    yield {"end": ""}, b""


def sampled(capture: Any, arguments: Arguments) -> Iterator[tuple[float, Any]]:
    """Yield the first frame, and the first at or after each further 1 / frames_per_second; seconds since the first, and pixels.

    An invalid or non-increasing timestamp is replaced by the previous one plus the duration of a frame.
    """
    import cv2

    stated = capture.get(cv2.CAP_PROP_FPS)
    step = 1 / (stated if CAN_BE_FPS[0] <= stated <= CAN_BE_FPS[1] else NOMINAL_FPS)
    begin, now, due, found = math.nan, math.nan, 0.0, 0
    while found < arguments.max_frames and capture.grab():
        stamp = capture.get(cv2.CAP_PROP_POS_MSEC) / 1000
        if math.isnan(begin):
            begin = now = stamp if math.isfinite(stamp) else 0.0
        else:
            now = stamp if math.isfinite(stamp) and stamp > now else now + step
        if now - begin < due - step / 1000:
            continue
        fine, pixels = capture.retrieve()
        if not fine or pixels is None or pixels.ndim != 3:
            continue
        found += 1
        due = (math.floor((now - begin) * arguments.frames_per_second + 1e-6) + 1) / arguments.frames_per_second
        yield round(now - begin, 3), pixels


if __name__ == "__main__":
    serve(sys.argv[1])
