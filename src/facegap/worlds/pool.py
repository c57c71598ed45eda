"""Planted worlds shared among processes; this file imports little, since every process imports it when it starts."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from facegap.errors import RunError

Result = TypeVar("Result")


def in_processes(
    work: Callable[..., Result], jobs: Sequence[tuple[Any, ...]], workers: int
) -> Iterator[tuple[int, Result]]:
    """Position and result of `work(*job)` for each job, as they are done; begun in the order given.

    work    : a function of a module, whose result depends on its arguments alone
    Raises  : RunError where a worker was killed
    """
    pool = ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), initializer=belong_to_the_parent)
    try:
        places = {pool.submit(work, *job): place for place, job in enumerate(jobs)}
        for finished in as_completed(places):
            yield places[finished], finished.result()
    except BrokenProcessPool as error:
        raise RunError("a worker was killed, perhaps because of memory; run again with fewer --workers") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def belong_to_the_parent() -> None:
    """Leave Ctrl-C, which goes to the whole group of processes, to the one that started this one, and end when that ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_the_parent, daemon=True).start()


def end_with_the_parent() -> None:
    """End this process, whatever it computes, as soon as its parent is gone: killed, or ended by Ctrl-C."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
