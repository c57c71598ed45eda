"""Rates by group as text tables: one for single images per grouping, and one for comparisons per threshold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

from facegap.derive.metrics import metric_of
from facegap.derive.weights import FEWEST_UNITS, LARGEST_SHARE, dominated_text, trials_in_words
from facegap.report.rows.frames import groupings_of
from facegap.report.rows.images import AgeRow, age_rows
from facegap.report.rows.rates import RateRow, pairs_alone, rate_rows
from facegap.report.tables import Column, TextTable, table_of, title_of
from facegap.report.text import clean, errors_of_trials, interval, number, percent, score
from facegap.report.units import unit_in_words
from facegap.report.wording import ALL_SUBJECTS
from facegap.store.run import Run
from facegap.types import Group, Rate

NO_ERROR = (
    "Without any false match, the interval is based on disjoint pairs of subjects as trials; 'pairs alone' is the upper "
    "limit that would result if all pairs were independent, which they are not."
)

OfGroup = Mapping[str, RateRow]  # the rates of one group by metric


def rate_tables(run: Run) -> list[TextTable]:
    """For each grouping, beginning with all subjects: a table of rates of single images, and one of comparisons per threshold."""
    rows = [row for row in rate_rows(run) if not metric_of(row.metric).is_search]  # searches have their own tables
    least = run.record.min_subjects
    tables = []
    for grouping in [(), *groupings_of(run)]:
        title = " x ".join(grouping) or ALL_SUBJECTS
        of_grouping = [row for row in rows if row.grouping == grouping]
        by_threshold: dict[str, list[RateRow]] = {}  # by its text, as NaN is not a valid key
        for row in of_grouping:
            by_threshold.setdefault(repr(row.threshold), []).append(row)
        for same in by_threshold.values():
            at = "" if math.isnan(same[0].threshold) else f", threshold {score(same[0].threshold)}"
            tables.append(rate_table(same, title + at, least, cluster=run.record.cluster, counted=run.counted))
    if tables and (run.record.cluster or not run.record.manifest.has_subjects):
        tables[0] = replace(tables[0], notes=(unit_in_words(run.record), *tables[0].notes))
    return tables


def rate_table(
    rows: Sequence[RateRow], title: str, min_subjects: int, *, cluster: Sequence[str] = (), counted: str = "images"
) -> TextTable:
    """Rates of one grouping; each cell is value, interval and errors / trials. Groups that are too small are dimmed.

    cluster : columns of --cluster; if given, the table states the number of units
    """
    metrics = list(dict.fromkeys(row.metric for row in rows))
    by_group: dict[Group, dict[str, RateRow]] = {}
    for row in rows:
        by_group.setdefault(row.group, {})[row.metric] = row
    lines = list(by_group.values())
    columns = [
        Column[OfGroup]("group", lambda found: clean(next(iter(found.values())).group)),
        Column[OfGroup]("subjects", partial(subjects_of, least=min_subjects)),
        *(
            [Column[OfGroup]("units", lambda found: str(max(row.rate.units for row in found.values())))]
            if cluster
            else []
        ),
        *(
            Column[OfGroup](title_of(metric), partial(rate_in_group, metric=metric, least=min_subjects))
            for metric in metrics
        ),
    ]
    sources = dict.fromkeys(row.threshold_from for row in rows)
    notes = [f"Threshold: {clean(source)}." for source in sources if source]
    if any(is_too_small(found, min_subjects) for found in lines):
        notes.append(f"Groups of fewer than {min_subjects} effective subjects are shown but not ranked.")
    notes += [*held_notes(rows, cluster, counted), *dominated_notes(rows), *weight_notes(rows)]
    return table_of(
        title,
        columns,
        lines,
        is_dimmed=lambda found: most_people(found) < min_subjects,
        notes=(*notes, *no_error_notes(row.rate for row in rows)),
    )


def rate_in_group(found: OfGroup, *, metric: str, least: int) -> str:
    """One rate of a group, and the number of people behind it if that is smaller than the group."""
    return count_text(found[metric].rate) + people_behind(found[metric], most_subjects(found), least)


def most_subjects(found: OfGroup) -> int:
    """Number of people of a group: the maximum over its rates."""
    return max(row.rate.subjects for row in found.values())


def most_people(found: OfGroup) -> float:
    """Effective number of subjects of a group: the maximum over its rates."""
    return max(row.rate.people for row in found.values())


def subjects_of(found: OfGroup, *, least: int) -> str:
    """Number of people of a group, and the effective number if unequal trials make it too small."""
    heads, people = most_subjects(found), most_people(found)
    return f"{heads} ({people:.1f} effective)" if people < least <= heads else str(heads)


def held_notes(rows: Sequence[RateRow], cluster: Sequence[str], counted: str) -> list[str]:
    """A sentence per group and kind of trial for which one sampling unit has more than a third of the trials."""
    shares = {
        (
            clean(row.group) if row.group.attributes else ALL_SUBJECTS,
            metric_of(row.metric).trial,
        ): row.rate.largest_share
        for row in rows
        if row.labelled
        and row.other is None
        and row.rate.units >= FEWEST_UNITS
        and row.rate.largest_share > LARGEST_SHARE
    }
    who = f"unit of {clean(' and '.join(cluster))}" if cluster else "person"
    return [
        f"One {who} has {share:.0%} of the {trials_in_words(trial, counted)} of {group}."
        for (group, trial), share in shares.items()
    ]


def dominated_notes(rows: Sequence[RateRow]) -> list[str]:
    """The rates with errors mostly from a few people."""
    few = [
        f"{clean(row.group)}, {title_of(row.metric)}: {dominated_text(row.rate.dominated_by)}"
        for row in rows
        if row.labelled and row.other is None and row.rate.dominated_by
    ]
    return [f"A few people account for more than half of the errors: {'; '.join(few)}."] if few else []


def weight_notes(rows: Sequence[RateRow]) -> list[str]:
    """The rates with the other weighting (by person or by trial), if they are outside the interval of the rate."""
    beyond = [row for row in rows if row.labelled and row.other is None and row.rate.depends_on_weights]
    of_people = [row for row in beyond if not row.rate.by_person]
    weighed = (("people", of_people), ("trials", [row for row in beyond if row.rate.by_person]))
    return [
        f"With equal weights for {who}, the rate is outside the interval: {'; '.join(map(other_rate, found))}."
        for who, found in weighed
        if found
    ]


def other_rate(row: RateRow) -> str:
    """The rate with the other weighting."""
    value = row.rate.of_trials if row.rate.by_person else row.rate.per_person
    return f"{clean(row.group)}, {title_of(row.metric)}: {percent(value)}"


def is_too_small(found: OfGroup, min_subjects: int) -> bool:
    """Whether a group, or any of its rates over pairs, is based on too few people to be ranked."""
    if most_people(found) < min_subjects:
        return True
    pairs = (row for row in found.values() if metric_of(row.metric).is_pair and row.rate.trials)
    return any(row.rate.people < min_subjects for row in pairs)


def people_behind(row: RateRow, subjects: int, min_subjects: int) -> str:
    """The number of people behind a rate if that is smaller than the group, such as those with a mate."""
    own = row.rate.subjects
    if not row.rate.trials or not metric_of(row.metric).is_pair:
        return ""
    if row.rate.people < min_subjects <= own:
        return f", only {row.rate.people:.1f} effective subjects"
    if own == subjects:
        return ""
    return f", only {own} subjects" if own < min_subjects <= subjects else f", {own} subjects"


def count_text(rate: Rate) -> str:
    """One rate: value, interval, errors / trials; without any false match also the limit for independent pairs."""
    text = f"{percent(rate.value)} {interval(rate.low, rate.high)} {errors_of_trials(rate.errors, rate.trials)}"
    limit = pairs_alone(rate)
    return text if math.isnan(limit) else f"{text} (pairs alone: {percent(limit)})"


def no_error_notes(rates: Iterable[Rate]) -> tuple[str, ...]:
    """Explanation of the two limits of a rate without error, if there is one."""
    return (NO_ERROR,) if any(not math.isnan(pairs_alone(rate)) for rate in rates) else ()


def age_table(run: Run) -> TextTable:
    """Mean absolute age error by group."""
    return table_of("age error, years", AGE_COLUMNS, age_rows(run))


AGE_COLUMNS = (
    Column[AgeRow]("group", lambda row: clean(row.group)),
    Column[AgeRow]("images", lambda row: str(row.images)),
    Column[AgeRow]("subjects", lambda row: str(row.subjects)),
    Column[AgeRow]("mean", lambda row: number(row.error.value)),
    Column[AgeRow]("interval", lambda row: f"[{number(row.error.low)}, {number(row.error.high)}]"),
)
