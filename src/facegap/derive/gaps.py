"""GAPS of a run: one family per term, metric, model and threshold, named by --by before anything was looked at."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd

from facegap.derive.results import model_of, run_metrics, subject_codes, terms_of
from facegap.derive.terms import Cells, cells_of
from facegap.statistics.clusters import clustered_rates, subject_correlation
from facegap.statistics.gaps import GapFamily, gap_family
from facegap.store import Run
from facegap.tables import GAPS, check
from facegap.types import BoolArray, FloatArray, IntArray


def gaps_table(run: Run) -> pd.DataFrame:
    """GAPS: all pairs of groups of every term, for every metric; groups with a missing label are no groups of people."""
    subjects = subject_codes(run.manifest)
    rows = [
        asdict(gap)
        for term in terms_of(run)[1:]
        for cells in [cells_of(run.manifest, term)]
        for metric, (trials, errors) in run_metrics(run).items()
        for gap in metric_family(run, metric, cells, trials, errors, subjects).rows()
    ]
    return check(pd.DataFrame(rows, columns=list(GAPS.columns)), GAPS, "gaps")


def metric_family(
    run: Run, metric: str, cells: Cells, trials: BoolArray, errors: BoolArray, subjects: IntArray
) -> GapFamily:
    """The gaps between the known groups of one term, for one metric of single images."""
    codes = known_codes(cells, trials)
    groups = [str(group) for group, known in zip(cells.groups, cells.known, strict=True) if known]
    wrong = errors & trials
    found = clustered_rates(wrong, None, subjects, codes, n_cells=len(groups), level=run.record["level"])
    return gap_family(
        groups, found.errors, found.trials, found.subjects, found.effective_trials,
        metric=metric, model=model_of(run, metric), family="*".join(cells.term), level=run.record["level"],
        minimum_subjects=run.record["min_subjects"], correlation=shared_subjects(wrong, subjects, codes, len(groups)),
    )  # fmt: skip


def known_codes(cells: Cells, trials: BoolArray) -> IntArray:
    """Codes 0.. of the known groups alone, in their order; -1 for rows that are no trial or of no known group."""
    position = np.cumsum(cells.known) - 1
    renumbered = np.where(cells.known, position, -1).astype(np.int64)
    return np.where(trials, renumbered[cells.codes], -1)


def shared_subjects(wrong: BoolArray, subjects: IntArray, codes: IntArray, groups: int) -> FloatArray | None:
    """Correlation of the rates of groups that share subjects; None where each subject is in one group only.

    wrong, subjects, codes : one entry per row, codes -1 for rows that do not count
    """
    inside = codes >= 0
    pairs = np.unique(np.stack([subjects[inside], codes[inside]]), axis=1)
    if len(np.unique(pairs[0])) == pairs.shape[1]:
        return None
    people = int(subjects.max(initial=-1)) + 1
    flat = subjects[inside] * groups + codes[inside]
    trials = np.bincount(flat, minlength=people * groups).reshape(people, groups)
    errors = np.bincount(flat, weights=wrong[inside], minlength=people * groups).reshape(people, groups)
    return subject_correlation(errors.astype(np.float64), trials.astype(np.float64))
