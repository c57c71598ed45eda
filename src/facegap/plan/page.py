"""The page of `plan --run RUN`: the probability of finding a gap of a given size with these subjects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import altair as alt
import numpy as np

from facegap.plan.power import OwnPower, crossing
from facegap.report.figures.style import Figure, finished
from facegap.report.tables import TextTable, title_of
from facegap.report.text import NO_NUMBER, clean, rough_percent, score
from facegap.statistics.verdicts import POWER
from facegap.types import FloatArray
from facegap.worlds.curves import HEIGHT_PX, WIDTH_PX, curves, ends, standard_error
from facegap.worlds.layout import Claim, Section, render

TITLE = "Gaps that this audit could have found"
LEAD = (
    "facegap simulated gaps of known size between the groups of this run and audited them, with the same numbers of people "
    "and images, the pooled error rate of all groups, and the same variation between people. This page shows how large a gap "
    "had to be to be found, regardless of the gaps that were found.",
)
METHOD = (
    "Every world simulates new people. All groups have the pooled rate, except for one group at a time with a higher rate. "
    "Found means "
    "the verdict 'gap' or 'gap larger than the margin', at the run's own margins and alpha, together with all other gaps of "
    "its primary family, none of which is found. The sampling unit is the person, or the unit of --cluster; pairs within "
    "such a unit are not simulated. Either group of a pair may be the worse one; the smaller of the two proportions is given.",
    "± is a Monte Carlo standard error; whiskers in charts are two of them. The threshold is treated as fixed, labels as "
    "correct, people as a random sample, and groups that share people as if they shared none. The gap observed in the run is "
    "not used, but the pooled rate and the variation between people are estimated from the same people.",
)
TERMS = ("simulated world", "planted gap", "probability of detection", "false gap", "margin", "verdict")
OF_SECTION = ("subjects", "interval", "coverage", "rho and icc", "Monte Carlo error")
MOST_CURVES = 6
HARDLY = 0.05  # a probability below this is negligible
MOST_LINES = 12  # maximum lines of a table on a terminal


def own_page(powers: Sequence[OwnPower], left_out: Sequence[str], *, seed: int) -> str:
    """The page, as text."""
    lead = [*LEAD] if powers else [*LEAD, "This run has no family of groups in which gaps could be simulated."]
    skipped = [f"Omitted: {'; '.join(left_out)}."] if left_out else []
    made = f"Seed {seed}."
    sections = [family_section(number, power) for number, power in enumerate(powers, 1)]
    return render(TITLE, lead, [own_claim(power) for power in powers], sections, [*METHOD, *skipped, made], terms=TERMS)


def own_claim(power: OwnPower) -> Claim:
    """A family in one or two sentences, at the top of the page."""
    error = standard_error(power.false_alarm, power.worlds)
    alarm = (
        f"If no groups differ, a gap is reported in {power.false_alarm:.3f} ± {error:.3f} of {power.worlds} worlds "
        f"({power.family.alpha:g} allowed)."
    )
    return Claim(heading(power), "reported", f"{sentences(power)[0]} {alarm}", tuple(sentences(power)[1:]))


def heading(power: OwnPower) -> str:
    """The name of the family."""
    family = power.family
    at = "" if math.isnan(family.threshold) else f", threshold {score(family.threshold)}"
    title = title_of(family.metric)
    return f"{title[0].upper()}{title[1:]} by {' x '.join(family.grouping.split('*'))}{at}"


def sentences(power: OwnPower) -> list[str]:
    """The probability of finding a gap of size d: for the family, then for the best and the worst pair."""
    family = power.family
    known = [k for k, share in enumerate(power.found_any) if not math.isnan(share)]
    people = people_in_words([len(group.trials) for group in family.groups])
    if not known:
        return [f"With {people} and a pooled rate of {rough_percent(family.rate)} no gap could be planted."]
    middle = next((k for k in known if power.found_any[k] >= 0.5), known[-1])
    reach = crossing(power.gaps, power.found_any, POWER)
    enough = (
        f"from {gap_size(power, reach)} in 80 of 100 worlds"
        if not math.isnan(reach)
        else f"no planted gap up to {gap_size(power, float(power.gaps[known[-1]]))} is found in 80 of 100 worlds"
    )
    first = (
        f"With {people} and {rough_percent(family.rate)} errors over all of them, a gap of "
        f"{gap_size(power, float(power.gaps[middle]))} is found with probability {power.found_any[middle]:.2f}, "
        f"regardless of which group is worse; {enough}."
    )
    least, most = float(np.min(power.cleared)), float(np.max(power.cleared))
    chance = f"{most:.2f}" if f"{least:.2f}" == f"{most:.2f}" else f"{least:.2f} to {most:.2f}, by pair"
    said = (
        f"The verdict 'no gap larger than {margin_in_words(power)}' is not possible for any pair, even if there is no gap."
        if most < HARDLY
        else f"If there is no gap, the verdict 'no gap larger than {margin_in_words(power)}' has probability {chance}."
    )
    return [first, said, *family.notes]


def people_in_words(subjects: Sequence[int]) -> str:
    """The number of people and of groups."""
    fewest, most = min(subjects), max(subjects)
    among = f"{fewest:,} to {most:,} subjects in" if fewest < most else f"{most:,} subjects in each of"
    return f"{among} {len(subjects)} groups"


def gap_size(power: OwnPower, gap: float) -> str:
    """A gap in words: 5 points, or a ratio of 2."""
    return f"a ratio of {gap:.2g}" if power.family.is_ratio else points(gap)


def points(gap: float) -> str:
    """A difference of proportions in percentage points: 1 point, 5 points."""
    size = f"{100 * gap:.2g}"
    return f"{size} point" if size == "1" else f"{size} points"


def margin_in_words(power: OwnPower) -> str:
    """The margin in words."""
    return gap_size(power, power.family.margin)


def family_section(number: int, power: OwnPower) -> Section:
    """The section of one family: its sizes, the chart of the pairs, and both tables."""
    family = power.family
    repeats = any((group.trials > 1).any() for group in family.groups)
    differ = (
        f"variation between people: {'rho' if family.sort == 'pairs' else 'icc'} {family.strength:.2g}"
        if repeats or family.sort == "pairs"
        else "each of a different person"
    )
    seen = f"{family.errors:,} errors in {family.trials:,} trials, {rough_percent(family.rate)} planted; {differ}."
    pairs, few = pair_table(power), len(power.found) <= MOST_LINES
    return Section(
        heading(power),
        (seen, *family.notes),
        (power_chart(number, power),),
        (size_table(power), pairs) if few else (size_table(power),),
        f"All {len(power.found)} pairs of groups",
        () if few else (pairs,),
        terms=OF_SECTION,
    )


def pair_names(power: OwnPower) -> list[str]:
    """Names of the pairs, in the order of the rows."""
    names = [group.name for group in power.family.groups]
    first, second = np.triu_indices(len(names), 1)
    return [f"{names[a]} and {names[b]}" for a, b in zip(first, second, strict=True)]


def power_chart(number: int, power: OwnPower) -> Figure:
    """Proportion of simulations in which a gap is found, by its size: all pairs, or the best, middle and worst of many, and any."""
    names, unit = pair_names(power), 1 if power.family.is_ratio else 100
    chosen = list(range(len(names)))
    if len(chosen) > MOST_CURVES - 1:
        order = sorted(chosen, key=lambda k: -float(np.nan_to_num(power.found[k]).sum()))
        chosen = [order[0], order[len(order) // 2], order[-1]]
    lines = [(names[k], power.found[k]) for k in chosen]
    if len(names) > 1:
        lines.append(("any pair with the worse group", power.found_any))
    marks = [
        {"pair": clean(name), "gap": float(gap) * unit, "found": float(share), **ends(float(share), power.worlds)}
        for name, curve in lines
        for gap, share in zip(power.gaps, curve, strict=True)
        if not math.isnan(share)
    ]
    x = gap_axis(power)
    y = alt.Y("found:Q", title="probability of detection", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format=".0%"))
    chart = curves(marks, x, y, "pair", [name for name, _ in lines])
    return finished(
        chart.properties(width=WIDTH_PX * 1.6, height=HEIGHT_PX),
        name=f"own-power-{number}",
        title="Size of gaps that can be found",
        alt_text=f"{heading(power)}. " + sentences(power)[0],
    )


def gap_axis(power: OwnPower) -> alt.X:
    """Ratios on a log scale with a tick for each; points on a linear scale."""
    if not power.family.is_ratio:
        return alt.X("gap:Q", title="planted gap, points", axis=alt.Axis(grid=False))
    ticks = alt.Axis(values=[float(gap) for gap in power.gaps], format="~g", grid=False)
    return alt.X("gap:Q", title="planted gap, times", scale=alt.Scale(type="log"), axis=ticks)


def size_table(power: OwnPower) -> TextTable:
    """The simulated groups."""
    unit = "images" if power.family.sort == "pairs" else "trials"
    rows = tuple(
        (
            group.name,
            f"{len(group.trials):,}",
            f"{int(group.trials.sum()):,}",
            f"{covered:.3f} ± {standard_error(float(covered), power.worlds):.3f}",
        )
        for group, covered in zip(power.family.groups, power.covered, strict=True)
    )
    return TextTable("The groups", ("group", "subjects", unit, "coverage of 95% intervals"), rows)


def pair_table(power: OwnPower) -> TextTable:
    """Probability of finding each planted gap, by pair."""
    sizes = (f"ratio {gap:g}" if power.family.is_ratio else points(gap) for gap in power.gaps)
    columns = ("groups", *sizes, "80% from", f"no gap larger than {margin_in_words(power)}, if there is none")
    lines = [(name, power.found[k], f"{power.cleared[k]:.2f}") for k, name in enumerate(pair_names(power))]
    if len(lines) > 1:
        lines.append(("any pair with the worse group", power.found_any, ""))
    rows = tuple(
        (name, *(NO_NUMBER if math.isnan(share) else f"{share:.2f}" for share in curve), reached(power, curve), said)
        for name, curve, said in lines
    )
    error = standard_error(0.5, power.worlds)
    note = f"Probability that the gap is found, from {power.worlds} worlds each; Monte Carlo error at most {error:.3f}."
    title = "With these subjects, a gap of this size is found with probability"
    return TextTable(title, columns, rows, notes=(note,), essential=(columns[0], *columns[-2:]))


def reached(power: OwnPower, curve: FloatArray) -> str:
    """The gap at which a curve reaches 80%, in words."""
    gap = crossing(power.gaps, curve, POWER)
    return NO_NUMBER if math.isnan(gap) else gap_size(power, gap).removeprefix("a ")


def own_tables(powers: Sequence[OwnPower]) -> list[TextTable]:
    """The pair tables for a terminal, each with the name of its family; long tables are shortened."""
    return [short(pair_table(power), f"{heading(power)}: found with probability") for power in powers]


def short(table: TextTable, title: str) -> TextTable:
    """A long table shortened to its best, middle and worst pairs; the last row is for any pair."""
    if len(table.rows) <= MOST_LINES:
        return replace(table, title=title)
    *pairs, together = table.rows
    order = sorted(range(len(pairs)), key=lambda k: pairs[k][1:-2], reverse=True)
    kept = sorted({*order[:2], order[len(order) // 2], *order[-2:]}, key=order.index)
    note = f"{len(kept)} of {len(pairs)} pairs, in order of decreasing probability; the page shows all."
    return replace(table, title=title, rows=(*(pairs[k] for k in kept), together), notes=(*table.notes, note))


def own_lines(powers: Sequence[OwnPower], left_out: Sequence[str]) -> list[str]:
    """The sentences for a terminal."""
    found = [f"{heading(power)}. {' '.join(sentences(power))}" for power in powers]
    return [*found, *(f"No gaps were planted in {reason}." for reason in left_out)]
