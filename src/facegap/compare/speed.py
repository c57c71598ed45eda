"""Time per face of each model, and the error of its worst group."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from facegap.compare.shared_people import Together
from facegap.derive.metrics import metric_of
from facegap.store.record import StageTime
from facegap.store.run import Run
from facegap.types import Execution

WAY = ("decode", "detect", "crop")  # steps before the evaluated model
NOT_TIMED = StageTime(0, None, None)


def speed_table(runs: Together, sides: pd.DataFrame) -> pd.DataFrame:
    """One row per run, metric, threshold and grouping: milliseconds per face and the worst ranked group.

    ms_per_face       : median of the evaluated model alone over the faces of the run; NaN if not measured
    ms_per_face_p95   : 95th percentile
    ms_whole_way      : including the medians of reading, detection and cropping
    The highest of several rates is high partly by chance; its interval does not account for this.
    """
    ranked = sides[sides["ranked"] & (sides["trials"] > 0) & (sides["family"] != "")]
    found = []
    for (label, metric, _, _), rows in ranked.groupby(
        ["run", "metric", "threshold", "family"], sort=False, dropna=False
    ):
        worst = rows.iloc[int(rows["value"].argmax())]
        run = runs.runs[runs.labels.index(str(label))]
        found.append(
            {
                **{key: worst[key] for key in ("run", "model", "metric", "threshold", "family")},
                **timing_of(run, metric_of(str(metric)).task),
                "worst_group": worst["group"],
                **{key: worst[key] for key in ("errors", "trials", "subjects", "value", "low", "high")},
            }
        )
    return pd.DataFrame(found)


def timing_of(run: Run, task: str) -> dict[str, Any]:
    """The timing of one model in a run, and the machine."""
    spent, used = run.record.timing.per_image, run.record.execution
    name = next((name for of, name in run.record.models.items() if of == task), "")
    own = spent.get(task, NOT_TIMED)
    way = [spent.get(stage, NOT_TIMED).median_ms for stage in (*WAY, task)]
    known = [median for median in way if median is not None]
    return {
        "faces_timed": own.images,
        "ms_per_face": math.nan if own.median_ms is None else own.median_ms,
        "ms_per_face_p95": math.nan if own.p95_ms is None else own.p95_ms,
        "ms_whole_way": sum(known) if len(known) == len(way) else math.nan,
        "size_bytes": used.sizes.get(name, 0),
        "precision": precision_of(used, name),
        "device": used.device_name,
        "threads": used.threads,
        "workers": used.workers,
        "batch": used.batch,
    }


def precision_of(used: Execution, name: str) -> str:
    """The precision of a model's file; for a model that is no variant, the precision of the provider."""
    made = used.variants.get(name)
    return used.precision.partition(";")[0] if made is None else made.precision
