"""Ctrl-C ends a command within a second or two, whatever it is doing, and a second Ctrl-C ends it at once.

Python handles Ctrl-C only between its own instructions, and waits for its threads at exit; a matrix product or the decoding
of a large image can take much longer. The committed part of a run folder is always complete, so a command that does not
end by itself is killed.
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

LOADED_FIRST = ("facegap", "-m")  # sys.argv[0] while this command line is loading
GRACE_S = 1.0
CODE = 130  # exit code after Ctrl-C
SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides it


def end_at_once() -> None:
    """From now on Ctrl-C ends this process at once, because nothing has started yet or everything is finished.

    Otherwise Python would exit by the signal, with a traceback of the module that is being loaded.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, lambda *_: os._exit(CODE))


def end_undisturbed() -> None:
    """Ignore Ctrl-C after a finished command, once Python has nothing more to wait for.

    Python restores the system's signal handling before it frees libraries, and Ctrl-C would then kill the process.
    """
    atexit.register(signal.signal, signal.SIGINT, signal.SIG_IGN)  # registered first, so it is called last


def end_as_python_does() -> None:
    """From now on Ctrl-C is KeyboardInterrupt again."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, signal.default_int_handler)


def end_with_code(message: str) -> None:
    """From now on an uncaught KeyboardInterrupt ends this process with CODE and `message`, instead of the signal."""
    shown = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if issubclass(kind, KeyboardInterrupt):
            os.write(2, f"\n{message}\n".encode())
            os._exit(CODE)
        shown(kind, error, trace)

    sys.excepthook = hook


def end_soon(message: str) -> None:
    """From now on Ctrl-C ends this process within GRACE_S, with `message` on stderr if it did not print it itself."""
    if threading.current_thread() is not threading.main_thread():
        return  # signals belong to the main thread
    hears, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.set_wakeup_fd(wakes.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(hears, wakes, message), name="facegap interrupt", daemon=True).start()


def _listen(hears: socket.socket, wakes: socket.socket, message: str) -> None:
    """Wait for Ctrl-C, then for a second one or the end of the grace period."""
    assert wakes.fileno() >= 0  # kept open by this thread
    _until_pressed(hears)
    hears.settimeout(GRACE_S)
    with contextlib.suppress(TimeoutError):
        _until_pressed(hears)
    cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
    os.write(2, f"{cursor}\n{message}\n".encode())
    os._exit(CODE)


def _until_pressed(hears: socket.socket) -> None:
    """Read signal numbers until one is that of Ctrl-C."""
    while hears.recv(1) != bytes([signal.SIGINT]):
        pass


if os.path.basename(sys.argv[0]) in LOADED_FIRST:  # noqa: PTH119  (before anything else is loaded)
    end_at_once()
