"""A worker of a cluster: it opens the models that it receives, by hash, and runs parts with them.

A worker keeps the models of an audit open until it ends. It rejects a model whose sha256 differs from its card, a machine
that may round differently, and an image that it cannot see but that exists for the audit.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath
from typing import Generic, TypeVar

import cv2
import pandas as pd

from facegap.audit.models import ChosenModels, open_models
from facegap.audit.on_cluster.machines import Machine, machine_here
from facegap.audit.settings import AuditSettings
from facegap.errors import ClusterError, ModelStoppedError
from facegap.inputs.cards.schema import Task
from facegap.inputs.images.decode import Unreadable
from facegap.vision.look import Stages
from facegap.vision.pipeline import Part, run_part

NO_FILE = -1
Made = TypeVar("Made")


@dataclass(frozen=True)
class Sent:
    """The bytes of one image file, with its stamp on the sending machine, or why it cannot be read."""

    data: bytes
    stamp: str


@dataclass(frozen=True)
class Job(Generic[Made]):
    """The function that is applied to the rows of a part.

    work    : (rows of the manifest, folder of their paths, models) -> result
    as_sent : converts the result for files that were sent: adds what only the sending machine knows, such as stamps, and why
             a file could not be read
    """

    work: Callable[[pd.DataFrame, Path, Stages], Made]
    as_sent: Callable[[Made, Sequence[Sent | Unreadable]], Made]


@dataclass(frozen=True)
class Setup(Generic[Made]):
    """What every part needs; sent to each worker once.

    name     : sha256 that identifies all of it
    contents : bytes of the model files by task
    machine  : expected of the workers; one that differs is rejected unless `mixed`
    """

    name: str
    job: Job[Made]
    models: ChosenModels
    settings: AuditSettings
    contents: Mapping[Task, bytes]
    machine: Machine
    mixed: bool


@dataclass(frozen=True)
class PartToRun:
    """One part: its number, its rows of the manifest, and how the worker gets their files.

    folder : that the paths are relative to, seen by all workers
    sizes  : bytes of each file where the audit runs, NO_FILE if there is none; the worker must see the same
    sent   : the files themselves, if workers do not see the folder; otherwise None
    """

    number: int
    rows: pd.DataFrame
    folder: Path
    sizes: tuple[int, ...]
    sent: tuple[Sent | Unreadable, ...] | None = None


@dataclass(frozen=True)
class PartDone(Generic[Made]):
    """One part as returned by a worker: worker, machine, number of images, and time taken."""

    number: int
    part: Made
    images: int
    worker: str
    machine: Machine
    busy_s: float


def same(setup: Setup[Made]) -> Setup[Made]:
    """The setup as a task of the cluster, so that it can be fetched from any worker that has it, or from the scheduler."""
    return setup


def run_here(setup: Setup[Made], todo: PartToRun) -> PartDone[Made]:
    """Run one part on this worker.

    Raises
    ------
    ClusterError : if this worker is rejected: see the module
    """
    started = time.perf_counter()
    worker, machine = worker_name(), machine_here(setup.settings.models.device)
    differing = machine.differs_from(setup.machine)
    if differing and not setup.mixed:
        raise ClusterError(refused(worker, differing))
    with files_of(todo, worker) as (rows, folder), models_of(setup) as stages:
        part = setup.job.work(rows, folder, stages)
    if todo.sent is not None:
        part = setup.job.as_sent(part, todo.sent)
    return PartDone(todo.number, part, len(todo.rows), worker, machine, time.perf_counter() - started)


def refused(worker: str, differing: Sequence[str]) -> str:
    """Why a worker is rejected."""
    return (
        f"worker {worker} has {'; '.join(differing)}: its results may differ in the last digits; stop it, or accept "
        f"this with --mixed-workers"
    )


def worker_name() -> str:
    """Address of this worker, or the process number outside a worker."""
    from distributed import get_worker

    try:
        return str(get_worker().address)
    except ValueError:
        return f"process {os.getpid()}"


# ---- models ----

_OPEN: dict[str, Stages] = {}  # per worker process: opening models takes seconds, and parts arrive every second
_IN_USE: Counter[str] = Counter()  # running parts, by the same names
_OPENING = threading.Lock()


@contextlib.contextmanager
def models_of(setup: Setup[Made]) -> Iterator[Stages]:
    """The models of an audit for one part; if one of their processes ends, the next part opens them again."""
    with _OPENING:
        stages = ready(setup)
        _IN_USE[setup.name] += 1
    try:
        yield stages
    except ModelStoppedError:
        with _OPENING:
            if _OPEN.get(setup.name) is stages:
                _OPEN.pop(setup.name).stop()
        raise
    finally:
        with _OPENING:
            _IN_USE[setup.name] -= 1


def ready(setup: Setup[Made]) -> Stages:
    """The models of an audit, opened when its first part arrives; those of audits without a running part are closed."""
    if setup.name not in _OPEN:
        for task, content in setup.contents.items():
            require_hash(setup, task, content)
        for name in [name for name in _OPEN if not _IN_USE[name]]:
            _OPEN.pop(name).stop()
        cv2.setNumThreads(1)
        cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        _OPEN[setup.name] = open_models(setup.models, setup.settings, contents=setup.contents).stages
    return _OPEN[setup.name]


def require_hash(setup: Setup[Made], task: Task, content: bytes) -> None:
    """Raise ClusterError if the hash of a model file differs from its card."""
    card = setup.models.cards[task]
    if hashlib.sha256(content).hexdigest() != card.sha256:
        raise ClusterError(
            f"worker {worker_name()}: the sha256 of the file that it received for {card.name} differs from that on "
            f"the card"
        )


# ---- files ----


@contextlib.contextmanager
def files_of(todo: PartToRun, worker: str) -> Iterator[tuple[pd.DataFrame, Path]]:
    """The rows and the folder of their paths on this worker.

    Raises
    ------
    ClusterError : if a file is missing here, or its size differs from that where the audit runs
    """
    if todo.sent is None:
        require_seen(todo, worker)
        yield todo.rows, todo.folder
        return
    with tempfile.TemporaryDirectory(prefix="facegap-") as place:
        folder, names = Path(place), []
        for k, (path, sent) in enumerate(zip(todo.rows["path"], todo.sent, strict=True)):
            names.append(f"{k}{PurePath(str(path)).suffix}")
            if isinstance(sent, Sent):
                (folder / names[-1]).write_bytes(sent.data)
        yield todo.rows.assign(path=names), folder


def require_seen(todo: PartToRun, worker: str) -> None:
    """Raise ClusterError unless the files of a part are the same here as where the audit runs."""
    for path, size in zip(todo.rows["path"], todo.sizes, strict=True):
        if size_of(todo.folder / str(path)) != size:
            raise ClusterError(
                f"worker {worker} does not find the same file at {todo.folder / str(path)} as this machine; mount "
                f"the folder at the same path there, or send the images with --ship-images"
            )


def size_of(path: Path) -> int:
    """Size of a file in bytes, NO_FILE if there is none."""
    try:
        return path.stat().st_size
    except (OSError, ValueError):
        return NO_FILE


# ---- the parts of an audit ----


def looked_at(rows: pd.DataFrame, folder: Path, stages: Stages) -> Part:
    """Run the rows of a part through all models."""
    return run_part(rows, folder, stages, lambda: None)


def as_in_the_folder(part: Part, sent: Sequence[Sent | Unreadable]) -> Part:
    """Convert a part of files that were sent to what it would be for the files in their folder."""
    records = part.rows.to_dict("records")
    for record, one in zip(records, sent, strict=True):
        if isinstance(one, Unreadable):
            record |= {"outcome": one.outcome, "detail": one.detail}
        else:
            record["stamp"] = one.stamp
    return replace(part, rows=pd.DataFrame(records, columns=part.rows.columns))


LOOK = Job(looked_at, as_in_the_folder)
