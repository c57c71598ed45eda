"""compare.html: the comparison as one file, without network access and scripts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from facegap.compare import flip_text
from facegap.compare.charts import Pair, comparison_figures
from facegap.compare.flip_rows import FlipRows
from facegap.compare.rows import ComparisonRows
from facegap.compare.shared_people import Together
from facegap.compare.significant import Clear, clear_changes, clear_groups
from facegap.compare.text import (
    SIGNS,
    change_tables,
    finding_parts,
    headline_metrics,
    paired_tables,
    side_tables,
    speed_tables,
)
from facegap.report.glossary import terms_of
from facegap.report.page import Badge, environment, policy, stylesheet
from facegap.report.sections import Fold, PageTable, Section
from facegap.report.tables import TextTable
from facegap.report.text import clean, level_text, score
from facegap.store.run import Run, write_bytes

TEMPLATE = "compare.html"
OF_FINDING = (
    "paired difference",
    "verdict of a comparison",
    "interval",
    "p (Holm)",
)  # terms explained next to the finding
OF_PAIRS = {"fmr": "FMR", "fnmr": "FNMR"}  # terms of metrics
METHODS: Mapping[str, str] = {
    "Paired differences, single images": (
        "Both models are run on the same images; only images on which exactly one model errs provide evidence about the "
        "difference. If no subject has a second image: exact McNemar test (McNemar 1947) with Bonett and Price's "
        "interval (2012). Otherwise the variance of the difference over people, with one discordant person added to either side."
    ),
    "Paired differences, comparisons": (
        "People are resampled within their groups, with the same resamples for both models: 2,000 replicates. The weight of "
        "a genuine pair is W and that of an impostor pair W times W, corrected for the excess noise. Student's t with "
        "degrees of freedom from the people who contribute to the variance. Thresholds are those of each run. The effective "
        "trials of a rate without any error are at most the number of disjoint pairs of its people."
    ),
    "Gaps that grew or shrank": (
        "The change of the gap is one number with one interval, from the same joint resamples. For false matches it is the "
        "ratio of the two ratios; if a group has no error, this ratio is undefined."
    ),
    "Decisions that flip": "Both runs use the threshold of the first. A proportion of flips has the same kind of "
    "interval over people as FNMR or FMR, or as an error rate for predictions; gaps between groups are tested "
    "like gaps in these rates, with the same margins, and those of the primary groups at the first threshold are "
    "tested together. Score drift: the mean over comparisons, with dyadic errors "
    "over people and Student's t; a difference of means matters if it is at least 0.2 standard deviations of the "
    "first run's scores.",
    "Many at once": "Five families are tested separately, over all primary groupings and all other models: paired "
    "differences (all people and all ranked groups), changes of gaps (pairs of groups), gaps in flips, paired "
    "differences at "
    "the fixed threshold, and gaps in score drift. The p values of the first four are adjusted by Holm's method "
    "(1979), those of drift by Bonferroni's. Other "
    "groupings, metrics and thresholds are exploratory and have no verdict.",
}


def write_page(path: Path, runs: Together, rows: ComparisonRows, flips: FlipRows, *, warnings: Sequence[str]) -> None:
    """Write the page."""
    write_bytes(path, page(runs, rows, flips, warnings=warnings).encode())


def page(runs: Together, rows: ComparisonRows, flips: FlipRows, *, warnings: Sequence[str]) -> str:
    """The page as text; the template engine escapes every value."""
    metrics = headline_metrics(rows)
    figures = comparison_figures(rows, metrics)
    pictures = {pair.name: pair.drawn() for part in figures.values() for pair in part}
    engine = environment("facegap.compare")
    engine.filters["badge"] = badge
    style = stylesheet("compare.css", "facegap.compare")
    parts = sections(rows, flips, metrics, figures)
    return engine.get_template(TEMPLATE).render(
        labels=runs.labels,
        images=len(runs.manifest),
        people=runs.manifest["subject"].nunique(),
        findings=finding_parts(rows),
        signs={verdict: badge(verdict, "") for verdict in SIGNS},
        finding_terms=OF_FINDING,
        terms=terms_of(OF_FINDING, *(part.terms for part in parts)),
        warnings=warnings,
        sections=parts,
        pictures=pictures,
        methods=METHODS,
        runs=run_table(runs),
        level=level_text(rows.sides[0].rate.level),
        style=Markup(style),  # noqa: S704  (our own style sheet)
        policy=policy(style, ""),
    )


def badge(text: str, _column: str) -> Badge | None:
    """The badge of a cell for a gap or error that grew or shrank; None for any other cell."""
    return Badge(SIGNS[text], "gap") if text in SIGNS else None


def sections(
    rows: ComparisonRows, flips: FlipRows, metrics: Sequence[str], figures: Mapping[str, Sequence[Pair]]
) -> list[Section]:
    """The sections of the page: significant results are shown, all other numbers on demand."""
    others = [metric for metric in rows.metrics if metric not in metrics]
    groups, changes = clear_groups(rows, metrics), clear_changes(rows, metrics)
    speeds = tuple(pair.wide for pair in figures["speed"])
    parts = [
        Section(
            "rates",
            "Errors by group and model",
            "Each dot is one model in one group, each line its own interval. Two such intervals provide little information "
            "about the difference, which is shown below for the same people.",
            ("errors / trials", "subjects", *(OF_PAIRS[name] for name in metrics if name in OF_PAIRS)),
            tuple(pair.wide for pair in figures["errors"]),
            folded(side_tables(rows, metrics)),
        ),
        Section(
            "paired",
            "Differences between models",
            "Each other model compared with the first, on the same people.",
            ("paired difference", "threshold") if any(name in OF_PAIRS for name in metrics) else ("paired difference",),
            sentences=(groups.counted,),
            tables=(*shown(groups), *folded(paired_tables(rows, metrics))),
        ),
        Section(
            "changes",
            "Gaps that grew or shrank",
            "How the difference between two groups changes from the first model to the other.",
            ("change of a gap", "margin"),
            sentences=(changes.counted,),
            tables=(*shown(changes), *folded(change_tables(rows, metrics))),
        ),
        flip_section(flips),
        Section(
            "speed",
            "Worst-group error and ms per face",
            "Lower is better for the group with the highest error, further left is faster.",
            (),
            speeds[:1],
            folded(speed_tables(rows, metrics)),
            folds=(Fold("Other errors and groups", figures=speeds[1:]),),
        ),
        Section(
            "others",
            "Further errors",
            "Other rates of the runs.",
            tables=folded([*paired_tables(rows, others), *change_tables(rows, others)]),
        ),
    ]
    return [part for part in parts if part.tables or part.figures]


def flip_section(flips: FlipRows) -> Section:
    """Decisions that flip if a model replaces the first: tested results are shown, the others on demand."""
    gaps, drift = flip_text.gap_table(flips), flip_text.drift_gap_table(flips)
    tested = tuple(PageTable(table) for table in (gaps, drift) if table.rows)
    more = (*flip_text.flip_tables(flips), *flip_text.fixed_tables(flips), *flip_text.drift_tables(flips))
    return Section(
        "flips",
        "Decisions that flip",
        "Effects by group of replacing the model while keeping the threshold of the first run: comparisons and predictions "
        "that change, and changes of scores.",
        ("flip", "score drift", "margin") if flips.drift else ("flip", "margin") if flips.groups else (),
        sentences=tuple(flip_text.sentences(flips)),
        tables=(*tested, *folded(more)),
    )


def folded(tables: Sequence[TextTable]) -> tuple[PageTable, ...]:
    """Tables that are shown on demand."""
    return tuple(PageTable(table, folded=True) for table in tables)


def shown(found: Clear) -> tuple[PageTable, ...]:
    """The table of significant results; empty if there are none, since a sentence says so."""
    return (PageTable(found.table),) if found.table.rows else ()


def run_table(runs: Together) -> PageTable:
    """Models, thresholds and hashes of each run."""
    rows = tuple(run_line(label, run) for label, run in zip(runs.labels, runs.runs, strict=True))
    return PageTable(TextTable("the runs", ("run", "models", "threshold", "rows", "sha256"), rows))


def run_line(label: str, run: Run) -> tuple[str, ...]:
    """One run."""
    points = "; ".join(f"{score(point.threshold)} ({clean(point.source)})" for point in run.record.operating) or score(
        math.nan
    )
    models = ", ".join(f"{task} {clean(name)}" for task, name in run.record.models.items())
    return clean(label), models, points, f"{len(run.manifest):,}", clean(run.record.manifest.sha256)
