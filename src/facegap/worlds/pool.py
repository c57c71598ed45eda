"""Parallel simulations; this file has few imports because every process imports it when it starts."""

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
    """Index and result of `work(*job)` for each job, in the order of completion; jobs start in the given order.

    work    : a module-level function whose result depends only on its arguments
    Raises  : RunError if a worker was killed
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
    """Ignore Ctrl-C, which reaches the whole process group, and exit when the parent process exits."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=end_with_the_parent, daemon=True).start()


def end_with_the_parent() -> None:
    """Exit as soon as the parent process is gone, whether killed or interrupted."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
