"""Cost of separate processes: the same images with isolated models and with models in this process, in turns.

    FACEGAP_TEST_DATA=... python benchmarks/bench_isolation.py

Within a turn both sides run the same portraits through decoding, detector, embedder and classifier with the same number of
workers, in alternating order. Processor time includes this process and the model processes; on a busy machine it is more
stable than wall time. Both sides must give the same rows and templates, byte for byte.

Opening the models is timed separately, in turns: with a running fork server, with its start, with every process started
anew as on systems that cannot fork, and in this process.

The limit of a pipeline is the time of its models alone: the processor time inside their sessions' `run`, measured without
isolation. The proportion reached by each side is that time divided by all processor time of the side.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import pandas as pd

from facegap.audit.models import Loaded, load_models
from facegap.audit.settings import AuditSettings, Models
from facegap.inputs.manifests.read import read_manifest
from facegap.runtime import device_name
from facegap.runtime.isolation import forked, process
from facegap.runtime.isolation.limits import spent_seconds
from facegap.vision.pipeline import run_parts


class Timed:
    """A session that sums the processor time of its runs; each thread has its own list, so that no run is lost."""

    def __init__(self, session: Any) -> None:
        self.session = session
        self.spent: list[float] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self.session, name)

    def run(self, *given: Any, **words: Any) -> Any:
        """Call the session's `run` in the caller's thread; the sessions here have one thread."""
        started = time.thread_time()
        try:
            return self.session.run(*given, **words)
        finally:
            self.spent.append(time.thread_time() - started)

    def taken(self) -> float:
        """Seconds since the last call."""
        spent, self.spent = self.spent, []
        return sum(spent)


def timed(loaded: Loaded) -> tuple[Loaded, dict[str, Timed]]:
    """The same models with timed sessions."""
    stages, sessions = loaded.stages, {}
    for task in ("detector", "embedder", "classifier"):
        model: Any = getattr(stages, task)
        sessions[task] = Timed(model.session)
        stages = replace(stages, **{task: replace(model, session=sessions[task])})
    return replace(loaded, stages=stages), sessions


def processes_of(loaded: Loaded) -> list[Any]:
    """The model processes: copies of the fork server, or newly started ones; empty without isolation."""
    models = (loaded.stages.detector, loaded.stages.embedder, loaded.stages.classifier)
    found = [getattr(model.session, "_process", None) for model in models if model]
    return [process.popen for process in found if process is not None]


def server_s(loaded: Loaded) -> float:
    """Processor time of the fork server of these models."""
    return sum(
        spent_seconds(pid) for pid in {one._server.popen.pid for one in processes_of(loaded) if hasattr(one, "_server")}
    )


def processor_s(loaded: Loaded) -> float:
    """Processor time of this process and of the model processes."""
    return time.process_time() + sum(spent_seconds(one.pid) for one in processes_of(loaded))


def once(loaded: Loaded, table: Any, workers: int) -> tuple[float, float, bytes]:
    """Wall and processor seconds for all images, and the complete result except for times."""
    before, started = processor_s(loaded), time.perf_counter()
    parts = dict(
        run_parts(table.frame, table.folder, loaded.stages, workers=workers, todo=range(-(-len(table.frame) // 32)))
    )
    took = time.perf_counter() - started
    rows = pd.concat([parts[k].rows for k in sorted(parts)])
    kept = rows[[column for column in rows if not column.endswith("_ns")]].to_csv().encode()
    return (
        took,
        processor_s(loaded) - before,
        kept + b"".join(np.asarray(parts[k].embeddings).tobytes() for k in sorted(parts)),
    )


def opened(data: Path, chosen: argparse.Namespace, *, isolated: bool) -> tuple[Loaded, float, float]:
    """The models, and the wall and processor seconds of opening them, without the fork server's own."""
    words = Models(models_dir=data / "models", workers=chosen.workers, no_isolation=not isolated)  # type: ignore[arg-type]
    settings = AuditSettings(detect=chosen.detect, classify="faceapi_age_gender", embed=chosen.embed, models=words)
    before, started = time.process_time(), time.perf_counter()
    loaded = load_models(settings)
    took = time.perf_counter() - started
    return loaded, took, processor_s(loaded) - before


def opening_by(way: str, data: Path, chosen: argparse.Namespace) -> tuple[float, float]:
    """Wall and processor seconds of opening the models in one of the WAYS."""
    if way == "fork server there":
        known, _, _ = opened(data, chosen, isolated=True)
        used = server_s(known)
        known.close()
        loaded, clock, processor = opened(data, chosen, isolated=True)
        spent = clock, processor + server_s(loaded) - used
    elif way == "with its start":
        forked.server_of.cache_clear()
        loaded, clock, processor = opened(data, chosen, isolated=True)
        spent = clock, processor + server_s(loaded)
    else:
        with mock.patch.object(process, "forked", return_value=None):
            loaded, *both = opened(data, chosen, isolated=way == "started anew")
        spent = both[0], both[1]
    loaded.close()
    return spent


WAYS = ("fork server there", "with its start", "started anew", "not isolated")


def shown(values: Sequence[float]) -> str:
    """Median with quartiles."""
    low, middle, high = statistics.quantiles(values, n=4)
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--embed", default="mobileface_v2")
    parser.add_argument("--detect", default="yunet")
    chosen = parser.parse_args()
    cv2.setNumThreads(1)  # as in an audit
    data = Path(os.environ["FACEGAP_TEST_DATA"])
    table = read_manifest(data / "data" / "congress" / "members.csv")
    frame = table.frame.head(chosen.images)
    table = type(table)(**{**vars(table), "frame": frame})
    isolated, _, _ = opened(data, chosen, isolated=True)
    plain, _, _ = opened(data, chosen, isolated=False)
    plain, sessions = timed(plain)
    print(
        f"{device_name('cpu')}; {chosen.images} images, {chosen.workers} workers, {chosen.embed}, {chosen.turns} turns"
    )
    turns = [{way: opening_by(way, data, chosen) for way in WAYS} for _ in range(chosen.turns)]
    for way in WAYS:
        clocks, processors = zip(*(turn[way] for turn in turns), strict=True)
        print(f"opening, {way}: {shown(processors)} s of the processor, {shown(clocks)} s by the clock")
    once(isolated, table, chosen.workers), once(plain, table, chosen.workers)
    clock, processor, speeds, own = [], [], [], []
    reached: dict[str, list[float]] = {"isolated": [], "plain": []}
    for each in sessions.values():
        each.taken()
    for turn in range(chosen.turns):
        sides = [(isolated, "isolated"), (plain, "plain")]
        found = {name: once(loaded, table, chosen.workers) for loaded, name in (sides if turn % 2 else sides[::-1])}
        assert found["isolated"][2] == found["plain"][2], "the two sides differ"
        clock.append(found["isolated"][0] / found["plain"][0])
        processor.append(found["isolated"][1] / found["plain"][1])
        speeds.append(chosen.images / found["plain"][0])
        own.append([each.taken() for each in sessions.values()])
        for side in reached:
            reached[side].append(sum(own[-1]) / found[side][1])
    print(f"processor time, isolated / not isolated: {shown(processor)}")
    print(f"clock, isolated / not isolated: {shown(clock)}; not isolated {shown(speeds)} images/s")
    each_ms = " + ".join(
        f"{task} {statistics.median(spent) / chosen.images * 1e3:.2f}"
        for task, spent in zip(sessions, zip(*own, strict=True), strict=True)
    )
    whole = statistics.median(map(sum, own)) / chosen.images * 1e3
    print(f"limit, the models by themselves: {each_ms} = {whole:.2f} ms an image, {1e3 / whole:.1f} images/s and core")
    print(
        f"proportion reached in processor time: not isolated {shown(reached['plain'])}, isolated {shown(reached['isolated'])}"
    )
    isolated.close()


if __name__ == "__main__":
    main()
