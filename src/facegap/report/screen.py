"""The result of an audit on one terminal screen: the finding, its gaps and rates, warnings, and next steps.

Everything else is in the report, and in `facegap.report.summary.all_tables`, which `--verbose` prints.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path

from facegap.derive.metrics import metric_of
from facegap.report.attacks import iapar_sentences
from facegap.report.finding import Contrast, contrast
from facegap.report.first_screen import lines_of, told
from facegap.report.groups import decided_text, difference_text, measured, ratio_text, verdict_text, who
from facegap.report.image_tables import lost_words, sent_words, stopping_words
from facegap.report.outputs import output_sentences
from facegap.report.rows.gaps import VerdictRow, verdict_rows
from facegap.report.rows.rates import RateRow, rate_rows
from facegap.report.tables import Column, TextTable, table_of, title_of
from facegap.report.text import clean, errors_of_trials, interval, percent, score
from facegap.store.run import Run

MOST_GAPS = 4  # families in the table of gaps
MOST_GROUPS = 7  # rows of the table of rates: the highest and, below them, the lowest
LOWEST = 3  # of these rows
WARNING_LETTERS = 320  # of all warnings together, but at least one warning; about four lines of 80


def finding(run: Run) -> list[str]:
    """The finding as on the first screen of the report: for each metric a sentence, its verdict, and the numbers behind it."""
    found = [sentence for line in lines_of(run) for sentence in told(line)]
    found += [f"Threshold {score(point.threshold)}: {clean(point.source)}." for point in run.record.operating]
    found += [*output_sentences(run), *iapar_sentences(run)]
    lost = lost_words(run)
    sent = [] if run.record.sent is None else [sent_words(run.record.sent)]
    sent += [] if run.record.stopping is None else [stopping_words(run.record.stopping)]
    return [sentence for sentence in (*found, "" if lost.startswith("No image was lost") else lost, *sent) if sentence]


def screen_tables(run: Run) -> list[TextTable]:
    """The widest gaps of the first families, and the rates of the groups in the finding."""
    found = contrast(run)
    tables = [gaps_in_short(run, found)] if len(run.gaps) else []
    return [*tables, *([] if found is None else [rates_in_short(run, found)])]


def gaps_in_short(run: Run, found: Contrast | None) -> TextTable:
    """The widest gaps of the primary family, beginning with that of the finding."""
    every = verdict_rows(run)
    rows = [row for row in every if row.widest.primary] or every
    if found is not None:
        rows.sort(key=lambda row: (row.widest.metric != found.metric, row.widest.grouping != found.grouping))
    rows = rows[:MOST_GAPS]
    more = len(every) - len(rows)
    explored = " (exploratory, without a verdict)" if len(rows) == sum(row.widest.primary for row in every) else ""
    notes = [f"{more} further rows of gaps{explored} are in the report and in gaps.csv."] if more > 0 else []
    metrics = {row.widest.metric for row in rows}
    if len(metrics) == 1:
        return table_of(f"widest gaps: {title_of(*metrics)}", OF_ONE_METRIC, rows, notes=notes)
    return table_of("widest gaps", GAPS, rows, notes=notes)


def gap_text(row: VerdictRow) -> str:
    """The gap on the scale of its margin."""
    gap = row.widest
    return f"ratio {ratio_text(gap)}" if gap.is_ratio else difference_text(gap)


def interval_text(row: VerdictRow) -> str:
    """The interval on which the verdict is based, in the unit of the gap, with its level."""
    return decided_text(row.widest).removeprefix("ratio ").replace(" points,", ",")


def by_text(row: VerdictRow) -> str:
    """The grouping, and the threshold if there is one."""
    at = "" if math.isnan(row.widest.threshold) else f" at {score(row.widest.threshold)}"
    return f"{clean(' x '.join(row.widest.family.split('*')))}{at}"


GAPS = (
    Column[VerdictRow]("metric and grouping", lambda row: measured(row.widest)),
    Column[VerdictRow]("worst against best", lambda row: who(row.widest)),
    Column[VerdictRow]("gap", gap_text),
    Column[VerdictRow]("interval", interval_text),
    Column[VerdictRow]("verdict", lambda row: verdict_text(row.widest)),
)
OF_ONE_METRIC = (Column[VerdictRow]("by", by_text), *GAPS[1:])


def rates_in_short(run: Run, found: Contrast) -> TextTable:
    """The groups of the finding by decreasing rate; if there are many, the highest and the lowest."""
    rows = [row for row in rate_rows(run) if is_beside(row, found.worst) and row.rate.trials]
    rows.sort(key=lambda row: -row.rate.value)
    left_out = len(rows) - MOST_GROUPS
    if left_out > 0:
        rows = [*rows[: MOST_GROUPS - LOWEST], *rows[-LOWEST:]]
    metric, by = title_of(found.metric), clean(" x ".join(found.grouping))
    at = "" if math.isnan(found.worst.threshold) else f", threshold {score(found.worst.threshold)}"
    level = f"{100 * run.record.level:g}% interval"
    notes = [f"Groups between these, in the report: {left_out}."] if left_out > 0 else []
    if any(not row.reliable for row in rows):
        notes.append(f"* fewer than {run.record.min_subjects} effective subjects: shown but not ranked.")
    return table_of(
        f"{metric}, by {by}{at}",
        (
            Column[RateRow]("group", lambda row: f"{clean(row.group)}{'' if row.reliable else ' *'}"),
            Column[RateRow]("rate", lambda row: percent(row.rate.value)),
            Column[RateRow](level, lambda row: interval(row.rate.low, row.rate.high)),
            Column[RateRow]("errors / trials", lambda row: errors_of_trials(row.rate.errors, row.rate.trials)),
            Column[RateRow]("people", lambda row: f"{row.rate.subjects:,}"),
        ),
        rows,
        is_dimmed=lambda row: not row.reliable,
        notes=notes,
    )


def is_beside(row: RateRow, other: RateRow) -> bool:
    """Whether two rates have the same metric, grouping and threshold."""
    same = row.threshold == other.threshold or (math.isnan(row.threshold) and math.isnan(other.threshold))
    return (
        same
        and (row.metric, row.grouping) == (other.metric, other.grouping)
        and (row.threshold_from == other.threshold_from or not metric_of(row.metric).is_search)
    )


def warnings_in_short(warnings: Sequence[str]) -> list[str]:
    """The first warnings that fit WARNING_LETTERS, and how many more there are."""
    shown: list[str] = []
    letters = 0
    for warning in warnings:
        letters += len(warning)
        if shown and letters > WARNING_LETTERS:
            break
        shown.append(f"warning: {warning}")
    left = len(warnings) - len(shown)
    return [*shown, *([f"{left} more warning{'s' if left > 1 else ''}: see the report"] if left else [])]


def next_steps(folder: Path) -> list[str]:
    """Path of the report, and commands for the next steps."""
    run = clean(shlex.quote(str(folder)))
    return [
        f"Report: {clean(folder / 'report.html')}",
        f"All tables here: facegap report {run} --verbose",
        f"Failures one by one: facegap explore {run}",
        f"Check the numbers again: facegap recheck {run}",
    ]
