"""GAPS of a run: one family per grouping, metric, model and threshold, specified by --by before the data were seen.

The families that form the primary family are tested together, each of the others separately; see `derive.primary`.
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
    Resampling,
    Trials,
    expected_groups,
    expected_labels,
    is_measured,
    label_probabilities,
    resampled_rates,
    resampling_of,
    uncertain_columns,
    units_of,
)
from facegap.derive.losses import loss_counts
from facegap.derive.margins import margin_of
from facegap.derive.metrics import FTA, lost_trials, metric_of
from facegap.derive.primary import primary_rows
from facegap.derive.results import groupings_of, model_of, run_metrics
from facegap.derive.units import subject_codes, units_of_run
from facegap.derive.weights import as_weighted
from facegap.statistics.anytime import Observed, observed_by_group
from facegap.statistics.clusters import clustered_rates, shared_subjects
from facegap.statistics.effective import RateColumns
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.gaps import gap_family, jointly_tested
from facegap.statistics.label_uncertainty.bounds import ExpectedLabels, label_bounds, wrong_at_most
from facegap.statistics.label_uncertainty.gaps import LabelColumns, WidenedGaps, concluded, widened_gaps
from facegap.statistics.losses import LossCounts, loss_columns
from facegap.statistics.until_decided import sequentially_tested
from facegap.store.record import RunRecord
from facegap.store.run import Run
from facegap.tables import GAPS, check
from facegap.types import AnyArray, BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Family:
    """The gaps between the known groups of one grouping for one metric, and the data used."""

    gaps: GapFamily
    groups: tuple[str, ...]
    rates: RateColumns
    correlation: FloatArray | None
    losses: LossCounts
    people: Mapping[str, Observed] | None = None  # of each group, if the run stops once its gaps are decided


@dataclass(frozen=True, eq=False)
class RunFamily:
    """One family of gaps of a run, before it is tested together with others.

    widen    : the effect of resampled labels on its gaps; None if labels are treated as certain
    expected : expected true groups of its trials by the label probabilities; None if these are unknown
    """

    grouping: Grouping
    family: Family
    widen: Callable[[GapFamily], WidenedGaps] | None = None
    expected: ExpectedLabels | None = None

    @property
    def gaps(self) -> GapFamily:
        """The gaps, each tested only within its own family."""
        return self.family.gaps


def gaps_table(record: RunRecord, run_families: Sequence[RunFamily]) -> pd.DataFrame:
    """GAPS: all pairs of groups of every family, in the given order."""
    primary = primary_rows(record, [(one.grouping, one.gaps) for one in run_families])
    together = [k for k, is_primary in enumerate(primary) if is_primary]
    rows = dict(zip(together, rows_together(record, [run_families[k] for k in together], is_primary=True), strict=True))
    for k, one in enumerate(run_families):
        if k not in rows:
            rows[k] = rows_together(record, [one], is_primary=False)[0]
    ordered = [row for k in range(len(run_families)) for row in rows[k]]
    return check(pd.DataFrame(ordered, columns=list(GAPS.columns)), GAPS, "gaps")


def rows_together(
    record: RunRecord, run_families: Sequence[RunFamily], *, is_primary: bool
) -> list[list[dict[str, Any]]]:
    """Rows of GAPS of families that are tested together, by family.

    If labels are uncertain in some of them, their p-values used for the others include that uncertainty.
    """
    families = jointly_tested([one.gaps for one in run_families], is_primary=is_primary)
    if is_primary and record.stopping is not None:  # such a run has no uncertain labels
        people = [one.family.people or {} for one in run_families]
        seen = sequentially_tested(families, people, tests=record.stopping.gaps)
        return [list(gap_rows(record, one, family)) for one, family in zip(run_families, seen, strict=True)]
    widened = [one.widen(family) if one.widen else None for one, family in zip(run_families, families, strict=True)]
    p = [family.columns.p if wide is None else wide.p for family, wide in zip(families, widened, strict=True)]
    beside = jointly_tested(families, p, is_primary=is_primary)
    return [
        list(
            gap_rows(record, one, other)
            if wide is None
            else gap_rows(record, one, family, concluded(family, wide, other.others))
        )
        for one, family, wide, other in zip(run_families, families, widened, beside, strict=True)
    ]


def image_gaps(run: Run) -> list[RunFamily]:
    """Every family of a metric of single images; groups with a missing label are excluded."""
    subjects, metrics = subject_codes(run.manifest), run_metrics(run)
    return [
        RunFamily(
            cells.grouping,
            family,
            noise.get(metric),
            None if resampling is None else expected_labels(resampling, metrics[metric][0]),
        )
        for cells, families in grouping_families(run, metrics, subjects)
        for resampling in [label_resampling(run, cells, subjects)]
        for noise in [{} if resampling is None else noise_of(run, resampling, families, metrics)]
        for metric, family in families.items()
    ]


def grouping_families(run: Run, metrics: Trials, subjects: IntArray) -> Iterator[tuple[Cells, dict[str, Family]]]:
    """For each grouping, its cells and its families by metric.

    A measured label exists only if a face was found, so such groups have no losses and fta has no gap.
    """
    units = units_of_run(run)
    for grouping in groupings_of(run)[1:]:
        cells = cells_of(run.manifest, grouping)
        compared = [metric for metric in metrics if not (metric == FTA.name and is_measured(run, grouping))]
        yield (
            cells,
            {metric: metric_family(run, metric, cells, *metrics[metric], subjects, units) for metric in compared},
        )


def label_resampling(run: Run, cells: Cells, subjects: IntArray) -> Resampling | None:
    """The resampling of the labels of a grouping.

    None if label uncertainty is unknown, or two columns are uncertain.
    """
    uncertain = uncertain_columns(run, cells.grouping)
    if len(uncertain) != 1 or run.labels is None:
        return None
    probabilities = label_probabilities(run.labels, run.manifest, uncertain[0], subjects)
    if probabilities is None:
        return None
    return resampling_of(probabilities, cells, units_of(cells, subjects, units_of_run(run)))


def noise_of(
    run: Run, resampling: Resampling, families: Mapping[str, Family], metrics: Trials
) -> dict[str, Callable[[GapFamily], WidenedGaps]]:
    """The effect of resampled labels of a grouping on its gaps, by metric."""
    stated = run.record.labels
    assert stated is not None
    return resampled_gaps(resampling, families, metrics, stated.draws, stated.seed, run.record.level)


def resampled_gaps(
    resampling: Resampling, families: Mapping[str, Family], metrics: Trials, draws: int, seed: int, level: float
) -> dict[str, Callable[[GapFamily], WidenedGaps]]:
    """Every family under resampled labels, by metric."""
    drawn = resampled_rates(resampling, {metric: metrics[metric] for metric in families}, draws, seed, level)
    return {
        metric: partial(
            widened_gaps,
            groups=family.groups,
            labelled=family.rates,
            drawn=drawn[metric],
            confusion=expected_groups(resampling, metrics[metric][0]),
            correlation=family.correlation,
        )
        for metric, family in families.items()
    }


def gap_rows(
    record: RunRecord, one: RunFamily, family: GapFamily, noise: LabelColumns | None = None
) -> Iterator[dict[str, Any]]:
    """Rows of GAPS of one family, with the effects of losses and, if known, of uncertain labels.

    family : the gaps of `one`, after the joint test
    """
    groups, rates = one.family.groups, one.family.rates
    lost = loss_columns(family, groups, rates, one.family.losses, by_person=one.family.people is not None)
    bound = bounded(record, one, family, family.columns.verdict if noise is None else noise.verdict)
    added = {f.name: getattr(part, f.name).tolist() for part in (lost, noise) if part for f in fields(part)} | bound
    for k, gap in enumerate(family.rows()):
        yield {**asdict(gap), **{name: column[k] for name, column in added.items()}}


def bounded(record: RunRecord, one: RunFamily, family: GapFamily, verdict: AnyArray) -> dict[str, list[Any]]:
    """The columns of GAPS on bounds for wrong labels; with --label-errors they include the verdict.

    A wrong label moves whole persons between groups, with their pairs. The effect on rates of pairs of two people is
    not bounded here, so a false match rate has no bound, and with --label-errors no verdict. The same holds for a rate
    with equal weights of people.
    """
    stated, rates = label_errors_of(record), one.family.rates
    trials = rates.trials.astype(np.float64)
    if stated is not None:
        wrong = stated * np.add.outer(trials, trials)
    elif one.expected is not None:
        wrong = wrong_at_most(one.expected)
    else:
        return {}
    if metric_of(family.metric).is_impostor or rates.by_person:
        wrong = np.full_like(wrong, np.nan)
    bound = label_bounds(family, one.family.groups, rates, wrong, verdict)
    names = [f.name for f in fields(bound) if stated is not None or f.name.startswith("label_")]
    return {name: getattr(bound, name).tolist() for name in names}


def label_errors_of(record: RunRecord) -> float | None:
    """The proportion of trials whose label may be wrong, from --label-errors; None without it."""
    stated = record.request.setting("groups", "label_errors")
    return None if stated is None else float(stated)


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
    found = as_weighted(found, run.record)
    correlation = shared_subjects(wrong, subjects if units is None else units, codes, len(groups))
    lost = lost_trials(run, metric_of(metric))
    margin = margin_of(run.record, metric)
    people = None
    if decides(run.record, metric):
        people = dict(zip(groups, observed_by_group(wrong, trials, subjects, codes, len(groups)), strict=True))
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
        effective_subjects=found.effective_subjects if people is None else None,
        rates=found.value,
        dominated_by=found.dominated_by,
    )
    losses = loss_counts(known_codes(cells, trials | lost), wrong, lost, len(groups))
    return Family(family, groups, found, correlation, losses, people)


def decides(record: RunRecord, metric: str) -> bool:
    """Whether a run stops once the gaps of this metric are decided, so that people have equal weights in them."""
    return record.stopping is not None and metric in record.stopping.metrics


def known_codes(cells: Cells, trials: BoolArray) -> IntArray:
    """Codes 0.. of the known groups, in their order; -1 for rows that are not trials or not in a known group."""
    position = np.cumsum(cells.known) - 1
    renumbered = np.where(cells.known, position, -1).astype(np.int64)
    return np.where(trials, renumbered[cells.codes], -1)
