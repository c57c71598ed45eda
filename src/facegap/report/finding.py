"""The finding of a run in two sentences: who the model errs on most and least, and what that difference is worth."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facegap.derive.groupings import Grouping
from facegap.derive.metrics import Metric, by_order, metric_of
from facegap.derive.primary import primary_family
from facegap.derive.weights import dominated_text
from facegap.report.groups import label_assumption
from facegap.report.rows.gaps import GapRow, gap_rows, verdict_counts
from facegap.report.rows.rates import RateRow, rate_rows, widest_interval
from facegap.report.text import (
    clean,
    deciding_end,
    deciding_level,
    hundredfold,
    level_text,
    margin,
    number,
    p_equals,
    percent,
    points,
    score,
)
from facegap.statistics.verdicts import BEYOND, GAP, GAPS_FOUND, WITHIN
from facegap.statistics.verdicts import UNKNOWN as UNDECIDED
from facegap.store.run import Run

JOINED = ("measured_", "annotated_")  # columns of tone that were joined to the manifest
NOTHING = "No two groups were large enough to be compared."


@dataclass(frozen=True)
class Contrast:
    """The worst and the best group of one part of the primary family, and the gap between them (None if untested).

    widest   : the group whose rate is known least
    verdicts : how many gaps of the primary family got which verdict
    own      : the same of this metric and grouping alone
    """

    metric: str
    grouping: Grouping
    worst: RateRow
    best: RateRow
    widest: RateRow
    gap: GapRow | None
    verdicts: Mapping[str, int]
    own: Mapping[str, int]

    @property
    def alike(self) -> bool:
        """Whether both have the same rate."""
        return self.worst.rate.value == self.best.rate.value


def headline(run: Run) -> tuple[str, ...]:
    """Two sentences for what the run is about first; where no two groups can be compared that, and the rate of everybody."""
    found = contrast(run)
    if found is None:
        return (NOTHING, *of_everybody(run))
    return first_sentence(found, run), second_sentence(found)


def of_everybody(run: Run) -> tuple[str, ...]:
    """The rate of everybody for what the run is about first; nothing where there was no trial at all."""
    whole = [row for row in rate_rows(run) if not row.grouping]
    row = next((row for metric in by_order() for row in whole if row.metric == metric.name and row.rate.trials), None)
    if row is None:
        return ()
    metric, rate = metric_of(row.metric), percent(row.rate.value, 1)
    return (
        f"{at(row)}{clean(row.model)} {metric.verb} {rate} of {of_what_in_words(metric, run)} everybody ({counts(row)}).",
    )


def of_what_in_words(metric: Metric, run: Run) -> str:
    """What the trials of a metric are: the images of, the templates of, the impostor pairs of."""
    return metric.of_what.replace("images", run.counted)


def contrast(run: Run) -> Contrast | None:
    """The contrast to tell first; None where no two groups can be compared."""
    return next(iter(contrasts(run)), None)


def contrasts(run: Run) -> list[Contrast]:
    """The contrast of each metric of the primary family, in the order in which they are told."""
    rows = [row for row in rate_rows(run) if row.reliable and row.labelled and not math.isnan(row.rate.value)]
    primary = primary_family(run.record, run.rates["metric"])
    gaps = [gap for gap in gap_rows(run) if gap.primary]
    found = []
    for metric in [metric for metric in by_order() if metric.name in primary.metrics]:
        of_metric = at_first_point([row for row in rows if row.metric == metric.name], run)
        chosen = of_groupings(of_metric, gaps, primary.groupings)
        found += [chosen] if chosen is not None else []
    return found


def of_groupings(rows: Sequence[RateRow], gaps: Sequence[GapRow], groupings: Sequence[Grouping]) -> Contrast | None:
    """The contrast of one metric: of the finest grouping in which a gap is found, else of the finest; None without two groups."""
    found = []
    for grouping in sorted(groupings, key=len, reverse=True):
        cells = [row for row in rows if row.grouping == grouping]
        if len(cells) >= 2:
            found.append(between(cells, gaps))
    return next(
        (one for one in found if one.gap is not None and one.gap.verdict in GAPS_FOUND), next(iter(found), None)
    )


def at_first_point(rows: Sequence[RateRow], run: Run) -> list[RateRow]:
    """Rates of one metric at the first threshold of the run; of searches at the first judgement with a threshold."""
    operating = run.record.operating
    if rows and metric_of(rows[0].metric).is_search:
        first = next((row for row in rows if not math.isnan(row.threshold)), rows[0])
        return [row for row in rows if row.threshold_from == first.threshold_from]
    if rows and operating and metric_of(rows[0].metric).is_pair:
        return [row for row in rows if row.threshold == operating[0].threshold]
    return list(rows)


def between(cells: Sequence[RateRow], primary: Sequence[GapRow]) -> Contrast:
    """The contrast of some cells: the widest gap with the clearest verdict; where none is found the worst against the best.

    primary : the gaps of the primary family
    """
    by_name = {str(row.group): row for row in cells}
    known = [gap for gap in primary if is_of(gap, cells[0])]
    clear = sorted((gap for gap in known if gap.verdict in GAPS_FOUND), key=clearness)
    worst, best = (pick(cells, key=lambda row: row.rate.value) for pick in (max, min))
    if clear:
        worst, best = by_name[clear[0].worse.group], by_name[clear[0].better.group]
    elif worst is best and len(cells) == 2:  # equal rates: either is the worst and the best
        worst, best = cells
    names = {str(worst.group), str(best.group)}
    gap = next((gap for gap in known if {gap.worse.group, gap.better.group} == names), None)
    if gap is None and worst.rate.value == best.rate.value:
        gap = next(iter(known), None)
    counted, own = (verdict_counts([gap.verdict for gap in gaps]) for gaps in (primary, known))
    return Contrast(worst.metric, worst.grouping, worst, best, widest_interval(cells), gap, counted, own)


def clearness(gap: GapRow) -> tuple[int, float]:
    """What a gap is sorted by: gaps larger than the margin first, then the larger difference."""
    return GAPS_FOUND.index(gap.verdict), -gap.difference.value


def is_of(gap: GapRow, row: RateRow) -> bool:
    """Whether a gap is of the metric, grouping and threshold of a rate."""
    same = gap.threshold == row.threshold or (math.isnan(gap.threshold) and math.isnan(row.threshold))
    return (gap.metric, gap.grouping, gap.threshold_from) == (row.metric, row.grouping, row.threshold_from) and same


def first_sentence(found: Contrast, run: Run) -> str:
    """Who the model errs on most and least, each with n and interval."""
    verb, of_what = metric_of(found.metric).verb, of_what_in_words(metric_of(found.metric), run)
    model = f"{at(found.worst)}{clean(found.worst.model)}"
    if found.alike:
        alike = f"{percent(found.worst.rate.value, 1)} of {of_what} every group large enough to rank"
        return f"{model} {verb} {alike}; least is known of {name(found.widest)} ({counts(found.widest)})."
    worst, best = (
        f"{percent(row.rate.value, 1)} of {of_what} {name(row)} ({counts(row)})" for row in (found.worst, found.best)
    )
    return f"{model} {verb} {worst}, and {verb.split()[-1]} {best}."


def at(row: RateRow) -> str:
    """The beginning of a sentence on a rate that has a threshold."""
    return "" if math.isnan(row.threshold) else f"At the threshold {score(row.threshold)}, "


def name(row: RateRow) -> str:
    """A group as it is called in a sentence, in quotes, as labels can be any text; of a tone who or what gave it."""
    given = [" ".join(clean(column).split("_")) for column in row.grouping if column.startswith(JOINED)]
    return f"“{clean(row.group)}”" + (f" by {' and '.join(given)}" if given else "")


def counts(row: RateRow) -> str:
    """Errors, trials, people and interval of a rate."""
    rate = row.rate
    ends = f"{level_text(rate.level)} interval {hundredfold(rate.low, 1)} to {percent(rate.high, 1)}"
    ends = "no interval" if math.isnan(rate.low) else ends
    return f"{rate.errors:,} of {rate.trials:,}, {rate.subjects:,} people, {ends}"


def second_sentence(found: Contrast) -> str:
    """What the difference is worth: its size with interval, its verdict, and those of all pairs looked at with it."""
    gap = found.gap
    if gap is None or found.alike:
        return (
            f"Of all comparisons of the primary family, {tally(found.verdicts)}."
            if found.verdicts
            else "No pair of groups was tested."
        )
    apart = (
        f"ratio of {number(gap.ratio.value)}" if gap.is_ratio else f"difference of {points(gap.difference.value, 1)}"
    )
    size = f"That is a {apart} ({decided_in_words(gap)})"
    pairs = sum(found.verdicts.values())
    among = f" among {pairs} comparisons of groups that were tested together" if pairs > 1 else ""
    others = f"; of these, {tally(found.verdicts)}" if pairs > 1 else ""
    verdict = f"{size}, {worth(gap)} (p {p_equals(gap.p_decided)}{among}{with_label_uncertainty(gap)}){others}."
    return verdict + with_losses(gap)


def decided_in_words(gap: GapRow) -> str:
    """The interval that decided the verdict, for a sentence."""
    if math.isnan(gap.decided.low) or math.isnan(gap.decided.high):
        return "no interval"
    digits = 2 if gap.is_ratio else 1
    low, high = (
        deciding_end(end, gap.margin, is_ratio=gap.is_ratio, digits=digits)
        for end in (gap.decided.low, gap.decided.high)
    )
    return f"{deciding_level(gap.decided_level)} interval {low} to {high}"


def worth(gap: GapRow) -> str:
    """The verdict in words."""
    size = margin(gap.margin, is_ratio=gap.is_ratio)
    if gap.verdict == BEYOND:
        return f"a gap larger than {size}"
    if gap.verdict == GAP:
        return "a gap that chance alone does not explain"
    if gap.verdict == WITHIN:
        return f"no gap larger than {size}" + (", though not zero" if gap.differs else "")
    if gap.dominated is not None:
        few = dominated_text(gap.dominated.dominated_by)
        return f"but the rate of “{clean(gap.dominated.group)}” is {few}, so that the gap gets no verdict"
    needed = gap.subjects_needed
    settled = "" if math.isnan(needed) else f"; to find {size}, about {number(needed, 0)} people per group are needed"
    return f"but so few people cannot settle whether the groups differ{settled}"


def with_losses(gap: GapRow) -> str:
    """That the verdict could change by trials without an answer, as a sentence of its own; nothing where it would not."""
    lost = gap.losses
    if lost is None or lost.stands:
        return ""
    return (
        f" The verdict could change if the trials without an answer ({lost.worse:,} of the first group, {lost.better:,} of the "
        "second) had been errors in one group and none in the other."
    )


def with_label_uncertainty(gap: GapRow) -> str:
    """That the verdict counts label uncertainty in, and what it assumes; nothing where labels are taken as certain."""
    included = "" if gap.labels is None else ", label uncertainty included"
    assumed = label_assumption(gap)
    return f"{included}; {assumed}" if assumed else included


def tally(verdicts: Mapping[str, int]) -> str:
    """How many pairs got which verdict."""
    words = {
        BEYOND: "show a gap larger than the margin",
        GAP: "show a gap",
        WITHIN: "show none larger than the margin",
        UNDECIDED: "cannot be told from the data",
    }
    one = {plural: plural.replace("show ", "shows ") for plural in words.values()}
    return ", ".join(
        f"{verdicts[verdict]} {one[said] if verdicts[verdict] == 1 else said}"
        for verdict, said in words.items()
        if verdicts.get(verdict)
    )
