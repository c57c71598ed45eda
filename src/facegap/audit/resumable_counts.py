"""All pairs of a run counted block by block, with what is done kept in the run folder, so that a killed run goes on from there."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from facegap.matching.blocks import Block, count_blocks
from facegap.matching.counts import Plan, count_ledger, plan
from facegap.store.counts_under_way import UnderWay, read_under_way, write_under_way
from facegap.types import AnyArray, ScoreCounts

KEEP_EVERY_S = 30.0
KEPT_SHARE = 0.05  # of the time, at most, is spent on keeping: counts of each row may be a gibibyte
TOGETHER = 4  # blocks of one right super-block that are counted at once: it is prepared once for all of them
HASHED_ROWS = 65_536


class ResumableCounter:
    """Counts all pairs as `count_scores` does, to the same integers, and keeps the counts of finished blocks in a run folder.

    Parameters
    ----------
    folder
        Of the run. What is kept lies beside its parts, and is removed with them when the run is whole.

    Notes
    -----
    What is kept is taken up only for the same comparison: rows, subjects, groups, excluded pairs, edges and limits are hashed. One
    block alone is not kept.

    ``earlier_ns`` is the time by the clock that counting took in earlier starts, as far as it was kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.earlier_ns = 0

    def __call__(self, embeddings: AnyArray, subjects: AnyArray, groups: AnyArray, **words: Any) -> ScoreCounts:
        """Parameters, result and errors of `facegap.matching.count_scores`, but for probes, device, kernels, shape and shard."""
        self.earlier_ns = 0
        run = plan(embeddings, subjects, groups, probes=None, device="cpu", kernels="auto", shape=None, **words)
        if len(run.blocks) < 2:
            return count_blocks(run.blocks, run.embeddings, run.others, run.settings) + count_ledger(run)
        return self._counted(run) + count_ledger(run)

    def _counted(self, run: Plan) -> ScoreCounts:
        """The counts of all blocks, from where they were left."""
        comparison = comparison_hash(run)
        kept = read_under_way(self.folder, comparison)
        done, total = 0, None
        if kept is not None and 0 < kept.blocks <= len(run.blocks):
            done, total, self.earlier_ns = kept.blocks, kept.counts, kept.ns
        del kept  # counts of rows may be half a gibibyte, so that no name may outlive its use
        started = last = time.perf_counter_ns()
        pause_ns = KEEP_EVERY_S * 1e9
        for together in handfuls(run.blocks[done:]):
            counts = count_blocks(together, run.embeddings, run.others, run.settings)
            total = counts if total is None else total + counts
            del counts
            done += len(together)
            now = time.perf_counter_ns()
            if now - last >= pause_ns or done == len(run.blocks):
                write_under_way(self.folder, comparison, UnderWay(done, self.earlier_ns + now - started, total))
                last = time.perf_counter_ns()
                pause_ns = max(KEEP_EVERY_S * 1e9, (last - now) / KEPT_SHARE)
        assert total is not None
        return total


def handfuls(blocks: Sequence[Block]) -> Iterator[list[Block]]:
    """Consecutive blocks of one right super-block, at most TOGETHER."""
    for _, same_right in groupby(blocks, key=lambda block: block.right_number):
        run = list(same_right)
        for start in range(0, len(run), TOGETHER):
            yield run[start : start + TOGETHER]


def comparison_hash(run: Plan) -> str:
    """Hash of all that the integers of a comparison depend on, in hex.

    The filter, the number of threads and the kernels are not in it: they change the time alone.
    """
    found, settings = hashlib.sha256(), run.settings
    limits = settings.tail_limit, len(run.blocks), run.pairing.left_rows, run.embeddings.shape[1]
    found.update(repr((settings.groups, limits)).encode())
    full, of_rows = (np.empty(0) if edges is None else edges for edges in (settings.full_edges, settings.row_edges))
    left = run.pairing.left
    for values in (settings.edges, full, of_rows, left.index, left.subject, left.group, run.pairing.excluded):
        found.update(repr((values.dtype.str, values.shape)).encode())
        found.update(np.ascontiguousarray(values).tobytes())
    for start in range(0, len(run.embeddings), HASHED_ROWS):
        found.update(np.ascontiguousarray(run.embeddings[start : start + HASHED_ROWS]).data)
    return found.hexdigest()
