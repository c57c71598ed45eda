"""The tables of an age check: by group, by year of age, over challenge ages, and the challenge age that meets a target."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.ages.trials import AgeCheck, age_check
from facegap.derive.groupings import Cells, attribute_columns, attribute_values, cells_of
from facegap.derive.outcomes import TrialsAndErrors
from facegap.derive.results import groupings_of
from facegap.derive.units import subject_codes, units_of_run
from facegap.inputs.manifests.labels import age_interval
from facegap.statistics.challenge import challenge_age
from facegap.statistics.clusters import clustered_rates
from facegap.store.run import Run
from facegap.tables import AGE_CHECKS, AGE_CURVE, AGE_TARGET, AGE_YEARS, Schema, check
from facegap.types import IntArray, Rate

CHECKS, CURVE, TARGET, YEARS = "age_checks.csv", "age_curve.csv", "age_target.csv", "age_years.csv"
CURVE_YEARS = 22  # from the limit up: from 18 to 40
FALSE_POSITIVE, FALSE_NEGATIVE = "false_positive", "false_negative"


class Counter:
    """The rates of a run by cell, with its subjects, sampling units and level."""

    def __init__(self, run: Run) -> None:
        self.subjects, self.units, self.level = subject_codes(run.manifest), units_of_run(run), run.record.level

    def rates(self, found: TrialsAndErrors, codes: IntArray, cells: int) -> list[Rate]:
        """A rate of images in each of some cells."""
        trials, errors = found
        inside = np.where(trials, codes, -1)
        counted = clustered_rates(
            errors & trials, None, self.subjects, inside, n_cells=cells, level=self.level, units=self.units
        )
        return list(counted.rows())


def age_check_tables(run: Run) -> dict[str, pd.DataFrame]:
    """The tables of --age-limit by file name; none without it, and no empty tables."""
    found = age_check(run)
    if found is None:
        return {}
    rows: tuple[tuple[str, Schema, Iterator[dict[str, Any]]], ...] = (
        (CHECKS, AGE_CHECKS, check_rows(run, found)),
        (YEARS, AGE_YEARS, year_rows(run, found)),
        (CURVE, AGE_CURVE, curve_rows(run, found)),
        (TARGET, AGE_TARGET, target_rows(run, found)),
    )
    tables = {name: (schema, pd.DataFrame(list(made))) for name, schema, made in rows}
    return {name: check(table, schema, name) for name, (schema, table) in tables.items() if len(table)}


def counted(name: str, rate: Rate) -> dict[str, Any]:
    """Counts, value and interval of a rate as columns."""
    return {
        f"{name}_errors": rate.errors,
        f"{name}_trials": rate.trials,
        f"{name}_value": rate.value,
        f"{name}_low": rate.low,
        f"{name}_high": rate.high,
    }


def both(counter: Counter, found: AgeCheck, challenge: float, cells: Cells) -> list[dict[str, Any]]:
    """Both rates of each group at a challenge age."""
    sides = (found.false_positives(challenge), found.false_negatives(challenge))
    positives, negatives = (counter.rates(side, cells.codes, len(cells.groups)) for side in sides)
    return [
        counted(FALSE_POSITIVE, one) | counted(FALSE_NEGATIVE, other)
        for one, other in zip(positives, negatives, strict=True)
    ]


def check_rows(run: Run, found: AgeCheck) -> Iterator[dict[str, Any]]:
    """Outcomes of the images of each group, and both rates at the challenge age of the run."""
    attributes, counter, outcomes = attribute_columns(groupings_of(run)), Counter(run), found.outcomes
    for grouping in groupings_of(run):
        cells = cells_of(run.manifest, grouping)
        for k, (group, rates) in enumerate(
            zip(cells.groups, both(counter, found, found.challenge, cells), strict=True)
        ):
            inside = cells.codes == k
            yield {
                "age_limit": found.limit,
                "challenge": found.challenge,
                **attribute_values(group, attributes),
                "images": int(inside.sum()),
                **{name: int((inside & ended).sum()) for name, ended in outcomes.items()},
                **rates,
            }


def year_of(label: str) -> int | None:
    """The year of age of a label: 17 of "17" and of "17.5"; for a year of birth ("17-18") the later.

    None for a wider range, or if the label is not an age.
    """
    ends = age_interval(label)
    if ends is None or not math.isfinite(ends[1]) or ends[1] - ends[0] > 1:
        return None
    return math.floor(ends[1])


def year_rows(run: Run, found: AgeCheck) -> Iterator[dict[str, Any]]:
    """One row per group and year of age with trials: false positives below the limit, false negatives at or above it."""
    attributes, counter = attribute_columns(groupings_of(run)), Counter(run)
    labels = run.manifest["age"].astype(str)
    of_label = {label: year_of(label) for label in labels.unique()}
    years = np.array([-1 if (year := of_label[label]) is None else year for label in labels], np.int64)
    kinds = (
        (FALSE_POSITIVE, found.false_positives(found.challenge)),
        (FALSE_NEGATIVE, found.false_negatives(found.challenge)),
    )
    for grouping in groupings_of(run):
        cells = cells_of(run.manifest, grouping)
        for kind, (trials, errors) in kinds:
            counted_rows = trials & (years >= 0)
            if not counted_rows.any():
                continue
            span = int(years[counted_rows].max()) + 1
            codes = np.where(counted_rows, cells.codes * span + years, -1)
            present = np.unique(codes[counted_rows])
            places = np.full(len(cells.groups) * span, -1, np.int64)
            places[present] = np.arange(len(present))
            rates = counter.rates((counted_rows, errors), np.where(counted_rows, places[codes], -1), len(present))
            for place, rate in zip(present, rates, strict=True):
                yield {
                    "age_limit": found.limit,
                    "challenge": found.challenge,
                    **attribute_values(cells.groups[place // span], attributes),
                    "year_of_age": int(place % span),
                    "error": kind,
                    "errors": rate.errors,
                    "trials": rate.trials,
                    "subjects": rate.subjects,
                    "value": rate.value,
                    "low": rate.low,
                    "high": rate.high,
                }


def challenges(found: AgeCheck) -> list[float]:
    """The challenge ages of the curve: the limit, every whole year above it, and that of the run."""
    whole = range(math.floor(found.limit) + 1, math.floor(found.limit) + CURVE_YEARS + 1)
    return sorted({found.limit, found.challenge, *map(float, whole)})


def curve_rows(run: Run, found: AgeCheck) -> Iterator[dict[str, Any]]:
    """Both rates of each group at every challenge age."""
    attributes, counter = attribute_columns(groupings_of(run)), Counter(run)
    for grouping in groupings_of(run):
        cells = cells_of(run.manifest, grouping)
        at = {challenge: both(counter, found, challenge, cells) for challenge in challenges(found)}
        for k, group in enumerate(cells.groups):
            for challenge, rates in at.items():
                yield {
                    "age_limit": found.limit,
                    **attribute_values(group, attributes),
                    "challenge": challenge,
                    **rates[k],
                }


def target_rows(run: Run, found: AgeCheck) -> Iterator[dict[str, Any]]:
    """For each grouping, the challenge age at which its worst group meets --age-fpr-target, and both rates of each group there.

    Groups with a missing label, or with fewer effective subjects than the minimum, are shown, but the target does not apply.
    """
    target = run.record.request.setting("faces", "age_fpr_target")
    if target is None:
        return
    attributes, counter = attribute_columns(groupings_of(run)), Counter(run)
    trials, errors = found.false_positives(found.challenge)
    for grouping in groupings_of(run):
        cells = cells_of(run.manifest, grouping)
        rates = counter.rates((trials, errors), cells.codes, len(cells.groups))
        applicable = [
            k
            for k, (rate, known) in enumerate(zip(rates, cells.known, strict=True))
            if known and rate.trials and rate.people >= run.record.min_subjects
        ]
        place = np.full(len(cells.groups), -1, np.int64)
        place[applicable] = np.arange(len(applicable))
        units = counter.units
        chosen = challenge_age(
            found.lowest[trials],
            counter.subjects[trials],
            place[cells.codes[trials]],
            n_groups=len(applicable),
            target=float(target),
            limit=found.limit,
            units=None if units is None else units[trials],
            level=counter.level,
        )
        here = both(counter, found, chosen.value, cells)
        sure = counter.rates(found.false_negatives(chosen.high), cells.codes, len(cells.groups))
        for k, group in enumerate(cells.groups):
            yield {
                "family": "*".join(grouping),
                "target": float(target),
                "age_limit": found.limit,
                **attribute_values(group, attributes),
                "challenge": chosen.value,
                "challenge_low": chosen.low,
                "challenge_high": chosen.high,
                "held": k in applicable,
                "worst": chosen.worst >= 0 and applicable[chosen.worst] == k,
                **(here[k] if applicable else both_empty()),
                **counted("sure_false_negative", sure[k] if math.isfinite(chosen.high) else Rate(0, 0)),
            }


def both_empty() -> dict[str, Any]:
    """Both rates if there is no challenge age."""
    return counted(FALSE_POSITIVE, Rate(0, 0)) | counted(FALSE_NEGATIVE, Rate(0, 0))
