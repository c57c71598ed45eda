"""The finding in words, the same in the report, on a terminal, in a notebook and on a card: a sentence per primary metric.

The sentence compares two rates only if the gap was decided; otherwise it says what was undecided and how many people
would be needed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from facegap.derive.metrics import ERROR_RATE_ALL, Metric, in_order, metric_of
from facegap.derive.primary import primary_family
from facegap.derive.weights import dominated_text
from facegap.report.finding import Contrast, at_first_point, contrasts
from facegap.report.first_line import Line as Line
from facegap.report.first_line import Said
from facegap.report.groups import verdict_text
from facegap.report.outputs import answer_lines
from facegap.report.rows.gaps import GapRow
from facegap.report.rows.rates import RateRow, rate_rows
from facegap.report.text import (
    clean,
    deciding_end,
    deciding_level,
    interval,
    level_text,
    margin,
    not_ruled_out,
    number,
    percent,
    points,
    score,
)
from facegap.report.wording import all_adults, group_words
from facegap.statistics.verdicts import GAPS_FOUND, WITHIN, subjects_needed
from facegap.statistics.verdicts import UNKNOWN as UNDECIDED
from facegap.store.run import Run

UNIT = {
    "impostor pair": "pairs",
    "genuine pair": "pairs",
    "mated search": "searches",
    "non-mated search": "searches",
}

NOTHING = "There are no trials from which a rate could be computed."
MOST_NAMED = 6  # groups whose number of subjects is stated


def headline(run: Run) -> tuple[str, ...]:
    """The finding as a list of sentences: for each metric the result, its verdict, and the numbers behind it."""
    return tuple(" ".join(told(line)) for line in lines_of(run)) or (NOTHING,)


def told(line: Line) -> list[str]:
    """A line in sentences: the result, its verdict, and the numbers behind it."""
    details = "; ".join(line.details)
    said = [f"{line.model}: {line.text}" if line.model else line.text]
    said += [f"Verdict: {line.verdict}"] if line.verdict else []
    return [f"{sentence}." for sentence in (*said, details[:1].upper() + details[1:]) if sentence]


def lines_of(run: Run) -> list[Line]:
    """A line per metric; if no two groups can be compared, one line that says so."""
    found = contrasts(run)
    several = len({one.worst.model for one in found}) > 1
    adults = all_adults(run.manifest)
    lines = [line_of(one, run, adults=adults, several=several) for one in found]
    return [*answer_lines(run), *lines] or nothing_compared(run, adults=adults)


def line_of(found: Contrast, run: Run, *, adults: bool, several: bool) -> Line:
    """The line of one metric."""
    metric, gap = metric_of(found.metric), found.gap
    whole = Line(
        model=clean(found.worst.model) if several else "",
        what=heading(metric),
        pair=None,
        said="",
        verdict="" if gap is None else verdict_text(gap),
        details=(),
        metric=found.metric,
        grouping=found.grouping,
    )
    worst, best = (said(row, metric, run, adults=adults) for row in (found.worst, found.best))
    settled = set(found.own) != {UNDECIDED}
    if gap is not None and gap.verdict == UNDECIDED and not (found.alike and settled):
        return undecided(whole, found, gap, run, adults=adults)
    if found.alike:
        everywhere = f"{worst.rate} in every group large enough to compare"
        least = f"the widest interval is that of {group_words(found.widest.group, adults=adults)}: {counts(found.widest, run)}"
        return with_parts(whole, said=everywhere, details=(least, *pairs_compared(found)))
    size = () if gap is None else (f"{size_text(gap)} {ends_text(gap, found, run.record.level)}",)
    joined = ("label uncertainty included",) if gap is not None and gap.labels is not None else ()
    details = (
        *size,
        *joined,
        " against ".join(counts(row, run, intervals=not row.rate.errors) for row in (found.worst, found.best)),
        *unanswered(found, metric, run),
        *at_threshold(found.worst),
        *pairs_compared(found),
    )
    return with_parts(whole, pair=(worst, best), details=details)


def with_parts(
    line: Line, *, pair: tuple[Said, Said] | None = None, said: str = "", details: Sequence[str] = ()
) -> Line:
    """The line completed with its text."""
    return Line(line.model, line.what, pair, said, line.verdict, tuple(details), line.metric, line.grouping)


def undecided(line: Line, found: Contrast, gap: GapRow, run: Run, *, adults: bool) -> Line:
    """The line of a metric with too few people: what was undecided, and how many people would be needed."""
    pairs = sum(found.own.values())
    people = [group_words(row.group, adults=adults) for row in (found.worst, found.best)]
    who = " and ".join(people) if pairs == 1 else "any of the groups"
    size = gap_of(gap.margin, is_ratio=gap.is_ratio)
    needed = (
        f"about {gap.subjects_needed:,.0f} people per group would be needed to detect {size}"
        if not math.isnan(gap.subjects_needed)
        else "the number of people needed is unknown, because no error was observed"
    )
    if gap.dominated is not None:
        few = dominated_text(gap.dominated.dominated_by)
        needed = f"the rate of “{clean(gap.dominated.group)}” is {few}, so the gap has no verdict"
    sides = zip(people, (found.worst, found.best), strict=True)
    details = (
        needed,
        *(f"{name}: {counts(row, run)}" for name, row in sides),
        *unanswered(found, metric_of(found.metric), run),
        *at_threshold(found.worst),
        *pairs_compared(found),
    )
    return with_parts(line, said=f"undecided whether {who} differ", details=details)


def nothing_compared(run: Run, *, adults: bool) -> list[Line]:
    """The line of a run in which no two groups are large enough; empty if there were no trials at all."""
    rows = [row for row in rate_rows(run) if row.labelled]
    primary = primary_family(run.record, run.rates["metric"])
    metric = next(iter(in_order(primary.metrics)), None)
    if metric is None:
        return []
    of_metric = at_first_point([row for row in rows if row.metric == metric.name], run)
    whole = next((row for row in of_metric if not row.grouping), None)
    grouping = next(iter(primary.groupings), ())
    cells = [row for row in of_metric if row.grouping == grouping]
    needed = people_needed(whole, metric, run)
    had = [f"{group_words(row.group, adults=adults)}: {row.rate.subjects:,}" for row in cells[:MOST_NAMED]]
    details = (
        f"about {needed:,} people per group would be needed to detect {smallest_gap(metric, run)}",
        *((f"evaluated: {', '.join(had)}",) if had else ()),
        f"groups of fewer than {run.record.min_subjects} people are not compared",
        *((f"all groups together: {counts(whole, run)}",) if whole is not None and whole.rate.trials else ()),
    )
    said_so = "undecided, because fewer than two groups are large enough to compare"
    return [Line("", heading(metric), None, said_so, UNDECIDED, details, metric.name, grouping)]


def people_needed(whole: RateRow | None, metric: Metric, run: Run) -> int:
    """People per group needed to compare two groups, from the overall rate; at least --min-subjects."""
    stated = run.record.margins.get(metric.name)
    size, is_ratio = (metric.margin, metric.is_ratio) if stated is None else (stated.size, stated.is_ratio)
    least = run.record.min_subjects
    if whole is None or not whole.rate.trials:
        return least
    per_trial = whole.rate.subjects / whole.rate.effective_trials if whole.rate.effective_trials > 0 else math.nan
    found = subjects_needed(
        np.array([whole.rate.value]), np.array([per_trial]), size, is_ratio=is_ratio, alpha=run.record.alpha
    )[0]
    return least if math.isnan(found) else max(least, int(found))


def smallest_gap(metric: Metric, run: Run) -> str:
    """The smallest gap of a metric that matters: its margin."""
    stated = run.record.margins.get(metric.name)
    size, is_ratio = (metric.margin, metric.is_ratio) if stated is None else (stated.size, stated.is_ratio)
    return gap_of(size, is_ratio=is_ratio)


def gap_of(size: float, *, is_ratio: bool) -> str:
    """A gap as large as a margin, in words: "a gap of 2 points", "a ratio of 2"."""
    words = margin(size, is_ratio=is_ratio)
    return words if is_ratio else f"a gap of {words}"


def heading(metric: Metric) -> str:
    """Heading of a metric: the same words as in charts and tables."""
    return f"{metric.title[:1].upper()}{metric.title[1:]}"


def said(row: RateRow, metric: Metric, run: Run, *, adults: bool) -> Said:
    """A group and its rate."""
    return Said(
        percent(row.rate.value, 1),
        metric.of_what.replace("images", run.counted) + group_words(row.group, adults=adults),
    )


def size_text(gap: GapRow) -> str:
    """The gap on the scale of its margin."""
    return f"ratio {number(gap.ratio.value)}" if gap.is_ratio else f"difference {points(gap.difference.value, 1)}"


def ends_text(gap: GapRow, found: Contrast, level: float) -> str:
    """The interval on which the verdict is based, with its level, and why this is stricter than the level of the rates.

    level : of the intervals of rates, as in the charts
    """
    if math.isnan(gap.decided.low) or math.isnan(gap.decided.high):
        return "without an interval"
    digits = 2 if gap.is_ratio else 1
    low, high = (
        deciding_end(end, gap.margin, is_ratio=gap.is_ratio, digits=digits)
        for end in (gap.decided.low, gap.decided.high)
    )
    tested = sum(found.verdicts.values())
    stricter = gap.decided_level > level and tested > 1
    why = f", adjusted for {tested:,} gaps that are tested together" if stricter else ""
    return f"[{low}, {high}] ({deciding_level(gap.decided_level)} interval{why})"


def unit_of(metric: str, run: Run) -> str:
    """The trials of a metric, in the plural."""
    return UNIT.get(metric_of(metric).trial, run.counted)


def counts(row: RateRow, run: Run, *, intervals: bool = True) -> str:
    """Errors, trials and, if the data name them, people of a group; without errors, the rate that cannot be ruled out.

    intervals : with the interval of the rate
    """
    rate, unit = row.rate, unit_of(row.metric, run)
    people = f" of {rate.subjects:,} people" if run.record.manifest.has_subjects else ""
    known = intervals and not math.isnan(rate.low)
    if not rate.errors:
        return f"0 errors in {rate.trials:,} {unit}{people}" + (f", {not_ruled_out(rate.high)}" if known else "")
    ends = f" ({level_text(rate.level)} interval {interval(rate.low, rate.high, 1)}%)" if known else ""
    return f"{rate.errors:,} of {rate.trials:,} {unit}{people}{ends}"


def unanswered(found: Contrast, metric: Metric, run: Run) -> tuple[str, ...]:
    """How many of the errors had no prediction, and whether the verdict depends on trials without one."""
    lost = None if found.gap is None else found.gap.losses
    if lost is None:
        return ("none unanswered",) if metric == ERROR_RATE_ALL else ()
    case = "if they had been errors in one group and none in the other"
    known = not math.isnan(lost.difference.low)
    could = f"the verdict could change {case}" if known else f"it is not known whether the verdict would change {case}"
    hangs = "" if lost.stands else f"; {could}"
    unit = unit_of(found.worst.metric, run)
    return (f"unanswered: {lost.worse:,} of the former {unit}, {lost.better:,} of the latter{hangs}",)


def at_threshold(row: RateRow) -> tuple[str, ...]:
    """The threshold of a rate, if it has one."""
    return () if math.isnan(row.threshold) else (f"threshold {score(row.threshold)}",)


def pairs_compared(found: Contrast) -> tuple[str, ...]:
    """How many pairs of groups were compared besides this one, and how many have its verdict."""
    pairs = sum(found.own.values())
    if pairs < 2:
        return ()
    if found.gap is not None and found.gap.verdict in GAPS_FOUND:
        such = found.own[found.gap.verdict]
        among = f"among {pairs:,} pairs of groups"
        return (f"one of {such:,} such gaps {among}" if such > 1 else f"the only such gap {among}",)
    if set(found.own) == {UNDECIDED}:
        return (f"all {pairs:,} pairs of groups undecided",)
    words = {WITHIN: "without a gap larger than the margin", UNDECIDED: "undecided"}
    told = ", ".join(f"{found.own[name]:,} {word}" for name, word in words.items() if found.own.get(name))
    return (f"{pairs:,} pairs of groups: {told}",)
