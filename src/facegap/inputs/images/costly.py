"""Decode slow images in a separate process, which the kernel ends after a number of seconds.

A decoder runs inside a library and cannot be interrupted from a thread. A file of half a megabyte can keep one busy for minutes:
each scan of a progressive JPEG visits every pixel again. The work is therefore estimated from the header, and an image that could
exceed the limit is decoded in another process under RLIMIT_CPU. The limit is on processor time, which does not depend on the
load of the machine; photographs from the largest cameras need a fraction of it.
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
WALL_S = 300  # wall-clock time, for a very busy machine
JPEG_WORK = 1_500_000_000  # pixels times scans decoded in this process: at most some 3 s
OTHER_WORK = 25_000_000  # pixels of formats whose decoders may take a microsecond per pixel
BESIDE_PIXELS_BYTES = 16 * 2**20  # of metadata parsed in this process: at most some 6 s
CODE = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from facegap.inputs.images.costly import serve
serve(json.loads(sys.argv[2]))
"""


class DecodeTimeError(Exception):
    """Decoding exceeded the limit on processor time."""


class DecoderDiedError(Exception):
    """The decoding process ended without a result."""


@dataclass(frozen=True)
class Request:
    """The arguments of `decode` other than the bytes."""

    max_pixels: int
    colour: str


def is_costly(file_format: str, work: int, size: int) -> bool:
    """Return whether an image could take long to decode.

    work : pixels that the decoder visits, counting each scan
    size : bytes of the file; data other than pixels is parsed as well, and a million empty chunks take seconds
    """
    return work > (JPEG_WORK if file_format == "JPEG" else OTHER_WORK) or size > BESIDE_PIXELS_BYTES + 3 * work


def decode_apart(data: bytes, request: Request, *, limit_s: int = LIMIT_S) -> Any:
    """Run `decode` on these bytes in a separate process.

    Raises
    ------
    DecodeTimeError  : If decoding takes more than `limit_s` seconds of processor time.
    DecoderDiedError : If the decoder crashes.
    FacegapError     : If no process can be started.
    """
    arguments = {"limit_s": limit_s, "max_pixels": request.max_pixels, "colour": request.colour}
    command = [sys.executable, "-I", "-c", CODE, json.dumps(sys.path), json.dumps(arguments)]
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
    """Parse the Picture or Unreadable written by `serve`."""
    import numpy as np

    from facegap.inputs.images.decode import Picture, Unreadable

    head, _, pixels = answer.partition(b"\n")
    told = json.loads(head)
    if "outcome" in told:
        return Unreadable(told["outcome"], told["detail"])
    shape = told.pop("shape")
    return Picture(np.frombuffer(pixels, np.uint8).reshape(shape), **told)


def serve(arguments: dict[str, Any]) -> None:
    """In the other process: limit processor time, decode stdin, and write the result to stdout."""
    import resource

    from facegap.inputs.images.decode import Unreadable, decode_here, quiet_decoders

    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    spent = resource.getrusage(resource.RUSAGE_SELF)
    limit = int(spent.ru_utime + spent.ru_stime) + arguments["limit_s"]
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
    data = sys.stdin.buffer.read()
    with quiet_decoders():
        found = decode_here(data, max_pixels=arguments["max_pixels"], colour=arguments["colour"])
    out = sys.stdout.buffer
    if isinstance(found, Unreadable):
        out.write(json.dumps({"outcome": found.outcome, "detail": found.detail}).encode() + b"\n")
        return
    told = {"grey": found.grey, "profile": found.profile, "converted": found.converted, "shape": found.pixels.shape}
    out.write(json.dumps(told).encode() + b"\n")
    out.write(found.pixels.tobytes())
