"""Where images are lost: the outcome of all images step by step, and the losses of each group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt

from facegap.derive.groupings import Grouping
from facegap.derive.waterfall import Step, steps_of
from facegap.report.figures.style import (
    ASIDE,
    FAILED,
    KEPT,
    LETTER_PX,
    MOST_ROWS,
    MUTED,
    PALETTE,
    PAPER,
    PER_CENT,
    ROOM_PX,
    ROW_PX,
    Figure,
    by_words,
    data,
    finished,
    is_known,
    label_px,
    slug,
    tooltips,
)
from facegap.report.rows.frames import group_of, grouping_of, groupings_of, records
from facegap.report.text import clean, percent
from facegap.store.run import Run
from facegap.types import Group

STAGE_NAMES: Mapping[str, str] = {
    "decoded": "processed",
    "detected": "face found",
    "enrolled": "face usable",
    "labelled": "label known",
    "answered": "prediction made",
    "right": "prediction correct",
    "judged": "evaluated",
    "compared": "compared",
    "with_mate": "has a second photograph",
    "matched": "second photograph accepted",
}
CHAINS: Mapping[str, str] = {"face": "Face detection", "answer": "Classification", "comparison": "Comparison"}
PARTS = ("reached", "lost by the model", "excluded by the data", "not processed")
PART_OF_KIND: Mapping[str, str] = {"failure": PARTS[1], "limit": PARTS[2], "never shown": PARTS[3]}
NEVER = "#1b1b1b"
# Lost images of a group end at one of these steps, in order; each has its own colour and position in the bar.
LOSSES: Mapping[str, str] = {
    "decoded": NEVER,
    "detected": "#882255",
    "enrolled": "#cc79a7",
    "answered": PALETTE[4],
}


def waterfall_figures(run: Run) -> list[Figure]:
    """The steps of all images, and for each grouping the images lost by its groups, if any."""
    table = run.extra.get("waterfall.csv")
    if table is None or not len(table):
        return []
    groupings, taken = groupings_of(run), set[str]()
    rows = [(group_of(row, groupings), steps_of(row), int(row[run.counted])) for row in records(table)]
    found = [
        way(begun(steps), whole, run.counted, slug("waterfall", taken))
        for group, steps, whole in rows
        if not group.attributes and begun(steps)
    ]
    for grouping in groupings:
        of_grouping = [row for row in rows if grouping_of(row[0]) == grouping and is_known(row[0])]
        if any(step.began > step.reached for _, steps, _ in of_grouping for step in losses(steps)):
            found.append(
                lost_by_group(of_grouping, grouping, run.counted, slug(f"lost-by-{'-'.join(grouping)}", taken))
            )
    return found


def begun(steps: Sequence[Step]) -> list[Step]:
    """The steps that at least one image began."""
    return [step for step in steps if step.began]


def losses(steps: Sequence[Step]) -> list[Step]:
    """The steps at which images of a group are lost, each image at most once; a wrong prediction is not a loss."""
    classified = any(step.stage == "answered" for step in steps)
    # With a classifier, an image without a usable face is also one without a prediction and must not be counted twice.
    unusable = ("decoded", "detected", "enrolled")
    return [step for step in steps if step.stage in LOSSES and not (classified and step.stage in unusable)]


def way(steps: Sequence[Step], whole: int, counted: str, name: str) -> Figure:
    """One bar per step, with a heading for each chain: the images that reached the step, and those that did not.

    whole, counted : number of images (or templates), and their name in the plural
    """
    rows = [part for step in steps for part in parts(step)]
    order = with_headings(steps)
    text_px = max(len(row["note"]) for row in rows) * LETTER_PX + 8
    outside = label_px(order) + text_px
    headings = [{"stage": heading, "note": ""} for heading in CHAINS.values() if heading in order]
    bold = {
        "condition": {"test": f"indexof({list(CHAINS.values())}, datum.value) >= 0", "value": "bold"},
        "value": "normal",
    }
    axis = alt.Axis(title=None, ticks=False, domain=False, labelFontWeight=bold)
    y = alt.Y("stage:N", sort=order, axis=axis)
    present = [part for part in PARTS if any(row["part"] == part and row["stop"] > row["start"] for row in rows)]
    colours = dict(zip(PARTS, (KEPT, FAILED, ASIDE, NEVER), strict=True))
    base = alt.Chart(data([*headings, *rows])).encode(y=y)
    bars = (
        base.transform_filter("isValid(datum.part)")
        .mark_bar(stroke=PAPER, strokeWidth=1, height=15)
        .encode(
            x=alt.X(
                "start:Q", title=counted, scale=alt.Scale(domain=[0, whole], nice=False), axis=alt.Axis(tickCount=5)
            ),
            x2="stop:Q",
            color=alt.Color(
                "part:N",
                scale=alt.Scale(domain=present, range=[colours[part] for part in present]),
                legend=alt.Legend(title=None),
            ),
            tooltip=tooltips(stage="step", part="part", counted=counted, of="share"),
        )
    )
    text = base.mark_text(align="left", dx=8, color=MUTED).encode(x=alt.value("width"), text="note:N")
    chart = alt.layer(bars, text).properties(width=ROOM_PX - outside, height=ROW_PX * len(order))
    title = f"Outcome of all {counted}, step by step"
    told = "; ".join(f"{STAGE_NAMES[step.stage]} {step.reached:,} of {step.began:,}" for step in steps)
    return finished(
        chart,
        name=name,
        title=title,
        alt_text=f"{title}: {whole:,} {counted}; {told}.",
        outside_px=outside,
        caption=f"all {counted}, step by step",
    )


def with_headings(steps: Sequence[Step]) -> list[str]:
    """Names of the steps, each chain after its heading."""
    names: list[str] = []
    for step in steps:
        if CHAINS[step.chain] not in names:
            names.append(CHAINS[step.chain])
        names.append(STAGE_NAMES[step.stage])
    return names


def note_of(step: Step) -> str:
    """Text next to a bar: how many reached the step, and how many did not."""
    lost = step.began - step.reached
    return f"{step.reached:,}" + (f" (−{lost:,})" if lost else "")


def parts(step: Step) -> list[dict[str, Any]]:
    """The bar of a step: first what reached it, then what did not."""
    lost = PART_OF_KIND[step.kind]
    ends = [(PARTS[0], 0, step.reached), (lost, step.reached, step.began)]
    return [
        {
            "stage": STAGE_NAMES[step.stage],
            "note": note_of(step) if part == PARTS[0] else "",
            "part": part,
            "start": start,
            "stop": stop,
            "counted": f"{stop - start:,}",
            "of": f"{percent((stop - start) / step.began)} of the {step.began:,} that began the step",
        }
        for part, start, stop in ends
        if stop > start or start == 0
    ]


def lost_by_group(rows: Sequence[tuple[Group, list[Step], int]], grouping: Grouping, counted: str, name: str) -> Figure:
    """A bar per group: the proportion of its images (or templates: `counted`) that are lost, by step; the worst group first."""
    found = [(clean(group), segments(group, steps)) for group, steps, _ in rows]
    found = sorted(found, key=lambda item: -item[1][-1]["stop"] if item[1] else 0.0)[:MOST_ROWS]
    shown = [part for _, bars in found for part in bars]
    order = [group for group, _ in found]
    stages = [stage for stage in LOSSES if any(part["stage"] == stage for part in shown)]
    words = {part["stage"]: part["lost"] for part in shown}
    totals = [{"group": group, "note": bars[-1]["note"] if bars else "none lost"} for group, bars in found]
    text_px = max(len(total["note"]) for total in totals) * LETTER_PX + 12
    outside = label_px(order) + text_px
    y = alt.Y("group:N", sort=order, axis=alt.Axis(title=None, ticks=False, domain=False))
    scale = alt.Scale(domain=[words[stage] for stage in stages], range=[LOSSES[stage] for stage in stages])
    bars = (
        alt.Chart(data(shown))
        .mark_bar(stroke=PAPER, strokeWidth=1.5, height=15)
        .encode(
            y=y,
            x=alt.X(
                "start:Q",
                title=f"proportion of the {counted}",
                scale=alt.Scale(domainMin=0),
                axis=alt.Axis(tickCount=5, labelExpr=PER_CENT),
            ),
            x2="stop:Q",
            color=alt.Color("lost:N", scale=scale, legend=alt.Legend(title=None)),
            tooltip=tooltips(group="group", lost="lost as", of=counted, share="proportion"),
        )
    )
    text = (
        alt.Chart(data(totals))
        .mark_text(align="left", dx=8, color=MUTED)
        .encode(y=y, x=alt.value("width"), text="note:N")
    )
    chart = alt.layer(bars, text).properties(width=ROOM_PX - outside, height=ROW_PX * len(order))
    title = f"{counted.capitalize()} lost, by {' x '.join(grouping)}"
    ends = f"Most: {found[0][0]}, {totals[0]['note']}. Least: {found[-1][0]}, {totals[-1]['note']}."
    return finished(
        chart,
        name=name,
        title=title,
        alt_text=f"{title}. {ends}",
        outside_px=outside,
        caption=by_words(grouping),
        grouping=grouping,
    )


def segments(group: Group, steps: Sequence[Step]) -> list[dict[str, Any]]:
    """The parts of one bar in order; proportions are of the images that began the first of its steps."""
    chosen = losses(steps)
    began = chosen[0].began if chosen else 0
    found: list[dict[str, Any]] = []
    lost = 0
    for step in chosen:
        count = step.began - step.reached
        if not count:
            continue
        found.append(
            {
                "group": clean(group),
                "stage": step.stage,
                "lost": step.lost,
                "start": lost / began,
                "stop": (lost + count) / began,
                "of": f"{count:,} of {began:,}",
                "share": percent(count / began),
            }
        )
        lost += count
    return [{**part, "note": f"{lost:,} of {began:,}"} for part in found]
