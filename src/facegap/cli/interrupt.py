"""Ctrl-C ends a command soon, whatever it is doing: after a second or two, and at once when it is pressed again.

Python sees Ctrl-C only between its own instructions, and waits for its threads at the end; a product of matrices or the
decoding of a large image can take much longer. What is committed to a run folder is whole at any moment, so a command that
does not end by itself is ended.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import socket
import sys
import threading
from types import TracebackType

LOADED_FIRST = ("facegap", "-m")  # sys.argv[0] of a program that is this command line and nothing else, while it loads
GRACE_S = 1.0
CODE = 130  # of a process that Ctrl-C ended
SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides it


def end_at_once() -> None:
    """From now on Ctrl-C ends this process at once: nothing has begun yet, or all is done and Python itself is ending.

    Python would end by the signal, with a traceback of whatever module it was loading.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, lambda *_: os._exit(CODE))


def end_undisturbed() -> None:
    """Let no Ctrl-C turn a command that is done into one that was killed, once Python has nothing more to wait for.

    Python gives signals back to the system before it frees what libraries hold, and the system would end the process by it.
    """
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # registered first, so it is called last


def end_as_python_does() -> None:
    """From now on Ctrl-C is KeyboardInterrupt again."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end_with_code(said: str) -> None:
    """From now on a KeyboardInterrupt that nothing catches ends this process with CODE and `said`; Python ends by the signal."""
    shown = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            os.write(2, f"\n{said}\n".encode())
            os._exit(CODE)
        shown(kind, error, trace)

    sys.excepthook = hook


def end_soon(said: str) -> None:
    """From now on Ctrl-C ends this process within GRACE_S, with `said` on stderr where it had no time to say so itself."""
    if threading.current_thread() is not threading.main_thread():
        return  # signals belong to the main thread
    hears, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(hears, wakes, said), name="facegap interrupt", daemon=True).start()


def _listen(hears: socket.socket, wakes: socket.socket, said: str) -> None:
    """Wait for Ctrl-C, then for another one or the end of the grace."""
    assert wakes.fileno() >= 0  # is kept open by this thread
    _until_pressed(hears)
    hears.settimeout(GRACE_S)
    with contextlib.suppress(TimeoutError):
        _until_pressed(hears)
    cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
    os.write(2, f"{cursor}\n{said}\n".encode())
    os._exit(CODE)


def _until_pressed(hears: socket.socket) -> None:
    """Read the numbers of signals until one is that of Ctrl-C."""
    while hears.recv(1) != bytes([signal.SIGINT]):
        pass


if os.path.basename(sys.argv[0]) in LOADED_FIRST:  # noqa: PTH119  (before anything else is loaded)
    end_at_once()
