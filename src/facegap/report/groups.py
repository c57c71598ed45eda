"""Comparisons of groups as text tables: the cross-group matrix, and the gaps with their verdicts.

Each surface has a list of columns for the same rows: TERMINAL and PAGE of the gaps, CARD of the model card.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial

from facegap.derive.metrics import metric_of
from facegap.derive.verification import MOST_MATRIX_GROUPS
from facegap.derive.weights import dominated_text
from facegap.report.planned import plan_notes
from facegap.report.rate_tables import count_text, no_error_notes
from facegap.report.rows.frames import records
from facegap.report.rows.gaps import GapRow, VerdictRow, gap_row, verdict_rows
from facegap.report.rows.rates import MatrixRows, matrix_rows
from facegap.report.tables import Column, TextTable, table_of, title_of
from facegap.report.text import (
    NO_NUMBER,
    clean,
    deciding_interval,
    errors_of_trials,
    hundredfold,
    level_text,
    margin,
    number,
    p_value,
    percent,
    points,
    score,
    verdict,
)
from facegap.report.units import unit_in_words
from facegap.statistics.verdicts import EXPLORATORY
from facegap.statistics.verdicts import UNKNOWN as UNDECIDED
from facegap.store.run import Run
from facegap.types import Group

MOST_MATRIX_COLUMNS = 8  # a wider matrix does not fit a terminal; rates.csv contains all of it


# ---- FMR by pair of groups ----


def matrix_tables(run: Run, *, columns: int = MOST_MATRIX_COLUMNS) -> list[TextTable]:
    """FMR of every pair of groups of a grouping, per threshold.

    columns : groups side by side; with fewer than MOST_MATRIX_COLUMNS, a matrix is divided into parts
    """
    tables = [table for matrix in matrix_rows(run) for table in matrix_parts(matrix, columns)]
    return [table for table in tables if table.rows or table.notes]


def matrix_parts(matrix: MatrixRows, columns: int) -> list[TextTable]:
    """One cross-group matrix; if it is wide, only the first groups. Without a cell between groups it has no row."""
    named = " x ".join(matrix.grouping)
    title = f"{named}: false matches between groups (FMR), threshold {score(matrix.point.threshold)}"
    if len(matrix.groups) > MOST_MATRIX_GROUPS:
        note = f"{len(matrix.groups)} groups, more than {MOST_MATRIX_GROUPS}: no matrix."
        return [TextTable(title, ("group",), (), notes=(note,))]
    if not matrix.has_pairs:
        return []
    shown = matrix.groups[:MOST_MATRIX_COLUMNS]
    parts = [shown[start : start + columns] for start in range(0, len(shown), columns)]
    return [
        matrix_table(
            matrix,
            part,
            title if len(parts) == 1 else f"{title}, part {k} of {len(parts)}",
            matrix_notes(matrix, shown) if k == len(parts) else (),
        )
        for k, part in enumerate(parts, start=1)
    ]


def matrix_table(matrix: MatrixRows, across: Sequence[Group], title: str, notes: Sequence[str]) -> TextTable:
    """The cells of all groups against some of them."""
    columns = [
        Column[Group]("group", clean),
        *(Column[Group](clean(other), partial(matrix_cell, matrix=matrix, other=other)) for other in across),
    ]
    return table_of(title, columns, matrix.groups, notes=notes)


def matrix_cell(group: Group, *, matrix: MatrixRows, other: Group) -> str:
    """The rate of one cell; empty if it was not counted."""
    row = matrix.cells.get((group, other))
    return "" if row is None else count_text(row.rate)


def matrix_notes(matrix: MatrixRows, shown: Sequence[Group]) -> tuple[str, ...]:
    """The source of the threshold, and groups that are not shown."""
    notes = [f"Threshold: {clean(matrix.point.source)}."]
    if len(shown) < len(matrix.groups):
        notes.append(f"The first {len(shown)} of {len(matrix.groups)} groups; all are in rates.csv.")
    rates = [row.rate for (_, other), row in matrix.cells.items() if other in shown]
    return (*notes, *no_error_notes(rates))


# ---- gaps ----


def gap_table(run: Run) -> TextTable:
    """A line per family: its widest gap, between the worst and the best group, and the number of gaps with each verdict."""
    rows = verdict_rows(run)
    return table_of("gaps and verdicts", with_losses(TERMINAL, rows), rows, notes=gap_notes(run))


def verdict_table(rows: Sequence[VerdictRow]) -> TextTable:
    """The table of the report in four columns: metric and grouping, groups, gap with interval, verdict."""
    return table_of("the widest gap of each grouping", with_losses(PAGE, rows), rows)


def all_gaps_table(rows: Sequence[VerdictRow], run: Run) -> TextTable:
    """Families with all their numbers, the primary ones first."""
    ordered = sorted(rows, key=lambda row: not row.widest.primary)
    return table_of(
        "all gaps with all their numbers, including exploratory gaps",
        with_losses(EVERY, ordered),
        ordered,
        notes=gap_notes(run),
    )


def page_families(run: Run) -> tuple[list[VerdictRow], list[str]]:
    """The families that the report shows, without those that repeat another or have no error, and sentences on the latter.

    GFAR and GFRR repeat FMR and FNMR if no photograph was lost; rates of answered images repeat those of all images if all
    were answered; without errors no group can differ. The primary family is always shown.
    """
    shown: list[VerdictRow] = []
    repeated: list[str] = []
    unseen: list[str] = []
    for row in sorted(verdict_rows(run), key=lambda row: metric_of(row.widest.metric).order):
        is_failure = metric_of(row.widest.metric).is_failure
        if row.widest.primary:
            shown.append(row)
        elif is_failure and not seen_errors(row, run):
            unseen.append(title_of(row.widest.metric))
        elif any(repeats(row, other) for other in shown):
            repeated.append(title_of(row.widest.metric))
        else:
            shown.append(row)
    sentences = []
    if repeated:
        sentences.append(f"Not shown, because they repeat other rows: {'; '.join(dict.fromkeys(repeated))}.")
    if unseen:
        sentences.append(f"No error in any group: {'; '.join(dict.fromkeys(unseen))}.")
    return shown, sentences


def seen_errors(row: VerdictRow, run: Run) -> bool:
    """Whether any group of a family has an error."""
    gap = row.widest
    own = run.gaps[(run.gaps["family"] == gap.family) & (run.gaps["metric"] == gap.metric)]
    at = own["threshold"].isna() if math.isnan(gap.threshold) else own["threshold"] == gap.threshold
    return bool((own.loc[at, ["errors_a", "errors_b"]] > 0).any(axis=None))


def repeats(row: VerdictRow, other: VerdictRow) -> bool:
    """Whether a family repeats another one of the same grouping: groups, counts and verdicts."""
    one, two = row.widest, other.widest
    same = (one.family, one.worse, one.better) == (two.family, two.worse, two.better)
    return (
        same
        and score(one.threshold) == score(two.threshold)
        and sum(row.verdicts.values()) == sum(other.verdicts.values())
    )


def with_losses(columns: Sequence[Column[VerdictRow]], rows: Sequence[VerdictRow]) -> tuple[Column[VerdictRow], ...]:
    """The columns, with that of the best and worst case if a gap has lost trials."""
    if not any(row.widest.losses for row in rows):
        return tuple(columns)
    return (*columns[:-1], Column[VerdictRow](LOSS_HEADING, lambda row: loss_text(row.widest)), columns[-1])


def gap_notes(run: Run) -> tuple[str, ...]:
    """Definition of intervals and p, excluded groups, and the source of each threshold."""
    tested = (
        "The interval is the one on which the verdict is based, at the level shown, which is adjusted for all gaps that are "
        f"tested together; p is Holm's over them. {unit_in_words(run.record)} All pairs are in gaps.csv, with the "
        f"{level_text(run.record.level)} unadjusted interval of each difference and ratio."
    )
    small = f"Groups of fewer than {run.record.min_subjects} effective subjects, and rows without a label, are not compared."
    return (
        tested,
        *plan_notes(run),
        *primary_notes(run),
        *margin_notes(run),
        small,
        *label_notes(run),
        *loss_notes(run),
        *threshold_notes(run),
    )


def primary_notes(run: Run) -> list[str]:
    """Description of the primary family and of the other families."""
    gaps = run.gaps[run.gaps["primary"]]
    if not len(run.gaps):
        return []
    others = len(run.gaps) - len(gaps)
    explored = (
        f" The other {others:,} gaps are exploratory: p and interval are adjusted only for the pairs of their own row, and "
        "no verdict is given."
    )
    if not len(gaps):
        return [f"The primary family has no gap.{explored}"]
    count = f"{len(gaps):,} gap{'s' if len(gaps) > 1 else ''}"
    named = "; ".join(dict.fromkeys(measured(gap_row(row)) for row in records(gaps)))
    return [f"Primary family, tested together: {named} ({count}).{explored if others else ''}"]


def loss_notes(run: Run) -> list[str]:
    """Definition of the best and worst case; empty if no trial was lost."""
    if not (run.gaps["lost_a"] + run.gaps["lost_b"]).any():
        return []
    tested = run.gaps[run.gaps["primary"]]
    unknown = ~tested["loss_stands"] & tested["loss_difference_low"].isna()
    changed = int((~tested["loss_stands"] & ~unknown).sum())
    said = [f"The verdicts of {changed} of {len(tested)} gaps could change as a result."] if changed else []
    said += (
        [f"In {unknown.sum()} of {len(tested)} gaps people have equal weight, and the cases are unknown."]
        if unknown.any()
        else []
    )
    could = " ".join(said) or "No verdict would change."
    return [
        "Best and worst case: the gap if all images, pairs or searches without a result had been errors in one group and "
        f"none in the other, and the reverse. {could} Files that were not processed are not included."
    ]


def margin_notes(run: Run, *, primary: bool = False) -> list[str]:
    """The margins of the verdicts, which were fixed before the data were seen, and alpha.

    primary : only those of the primary family
    """
    gaps = run.gaps[run.gaps["primary"]] if primary else run.gaps
    found = {str(row["metric"]): margin(row["margin"], is_ratio=row["scale"] == "ratio") for row in records(gaps)}
    stated = "; ".join(f"{title_of(metric)}: {size}" for metric, size in found.items())
    chosen = run.record.request.setting("groups", "margin")
    by = f" (--margin {' '.join(clean(text) for text in chosen)})" if chosen else ""
    by = " (by the plan)" if run.record.plan else by
    alpha = f"Probability of any false alarm in the verdicts of the run: at most {run.record.alpha:g}."
    return [f"Margins, fixed before the models ran{by}: {stated}. {alpha}"] if stated else []


def threshold_notes(run: Run) -> list[str]:
    """The source of each threshold of the gaps."""
    searched = run.record.identification
    points = [*run.record.operating, *(searched.operating if searched else ())]
    tested = set(run.gaps["threshold"])
    return [
        f"Threshold {score(point.threshold)}: {clean(point.source)}." for point in points if point.threshold in tested
    ]


def who(gap: GapRow) -> str:
    """The worse group against the better one; a dash for equal rates, or groups without a rate."""
    return NO_NUMBER if gap.alike else f"{clean(gap.worse.group)} against {clean(gap.better.group)}"


def counts(gap: GapRow) -> str:
    """Errors and trials of both groups."""
    worse, better = (errors_of_trials(side.errors, side.trials) for side in (gap.worse, gap.better))
    return f"{worse} against {better}"


def difference_text(gap: GapRow) -> str:
    """The difference in percentage points; its unadjusted interval, which decides nothing, is in gaps.csv."""
    return points(gap.difference.value)


def ratio_text(gap: GapRow) -> str:
    """The ratio of the worse group to the better one."""
    return number(gap.ratio.value)


def decided_text(gap: GapRow) -> str:
    """The interval on which the verdict is based, on the scale of the margin, with its level."""
    ends = gap.decided
    return deciding_interval(ends.low, ends.high, gap.decided_level, gap.margin, is_ratio=gap.is_ratio)


def gap_with_interval(gap: GapRow) -> str:
    """The gap on the scale of its margin, with the interval on which its verdict is based."""
    size = f"ratio {ratio_text(gap)}" if gap.is_ratio else difference_text(gap)
    ends = decided_text(gap).removeprefix("ratio ").replace("] points, ", "] at ").replace("], ", "] at ")
    return f"{size} {ends}"


def verdict_text(gap: GapRow) -> str:
    """The verdict, including the margin, and its assumption on label errors."""
    said = verdict(gap.verdict, gap.margin, is_ratio=gap.is_ratio, differs=gap.differs)
    assumed = label_assumption(gap)
    said = f"{said} ({assumed})" if assumed else said
    return said if gap.dominated is None else f"{said}: {dominated_text(gap.dominated.dominated_by)}"


def label_assumption(gap: GapRow) -> str:
    """The assumption of a verdict on label errors, in words; empty if labels are certain or there is no verdict."""
    if gap.bound is None or gap.verdict in (UNDECIDED, EXPLORATORY):
        return ""
    if gap.bound.holds:
        return f"holds even if all of at most {math.ceil(gap.bound.wrong):,} wrong labels fall on the model's errors"
    return "assumes that label errors are independent of the model's errors"


def label_notes(run: Run) -> list[str]:
    """What is known of label errors, and what the gaps assume about them."""
    stated = run.record.request.setting("groups", "label_errors")
    drawn = (run.gaps["label_draws"] > 0).any()
    if stated is not None:
        return [
            f"Labels: up to {percent(stated)} of the trials of two groups together may have a wrong label (--label-errors), "
            "and a verdict is given only if it holds even if all of these fall on the model's errors. False match rates have "
            "no "
            "such bound, and so no verdict."
        ]
    if drawn:
        return [
            "Labels that may be wrong: the number that follows from their probabilities (95% limit). Each verdict states "
            "whether it holds even if all of these fall on the model's errors, or assumes that label errors are independent "
            "of the model's errors."
        ]
    return []


def loss_text(gap: GapRow) -> str:
    """The best and worst case over lost trials, on the scale of the margin, and whether the verdict could change."""
    if gap.losses is None:
        return "nothing lost"
    if math.isnan(gap.losses.difference.low):
        return "unknown, because people have equal weight"
    ends = gap.losses.ratio if gap.is_ratio else gap.losses.difference
    low, high = (number(end) if gap.is_ratio else hundredfold(end, 2) for end in (ends.low, ends.high))
    cases = f"ratio {low} to {high}" if gap.is_ratio else f"{low} to {high} points"
    if gap.verdict == EXPLORATORY:
        return cases
    return f"{cases}; the verdict {'would not' if gap.losses.stands else 'could'} change"


def tally(verdicts: Mapping[str, int]) -> str:
    """The number of gaps of a family with each verdict."""
    return "; ".join(f"{count} {clean(said)}" for said, count in verdicts.items())


def measured(gap: GapRow) -> str:
    """The metric, its threshold, and the grouping."""
    at = "" if math.isnan(gap.threshold) else f" at {score(gap.threshold)}"
    return f"{title_of(gap.metric)}{at}, by {clean(' x '.join(gap.family.split('*')))}"


LOSS_HEADING = "best and worst case over lost trials"
TERMINAL = (
    Column[VerdictRow]("groups", lambda row: clean(row.widest.family)),
    Column[VerdictRow]("metric", lambda row: title_of(row.widest.metric)),
    Column[VerdictRow]("threshold", lambda row: score(row.widest.threshold)),
    Column[VerdictRow]("worst against best", lambda row: who(row.widest)),
    Column[VerdictRow]("difference", lambda row: difference_text(row.widest)),
    Column[VerdictRow]("ratio", lambda row: ratio_text(row.widest)),
    Column[VerdictRow]("errors / trials", lambda row: counts(row.widest)),
    Column[VerdictRow]("p (Holm)", lambda row: p_value(row.widest.p_decided)),
    Column[VerdictRow]("deciding interval", lambda row: decided_text(row.widest)),
    Column[VerdictRow]("verdict", lambda row: verdict_text(row.widest)),
    Column[VerdictRow]("all pairs", lambda row: tally(row.verdicts)),
)
PAGE = (
    Column[VerdictRow]("metric and grouping", lambda row: measured(row.widest)),
    Column[VerdictRow]("worse against better", lambda row: who(row.widest)),
    Column[VerdictRow]("gap", lambda row: gap_with_interval(row.widest)),
    Column[VerdictRow]("verdict", lambda row: verdict_text(row.widest)),
)
EVERY = (
    Column[VerdictRow]("metric and grouping", lambda row: measured(row.widest)),
    Column[VerdictRow]("worst against best", lambda row: who(row.widest)),
    Column[VerdictRow]("errors / trials", lambda row: counts(row.widest)),
    Column[VerdictRow]("difference", lambda row: difference_text(row.widest)),
    Column[VerdictRow]("ratio", lambda row: ratio_text(row.widest)),
    Column[VerdictRow]("p (Holm)", lambda row: p_value(row.widest.p_decided)),
    Column[VerdictRow]("deciding interval", lambda row: decided_text(row.widest)),
    Column[VerdictRow]("all pairs", lambda row: tally(row.verdicts)),
)
