"""The result tables of a run, from its stored rows alone: RATES, GAPS and the errors of age."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.groupings import Cells, Grouping, attribute_columns, attribute_values, cells_of
from facegap.derive.outcomes import age_errors, counted
from facegap.statistics.clusters import clustered_rates
from facegap.statistics.means import clustered_mean
from facegap.store.record import Task
from facegap.store.run import Run
from facegap.tables import RATES, check
from facegap.types import BoolArray, FloatArray, Group, IntArray, Rate

TASK_OF_METRIC: dict[str, Task] = {
    "fta": "detect",
    "no_answer_rate": "classify",
    "error_rate_answered": "classify",
    "error_rate_all": "classify",
    "age_error_over_5": "classify",
    "age": "classify",
}


def subject_codes(manifest: pd.DataFrame) -> IntArray:
    """One code per person, int64 (rows,)."""
    return np.asarray(pd.factorize(manifest["subject"])[0], np.int64)


def groupings_of(run: Run) -> list[Grouping]:
    """The groupings of a run: everybody first, then those of --by."""
    return [(), *run.record.groupings]


def model_of(run: Run, metric: str) -> str:
    """Name of the model that a metric judges: rates of comparisons judge the embedder."""
    models = run.record.models
    return models[TASK_OF_METRIC.get(metric, "embed")]


def run_metrics(run: Run) -> dict[str, tuple[BoolArray, BoolArray]]:
    """Trials and errors of every metric of a run; see `counted`."""
    return counted(
        run.faces,
        run.predictions,
        age_errors(run.predictions, run.manifest),
        detected="detect" in run.record.models,
        says_gender=bool(run.record.classes),
        says_age=run.record.says_age and "age" in run.manifest.columns,
    )


def rates_table(run: Run) -> pd.DataFrame:
    """RATES: every metric for everybody and for every cell of every grouping, in that order."""
    attributes = attribute_columns(groupings_of(run))
    metrics = run_metrics(run)
    subjects = subject_codes(run.manifest)
    rows = [
        row
        for grouping in groupings_of(run)
        for cells in [cells_of(run.manifest, grouping)]
        for metric, (trials, errors) in metrics.items()
        for row in metric_rows(run, metric, cells, attributes, trials, errors, subjects)
    ]
    columns = list(rate_row("", "", Group(()), attributes, Rate(0, 0)))  # a run may have no rates of single images
    return check(pd.DataFrame(rows, columns=columns), RATES, "rates")


def metric_rows(
    run: Run,
    metric: str,
    cells: Cells,
    attributes: Sequence[str],
    trials: BoolArray,
    errors: BoolArray,
    subjects: IntArray,
) -> list[dict[str, Any]]:
    """One row of RATES per cell of a grouping."""
    codes = np.where(trials, cells.codes, -1)
    level = run.record.level
    found = clustered_rates(errors & trials, None, subjects, codes, n_cells=len(cells.groups), level=level)
    return [
        rate_row(metric, model_of(run, metric), group, attributes, rate)
        for group, rate in zip(cells.groups, found.rows(), strict=True)
    ]


def rate_row(
    metric: str,
    model: str,
    group: Group,
    attributes: Sequence[str],
    rate: Rate,
    threshold: float = math.nan,
    threshold_from: str = "",
    other: Group | None = None,
) -> dict[str, Any]:
    """One row of RATES; `other` makes it a cell of the cross-group matrix."""
    across = dict.fromkeys(attributes, "") if other is None else attribute_values(other, attributes)
    return {
        "metric": metric,
        "model": model,
        "threshold": threshold,
        "threshold_from": threshold_from,
        **attribute_values(group, attributes),
        **{f"other_{name}": value for name, value in across.items()},
        "errors": rate.errors,
        "trials": rate.trials,
        "subjects": rate.subjects,
        "effective_trials": rate.effective_trials,
        "value": rate.value,
        "low": rate.low,
        "high": rate.high,
        "level": rate.level,
        "method": rate.method,
    }


def age_table(run: Run) -> pd.DataFrame:
    """Mean absolute error of age, in years, by group; an empty frame where no age was both predicted and labelled."""
    if not run.record.says_age or "age" not in run.manifest.columns:
        return pd.DataFrame()
    distance = age_errors(run.predictions, run.manifest)
    subjects, attributes = subject_codes(run.manifest), attribute_columns(groupings_of(run))
    return pd.DataFrame(
        [
            age_row(run, attribute_values(group, attributes), distance, subjects, cells.codes == k)
            for grouping in groupings_of(run)
            for cells in [cells_of(run.manifest, grouping)]
            for k, group in enumerate(cells.groups)
        ]
    )


def age_row(
    run: Run, attributes: dict[str, str], distance: FloatArray, subjects: IntArray, inside: BoolArray
) -> dict[str, Any]:
    """One group's mean absolute error of age."""
    counted_here = inside & np.isfinite(distance)
    found = clustered_mean(distance[counted_here], subjects[counted_here], level=run.record.level)
    return {
        "model": model_of(run, "age"),
        **attributes,
        "trials": found.trials,
        "subjects": found.subjects,
        "mean_absolute_error_years": found.value,
        "low": found.low,
        "high": found.high,
        "level": found.level,
    }
