"""alarms.csv: false alarms of a watchlist per hour of video of people who are not on it."""

from __future__ import annotations

import numpy as np
import pandas as pd

from facegap.derive.groupings import attribute_columns, attribute_values, cells_of
from facegap.derive.identification import group_rates, outcomes_of
from facegap.derive.metrics import FPIR
from facegap.derive.results import groupings_of, model_of
from facegap.derive.units import subject_codes, units_of_run
from facegap.store.pooled import Pooled, template_codes
from facegap.store.run import Run
from facegap.tables import ALARMS, check
from facegap.types import FloatArray

SECONDS_PER_HOUR = 3600.0


def alarms_table(run: Run) -> pd.DataFrame:
    """Alarms per person-hour at every search threshold, for all subjects and each group; empty without videos or searches.

    An alarm is a false positive of FPIR: a non-mated search with a candidate at or above the threshold. Person-hours
    are the duration of the videos of the templates searched for, see `seconds_of`; templates without a video are
    excluded. value = alarms / person-hours; low and high are those of FPIR times searches / person-hours.
    """
    if run.pooled is None or run.pooled.frames is None or run.searched is None:
        return pd.DataFrame()
    seconds = seconds_of(run.pooled, float(run.record.request.setting("faces", "frames_per_second") or 1.0))
    attributes, subjects, units = attribute_columns(groupings_of(run)), subject_codes(run.manifest), units_of_run(run)
    rows = []
    for point, trials, errors in outcomes_of(run, run.searched):
        if point.metric != FPIR.name:
            continue
        filmed = trials & (seconds > 0)
        for grouping in groupings_of(run):
            cells = cells_of(run.manifest, grouping)
            rates = group_rates(cells, filmed, errors & filmed, subjects, run.record.level, units)
            for k, (group, rate) in enumerate(zip(cells.groups, rates, strict=True)):
                hours = float(seconds[filmed & (cells.codes == k)].sum()) / SECONDS_PER_HOUR
                per_hour = rate.trials / hours if hours else np.nan
                rows.append(
                    {
                        "model": model_of(run, FPIR.name),
                        "threshold": point.threshold,
                        "threshold_from": point.source,
                        **attribute_values(group, attributes),
                        "alarms": rate.errors,
                        "searches": rate.trials,
                        "subjects": rate.subjects,
                        "person_hours": hours,
                        "value": rate.errors / hours if hours else np.nan,
                        "low": rate.low * per_hour,
                        "high": rate.high * per_hour,
                        "level": rate.level,
                        "method": rate.method,
                    }
                )
    return check(pd.DataFrame(rows), ALARMS, "alarms") if rows else pd.DataFrame()


def seconds_of(pooled: Pooled, frames_per_second: float) -> FloatArray:
    """Duration of the sampled videos of each template, in seconds, float64 (templates,).

    A video counts up to its last sampled frame, plus the time represented by this frame, 1 / frames_per_second.
    """
    codes, first = template_codes(pooled.manifest)
    seconds = np.zeros(len(first))
    assert pooled.frames is not None
    last = pooled.frames.groupby("row")["time_s"].max()
    np.add.at(seconds, codes[last.index.to_numpy(np.int64)], last.to_numpy(np.float64) + 1 / frames_per_second)
    return seconds
