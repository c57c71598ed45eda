"""Search a gallery on several machines through dask.distributed, one block of probes per task."""

from __future__ import annotations

import itertools
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from facegap.matching.cluster import AHEAD, LOCAL, RETRIES, Table, answer_of, dask, table_of_rows, threads_of
from facegap.matching.search import search
from facegap.types import FloatArray, IntArray

if TYPE_CHECKING:
    from distributed import Client

    from facegap.matching.rows import Float32Array

FEWEST_PROBES = (
    4096  # per block: each block prepares the whole gallery again, which must remain a small part of its work
)


def search_on_cluster(
    gallery: Float32Array,
    probes: Float32Array,
    k: int,
    *,
    cluster: str,
    client: Client,
    folder: Path | None = None,
    workers: int = 1,
    **words: Any,
) -> tuple[IntArray, FloatArray]:
    """Compute the same result as `search`, identical in every rank, on the workers of a dask cluster, in blocks of probes.

    cluster : its address, "local:N" or another; client : connected to it
    folder  : visible to every worker, for tables that are not in a file; None: only a local cluster accepts those
    workers : threads in each of the cluster's workers
    words   : further parameters of `search`, which affect time but not the result

    A worker may die at any time: its probes are given to another. A small number of probes is searched here, as one block.

    Raises
    ------
    MatchingError : as in `search`; if workers cannot read the tables, or a block failed repeatedly
    """
    blocks = blocks_of(len(probes), len(threads_of(client)))
    if len(blocks) < 2:
        return search(gallery, probes, k, workers=workers, **words)
    places, scores = np.empty((len(probes), k), np.int64), np.empty((len(probes), k))
    with tempfile.TemporaryDirectory(prefix="facegap-", dir=folder) as spare:
        seen = folder is not None or cluster.startswith(LOCAL)
        tables = tuple(
            table_of_rows(rows, Path(spare) / f"{name}.npy", seen=seen)
            for name, rows in (("gallery", gallery), ("probes", probes))
        )
        futures = [
            client.submit(search_block, block, tables, k, workers, words, pure=False, retries=RETRIES)
            for block in blocks
        ]
        for future in dask().as_completed(futures):
            block, found = answer_of(future)
            places[slice(*block)], scores[slice(*block)] = found
            future.release()
    return places, scores


def blocks_of(probes: int, workers: int) -> list[tuple[int, int]]:
    """Begin and end of each block of probes: AHEAD per worker, with at least FEWEST_PROBES each.

    Examples
    --------
    >>> blocks_of(10_000, 4)
    [(0, 5000), (5000, 10000)]
    """
    count = max(1, min(AHEAD * workers, probes // FEWEST_PROBES))
    ends = [probes * number // count for number in range(count + 1)]
    return list(itertools.pairwise(ends))


def search_block(
    block: tuple[int, int], tables: tuple[Table, Table], k: int, workers: int, words: dict[str, Any]
) -> tuple[tuple[int, int], tuple[IntArray, FloatArray]]:
    """A block of probes and its candidates; runs on a worker."""
    return block, search(tables[0].open(), tables[1].open()[slice(*block)], k, workers=workers, **words)
