"""A video file as frames: opened once, hashed, decoded in a separate process within bounds of pixels, time and memory."""

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
from facegap.inputs.videos.sample import CAPTURE_OPTIONS, Asked
from facegap.runtime.isolation.process import environment
from facegap.store.opened import opened_below

SUFFIXES = frozenset((".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".mpg", ".mpeg", ".3gp"))
MOST_BYTES = 4 * 2**30
MOST_PIXELS = 8192 * 4320  # of a frame; a decoder holds some twenty
CPU_S = 60  # of processor time for one video
WALL_S = 120  # for one frame, on a machine so busy that the process is hardly run
MEMORY_BYTES = 3 * 2**30
MOST_HEAD = 4096
CONTAINERS = "MP4, MOV, 3GP, AVI, Matroska, WebM, MPEG"
ENDS = {  # how the process says that there is no frame: outcome and detail
    "unopened": ("unreadable", "no video stream that can be decoded"),
    "damaged": ("unreadable", "the video data is damaged"),
    "memory": ("refused", "decoding needs more memory than the limit"),
}


@dataclass(frozen=True)
class Sampling:
    """Which frames of a video are taken: so many per second of it, from its beginning, and at most so many."""

    frames_per_second: float = 2.0
    max_frames: int = 30


@dataclass(frozen=True)
class VideoFile:
    """sha256 of a video file, and what the file system said of it: see `stamp_of`."""

    sha256: str
    stamp: str


@dataclass(frozen=True)
class Frame:
    """One frame. time_s : since the first frame of the video"""

    time_s: float
    picture: Picture


def is_video(path: str) -> bool:
    """Whether a file is taken for a video, by its name."""
    # As PurePosixPath.suffix, without a path object for each of a million names.
    stem, dot, ending = path.rpartition("/")[2].rpartition(".")
    return bool(stem) and (dot + ending).lower() in SUFFIXES


def read_video(path: str, *, root: Path, sampling: Sampling, max_pixels: int = MOST_PIXELS) -> Iterator[Any]:
    """First the VideoFile, then each Frame in the order of time; an Unreadable where the video, or its rest, is none.

    Frames are decoded as they are asked for, so that one at a time is held. A video whose decoding ends in an Unreadable is to
    be taken as a whole for unreadable, whatever frames came before: how many there were depends on the machine.

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
    """Whether a file begins as one of CONTAINERS does. Playlists and other texts that name files begin otherwise."""
    boxes = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
    return (
        head[4:8] in boxes
        or (head[:4] == b"RIFF" and head[8:12] == b"AVI ")
        or head[:4] in (b"\x1a\x45\xdf\xa3", b"\x00\x00\x01\xba")
    )


def decoded(file: BufferedReader, sampling: Sampling, max_pixels: int) -> Iterator[Frame | Unreadable]:
    """The frames of an open video file, from a separate process."""
    number = file.fileno()
    asked = Asked(number, sampling.frames_per_second, sampling.max_frames, max_pixels, CPU_S, MEMORY_BYTES)
    with process(asked) as (child, frames):
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
def process(asked: Asked) -> Iterator[tuple[subprocess.Popen[bytes], IO[bytes]]]:
    """The process that decodes, and what it writes; it is gone at the end of the block."""
    command = [sys.executable, "-m", "facegap.inputs.videos.sample", json.dumps(asdict(asked))]
    env = {**environment(), "OPENCV_FFMPEG_CAPTURE_OPTIONS": CAPTURE_OPTIONS}
    quiet = subprocess.DEVNULL
    try:
        child = subprocess.Popen(
            command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, pass_fds=(asked.file,), env=env, cwd="/"
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
    """The next frame; None after the last one; why there is none where the video could not be decoded."""
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
    except (ValueError, KeyError, TypeError):  # what no process of ours writes
        return Unreadable("unreadable", "the decoder crashed")
    finally:
        timer.cancel()


def how_it_ended(head: dict[str, Any], max_pixels: int) -> Unreadable | None:
    """What the last line of the process says; None where all is well."""
    if head["end"] == "":
        return None
    if head["end"] == "pixels":
        size = f"{int(head['width'])} x {int(head['height'])}"
        return Unreadable("refused", f"frames of {size} pixels, more than the limit of {max_pixels}")
    outcome, detail = ENDS.get(head["end"], ENDS["damaged"])
    return Unreadable(outcome, detail)  # type: ignore[arg-type]


def how_it_died(child: subprocess.Popen[bytes]) -> Unreadable:
    """Why the process ended without a last line.

    Raises
    ------
    KeyboardInterrupt : Ctrl-C reached it
    """
    code = child.wait()
    if code == -signal.SIGINT:
        raise KeyboardInterrupt
    if code in (-signal.SIGXCPU, -signal.SIGKILL):
        return Unreadable("decode_timeout", f"took more than the limit of {CPU_S} s of processor time to decode")
    return Unreadable("unreadable", "the decoder crashed")


def read_file(path: str, *, root: Path) -> ImageFile | VideoFile | Unreadable:
    """sha256 and stamp of the file of a row, an image or a video, with nothing decoded."""
    if not is_video(path):
        return read_image(path, root=root)
    found = read_video(path, root=root, sampling=Sampling())
    first: VideoFile | Unreadable = next(found)
    found.close()  # type: ignore[attr-defined]
    return first


def why_not(path: str, *, root: Path) -> Unreadable | None:
    """Why a video gives no frame; None where its first frame can be decoded."""
    *_, last = read_video(path, root=root, sampling=Sampling(max_frames=1))
    return last if isinstance(last, Unreadable) else None
