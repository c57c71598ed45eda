"""Text and tables of gaps before and after balancing, for the terminal and the report."""

from __future__ import annotations

import math
from collections.abc import Sequence

from facegap.derive.balanced.audited import EXPLAINED, asked_of, without_values
from facegap.derive.balanced.question import without_trials
from facegap.derive.balanced.rows import Row, rows_of
from facegap.derive.metrics import metric_of
from facegap.report.first_screen import heading
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import NO_NUMBER, difference, level_text, margin, number, percent, ratio
from facegap.statistics.covariates.within import LEAST_PEOPLE
from facegap.statistics.verdicts import BEYOND, GAP, UNKNOWN, WITHIN
from facegap.store.run import Run

MOST_LINES = 14  # of a table on one screen
CAVEAT = (
    "The gap that remains after balancing measured covariates may be associated with others that were not measured, and a covariate "
    "may itself depend on the group. These are associations."
)


def verdict_text(row: Row) -> str:
    """The verdict on the remaining gap, as printed; empty for a row without a verdict.

    "No gap larger than the margin" is printed only for that verdict; any undecided gap has too few comparable people.
    """
    size = margin(row.margin, is_ratio=row.is_ratio)
    said: dict[str, str] = {
        BEYOND: f"a gap larger than {size} remains after balancing",
        GAP: "a gap remains after balancing",
        WITHIN: f"no gap larger than {size} after balancing these covariates",
        UNKNOWN: "too few comparable people to tell",
    }
    return said.get(row.verdict, "")


def gap_text(row: Row) -> str:
    """The gap of a row with its interval."""
    return ratio(row.gap, row.low, row.high) if row.is_ratio else difference(row.gap, row.low, row.high, 1)


def covariates_text(names: Sequence[str]) -> str:
    """Covariates in a sentence."""
    return ", ".join(names[:-1]) + f" and {names[-1]}" if len(names) > 1 else "".join(names)


def findings(rows: Sequence[Row]) -> list[str]:
    """For each metric: the widest raw gap, how much of it remains, and the number of gaps with each verdict."""
    said = []
    for metric in dict.fromkeys(row.metric for row in rows):
        whole = [row for row in rows if row.metric == metric and row.is_of_all]
        raw = {row.group: row for row in rows if row.metric == metric and row.estimate == "raw"}
        seen = [row for row in whole if not math.isnan(raw[row.group].gap)]
        if not seen:
            said.append(f"{capital(metric_of(metric).title)}: {whole[0].reason or raw[whole[0].group].reason}.")
            continue
        widest = max(seen, key=lambda row: abs(distance(raw[row.group])))
        said += finding(raw[widest.group], widest)
        if len(whole) > 1:
            counts = [
                (text, sum(verdict_text(row) == text for row in whole))
                for text in dict.fromkeys(map(verdict_text, whole))
            ]
            said.append(
                f"All {len(whole)} groups compared with {whole[0].reference}: "
                + "; ".join(f"{count} × {text}" for text, count in counts)
                + "."
            )
    return said


def finding(raw: Row, whole: Row) -> list[str]:
    """One gap before and after balancing, in two sentences."""
    metric = metric_of(raw.metric)
    names, of = covariates_text(whole.covariates), metric.of_what
    before = (
        f"{heading(metric)}: {percent(raw.rate)} of {of}{raw.group}, {percent(raw.reference_rate)} of "
        f"{of}{raw.reference}: raw gap {gap_text(raw)}."
    )
    if math.isnan(whole.gap):
        return [before, f"After balancing {names}: {whole.reason}: too few comparable people to tell."]
    after = (
        f"After balancing {names}: remaining gap {gap_text(whole)} ({level_text(round(whole.level, 4))} interval; effective people "
        f"{whole.effective_subjects:,.0f} and {whole.reference_effective_subjects:,.0f}, overlap {percent(whole.overlap, 0)}): "
        f"{verdict_text(whole)}."
    )
    return [before, after + (" Attenuated." if whole.attenuated else "")]


def distance(row: Row) -> float:
    """The distance of a gap from the value of no difference, on the scale on which gaps are symmetric."""
    if not row.is_ratio:
        return row.gap
    return math.log(row.gap) if row.gap > 0 else math.inf


def step_text(row: Row) -> str:
    """The covariates balanced in a row."""
    if row.estimate == "raw":
        return "nothing (raw gap)"
    if row.estimate == "balanced in cells":
        return "all, in cells (a check)"
    if row.is_of_all:
        return "all" if len(row.covariates) > 1 else row.covariates[0]
    return covariates_text(row.covariates)


def marks_text(row: Row) -> str:
    """Verdict and notes of a row."""
    marks = [verdict_text(row)]
    marks += ["attenuated"] if row.attenuated else []
    marks += ["over-adjusted"] if row.overadjusted else []
    marks += [row.reason] if row.reason else []
    return "; ".join(mark for mark in marks if mark)


def effective_text(row: Row) -> str:
    """Effective people of both groups."""
    pair = (row.effective_subjects, row.reference_effective_subjects)
    return NO_NUMBER if any(map(math.isnan, pair)) else " / ".join(f"{value:,.0f}" for value in pair)


def left_out_text(row: Row) -> str:
    """Trials without a counterpart in the other group, for both groups."""
    pairs = ((row.not_comparable, row.trials), (row.reference_not_comparable, row.reference_trials))
    return " / ".join(f"{lost:,} of {trials:,}" for lost, trials in pairs)


BALANCE_COLUMNS: tuple[Column[Row], ...] = (
    Column("group", lambda row: row.group),
    Column("balanced", step_text),
    Column("gap", gap_text),
    Column("effective people", effective_text),
    Column("overlap", lambda row: percent(row.overlap, 0)),
    Column("not comparable", left_out_text),
    Column("verdict", marks_text),
)
SHORT_COLUMNS = tuple(column for column in BALANCE_COLUMNS if column.heading != "not comparable")


SHOWN = ("raw", "balanced", "balanced in cells")


def balance_tables(rows: Sequence[Row], *, short: bool = False) -> list[TextTable]:
    """Gaps before and after balancing, a table per metric.

    short : on a terminal, only raw gaps and those after all covariates, if there are too many steps
    """
    tables = []
    for metric in dict.fromkeys(row.metric for row in rows):
        own = [row for row in rows if row.metric == metric and row.estimate in SHOWN]
        few = [row for row in own if row.estimate == "raw" or row.is_of_all]
        shown = few if short and len(own) > MOST_LINES else own
        if short and len(shown) > MOST_LINES:
            widest = sorted({row.group for row in few}, key=lambda group: -width_of(few, group))[: MOST_LINES // 2]
            shown = [row for row in shown if row.group in widest]
        title = f"{metric_of(metric).title}: gap to {own[0].reference}, before and after balancing"
        columns = SHORT_COLUMNS if short else BALANCE_COLUMNS
        left = len(own) - len(shown)
        notes = [f"{left} further rows: --verbose, or --out FOLDER."] if left else []
        made = table_of(title, columns, shown, notes=notes)
        tables.append(made)
    return tables


def width_of(rows: Sequence[Row], group: str) -> float:
    """Size of the raw gap of a group."""
    return max((abs(distance(row)) for row in rows if row.group == group and not math.isnan(row.gap)), default=0.0)


def regression_tables(rows: Sequence[Row]) -> list[TextTable]:
    """The gap decomposed by a logistic regression."""
    columns: tuple[Column[Row], ...] = (
        Column("group", lambda row: row.group),
        Column(
            "part", lambda row: "the rest" if row.estimate.endswith("rest") else f"associated with {row.covariates[0]}"
        ),
        Column("part of the gap", gap_text),
        Column("marks", marks_text),
    )
    tables = []
    for metric in dict.fromkeys(row.metric for row in rows):
        own = [row for row in rows if row.metric == metric and row.estimate.startswith("regression")]
        if not own:
            continue
        how = "the product of the parts is the gap" if own[0].is_ratio else "the parts sum to the gap"
        tables.append(
            table_of(
                f"{metric_of(metric).title}: gap to {own[0].reference}, decomposed by a logistic regression; {how}",
                columns,
                own,
            )
        )
    return tables


def within_tables(rows: Sequence[Row]) -> list[TextTable]:
    """The change of a person's errors with a covariate; metrics for which nobody has several images have no table."""
    columns: tuple[Column[Row], ...] = (
        Column("covariate", lambda row: row.covariates[0]),
        Column("group", lambda row: row.group),
        Column("change of the error rate", gap_text),
        Column("people", lambda row: number(row.subjects, 0)),
        Column("trials", lambda row: f"{row.trials:,}"),
        Column("note", marks_text),
    )
    tables = []
    for metric in dict.fromkeys(row.metric for row in rows):
        own = [row for row in rows if row.metric == metric and row.estimate == "within person"]
        if any(not row.reason for row in own):
            title = f"{metric_of(metric).title}: change within people, per standard deviation of the covariate over all images"
            tables.append(table_of(title, columns, own))
    return tables


def rows_of_run(run: Run) -> tuple[Row, ...]:
    """The gaps before and after balancing that a run contains; empty without --covariates."""
    return rows_of(run.extra[EXPLAINED]) if EXPLAINED in run.extra else ()


def sentences_of_run(run: Run) -> list[str]:
    """Notes of a run on its gaps after balancing; empty if none were requested."""
    if not (asked := asked_of(run)):
        return []
    rows, absent = rows_of_run(run), without_values(run)
    said = findings(rows)
    if not rows:
        why = "no two groups have known labels" if len(absent) < len(asked) else "there was nothing to balance"
        said.append(f"No gap could be balanced: {why}.")
    if absent:
        said.append(f"Not balanced, because it is the same for all images: {covariates_text(absent)}.")
    reasons = dict.fromkeys(row.reason for row in rows if row.overadjusted and row.is_of_all and row.reason)
    said += [f"Over-adjusted. {reason}" for reason in reasons]
    return [*said, *without_trials(rows), *([CAVEAT] if rows else [])]


def capital(text: str) -> str:
    """Text with a capital first letter."""
    return text[:1].upper() + text[1:]


def without_change(rows: Sequence[Row]) -> list[str]:
    """Metrics without a result for change within people, and why, in sentences."""
    said = []
    for metric in dict.fromkeys(row.metric for row in rows):
        own = [row for row in rows if row.metric == metric and row.estimate == "within person"]
        title = capital(metric_of(metric).title)
        if not own:
            said.append(f"{title}: a pair of two people has no change within a person.")
        elif all(row.reason for row in own):
            said.append(
                f"{title}: fewer than {LEAST_PEOPLE} people have several trials with different values of a covariate."
            )
    return said
