"""GAPS of a run: one family per grouping, metric, model and threshold, named by --by before anything was looked at.

The families that make up the primary family are tested together, each of the others by itself, see `derive.primary`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.groupings import Cells, Grouping, cells_of
from facegap.derive.label_uncertainty.rates import (
    Redraw,
    Trials,
    drawn_from,
    drawn_rates,
    expected_groups,
    is_measured,
    label_probabilities,
    uncertain_columns,
    units_of,
)
from facegap.derive.margins import margin_of
from facegap.derive.metrics import FTA
from facegap.derive.primary import primary_rows
from facegap.derive.results import groupings_of, model_of, run_metrics
from facegap.derive.units import subject_codes, units_of_run
from facegap.derive.weights import weighed
from facegap.statistics.clusters import clustered_rates, shared_subjects
from facegap.statistics.effective import RateColumns
from facegap.statistics.gaps import GapFamily, gap_family, judged_together
from facegap.statistics.label_uncertainty.gaps import LabelColumns, WidenedGaps, concluded, widened_gaps
from facegap.store.record import RunRecord
from facegap.store.run import Run
from facegap.tables import GAPS, check
from facegap.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Family:
    """The gaps between the known groups of one grouping for one metric, and what they were made of."""

    gaps: GapFamily
    groups: tuple[str, ...]
    rates: RateColumns
    correlation: FloatArray | None


@dataclass(frozen=True, eq=False)
class Looked:
    """One family of gaps that a run looks at, before it is tested together with others.

    widen : what drawn labels do to its gaps; None where labels are taken as certain
    """

    grouping: Grouping
    gaps: GapFamily
    widen: Callable[[GapFamily], WidenedGaps] | None = None


def gaps_table(record: RunRecord, looked: Sequence[Looked]) -> pd.DataFrame:
    """GAPS: all pairs of groups of every family, in the order given."""
    primary = primary_rows(record, [(one.grouping, one.gaps) for one in looked])
    together = [k for k, is_primary in enumerate(primary) if is_primary]
    rows = dict(zip(together, rows_together([looked[k] for k in together], is_primary=True), strict=True))
    for k, one in enumerate(looked):
        if k not in rows:
            rows[k] = rows_together([one], is_primary=False)[0]
    ordered = [row for k in range(len(looked)) for row in rows[k]]
    return check(pd.DataFrame(ordered, columns=list(GAPS.columns)), GAPS, "gaps")


def rows_together(looked: Sequence[Looked], *, is_primary: bool) -> list[list[dict[str, Any]]]:
    """Rows of GAPS of families that are tested together, by family.

    Where labels are uncertain in some of them, the others are tested beside p with that uncertainty counted in.
    """
    families = judged_together([one.gaps for one in looked], is_primary=is_primary)
    widened = [one.widen(family) if one.widen else None for one, family in zip(looked, families, strict=True)]
    p = [family.columns.p if wide is None else wide.p for family, wide in zip(families, widened, strict=True)]
    beside = judged_together(families, p, is_primary=is_primary)
    return [
        list(gap_rows(other, None) if wide is None else gap_rows(family, concluded(family, wide, other.others)))
        for family, wide, other in zip(families, widened, beside, strict=True)
    ]


def image_gaps(run: Run) -> list[Looked]:
    """Every family of a metric of single images; groups with a missing label are no groups of people."""
    subjects, metrics = subject_codes(run.manifest), run_metrics(run)
    return [
        Looked(cells.grouping, family.gaps, noise.get(metric))
        for cells, families in grouping_families(run, metrics, subjects)
        for noise in [noise_of(run, cells, families, metrics, subjects)]
        for metric, family in families.items()
    ]


def grouping_families(run: Run, metrics: Trials, subjects: IntArray) -> Iterator[tuple[Cells, dict[str, Family]]]:
    """Per grouping its cells and its families by metric.

    A measured label exists only where a face was found: among people with one nobody is lost, so fta has no gap there.
    """
    units = units_of_run(run)
    for grouping in groupings_of(run)[1:]:
        cells = cells_of(run.manifest, grouping)
        judged = [metric for metric in metrics if not (metric == FTA.name and is_measured(run, grouping))]
        yield (
            cells,
            {metric: metric_family(run, metric, cells, *metrics[metric], subjects, units) for metric in judged},
        )


def noise_of(
    run: Run, cells: Cells, families: Mapping[str, Family], metrics: Trials, subjects: IntArray
) -> dict[str, Callable[[GapFamily], WidenedGaps]]:
    """What drawing the labels of a grouping does to its gaps, by metric.

    Empty where it is unknown how sure labels are, and where two columns are uncertain.
    """
    uncertain = uncertain_columns(run, cells.grouping)
    if len(uncertain) != 1 or run.labels is None:
        return {}
    probabilities = label_probabilities(run.labels, run.manifest, uncertain[0], subjects)
    if probabilities is None:
        return {}
    stated = run.record.labels
    assert stated is not None
    redraw = drawn_from(probabilities, cells, units_of(cells, subjects, units_of_run(run)))
    return redrawn_gaps(redraw, families, metrics, stated.draws, stated.seed, run.record.level)


def redrawn_gaps(
    redraw: Redraw, families: Mapping[str, Family], metrics: Trials, draws: int, seed: int, level: float
) -> dict[str, Callable[[GapFamily], WidenedGaps]]:
    """Every family under drawn labels, by metric."""
    drawn = drawn_rates(redraw, {metric: metrics[metric] for metric in families}, draws, seed, level)
    return {
        metric: partial(
            widened_gaps,
            groups=family.groups,
            labelled=family.rates,
            drawn=drawn[metric],
            confusion=expected_groups(redraw, metrics[metric][0]),
            correlation=family.correlation,
        )
        for metric, family in families.items()
    }


def gap_rows(family: GapFamily, noise: LabelColumns | None) -> Iterator[dict[str, Any]]:
    """Rows of GAPS of one family, with what drawn labels do to them where that is known."""
    columns = {} if noise is None else {f.name: getattr(noise, f.name).tolist() for f in fields(noise)}
    for k, gap in enumerate(family.rows()):
        yield {**asdict(gap), **{name: column[k] for name, column in columns.items()}}


def metric_family(
    run: Run,
    metric: str,
    cells: Cells,
    trials: BoolArray,
    errors: BoolArray,
    subjects: IntArray,
    units: IntArray | None = None,
) -> Family:
    """The gaps between the known groups of one grouping, for one metric of single images."""
    codes = known_codes(cells, trials)
    groups = tuple(str(group) for group, known in zip(cells.groups, cells.known, strict=True) if known)
    wrong = errors & trials
    level = run.record.level
    found = clustered_rates(wrong, None, subjects, codes, n_cells=len(groups), level=level, units=units)
    found = weighed(found, run.record)
    correlation = shared_subjects(wrong, subjects if units is None else units, codes, len(groups))
    margin = margin_of(run.record, metric)
    family = gap_family(
        groups,
        found.errors,
        found.trials,
        found.subjects,
        found.effective_trials,
        margin=margin.size,
        scale=margin.scale,
        alpha=run.record.alpha,
        metric=metric,
        model=model_of(run, metric),
        family="*".join(cells.grouping),
        level=run.record.level,
        minimum_subjects=run.record.min_subjects,
        correlation=correlation,
        effective_subjects=found.effective_subjects,
        rates=found.value,
        dominated_by=found.dominated_by,
    )
    return Family(family, groups, found, correlation)


def known_codes(cells: Cells, trials: BoolArray) -> IntArray:
    """Codes 0.. of the known groups alone, in their order; -1 for rows that are no trial or of no known group."""
    position = np.cumsum(cells.known) - 1
    renumbered = np.where(cells.known, position, -1).astype(np.int64)
    return np.where(trials, renumbered[cells.codes], -1)
