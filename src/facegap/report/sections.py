"""The parts of the page in the order in which they are read: what was found, in pictures, before how it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from facegap.report.compared import gap_table, matrix_tables
from facegap.report.figures import Figure
from facegap.report.gender_shades import gender_shades_tables
from facegap.report.identification import search_tables
from facegap.report.reproduce import execution_table, hash_table, version_table
from facegap.report.spread import measure_table, score_table, transfer_table_text
from facegap.report.tables import (
    TextTable,
    age_text_table,
    failed_table,
    outcome_table,
    prediction_table,
    rate_tables,
    timing_table,
)
from facegap.report.words import TERMS
from facegap.store import Run

if TYPE_CHECKING:
    from facegap.report.examples import Example

Layout = Literal["cards", "wide"]  # on a narrow screen each row becomes a card, or the table scrolls sideways
WIDTH_ON_PAPER = 104  # letters of a table that fits a page in print


@dataclass(frozen=True)
class PageTable:
    """A table of the page. folded : shown on demand, as a picture says the same first; print opens it."""

    table: TextTable
    layout: Layout = "cards"
    folded: bool = False


@dataclass(frozen=True)
class Section:
    """One part of the page; `terms` are keys of TERMS that it is the first to use, explained in it and nowhere else."""

    key: str
    title: str
    lead: str
    terms: tuple[str, ...] = ()
    figures: tuple[Figure, ...] = ()
    tables: tuple[PageTable, ...] = ()
    examples: tuple[Example, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing to show."""
        return not (self.figures or self.examples or any(shown.table.rows or shown.table.notes for shown in self.tables))

    @property
    def explained(self) -> dict[str, str]:
        """Its terms with their explanations."""
        return {term: TERMS[term] for term in self.terms}


def sections_of(
    run: Run, figures: Mapping[str, Sequence[Figure]], examples: Sequence[Example], folder: Path, *, include_ids: bool
) -> list[Section]:
    """All parts that a run has something for, with every term explained at its first use."""
    found = [
        verdicts(run),
        gender_shades(run),
        errors(run, figures["errors"]),
        lost(run, figures["waterfall"], include_ids=include_ids),
        *comparisons(run, figures),
        searches(run),
        tone(figures["tone"]),
        failed(examples),
        timing(run),
        reproduced(run, folder),
    ]
    return explained_once([section for section in found if not section.is_empty])


def explained_once(sections: Sequence[Section]) -> list[Section]:
    """The sections with each term only where it comes first."""
    seen: set[str] = set()
    found = []
    for section in sections:
        found.append(replace(section, terms=tuple(term for term in section.terms if term not in seen)))
        seen |= set(section.terms)
    return found


def verdicts(run: Run) -> Section:
    """Which groups differ."""
    tables = (PageTable(gap_table(run)),) if len(run.gaps) else ()
    lead = "For each way of grouping people the widest gap, that of the worst group against the best, and its verdict."
    terms = ("errors / trials", "subjects", "interval", "verdict", "margin", "p (Holm)")
    return Section("verdicts", "Which groups differ", lead, terms, tables=tables)


def gender_shades(run: Run) -> Section:
    """The table of Gender Shades over this run."""
    tables = gender_shades_tables(run, title="Gender Shades", width=WIDTH_ON_PAPER) if run.record["classes"] else []
    lead = "The same errors in the rows and columns of the study that began such audits (Buolamwini and Gebru, 2018)."
    shown = tuple(PageTable(table, "wide") for table in tables if table.rows)
    return Section("gender-shades", "As Gender Shades prints it", lead, tables=shown)


def errors(run: Run, figures: Sequence[Figure]) -> Section:
    """Rates by group: the picture, then every number."""
    tables = [PageTable(table, folded=bool(figures)) for table in rate_tables(run)]
    tables += [PageTable(age_text_table(run), folded=True)] if len(run.age) else []
    lead = (
        "Each dot is a group, each line its interval; errors and trials stand at the right. Paler marks are groups too "
        "small to rank."
    )
    terms = ("interval", *(("threshold", "genuine and impostor pairs", "FMR", "FNMR", "GFAR and GFRR") if run.matched else ()))
    return Section("errors", "Errors by group", lead, terms, tuple(figures), tuple(tables))


def lost(run: Run, figures: Sequence[Figure], *, include_ids: bool) -> Section:
    """Where images are lost."""
    tables = [PageTable(outcome_table(run), folded=True)]
    tables += [PageTable(prediction_table(run), folded=True)] if run.record["classes"] else []
    tables += [PageTable(failed_table(run), folded=True)] if include_ids else []
    lead = "An image that gives no face or no answer is a failure too. None is left out of the counts."
    return Section("lost", "Where images are lost", lead, (), tuple(figures), tuple(tables))


def comparisons(run: Run, figures: Mapping[str, Sequence[Figure]]) -> list[Section]:
    """What only runs with comparisons have."""
    if run.matched is None:
        return []
    pairs = ("threshold", "genuine and impostor pairs")
    return [
        Section(
            "scores", "How alike pairs look",
            "Filled: impostor pairs. Line: genuine pairs. A model that serves a group well keeps the two apart.",
            (*pairs, "EER"), tuple(figures["scores"]), (PageTable(score_table(run), folded=True),),
        ),
        Section(
            "det", "Refusals against false matches",
            "Each curve is a group over all thresholds; lower and further left is better. The mark is the threshold in "
            "use; everybody is grey. A curve ends where no refusal or no false match is left.",
            ("FMR", "FNMR", "log axis"), tuple(figures["det"]),
        ),
        Section(
            "matrix", "Who is mistaken for whom",
            "FMR in per cent between every two groups; the diagonal is within a group.",
            ("FMR",), tuple(figures["matrix"]), tuple(PageTable(table, "wide", folded=True) for table in matrix_tables(run)),
        ),
        Section(
            "transfer", "A threshold set on one group, used on the others",
            "Rows: the group that the threshold was set on. Columns: what it does to each group. Blue is below the "
            "target, orange above.",
            ("FMR",), tuple(figures["transfer"]), (PageTable(transfer_table_text(run), folded=True),),
        ),
        Section(
            "threshold", "Both errors at the global threshold",
            "Further right: more strangers taken for one person. Further up: more people refused as themselves.",
            ("FMR", "FNMR"), tuple(figures["threshold"]), (PageTable(measure_table(run)),),
        ),
    ]  # fmt: skip


def searches(run: Run) -> Section:
    """The search of a gallery."""
    shown = tuple(PageTable(table) for table in search_tables(run))
    return Section("searches", "Search of a gallery", "Who is not found, and who is taken for somebody.", ("FNIR and FPIR",), (), shown)


def tone(figures: Sequence[Figure]) -> Section:
    """Skin tone."""
    lead = "How many people have which label of skin tone. Colours are shown as swatches of the scale and nowhere else."
    return Section("tone", "Skin tone of the people", lead, ("measured tone",), tuple(figures))


def failed(examples: Sequence[Example]) -> Section:
    """Pictures that failed, only where they were asked for."""
    lead = (
        "These are photographs of people, made small and written anew without what the files said of camera, place or "
        "time. They are biometric data: do not pass this page on without a right to."
    )
    return Section("failed", "Images that failed", lead, examples=tuple(examples))


def timing(run: Run) -> Section:
    """What it took, and on what."""
    tables = [PageTable(timing_table(run))] if run.record["timing"]["per_image"] else []
    lead = "Measured while the audit ran; the device is what was really used."
    return Section("timing", "Time and device", lead, tables=(*tables, PageTable(execution_table(run))))


def reproduced(run: Run, folder: Path) -> Section:
    """How to make it again."""
    tables = (PageTable(hash_table(run, folder), "wide"), PageTable(version_table(run)))
    lead = "The same command over the same files gives the same tables; facegap recheck hashes and derives them again."
    return Section("reproduce", "How to reproduce this", lead, tables=tables)

