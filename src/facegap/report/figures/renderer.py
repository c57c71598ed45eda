"""The process that renders charts to files with vl-convert.

vl-convert holds Python's global lock for as long as a chart takes, a second or more for the first one, during which Ctrl-C
has no effect. With a separate process, the command only waits for a reply. One process serves all charts of a command; it
is started for the first chart and ends with the command, even if that is killed, because its input is then closed.
"""

from __future__ import annotations

import atexit
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CODE = """
import json, signal, sys
signal.signal(signal.SIGINT, signal.SIG_IGN)
sys.path.append(sys.argv[1])
import vl_convert
asked, said = sys.stdin.buffer, sys.stdout.buffer
while line := asked.readline():
    name, given, options = json.loads(line)
    try:
        made, failed = getattr(vl_convert, name)(given, **options), 0
    except ValueError as error:
        made, failed = str(error), 1
    content = made.encode("utf-8", "replace") if isinstance(made, str) else made
    said.write(b"%d %d\\n" % (failed, len(content)) + content)
    said.flush()
"""
MOST_BYTES = 512 * 2**20  # of one image
_running: dict[int, subprocess.Popen[bytes]] = {}  # by process number: a forked process has none of its own yet
_one_at_a_time = threading.Lock()


def vegalite_to_svg(spec: Mapping[str, Any], *, vl_version: str) -> str:
    """The chart of a specification as SVG; nothing is loaded from elsewhere.

    Raises
    ------
    ValueError : if it cannot be rendered
    OSError    : if no process can be started
    """
    options = {"vl_version": vl_version, "allowed_base_urls": []}
    return _answer("vegalite_to_svg", spec, options).decode("utf-8")


def svg_to_png(svg: str, *, scale: float) -> bytes:
    """An SVG as PNG, with `scale` pixels for each of its pixels; raises like `vegalite_to_svg`."""
    return _answer("svg_to_png", svg, {"scale": scale})


def svg_to_pdf(svg: str) -> bytes:
    """An SVG as PDF; raises like `vegalite_to_svg`."""
    return _answer("svg_to_pdf", svg, {})


def _answer(name: str, given: object, options: Mapping[str, object]) -> bytes:
    """Result of a function of vl-convert in the process."""
    question = json.dumps([name, given, options]).encode() + b"\n"
    with _one_at_a_time:
        process = _running.get(os.getpid()) or _started()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(question)
            process.stdin.flush()
            failed, size = (int(word) for word in process.stdout.readline(64).split())
            content = process.stdout.read(size) if 0 <= size <= MOST_BYTES else b""
            if len(content) != size:
                raise ValueError("half a picture")
        except BaseException as error:  # including Ctrl-C: an unread reply would be taken for the next one
            code = _end()
            if isinstance(error, ValueError | BrokenPipeError):
                raise ValueError(f"the process that renders charts has ended (exit code {code})") from error
            raise
    if failed:
        raise ValueError(content.decode("utf-8", "replace"))
    return content


def _started() -> subprocess.Popen[bytes]:
    """A new process, which finds vl-convert in the same place as this one."""
    found = importlib.util.find_spec("vl_convert")
    if found is None or found.origin is None:
        raise ModuleNotFoundError("No module named 'vl_convert'", name="vl_convert")
    command = [sys.executable, "-I", "-c", CODE, str(Path(found.origin).parents[1])]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
    _running[os.getpid()] = process
    return process


@atexit.register
def _end() -> int | None:
    """End the rendering process of this process; return its exit code."""
    process = _running.pop(os.getpid(), None)
    if process is None:
        return None
    with contextlib.suppress(OSError):
        process.kill()
    with contextlib.suppress(OSError), process:  # closes its pipes and waits
        pass
    return process.returncode
