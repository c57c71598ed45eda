"""Count pairs on several machines through dask.distributed: each block is committed once, and counts are merged by addition."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from facegap.errors import MatchingError
from facegap.matching.blocks import Block, Settings, count_blocks
from facegap.matching.counts import Plan, Probes, count_ledger, plan
from facegap.matching.filters import TileShape
from facegap.matching.kernels import KernelChoice
from facegap.matching.rows import Float32Array
from facegap.types import IntArray, ScoreCounts

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local:"
INSTALL = "pip install 'facegap[cluster]'"
RETRIES = 3  # of a block whose worker died; then the run fails
CONNECT_S = 10
DEATHS = (
    30  # of workers running a task before the task is taken to be the cause: killed workers alone must not end a run
)
AHEAD = 2  # blocks sent ahead per worker: the rows of a block are sent with it, so not all blocks are sent at once


BlockId = tuple[int, int]  # numbers of the left and right super-blocks


@dataclass(frozen=True)
class Table:
    """The location of the embeddings for every worker: a shared .npy file."""

    path: str

    def open(self) -> Float32Array:
        """The rows, memory-mapped."""
        rows: Float32Array = np.load(self.path, mmap_mode="r", allow_pickle=False)
        return rows


def count_scores_on_cluster(
    embeddings: Float32Array,
    subjects: IntArray,
    groups: IntArray,
    *,
    cluster: str,
    floor: float,
    bins: int,
    tail_limit: int,
    exclude: NDArray[np.generic] | None = None,
    names: Sequence[str] | None = None,
    probes: Probes | None = None,
    full_range: int | None = None,
    row_edges: Sequence[int] | None = None,
    filter: str = "auto",
    workers: int = 1,
    kernels: KernelChoice = "auto",
    shape: TileShape | None = None,
    client: Client | None = None,
    folder: Path | None = None,
) -> ScoreCounts:
    """Compute the same ScoreCounts as count_scores, identical in every integer, on the workers of a dask cluster.

    cluster : "local:N" for N processes on this machine, or the address of a scheduler, such as "tcp://host:8786". For the
              latter, the embeddings must be memory-mapped from .npy files that every worker sees at the same path
    workers : threads in each of the cluster's workers
    client  : connected to this cluster; None: a new one is opened
    folder  : visible to every worker, for embeddings that are not in a file; None: only a local cluster accepts those
    filter  : auto is resolved on this machine, for all; an error names a worker that cannot run it exactly

    A worker may die at any time: its blocks are given to another. A block is added once, even if it is counted twice.

    Raises
    ------
    MatchingError : as in count_scores; if dask is missing, workers cannot read the embeddings, or a block failed repeatedly
    """
    run = plan(
        embeddings,
        subjects,
        groups,
        floor=floor,
        bins=bins,
        tail_limit=tail_limit,
        exclude=exclude,
        names=names,
        probes=probes,
        full_range=full_range,
        row_edges=row_edges,
        filter=filter,
        workers=workers,
        device="cpu",
        kernels=kernels,
        shape=shape,
    )
    if client is not None and len(run.blocks) < 2:  # nothing to distribute
        return count_blocks(run.blocks, run.embeddings, run.others, run.settings) + count_ledger(run)
    connected = client_of(cluster) if client is None else nullcontext(client)
    with connected as open_client, tables_of(run, cluster, folder) as tables:
        return count_on_client(open_client, run, tables)


def count_on_client(client: Client, run: Plan, tables: tuple[Table, Table]) -> ScoreCounts:
    """Count a whole run on a connected client; what needs no block is counted here meanwhile."""
    waiting = iter(run.blocks)
    ahead = AHEAD * max(1, len(threads_of(client)))
    futures = dask().as_completed([submit(client, block, tables, run.settings) for block in first_of(waiting, ahead)])
    total, committed = count_ledger(run), set[BlockId]()
    for future in futures:
        total = commit(total, committed, *result_of(future))
        future.release()
        for block in first_of(waiting, 1):
            futures.add(submit(client, block, tables, run.settings))
    assert len(committed) == len(run.blocks)
    return total


def commit(total: ScoreCounts, committed: set[BlockId], block: BlockId, counts: ScoreCounts) -> ScoreCounts:
    """Add the counts of a block to `total` and note it in `committed`; unchanged if the block is already there.

    dask may run a block again if a worker dies after it has returned the block.
    """
    if block in committed:
        return total
    committed.add(block)
    return total + counts


def first_of(blocks: Iterator[Block], n: int) -> list[Block]:
    """The next n blocks, or fewer if there are no more."""
    return [block for _, block in zip(range(n), blocks, strict=False)]


def submit(client: Client, block: Block, tables: tuple[Table, Table], settings: Settings) -> Any:
    """Send one block to the cluster; its rows are a few megabytes, and its embeddings are read by the worker."""
    return client.submit(count_one, block, tables, settings, pure=False, retries=RETRIES)


def count_one(block: Block, tables: tuple[Table, Table], settings: Settings) -> tuple[BlockId, ScoreCounts]:
    """Id and counts of one block; runs on a worker."""
    return (block.left_number, block.right_number), count_blocks([block], tables[0].open(), tables[1].open(), settings)


def result_of(future: Any) -> tuple[BlockId, ScoreCounts]:
    """Result of a finished block. Raises MatchingError if it could not be counted."""
    block, counts = answer_of(future)
    return block, counts


def answer_of(future: Any) -> Any:
    """Result of a finished task. Raises MatchingError if its workers died repeatedly, or cannot read a table."""
    try:
        return future.result()
    except dask().KilledWorker as error:
        raise MatchingError(f"a block repeatedly killed its worker ({error}); give the workers more memory") from error
    except FileNotFoundError as error:
        raise MatchingError(
            f"a worker cannot read {error.filename}; choose an --out in a folder that all workers can read, or use "
            f"--ship-images, which compares templates on this machine"
        ) from error


@contextmanager
def client_of(cluster: str) -> Iterator[Client]:
    """A client of this cluster, closed afterwards; a local cluster is started and stopped. Raises MatchingError."""
    if not cluster.startswith(LOCAL):
        place = {"scheduler_file": cluster} if cluster.endswith(".json") else {"address": cluster}
        try:
            client = dask().Client(**place, timeout=CONNECT_S)
        except (OSError, ValueError) as error:
            raise MatchingError(
                f"no dask scheduler responds at {cluster!r} ({error}); start one or use local:2"
            ) from error
        with quiet_dask(), client:
            before = client.run_on_scheduler(outlive_kills)
            try:
                yield client
            finally:
                if client.status == "running":  # the scheduler is shared with others
                    client.run_on_scheduler(allow_failures, before)
        return
    number = cluster.removeprefix(LOCAL)
    if not number.isdecimal() or int(number) < 1:
        raise MatchingError(f"cluster={cluster!r} is neither local:N nor the address of a scheduler")
    # A free port for the unused dashboard: an occupied one would cause a warning.
    with (
        quiet_dask(),
        dask().LocalCluster(
            n_workers=int(number), threads_per_worker=1, processes=True, dashboard_address="127.0.0.1:0"
        ) as local,
        dask().Client(local) as client,
    ):
        client.run_on_scheduler(outlive_kills)
        yield client


def outlive_kills(dask_scheduler: Any) -> int:
    """Let a scheduler pass a task to other workers even if several workers died running it; returns the previous limit."""
    before = int(dask_scheduler.allowed_failures)
    dask_scheduler.allowed_failures = max(before, DEATHS)
    return before


def allow_failures(number: int, dask_scheduler: Any) -> None:
    """Set the number of dead workers after which a scheduler takes the task to be the cause."""
    dask_scheduler.allowed_failures = number


def quiet_dask() -> Any:
    """Settings of dask for the duration of a block, without warnings about large arguments: models and images are large."""
    dask()
    from dask import config

    return config.set({"distributed.admin.large-graph-warning-threshold": "1TB"})


def threads_of(client: Client) -> dict[str, int]:
    """Threads of each worker of a cluster, by address; empty without workers."""
    found: dict[str, int] = client.nthreads()  # type: ignore[no-untyped-call]
    return found


def dask() -> Any:
    """The module dask.distributed. Raises MatchingError if it is not installed."""
    try:
        import distributed
    except ImportError as error:
        raise MatchingError(f"counting on a cluster needs dask.distributed: {INSTALL}") from error
    return distributed


@contextmanager
def tables_of(run: Plan, cluster: str, shared: Path | None = None) -> Iterator[tuple[Table, Table]]:
    """Files of both tables that the workers can read; arrays in memory are written to a shared folder, or for a local cluster."""
    with tempfile.TemporaryDirectory(prefix="facegap-", dir=shared) as folder:
        seen = shared is not None or cluster.startswith(LOCAL)
        left = table_of_rows(run.embeddings, Path(folder) / "embeddings.npy", seen=seen)
        one_table = run.others is run.embeddings
        yield left, left if one_table else table_of_rows(run.others, Path(folder) / "probes.npy", seen=seen)


def table_of_rows(rows: Float32Array, spare: Path, *, seen: bool) -> Table:
    """The .npy file that `rows` are mapped from, or `spare`, written now if workers can read it. Raises MatchingError."""
    path = mapped_file(rows)
    if path is None and not seen:
        raise MatchingError(
            "save the embeddings as .npy where all workers can read them, and open them with mmap_mode='r'"
        )
    if path is None:
        np.save(spare, rows)
        path = spare
    return Table(str(Path(path).absolute()))


def mapped_file(rows: Float32Array) -> Path | None:
    """The .npy file that contains exactly these rows, or None."""
    name = getattr(rows, "filename", None)
    if not isinstance(rows, np.memmap) or name is None or not str(name).endswith(".npy"):
        return None
    whole = np.load(name, mmap_mode="r", allow_pickle=False)
    same = whole.shape == rows.shape and whole.dtype == rows.dtype and whole.strides == rows.strides
    return Path(name) if same and whole.offset == rows.offset else None
