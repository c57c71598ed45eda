"""Planted worlds shared among processes; this file imports little, since every process imports it when it starts."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
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
    pool = ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"), initializer=ignore_interrupts)
    try:
        places = {pool.submit(work, *job): place for place, job in enumerate(jobs)}
        for finished in as_completed(places):
            yield places[finished], finished.result()
    except BrokenProcessPool as error:
        raise RunError("a worker was killed, perhaps for memory; run it again with fewer --workers") from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def ignore_interrupts() -> None:
    """Ctrl-C goes to the whole group of processes; only the one that started the others answers it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
