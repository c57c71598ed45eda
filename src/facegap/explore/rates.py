"""A run at another threshold or probability cut: rates, cross-group matrix, and people whose state changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons, false_match_rate, false_non_match_rate
from facegap.derive.groupings import Cells, Grouping, cells_of
from facegap.derive.identification import Searches, searches_of
from facegap.derive.metrics import ERROR_RATE_ALL, ERROR_RATE_ANSWERED, FMR, FNMR, FTA, counts_of
from facegap.derive.outcomes import TrialsAndErrors
from facegap.derive.run import all_comparisons_of, operating_of
from facegap.derive.units import subject_codes, units_of_run
from facegap.report.rows.rates import RateRow
from facegap.statistics.clusters import clustered_rates
from facegap.store.run import Run
from facegap.types import BoolArray, IntArray, Rate

MOST_GROUPS = 16  # maximum groups of the matrix on the page
ANSWERS = (ERROR_RATE_ANSWERED, ERROR_RATE_ALL)
SILENT = "no_answer_share"


@dataclass(frozen=True, eq=False)
class Explored:
    """A run with the data that every view needs.

    pairs     : its comparisons, None if there are none
    searches  : its searches of a gallery, None if there are none
    threshold : the first threshold of the run, NaN without comparisons
    lowest, highest : ends of the slider; below `floor` false matches are unknown
    has_probability : whether predictions have probabilities, so that a cut can be applied
    """

    run: Run
    groupings: tuple[Grouping, ...]
    subjects: IntArray
    pairs: Comparisons | None
    searches: Searches | None
    threshold: float
    lowest: float
    highest: float
    floor: float
    has_probability: bool

    @property
    def level(self) -> float:
        """The level of every interval."""
        return self.run.record.level

    def cells(self, grouping: Grouping) -> Cells:
        """The groups of a grouping."""
        return cells_of(self.run.manifest, grouping)


def explored(run: Run) -> Explored:
    """The data that all views of a run share."""
    pairs, points = all_comparisons_of(run, "facegap explore"), operating_of(run)
    threshold = points[0].threshold if points else math.nan
    scores = np.empty(0) if pairs is None else np.concatenate([pairs.genuine_scores, pairs.impostor_scores])
    made = scores[np.isfinite(scores)]
    ends = (float(made.min()), float(made.max())) if len(made) else (0.0, 1.0)
    floor = -math.inf if pairs is None else pairs.floor
    # nothing is listed below the floor; the slider extends slightly further to show that these rates are unknown
    lowest = min(ends[0], floor - 0.05) if math.isfinite(floor) else ends[0]
    known = bool(run.record.classes) and run.predictions["probability"].notna().any()
    return Explored(
        run,
        ((), *run.record.groupings),
        subject_codes(run.manifest),
        pairs,
        None if run.searched is None else searches_of(run, run.searched),
        threshold,
        lowest,
        ends[1],
        floor,
        bool(known),
    )


# ---- rows ----


@dataclass(frozen=True)
class MovedRate:
    """A rate at the settings of the page, and in the run; None if unknown.

    group : its name as displayed
    """

    group: str
    metric: str
    now: Rate | None
    before: Rate | None

    @property
    def change(self) -> float:
        """The current rate minus that in the run; NaN if either is unknown."""
        return math.nan if self.now is None or self.before is None else self.now.value - self.before.value


@dataclass(frozen=True)
class MovedPeople:
    """People of a group in a state, in the run and now, and those who entered or left it; None if unknown.

    people : number of evaluated people
    state  : "refused" (one of their genuine pairs was rejected) or "mistaken" (falsely matched with another person)
    """

    group: str
    people: int
    state: str
    in_run: int | None
    here: int | None
    newly: int | None
    no_longer: int | None


# ---- verification ----


def rates_at(view: Explored, grouping: Grouping, threshold: float) -> list[MovedRate]:
    """FMR and FNMR of every group, and those at the run's own threshold.

    FMR is unknown if the threshold is below the end of the stored list.
    """
    cells = view.cells(grouping)
    rows = []
    for k, group in enumerate(cells.groups):
        inside = cells.codes == k
        for metric in (FMR.name, FNMR.name):
            now, before = (rate_at(view, metric, point, inside) for point in (threshold, view.threshold))
            rows.append(MovedRate(str(group), metric, now, before))
    return rows


def rate_at(view: Explored, metric: str, threshold: float, inside: BoolArray) -> Rate | None:
    """One rate; None if unknown."""
    assert view.pairs is not None
    if metric == FNMR.name:
        return false_non_match_rate(view.pairs, threshold, inside, generalised=False, level=view.level)
    if threshold < view.floor:
        return None
    return false_match_rate(view.pairs, threshold, inside, None, generalised=False, level=view.level)


def matrix_at(view: Explored, grouping: Grouping, threshold: float) -> list[RateRow]:
    """FMR within and between the first groups of a grouping; empty if unknown or if there is one group."""
    assert view.pairs is not None
    cells = view.cells(grouping)
    if threshold < view.floor or len(cells.groups) < 2:
        return []
    shown = range(min(len(cells.groups), MOST_GROUPS))
    places = [(g, g) for g in shown] + list(combinations(shown, 2))
    least, rows = view.run.record.min_subjects, []
    for g, h in places:
        other = None if g == h else cells.codes == h
        rate = false_match_rate(view.pairs, threshold, cells.codes == g, other, generalised=False, level=view.level)
        group, second = cells.groups[g], cells.groups[h]
        rows.append(RateRow(FMR.name, "", threshold, "", group, rate, rate.subjects >= least, second))
    return rows


def people_moved(view: Explored, grouping: Grouping, threshold: float) -> list[MovedPeople]:
    """Per group and state, the evaluated people with a rejected genuine pair, or with a false match.

    Each person counts once, regardless of the number of pairs; a false match counts for both people in any groups.
    """
    cells = view.cells(grouping)
    moved: list[MovedPeople] = []
    assert view.pairs is not None
    refused, refused_before = (refused_people(view, point) for point in (threshold, view.threshold))
    taken, taken_before = (mistaken_people(view, point) for point in (threshold, view.threshold))
    for k, group in enumerate(cells.groups):
        members = np.unique(view.subjects[(cells.codes == k) & view.pairs.counted])
        for state, now, before in (("refused", refused, refused_before), ("mistaken", taken, taken_before)):
            moved.append(movement(str(group), state, now, before, members))
    return moved


def movement(group: str, state: str, now: BoolArray | None, before: BoolArray | None, members: IntArray) -> MovedPeople:
    """One group in one state."""
    in_run = None if before is None else int(before[members].sum())
    if now is None or before is None:
        return MovedPeople(group, len(members), state, in_run, None, None, None)
    here, there = now[members], before[members]
    newly, no_longer = int((here & ~there).sum()), int((there & ~here).sum())
    return MovedPeople(group, len(members), state, in_run, int(here.sum()), newly, no_longer)


def refused_people(view: Explored, threshold: float) -> BoolArray:
    """Whether each person has a rejected genuine pair of templates, bool (S,)."""
    assert view.pairs is not None
    found = np.zeros(int(view.subjects.max(initial=-1)) + 1, np.bool_)
    wrong = np.isfinite(view.pairs.genuine_scores) & (view.pairs.genuine_scores < threshold)
    found[view.subjects[view.pairs.genuine[wrong, 0]]] = True
    return found


def mistaken_people(view: Explored, threshold: float) -> BoolArray | None:
    """Whether each person is in a false match, bool (S,); None if the list does not reach the threshold."""
    assert view.pairs is not None
    if threshold < view.floor:
        return None
    found = np.zeros(int(view.subjects.max(initial=-1)) + 1, np.bool_)
    found[view.subjects[view.pairs.false_matches(threshold)].ravel()] = True
    return found


# ---- classification ----


def cut_predictions(view: Explored, cut: float) -> pd.DataFrame:
    """PREDICTIONS, in which predictions with a probability below the cut count as missing."""
    predictions = view.run.predictions
    below_cut = predictions["outcome"].isin(("right", "wrong")) & (predictions["probability"] < cut)
    return predictions.assign(outcome=predictions["outcome"].mask(below_cut, "no_answer"))


def predictions_at(view: Explored, grouping: Grouping, cut: float) -> list[MovedRate]:
    """Error rates of every group with the cut, the proportion without a prediction, and the values without a cut."""
    cells = view.cells(grouping)
    now, before = (
        {name: rates_by_group(view, trials, errors, cells) for name, (trials, errors) in answer_counts(at).items()}
        for at in (replace(view.run, predictions=cut_predictions(view, cut)), view.run)
    )
    return [
        MovedRate(str(group), metric, now[metric][k], before[metric][k])
        for k, group in enumerate(cells.groups)
        for metric in now
    ]


def answer_counts(run: Run) -> dict[str, TrialsAndErrors]:
    """Trials and errors of the predictions of a classifier, and of missing predictions."""
    found = {metric.name: counts for metric in ANSWERS if (counts := counts_of(run, metric)) is not None}
    labelled = found[ERROR_RATE_ALL.name][0]
    return {**found, SILENT: (labelled, (run.predictions["outcome"] == "no_answer").to_numpy(np.bool_))}


def rates_by_group(view: Explored, trials: BoolArray, errors: BoolArray, cells: Cells) -> Sequence[Rate]:
    """One rate per group."""
    codes = np.where(trials, cells.codes, -1)
    found = clustered_rates(
        errors & trials,
        None,
        view.subjects,
        codes,
        n_cells=len(cells.groups),
        level=view.level,
        units=units_of_run(view.run),
    )
    return found.rows()


def faces_at(view: Explored, grouping: Grouping) -> list[MovedRate]:
    """Proportion of images without a usable face, by group; independent of the threshold."""
    cells = view.cells(grouping)
    everybody = np.ones(len(view.subjects), np.bool_)
    lost = (view.run.faces["outcome"] != "ok").to_numpy(np.bool_)
    found = rates_by_group(view, everybody, lost, cells)
    return [MovedRate(str(group), FTA.name, found[k], found[k]) for k, group in enumerate(cells.groups)]
