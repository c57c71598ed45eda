"""Tables of outputs other than gender and age that are not error rates of single trials.

answer_rates.csv: the rate of each predicted class by group, or the macro error rate if there are true labels.
answer_gaps.csv: pairs of groups for both. An answer rate is not an error rate: if groups differ in it, the true
proportions may differ, so its verdicts do not use the word gap.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.answers import LABELLED, WRONG, answered, column, ended
from facegap.derive.gaps import known_codes
from facegap.derive.groupings import Cells, Grouping, attribute_columns, attribute_values, cells_of
from facegap.derive.results import groupings_of
from facegap.derive.units import subject_codes, units_of_run
from facegap.derive.weights import as_weighted
from facegap.statistics.clusters import clustered_rates, shared_subjects
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.gaps import gap_family, jointly_tested
from facegap.statistics.macro import MacroRate, macro_rate
from facegap.statistics.verdicts import BEYOND, EXPLORATORY, GAP, UNKNOWN, WITHIN
from facegap.store.record import OutputRecord
from facegap.store.run import Run
from facegap.tables import ANSWER_GAPS, ANSWER_RATES, check
from facegap.types import BoolArray, IntArray

RATES, GAPS = "answer_rates.csv", "answer_gaps.csv"
ANSWERED, MACRO = "answer rate", "macro error rate"
MARGIN = 0.02  # two percentage points, as for the error rates of a classifier
DIFFER, DIFFER_BEYOND = "answer rates differ", "answer rates differ by more than the margin"
ALIKE = "no difference larger than the margin"
# Verdicts on answer rates, instead of those on error rates.
OF_ANSWERS: Mapping[str, str] = {
    BEYOND: DIFFER_BEYOND,
    GAP: DIFFER,
    WITHIN: ALIKE,
    UNKNOWN: UNKNOWN,
    EXPLORATORY: EXPLORATORY,
}


def output_tables(run: Run) -> dict[str, pd.DataFrame]:
    """The tables by file name, without empty ones."""
    rates = [row for output in run.record.outputs for row in rate_rows(run, output)]
    gaps = [row for output in run.record.outputs for row in gap_rows(run, output)]
    found = {}
    if rates:
        found[RATES] = check(pd.DataFrame(rates), ANSWER_RATES, RATES)
    if gaps:
        found[GAPS] = check(pd.DataFrame(gaps), ANSWER_GAPS, GAPS)
    return found


def measure_of(output: OutputRecord) -> str:
    """The measure of an output in the tables; empty for none, as BPCER and APCER are error rates of single trials."""
    if output.bona_fide:
        return ""
    return MACRO if output.label else ANSWERED


def rate_rows(run: Run, output: OutputRecord) -> Iterator[dict[str, Any]]:
    """Rows of ANSWER_RATES of one output."""
    measure, attributes = measure_of(output), attribute_columns(groupings_of(run))
    known = {"output": output.name, "measure": measure, "model": run.record.models["classify"]}
    subjects, units = subject_codes(run.manifest), units_of_run(run)
    for grouping in groupings_of(run) if measure else []:
        cells = cells_of(run.manifest, grouping)
        for k, group in enumerate(cells.groups):
            of_group = attribute_values(group, attributes)
            if measure == MACRO:
                yield {**known, "answer": "", **of_group, **of_macro(macro_of(run, output, cells.codes == k), run)}
        if measure == ANSWERED:
            trials = answered(run, output)
            inside = np.where(trials, cells.codes, -1)
            for word in output.classes:
                said = trials & gave(run, output, word)
                rates = clustered_rates(
                    said, None, subjects, inside, n_cells=len(cells.groups), level=run.record.level, units=units
                )
                rates = as_weighted(rates, run.record)
                for group, rate in zip(cells.groups, rates.rows(), strict=True):
                    yield {
                        **known,
                        "answer": word,
                        **attribute_values(group, attributes),
                        "count": rate.errors,
                        "trials": rate.trials,
                        "subjects": rate.subjects,
                        "effective_subjects": rate.effective_subjects,
                        "value": rate.value,
                        "low": rate.low,
                        "high": rate.high,
                        "level": rate.level,
                        "method": rate.method,
                    }


def gave(run: Run, output: OutputRecord, word: str) -> BoolArray:
    """Which images have a given prediction, bool (rows,)."""
    return (column(run, output, "answer") == word).to_numpy(np.bool_)


def varying(run: Run) -> IntArray:
    """Sampling unit of each row: the person, or the unit of --cluster."""
    units = units_of_run(run)
    return subject_codes(run.manifest) if units is None else units


def macro_of(run: Run, output: OutputRecord, group: BoolArray) -> MacroRate:
    """1 - macro recall of a group, bool (rows,); an image without a prediction is an error."""
    label = column(run, output, "label")
    chosen = group & (label != "").to_numpy(np.bool_) & ended(run, output, *LABELLED)
    classes = pd.Categorical(label[chosen], categories=list(output.classes)).codes.astype(np.int64)
    wrong = ended(run, output, WRONG, "no_answer")[chosen]
    return macro_rate(wrong, classes, varying(run)[chosen], n_classes=len(output.classes), level=run.record.level)


def of_macro(found: MacroRate, run: Run) -> dict[str, Any]:
    """A macro error rate as columns."""
    return {
        "count": found.errors,
        "trials": found.trials,
        "subjects": found.subjects,
        "effective_subjects": float(found.subjects),
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "level": run.record.level,
        "method": "jackknife over sampling units, with equal weight for each class",
    }


# ---- pairs of groups ----


def gap_rows(run: Run, output: OutputRecord) -> Iterator[dict[str, Any]]:
    """Rows of ANSWER_GAPS of one output.

    All classes and pairs of the first grouping of --by are tested together and get a verdict; every other grouping is
    exploratory and tested separately.
    """
    measure = measure_of(output)
    for number, grouping in enumerate(groupings_of(run)[1:] if measure else []):
        families = list(families_of(run, output, grouping))
        words = output.classes if measure == ANSWERED else ("",)
        for word, family in zip(words, jointly_tested(families, is_primary=number == 0), strict=True):
            for gap in family.rows():
                row = {name: value for name, value in asdict(gap).items() if name in ANSWER_GAPS.columns}
                said = str(row["verdict"])
                row["verdict"] = OF_ANSWERS[said] if measure == ANSWERED else said
                yield {"output": output.name, "measure": measure, "answer": word, **row}


def families_of(run: Run, output: OutputRecord, grouping: Grouping) -> Iterator[GapFamily]:
    """The pairs of groups of one grouping: a family per class, or one for the macro error rate."""
    cells = cells_of(run.manifest, grouping)
    if measure_of(output) == MACRO:
        yield macro_family(run, output, cells)
        return
    trials, subjects, units = answered(run, output), subject_codes(run.manifest), units_of_run(run)
    codes, groups = known_codes(cells, trials), known_groups(cells)
    for word in output.classes:
        said = trials & gave(run, output, word)
        found = clustered_rates(said, None, subjects, codes, n_cells=len(groups), level=run.record.level, units=units)
        found = as_weighted(found, run.record)
        yield gap_family(
            groups,
            found.errors,
            found.trials,
            found.subjects,
            found.effective_trials,
            correlation=shared_subjects(said, varying(run), codes, len(groups)),
            effective_subjects=found.effective_subjects,
            rates=found.value,
            dominated_by=found.dominated_by,
            metric=f"{output.name}.answered.{word}",
            **settings_of(run, grouping),
        )


def macro_family(run: Run, output: OutputRecord, cells: Cells) -> GapFamily:
    """The macro error rates of the known groups; groups without some class of the output are excluded from gaps."""
    known = [k for k, is_known in enumerate(cells.known) if is_known]
    found = [macro_of(run, output, cells.codes == k) for k in known]
    return gap_family(
        known_groups(cells),
        [one.errors for one in found],
        [one.trials for one in found],
        [one.subjects for one in found],
        [one.effective_trials for one in found],
        effective_subjects=[0.0 if np.isnan(one.value) else float(one.subjects) for one in found],
        rates=[one.value for one in found],
        correlation=shared_subjects(
            ended(run, output, WRONG, "no_answer"),
            varying(run),
            known_codes(cells, ended(run, output, *LABELLED)),
            len(known),
        ),
        metric=f"{output.name}.macro",
        **settings_of(run, cells.grouping),
    )


def known_groups(cells: Cells) -> tuple[str, ...]:
    """Names of the groups with known labels."""
    return tuple(str(group) for group, known in zip(cells.groups, cells.known, strict=True) if known)


def settings_of(run: Run, grouping: Grouping) -> dict[str, Any]:
    """Settings common to all families of a run."""
    record = run.record
    return {
        "margin": MARGIN,
        "scale": "difference",
        "alpha": record.alpha,
        "model": record.models["classify"],
        "family": "*".join(grouping),
        "level": record.level,
        "minimum_subjects": record.min_subjects,
    }
