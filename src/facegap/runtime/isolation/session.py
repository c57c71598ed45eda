"""A model in a process of its own, as seen from the audit: it answers what is asked of an onnxruntime session."""

from __future__ import annotations

import contextlib
import json
import mmap
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from facegap.errors import DeviceError, ModelError, ModelStoppedError
from facegap.runtime.isolation import messages, walls
from facegap.runtime.isolation.limits import memory_limit, resident_bytes, spent_seconds
from facegap.runtime.isolation.messages import Description, Port, Words
from facegap.runtime.isolation.pipes import pair, start
from facegap.types import AnyArray, Device, Isolation, Unmade

WORKER = "facegap.runtime.isolation.worker"
ROOM_BYTES = 64 * 1024**2  # of shared memory for each batch under way; what is larger goes through the connection
MOST_LANES = 64
LOOK_EVERY_S = 0.2
END_WITHIN_S = 2.0
START_WITHIN_S = 60.0  # of the process itself, which is no fault of the model; busy machines load Python slowly
GIB = 1024**3
# Variables that Python, the loader and CUDA need; everything else (keys of services among it) stays outside.
KEPT_VARIABLES = (
    *("PATH", "LD_", "DYLD_", "PYTHONHOME", "VIRTUAL_ENV", "LANG", "LC_", "TZ", "TMP", "TEMP", "SYSTEMROOT", "WINDIR"),
    *("CUDA_", "NVIDIA_", "HOME", "USERPROFILE", "ORT_DISABLE_TELEMETRY", "GLIBC_TUNABLES"),
)


@dataclass(frozen=True)
class Guarded:
    """What a process is held to, and what errors call the model."""

    name: str
    file: str
    timeout_s: float
    memory_bytes: int
    watch_memory: bool


@dataclass(frozen=True)
class Why:
    """What became of a process, and what to do about it."""

    what: str
    cure: str


STOPPED = Why("was stopped", "run the command again")
UNTRUE_CURE = "it was ended; the process of a model that does so is not to be trusted: do not use this file"
TRUSTED = "use --no-isolation if you trust the file"


@dataclass
class Lane:
    """One connection with its shared memory; one batch at a time goes through it.

    until : when the batch under way must be done, by the monotonic clock; None while there is none
    doing : what is under way, for errors
    """

    connection: Connection
    room: memoryview | None
    until: float | None = None
    doing: str = ""


@dataclass
class Process:
    """The process, who watches it, and why it ended."""

    popen: subprocess.Popen[bytes]
    lifeline: Connection
    lanes: Sequence[Lane]
    folder: Path
    held_to: Guarded
    why: Why | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def end(self, why: Why = STOPPED) -> None:
        """End the process, if it has not ended yet; the first reason stays."""
        with self.lock:
            ended = self.popen.poll()
            if self.why is None:
                self.why = why if ended is None else how_it_ended(ended)
            if ended is None:
                self.popen.kill()
            self.popen.wait()
            self.lifeline.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    def said(self, doing: str) -> ModelStoppedError:
        """The error for a batch whose answer will not come any more."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.popen.wait(END_WITHIN_S)  # a process that crashes closes its connections a little before it is gone
        self.end(Why("broke off its connection", UNTRUE_CURE))
        assert self.why is not None
        held_to = self.held_to
        return ModelStoppedError(f"{held_to.name}: the model {held_to.file} {self.why.what} {doing}; {self.why.cure}")


class IsolatedSession:
    """A model in a process of its own. Several threads may call `run`; as many batches as there are lanes are under way."""

    def __init__(
        self,
        content: bytes,
        *,
        name: str,
        file: str,
        timeout_s: float,
        device: Device = "cpu",
        threads: int = 1,
        lanes: int = 1,
        batch: int = 1,
    ) -> None:
        """Start the process and have it open the model.

        Raises
        ------
        ModelError, DeviceError : as `facegap.runtime.open_session`; the process cannot be started
        ModelStoppedError       : it crashed, or took longer or more memory than it may
        """
        lanes = min(lanes, MOST_LANES)
        on_cpu = device == "cpu"
        held_to = Guarded(name, file, timeout_s, memory_limit(len(content), lanes=lanes, batch=batch), not on_cpu)
        self._process = started(held_to, lanes, device, threads)
        self._finalizer = weakref.finalize(self, self._process.end)
        threading.Thread(target=watch, args=(self._process,), name="facegap watch", daemon=True).start()
        try:
            stood, self._description = self._opened(content, name)
        except BaseException:
            self.stop()
            raise
        self.isolation = isolation_of(held_to, stood, address_space=walls.ADDRESS_SPACE in stood)
        self._free: queue.SimpleQueue[Lane] = queue.SimpleQueue()
        for lane in self._process.lanes:
            self._free.put(lane)

    def get_inputs(self) -> Sequence[Port]:
        """The inputs, as the process states them."""
        return self._description.inputs

    def get_outputs(self) -> Sequence[Port]:
        """The outputs, as the process states them."""
        return self._description.outputs

    def get_providers(self) -> list[str]:
        """The providers that were given to the session."""
        return list(self._description.providers)

    @property
    def nodes(self) -> Mapping[str, int]:
        """Number of graph nodes by provider."""
        return self._description.nodes

    def run(self, names: Sequence[str] | None, feed: Mapping[str, AnyArray | Unmade]) -> list[AnyArray]:
        """Outputs `names` of one batch; all that are arrays of numbers where None.

        Raises
        ------
        ModelError        : the graph refuses an input, or fails inside
        ModelStoppedError : the process is gone; every later call says the same
        """
        if names is None:
            names = [port.name for port in self.get_outputs() if port.type.startswith("tensor(")]
        if not names:
            raise ModelError(f"{self._process.held_to.name}: the graph has no output of numbers")
        lane = self._free.get()
        try:
            shapes = ", ".join(str(array.shape) for array in feed.values())
            with under_way(self._process, lane, f"on input of shape {shapes}"):
                return asked(lane, list(names), feed, self._process)
        finally:
            self._free.put(lane)

    def stop(self) -> None:
        """End the process; batches that are under way end in ModelStoppedError."""
        self._finalizer()

    def _opened(self, content: bytes, name: str) -> tuple[tuple[str, ...], Description]:
        """The walls that stand, and the model that was opened behind them."""
        first = self._process.lanes[0]
        with under_way(self._process, first, "before it was given the model", at_least_s=START_WITHIN_S):
            stood = messages.texts_of(messages.receive(first.connection), "walls")
        with under_way(self._process, first, "while it opened the model"):
            messages.send(first.connection, {"name": name})
            first.connection.send_bytes(content)
            header = messages.receive(first.connection)
            raise_if_error(header, self._process)
            return stood, messages.description_of(header)


# ---- one batch ----


class under_way:  # noqa: N801  (reads as a statement)
    """While a batch is under way its lane has a deadline; what goes wrong with the connection is the end of the process."""

    def __init__(self, process: Process, lane: Lane, doing: str, *, at_least_s: float = 0.0) -> None:
        self.process, self.lane, self.doing, self.at_least_s = process, lane, doing, at_least_s

    def __enter__(self) -> None:
        """Begin."""
        self.lane.doing = self.doing
        self.lane.until = time.monotonic() + max(self.process.held_to.timeout_s, self.at_least_s)
        if self.process.why:
            raise self.process.said(self.doing)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        """End; an interrupted batch would leave its answer in the connection, so the process ends with it."""
        self.lane.until = None
        if error is None or isinstance(error, ModelError | DeviceError):
            return
        if isinstance(error, messages.Untrue):
            self.process.end(Why(str(error), UNTRUE_CURE))
        elif not isinstance(error, EOFError | OSError):
            self.process.end()
            return
        raise self.process.said(self.doing) from error


def asked(lane: Lane, names: Sequence[str], feed: Mapping[str, AnyArray | Unmade], process: Process) -> list[AnyArray]:
    """The outputs of one batch, checked and copied out of shared memory."""
    arrays = list(feed.values())
    places, _ = messages.put(arrays, lane.room)
    header = {"names": list(names), "fed": list(feed), "arrays": messages.as_json(places)}
    messages.send(lane.connection, header)
    messages.send_rest(lane.connection, arrays, places)
    answer = messages.receive(lane.connection)
    raise_if_error(answer, process)
    bound = 0 if lane.room is None else len(lane.room)
    given = messages.places_of(answer, "arrays", len(names), bound)
    return messages.take(lane.connection, given, lane.room, copy=True)


def raise_if_error(header: Mapping[str, Any], process: Process) -> None:
    """Raise what a header says went wrong."""
    kind, text, held_to = header.get("error"), messages.text_of(header, "text"), process.held_to
    if kind is None:
        return
    if kind == messages.DEVICE_ERROR:
        raise DeviceError(text)
    short = ("bad_alloc", "Failed to allocate memory", "bad allocation")
    if kind == messages.MEMORY_ERROR or any(words in text for words in short):
        said = text.removeprefix(f"{held_to.name}: ") or "no more memory"
        raise ModelError(
            f"{held_to.name}: {said}; the model {held_to.file} may take {held_to.memory_bytes / GIB:.1f} GiB: lower --batch, or "
            f"{TRUSTED}"
        )
    raise ModelError(text or f"{held_to.name}: the process of the model {held_to.file} refused without a reason")


# ---- the process ----


def started(held_to: Guarded, lanes: int, device: Device, threads: int) -> Process:
    """A new process with its connections and shared memory.

    Raises
    ------
    ModelError : the system gives no further process, file or folder
    """
    folder, memory = None, None
    try:
        folder = Path(tempfile.mkdtemp(prefix="facegap-"))
        ends = [pair() for _ in range(lanes + 1)]
        memory = shared_memory(lanes * ROOM_BYTES)
        words = Words(
            tuple(theirs.fileno() for _, theirs in ends[1:]),
            ends[0][1].fileno(),
            memory,
            ROOM_BYTES,
            device,
            threads,
            held_to.memory_bytes,
        )
        rooms = rooms_in(memory, lanes)
        command = [sys.executable, "-P", "-m", WORKER, json.dumps(asdict(words))]
        handles = [*words.lanes, words.lifeline, *([] if memory is None else [memory])]
        popen = start(command, handles, folder=folder, env=environment())
    except OSError as error:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        if memory is not None:
            os.close(memory)
        raise ModelError(
            f"{held_to.name}: no process can be started for the model {held_to.file}: {error.strerror or error}; allow more open "
            "files and processes (ulimit -n, ulimit -u) or lower --workers"
        ) from error
    for _, theirs in ends:
        theirs.close()
    if memory is not None:
        os.close(memory)
    own = [Lane(mine, room) for (mine, _), room in zip(ends[1:], rooms, strict=True)]
    return Process(popen, ends[0][0], own, folder, held_to)


def shared_memory(size: int) -> int | None:
    """A descriptor of memory without a name that nobody can make shorter or longer; None where the system has none.

    A mapping of a file that is made shorter would end the audit with SIGBUS. Pages are taken as they are written.
    """
    if sys.platform != "linux" or not hasattr(os, "memfd_create"):
        return None
    import fcntl

    memory = os.memfd_create("facegap", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(memory, size)
        fcntl.fcntl(memory, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    except OSError:  # a limit on the size of files (ulimit -f): batches go through the connection, which is slower
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
    """The variables that the process gets; it imports from the same places as this one."""
    kept = {name: value for name, value in os.environ.items() if name.upper().startswith(KEPT_VARIABLES)}
    places = [str(Path(entry or ".").absolute()) for entry in sys.path]
    return {**kept, "PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1", "OPENBLAS_NUM_THREADS": "1"}


def watch(process: Process) -> None:
    """End the process when a batch is late, or it takes too much memory; renew its processor time. Ends with it."""
    cores = os.cpu_count() or 1
    renew_at = 0.0
    while process.popen.poll() is None and process.why is None:
        now, held_to = time.monotonic(), process.held_to
        late = next((lane for lane in process.lanes if (until := lane.until) is not None and now > until), None)
        if late is not None:
            said = f"gave no answer within {held_to.timeout_s:g} s"
            process.end(
                Why(said, "it was ended; on a slow machine raise --model-timeout, otherwise do not use this file")
            )
        elif held_to.watch_memory and resident_bytes(process.popen.pid) > held_to.memory_bytes:
            said = f"took more than {held_to.memory_bytes / GIB:.1f} GiB of memory"
            process.end(Why(said, f"it was ended; lower --batch, or {TRUSTED}"))
        if now > renew_at:
            renew_at = now + held_to.timeout_s / 2
            limit_processor_time(process.popen.pid, 2 * held_to.timeout_s * cores + 60)
        time.sleep(LOOK_EVERY_S)


def limit_processor_time(pid: int, more_s: float) -> None:
    """Allow a process so much processor time beyond what it used; the last wall where this process is itself stopped."""
    if sys.platform != "linux":
        return
    import resource

    with contextlib.suppress(OSError, ValueError):
        soft = int(spent_seconds(pid) + more_s)
        resource.prlimit(pid, resource.RLIMIT_CPU, (soft, resource.RLIM_INFINITY))


def how_it_ended(code: int) -> Why:
    """The end of a process that nobody here ended, in words."""
    if code >= 0:
        return Why(f"ended by itself (exit code {code})", "export it again, or update onnxruntime")
    try:
        name = signal.Signals(-code).name
    except ValueError:
        name = f"signal {-code}"
    if name == "SIGKILL":
        memory = "systems do so where memory runs out: lower --workers or --batch"
        return Why("was killed from outside (SIGKILL)", memory)
    if name == "SIGXCPU":
        return Why("used up its processor time (SIGXCPU)", "do not use this file")
    cure = "the file is damaged or made to do so, or onnxruntime has a fault: export it again, or update onnxruntime"
    return Why(f"crashed ({name})", cure)


def isolation_of(held_to: Guarded, stood: Sequence[str], *, address_space: bool) -> Isolation:
    """The record of the walls that stand."""
    always = {walls.OWN_PROCESS, walls.DEADLINE, walls.EMPTY_FOLDER, walls.FEW_VARIABLES}
    if sys.platform == "linux":
        always.add(walls.PROCESSOR_TIME)
        if held_to.watch_memory:
            always.add(walls.RESIDENT_MEMORY)
    there = always | set(stood)
    return Isolation(
        isolated=True,
        timeout_s=held_to.timeout_s,
        memory_bytes=held_to.memory_bytes if address_space or walls.RESIDENT_MEMORY in there else 0,
        walls=tuple(wall for wall in walls.ALL_WALLS if wall in there),
        absent=tuple(wall for wall in walls.ALL_WALLS if wall not in there),
    )
