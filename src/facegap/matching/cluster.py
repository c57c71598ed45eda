"""The same blocks on many machines, through dask.distributed: each block committed once, counts merged by addition."""

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
DEATHS = 30  # of workers that had a task, until the task is taken to be the cause: kills alone must not end a run
AHEAD = 2  # blocks sent for each worker: the rows of a block travel with it, so that not all are sent at once


BlockId = tuple[int, int]  # numbers of the left and of the right super-block


@dataclass(frozen=True)
class Table:
    """Where every worker finds the embeddings: a .npy file that all of them see."""

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
    """The ScoreCounts of count_scores, to the last integer, counted by the workers of a dask cluster.

    cluster : "local:N" for N processes of this machine, or the address of a scheduler, such as "tcp://host:8786". For the
              latter the embeddings must be memory-mapped from .npy files that every worker sees under the same path
    workers : threads in each of the cluster's workers
    client  : of this cluster, connected already; None: one is opened
    folder  : that every worker sees, for embeddings that lie in no file; None: only a local cluster takes those
    filter  : auto is chosen on this machine, for all; a worker that cannot run it exactly fails by name

    A worker may die at any time: its blocks are given to another. A block is added once, whoever finishes it again.

    Raises
    ------
    MatchingError : as count_scores; no dask; embeddings that the workers cannot reach; a block that failed repeatedly
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
    if client is not None and len(run.blocks) < 2:  # nothing to share out
        return count_blocks(run.blocks, run.embeddings, run.others, run.settings) + count_ledger(run)
    connected = client_of(cluster) if client is None else nullcontext(client)
    with connected as open_client, tables_of(run, cluster, folder) as tables:
        return count_on_client(open_client, run, tables)


def count_on_client(client: Client, run: Plan, tables: tuple[Table, Table]) -> ScoreCounts:
    """The whole run on a connected client; what needs no block is counted here meanwhile."""
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
    """`total` with the counts of this block, which is noted in `committed`; as it was where it has them already.

    dask may run a block again where a worker dies after it has answered.
    """
    if block in committed:
        return total
    committed.add(block)
    return total + counts


def first_of(blocks: Iterator[Block], n: int) -> list[Block]:
    """The next n blocks, fewer where they run out."""
    return [block for _, block in zip(range(n), blocks, strict=False)]


def submit(client: Client, block: Block, tables: tuple[Table, Table], settings: Settings) -> Any:
    """One block sent to the cluster; its rows are few megabytes, its embeddings are read where it runs."""
    return client.submit(count_one, block, tables, settings, pure=False, retries=RETRIES)


def count_one(block: Block, tables: tuple[Table, Table], settings: Settings) -> tuple[BlockId, ScoreCounts]:
    """Id and counts of one block; what a worker of the cluster runs."""
    return (block.left_number, block.right_number), count_blocks([block], tables[0].open(), tables[1].open(), settings)


def result_of(future: Any) -> tuple[BlockId, ScoreCounts]:
    """Result of a finished block. Raises MatchingError where it could not be counted."""
    block, counts = answer_of(future)
    return block, counts


def answer_of(future: Any) -> Any:
    """What a finished task gave. Raises MatchingError where its workers died again and again, or see no table."""
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
    """A client of this cluster, closed afterwards; a local one is started and stopped. Raises MatchingError."""
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
                if client.status == "running":  # the scheduler serves others as well
                    client.run_on_scheduler(allow_failures, before)
        return
    number = cluster.removeprefix(LOCAL)
    if not number.isdecimal() or int(number) < 1:
        raise MatchingError(f"cluster={cluster!r} is neither local:N nor the address of a scheduler")
    # A free port for the dashboard: one that is taken would raise a warning, and nobody watches.
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
    """Have a scheduler give a task to further workers though several died that had it; how many it allowed before."""
    before = int(dask_scheduler.allowed_failures)
    dask_scheduler.allowed_failures = max(before, DEATHS)
    return before


def allow_failures(number: int, dask_scheduler: Any) -> None:
    """Set after how many deaths of workers a scheduler takes a task to be the cause."""
    dask_scheduler.allowed_failures = number


def quiet_dask() -> Any:
    """Settings of dask for the time of a block: models and images that are sent are large, and that is meant."""
    dask()
    from dask import config

    return config.set({"distributed.admin.large-graph-warning-threshold": "1TB"})


def threads_of(client: Client) -> dict[str, int]:
    """Threads of each worker of a cluster, by address; empty while there is none."""
    found: dict[str, int] = client.nthreads()  # type: ignore[no-untyped-call]
    return found


def dask() -> Any:
    """dask.distributed. Raises MatchingError where it is not installed."""
    try:
        import distributed
    except ImportError as error:
        raise MatchingError(f"counting on a cluster needs dask.distributed: {INSTALL}") from error
    return distributed


@contextmanager
def tables_of(run: Plan, cluster: str, shared: Path | None = None) -> Iterator[tuple[Table, Table]]:
    """Files of both tables that the workers can read; arrays in memory are written out, to a shared folder or a local cluster."""
    with tempfile.TemporaryDirectory(prefix="facegap-", dir=shared) as folder:
        seen = shared is not None or cluster.startswith(LOCAL)
        left = table_of_rows(run.embeddings, Path(folder) / "embeddings.npy", seen=seen)
        one_table = run.others is run.embeddings
        yield left, left if one_table else table_of_rows(run.others, Path(folder) / "probes.npy", seen=seen)


def table_of_rows(rows: Float32Array, spare: Path, *, seen: bool) -> Table:
    """The .npy file that `rows` are mapped from, or `spare`, written now where workers see it. Raises MatchingError."""
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
    """The .npy file that holds exactly these rows, or None."""
    name = getattr(rows, "filename", None)
    if not isinstance(rows, np.memmap) or name is None or not str(name).endswith(".npy"):
        return None
    whole = np.load(name, mmap_mode="r", allow_pickle=False)
    same = whole.shape == rows.shape and whole.dtype == rows.dtype and whole.strides == rows.strides
    return Path(name) if same and whole.offset == rows.offset else None
