"""The fork server and its copies, as the audit starts, calls, monitors and ends them. Linux only."""

from __future__ import annotations

import contextlib
import errno
import functools
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from facegap.runtime.isolation.messages import Words
from facegap.runtime.isolation.pipes import start

BEGIN = Path(__file__).with_name("begin.py")
MOST_ANSWER_BYTES = 4096
ANSWER_WITHIN_S = 60.0


class Server:
    """A process that forks copies of itself; it ends with this object, and with the audit however that ends."""

    def __init__(self, environment: Mapping[str, str], owner: int) -> None:
        """Start the server, and wait until it has loaded what models need.

        owner : pid of this process; a process forked from it must not end the server

        Raises
        ------
        OSError                       : if the system cannot provide another process, file or folder
        ConnectionError, TimeoutError : if the process cannot be forked
        """
        folder = Path(tempfile.mkdtemp(prefix="facegap-"))
        try:
            self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            with theirs:
                command = [sys.executable, "-P", str(BEGIN), "fork-server", str(theirs.fileno())]
                self.popen = start(command, [theirs.fileno()], folder=folder, env=environment)
        finally:
            folder.rmdir()  # the server already runs in it, and so will its copies
        self.control.settimeout(ANSWER_WITHIN_S)
        self._lock = threading.RLock()  # garbage collection may end a copy in the same thread
        self._in_step = True
        weakref.finalize(self, ended, self.popen, self.control, owner)
        self.ask(None)

    def ask(self, request: Mapping[str, Any] | None, handles: Sequence[int] = ()) -> tuple[dict[str, Any], list[int]]:
        """Send a request; return the reply and its handles. None waits for the first message of the server.

        Raises
        ------
        OSError                       : if the server refused
        ConnectionError, TimeoutError : if the server has ended, or was interrupted
        """
        with self._lock:
            if not self._in_step:
                raise ConnectionError("the fork server was interrupted")
            self._in_step = False  # an interrupted request would leave its reply to the next one
            if request is not None:
                socket.send_fds(self.control, [json.dumps(request).encode()], handles)
            content, received, flags, _ = socket.recv_fds(self.control, MOST_ANSWER_BYTES, 1)
            if not content:
                raise ConnectionError("the fork server has ended")
            self._in_step = True
        if flags & socket.MSG_CTRUNC:
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        answer: dict[str, Any] = json.loads(content)
        if "errno" in answer:
            raise OSError(answer["errno"], os.strerror(answer["errno"]))
        return answer, received


def ended(popen: subprocess.Popen[bytes], control: socket.socket, owner: int) -> None:
    """End a server; a process forked from the audit only closes its connection."""
    control.close()
    if os.getpid() == owner:
        popen.kill()
        popen.wait()


class Forked:
    """A forked copy of a server with the interface of `subprocess.Popen`; thread-safe."""

    def __init__(self, server: Server, words: Words) -> None:
        """Fork the copy.

        Raises
        ------
        OSError : if it cannot be forked
        """
        answer, (self._watched,) = server.ask({"words": words.text}, words.handles)
        self.pid: int = answer["pid"]
        self._server = server
        self._code: int | None = None
        self._lock = threading.Lock()
        weakref.finalize(self, os.close, self._watched).atexit = False

    def poll(self) -> int | None:
        """Its exit code, None while it runs; negative for a signal."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            return self.wait(0)
        return None

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, after it has ended.

        Raises
        ------
        subprocess.TimeoutExpired : if it still runs
        """
        watch = select.poll()
        watch.register(self._watched, select.POLLIN)
        if not watch.poll(None if timeout is None else 1000 * timeout):
            raise subprocess.TimeoutExpired("the process of a model", timeout or 0)
        with self._lock:
            if self._code is None:
                try:
                    self._code = int(self._server.ask({"reap": self.pid})[0]["code"])
                except OSError:  # the copies end with the server
                    self._code = -signal.SIGKILL
            return self._code

    def kill(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._watched, signal.SIGKILL)


def forked(words: Words, environment: Mapping[str, str]) -> Forked | None:
    """The process of a model as a copy of the fork server; None if processes cannot be forked.

    Raises
    ------
    OSError : if the system cannot provide another process or file
    """
    if words.device != "cpu" or sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return None
    server = server_of(os.getpid(), tuple(sorted(environment.items())))
    if server is None:
        return None
    try:
        return Forked(server, words)
    except (ConnectionError, TimeoutError):  # the next model gets a new server
        server_of.cache_clear()
        return None


@functools.lru_cache(maxsize=1)
def server_of(audit: int, environment: tuple[tuple[str, str], ...]) -> Server | None:
    """The server of the process `audit`, for models with these variables; None if it cannot be forked."""
    try:
        return Server(dict(environment), audit)
    except (ConnectionError, TimeoutError):
        return None
