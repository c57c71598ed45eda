"""What the first screen of the page says: who was tested on what and when, and for each metric one sentence with its verdict.

The sentence holds a pair of rates only where something was decided; where it was not, it says what could not be decided
and how many people would be needed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from facegap.derive.groupings import Grouping, cells_of
from facegap.derive.metrics import ERROR_RATE_ALL, Metric, by_order, metric_of
from facegap.derive.primary import primary_family
from facegap.derive.run import EVALUATION
from facegap.report.finding import Contrast, at_first_point, contrasts
from facegap.report.groups import verdict_text
from facegap.report.rows.frames import groupings_of
from facegap.report.rows.gaps import GapRow
from facegap.report.rows.rates import RateRow, rate_rows
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import (
    clean,
    deciding_end,
    deciding_level,
    interval,
    level_text,
    margin,
    number,
    percent,
    points,
    score,
)
from facegap.report.wording import all_adults, group_words
from facegap.statistics.verdicts import GAPS_FOUND, WITHIN, subjects_needed
from facegap.statistics.verdicts import UNKNOWN as UNDECIDED
from facegap.store.record import Task
from facegap.store.run import Run
from facegap.tables import NEVER_SHOWN
from facegap.types import UNKNOWN, Group

TASKS: Mapping[Task, str] = {"detect": "detector", "classify": "classifier", "embed": "embedder"}
UNIT = {
    "image": "images",
    "impostor pair": "pairs",
    "genuine pair": "pairs",
    "mated search": "searches",
    "non-mated search": "searches",
}
MOST_IN_LINE = 3  # groups that a line names one by one


# ---- the finding ----


@dataclass(frozen=True)
class Said:
    """A rate of a group in the large sentence: "17.3%" of "darker-skinned women"."""

    rate: str
    who: str


@dataclass(frozen=True)
class Line:
    """What is said of one metric.

    model   : where a run has several, whose finding it is; else empty
    what    : what stands before the colon
    pair    : the two rates of the large sentence; none where nothing was decided
    said    : the rest of the large sentence where it holds no pair of rates
    verdict : its badge; empty where no pair of groups was tested
    details : the parts of the smaller line
    metric, grouping : of the chart that shows it
    """

    model: str
    what: str
    pair: tuple[Said, Said] | None
    said: str
    verdict: str
    details: tuple[str, ...]
    metric: str
    grouping: Grouping

    @property
    def text(self) -> str:
        """The large sentence."""
        if self.pair is None:
            return f"{self.what}: {self.said}"
        return f"{self.what}: " + ", ".join(f"{one.rate} of {one.who}" for one in self.pair)


def lines_of(run: Run) -> list[Line]:
    """A line per metric that the run is about; where no two groups can be compared one line that says so."""
    found = contrasts(run)
    several = len({one.worst.model for one in found}) > 1
    adults = all_adults(run.manifest)
    lines = [line_of(one, run, adults=adults, several=several) for one in found]
    return lines or nothing_compared(run, adults=adults)


def line_of(found: Contrast, run: Run, *, adults: bool, several: bool) -> Line:
    """One metric."""
    metric, gap = metric_of(found.metric), found.gap
    whole = Line(
        model=clean(found.worst.model) if several else "",
        what=heading(metric, run),
        pair=None,
        said="",
        verdict="" if gap is None else verdict_text(gap),
        details=(),
        metric=found.metric,
        grouping=found.grouping,
    )
    worst, best = (said(row, metric, adults=adults) for row in (found.worst, found.best))
    named = run.record.manifest.has_subjects
    settled = set(found.own) != {UNDECIDED}
    if gap is not None and gap.verdict == UNDECIDED and not (found.alike and settled):
        return undecided(whole, found, gap, adults=adults, named=named)
    if found.alike:
        everywhere = f"{worst.rate} in every group large enough to compare"
        return with_parts(
            whole, said=everywhere, details=(f"least is known of {row_text(found.widest)}", *pairs_compared(found))
        )
    size = (f"{size_text(gap)} {ends_text(gap)}",) if gap is not None else ()
    joined = ("label uncertainty included",) if gap is not None and gap.labels is not None else ()
    details = (*size, *joined, *both_counts(found, named=named), *at_threshold(found.worst), *pairs_compared(found))
    return with_parts(whole, pair=(worst, best), details=details)


def with_parts(
    line: Line, *, pair: tuple[Said, Said] | None = None, said: str = "", details: Sequence[str] = ()
) -> Line:
    """The line with what it says."""
    return Line(line.model, line.what, pair, said, line.verdict, tuple(details), line.metric, line.grouping)


def undecided(line: Line, found: Contrast, gap: GapRow, *, adults: bool, named: bool) -> Line:
    """A metric for which the people were too few: what could not be decided, and how many would be needed."""
    pairs = sum(found.own.values())
    people = [group_words(row.group, adults=adults) for row in (found.worst, found.best)]
    who = " and ".join(people) if pairs == 1 else "any of the groups"
    size = margin(gap.margin, is_ratio=gap.is_ratio)
    needed = (
        f"about {gap.subjects_needed:,.0f} people per group would be needed to find {size}"
        if not math.isnan(gap.subjects_needed)
        else "how many people would be needed cannot be known, as no error was seen"
    )
    details = (
        needed,
        *both_counts(found, named=named, intervals=True),
        *at_threshold(found.worst),
        *pairs_compared(found),
    )
    return with_parts(line, said=f"undecided whether {who} differ", details=details)


def nothing_compared(run: Run, *, adults: bool) -> list[Line]:
    """The line of a run in which no two groups are large enough; none where nothing was tried at all."""
    rows = [row for row in rate_rows(run) if row.labelled]
    primary = primary_family(run.record, run.rates["metric"])
    metric = next((metric for metric in by_order() if metric.name in primary.metrics), None)
    if metric is None:
        return []
    of_metric = at_first_point([row for row in rows if row.metric == metric.name], run)
    whole = next((row for row in of_metric if not row.grouping), None)
    grouping = next(iter(primary.groupings), ())
    cells = [row for row in of_metric if row.grouping == grouping]
    needed = people_needed(whole, metric, run)
    had = [f"{group_words(row.group, adults=adults)}: {row.rate.subjects:,}" for row in cells[: 2 * MOST_IN_LINE]]
    details = (
        f"about {needed:,} people per group would be needed to find {margin_of(metric, run)}",
        *((f"took part: {', '.join(had)}",) if had else ()),
        f"groups of fewer than {run.record.min_subjects} people are not compared",
        *((f"everybody: {row_text(whole)}",) if whole is not None and whole.rate.trials else ()),
    )
    said_so = "undecided, as no two groups are large enough to compare"
    return [Line("", heading(metric, run), None, said_so, UNDECIDED, details, metric.name, grouping)]


def people_needed(whole: RateRow | None, metric: Metric, run: Run) -> int:
    """People per group that a comparison of two groups would need, from the rate of everybody; at least --min-subjects."""
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


def margin_of(metric: Metric, run: Run) -> str:
    """The margin by which a metric would be judged."""
    stated = run.record.margins.get(metric.name)
    size, is_ratio = (metric.margin, metric.is_ratio) if stated is None else (stated.size, stated.is_ratio)
    return margin(size, is_ratio=is_ratio)


def heading(metric: Metric, run: Run) -> str:
    """What stands before the colon."""
    if metric == ERROR_RATE_ALL and (run.predictions["outcome"] == "no_answer").any():
        return "Misclassified or unanswered"
    return metric.short or f"{metric.title[:1].upper()}{metric.title[1:]}"


def said(row: RateRow, metric: Metric, *, adults: bool) -> Said:
    """A group and its rate."""
    return Said(percent(row.rate.value, 1), metric.short_of + group_words(row.group, adults=adults))


def size_text(gap: GapRow) -> str:
    """The gap on the scale of its margin."""
    return f"ratio {number(gap.ratio.value)}" if gap.is_ratio else f"difference {points(gap.difference.value, 1)}"


def ends_text(gap: GapRow) -> str:
    """The interval that decided the verdict, with its level."""
    if math.isnan(gap.decided.low) or math.isnan(gap.decided.high):
        return "without an interval"
    digits = 2 if gap.is_ratio else 1
    low, high = (
        deciding_end(end, gap.margin, is_ratio=gap.is_ratio, digits=digits)
        for end in (gap.decided.low, gap.decided.high)
    )
    return f"[{low}, {high}] at {deciding_level(gap.decided_level)}"


def both_counts(found: Contrast, *, named: bool, intervals: bool = False) -> tuple[str, ...]:
    """Errors, trials and people of both groups.

    named     : whether the data name people, so that images are not people
    intervals : with the interval of each rate
    """
    unit = UNIT[metric_of(found.metric).trial]
    told = []
    for row, of_unit, of_people in ((found.worst, f" {unit}", " people"), (found.best, "", "")):
        rate = row.rate
        people = f" of {rate.subjects:,}{of_people}" if named else ""
        ends = f" {interval(rate.low, rate.high, 1)}%" if intervals and not math.isnan(rate.low) else ""
        told.append(f"{rate.errors:,} of {rate.trials:,}{of_unit}{people}{ends}")
    return (" against ".join(told),)


def row_text(row: RateRow) -> str:
    """Errors, trials and interval of one group."""
    rate, unit = row.rate, UNIT[metric_of(row.metric).trial]
    ends = "" if math.isnan(rate.low) else f", {level_text(rate.level)} interval {interval(rate.low, rate.high, 1)}%"
    return f"{clean(row.group)} {rate.errors:,} of {rate.trials:,} {unit}{ends}"


def at_threshold(row: RateRow) -> tuple[str, ...]:
    """The threshold of a rate that has one."""
    return () if math.isnan(row.threshold) else (f"threshold {score(row.threshold)}",)


def pairs_compared(found: Contrast) -> tuple[str, ...]:
    """How many pairs of groups were compared with this one, and how many have its verdict."""
    pairs = sum(found.own.values())
    if pairs < 2:
        return ()
    if found.gap is not None and found.gap.verdict in GAPS_FOUND:
        such = found.own[found.gap.verdict]
        among = f"among {pairs:,} pairs of groups"
        return (f"one of {such:,} such gaps {among}" if such > 1 else f"the only such gap {among}",)
    if set(found.own) == {UNDECIDED}:
        return (f"none of {pairs:,} pairs of groups could be decided",)
    words = {WITHIN: "without a gap larger than the margin", UNDECIDED: "undecided"}
    told = ", ".join(f"{found.own[name]:,} {word}" for name, word in words.items() if found.own.get(name))
    return (f"{pairs:,} pairs of groups: {told}",)


# ---- who was tested ----


@dataclass(frozen=True)
class About:
    """Who was tested on what and when.

    title   : the models that the run is about
    facts   : data set, day, images and people, further models
    groups  : people and images of each group, in one line
    table   : the same of every group, where the line cannot name them
    missing : what took no part, and how much of it; empty where everything did
    """

    title: str
    facts: tuple[str, ...]
    groups: str
    table: TextTable | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """One group: its people and images."""

    group: Group
    people: int
    images: int


def about(run: Run) -> About:
    """Who was tested on what and when."""
    sizes = [found for grouping in groupings_of(run) for found in sizes_of(run, grouping)]
    known = [one for one in sizes if UNKNOWN not in dict(one.group.attributes).values()]
    tables = len(known) > MOST_IN_LINE
    return About(title(run), facts(run), groups_line(run, known), size_table(known) if tables else None, missing(run))


def title(run: Run) -> str:
    """The models that the run is about with what they do: classifier and embedder, else the detector."""
    models = run.record.models
    names = list(dict.fromkeys(models.values()))
    if len(models) > 1 and len(names) == 1:
        return f"Black box {clean(names[0])}"
    chosen: list[Task] = [task for task in ("classify", "embed") if task in models] or list(models)
    told = ", ".join(f"{TASKS[task]} {clean(models[task])}" for task in chosen)
    return told[:1].upper() + told[1:]


def facts(run: Run) -> tuple[str, ...]:
    """Data set, day, images and people, and the detector where it is not what the run is about."""
    record = run.record
    data = clean(record.data_name) if record.data_name else f"data set {record.manifest.sha256[:8]} (no name given)"
    people = f" of {run.manifest['subject'].nunique():,} people" if record.manifest.has_subjects else ""
    assumed = "" if record.manifest.has_subjects else ", each taken as a person"
    detector = record.models.get("detect", "")
    others = {name for task, name in record.models.items() if task != "detect"}
    found = (f"detector {clean(detector)}",) if detector and others and detector not in others else ()
    when = (day(record.date),) if record.date else ()
    return (data, *when, f"{record.manifest.rows:,} images{people}{assumed}", *found)


def day(iso: str) -> str:
    """A day in words: 29 November 2026; text that is no day as it is."""
    try:
        found = date.fromisoformat(iso)
    except ValueError:
        return clean(iso)
    return f"{found.day} {found:%B %Y}"


def sizes_of(run: Run, grouping: Grouping) -> list[Size]:
    """People and images of each group of a grouping."""
    cells = cells_of(run.manifest, grouping)
    subjects = run.manifest["subject"].to_numpy()
    inside = [cells.codes == k for k in range(len(cells.groups))]
    return [
        Size(group, len(set(subjects[rows])), int(rows.sum())) for group, rows in zip(cells.groups, inside, strict=True)
    ]


def groups_line(run: Run, sizes: Sequence[Size]) -> str:
    """People and images per group: one by one where they are few, else from the smallest to the largest."""
    parts, adults = [], all_adults(run.manifest)
    for grouping in groupings_of(run):
        own = [one for one in sizes if tuple(name for name, _ in one.group.attributes) == grouping]
        if not own:
            continue
        if len(own) <= MOST_IN_LINE:
            parts += [f"{group_words(one.group, adults=adults)} {size_words(one, run)}" for one in own]
            continue
        people, images = ([getattr(one, name) for one in own] for name in ("people", "images"))
        span = f"{min(images):,} to {max(images):,} images"
        span += f" of {min(people):,} to {max(people):,} people" if run.record.manifest.has_subjects else ""
        parts.append(f"{len(own)} groups by {clean(' x '.join(grouping))} with {span} each")
    return "; ".join(parts)


def size_words(one: Size, run: Run) -> str:
    """Images and people of one group; images alone where nobody is named."""
    of = f" of {one.people:,} people" if run.record.manifest.has_subjects else ""
    return f"{one.images:,} images{of}"


def size_table(sizes: Sequence[Size]) -> TextTable:
    """People and images of every group."""
    columns = (
        Column[Size]("group", lambda one: clean(one.group)),
        Column[Size]("people", lambda one: f"{one.people:,}"),
        Column[Size]("images", lambda one: f"{one.images:,}"),
    )
    return table_of("people and images per group", columns, sizes)


def missing(run: Run) -> tuple[str, ...]:
    """Files that no model was shown, people set aside for the threshold, rows left out on request."""
    lost = int(run.faces["outcome"].isin(NEVER_SHOWN).sum())
    found = [f"{lost:,} of {len(run.faces):,} image files missing or unreadable, in no rate"] if lost else []
    if run.matched is not None:
        aside = run.manifest.loc[run.matched.roles != EVALUATION, "subject"].nunique()
        found += [f"{aside:,} people set aside to find the threshold, in no rate"] if aside else []
    excluded = run.record.manifest.excluded_by_where
    return (*found, *([f"{excluded:,} rows left out by --where"] if excluded else []))
