"""Images that take long to decode: decoded in a process of their own, which the kernel ends after a number of seconds.

A decoder runs inside a library and cannot be interrupted from a thread. A file of half a megabyte can keep one busy for
minutes: each scan of a progressive JPEG visits every pixel again. So the work is estimated from the header, and what could
take longer than the limit is decoded by another process under RLIMIT_CPU. The limit is on processor time, which is the same
on a busy machine and an idle one; photographs of the largest cameras need a fraction of it.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import Any

from facegap.errors import FacegapError

LIMIT_S = 10  # of processor time; a progressive JPEG of 100 megapixels in ten scans takes about 2.5 s
WALL_S = 300  # for a machine so busy that the process is hardly run
JPEG_WORK = 1_500_000_000  # pixels times scans that are decoded at once: at most some 3 s
OTHER_WORK = 25_000_000  # pixels of formats whose decoders may take a microsecond for each
BESIDE_PIXELS_BYTES = 16 * 2**20  # of metadata that are walked through at once: at most some 6 s
CODE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from facegap.inputs.images.costly import serve
serve(json.loads(sys.argv[2]))
"""


class DecodeTimeError(Exception):
    """The processor time was spent before there was a picture."""


class DecoderDiedError(Exception):
    """The process that decoded ended without an answer."""


@dataclass(frozen=True)
class Request:
    """What `decode` is asked for, beside the bytes."""

    max_pixels: int
    colour: str


def is_costly(file_format: str, work: int, size: int) -> bool:
    """Whether an image could take longer to decode than a moment.

    work : pixels that the decoder visits, each scan anew
    size : bytes of the file; what is no pixel is walked through as well, and a million empty chunks take seconds
    """
    return work > (JPEG_WORK if file_format == "JPEG" else OTHER_WORK) or size > BESIDE_PIXELS_BYTES + 3 * work


def decode_apart(data: bytes, request: Request, *, limit_s: int = LIMIT_S) -> Any:
    """What `decode` gives for these bytes, from a separate process.

    Raises
    ------
    DecodeTimeError  : it took more than `limit_s` seconds of processor time
    DecoderDiedError : the decoder crashed
    FacegapError     : no process can be started
    """
    asked = {"limit_s": limit_s, "max_pixels": request.max_pixels, "colour": request.colour}
    command = [sys.executable, "-I", "-c", CODE, json.dumps(sys.path), json.dumps(asked)]
    try:
        done = subprocess.run(command, input=data, capture_output=True, check=False, timeout=WALL_S)
    except subprocess.TimeoutExpired as error:
        raise DecodeTimeError from error
    except OSError as error:
        raise FacegapError(f"cannot start a process to decode a large image ({error}); close other programs") from error
    if done.returncode in (-signal.SIGXCPU, -signal.SIGKILL):
        raise DecodeTimeError
    if done.returncode == -signal.SIGINT:
        raise KeyboardInterrupt
    if done.returncode != 0:
        raise DecoderDiedError
    return parse_answer(done.stdout)


def parse_answer(answer: bytes) -> Any:
    """The Picture or Unreadable that `serve` wrote."""
    import numpy as np

    from facegap.inputs.images.decode import Picture, Unreadable

    head, _, pixels = answer.partition(b"\n")
    told = json.loads(head)
    if "outcome" in told:
        return Unreadable(told["outcome"], told["detail"])
    shape = told.pop("shape")
    return Picture(np.frombuffer(pixels, np.uint8).reshape(shape), **told)


def serve(asked: dict[str, Any]) -> None:
    """In the other process: limit its own processor time, decode what comes on stdin, and answer on stdout."""
    import resource

    from facegap.inputs.images.decode import Unreadable, decode_here, quiet_decoders

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    spent = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(spent.ru_utime + spent.ru_stime) + asked["limit_s"]
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    data = sys.stdin.buffer.read()
    with quiet_decoders():
        found = decode_here(data, max_pixels=asked["max_pixels"], colour=asked["colour"])
    out = sys.stdout.buffer
    if isinstance(found, Unreadable):
        out.write(json.dumps({"outcome": found.outcome, "detail": found.detail}).encode() + b"\n")
        return
    told = {"grey": found.grey, "profile": found.profile, "converted": found.converted, "shape": found.pixels.shape}
    out.write(json.dumps(told).encode() + b"\n")
    out.write(found.pixels.tobytes())
