"""The result tables of a run from its stored rows: RATES, GAPS and the errors of age."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.groupings import Cells, Grouping, attribute_columns, attribute_values, cells_of
from facegap.derive.metrics import AGE_ERROR_OVER_5, counts_of, metric_of, metrics_of
from facegap.derive.outcomes import TrialsAndErrors, age_errors, says_age
from facegap.derive.units import subject_codes, units_of_run
from facegap.statistics.clusters import clustered_rates
from facegap.statistics.means import clustered_mean
from facegap.store.run import Run
from facegap.tables import RATES, SAMPLE, check
from facegap.types import BoolArray, FloatArray, Group, IntArray, Rate


def groupings_of(run: Run) -> list[Grouping]:
    """The groupings of a run: all subjects first, then those of --by."""
    return [(), *run.record.groupings]


def model_of(run: Run, metric: str) -> str:
    """Name of the model evaluated by a metric."""
    return run.record.models[metric_of(metric).task]


def run_metrics(run: Run) -> dict[str, TrialsAndErrors]:
    """Trials and errors of every metric of single images with trials in a run, in the order of METRICS."""
    counted = {metric.name: counts_of(run, metric) for metric in metrics_of(run)}
    return {name: found for name, found in counted.items() if found is not None}


def rates_table(run: Run) -> pd.DataFrame:
    """RATES: every metric for all subjects and for every cell of every grouping, in that order."""
    attributes = attribute_columns(groupings_of(run))
    metrics = run_metrics(run)
    subjects, units = subject_codes(run.manifest), units_of_run(run)
    rows = [
        row
        for grouping in groupings_of(run)
        for cells in [cells_of(run.manifest, grouping)]
        for metric, (trials, errors) in metrics.items()
        for row in metric_rows(run, metric, cells, attributes, trials, errors, subjects, units)
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
    units: IntArray | None = None,
) -> list[dict[str, Any]]:
    """One row of RATES per cell of a grouping. units : (rows,), see `units_of_run`."""
    codes = np.where(trials, cells.codes, -1)
    level = run.record.level
    found = clustered_rates(errors & trials, None, subjects, codes, n_cells=len(cells.groups), level=level, units=units)
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
    """One row of RATES; with `other`, a cell of the cross-group matrix."""
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
        "units": rate.units,
        "effective_subjects": rate.effective_subjects,
        "largest_share": rate.largest_share,
        "per_person": rate.per_person,
        "per_person_trials": rate.per_person_trials,
        "per_person_low": rate.per_person_low,
        "per_person_high": rate.per_person_high,
        "dominated_by": rate.dominated_by,
        "weighs": "people" if rate.by_person else "trials" if math.isnan(rate.estimate) else SAMPLE,
        "effective_trials": rate.effective_trials,
        "value": rate.value,
        "low": rate.low,
        "high": rate.high,
        "level": rate.level,
        "method": rate.method,
    }


def age_table(run: Run) -> pd.DataFrame:
    """Mean absolute error of age, in years, by group; an empty frame if no age was both predicted and labelled."""
    if not says_age(run):
        return pd.DataFrame()
    distance = age_errors(run.predictions, run.manifest)
    subjects, attributes = subject_codes(run.manifest), attribute_columns(groupings_of(run))
    units = units_of_run(run)
    return pd.DataFrame(
        [
            age_row(run, attribute_values(group, attributes), distance, subjects, cells.codes == k, units)
            for grouping in groupings_of(run)
            for cells in [cells_of(run.manifest, grouping)]
            for k, group in enumerate(cells.groups)
        ]
    )


def age_row(
    run: Run,
    attributes: dict[str, str],
    distance: FloatArray,
    subjects: IntArray,
    inside: BoolArray,
    units: IntArray | None = None,
) -> dict[str, Any]:
    """One group's mean absolute error of age."""
    counted_here = inside & np.isfinite(distance)
    varying = subjects if units is None else units
    found = clustered_mean(distance[counted_here], varying[counted_here], level=run.record.level)
    return {
        "model": model_of(run, AGE_ERROR_OVER_5.name),
        **attributes,
        "trials": found.trials,
        "subjects": len(np.unique(subjects[counted_here])),
        "mean_absolute_error_years": found.value,
        "low": found.low,
        "high": found.high,
        "level": found.level,
    }
