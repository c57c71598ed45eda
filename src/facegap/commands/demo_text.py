"""What a demo says to a person who has never seen facegap: what was measured, what was found, how sure it is."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from facegap.commands.compare import PAGE
from facegap.commands.demo import BEST, CELLS, COMPARISON, IMAGES, MANIFEST, METRICS, VERSIONS, WORST, Demo, Version
from facegap.report.gender_shades import gender_shades_tables
from facegap.report.tables import TextTable, records
from facegap.report.text import interval, number, percent
from facegap.store import Run, write_bytes

ASKED = {"error_rate_all": "told the wrong gender", "fmr": "two people taken for one"}
OF = {"error_rate_all": "{}s", "fmr": "pairs of two {}s"}  # what the rates are shares of
SIDE_BY_SIDE, INDEX = "side_by_side.csv", "index.html"


def introduction(found: Demo) -> list[str]:
    """What was done, in four sentences."""
    run = found.runs["balanced"]
    images, people = len(run.manifest), run.manifest["subject"].nunique()
    return [
        f"Measured: {images:,} drawings of {people} people who do not exist, women and men, lighter and darker skin in "
        "equal parts.",
        "Two versions of one small model looked at them. Both find the face, tell the gender, and say whether two pictures "
        "show one person.",
        "'balanced' was trained on equal parts of the four groups; 'skewed' on as many people, most of them lighter and male. "
        "Nothing else differs.",
        "Because they are drawings, the truth is known: both versions were tried beforehand on "
        f"{found.truth['drawings']:,} others.",
    ]


def side_by_side(found: Demo) -> TextTable:
    """Groups down, versions across: what this audit measured, with its interval, and the truth beside it."""
    columns = ["", *(text for version in VERSIONS for text in (version, "truth"))]
    rows = []
    for metric in METRICS:
        rows.append((ASKED[metric].capitalize(), *[""] * (2 * len(VERSIONS))))
        for gender, tone in CELLS:
            line = [f"  {tone} {gender}"]
            for version in VERSIONS:
                row = rate_row(found.runs[version], metric, gender, tone)
                true = truth_of(found, version, metric, f"{tone} {gender}")
                line += [f"{percent(row['value'], 1)} {interval(row['low'], row['high'], 1)}", percent(true, 1)]
            rows.append(tuple(line))
        line = [f"  {WORST} - {BEST}"]
        for version in VERSIONS:
            gap = gap_row(found.runs[version], metric)
            line += [points(gap), f"{100 * true_difference(found, version, metric):.1f} points"]
        rows.append(tuple(line))
        verdicts = [str(gap_row(found.runs[version], metric)["verdict"]) for version in VERSIONS]
        rows.append(("  verdict", *(text for verdict in verdicts for text in (verdict, ""))))
    notes = (
        "Brackets: 95 % intervals; if other people had been drawn, the rate would be expected in there. People, not pictures, "
        "are what varies.",
        "Verdicts: gap = the groups differ by more than chance would do; not enough data = with so few people neither a gap nor "
        "its absence can be shown; no gap larger than the margin = shown to be small (2 points, or a factor of 2 for mistaken "
        "identity).",
    )
    return TextTable("both versions, side by side", tuple(columns), tuple(rows), notes=notes)


def findings(found: Demo) -> list[str]:
    """What came out, a sentence for each version and question."""
    return [sentence(found, version, metric) for metric in METRICS for version in VERSIONS]


def sentence(found: Demo, version: Version, metric: str) -> str:
    """One finding: both rates, the difference with its interval, the verdict, and whether the truth lies inside."""
    gap = gap_row(found.runs[version], metric)
    a, b = side_rate(gap, WORST), side_rate(gap, BEST)
    truth, (low, high) = true_difference(found, version, metric), bounds(gap)
    inside = "inside that interval" if low <= truth <= high else "OUTSIDE that interval"
    verdict = "GAP" if gap["verdict"] == "gap" else gap["verdict"]
    return (
        f"{version}, {ASKED[metric]}: {percent(a, 1)} of {OF[metric].format(WORST)}, {percent(b, 1)} of "
        f"{OF[metric].format(BEST)}; difference {points(gap)}: {verdict}. The truth, {100 * truth:.1f} points, lies {inside}."
    )


def where_and_next(found: Demo) -> list[str]:
    """Where the files are, and what to do now."""
    folder = found.folder
    return [
        f"The people: {folder / IMAGES} and {folder / MANIFEST}. Both versions on one page: {folder / INDEX}, as a table: "
        f"{folder / SIDE_BY_SIDE}.",
        *(
            f"The {version} run: {folder / version}; its report: {folder / version / 'report.html'}"
            for version in VERSIONS
        ),
        f"Both compared picture by picture (facegap compare): {folder / COMPARISON / PAGE}",
        f"Next: look at a report; then  facegap recheck {folder / 'skewed'}  and  facegap explore {folder / 'skewed'}",
        "With portraits of your own: a CSV with the columns image, subject, gender, tone, then  facegap check people.csv  and  "
        "facegap audit people.csv --classify MODEL --by gender*tone",
    ]


def shades(found: Demo, width: int) -> list[TextTable]:
    """The table of Gender Shades of each version; the notes, which are the same, below the last."""
    tables = [
        table
        for version in VERSIONS
        for table in gender_shades_tables(found.runs[version], title=f"{version}, as in Gender Shades", width=width)
    ]
    return [*(replace(table, notes=()) for table in tables[:-1]), tables[-1]]


def rate_row(run: Run, metric: str, gender: str, tone: str) -> Mapping[str, Any]:
    """The row of RATES of one cell, not across cells."""
    rates = run.rates
    inside = (rates["gender"] == gender) & (rates["tone"] == tone) & (rates["other_gender"] == "")
    (row,) = records(rates[inside & (rates["metric"] == metric)])
    return row


def gap_row(run: Run, metric: str) -> Mapping[str, Any]:
    """The row of GAPS of the named pair."""
    gaps = run.gaps
    chosen = (gaps["metric"] == metric) & gaps["group_a"].isin((WORST, BEST)) & gaps["group_b"].isin((WORST, BEST))
    (row,) = records(gaps[chosen])
    return row


def side_rate(gap: Mapping[str, Any], group: str) -> float:
    """The rate of one side of a gap, NaN without trials."""
    side = "a" if gap["group_a"] == group else "b"
    return float(gap[f"errors_{side}"] / gap[f"trials_{side}"]) if gap[f"trials_{side}"] else math.nan


def bounds(gap: Mapping[str, Any]) -> tuple[float, float]:
    """The interval of WORST minus BEST, whichever way the table has it."""
    low, high = float(gap["difference_low"]), float(gap["difference_high"])
    return (low, high) if gap["group_a"] == WORST else (-high, -low)


def difference(gap: Mapping[str, Any]) -> float:
    """WORST minus BEST."""
    return float(gap["difference"] if gap["group_a"] == WORST else -gap["difference"])


def points(gap: Mapping[str, Any]) -> str:
    """A difference in percentage points with its interval."""
    low, high = bounds(gap)
    return f"{number(100 * difference(gap), 1)} [{number(100 * low, 1)}, {number(100 * high, 1)}] points"


def truth_of(found: Demo, version: Version, metric: str, cell: str) -> float:
    """The rate of a cell on the many drawings that were measured beforehand."""
    counted = found.truth["versions"][version][metric][cell]
    return float(counted["errors"] / counted["trials"])


def true_difference(found: Demo, version: Version, metric: str) -> float:
    """WORST minus BEST on the many drawings."""
    return truth_of(found, version, metric, WORST) - truth_of(found, version, metric, BEST)


def write_side_by_side(found: Demo) -> None:
    """The table as CSV with full numbers, and a page that shows it and leads to both reports."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(("version", "metric", "group", "errors", "trials", "subjects", "value", "low", "high", "truth"))
    for version in VERSIONS:
        for metric in METRICS:
            for gender, tone in CELLS:
                row, cell = rate_row(found.runs[version], metric, gender, tone), f"{tone} {gender}"
                numbers = [row[key] for key in ("errors", "trials", "subjects", "value", "low", "high")]
                lines.writerow((version, metric, cell, *numbers, truth_of(found, version, metric, cell)))
            gap, true = gap_row(found.runs[version], metric), true_difference(found, version, metric)
            name = f"{metric} gap: {gap['verdict']}"
            lines.writerow((version, name, f"{WORST} - {BEST}", "", "", "", difference(gap), *bounds(gap), true))
    write_bytes(found.folder / SIDE_BY_SIDE, text.getvalue().encode())
    write_bytes(found.folder / INDEX, index_page(found).encode())


def index_page(found: Demo) -> str:
    """A small page: what was measured, what was found, charts, the table, some of the people, the way to both reports."""
    from facegap.report.figures.render import drawn
    from facegap.report.figures.side_by_side import comparison_figures
    from facegap.report.page import environment

    both = found.comparison
    figures = comparison_figures(both.found.sides, both.speed, METRICS)["errors"]
    people = found.runs["balanced"].manifest["subject"].nunique()
    return environment().get_template("demo.html").render(
        introduction=introduction(found), findings=findings(found), table=side_by_side(found), versions=VERSIONS,
        faces=[f"{IMAGES}/p{k:04d}_0.jpg" for k in range(min(12, people))],
        charts=[drawn(figure) for figure in figures], comparison=f"{COMPARISON}/{PAGE}",
    )  # fmt: skip
