"""Read the frames of a video: open it once, hash it, and decode it in a separate process with limits on pixels, time and memory."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, Any

import numpy as np

from facegap.errors import FacegapError
from facegap.inputs.images.decode import LINKED, ImageFile, Picture, Unreadable, is_grey, read_image, stamp_of
from facegap.inputs.videos.sample import CAPTURE_OPTIONS, Arguments
from facegap.runtime.isolation.process import environment
from facegap.store.opened import opened_below

SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".3gp"))
MOST_BYTES = 4 * 2**30
MOST_PIXELS = 8192 * 4320  # of a frame; a decoder keeps some twenty frames
CPU_S = 60  # of processor time for one video
WALL_S = 120  # for one frame, on a very busy machine
MEMORY_BYTES = 3 * 2**30
MOST_HEAD = 4096
CONTAINERS = "MP4, MOV, 3GP, AVI, Matroska, WebM, MPEG"
ENDS = {  # final states of the process: outcome and detail
    "unopened": ("unreadable", "no video stream that can be decoded"),
    "damaged": ("unreadable", "the video data is damaged"),
    "memory": ("refused", "decoding needs more memory than the limit"),
}


@dataclass(frozen=True)
class Sampling:
    """The sampling of frames: frames per second of video, from its beginning, and the maximum number."""

    frames_per_second: float = 2.0
    max_frames: int = 30


@dataclass(frozen=True)
class VideoFile:
    """The sha256 of a video file, and its stamp, see `stamp_of`."""

    sha256: str
    stamp: str


@dataclass(frozen=True)
class Frame:
    """One frame. time_s : since the first frame of the video"""

    time_s: float
    picture: Picture


def is_video(path: str) -> bool:
    """Return whether a file name is that of a video."""
    # As PurePosixPath.suffix, but without creating a path object for each of a million names.
    stem, dot, ending = path.rpartition("/")[2].rpartition(".")
    return bool(stem) and (dot + ending).lower() in SUFFIXES


def read_video(path: str, *, root: Path, sampling: Sampling, max_pixels: int = MOST_PIXELS) -> Iterator[Any]:
    """Yield the VideoFile, then each Frame in chronological order, or an Unreadable if the video, or its rest, is unreadable.

    Frames are decoded on demand, so only one is in memory at a time. If the last item is an Unreadable, the whole video must be
    treated as unreadable, because the number of frames before it depends on the machine.

    path : relative to `root`, below which no link is followed
    """
    try:
        with opened_below(root, path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MOST_BYTES:
                yield Unreadable("refused", f"{size} bytes, more than the limit of {MOST_BYTES}")
                return
            yield VideoFile(hashlib.file_digest(file, "sha256").hexdigest(), stamp_of(os.fstat(file.fileno())))
            file.seek(0)
            if not is_container(file.read(16)):
                yield Unreadable("unreadable", f"not a video container that facegap reads ({CONTAINERS})")
                return
            yield from decoded(file, sampling, max_pixels)
    except (FileNotFoundError, NotADirectoryError):
        yield Unreadable("missing_file", "no such file")
    except (OSError, ValueError) as error:
        linked = isinstance(error, OSError) and error.errno == errno.ELOOP
        said = getattr(error, "strerror", None) or "not a valid file name"
        yield Unreadable("unreadable", LINKED if linked else said)


def is_container(head: bytes) -> bool:
    """Return whether a file begins like one of CONTAINERS, which excludes playlists and other text that names files."""
    boxes = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
    return (
        head[4:8] in boxes
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or head[:4] in (b"\x1a\x45\xdf\xa3", b"\x00\x00\x01\xba")
    )


def decoded(file: BufferedReader, sampling: Sampling, max_pixels: int) -> Iterator[Frame | Unreadable]:
    """Decode the frames of an open video file in a separate process."""
    number = file.fileno()
    arguments = Arguments(number, sampling.frames_per_second, sampling.max_frames, max_pixels, CPU_S, MEMORY_BYTES)
    with process(arguments) as (child, frames):
        found = 0
        while True:
            answer = next_frame(child, frames, max_pixels)
            if isinstance(answer, Frame):
                found += 1
                yield answer
                continue
            if answer is None and not found:
                answer = Unreadable("unreadable", "no frame could be decoded")
            if answer is not None:
                yield answer
            return


@contextlib.contextmanager
def process(arguments: Arguments) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """Start the decoding process and return it with its output; it is ended at the end of the block."""
    command = [sys.executable, "-m", "facegap.inputs.videos.sample", json.dumps(asdict(arguments))]
    env = {**environment(), "OPENCV_FFMPEG_CAPTURE_OPTIONS": CAPTURE_OPTIONS}
    quiet = subprocess.DEVNULL
    try:
        child = subprocess.Popen(
            command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, pass_fds=(arguments.file,), env=env, cwd="/"
        )
    except OSError as error:
        raise FacegapError(f"cannot start a process to decode a video ({error}); close other programs") from error
    assert child.stdout is not None
    try:
        yield child, child.stdout
    finally:
        child.kill()
        child.stdout.close()
        child.wait()


def next_frame(child: subprocess.Popen[bytes], frames: IO[bytes], max_pixels: int) -> Frame | Unreadable | None:
    """Return the next frame, None after the last one, or why the video could not be decoded."""
    timer = threading.Timer(WALL_S, child.kill)
    timer.start()
    try:
        line = frames.readline(MOST_HEAD)
        head = json.loads(line) if line.endswith(b"\n") else None
        if head is None:
            return how_it_died(child)
        if "end" in head:
            return how_it_ended(head, max_pixels)
        width, height = int(head["width"]), int(head["height"])
        if not 0 < width * height <= max_pixels or min(width, height) < 1:
            return Unreadable("unreadable", "the decoder returned a frame without a size")
        data = frames.read(width * height * 3)
        if len(data) < width * height * 3:
            return how_it_died(child)
        pixels = np.frombuffer(data, np.uint8).reshape(height, width, 3)
        return Frame(float(head["time_s"]), Picture(pixels, is_grey(pixels)))
    except (ValueError, KeyError, TypeError):  # never written by a working process
        return Unreadable("unreadable", "the decoder crashed")
    finally:
        timer.cancel()


def how_it_ended(head: dict[str, Any], max_pixels: int) -> Unreadable | None:
    """Interpret the last line of the process; None if it succeeded."""
    if head["end"] == "":
        return None
    if head["end"] == "pixels":
        size = f"{int(head['width'])} x {int(head['height'])}"
        return Unreadable("refused", f"frames of {size} pixels, more than the limit of {max_pixels}")
    outcome, detail = ENDS.get(head["end"], ENDS["damaged"])
    return Unreadable(outcome, detail)  # type: ignore[arg-type]


def how_it_died(child: subprocess.Popen[bytes]) -> Unreadable:
    """Explain why the process ended without a last line.

    Raises
    ------
    KeyboardInterrupt : If the process received Ctrl-C.
    """
    code = child.wait()
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return Unreadable("decode_timeout", f"took more than the limit of {CPU_S} s of processor time to decode")
    return Unreadable("unreadable", "the decoder crashed")


def read_file(path: str, *, root: Path) -> ImageFile | VideoFile | Unreadable:
    """Return the sha256 and stamp of the image or video file of a row, without decoding."""
    if not is_video(path):
        return read_image(path, root=root)
    found = read_video(path, root=root, sampling=Sampling())
    first: VideoFile | Unreadable = next(found)
    found.close()  # type: ignore[attr-defined]
    return first


def why_not(path: str, *, root: Path) -> Unreadable | None:
    """Return why a video has no readable frame; None if its first frame can be decoded."""
    *_, last = read_video(path, root=root, sampling=Sampling(max_frames=1))
    return last if isinstance(last, Unreadable) else None
