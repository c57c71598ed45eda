"""The estimates of one analysis: groups against a reference, with covariates, for every metric."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from facegap.derive.balanced.covariates import Covariate
from facegap.derive.balanced.overadjustment import reason
from facegap.derive.balanced.rows import Row, verdict_of
from facegap.derive.balanced.trials import GroupTrials, trials_by_group
from facegap.derive.comparisons import Comparisons
from facegap.derive.groupings import Cells
from facegap.derive.margins import margin_of
from facegap.derive.metrics import Metric
from facegap.derive.results import model_of
from facegap.statistics.covariates.balancing import Trials, balanced_gap
from facegap.statistics.covariates.cells import PARTS, InCells, cell_gap
from facegap.statistics.covariates.decomposition import split_gap
from facegap.statistics.covariates.within import within_change
from facegap.store.record import Operating
from facegap.store.run import Run
from facegap.types import BoolArray, FloatArray, IntArray

MOST_NAMED = 1  # cells without overlap
RESAMPLED, LINEARISED, JACKKNIFE = (
    "resampled sampling units",
    "sampling units deleted in turn",
    "people deleted in turn",
)
Side = tuple[
    GroupTrials, FloatArray, IntArray
]  # of a comparison: trials, columns of covariates, the covariate of each column


@dataclass(frozen=True)
class Choices:
    """The request: a grouping, covariates to balance and to analyse within people, a reference group, one metric."""

    by: str | None = None
    covariates: tuple[str, ...] = ()
    covariates_file: Path | None = None
    within: tuple[str, ...] = ()
    reliability: tuple[str, ...] = ()
    metric: str | None = None
    reference: str | None = None
    allow_overadjustment: bool = False
    replicates: int = 1000
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Work:
    """One analysis: groups against a reference, with covariates; `rows` computes it for a metric."""

    run: Run
    cells: Cells
    reference: int
    groups: tuple[int, ...]
    balanced: tuple[Covariate, ...]
    followed: tuple[Covariate, ...]
    verdict_level: float
    choices: Choices
    overadjusted: bool
    pairs: Comparisons | None

    def rows(self, metric: Metric, advance: Callable[[], None]) -> Iterator[Row]:
        """Return all estimates for a metric. advance : called after each group"""
        rng = np.random.default_rng([self.choices.seed, metric.order])
        trials, point = trials_by_group(self.run, metric, self.cells, self.pairs, rng)
        for k in self.groups:
            yield from self.comparison(metric, point, trials[k], trials[self.reference], k, rng)
            advance()
        if not metric.is_impostor:
            yield from self.within(metric, point, trials)

    def comparison(
        self,
        metric: Metric,
        point: Operating | None,
        group: GroupTrials,
        reference: GroupTrials,
        number: int,
        rng: np.random.Generator,
    ) -> Iterator[Row]:
        """Return the unadjusted gap, the gap after each covariate and after all, and the regression."""
        sides = [measured(side, self.balanced) for side in (group, reference)]
        start = self.base(metric, point, sides, (group, reference), number)
        trials, owners = joined(*(side for side, _, _ in sides)), sides[0][2]
        columns = np.concatenate([columns for _, columns, _ in sides])
        names = tuple(one.name for one in self.balanced)
        level = self.run.record.level
        yield self.step(start, trials, columns[:, :0], (), level, rng)
        for k, name in enumerate(names if len(names) > 1 else ()):
            yield self.step(start, trials, columns[:, owners == k], (name,), level, rng)
        last = self.step(start, trials, columns, names, self.verdict_level, rng)
        effective = (last.effective_subjects, last.reference_effective_subjects)
        verdict = verdict_of(
            last.gap,
            last.low,
            last.high,
            effective,
            scale=last.scale,
            margin=last.margin,
            least=self.run.record.min_subjects,
        )
        yield replace(last, verdict=verdict)
        yield from self.regression(start, trials, columns, owners, names, rng)
        if names and not metric.is_impostor:
            yield self.in_cells(start, trials, columns, names, np.random.default_rng([self.choices.seed, number, 1]))

    def base(
        self,
        metric: Metric,
        point: Operating | None,
        sides: Sequence[Side],
        whole: Sequence[GroupTrials],
        number: int,
    ) -> Row:
        """Return the values common to all rows of a comparison."""
        (one, _, _), (other, _, _) = sides
        left_out = [
            round(float(full.weights.sum() - part.weights.sum()))
            for full, (part, _, _) in zip(whole, sides, strict=True)
        ]
        margin = margin_of(self.run.record, metric.name)
        return Row(
            metric=metric.name,
            model=model_of(self.run, metric.name),
            threshold=np.nan if point is None else point.threshold,
            threshold_from="" if point is None else point.source,
            estimate="raw",
            covariates=(),
            group=str(self.cells.groups[number]),
            reference=str(self.cells.groups[self.reference]),
            errors=int(one.errors.sum()),
            trials=one.trials - left_out[0],
            subjects=len(np.unique(one.subjects)),
            reference_errors=int(other.errors.sum()),
            reference_trials=other.trials - left_out[1],
            reference_subjects=len(np.unique(other.subjects)),
            without_covariates=left_out[0],
            reference_without_covariates=left_out[1],
            scale=margin.scale,
            gap=np.nan,
            low=np.nan,
            high=np.nan,
            level=self.run.record.level,
            margin=margin.size,
            reason=unmeasured_errors(whole, sides),
            interval_from=LINEARISED if one.units.shape[1] == 2 else RESAMPLED,
            replicates=0 if one.units.shape[1] == 2 else self.choices.replicates,
            seed=self.choices.seed,
        )

    def step(
        self,
        start: Row,
        trials: Trials,
        columns: FloatArray,
        covariates: tuple[str, ...],
        level: float,
        rng: np.random.Generator,
    ) -> Row:
        """Return the gap after balancing some covariates."""
        found = balanced_gap(
            trials, columns, scale=start.scale, level=level, replicates=self.choices.replicates, rng=rng
        )
        if start.reason:  # trials with covariates would be mistaken for all trials
            found = replace(found, gap=np.nan, low=np.nan, high=np.nan, reason=start.reason)
        lost = [float(trials.weights[~found.comparable & (trials.in_group == side)].sum()) for side in (True, False)]
        return replace(
            start,
            estimate="balanced" if covariates else "raw",
            covariates=covariates,
            not_comparable=round(lost[0]),
            reference_not_comparable=round(lost[1]),
            effective_subjects=found.effective,
            reference_effective_subjects=found.reference_effective,
            overlap=found.overlap,
            rate=found.rate,
            reference_rate=found.reference_rate,
            gap=found.gap,
            low=found.low,
            high=found.high,
            level=level,
            reason=found.reason,
            attenuated=self.is_noisy(covariates),
            overadjusted=self.is_overadjusted(covariates),
        )

    def in_cells(
        self, start: Row, trials: Trials, columns: FloatArray, names: tuple[str, ...], rng: np.random.Generator
    ) -> Row:
        """Return the gap after balancing joint cells of all covariates: a check, without a verdict."""
        if columns.shape[1] != len(names):  # for a pair of images, cells use only the means of its covariates
            columns = (columns[:, 0::3] + columns[:, 1::3]) / 2
        found = cell_gap(
            trials, columns, scale=start.scale, level=start.level, replicates=self.choices.replicates, rng=rng
        )
        if start.reason:
            found = replace(found, gap=np.nan, low=np.nan, high=np.nan, reason=start.reason)
        lost = [float(trials.weights[~found.comparable & (trials.in_group == side)].sum()) for side in (True, False)]
        return replace(
            start,
            estimate="balanced in cells",
            covariates=names,
            not_comparable=round(lost[0]),
            reference_not_comparable=round(lost[1]),
            effective_subjects=found.effective,
            reference_effective_subjects=found.reference_effective,
            rate=found.rate,
            reference_rate=found.reference_rate,
            gap=found.gap,
            low=found.low,
            high=found.high,
            reason=found.reason or alone_text(found, names),
            attenuated=self.is_noisy(names),
            overadjusted=self.is_overadjusted(names),
        )

    def regression(
        self,
        start: Row,
        trials: Trials,
        columns: FloatArray,
        owners: IntArray,
        names: tuple[str, ...],
        rng: np.random.Generator,
    ) -> Iterator[Row]:
        """Return the remaining gap in a logistic regression, and the part associated with each covariate."""
        found = split_gap(
            trials,
            columns,
            scale=start.scale,
            level=self.run.record.level,
            replicates=self.choices.replicates,
            rng=rng,
            owners=owners,
        )
        if start.reason:
            nothing = np.full(len(found.parts), np.nan)
            found = replace(
                found, rest=np.nan, rest_low=np.nan, rest_high=np.nan, parts=nothing, low=nothing, high=nothing
            )
        yield replace(
            start,
            estimate="regression, rest",
            covariates=names,
            gap=found.rest,
            low=found.rest_low,
            high=found.rest_high,
            reason=found.reason,
            attenuated=self.is_noisy(names),
            overadjusted=self.is_overadjusted(names),
        )
        for k, name in enumerate(names):
            yield replace(
                start,
                estimate="regression, associated",
                covariates=(name,),
                gap=float(found.parts[k]),
                low=float(found.low[k]),
                high=float(found.high[k]),
                reason=found.reason,
                attenuated=self.is_noisy((name,)),
                overadjusted=self.is_overadjusted((name,)),
            )

    def is_noisy(self, names: Sequence[str]) -> bool:
        """Whether noise in these covariates leaves part of their association in the gap."""
        return any(one.is_noisy for one in self.balanced if one.name in names)

    def is_overadjusted(self, names: Sequence[str]) -> bool:
        """Whether one of these covariates is part of the groups."""
        return bool(reason(self.cells.grouping, names))

    def within(self, metric: Metric, point: Operating | None, trials: Sequence[GroupTrials]) -> Iterator[Row]:
        """Return the change of errors with each covariate within people: overall, and in each group."""
        known = [k for k, is_known in enumerate(self.cells.known) if is_known]
        sets = [("all", [trials[k] for k in known]), *((str(self.cells.groups[k]), [trials[k]]) for k in known)]
        for one in self.followed:
            spread = float(np.nanstd(one.values))
            for name, chosen_trials in sets:
                yield self.change(metric, point, one, spread, name, chosen_trials)

    def change(
        self,
        metric: Metric,
        point: Operating | None,
        one: Covariate,
        spread: float,
        name: str,
        trials: Sequence[GroupTrials],
    ) -> Row:
        """Return the change of the error rate per standard deviation of a covariate within people; for pairs, of its mean."""
        values = np.concatenate([one.values[side.rows].mean(axis=1) for side in trials]) / spread
        errors: BoolArray = np.concatenate([side.errors for side in trials])
        people: IntArray = np.concatenate([side.subjects[:, 0] for side in trials])
        has = np.isfinite(values)
        found = within_change(errors[has], values[has], people[has], level=self.run.record.level)
        few = "" if np.isfinite(found.slope) else f"{found.people} people with several images that differ in {one.name}"
        return Row(
            metric=metric.name,
            model=model_of(self.run, metric.name),
            threshold=np.nan if point is None else point.threshold,
            threshold_from="" if point is None else point.source,
            estimate="within person",
            covariates=(one.name,),
            group=name,
            reference="",
            errors=int(errors[has].sum()),
            trials=found.trials,
            subjects=found.people,
            without_covariates=int((~has).sum()),
            scale="difference",
            gap=found.slope,
            low=found.low,
            high=found.high,
            level=found.level,
            margin=np.nan,
            attenuated=one.is_noisy,
            reason=few,
            interval_from=JACKKNIFE,
            seed=self.choices.seed,
        )


def alone_text(found: InCells, names: Sequence[str]) -> str:
    """Description of the cells with only one group, naming the largest; empty if every cell has both."""
    if not found.alone:
        return ""
    named = (
        ", ".join(f"{name} {PARTS[part]}" for name, part in zip(names, one.parts, strict=True))
        + f" ({one.trials:,} / {one.reference_trials:,} trials)"
        for one in found.alone[:MOST_NAMED]
    )
    return f"no overlap in {len(found.alone)} of {found.cells} cells, the largest of them {'; '.join(named)}"


def unmeasured_errors(whole: Sequence[GroupTrials], sides: Sequence[Side]) -> str:
    """Why there is no result if every error of one group is a trial without covariates; otherwise empty."""
    for full, (part, _, _) in zip(whole, sides, strict=True):
        if full.errors.any() and not part.errors.any():
            return "in one of the groups, a covariate could not be measured in any trial with an error"
    return ""


def measured(group: GroupTrials, covariates: Sequence[Covariate]) -> Side:
    """The trials with every covariate, their columns, and the covariate of each column."""
    columns, owners = group.covariates(covariates)
    has = np.isfinite(columns).all(axis=1)
    kept = replace(
        group,
        errors=group.errors[has],
        rows=group.rows[has],
        subjects=group.subjects[has],
        units=group.units[has],
        weights=group.weights[has],
    )
    return kept, columns[has], owners


def joined(group: GroupTrials, reference: GroupTrials) -> Trials:
    """The trials of both groups in the form required by the statistics."""
    sides = (group, reference)
    units = np.concatenate([side.units for side in sides])
    return Trials(
        np.concatenate([side.errors for side in sides]),
        np.repeat([True, False], [len(side.errors) for side in sides]),
        units[:, 0],
        np.concatenate([side.weights for side in sides]),
        units[:, 1] if units.shape[1] == 2 else None,
    )
