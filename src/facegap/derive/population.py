"""Population rates and gaps: weighted by --weights, standardised by --shares.

They are separate tables because they estimate other quantities: rates.csv gives equal weight to the audited images.
Rates of impostor pairs are not weighted, because a pair of two people has no weight.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons, genuine_errors
from facegap.derive.groupings import Cells, attribute_columns, attribute_values, cells_of
from facegap.derive.identification import outcomes_of
from facegap.derive.margins import margin_of
from facegap.derive.metrics import FNMR, GFRR
from facegap.derive.results import groupings_of, model_of, run_metrics
from facegap.derive.units import subject_codes, units_of_run
from facegap.statistics.weighted import WeightedRates, weighted_gaps, weighted_rates
from facegap.store.record import RunRecord, SharesRecord
from facegap.store.run import Run
from facegap.types import BoolArray, FloatArray, IntArray

NO_CELL = -1


@dataclass(frozen=True, eq=False)
class Trials:
    """The trials of one metric at one threshold, each at one or two rows of the manifest.

    rows   : int64 (n, 1) for images and searches, (n, 2) for genuine pairs, whose two rows must be in the same group
    errors : bool (n,)
    family : appended to the name of the grouping; each rank of searches is a separate family
    """

    metric: str
    rows: IntArray
    errors: BoolArray
    threshold: float = float("nan")
    threshold_from: str = ""
    family: str = ""


@dataclass(frozen=True, eq=False)
class Population:
    """Population weights of the rows of the manifest. shares : None without --shares."""

    weights: FloatArray
    cells: IntArray
    shares: SharesRecord | None
    estimand: str


def weights_column(record: RunRecord) -> str | None:
    """The column of --weights."""
    stated = record.request.setting("groups", "weights")
    return None if stated is None else str(stated)


def weights_of_manifest(manifest: pd.DataFrame, column: str) -> FloatArray:
    """The weights of a column, float64 (rows,)."""
    return np.asarray(manifest[column].astype(np.float64), np.float64)


def estimand(weights: str | None, shares: SharesRecord | None) -> str:
    """Description of the population of weighted rates.

    Examples
    --------
    >>> estimand("w", None)
    'rates of the population represented by the weights in w'
    """
    if shares is None:
        return f"rates of the population represented by the weights in {weights}"
    within = f", images within a cell weighted by {weights}" if weights else ""
    return (
        f"rates of every group standardised to the given population by {' x '.join(shares.columns)} "
        f"({len(shares.cells)} cells){within}"
    )


def population_of(run: Run) -> Population | None:
    """The population of --weights and --shares; None without either."""
    column, shares = weights_column(run.record), run.record.shares
    if column is None and shares is None:
        return None
    rows = len(run.manifest)
    weights = np.ones(rows) if column is None else weights_of_manifest(run.manifest, column)
    cells = np.zeros(rows, np.int64)
    if shares is not None:
        place = {cell.labels: k for k, cell in enumerate(shares.cells)}
        labels = run.manifest[list(shares.columns)].astype(str).itertuples(index=False, name=None)
        cells = np.array([place.get(tuple(row), NO_CELL) for row in labels], np.int64)
    return Population(weights, cells, shares, estimand(column, shares))


def trials_of(run: Run, pairs: Comparisons | None) -> Iterator[Trials]:
    """All rates of images, genuine pairs and searches of a run."""
    for metric, (trials, errors) in run_metrics(run).items():
        rows = np.flatnonzero(trials)
        yield Trials(metric, rows[:, None], errors[rows])
    if pairs is not None:
        all_rows = np.ones(len(run.manifest), np.bool_)
        for point in run.record.operating:
            for rate in (FNMR, GFRR):
                chosen, wrong = genuine_errors(pairs, point.threshold, all_rows, generalised=rate.counts_lost)
                yield Trials(rate.name, pairs.genuine[chosen], wrong, point.threshold, point.source)
    if run.searched is not None:
        for found, trials, errors in outcomes_of(run, run.searched):
            rows, rank = np.flatnonzero(trials), "" if found.rank is None else f", rank {found.rank}"
            yield Trials(found.metric, rows[:, None], errors[rows], found.threshold, found.source, rank)


def population_tables(run: Run, pairs: Comparisons | None) -> dict[str, pd.DataFrame]:
    """weighted_rates.csv and weighted_gaps.csv of a run; none without --weights and --shares.

    weighted_rates : one row per metric and group with unweighted errors, trials, subjects and unweighted_value, and
                     weighted_value, low, high; `note` states why a group has none
    weighted_gaps  : one row per pair of groups with difference, ratio, p and interval of the two weighted rates; exploratory
    """
    population = population_of(run)
    if population is None:
        return {}
    subjects, units = subject_codes(run.manifest), units_of_run(run)
    rates: list[dict[str, Any]] = []
    gaps: list[dict[str, Any]] = []
    for trials in trials_of(run, pairs):
        for grouping in groupings_of(run):
            cells = cells_of(run.manifest, grouping)
            found = weighted(run, population, trials, cells, subjects, subjects if units is None else units)
            rates += rate_rows(run, population, trials, cells, found)
            gaps += gap_rows(run, population, trials, cells, found) if grouping else []
    tables = {"weighted_rates.csv": pd.DataFrame(rates), "weighted_gaps.csv": pd.DataFrame(gaps)}
    return {name: table for name, table in tables.items() if len(table)}


def weighted(
    run: Run, population: Population, trials: Trials, cells: Cells, subjects: IntArray, units: IntArray
) -> WeightedRates:
    """The rates of the groups of one grouping. A pair has the mean weight of its images and the cell of the first."""
    first, last = trials.rows[:, 0], trials.rows[:, -1]
    codes = np.where(cells.codes[first] == cells.codes[last], cells.codes[first], -1)
    place = population.cells[first]
    return weighted_rates(
        trials.errors,
        (population.weights[first] + population.weights[last]) / 2,
        units[first],
        np.where(place == NO_CELL, -1, codes),
        n_groups=len(cells.groups),
        subjects=subjects[first],
        cells=place,
        shares=None if population.shares is None else shares_of_groups(cells, population.shares),
        level=run.record.level,
    )


def shares_of_groups(cells: Cells, shares: SharesRecord) -> FloatArray:
    """Population proportion of each cell in each group, float64 [G, C]; rows sum to 1, or are NaN.

    If columns of --shares are also in the grouping, only the cells with the group's own labels count.
    """
    found = np.zeros((len(cells.groups), len(shares.cells)))
    for g, group in enumerate(cells.groups):
        own = dict(group.attributes)
        for c, cell in enumerate(shares.cells):
            fits = all(own.get(name, label) == label for name, label in zip(shares.columns, cell.labels, strict=True))
            found[g, c] = cell.share if fits else 0.0
    total = found.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(found, total, out=np.full_like(found, np.nan), where=total > 0), dtype=np.float64)


def rate_rows(
    run: Run, population: Population, trials: Trials, cells: Cells, found: WeightedRates
) -> Iterator[dict[str, Any]]:
    """Rows of weighted_rates.csv."""
    attributes = attribute_columns(groupings_of(run))
    for k, group in enumerate(cells.groups):
        counted = int(found.trials[k])
        yield {
            "metric": trials.metric,
            "model": model_of(run, trials.metric),
            "threshold": trials.threshold,
            "threshold_from": trials.threshold_from,
            **attribute_values(group, attributes),
            "errors": int(found.errors[k]),
            "trials": counted,
            "subjects": int(found.subjects[k]),
            "unweighted_value": found.errors[k] / counted if counted else np.nan,
            "weighted_value": found.value[k],
            "low": found.low[k],
            "high": found.high[k],
            "level": found.level,
            "effective_trials": found.effective_trials[k],
            "effective_units": found.effective_units[k],
            "note": note_of(found, k, population.shares),
            "estimand": population.estimand,
        }


def note_of(found: WeightedRates, group: int, shares: SharesRecord | None) -> str:
    """Why a group has no rate; empty if it has one."""
    if found.empty_cell[group] >= 0 and shares is not None:
        cell = " ".join(shares.cells[found.empty_cell[group]].labels)
        return f"no trial for {cell}, which is part of the population"
    return "no trial with a positive weight" if np.isnan(found.value[group]) else ""


def gap_rows(
    run: Run, population: Population, trials: Trials, cells: Cells, found: WeightedRates
) -> Iterator[dict[str, Any]]:
    """Rows of weighted_gaps.csv of one family."""
    record, margin = run.record, margin_of(run.record, trials.metric)
    known = [is_known and not np.isnan(value) for is_known, value in zip(cells.known, found.value, strict=True)]
    gaps = weighted_gaps(
        found,
        margin=margin.size,
        scale=margin.scale,
        alpha=record.alpha,
        minimum_subjects=record.min_subjects,
        known=known,
        is_primary=False,  # the primary family has unweighted rates; the run's alpha covers no other verdict
    )
    for k, (a, b) in enumerate(zip(gaps.first, gaps.second, strict=True)):
        sides = {
            f"{name}_{side}": value
            for side, place in (("a", a), ("b", b))
            for name, value in (
                ("group", str(cells.groups[place])),
                ("errors", int(found.errors[place])),
                ("trials", int(found.trials[place])),
                ("subjects", int(found.subjects[place])),
                ("weighted", found.value[place]),
            )
        }
        yield {
            "metric": trials.metric,
            "model": model_of(run, trials.metric),
            "threshold": trials.threshold,
            "threshold_from": trials.threshold_from,
            "family": "*".join(cells.grouping) + trials.family,
            **sides,
            **{
                name: getattr(gaps, name)[k]
                for name in (
                    "difference",
                    "difference_low",
                    "difference_high",
                    "ratio",
                    "ratio_low",
                    "ratio_high",
                    "p",
                    "p_adjusted",
                )
            },
            "margin": margin.size,
            "scale": margin.scale,
            "differs": bool(gaps.differs[k]),
            "verdict": str(gaps.verdict[k]),
            "decided_low": gaps.decided_low[k],
            "decided_high": gaps.decided_high[k],
            "decided_level": gaps.decided_level[k],
            "estimand": population.estimand,
        }
