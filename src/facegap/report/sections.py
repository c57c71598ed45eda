"""The parts of the page in the order in which they are read: what was found, in pictures, before how it was made."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from facegap.plugins import installed
from facegap.report.figures import Figure
from facegap.report.glossary import TERMS
from facegap.report.groups import matrix_tables, verdict_table
from facegap.report.identification import search_tables
from facegap.report.image_tables import failed_table, outcome_table, prediction_table, timing_table
from facegap.report.labels import counts_table, uncertainty_tables
from facegap.report.page_tables import shades_tables
from facegap.report.planned import sample_table
from facegap.report.rate_tables import age_table, rate_tables
from facegap.report.reproduce import execution_table, hash_table, version_table
from facegap.report.score_tables import measure_table, own_threshold_table, score_table, transfer_table_text
from facegap.report.tables import TextTable
from facegap.report.text import clean
from facegap.store.run import Run

if TYPE_CHECKING:
    from facegap.report.examples import Example

# On a narrow screen: each row becomes a card; the table folds its words; it scrolls sideways, its first column in place.
Layout = Literal["cards", "plain", "wide"]
# Terms of the errors of comparisons; none for a run without.
OF_PAIRS = {False: ("threshold", "genuine and impostor pairs", "FMR", "FNMR", "GFAR and GFRR"), True: ()}
WIDTH_ON_PAPER = 104  # letters of a table that fits a page in print
NUMBER = re.compile(r"[-−–+<>≈∞\[(\d]")
UNITS = frozenset({"points", "against", "ms", "pairs", "alone", "only", "subjects"})


@dataclass(frozen=True)
class PageTable:
    """A table of the page. folded : shown on demand, as a picture says the same first; print opens it."""

    table: TextTable
    layout: Layout = "cards"
    folded: bool = False

    @property
    def numeric(self) -> list[bool]:
        """Per column whether all its cells begin as numbers do: those stand at the right."""
        cells = [[row[k] for row in self.table.rows if row[k]] for k in range(len(self.table.columns))]
        return [k > 0 and all(is_number(cell) for cell in column) for k, column in enumerate(cells)]


def is_number(cell: str) -> bool:
    """Whether a cell is a number, or several, with at most their units."""
    return bool(NUMBER.match(cell)) and set(re.findall(r"[^\W\d_]+", cell)) <= UNITS


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
        return not (self.figures or self.examples or self.open_tables or self.folded_tables)

    @property
    def open_tables(self) -> list[PageTable]:
        """Its tables that are shown at once."""
        return [shown for shown in self.tables if not shown.folded and (shown.table.rows or shown.table.notes)]

    @property
    def folded_tables(self) -> list[PageTable]:
        """Its tables that are shown on demand."""
        return [shown for shown in self.tables if shown.folded and (shown.table.rows or shown.table.notes)]

    @property
    def explained(self) -> dict[str, str]:
        """Its terms with their explanations."""
        return {term: TERMS[term] for term in self.terms}


def sections_of(
    run: Run,
    figures: Mapping[str, Sequence[Figure]],
    examples: Sequence[Example],
    folder: Path | None,
    *,
    include_ids: bool,
) -> list[Section]:
    """All parts that a run has something for, with every term explained at its first use."""
    found = [
        verdicts(run),
        gender_shades(run),
        errors(run, figures["errors"]),
        lost(run, figures["waterfall"], include_ids=include_ids),
        *comparisons(run, figures),
        spread(run),
        searches(run),
        tone(run, figures["tone"]),
        of_plugins(figures),
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
    tables = (
        (
            PageTable(verdict_table(run)),
            *([PageTable(sample_table(run))] if run.record.plan else []),
            *(PageTable(table) for table in uncertainty_tables(run)),
        )
        if len(run.gaps)
        else ()
    )
    lead = "For each way of grouping people the widest gap, that of the worst group against the best, and its verdict."
    terms = ("errors / trials", "subjects", "interval", "verdict", "margin", "p (Holm)", *OF_PAIRS[run.matched is None])
    return Section("verdicts", "Which groups differ", lead, terms, tables=tables)


def gender_shades(run: Run) -> Section:
    """The table of Gender Shades over this run."""
    tables = shades_tables(run, WIDTH_ON_PAPER) if run.record.classes else []
    lead = "The same errors in the rows and columns of the study that began such audits (Buolamwini and Gebru, 2018)."
    shown = tuple(PageTable(table, "wide") for table in tables)
    return Section("gender-shades", "As Gender Shades prints it", lead, tables=shown)


def errors(run: Run, figures: Sequence[Figure]) -> Section:
    """Rates by group: the picture, then every number."""
    tables = [PageTable(table, folded=bool(figures)) for table in rate_tables(run)]
    tables += [PageTable(age_table(run), folded=True)] if len(run.age) else []
    lead = (
        "Each dot is a group, each line its interval; errors and trials stand at the right. Paler marks are groups too "
        "small to rank."
    )
    terms = ("interval", *OF_PAIRS[run.matched is None])
    return Section("errors", "Errors by group", lead, terms, tuple(figures), tuple(tables))


def lost(run: Run, figures: Sequence[Figure], *, include_ids: bool) -> Section:
    """Where images are lost."""
    tables = [PageTable(outcome_table(run), "plain", folded=True)]
    tables += [PageTable(prediction_table(run), "plain", folded=True)] if run.record.classes else []
    tables += [PageTable(failed_table(run), folded=True)] if include_ids else []
    lead = "An image that gives no face or no answer is a failure too. None is left out of the counts."
    return Section("lost", "Where images are lost", lead, (), tuple(figures), tuple(tables))


def comparisons(run: Run, figures: Mapping[str, Sequence[Figure]]) -> list[Section]:
    """What only runs with comparisons have."""
    if run.matched is None:
        return []
    curves = score_sections(run, figures) if run.record.has_curve else []
    return [
        *curves,
        Section(
            "matrix",
            "Who is mistaken for whom",
            "FMR in per cent between every two groups; the diagonal is within a group.",
            ("FMR",),
            tuple(figures["matrix"]),
            tuple(PageTable(table, "wide", folded=True) for table in matrix_tables(run, columns=4)),
        ),
        Section(
            "transfer",
            "A threshold set on one group, used on the others",
            "Rows: the group that the threshold was set on. Columns: what it does to each group. Blue is below the "
            "target, orange above.",
            ("FMR",),
            tuple(figures["transfer"]),
            (PageTable(own_threshold_table(run)), PageTable(transfer_table_text(run), folded=True)),
        ),
        Section(
            "threshold",
            "Both errors at the global threshold",
            "Further right: more strangers taken for one person. Further up: more people refused as themselves.",
            ("FMR", "FNMR"),
            tuple(figures["threshold"]),
        ),
    ]


def score_sections(run: Run, figures: Mapping[str, Sequence[Figure]]) -> list[Section]:
    """Scores and what other thresholds would do; of mere decisions there is neither."""
    pairs = ("threshold", "genuine and impostor pairs")
    return [
        Section(
            "scores",
            "How alike pairs look",
            "Filled: impostor pairs. Line: genuine pairs. A model that serves a group well keeps the two apart.",
            (*pairs, "EER"),
            tuple(figures["scores"]),
            (PageTable(score_table(run), folded=True),),
        ),
        Section(
            "det",
            "Refusals against false matches",
            "Each curve is a group over all thresholds; lower and further left is better. The mark is the threshold in "
            "use; everybody is grey. A curve ends where no refusal or no false match is left.",
            ("FMR", "FNMR", "log axis"),
            tuple(figures["det"]),
        ),
    ]


def spread(run: Run) -> Section:
    """Published measures of unequal rates."""
    lead = (
        "Published measures put the rates of all groups into one number. None should be read without what chance gives."
    )
    return Section("spread", "How unequal, in one number", lead, ("by chance",), (), (PageTable(measure_table(run)),))


def searches(run: Run) -> Section:
    """The search of a gallery."""
    shown = tuple(PageTable(table) for table in search_tables(run))
    lead = "Who is not found, and who is taken for somebody."
    return Section("searches", "Search of a gallery", lead, ("FNIR and FPIR",), (), shown)


def tone(run: Run, figures: Sequence[Figure]) -> Section:
    """Skin tone: how many people have which label, and what label uncertainty does to the gaps."""
    lead = "How many people have which label of skin tone. Colours are shown as swatches of the scale and nowhere else."
    terms = ("measured tone",) if any(name.startswith("measured_") for name in run.manifest.columns) else ()
    shown = (PageTable(counts_table(run)),) if run.record.labels else ()
    return Section("tone", "Skin tone of the people", lead, terms, tuple(figures), shown)


def of_plugins(figures: Mapping[str, Sequence[Figure]]) -> Section:
    """Charts that other packages add."""
    added = [plugin for plugin in installed("facegap.charts") if figures.get(plugin.name)]
    packages = ", ".join(dict.fromkeys(str(plugin) for plugin in added))
    shown = tuple(figure for plugin in added for figure in figures[plugin.name])
    return Section("further", "Further charts", f"Drawn by {clean(packages)}, not by facegap.", figures=shown)


def failed(examples: Sequence[Example]) -> Section:
    """Pictures that failed, only where they were asked for."""
    lead = (
        "These are photographs of people, made small and written anew without what the files said of camera, place or "
        "time. They are biometric data: do not pass this page on without a right to."
    )
    return Section("failed", "Images that failed", lead, examples=tuple(examples))


def timing(run: Run) -> Section:
    """What it took, and on what."""
    tables = [PageTable(timing_table(run), "plain")] if run.record.timing.per_image else []
    lead = "Measured while the audit ran; the device is what was really used."
    return Section("timing", "Time and device", lead, tables=(*tables, PageTable(execution_table(run), "plain")))


def reproduced(run: Run, folder: Path | None) -> Section:
    """How to make it again."""
    tables = (PageTable(hash_table(run, folder), "plain"), PageTable(version_table(run), "plain"))
    lead = "The same command over the same files gives the same tables; facegap recheck hashes and derives them again."
    return Section("reproduce", "How to reproduce this", lead, tables=tables)
