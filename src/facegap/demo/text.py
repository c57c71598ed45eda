"""Text of the demo for new users: what was measured, what was found, and how certain it is."""

from __future__ import annotations

import csv
import io
import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from markupsafe import Markup

from facegap.compare.build import PAGE
from facegap.demo.run import BEST, CELLS, COMPARISON, IMAGES, MANIFEST, METRICS, VERSIONS, WORST, Demo, Version
from facegap.derive.metrics import ERROR_RATE_ALL, FMR, metric_of
from facegap.report.gender_shades import gender_shades_tables
from facegap.report.groups import decided_text, verdict_text
from facegap.report.rows.frames import records
from facegap.report.rows.gaps import gap_row as row_of_gap
from facegap.report.tables import TextTable
from facegap.report.text import difference, interval, number, percent, points
from facegap.store.run import Run, write_bytes
from facegap.tables import SIDE_BY_SIDE as SIDE_BY_SIDE_TABLE

ERROR_WORDS = {ERROR_RATE_ALL.name: "misclassified", FMR.name: "falsely matched"}
OF = {ERROR_RATE_ALL.name: "pictures of {}", FMR.name: "pairs of pictures of two {}"}  # denominators of the rates
SIDES = {WORST: "darker women", BEST: "lighter men"}
TERMS = ("interval", "verdict", "margin", "truth", "FMR")  # explained on the page
SIDE_BY_SIDE, INDEX = "side_by_side.csv", "index.html"
SIDE_BY_SIDE_WIDTH = 116  # characters needed for both versions; in a narrower table, intervals would wrap


def introduction(found: Demo) -> list[str]:
    """What was done, in four sentences."""
    run = found.runs["balanced"]
    images, people = len(run.manifest), run.manifest["subject"].nunique()
    return [
        f"The audit used {images:,} illustrations of {people} people who do not exist, women and men, lighter and darker skin in "
        "equal numbers.",
        "The audit ran two versions of one small model. Both detect the face, classify gender, and compare two pictures.",
        "'balanced' was trained on equal numbers of the four groups; 'skewed' on the same number of people, most of them lighter "
        "and male. The training was otherwise the same.",
        "Because any number of people can be illustrated, the truth is known: both versions were measured beforehand on "
        f"{found.truth['drawings']:,} other illustrations of {found.truth['people']:,} other people.",
    ]


def in_short(found: Demo) -> list[str]:
    """What was done, in two sentences."""
    run = found.runs["balanced"]
    images, people = len(run.manifest), run.manifest["subject"].nunique()
    return [
        f"{images:,} illustrations of {people} people who do not exist, women and men, lighter and darker skin in equal numbers.",
        "Two versions of one model: 'balanced' was trained on equal numbers of the four groups, 'skewed' on the same number of "
        "people, most of them lighter and male.",
    ]


def short_table(found: Demo) -> TextTable:
    """A row for each error and version: both chosen groups, their gap, the truth, and the verdict."""
    rows = []
    for metric in METRICS:
        for version in VERSIONS:
            gap = gap_row(found.runs[version], metric)
            rows.append(
                (
                    f"{ERROR_WORDS[metric]}, {version}",
                    *(percent(side_rate(gap, side), 1) for side in (WORST, BEST)),
                    effect_text(gap, decided=True),
                    in_unit(metric, true_effect(found, version, metric)),
                    verdict_text(row_of_gap(gap)),
                )
            )
    columns = ("error, version", SIDES[WORST], SIDES[BEST], "gap, deciding interval", "truth", "verdict")
    truth = f"{found.truth['drawings']:,} other illustrations of {found.truth['people']:,} other people"
    return TextTable(
        "both versions and the truth",
        columns,
        tuple(rows),
        notes=(
            f"Truth: the gap on {truth}, measured beforehand.",
            "Verdict: at the margin set in advance (2 points; a ratio of 2 for false matches), over all gaps that are tested together.",
        ),
    )


def tables_within(found: Demo, width: int) -> list[TextTable]:
    """`side_by_side`, or one table for each version if both do not fit `width` characters; notes follow the last table."""
    if width >= SIDE_BY_SIDE_WIDTH:
        return [side_by_side(found)]
    *others, last = (side_by_side(found, (version,)) for version in VERSIONS)
    return [*(replace(table, notes=()) for table in others), last]


def side_by_side(found: Demo, versions: Sequence[Version] = VERSIONS) -> TextTable:
    """Groups in rows, versions in columns: each rate with its interval, and the true rate."""
    columns = ["", *(text for version in versions for text in (version, "truth"))]
    rows = []
    for metric in METRICS:
        rows.append((ERROR_WORDS[metric].capitalize(), *[""] * (2 * len(versions))))
        for gender, tone in CELLS:
            line = [f" {tone} {gender}"]
            for version in versions:
                row = rate_row(found.runs[version], metric, gender, tone)
                true = truth_of(found, version, metric, f"{tone} {gender}")
                line += [f"{percent(row['value'], 1)} {interval(row['low'], row['high'], 1)}", percent(true, 1)]
            rows.append(tuple(line))
        line = [f" {compared(metric)}"]
        for version in versions:
            gap = gap_row(found.runs[version], metric)
            line += [effect_text(gap), in_unit(metric, true_effect(found, version, metric))]
        rows.append(tuple(line))
        gaps = [row_of_gap(gap_row(found.runs[version], metric)) for version in versions]
        rows.append((" verdict", *(text for gap in gaps for text in (verdict_text(gap), ""))))
        rows.append((" deciding interval", *(text for gap in gaps for text in (decided_text(gap), ""))))
    title = "both versions and the truth" if len(versions) > 1 else f"{versions[0]} and the truth"
    return TextTable(title, tuple(columns), tuple(rows), notes=notes(found))


def notes(found: Demo) -> tuple[str, ...]:
    """The meaning of the table's words and brackets, for a terminal; the page has a glossary instead."""
    return (
        "Brackets: 95% intervals. In about 95 of 100 such audits of other people the interval contains the truth. The subject, not "
        "the image, is the sampling unit.",
        "Verdicts: gap larger than the margin (2 points for misclassification, a ratio of 2 for all other rates) = the groups differ "
        "by more than the margin; gap = they differ by more than chance explains, adjusted for all pairs of groups and rates that "
        "are tested together; not enough data = with so few people neither a gap nor its absence can be shown; "
        "no gap larger than the margin = any gap is shown to be smaller than the margin.",
        *truth_notes(found),
    )


def truth_notes(found: Demo) -> tuple[str, ...]:
    """The data behind the truth, and how the thresholds were set."""
    narrower = math.sqrt(found.truth["people"] / found.runs["balanced"].manifest["subject"].nunique())
    return (
        f"Truth: measured on so many more people that its intervals would be about {narrower:.1f} times narrower.",
        "A pair of two people is falsely matched if its score is at or above the version's threshold. The threshold was set so that "
        "1% of pairs of people like those in training are falsely matched; within one group people look more similar, so the "
        "proportion is higher.",
    )


def findings(found: Demo) -> list[str]:
    """The findings, a sentence for each version and question."""
    return [sentence(found, version, metric) for metric in METRICS for version in VERSIONS]


def sentence(found: Demo, version: Version, metric: str) -> str:
    """One finding: both rates, their gap with its interval, the verdict, and whether the interval contains the truth."""
    gap = gap_row(found.runs[version], metric)
    a, b = side_rate(gap, WORST), side_rate(gap, BEST)
    truth, (low, high) = true_effect(found, version, metric), bounds(gap)
    inside = (
        "inside the 95% interval"
        if low <= truth <= high
        else "OUTSIDE the 95% interval, as happens in one of twenty audits"
    )
    row = row_of_gap(gap)
    verdict = f"{verdict_text(row)} (deciding interval: {decided_text(row)})"
    return (
        f"{version}, {ERROR_WORDS[metric]}: {percent(a, 1)} of {OF[metric].format(SIDES[WORST])}, {percent(b, 1)} of "
        f"{OF[metric].format(SIDES[BEST])}; {'ratio' if metric_of(metric).is_ratio else 'difference'} {effect_text(gap)}: "
        f"{verdict}. The truth, {in_unit(metric, truth)}, is {inside}."
    )


def headline(found: Demo) -> list[tuple[str, str]]:
    """For each version, a short sentence on darker women and lighter men, and its verdict."""
    metric = METRICS[0]
    findings_by_version = []
    for version in reversed(VERSIONS):
        gap = gap_row(found.runs[version], metric)
        a, b = (percent(side_rate(gap, side), 1) for side in (WORST, BEST))
        sentence = f"{version.capitalize()} model, {ERROR_WORDS[metric]}: {a} of pictures of {SIDES[WORST]}, {b} of {SIDES[BEST]}"
        findings_by_version.append((sentence, verdict_text(row_of_gap(gap))))
    return findings_by_version


def where_and_next(found: Demo) -> list[str]:
    """The locations of the files, and what to do next."""
    folder = found.folder
    run = shlex.quote(str(folder / "skewed"))
    return [
        f"Open {folder / INDEX}: both versions on one page.",
        *(f"Report, {version}: {folder / version / 'report.html'}" for version in VERSIONS),
        f"Comparison of both, image by image: {folder / COMPARISON / PAGE}",
        f"People and table: {folder / MANIFEST}, {folder / SIDE_BY_SIDE}",
        f"Check the numbers again: facegap recheck {run}",
        "With your own portraits (facegap models lists models) and a CSV file with image, subject, gender, tone:",
        "  facegap check people.csv",
        "  facegap audit people.csv --classify MODEL --by 'gender*tone'",
    ]


def shades(found: Demo, width: int) -> list[TextTable]:
    """The table of Gender Shades for each version; the notes, which are the same, follow the last table."""
    tables = [
        table
        for version in VERSIONS
        for table in gender_shades_tables(found.runs[version], title=f"{version}, as in Gender Shades", width=width)
    ]
    return [*(replace(table, notes=()) for table in tables[:-1]), tables[-1]]


def rate_row(run: Run, metric: str, gender: str, tone: str) -> Mapping[str, Any]:
    """The row of RATES for one cell, not across cells."""
    rates = run.rates
    inside = (rates["gender"] == gender) & (rates["tone"] == tone) & (rates["other_gender"] == "")
    (row,) = records(rates[inside & (rates["metric"] == metric)])
    return row


def gap_row(run: Run, metric: str) -> Mapping[str, Any]:
    """The row of GAPS for the chosen pair."""
    gaps = run.gaps
    chosen = (gaps["metric"] == metric) & gaps["group_a"].isin((WORST, BEST)) & gaps["group_b"].isin((WORST, BEST))
    (row,) = records(gaps[chosen])
    return row


def side_rate(gap: Mapping[str, Any], group: str) -> float:
    """The rate of one group of a gap, NaN without trials."""
    side = "a" if gap["group_a"] == group else "b"
    return float(gap[f"errors_{side}"] / gap[f"trials_{side}"]) if gap[f"trials_{side}"] else math.nan


# A verdict is about a ratio or a difference of two rates, depending on the margin. All values shown with it, including the
# truth, must be on the same scale, since intervals on the other scale may disagree.


def compared(metric: str) -> str:
    """The name of the comparison."""
    return f"{WORST} / {BEST}" if metric_of(metric).is_ratio else f"{WORST} - {BEST}"


def bounds(gap: Mapping[str, Any], *, decided: bool = False) -> tuple[float, float]:
    """The interval of `effect`, its own or the one that decided the verdict, for either order of the groups in the table."""
    name = "decided" if decided else gap["scale"]
    low, high = float(gap[f"{name}_low"]), float(gap[f"{name}_high"])
    return (low, high) if gap["group_a"] == WORST else (turned(gap, high), turned(gap, low))


def effect(gap: Mapping[str, Any]) -> float:
    """WORST / BEST for false matches, WORST - BEST for other errors; NaN if undefined."""
    value = float(gap[gap["scale"]])
    return value if gap["group_a"] == WORST else turned(gap, value)


def turned(gap: Mapping[str, Any], value: float) -> float:
    """A ratio or difference with its groups exchanged."""
    if gap["scale"] != "ratio":
        return -value
    return 1 / value if value else math.inf


def effect_text(gap: Mapping[str, Any], *, decided: bool = False) -> str:
    """The gap with its interval, see `bounds`: percentage points, or times."""
    low, high = bounds(gap, decided=decided)
    if gap["scale"] == "ratio":
        return f"{number(effect(gap), 1)} times [{number(low, 1)}, {number(high, 1)}]"
    return difference(effect(gap), low, high, 1)


def in_unit(metric: str, value: float) -> str:
    """A ratio or difference without an interval."""
    return f"{number(value, 1)} times" if metric_of(metric).is_ratio else points(value, 1)


def truth_of(found: Demo, version: Version, metric: str, cell: str) -> float:
    """The rate of a cell on the many illustrations that were measured in advance."""
    counted = found.truth["versions"][version][metric][cell]
    return float(counted["errors"] / counted["trials"])


def true_effect(found: Demo, version: Version, metric: str) -> float:
    """As `effect`, on these illustrations."""
    worst, best = truth_of(found, version, metric, WORST), truth_of(found, version, metric, BEST)
    return worst / best if metric_of(metric).is_ratio else worst - best


def write_side_by_side(found: Demo) -> None:
    """The table as CSV with full precision, and a page that shows it and links to both reports."""
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    lines.writerow(SIDE_BY_SIDE_TABLE.columns)
    for version in VERSIONS:
        for metric in METRICS:
            for gender, tone in CELLS:
                row, cell = rate_row(found.runs[version], metric, gender, tone), f"{tone} {gender}"
                numbers = [row[key] for key in ("errors", "trials", "subjects", "value", "low", "high")]
                lines.writerow((version, metric, cell, *numbers, truth_of(found, version, metric, cell)))
            gap, true = gap_row(found.runs[version], metric), true_effect(found, version, metric)
            name = f"{metric} gap: {gap['verdict']}"
            lines.writerow((version, name, compared(metric), "", "", "", effect(gap), *bounds(gap), true))
    write_bytes(found.folder / SIDE_BY_SIDE, text.getvalue().encode())
    write_bytes(found.folder / INDEX, index_page(found).encode())


def index_page(found: Demo) -> str:
    """A small page: what was measured, what was found, charts, the table, some of the people, and links to both reports."""
    from facegap.compare.charts import comparison_figures
    from facegap.report.glossary import terms_of
    from facegap.report.page import environment, stylesheet

    both = found.comparison
    known = {
        metric: {
            (str(version), f"{tone} {gender}"): truth_of(found, version, metric, f"{tone} {gender}")
            for version in VERSIONS
            for gender, tone in CELLS
        }
        for metric in METRICS
    }
    figures = comparison_figures(both.rows, METRICS, known=known)["errors"]
    charts = [(ERROR_WORDS[metric].capitalize(), one.drawn()) for metric, one in zip(METRICS, figures, strict=True)]
    people = found.runs["balanced"].manifest["subject"].nunique()
    return (
        environment("facegap.demo")
        .get_template("demo.html")
        .render(
            introduction=introduction(found),
            headline=headline(found),
            findings=findings(found),
            table=side_by_side(found),
            notes=truth_notes(found),
            used=TERMS,
            terms=terms_of(TERMS),
            style=Markup(stylesheet("demo.css", "facegap.demo")),  # noqa: S704  (our own style sheet)
            versions=VERSIONS,
            faces=[f"{IMAGES}/p{k:04d}_0.jpg" for k in range(min(12, people))],
            charts=charts,
            comparison=f"{COMPARISON}/{PAGE}",
        )
    )
