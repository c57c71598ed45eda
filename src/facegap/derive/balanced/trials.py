"""The trials of a metric of a run by group, with their covariates: images, genuine pairs, or impostor pairs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from facegap.derive.balanced.covariates import Covariate
from facegap.derive.comparisons import Comparisons, between, both, genuine_errors, impostors_within
from facegap.derive.cuts import Cut, limits_of
from facegap.derive.groupings import Cells
from facegap.derive.metrics import FMR, FNMR, Metric, counts_of, in_order, metric_of
from facegap.derive.units import subject_codes, units_of_run
from facegap.errors import RunError, SettingError
from facegap.store.record import Operating
from facegap.store.run import Run
from facegap.types import BoolArray, FloatArray, IntArray

OTHERS_PER_GROUP = 20_000  # sample size of impostor pairs without an error
OF_PAIR = ("least", "greatest", "absolute difference")  # of a covariate in the two images of a pair


@dataclass(frozen=True, eq=False)
class GroupTrials:
    """Trials of one group.

    errors   : bool (n,)
    rows     : int64 (n, 1) or (n, 2), rows of the manifest: an image, or the two images of a pair
    subjects : int64 (n, 1) or (n, 2), people; also one column for a pair of images of one person
    units    : sampling units, likewise
    weights  : float64 (n,), number of trials represented by each
    trials   : total number, sampled or not
    """

    errors: BoolArray
    rows: IntArray
    subjects: IntArray
    units: IntArray
    weights: FloatArray
    trials: int

    def covariates(self, chosen: Sequence[Covariate]) -> tuple[FloatArray, IntArray]:
        """Columns of the covariates, float64 (n, c), and the covariate of each column, int64 (c,)."""
        columns: list[FloatArray] = []
        owners: list[int] = []
        for k, one in enumerate(chosen):
            values = one.values[self.rows]
            found = [values[:, 0]]
            if values.shape[1] == 2:
                found = [values.min(axis=1), values.max(axis=1), np.abs(values[:, 0] - values[:, 1])]
            columns += found
            owners += [k] * len(found)
        return (np.stack(columns, axis=1) if columns else np.empty((len(self.errors), 0))), np.array(owners, np.int64)


def metrics_to_explain(run: Run, requested: str | None) -> list[Metric]:
    """The requested metric, or else the error of a classifier, FMR and FNMR, as far as the run has them.

    Raises
    ------
    SettingError : if the run does not have the metric, or it is of searches or pairs with lost images
    """
    present = in_order(run.rates["metric"])
    usable = [metric for metric in present if metric.is_image or metric in (FMR, FNMR)]
    if requested is None:
        headline = [metric for metric in usable if metric.is_headline] or usable[:1]
        if not headline:
            raise SettingError("the run has no error rate of images or comparisons to explain")
        return headline
    if requested not in [metric.name for metric in usable]:
        names = ", ".join(metric.name for metric in usable)
        raise SettingError(
            f"--metric {requested!r}: not a rate of images or comparisons of this run; it has {names or 'none'}"
        )
    return [metric_of(requested)]


def trials_by_group(
    run: Run, metric: Metric, cells: Cells, pairs: Comparisons | None, rng: np.random.Generator
) -> tuple[list[GroupTrials], Operating | None]:
    """The trials of each group of a grouping, and the threshold at which they were evaluated.

    Raises
    ------
    RunError : if comparisons have no threshold
    """
    if metric.is_image:
        return list(image_trials(run, metric, cells)), None
    if pairs is None or not run.record.operating:
        raise RunError(f"the run has no threshold at which {metric.name} is known")
    point = run.record.operating[0]
    cut = pairs.cut(point)
    found = [
        impostor_trials(pairs, cut, cells.codes == k, rng)
        if metric.is_impostor
        else genuine_trials(pairs, cut, cells.codes == k)
        for k in range(len(cells.groups))
    ]
    return found, point


def image_trials(run: Run, metric: Metric, cells: Cells) -> Iterator[GroupTrials]:
    """Trials of a rate of images."""
    counted = counts_of(run, metric)
    if counted is None:
        raise RunError(f"the run has no trials for {metric.name}")
    trials, errors = counted
    subjects, units = subject_codes(run.manifest), units_of_run(run)
    units = subjects if units is None else units
    for k in range(len(cells.groups)):
        rows = np.flatnonzero(trials & (cells.codes == k))
        ones = np.ones(len(rows))
        yield GroupTrials(errors[rows], rows[:, None], subjects[rows, None], units[rows, None], ones, len(rows))


def genuine_trials(pairs: Comparisons, cut: Cut, group: BoolArray) -> GroupTrials:
    """Pairs of images of one person."""
    inside, wrong = genuine_errors(pairs, cut, group, generalised=False)
    rows = pairs.genuine[inside]
    return GroupTrials(
        wrong, rows, pairs.subjects[rows[:, :1]], pairs.varying[rows[:, :1]], np.ones(len(rows)), len(rows)
    )


def impostor_trials(pairs: Comparisons, cut: Cut, group: BoolArray, rng: np.random.Generator) -> GroupTrials:
    """Every false match of a group, and a sample of its other impostor pairs that represents all of them."""
    inside = group & pairs.counted & pairs.enrolled
    total = impostors_within(pairs, group)[1]
    wrong = between(pairs.false_matches(cut), inside, None)
    others = listed_others(pairs, cut, inside) if pairs.listed_only else unlisted_others(pairs, wrong, inside, rng)
    if len(others) > OTHERS_PER_GROUP:
        others = others[np.sort(rng.choice(len(others), OTHERS_PER_GROUP, replace=False))]
    rest = total - len(wrong)
    each = rest / len(others) if len(others) else 0.0
    rows = np.concatenate([wrong, others])
    weights = np.r_[np.ones(len(wrong)), np.full(len(others), each)]
    errors = np.arange(len(rows)) < len(wrong)
    return GroupTrials(errors, rows, pairs.subjects[rows], pairs.varying[rows], weights, total)


def listed_others(pairs: Comparisons, cut: Cut, inside: BoolArray) -> IntArray:
    """Listed impostor pairs of a group that are not false matches."""
    chosen = both(inside, pairs.impostor) & np.isfinite(pairs.impostor_scores)
    rows = pairs.impostor[chosen]
    below: BoolArray = pairs.impostor_scores[chosen] < limits_of(cut, rows)
    return np.asarray(rows[below], np.int64)


def unlisted_others(pairs: Comparisons, wrong: IntArray, inside: BoolArray, rng: np.random.Generator) -> IntArray:
    """A sample of the impostor pairs of a group that are neither false matches nor reviewed pairs, int64 (m, 2).

    All of them if the group is small; otherwise twice the required number are sampled, and other pairs are removed.
    """
    templates = np.flatnonzero(inside)
    count = len(templates)
    if count < 2:
        return np.empty((0, 2), np.int64)
    if count * (count - 1) // 2 <= 3 * OTHERS_PER_GROUP:
        first, second = np.triu_indices(count, 1)
    else:
        first, second = rng.integers(0, count, (2, 2 * OTHERS_PER_GROUP))
    rows = np.stack([templates[first], templates[second]], axis=1)
    size = len(inside)
    keys = np.sort(rows, axis=1) @ np.array([size, 1])
    known = np.sort(np.concatenate([wrong, pairs.excluded]), axis=1) @ np.array([size, 1])
    kept = (pairs.subjects[rows[:, 0]] != pairs.subjects[rows[:, 1]]) & ~np.isin(keys, known)
    return np.asarray(rows[kept], np.int64)
