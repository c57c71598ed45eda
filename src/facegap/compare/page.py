"""compare.html: models side by side as one file that asks the network for nothing and runs no script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from facegap.compare.charts import Pair, comparison_figures
from facegap.compare.rows import ComparisonRows
from facegap.compare.shared_people import Together
from facegap.compare.text import (
    SIGNS,
    change_tables,
    headline_metrics,
    paired_tables,
    side_tables,
    speed_tables,
    told,
)
from facegap.report.glossary import TERMS
from facegap.report.page import Badge, environment, policy, stylesheet
from facegap.report.sections import PageTable, Section
from facegap.report.tables import TextTable
from facegap.report.text import clean, level_text, score
from facegap.store.run import Run, write_bytes

TEMPLATE = "compare.html"
GLOSSARY = (
    "errors / trials",
    "subjects",
    "interval",
    "margin",
    "p (Holm)",
    "threshold",
    "FMR",
    "FNMR",
)  # keys of TERMS
OPEN = 1  # tables of a part that are open; further ones are folded
METHODS: Mapping[str, str] = {
    "Paired differences, single images": "Both models answer to the same images; only those on which one model alone "
    "errs tell them apart. Where nobody has a second image: exact McNemar test (McNemar 1947) with Bonett and Price's "
    "interval (2012). Else the variance of the difference over people, with one discordant person added to either side.",
    "Paired differences, comparisons": "One draw of people, within their groups, serves both models: 2,000 replicates. A "
    "genuine pair weighs W, an impostor pair W times W, whose excess noise is taken out again. Student's t on as many "
    "people as carry the variance. Thresholds are those of each run. A rate without any error counts for no more trials "
    "than its people form disjoint pairs.",
    "Gaps that grew or shrank": "The change of the gap is one number with one interval, from the same joint draws. For "
    "false matches it is the ratio of the two ratios; where a group has no error that ratio is undefined.",
    "Many at once": "p values are Holm's (1979) over all ranked groups, or pairs of groups, of one grouping in all other "
    "models.",
}


def write_page(path: Path, runs: Together, rows: ComparisonRows, *, warnings: Sequence[str]) -> None:
    """Write the page."""
    write_bytes(path, page(runs, rows, warnings=warnings).encode())


def page(runs: Together, rows: ComparisonRows, *, warnings: Sequence[str]) -> str:
    """The page as text; every value is escaped by the template engine."""
    metrics = headline_metrics(rows)
    figures = comparison_figures(rows, metrics)
    pictures = {pair.name: pair.drawn() for part in figures.values() for pair in part}
    engine = environment("facegap.compare")
    engine.filters["badge"] = badge
    style = stylesheet("compare.css", "facegap.compare")
    return engine.get_template(TEMPLATE).render(
        labels=runs.labels,
        images=len(runs.manifest),
        people=runs.manifest["subject"].nunique(),
        findings=told(rows),
        signs={verdict: badge(verdict, "") for verdict in SIGNS},
        terms={term: TERMS[term] for term in GLOSSARY},
        warnings=warnings,
        sections=sections(rows, metrics, figures),
        pictures=pictures,
        methods=METHODS,
        runs=run_table(runs),
        level=level_text(rows.sides[0].rate.level),
        style=Markup(style),  # noqa: S704  (our own style sheet)
        policy=policy(style, ""),
    )


def badge(text: str, _column: str) -> Badge | None:
    """The badge of a cell that says that a gap or an error grew or shrank; None for any other cell."""
    return Badge(SIGNS[text], "gap") if text in SIGNS else None


def sections(rows: ComparisonRows, metrics: Sequence[str], figures: Mapping[str, Sequence[Pair]]) -> list[Section]:
    """The parts of the page."""
    others = [metric for metric in rows.metrics if metric not in metrics]
    wide = [PageTable(table, folded=True) for table in side_tables(rows, metrics)]
    speeds = tuple(PageTable(table, folded=True) for table in speed_tables(rows, metrics))
    parts = [
        Section(
            "rates",
            "Errors by group, model by model",
            "Each dot is one model in one group, each line its own interval. Two such intervals say little about the "
            "difference: that follows below, over the same people.",
            (),
            tuple(pair.wide for pair in figures["errors"]),
            tuple(wide),
        ),
        Section(
            "paired",
            "Where one model errs more",
            "Each other model against the first, on the same people.",
            (),
            (),
            tuple(PageTable(table, folded=k >= OPEN) for k, table in enumerate(paired_tables(rows, metrics))),
        ),
        Section(
            "changes",
            "Gaps that grew or shrank",
            "How the difference between two groups changes from the first model to the other.",
            (),
            (),
            tuple(PageTable(table, folded=k >= OPEN) for k, table in enumerate(change_tables(rows, metrics))),
        ),
        Section(
            "speed",
            "Worst-group error against ms per face",
            "Lower is better for the people served worst, further left is faster.",
            (),
            tuple(pair.wide for pair in figures["speed"]),
            speeds,
        ),
        Section(
            "others",
            "Further errors",
            "What else the runs counted.",
            (),
            (),
            tuple(
                PageTable(table, folded=True) for table in (*paired_tables(rows, others), *change_tables(rows, others))
            ),
        ),
    ]
    return [part for part in parts if not part.is_empty]


def run_table(runs: Together) -> PageTable:
    """What each run is: models, thresholds, hashes."""
    rows = tuple(run_line(label, run) for label, run in zip(runs.labels, runs.runs, strict=True))
    return PageTable(TextTable("the runs", ("run", "models", "threshold", "rows", "sha256"), rows))


def run_line(label: str, run: Run) -> tuple[str, ...]:
    """One run."""
    told = "; ".join(f"{score(point.threshold)} ({clean(point.source)})" for point in run.record.operating) or score(
        math.nan
    )
    models = ", ".join(f"{task} {clean(name)}" for task, name in run.record.models.items())
    return clean(label), models, told, f"{len(run.manifest):,}", clean(run.record.manifest.sha256)
