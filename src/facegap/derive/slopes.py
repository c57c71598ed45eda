"""slopes.csv: change of each error rate along the columns of --slope, with a verdict on the change between two quantiles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons
from facegap.derive.margins import margin_of
from facegap.derive.population import Trials, trials_of
from facegap.derive.results import model_of
from facegap.derive.units import subject_codes, units_of_run
from facegap.statistics.slopes import Change, Slope, fitted_slope
from facegap.statistics.verdicts import BEYOND, UNKNOWN, WITHIN, holm, verdicts
from facegap.store.record import Margin
from facegap.store.run import Run
from facegap.types import FloatArray, IntArray

PER = 10.0  # the change is also stated per ten units: ten years, ten degrees
POINTS = 41  # of a band


def slope_columns(run: Run) -> tuple[str, ...]:
    """The columns of --slope."""
    return tuple(run.record.request.setting("groups", "slope") or ())


def values_of(manifest: pd.DataFrame, column: str) -> FloatArray:
    """The numbers of a column, float64 (rows,); NaN for none."""
    return np.asarray(pd.to_numeric(manifest[column], errors="coerce"), np.float64)


def along(run: Run, trials: Trials, column: str) -> tuple[Slope, int]:
    """The curve of one rate along a column, and the number of trials without a value; pairs use the mean of their images."""
    values = values_of(run.manifest, column)[trials.rows].mean(axis=1)
    known = np.isfinite(values)
    units = units_of_run(run)
    codes: IntArray = (subject_codes(run.manifest) if units is None else units)[trials.rows[:, 0]]
    return fitted_slope(trials.errors[known], values[known], codes[known]), int((~known).sum())


def slopes_table(run: Run, pairs: Comparisons | None) -> pd.DataFrame:
    """One row per column of --slope, metric and threshold; empty without --slope.

    from_value, to_value : the 10% and the 90% quantile of the column over the trials; rate_from, rate_to: the fitted rate there
    change, low, high    : rate_to - rate_from, with the interval at --level; ratio...: rate_to over rate_from
    change_per_10        : the change divided by the distance in tens of units (years, degrees)
    p, p_adjusted        : of no change; adjusted by Holm over the columns for one metric and threshold
    verdict, decided_... : on the change, or the ratio, by the margin of the metric, as for gaps
    without_value        : trials without a number in the column, which are excluded
    """
    columns = slope_columns(run)
    if not columns:
        return pd.DataFrame()
    return pd.DataFrame([row for trials in trials_of(run, pairs) for row in family_rows(run, trials, columns)])


def family_rows(run: Run, trials: Trials, columns: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """The curves of one rate along all columns, tested together."""
    found = [along(run, trials, column) for column in columns]
    margin = margin_of(run.record, trials.metric)
    changes = [slope.change(is_ratio=margin.is_ratio) if slope.is_defined else None for slope, _ in found]
    enough = [slope.units >= run.record.min_subjects for slope, _ in found]
    p = np.array([change.p if change and kept else np.nan for change, kept in zip(changes, enough, strict=True)])
    adjusted = holm(p)
    for k, column in enumerate(columns):
        slope, without = found[k]
        yield {
            "column": column,
            "metric": trials.metric,
            "model": model_of(run, trials.metric),
            "threshold": trials.threshold,
            "threshold_from": trials.threshold_from + trials.family,
            "errors": slope.errors,
            "trials": slope.trials,
            "units": slope.units,
            "without_value": without,
            "from_value": slope.from_value,
            "to_value": slope.to_value,
            "rate_from": slope.rate_from,
            "rate_to": slope.rate_to,
            **sizes(slope, run.record.level),
            "p": float(p[k]),
            "p_adjusted": float(adjusted[k]),
            "margin": margin.size,
            "scale": margin.scale,
            **change_verdict(changes[k], float(p[k]), float(adjusted[k]), margin, run.record.alpha, len(columns)),
        }


def sizes(slope: Slope, level: float) -> dict[str, float]:
    """The change on both scales, each with an interval."""
    names = ("change", "low", "high", "change_per_10", "ratio", "ratio_low", "ratio_high")
    if not slope.is_defined:
        return dict.fromkeys(names, np.nan)
    change, ratio = slope.change(is_ratio=False), slope.change(is_ratio=True)
    (low, high), (ratio_low, ratio_high) = change.interval(1 - level), ratio.interval(1 - level)
    per = change.value / (slope.to_value - slope.from_value) * PER if slope.to_value > slope.from_value else np.nan
    with np.errstate(over="ignore"):
        logs = np.exp([ratio.value, ratio_low, ratio_high]).tolist()
    return dict(zip(names, (change.value, max(low, -1.0), min(high, 1.0), per, *logs), strict=True))


def change_verdict(
    change: Change | None, p: float, adjusted: float, margin: Margin, alpha: float, tests: int
) -> dict[str, Any]:
    """The verdict on a change and the interval that determined it; not enough data without a test."""
    if change is None or np.isnan(p):
        return {
            "differs": False,
            "verdict": UNKNOWN,
            "decided_low": np.nan,
            "decided_high": np.nan,
            "decided_level": np.nan,
        }
    size = float(np.log(margin.size)) if margin.is_ratio else margin.size
    of_one = alpha / tests
    widest, narrow = change.interval(of_one), change.interval(2 * of_one)
    beyond = np.array([widest[0] > size or widest[1] < -size])
    within = np.array([narrow[0] > -size and narrow[1] < size])
    differs = bool(adjusted <= alpha)
    said = str(verdicts(beyond_margin=beyond, within_margin=within, differs=np.array([differs]))[0])
    step = of_one if p == 0 else alpha * p / adjusted
    tails = of_one if said == BEYOND else 2 * of_one if said == WITHIN else step
    low, high = change.interval(tails)
    if margin.is_ratio:
        with np.errstate(over="ignore"):
            low, high = float(np.exp(low)), float(np.exp(high))
    return {"differs": differs, "verdict": said, "decided_low": low, "decided_high": high, "decided_level": 1 - tails}


def slope_bands(run: Run, pairs: Comparisons | None) -> pd.DataFrame:
    """The fitted rate along each column with its band, for charts: column, metric, threshold, value, rate, low, high.

    From the smallest to the largest value of the trials; pointwise intervals at --level.
    """
    rows: list[pd.DataFrame] = []
    for trials in trials_of(run, pairs) if slope_columns(run) else ():
        for column in slope_columns(run):
            slope, _ = along(run, trials, column)
            if not slope.is_defined:
                continue
            values = values_of(run.manifest, column)[trials.rows].mean(axis=1)
            grid = np.linspace(np.nanmin(values), np.nanmax(values), POINTS)
            rate, low, high = slope.band(grid, level=run.record.level)
            rows.append(
                pd.DataFrame({"value": grid, "rate": rate, "low": low, "high": high}).assign(
                    column=column,
                    metric=trials.metric,
                    threshold=trials.threshold,
                    threshold_from=trials.threshold_from,
                )
            )
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame()
