"""The fork server: `begin.py` calls `main`. It has loaded what every model needs and never sees one; models get copies of it.

Copies start in some hundredths of a second, since numpy and onnxruntime are loaded once for all of them.
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
    """Make copies for the audit at the other end of a socket, whose handle the command line says, until it is gone.

    A request of `words` is answered with the pid of a copy that serves them, and with a handle of it; its end is kept by the
    system until a request to `reap` it, so that no other process gets its pid meanwhile.
    """
    control = socket.socket(fileno=int(text))
    worker.warm_up()
    if len(os.listdir("/proc/self/task")) > 1:  # noqa: PTH208  (short-lived process, no pathlib yet)
        sys.exit("a process of several threads cannot be copied")
    gc.freeze()  # a copy's first collection would touch, and so copy, every page
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
    """Make a copy that serves these words, and tell its pid.

    Raises
    ------
    OSError : the system gives no further process or file
    """
    pid = os.fork()
    if pid == 0:
        try:
            control.close()
            os.setpgid(0, 0)
            worker.work(words, warm=True)
            os._exit(0)
        finally:  # whatever happens, a copy never goes on as a server
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
    """Send an answer with its handles."""
    socket.send_fds(control, [json.dumps(header).encode()], handles)
