"""The two ends of a connection between processes; one is passed to a new process by its handle."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from multiprocessing import connection
from multiprocessing.connection import Connection
from pathlib import Path


def pair() -> tuple[Connection, Connection]:
    """Two ends: one to keep, one for the new process."""
    return connection.Pipe(duplex=True)


def inherited(handle: int) -> Connection:
    """The end that was passed to this process at its start."""
    if sys.platform == "win32":
        return connection.PipeConnection(handle)
    return Connection(handle)


def start(
    command: Sequence[str], handles: Sequence[int], *, folder: Path, env: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    """A new process with these handles only; Ctrl-C in a terminal does not reach it.

    Raises
    ------
    OSError : if it cannot be started
    """
    quiet = subprocess.DEVNULL
    if sys.platform == "win32":
        for handle in handles:
            os.set_handle_inheritable(handle, True)
        startup = subprocess.STARTUPINFO(lpAttributeList={"handle_list": list(handles)})
        return subprocess.Popen(
            list(command),
            cwd=folder,
            env=dict(env),
            stdin=quiet,
            stdout=quiet,
            stderr=quiet,
            startupinfo=startup,
            creationflags=subprocess.CREATE_NEW_PROCESS_GROUP,
        )
    return subprocess.Popen(
        list(command),
        cwd=folder,
        env=dict(env),
        stdin=quiet,
        stdout=quiet,
        stderr=quiet,
        pass_fds=tuple(handles),
        process_group=0,
    )
