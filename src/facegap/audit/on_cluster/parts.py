"""Send parts to a cluster and yield each result once, even if workers die, for the process of the audit to commit."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from facegap.audit.models import Loaded, contents_of
from facegap.audit.on_cluster.machines import Machine, machine_here, mixed_sentence
from facegap.audit.on_cluster.worker import (
    Job,
    Made,
    PartDone,
    PartToRun,
    Sent,
    Setup,
    refused,
    run_here,
    same,
    size_of,
)
from facegap.audit.settings import AuditSettings, CallableModel, Output
from facegap.errors import ClusterError, RunError, SettingError
from facegap.inputs.images.decode import ImageFile, Unreadable, read_image
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.videos.read import is_video
from facegap.matching.cluster import client_of, count_scores_on_cluster, dask, threads_of
from facegap.matching.cluster_search import search_on_cluster
from facegap.types import Device, FloatArray, IntArray, ScoreCounts
from facegap.vision import pipeline

if TYPE_CHECKING:
    from distributed import Client

    from facegap.audit.identify import Searching

GO_ON = "continue with --resume, or start again if the command has no --resume"
LOST = f"the scheduler has ended, or lost what it was sent; start it again, and {GO_ON}"
AHEAD = 2  # parts sent per thread of a worker: one runs, one waits
MOST_FAILURES = 3  # of one part; the audit then stops and names its images
SHIPPED_AT_ONCE_BYTES = 2**30  # in transit to workers, held by the scheduler
SHIPPED_BYTES = 256 * 2**20  # of one part; larger parts need a folder that all workers can read
LOOK_EVERY_S, TELL_EVERY_S, WAIT_FOR_WORKERS_S = 1.0, 30.0, 60.0


@dataclass
class Pace:
    """Work done by each worker: images, and seconds of processing."""

    images: Counter[str] = field(default_factory=Counter)
    busy_s: dict[str, float] = field(default_factory=dict)

    def add(self, done: PartDone[Made]) -> None:
        """Add one part."""
        self.images[done.worker] += done.images
        self.busy_s[done.worker] = self.busy_s.get(done.worker, 0.0) + done.busy_s

    def lines(self) -> Iterator[str]:
        """A sentence on each worker, the busiest first."""
        for worker, images in self.images.most_common():
            speed = images / max(self.busy_s[worker], 1e-9)
            yield f"worker {worker}: {images:,} images, {speed:.1f}/s per thread"


@dataclass
class Cluster:
    """A connected cluster for an audit.

    machine : of its workers, which are equal unless `mixed`
    seen    : the machines that returned a part
    """

    client: Client
    address: str
    machine: Machine
    mixed: bool
    ship: bool
    seen: list[Machine] = field(default_factory=list)
    pace: Pace = field(default_factory=Pace)

    def run_parts(
        self,
        table: Manifest,
        loaded: Loaded,
        settings: AuditSettings,
        todo: Sequence[int],
        job: Job[Made],
        *,
        on_image: Callable[[], None],
    ) -> Iterator[tuple[int, Made]]:
        """(number, result) of each part in `todo`, in order of completion; `on_image` is called once per image.

        Raises
        ------
        ClusterError : if there is no worker, a worker is rejected, or the scheduler has ended
        RunError     : if a part failed MOST_FAILURES times
        """
        setup, reported = setup_of(loaded, settings, self, job), time.monotonic()
        for done in parts_done(self.client, setup, table, todo, ship=self.ship):
            if done.machine not in self.seen:
                self.seen.append(done.machine)
            self.pace.add(done)
            for _ in range(done.images):
                on_image()
            if time.monotonic() - reported > TELL_EVERY_S:
                reported = time.monotonic()
                self.tell(settings.output)
            yield done.number, done.part
        if todo:
            self.tell(settings.output)

    @property
    def workers(self) -> int:
        """Current number of workers."""
        return len(threads_of(self.client))

    def counter(self, folder: Path) -> Callable[..., ScoreCounts]:
        """A function like `count_scores` that counts all pairs on the workers. folder : of the run, readable by all workers."""
        threads = max(threads_of(self.client).values(), default=1)
        counted = partial(count_scores_on_cluster, cluster=self.address, client=self.client, folder=folder)

        def count(*given: Any, workers: int, **words: Any) -> ScoreCounts:
            return counted(*given, workers=min(workers, threads), **words)

        return count

    def searcher(self, folder: Path) -> Searching:
        """A function like `search` that searches a gallery on the workers. folder : of the run, readable by all workers."""
        threads = max(threads_of(self.client).values(), default=1)

        def found(gallery: Any, probes: Any, k: int, *, workers: int) -> tuple[IntArray, FloatArray]:
            return search_on_cluster(
                gallery,
                probes,
                k,
                cluster=self.address,
                client=self.client,
                folder=folder,
                workers=min(workers, threads),
            )

        return found

    def mixed_warnings(self) -> tuple[str, ...]:
        """A warning if parts ran on different machines."""
        versions = {str(sorted(machine.versions.items())) for machine in self.seen}
        said = mixed_sentence([machine.processor for machine in self.seen])
        more = ("--mixed-workers: parts ran with several versions of the packages used for computation",)
        return (*said, *(more if len(versions) > 1 else ()))

    def tell(self, output: Output) -> None:
        """Print the work done by each worker."""
        for line in self.pace.lines():
            output.notice(line)


@contextmanager
def opened_cluster(settings: AuditSettings) -> Iterator[Cluster | None]:
    """The cluster of the settings, connected for the duration of the block; None without one.

    Raises
    ------
    SettingError  : if the audit cannot run on a cluster
    MatchingError : if dask is not installed, or there is no scheduler at that address
    ClusterError  : if no worker connects, or workers differ
    """
    address, device = settings.models.scheduler, settings.models.device
    if address is None:
        yield None
        return
    require_clusterable(settings)
    with client_of(address) as client:
        wait_for_workers(client, address)
        mixed = settings.models.mixed_workers
        machine = machine_of_workers(client, device, mixed=mixed)
        yield Cluster(client, address, machine, mixed, settings.models.ship_images)


def require_clusterable(settings: AuditSettings) -> None:
    """Raise SettingError for an audit that cannot run on a cluster."""
    for model in (settings.classify, settings.embed):
        if isinstance(model, CallableModel):
            raise SettingError(
                f"--scheduler: the model {model.name} is a Python function of this process; omit --scheduler"
            )


def wait_for_workers(client: Client, address: str) -> None:
    """Raise ClusterError if a scheduler still has no worker after WAIT_FOR_WORKERS_S."""
    until = time.monotonic() + WAIT_FOR_WORKERS_S
    while not threads_of(client):
        if time.monotonic() > until:
            raise ClusterError(
                f"the scheduler at {address} has no workers; start some, such as with: dask worker {address}"
            )
        time.sleep(LOOK_EVERY_S / 4)


def machine_of_workers(client: Client, device: Device, *, mixed: bool) -> Machine:
    """The machine type of all workers, as far as it affects results.

    Raises
    ------
    ClusterError : if workers differ from each other, or their versions from this machine, unless `mixed`
    """
    found: Mapping[str, Machine] = client.run(machine_here, device)
    here = machine_here(device)
    first = next(iter(found.values()))
    expected = replace(first, versions=here.versions)
    for worker, machine in found.items():
        differing = machine.differs_from(expected)
        if differing and not mixed:
            raise ClusterError(refused(worker, differing))
    return expected


def setup_of(loaded: Loaded, settings: AuditSettings, cluster: Cluster, job: Job[Made]) -> Setup[Made]:
    """What a worker needs of an audit, without what belongs to this process only."""
    plain = replace(settings, output=Output(), models=replace(settings.models, workers=1, models_dir=()))
    contents = dict(contents_of(loaded.models, settings))
    hashes = sorted(hashlib.sha256(content).hexdigest() for content in contents.values())
    identity = f"{hashes} {loaded.cards} {plain} {time.time_ns()}"
    name = hashlib.sha256(identity.encode()).hexdigest()
    return Setup(name, job, loaded.models, plain, contents, cluster.machine, cluster.mixed)


def parts_done(
    client: Client, setup: Setup[Made], table: Manifest, todo: Sequence[int], *, ship: bool
) -> Iterator[PartDone[Made]]:
    """Each part of `todo` once, in order of completion.

    A worker may die at any time: its parts are given to another one. Repeated results are ignored.

    Raises
    ------
    ClusterError : if a worker is rejected, or the scheduler has ended
    RunError     : if a part failed MOST_FAILURES times; names its images
    """
    if not todo:
        return
    shared_setup = client.submit(same, setup, key=f"facegap-models-{setup.name}", pure=True)
    waiting, failures = list(todo)[::-1], Counter[int]()
    running: dict[Any, int] = {}
    shipped_bytes: dict[int, int] = {}

    def send(number: int) -> None:
        part = part_to_run(number, table, ship=ship)
        shipped_bytes[number] = sum(part.sizes) if ship else 0
        running[client.submit(run_here, shared_setup, part, pure=False)] = number

    def room() -> bool:
        on_the_way = sum(shipped_bytes[number] for number in running.values())
        return not running or on_the_way < SHIPPED_AT_ONCE_BYTES

    try:
        while waiting or running:
            threads = sum(threads_of(client).values()) if waiting else 0
            while waiting and len(running) < AHEAD * max(threads, 1) and room():
                send(waiting.pop())
            for future in ended(client, running):
                number = running.pop(future)
                status = future.status
                if status == "finished":
                    yield future.result()
                elif status in ("pending", "lost"):  # done on a worker that has died since: dask runs it again
                    running[future] = number
                else:
                    failures[number] += 1
                    error = future.exception() if status == "error" else None
                    require_another_try(error, number, failures[number], table)
                    send(number)
    except (OSError, TimeoutError, CancelledError) as error:  # connection errors; errors of a part are its result
        raise ClusterError(f"{LOST} ({type(error).__name__})") from error
    finally:
        if client.status == "running":
            client.cancel([*running, shared_setup])  # type: ignore[no-untyped-call]


def ended(client: Client, running: Mapping[Any, int]) -> list[Any]:
    """Wait for parts and return those that are done or have failed.

    Raises
    ------
    ClusterError : if the scheduler has ended, or had no worker for WAIT_FOR_WORKERS_S
    """
    last_seen = time.monotonic()
    while True:
        if client.status not in ("running", "connecting"):
            raise ClusterError(LOST)
        try:
            done, _ = dask().wait(list(running), timeout=LOOK_EVERY_S, return_when="FIRST_COMPLETED")
            return list(done)
        except TimeoutError:
            last_seen = time.monotonic() if threads_of(client) else last_seen
        if time.monotonic() - last_seen > WAIT_FOR_WORKERS_S:
            raise ClusterError(f"no worker has been available for {WAIT_FOR_WORKERS_S:g} s; start some, and {GO_ON}")


def require_another_try(error: BaseException | None, number: int, failures: int, table: Manifest) -> None:
    """Raise if a part must not be sent again.

    Raises
    ------
    ClusterError : if a worker is rejected, or the scheduler has lost the part
    RunError     : if the part failed too often, or every worker that had it died
    """
    if error is None:
        raise ClusterError(LOST)
    if isinstance(error, ClusterError):
        raise error
    size = pipeline.PART_ROWS
    images = table.frame["image"].iloc[number * size : (number + 1) * size].tolist()
    named = f"part {number} ({len(images)} images, {images[0]!r} to {images[-1]!r})"
    if isinstance(error, dask().KilledWorker):
        raise RunError(
            f"{named} was on every worker that died, {error.allowed_failures + 1} in all; look at these images"
        ) from error
    if failures >= MOST_FAILURES:
        said = " ".join(str(error).split())[:500]
        raise RunError(f"{named} failed {failures} times; the last time with {type(error).__name__}: {said}") from error


def part_to_run(number: int, table: Manifest, *, ship: bool) -> PartToRun:
    """One part with what its worker needs to read the files.

    Raises
    ------
    ClusterError : if the images to send exceed SHIPPED_BYTES, or one is a video
    """
    size = pipeline.PART_ROWS
    rows = table.frame.iloc[number * size : (number + 1) * size]
    folder = table.folder.absolute()
    sizes = tuple(size_of(folder / str(path)) for path in rows["path"])
    return PartToRun(number, rows, folder, sizes, shipped(number, rows, folder, sizes) if ship else None)


def shipped(number: int, rows: pd.DataFrame, folder: Path, sizes: Sequence[int]) -> tuple[Sent | Unreadable, ...]:
    """The files of a part."""
    if sum(sizes) > SHIPPED_BYTES:
        raise ClusterError(
            f"part {number}: its {len(rows)} images have {sum(sizes):,} bytes, but --ship-images sends at most "
            f"{SHIPPED_BYTES:,}; make the folder available to all workers at the same path instead"
        )
    for path in rows["path"]:
        if is_video(str(path)):
            raise ClusterError(
                f"{path!r} is a video, which --ship-images does not send; make the folder available to all workers "
                f"instead"
            )
    found = (read_image(str(path), root=folder) for path in rows["path"])
    return tuple(Sent(file.data, file.stamp) if isinstance(file, ImageFile) else file for file in found)
