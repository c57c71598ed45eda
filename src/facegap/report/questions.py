"""The sections of the report in the order of a reader's questions: which groups differ, by how much, how certain this is, what
was lost, at which threshold; limitations, methods and reproduction follow in the template."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from facegap.plugins import installed
from facegap.report import summary as overview
from facegap.report.ages import band_table, check_tables, check_words, equal_age_tables, is_checked, year_table
from facegap.report.attacks import iapar_report, iapar_sentences
from facegap.report.balanced import (
    balance_tables,
    regression_tables,
    rows_of_run,
    sentences_of_run,
    within_tables,
    without_change,
)
from facegap.report.figures import Figure
from facegap.report.first_frames import alarms_table, frames_tables
from facegap.report.first_screen import Line
from facegap.report.groups import all_gaps_table, margin_notes, matrix_tables, page_families, verdict_table
from facegap.report.identification import search_tables
from facegap.report.image_tables import (
    failed_table,
    lost_words,
    outcome_table,
    prediction_table,
    template_table,
    timing_table,
)
from facegap.report.labels import counts_table, uncertainty_tables
from facegap.report.outputs import output_report, output_sentences
from facegap.report.page_tables import shades_tables
from facegap.report.planned import sample_table
from facegap.report.population import population_tables, slope_tables
from facegap.report.protocols import protocol_tables
from facegap.report.quality import quality_report
from facegap.report.rate_tables import age_table, rate_tables
from facegap.report.reproduce import execution_table, hash_table, version_table
from facegap.report.rows.frames import groupings_of
from facegap.report.score_tables import bob_tables, measure_table, own_threshold_table, score_table, transfer_table_text
from facegap.report.sections import Fold, PageTable, Section
from facegap.report.text import clean, level_text, score
from facegap.report.units import unit_in_words
from facegap.store.run import Run

if TYPE_CHECKING:
    from facegap.report.examples import Example

OF_PAIRS = ("threshold", "genuine and impostor pairs", "FMR", "FNMR", "GFAR and GFRR")
OF_SEARCHES = ("FNIR and FPIR",)
WIDTH_ON_PAPER = 104  # characters of a table that fits a printed page
MATRIX_COLUMNS = 4
MOST_OPEN_ROWS = 12  # of a table of ages; a longer one is shown on demand


@dataclass(frozen=True)
class Material:
    """The content from which the sections are built.

    lines    : the finding; its charts are on the first screen
    figures  : every chart of the run by section
    examples : thumbnails of failed images, if requested
    folder   : of the run; None for a run without a folder
    """

    run: Run
    lines: Sequence[Line]
    figures: Mapping[str, Sequence[Figure]]
    examples: Sequence[Example]
    folder: Path | None
    include_ids: bool


def figures_of_finding(of: Material) -> list[Figure]:
    """The charts of the first screen: one for each line of the finding, in order."""
    return [
        figure
        for line in of.lines
        for figure in of.figures["errors"]
        if (figure.metric, figure.grouping) == (line.metric, line.grouping)
    ]


def sections_of(of: Material) -> list[Section]:
    """All nonempty sections up to the limitations."""
    found = [
        protocol(of.run),
        who(of.run),
        how_much(of),
        answers(of),
        population(of.run),
        slopes(of),
        ages(of),
        frames(of),
        balanced(of),
        how_sure(of),
        lost(of),
        quality_gate(of),
        threshold(of),
        further(of),
    ]
    return [section for section in found if not section.is_empty]


def protocol(run: Run) -> Section:
    """Results of a benchmark protocol, and the images it excludes."""
    lead = (
        "These numbers are comparable with published ones if the whole protocol was run. They are over all pairs; the sections "
        "below report how the errors differ between groups, at thresholds set on other people."
    )
    return Section(
        "protocol", "Results of the benchmark protocol", lead, tables=tuple(map(PageTable, protocol_tables(run)))
    )


def who(run: Run) -> Section:
    """Which groups differ: the widest gap of each family with its verdict."""
    if not len(run.gaps):
        return Section("who", "Which groups differ", "")
    shown, left_out = page_families(run)
    primary = [row for row in shown if row.widest.primary]
    lead = "The widest gap of each rate in the primary family, with the interval on which its verdict is based."
    if not primary:
        lead = "The primary family has no gap; all other comparisons are exploratory."
    return Section(
        "who",
        "Which groups differ",
        lead,
        ("verdict", "margin", "interval", "p (Holm)"),
        tables=(
            PageTable(verdict_table(primary)),
            *([PageTable(sample_table(run))] if run.record.plan else []),
            PageTable(all_gaps_table(shown, run), folded=True),
        ),
        sentences=(*margin_notes(run, primary=True), *left_out),
    )


def how_much(of: Material) -> Section:
    """Rates by group: the charts that are not on the first screen, then all numbers."""
    run, told = of.run, {figure.name for figure in figures_of_finding(of)}
    figures = tuple(figure for figure in of.figures["errors"] if figure.name not in told)
    searched = [PageTable(table) for table in search_tables(run)]
    tables = [PageTable(table) for table in rate_tables(run)]
    tables += [PageTable(age_table(run))] if len(run.age) else []
    shades = [PageTable(table, "wide") for table in shades_tables(run, WIDTH_ON_PAPER)] if run.record.classes else []
    lead = "Each dot is a group, each line its interval; errors and trials are at the right. Paler marks: too few people to rank."
    terms = (
        "errors / trials",
        "subjects",
        *(OF_PAIRS if run.matched is not None else ()),
        *(OF_SEARCHES if searched else ()),
    )
    folds = (
        Fold("All rates by group", "", (), tuple(tables)),
        Fold(
            "Identification",
            "People who are not found, and people who are falsely identified.",
            (),
            tuple(searched),
        ),
        Fold(
            "In the format of Gender Shades",
            "The same errors in the rows and columns of the study by Buolamwini and Gebru (2018).",
            (),
            tuple(shades),
        ),
    )
    return Section("rates", "By how much", lead if figures else "", terms, figures, folds=folds)


def answers(of: Material) -> Section:
    """Outputs besides gender and age: the rate of each prediction, or the macro error rate."""
    lead = (
        "Predictions of attributes other than gender and age, by group. Without labels, these are rates of predictions and not of "
        "errors."
    )
    shown = tuple(
        PageTable(table, "wide" if table.columns[0] == "group" else "cards") for table in output_report(of.run)
    )
    said, charts = tuple(output_sentences(of.run)), tuple(of.figures["answers"])
    return Section("answers", "Other attributes", lead if said else "", figures=charts, tables=shown, sentences=said)


def population(run: Run) -> Section:
    """Rates and gaps for a population, if weights or proportions were given."""
    lead = "The people audited do not have the composition of the population; here they are weighted to represent it."
    shown = tuple(PageTable(table) for table in population_tables(run))
    return Section("population", "For the population", lead, tables=shown)


def slopes(of: Material) -> Section:
    """Error rates along continuous columns."""
    lead = "How error rates change with a quantity, such as age in years: the fitted curve with its confidence band."
    shown = tuple(PageTable(table) for table in slope_tables(of.run))
    return Section("slopes", "Change with a quantity", lead, figures=tuple(of.figures["slopes"]), tables=shown)


def ages(of: Material) -> Section:
    """The age check, if requested, and age errors at equal ages."""
    run = of.run
    checked = is_checked(run)
    errors = tuple(PageTable(table, folded=len(table.rows) > MOST_OPEN_ROWS) for table in equal_age_tables(run))
    charts = tuple(figure for figure in of.figures["ages"] if not figure.name.startswith("age-errors"))
    drawn = tuple(figure for figure in of.figures["ages"] if figure.name.startswith("age-errors"))
    folds = (
        Fold("By year of age", "", (), tuple(map(PageTable, year_table(run)))),
        Fold("Age errors by band", "", drawn, tuple(map(PageTable, band_table(run)))),
    )
    if not checked:
        return Section("ages", "Age errors", "", (), drawn, errors, folds=(replace(folds[1], figures=()),))
    terms = ("age false positive", "age false negative", "challenge age")
    tables = (*map(PageTable, check_tables(run)), *errors)
    return Section("ages", "Age check", check_words(run), terms, charts, tables, folds=folds)


def frames(of: Material) -> Section:
    """Errors by the number of frames from which templates are pooled, and false alarms per hour of video."""
    lead = "The same templates, pooled from their first frames only: the effect of further frames, by group."
    tables = (*frames_tables(of.run), *alarms_table(of.run.extra.get("alarms.csv"), groupings_of(of.run)))
    shown = tuple(PageTable(table) for table in tables)
    return Section("frames", "By number of frames", lead, figures=tuple(of.figures["frames"]), tables=shown)


def balanced(of: Material) -> Section:
    """Gaps that remain after balancing the named covariates."""
    rows = rows_of_run(of.run)
    lead = (
        "Both groups are weighted to the same distribution of covariates. Each dot is a gap with its interval; dashed: the margin. "
        "The verdict is based on the interval after balancing all covariates."
    )
    folds = (
        Fold("Decomposition of the same gaps by a regression", "", (), tuple(map(PageTable, regression_tables(rows)))),
        Fold(
            "Change within people",
            "Skin, sex and age are the same in all images of a person; only the photograph differs.",
            (),
            tuple(map(PageTable, within_tables(rows))),
            tuple(without_change(rows)),
        ),
    )
    return Section(
        "balanced",
        "Gaps after balancing covariates",
        lead if rows else "",
        figures=tuple(of.figures["balanced"]),
        tables=tuple(PageTable(table, folded=True) for table in balance_tables(rows)),
        sentences=tuple(sentences_of_run(of.run)),
        folds=folds,
    )


def quality_gate(of: Material) -> Section:
    """The distribution of quality by group, and the effect of a quality gate."""
    lead = "A quality gate reduces errors by rejecting images. This section shows which groups are affected, and the effect on errors."
    shown = tuple(map(PageTable, quality_report(of.run)))
    return Section(
        "quality", "Images rejected by a quality gate", lead, figures=tuple(of.figures["quality"]), tables=shown
    )


def how_sure(of: Material) -> Section:
    """The basis of the intervals, and the effect of uncertain labels on the gaps."""
    run = of.run
    labels = [counts_table(run)] if run.record.labels else []
    sentences = (
        f"Intervals are {level_text(run.record.level)} intervals. {unit_in_words(run.record)}",
        f"Groups of fewer than {run.record.min_subjects} effective subjects are shown but neither ranked nor tested.",
    )
    measured = any(name.startswith("measured_") for name in run.manifest.columns)
    folds = (
        Fold("If the labels are uncertain", "", (), tuple(PageTable(table) for table in uncertainty_tables(run))),
        Fold(
            "Distribution of skin tone",
            "Skin colours are shown only as swatches of the scale.",
            tuple(of.figures["tone"]),
            tuple(PageTable(table) for table in labels),
        ),
        Fold("Highest and lowest rate of each grouping, in words", sentences=tuple(overview.findings(run))),
    )
    terms = ("interval", "subjects", *(("measured tone",) if measured else ()))
    return Section("sure", "How certain are these results", "", terms, sentences=sentences, folds=folds)


def lost(of: Material) -> Section:
    """Where images were lost: by group if any were, with all steps on demand."""
    run = of.run
    tables = [PageTable(outcome_table(run), "plain")]
    if run.pooled is not None:
        tables.append(PageTable(template_table(run), "plain"))
    tables += [PageTable(prediction_table(run), "plain")] if run.record.classes else []
    tables += [PageTable(failed_table(run))] if of.include_ids else []
    by_group = tuple(figure for figure in of.figures["waterfall"] if figure.grouping)
    steps = tuple(figure for figure in of.figures["waterfall"] if not figure.grouping)
    if of.examples:
        lead = (
            "The photographs below show people. They are thumbnails without metadata about camera, place or time. They are "
            "biometric data: do not share this page unless you have the right to do so."
        )
    else:
        lead = "An image without a detected face or without a prediction is a failure too. All images are included in the counts."
    folds = (Fold(f"All {run.counted} step by step, and outcomes", "", steps, tuple(tables)),)
    return Section(
        "lost", "Where images were lost", lead, (), by_group, (), tuple(of.examples), (lost_words(run),), folds
    )


def threshold(of: Material) -> Section:
    """Sections that only runs with comparisons have: scores, other thresholds, FMR by pair of groups."""
    run, figures = of.run, of.figures
    if run.matched is None:
        return Section("threshold", "At which threshold", "")
    curve = run.record.has_curve
    used = tuple(f"Threshold {score(point.threshold)}: {clean(point.source)}." for point in run.record.operating)
    lead = (
        "Filled: scores of impostor pairs. Line: genuine pairs. Dashed: the threshold. The less the two distributions overlap, the "
        "fewer errors a group has."
    )
    folds = (
        Fold(
            "False matches between groups",
            "FMR in per cent between every two groups; the diagonal is within groups.",
            tuple(figures["matrix"]),
            tuple(PageTable(table) for table in matrix_tables(run, columns=MATRIX_COLUMNS)),
        ),
        Fold(
            "A threshold set on one group, applied to the others",
            "Rows: the group on which the threshold was set. Columns: FMR of each group at that threshold, in per cent.",
            tuple(figures["transfer"]),
            (PageTable(own_threshold_table(run)), PageTable(transfer_table_text(run))),
        ),
        Fold(
            "False rejections and false matches",
            "Each curve is a group over all thresholds; lower and further left is better. The mark is the threshold in use; "
            "grey is all people together. A curve ends where there are no more false rejections or false matches.",
            tuple(figures["det"]),
        ),
        Fold(
            "Both errors at the threshold",
            "Further right: more pairs of different people falsely matched. Further up: more same-person pairs falsely rejected.",
            tuple(figures["threshold"]),
        ),
        Fold(
            "Summary measures of differences between groups",
            "Published measures combine the rates of all groups into one number. They should only be read together with their value "
            "by chance.",
            (),
            (PageTable(measure_table(run)),),
        ),
        Fold(
            "Presentation attacks",
            tables=tuple(map(PageTable, iapar_report(run))),
            sentences=tuple(iapar_sentences(run)),
        ),
        Fold("Scores and equal error rate", "", (), (PageTable(score_table(run)),) if curve else ()),
        Fold("In the format of bob.measure", "", (), tuple(PageTable(table) for table in bob_tables(run))),
    )
    terms = ("threshold", "genuine and impostor pairs", "FMR", "FNMR", "EER", "log axis", "by chance")
    return Section(
        "threshold",
        "At which threshold",
        lead if figures["scores"] else "",
        terms,
        tuple(figures["scores"]),
        sentences=used,
        folds=folds,
    )


def further(of: Material) -> Section:
    """Charts added by other packages."""
    added = [plugin for plugin in installed("facegap.charts") if of.figures.get(plugin.name)]
    packages = ", ".join(dict.fromkeys(str(plugin) for plugin in added))
    shown = tuple(figure for plugin in added for figure in of.figures[plugin.name])
    return Section("further", "Further charts", f"Added by {clean(packages)}, not by facegap.", figures=shown)


def reproduced(of: Material) -> Section:
    """How to reproduce the run, and its device and times."""
    run = of.run
    lead = "The same command on the same files gives the same tables; facegap recheck verifies hashes and computes the tables again."
    timed = [PageTable(timing_table(run), "plain")] if run.record.timing.per_image else []
    folds = (
        Fold("Hashes of inputs and outputs", "", (), (PageTable(hash_table(run, of.folder), "plain"),)),
        Fold(
            "Time, device and versions",
            "Measured while the audit ran; the device is the one actually used.",
            (),
            (*timed, PageTable(execution_table(run), "plain"), PageTable(version_table(run), "plain")),
        ),
    )
    return Section("reproduce", "How to reproduce this", lead, folds=folds)
