"""The second audit of the same benchmark, reconstructed and compared with the first (`facegap reproduce actionable-auditing`).

Raji and Buolamwini (2019) measured the three companies of Gender Shades again in August 2018, and two more. Their printed
errors are converted to counts as in gender_shades.py, and the counts to people.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd

from facegap.report.figures.style import PALETTE, SHAPES, Figure, data, finished
from facegap.report.gender_shades import WIDTH
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import errors_of_trials, interval, p_value, points, signed_points
from facegap.reproduce.actionable_counts import (
    COLUMNS,
    PRINTED,
    impossible_table,
    printed_table,
    second_errors,
    sums_table,
)
from facegap.reproduce.found import Reproduction, write_figures
from facegap.reproduce.gender_shades import audited, file_name, kept, verdicts_table
from facegap.statistics.dprime import PairedDifference
from facegap.statistics.intervals import wilson
from facegap.statistics.paired import unmatched_change, unmatched_shares
from facegap.statistics.published import (
    GROUP_SIZES,
    SOURCE,
    SUBGROUPS,
    people_with_errors,
    subgroup_errors,
)
from facegap.statistics.published import PRINTED as FIRST_PRINTED
from facegap.statistics.verdicts import holm
from facegap.store.folder import make_empty
from facegap.store.run import Run, write_csv
from facegap.store.temporary import temporary_folder
from facegap.tables import AUDIT_CHANGES

TARGETS = tuple(vendor for vendor in PRINTED if vendor in FIRST_PRINTED)
# Statement of the abstract on the three companies of the first audit: column, smallest and largest printed reduction.
CLAIMS = (("DF", "17.7", "30.4"), ("All", "5.72", "8.3"))
ALPHA = 0.05
FIRST, SECOND = "first audit (2017)", "second audit (2018)"
FEWER, MORE, ALIKE = "fewer errors", "more errors", "no significant difference"
SHRANK, GREW = "the gap shrank", "the gap grew"
GROUPS: Mapping[str, str] = {
    "DF": "darker-skinned women",
    "DM": "darker-skinned men",
    "LF": "lighter-skinned women",
    "LM": "lighter-skinned men",
}
SECONDARY = (
    f"source = {SOURCE}: Raji and Buolamwini (2019), Actionable Auditing, AIES. The errors of August 2018 were typed from the "
    "paper and not checked against it again; those overall and for darker-skinned women of Amazon and Kairos are also in its "
    "abstract. The people are reconstructed from the printed errors."
)
INTRODUCTION = (
    "Actionable Auditing (Raji and Buolamwini 2019): the benchmark of Gender Shades again in August 2018, with the three "
    "companies of that audit (Face++, Microsoft, IBM) and two that it did not name (Amazon, Kairos).",
    SECONDARY,
    "The first audit is Gender Shades (Buolamwini and Gebru 2018): facegap reproduce gender-shades states the source of its numbers.",
)
UNMATCHED = (
    "Both audits used one benchmark, but the people misclassified in both were not published. The interval and p are for the overlap "
    "with the widest interval (Bonett and Price 2012), so they are valid for any overlap."
)


@dataclass(frozen=True)
class Change:
    """A company in one group in both audits, or in the gap between two groups.

    before, after : errors of `people`
    """

    vendor: str
    group: str
    before: int
    after: int
    people: int
    found: PairedDifference
    p_adjusted: float
    verdict: str


def reproduce_actionable_auditing(out: Path | None = None, _width: int = WIDTH) -> Reproduction:
    """Check the printed errors, audit the reconstructed people of all five companies, and compare with the first audit.

    out : a new or empty folder for the manifest, the predictions, the run folder of each company, the changes and the chart

    Raises
    ------
    RunError : `out` is not empty, or cannot be written
    """
    figure = errors_figure()
    folders: tuple[Path, ...] = ()
    files: tuple[Path, ...] = ()
    if out is None:
        with temporary_folder() as folder:
            runs = second_audits(folder)
    else:
        make_empty(out)
        runs = second_audits(out)
        folders = tuple(kept(run, out / file_name(vendor)) for vendor, run in runs.items())
        write_csv(out / "changes.csv", changes_frame([*group_changes(), *gap_changes()]), AUDIT_CHANGES)
        files = (out / "changes.csv", *write_figures(out, (figure,)))
    return Reproduction(INTRODUCTION, tables(runs), runs=runs, folders=folders, files=files, figures=(figure,))


def second_audits(folder: Path) -> dict[str, Run]:
    """The run of every company in the second audit."""
    return {vendor: audited(vendor, folder, people_with_errors(second_errors(vendor)), SECONDARY) for vendor in PRINTED}


def tables(runs: Mapping[str, Run]) -> tuple[TextTable, ...]:
    """All tables in reading order."""
    gaps = replace(verdicts_table(runs), title=f"gaps and verdicts, {SECOND}")
    return (
        printed_table(),
        impossible_table(),
        sums_table(),
        gaps,
        changes_table(),
        gap_changes_table(),
        claims_table(),
    )


# ---- whole numbers ----


# ---- both audits ----


def group_changes() -> list[Change]:
    """Every group of the three companies in both audits; Holm's p over all of them."""
    rows = [
        (vendor, column, subgroup_errors(vendor)[column], second_errors(vendor)[column], GROUP_SIZES[column])
        for vendor in TARGETS
        for column in SUBGROUPS
    ]
    found = [unmatched_shares(before, after, people) for _, _, before, after, people in rows]
    adjusted = holm(np.array([one.p for one in found]))
    return [
        Change(*row, one, float(p), verdict_of(one, p, FEWER, MORE))
        for row, one, p in zip(rows, found, adjusted, strict=True)
    ]


def gap_changes() -> list[Change]:
    """The gap between darker-skinned women and lighter-skinned men for the three companies; Holm's p over the three."""
    sides = {
        vendor: [(subgroup_errors(vendor)[c], second_errors(vendor)[c], GROUP_SIZES[c]) for c in ("DF", "LM")]
        for vendor in TARGETS
    }
    found = [unmatched_change(worse, better) for worse, better in sides.values()]
    adjusted = holm(np.array([one.p for one in found]))
    return [
        Change(
            vendor, "DF, LM", worse[0], worse[1], worse[2] + better[2], one, float(p), verdict_of(one, p, SHRANK, GREW)
        )
        for (vendor, (worse, better)), one, p in zip(sides.items(), found, adjusted, strict=True)
    ]


def verdict_of(found: PairedDifference, p: float, less: str, more: str) -> str:
    """The change, by Holm's p."""
    if not p <= ALPHA:
        return ALIKE
    return less if found.difference < 0 else more


CHANGES = (
    Column[Change]("company", lambda row: row.vendor),
    Column[Change]("group", lambda row: row.group),
    Column[Change]("before", lambda row: errors_of_trials(row.before, row.people)),
    Column[Change]("after", lambda row: errors_of_trials(row.after, row.people)),
    Column[Change]("change", lambda row: signed_points(row.found.difference, 1)),
    Column[Change]("95% interval", lambda row: f"{interval(row.found.low, row.found.high, 1)} points"),
    Column[Change]("p (Holm)", lambda row: p_value(row.p_adjusted)),
    Column[Change]("verdict", lambda row: row.verdict),
)


def changes_table() -> TextTable:
    """Before and after, by company and group."""
    notes = (
        f"source = {SOURCE}. {UNMATCHED}",
        "p is Holm's over the twelve changes. No margin is tested. These numbers do not show what a company did between the audits.",
    )
    return table_of(f"errors: {FIRST} and {SECOND}", CHANGES, group_changes(), notes=notes)


def gap_changes_table() -> TextTable:
    """The change of the widest gap."""
    rows = []
    for change in gap_changes():
        first, second = (gap_of(errors(change.vendor)) for errors in (subgroup_errors, second_errors))
        rows.append(
            (
                change.vendor,
                points(first, 1),
                points(second, 1),
                signed_points(change.found.difference, 1),
                f"{interval(change.found.low, change.found.high, 1)} points",
                p_value(change.p_adjusted),
                change.verdict,
            )
        )
    heading = ("company", "gap before", "gap after", "change", "95% interval", "p (Holm)", "verdict")
    notes = (f"source = {SOURCE}. Intervals as in the table above; p is Holm's over the three companies.",)
    return TextTable("gap between darker-skinned women and lighter-skinned men", heading, tuple(rows), notes=notes)


def gap_of(errors: Mapping[str, int]) -> float:
    """Error rate of darker-skinned women minus that of lighter-skinned men."""
    return errors["DF"] / GROUP_SIZES["DF"] - errors["LM"] / GROUP_SIZES["LM"]


def claims_table() -> TextTable:
    """The reductions stated in the abstract, and those between the printed errors."""
    rows = []
    for column, least, most in CLAIMS:
        first = FIRST_PRINTED
        position = list(GROUP_SIZES).index(column)
        fell = [first[vendor]["Error"][position] - float(PRINTED[vendor][COLUMNS.index(column)]) for vendor in TARGETS]
        rows.append((GROUPS.get(column, "everybody"), f"{least} to {most}", f"{min(fell):.2f} to {max(fell):.2f}"))
    notes = (
        f"source = {SOURCE}. The abstract gives the overall reductions as 5.72 and 8.3; the errors printed for the two audits "
        "give a tenth of a point more: the first audit had 6.2 and 9.9 in that computation, or the copies are wrong.",
    )
    heading = ("of the three companies", "abstract", "between printed errors")
    return TextTable("reduction of the error in points", heading, tuple(rows), notes=notes)


def changes_frame(changes: Sequence[Change]) -> pd.DataFrame:
    """The changes as a table; differences are proportions."""
    return pd.DataFrame(
        [
            {
                "company": change.vendor,
                "groups": change.group,
                "errors_before": change.before,
                "errors_after": change.after,
                "people": change.people,
                "change": change.found.difference,
                "change_low": change.found.low,
                "change_high": change.found.high,
                "p": change.found.p,
                "p_adjusted": change.p_adjusted,
                "verdict": change.verdict,
            }
            for change in changes
        ]
    )


# ---- the chart ----


def errors_figure() -> Figure:
    """Errors of the four groups in both audits by company, each with Wilson's interval."""
    marks = [
        mark(vendor, column, audit, errors[column])
        for vendor in PRINTED
        for audit, errors in audits_of(vendor).items()
        for column in SUBGROUPS
    ]
    names = list(GROUPS.values())
    scale = alt.Scale(domain=[FIRST, SECOND], range=[PALETTE[1], PALETTE[0]])
    shapes = alt.Scale(domain=[FIRST, SECOND], range=list(SHAPES[:2]))
    x = alt.X("error:Q", title="error within the group", axis=alt.Axis(format=".0%"), scale=alt.Scale(domainMin=0))
    y = alt.Y("group:N", title=None, sort=names)
    side = alt.YOffset("audit:N", sort=[FIRST, SECOND])
    colour = alt.Color("audit:N", title=None, scale=scale)
    base = alt.Chart().encode(y=y, yOffset=side, color=colour)
    whiskers = base.mark_rule().encode(x="low:Q", x2="high:Q")
    dots = base.mark_point(filled=True, size=46).encode(x=x, shape=alt.Shape("audit:N", title=None, scale=shapes))
    layered = alt.layer(whiskers, dots, data=data(marks)).properties(width=430, height=110)
    chart = layered.facet(row=alt.Row("company:N", sort=list(PRINTED), title=None), spacing=10)
    worst = {vendor: f"{second_errors(vendor)['DF']}/{GROUP_SIZES['DF']}" for vendor in PRINTED}
    return finished(
        chart,
        name="actionable-auditing-errors",
        title="Errors of gender classifiers on the Pilot Parliaments Benchmark in two audits",
        alt_text=f"Darker-skinned women misclassified in {SECOND}: {', '.join(f'{v} {n}' for v, n in worst.items())}.",
    )


def audits_of(vendor: str) -> dict[str, dict[str, int]]:
    """Errors of a company by audit and group."""
    first = {FIRST: subgroup_errors(vendor)} if vendor in TARGETS else {}
    return {**first, SECOND: second_errors(vendor)}


def mark(vendor: str, column: str, audit: str, errors: int) -> dict[str, object]:
    """One point of the chart."""
    low, high = wilson(errors, GROUP_SIZES[column])
    share = errors / GROUP_SIZES[column]
    return {
        "company": vendor,
        "group": GROUPS[column],
        "audit": audit,
        "error": share,
        "low": float(low),
        "high": float(high),
    }
