"""What a process of its own costs: the same pictures through models behind walls and in this process, in turns.

    FACEGAP_TEST_DATA=... python benchmarks/bench_isolation.py

Within a turn the two sides take the same portraits through decoding, detector, embedder and classifier with the same number of
workers, in an order that alternates. Processor time is that of this process and of the processes of the models; on a
machine that does other work too it is steadier than the clock. Opening the models is timed apart. Both sides must give
the same rows and templates, byte for byte.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facegap.audit.models import Loaded, load_models
from facegap.audit.settings import AuditSettings, Models
from facegap.inputs.manifests.read import read_manifest
from facegap.runtime import device_name
from facegap.runtime.isolation.limits import spent_seconds
from facegap.vision.pipeline import run_parts


def processor_s(loaded: Loaded) -> float:
    """Processor time of this process and of the processes of the models."""
    stages = loaded.stages
    processes = [
        getattr(model.session, "_process", None)
        for model in (stages.detector, stages.embedder, stages.classifier)
        if model
    ]
    return time.process_time() + sum(spent_seconds(process.popen.pid) for process in processes if process is not None)


def once(loaded: Loaded, table: Any, workers: int) -> tuple[float, float, bytes]:
    """Seconds by the clock and of the processor for all images, and everything that came out but times."""
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


def opened(data: Path, embedder: str, workers: int, *, isolated: bool) -> tuple[Loaded, float, float]:
    """The models, and the seconds by the clock and of the processor that opening them took."""
    words = Models(models_dir=data / "models", workers=workers, no_isolation=not isolated)  # type: ignore[arg-type]
    before, started = time.process_time(), time.perf_counter()
    loaded = load_models(AuditSettings(classify="faceapi_age_gender", embed=embedder, models=words))
    took = time.perf_counter() - started
    return loaded, took, processor_s(loaded) - before


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
    chosen = parser.parse_args()
    data = Path(os.environ["FACEGAP_TEST_DATA"])
    table = read_manifest(data / "data" / "congress" / "members.csv")
    frame = table.frame.head(chosen.images)
    table = type(table)(**{**vars(table), "frame": frame})
    walls, walls_s, walls_cpu = opened(data, chosen.embed, chosen.workers, isolated=True)
    plain, plain_s, plain_cpu = opened(data, chosen.embed, chosen.workers, isolated=False)
    print(
        f"{device_name('cpu')}; {chosen.images} images, {chosen.workers} workers, {chosen.embed}, {chosen.turns} turns"
    )
    print(
        f"opening: {walls_s:.2f} s ({walls_cpu:.2f} s of the processor) behind walls, {plain_s:.2f} s ({plain_cpu:.2f} s) without"
    )
    once(walls, table, chosen.workers), once(plain, table, chosen.workers)
    clock, processor, speeds = [], [], []
    for turn in range(chosen.turns):
        sides = [(walls, "walls"), (plain, "plain")]
        found = {name: once(loaded, table, chosen.workers) for loaded, name in (sides if turn % 2 else sides[::-1])}
        assert found["walls"][2] == found["plain"][2], "the two sides differ"
        clock.append(found["walls"][0] / found["plain"][0])
        processor.append(found["walls"][1] / found["plain"][1])
        speeds.append(chosen.images / found["plain"][0])
    print(f"processor time, behind walls / without: {shown(processor)}")
    print(f"clock, behind walls / without: {shown(clock)}; without walls {shown(speeds)} images/s")
    walls.close()


if __name__ == "__main__":
    main()
