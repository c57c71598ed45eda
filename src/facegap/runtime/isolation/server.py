"""The fork server: `begin.py` calls `main`. It has loaded what every model needs and never receives a model; its copies do.

A copy starts within hundredths of a second, because numpy and onnxruntime are already loaded.
"""

from __future__ import annotations

import errno
import gc
import json
import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from facegap.runtime.isolation import messages, worker

MOST_REQUEST_BYTES = 64 * 1024
MOST_HANDLES = 253  # that Linux sends at once


def main(text: str) -> None:
    """Fork copies for the audit at the other end of a socket, whose handle is on the command line, until the audit ends.

    The reply to a request with `words` is the pid of a copy that serves them, and a handle for it; the exit status is kept by the
    system until a request to `reap` it, so that no other process gets its pid before.
    """
    control = socket.socket(fileno=int(text))
    worker.warm_up()
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208  (short-lived process, no pathlib yet)
        sys.exit("a process of several threads cannot be copied")
    gc.freeze()  # otherwise the first garbage collection of a copy would write to, and so duplicate, every page
    answer(control, {"ready": True})
    while True:
        try:
            content, handles, flags, _ = socket.recv_fds(control, MOST_REQUEST_BYTES, MOST_HANDLES)
        except OSError:
            return
        if not content:
            return
        request = json.loads(content)
        try:
            if flags & socket.MSG_CTRUNC:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            if "reap" in request:
                answer(control, {"code": os.waitstatus_to_exitcode(os.waitpid(request["reap"], 0)[1])})
            else:
                copied(control, messages.Words.of(request["words"]).received(handles))
        except OSError as error:
            answer(control, {"errno": error.errno})
        finally:
            for received in handles:
                os.close(received)


def copied(control: socket.socket, words: messages.Words) -> None:
    """Fork a copy that serves these parameters, and send its pid.

    Raises
    ------
    OSError : if the system cannot provide another process or file
    """
    pid = os.fork()
    if pid == 0:
        try:
            control.close()
            os.setpgid(0, 0)
            worker.work(words, warm=True)
            os._exit(0)
        finally:  # a copy must never continue as a server
            os._exit(1)
    try:
        watched = os.pidfd_open(pid)
    except OSError:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise
    try:
        answer(control, {"pid": pid}, [watched])
    finally:
        os.close(watched)


def answer(control: socket.socket, header: Mapping[str, Any], handles: Sequence[int] = ()) -> None:
    """Send a reply with its handles."""
    socket.send_fds(control, [json.dumps(header).encode()], handles)
