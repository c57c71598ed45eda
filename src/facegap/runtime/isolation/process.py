"""The process of a model, as the audit starts, monitors and ends it."""

from __future__ import annotations

import contextlib
import mmap
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

from facegap.errors import ModelError, ModelStoppedError
from facegap.runtime.isolation.forked import BEGIN, Forked, forked
from facegap.runtime.isolation.limits import resident_bytes, spent_seconds
from facegap.runtime.isolation.messages import Memo, Place, Words
from facegap.runtime.isolation.pipes import pair, start
from facegap.types import Device

ROOM_BYTES = 64 * 1024**2  # of shared memory per concurrent batch; larger batches go through the connection
LOOK_EVERY_S = 0.2
END_WITHIN_S = 2.0
GIB = 1024**3
Running = subprocess.Popen[bytes] | Forked
# Variables that Python, the loader and CUDA need; all others, such as keys of services, are withheld.
KEPT_VARIABLES = (
    *("PATH", "LD_", "DYLD_", "PYTHONHOME", "VIRTUAL_ENV", "LANG", "LC_", "TZ", "TMP", "TEMP", "SYSTEMROOT", "WINDIR"),
    *("CUDA_", "NVIDIA_", "HOME", "USERPROFILE", "ORT_DISABLE_TELEMETRY", "GLIBC_TUNABLES"),
)


@dataclass(frozen=True)
class Guarded:
    """The limits of a process, and the names of its model in errors."""

    name: str
    file: str
    timeout_s: float
    memory_bytes: int
    watch_memory: bool


@dataclass(frozen=True)
class Why:
    """Why a process ended, and what to do about it."""

    what: str
    cure: str


STOPPED = Why("was stopped", "run the command again")
UNTRUE_CURE = "it was terminated; do not trust a model whose process does this, and do not use this file"
TRUSTED = "use --no-isolation if you trust the file"


@dataclass
class Lane:
    """One connection with its shared memory; one batch is computed at a time, and the next may be ready.

    until    : deadline of the current batch, by the monotonic clock; None without one
    question : headers and places of the last batches
    answer   : places of their outputs, checked
    """

    connection: Connection
    room: memoryview | None
    until: float | None = None
    question: Memo[tuple[bytes, list[Place]]] = field(default_factory=Memo)
    answer: Memo[list[Place]] = field(default_factory=Memo)


@dataclass
class Process:
    """The process, its monitoring thread, and why it ended; `owner` is the pid of the audit, which alone may end it."""

    popen: Running
    lifeline: Connection
    lanes: Sequence[Lane]
    folder: Path | None
    guarded: Guarded
    why: Why | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)
    owner: int = field(default_factory=os.getpid)

    def end(self, why: Why = STOPPED) -> None:
        """End the process if it has not ended yet; the first reason is kept."""
        if os.getpid() != self.owner:  # a process forked from the audit is exiting
            return
        with self.lock:
            ended = self.popen.poll()
            if self.why is None:
                self.why = why if ended is None else how_it_ended(ended)
            if ended is None:
                self.popen.kill()
            self.popen.wait()
            self.lifeline.close()
            if self.folder is not None:
                shutil.rmtree(self.folder, ignore_errors=True)

    def said(self, doing: str) -> ModelStoppedError:
        """The error for a batch whose outputs will not arrive."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(END_WITHIN_S)  # a process that crashes closes its connections shortly before it ends
        self.end(Why("closed its connection", UNTRUE_CURE))
        assert self.why is not None
        guarded = self.guarded
        return ModelStoppedError(f"{guarded.name}: the model {guarded.file} {self.why.what} {doing}; {self.why.cure}")


def started(guarded: Guarded, lanes: int, device: Device, threads: int) -> Process:
    """A new process with its connections and shared memory.

    Raises
    ------
    ModelError : if the system cannot provide another process, file or folder
    """
    memory = None
    try:
        ends = [pair() for _ in range(lanes + 1)]
        memory = shared_memory(lanes * ROOM_BYTES)
        words = Words(
            tuple(theirs.fileno() for _, theirs in ends[1:]),
            ends[0][1].fileno(),
            memory,
            ROOM_BYTES,
            device,
            threads,
            guarded.memory_bytes,
        )
        rooms = rooms_in(memory, lanes)
        popen, folder = running(words)
    except OSError as error:
        if memory is not None:
            os.close(memory)
        raise ModelError(
            f"{guarded.name}: cannot start a process for the model {guarded.file}: {error.strerror or error}; allow "
            f"more open files and processes (ulimit -n, ulimit -u), or use fewer --workers"
        ) from error
    for _, theirs in ends:
        theirs.close()
    if memory is not None:
        os.close(memory)
    own = [Lane(mine, room) for (mine, _), room in zip(ends[1:], rooms, strict=True)]
    return Process(popen, ends[0][0], own, folder, guarded)


def running(words: Words) -> tuple[Running, Path | None]:
    """Start a process with these parameters; also returns its folder if that can only be removed after the process has ended.

    Raises
    ------
    OSError : if it cannot be started
    """
    variables = environment()
    copy = forked(words, variables)
    if copy is not None:
        return copy, None
    folder = Path(tempfile.mkdtemp(prefix="facegap-"))
    try:
        command = [sys.executable, "-P", str(BEGIN), "model", words.text]
        popen = start(command, words.handles, folder=folder, env=variables)
    except OSError:
        folder.rmdir()
        raise
    if sys.platform == "win32":
        return popen, folder
    folder.rmdir()  # the process already runs in it, and would leave it behind if the audit were killed
    return popen, None


def shared_memory(size: int) -> int | None:
    """A descriptor of anonymous memory whose size cannot be changed; None if the system has none.

    Truncating a mapped file would end the audit with SIGBUS. Pages are allocated when they are written.
    """
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        return None
    import fcntl

    memory = os.memfd_create("facegap", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(memory, size)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except OSError:  # a limit on file size (ulimit -f): batches go through the connection, which is slower
        os.close(memory)
        return None
    return memory


def rooms_in(memory: int | None, lanes: int) -> list[memoryview | None]:
    """The shared memory of each lane."""
    if memory is None:
        return [None] * lanes
    whole = memoryview(mmap.mmap(memory, lanes * ROOM_BYTES))
    return [whole[k * ROOM_BYTES : (k + 1) * ROOM_BYTES] for k in range(lanes)]


def environment() -> dict[str, str]:
    """The environment variables of the process; it imports from the same places as this one."""
    kept = {name: value for name, value in os.environ.items() if name.upper().startswith(KEPT_VARIABLES)}
    places = [str(Path(entry or ".").absolute()) for entry in sys.path]
    return {**kept, "PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}


def watch(process: Process) -> None:
    """End the process if a batch is late or too much memory is used; extend its processor time. Returns when the process ends."""
    cores = os.cpu_count() or 1
    renew_at = 0.0
    while process.popen.poll() is None and process.why is None:
        now, guarded = time.monotonic(), process.guarded
        late = next((lane for lane in process.lanes if (until := lane.until) is not None and now > until), None)
        if late is not None:
            said = f"did not respond within {guarded.timeout_s:g} s"
            process.end(
                Why(
                    said,
                    "it was terminated; on a slow machine increase --model-timeout, otherwise do not use this file",
                )
            )
        elif guarded.watch_memory and resident_bytes(process.popen.pid) > guarded.memory_bytes:
            said = f"used more than {guarded.memory_bytes / GIB:.1f} GiB of memory"
            process.end(Why(said, f"it was terminated; use a smaller --batch, or {TRUSTED}"))
        if now > renew_at:
            renew_at = now + guarded.timeout_s / 2
            limit_processor_time(process.popen.pid, 2 * guarded.timeout_s * cores + 60)
        time.sleep(LOOK_EVERY_S)


def limit_processor_time(pid: int, more_s: float) -> None:
    """Allow a process this much more processor time; the last remaining limit if this process itself is stopped."""
    if sys.platform != "linux":
        return
    import resource

    with contextlib.suppress(OSError, ValueError):
        soft = int(spent_seconds(pid) + more_s)
        resource.prlimit(pid, resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def how_it_ended(code: int) -> Why:
    """Describe the end of a process that was not ended from here."""
    if code >= 0:
        return Why(f"exited unexpectedly (exit code {code})", "export it again, or update onnxruntime")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL":
        memory = "operating systems do this when memory runs out; use fewer --workers or a smaller --batch"
        return Why("was killed from outside (SIGKILL)", memory)
    if name == "SIGXCPU":
        return Why("exceeded its limit on processor time (SIGXCPU)", "do not use this file")
    cure = "the file is damaged or malicious, or onnxruntime has a bug; export the model again, or update onnxruntime"
    return Why(f"crashed ({name})", cure)
