"""The leaderboard of a suite as values for terminal, page and results.json."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facegap.compare.rows import Machine
from facegap.compare.shared_people import Together, together
from facegap.compare.speed import timing_of
from facegap.derive.groupings import Grouping
from facegap.derive.metrics import in_order, metric_of
from facegap.inputs.cards.graph import weights_precision
from facegap.inputs.cards.read import resolve_card
from facegap.inputs.cards.weights import models_folders, read_weights
from facegap.report.rows.gaps import GapRow, gap_rows, widest
from facegap.report.rows.rates import RateRow, rate_rows
from facegap.store.record.thresholds import Operating
from facegap.store.run import Run
from facegap.suite.ranks import POOLED, Difference, RankRange, differences_of_pairs, rank_ranges
from facegap.suite.settings import PlannedAudit, SetPlan
from facegap.types import Rate


@dataclass(frozen=True)
class ModelFacts:
    """Properties and time of a model; times are NaN if not measured.

    size_bytes     : of the weights; precision: of most of them
    commercial_use : as stated on the card
    ms, ms_p95     : milliseconds per face of the model alone, median and 95th percentile, over faces_timed
    """

    name: str
    size_bytes: int
    precision: str
    licence: str
    commercial_use: bool | Literal["unknown"]
    ms: float
    ms_p95: float
    faces_timed: int


@dataclass(frozen=True)
class Standing:
    """One model in one board.

    folder       : of its run, relative to the suite
    pooled       : its rate for all people
    worst        : its highest rate among sufficiently large groups of the board; None if there are none
    gap          : the widest gap between two of these groups; None without two
    pooled_ranks, worst_ranks : None if nothing can be ranked
    machine      : the machine that ran it
    threshold    : its own, with its origin; None for a metric without threshold
    """

    model: ModelFacts
    folder: Path
    pooled: Rate
    worst: RateRow | None
    gap: GapRow | None
    pooled_ranks: RankRange | None
    worst_ranks: RankRange | None
    machine: Machine
    threshold: Operating | None


@dataclass(frozen=True)
class Board:
    """The models of one task on one set, by one metric and one grouping; lowest pooled rate first.

    set_name, set_title : of the set
    targets     : the common target FMR of all thresholds; empty if thresholds were given, or if there are none
    differences : of every pair of models, pooled and for their worst groups
    alpha       : of all differences of this set and task together
    """

    set_name: str
    set_title: str
    task: str
    metric: str
    grouping: Grouping
    targets: tuple[float, ...]
    images: int
    people: int
    standings: tuple[Standing, ...]
    differences: tuple[Difference, ...]
    alpha: float

    @property
    def family(self) -> str:
        """The grouping as in the tables of runs."""
        return "*".join(self.grouping)

    @property
    def ranked(self) -> bool:
        """Whether there is more than one model."""
        return len(self.standings) > 1

    def between(self, grouping: str) -> list[Difference]:
        """The differences for all people (POOLED) or for the worst groups (`family`)."""
        return [one for one in self.differences if one.grouping == grouping]


def boards_of(one: SetPlan, runs: Mapping[str, Run], *, seed: int = 0) -> list[Board]:
    """The boards of one set, by task, metric and grouping. runs : by folder name"""
    found = []
    for task in ("classify", "embed"):
        audits = [each for each in one.audits if each.task == task]
        if audits:
            found += boards_of_task(one, audits, [runs[each.name] for each in audits], seed=seed)
    return found


def boards_of_task(one: SetPlan, audits: Sequence[PlannedAudit], runs: Sequence[Run], *, seed: int) -> list[Board]:
    """The boards of the models of one task on one set."""
    labels = [each.name for each in audits]
    shared = together(runs, labels)
    rates = [rate_rows(run) for run in runs]
    gaps = [gap_rows(run) for run in runs]
    metrics = shared_metrics(rates, audits[0].task)
    groupings = list(runs[0].record.groupings)
    alpha, least = runs[0].record.alpha, runs[0].record.min_subjects
    differences = differences_of_pairs(shared, metrics, groupings, alpha=alpha, min_subjects=least, seed=seed)
    facts = [facts_of(each, run) for each, run in zip(audits, runs, strict=True)]
    return [
        board(one, audits, shared, facts, rates, gaps, metric, grouping, differences)
        for metric in metrics
        for grouping in groupings
    ]


def shared_metrics(rates: Sequence[Sequence[RateRow]], task: str) -> list[str]:
    """The metrics for ranking: the errors used in findings, if all models have trials."""
    counted = [{row.metric for row in of_run if row.rate.trials} for of_run in rates]
    found = in_order(set.intersection(*counted))
    of_task = [metric for metric in found if metric.task == task]
    return [metric.name for metric in of_task if metric.is_headline] or [metric.name for metric in of_task[:1]]


def board(
    one: SetPlan,
    audits: Sequence[PlannedAudit],
    shared: Together,
    facts: Sequence[ModelFacts],
    rates: Sequence[Sequence[RateRow]],
    gaps: Sequence[Sequence[GapRow]],
    metric: str,
    grouping: Grouping,
    differences: Sequence[Difference],
) -> Board:
    """One board."""
    family = "*".join(grouping)
    own = [each for each in differences if each.metric == metric]
    pooled, worst = (
        rank_ranges(shared.labels, [each for each in own if each.grouping == name]) for name in (POOLED, family)
    )
    points = [first_threshold(run, metric) for run in shared.runs]
    standings = [
        Standing(
            facts[k],
            each.settings.output.folder or Path(),
            next(row.rate for row in at_first(rates[k], metric) if not row.grouping),
            worst_of(at_first(rates[k], metric), grouping),
            gap_of(gaps[k], metric, family),
            pooled.get(each.name),
            worst.get(each.name),
            machine_of(shared.runs[k]),
            points[k],
        )
        for k, each in enumerate(audits)
    ]
    return Board(
        one.name,
        one.title,
        audits[0].task,
        metric,
        grouping,
        common_targets(points),
        len(shared.manifest),
        int(shared.manifest["subject"].nunique()),
        tuple(sorted(standings, key=lambda standing: (math.isnan(standing.pooled.value), standing.pooled.value))),
        tuple(each for each in own if each.grouping in (POOLED, family)),
        shared.runs[0].record.alpha,
    )


def first_threshold(run: Run, metric: str) -> Operating | None:
    """The threshold of a metric on a board; None for a metric without threshold."""
    points = run.record.operating if metric_of(metric).task == "embed" else ()
    return points[0] if points else None


def common_targets(points: Sequence[Operating | None]) -> tuple[float, ...]:
    """The common target FMR of all these thresholds."""
    targets = [() if point is None else point.targets for point in points]
    return tuple(target for target in targets[0] if all(target in others for others in targets))


def at_first(rows: Sequence[RateRow], metric: str) -> list[RateRow]:
    """The rows of a metric at the first threshold that has any."""
    of_metric = [row for row in rows if row.metric == metric]
    return [row for row in of_metric if math.isnan(of_metric[0].threshold) or row.threshold == of_metric[0].threshold]


def worst_of(rows: Sequence[RateRow], grouping: Grouping) -> RateRow | None:
    """The highest rate among the labelled and sufficiently large groups of a grouping."""
    found = [row for row in rows if row.grouping == grouping and row.reliable and row.labelled and row.rate.trials]
    return max(found, key=lambda row: row.rate.value, default=None)


def gap_of(rows: Sequence[GapRow], metric: str, family: str) -> GapRow | None:
    """The widest gap of a grouping at the first threshold."""
    of_metric = [row for row in rows if row.metric == metric and row.family == family]
    first = [row for row in of_metric if math.isnan(row.threshold) or row.threshold == of_metric[0].threshold]
    return widest(first) if first else None


def facts_of(audit: PlannedAudit, run: Run) -> ModelFacts:
    """What the card says of a model, the properties of its file, and its measured time."""
    card, given = resolve_card(audit.model, audit.task)
    content = read_weights(card, models_folders(audit.settings.models.models_dir), given)
    timing = timing_of(run, audit.task)
    return ModelFacts(
        audit.name,
        len(content),
        weights_precision(content),
        card.licence,
        card.commercial_use,
        timing["ms_per_face"],
        timing["ms_per_face_p95"],
        timing["faces_timed"],
    )


def machine_of(run: Run) -> Machine:
    """The machine of a run."""
    used = run.record.execution
    return Machine(used.device_name, used.threads, used.workers, used.batch)
