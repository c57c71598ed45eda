"""A run as a Python object: tables, charts and the finding, and its display in a notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from facegap.errors import FacegapError, RunError
from facegap.report.finding import contrast
from facegap.report.first_screen import headline
from facegap.report.groups import counts, decided_text, difference_text, measured, ratio_text, verdict_text, who
from facegap.report.rows.frames import groupings_of
from facegap.report.rows.gaps import VerdictRow, verdict_rows
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import clean, p_value
from facegap.report.units import unit_in_words
from facegap.store.begun import SUMS
from facegap.store.record import RunRecord
from facegap.store.run import Run as StoredRun
from facegap.store.run import write_bytes

if TYPE_CHECKING:
    import altair as alt

    from facegap.report.figures.style import Figure

MOST_LINES = 12  # of the verdict table in a notebook; `gaps` contains all
COUNTS = ("value", "low", "high", "errors", "trials", "subjects")
GAP_COLUMNS = (
    *("metric", "threshold", "family", "group_a", "group_b", "difference", "ratio"),
    *("primary", "p_adjusted", "decided_low", "decided_high", "verdict"),
)
FIRST = "rates"  # the name of the chart of errors by group
PARTS = {"errors": FIRST}  # sections of the report whose chart has another name here


@dataclass(frozen=True, eq=False, repr=False)
class Run:
    """One audit: its tables as DataFrames, its finding as text, its charts and its report.

    Returned by the functions of facegap that audit or read a run. Every table is a copy that may be changed.

    Parameters
    ----------
    stored
        The record and the tables, as in the run folder.

    Examples
    --------
    >>> import facegap as fg  # doctest: +SKIP
    >>> run = fg.read_run("run")  # doctest: +SKIP
    >>> run.gaps[["group_a", "group_b", "difference", "verdict"]]  # doctest: +SKIP
    >>> run.plot("rates")  # doctest: +SKIP
    """

    stored: StoredRun

    @classmethod
    def of(cls, stored: StoredRun) -> Run:
        """The run of a record and its tables."""
        return cls(stored)

    @property
    def rates(self) -> pd.DataFrame:
        """Every rate with errors, trials, subjects and interval, as in rates.csv, with the main columns first."""
        groups = [name for name in self.stored.rates.columns if name in attributes_of(self.stored)]
        return in_front(self.stored.rates, ("metric", "threshold", *groups, *COUNTS))

    @property
    def gaps(self) -> pd.DataFrame:
        """Every pair of groups with difference, ratio, p and verdict, as in gaps.csv, with the main columns first."""
        return in_front(self.stored.gaps, GAP_COLUMNS)

    @property
    def faces(self) -> pd.DataFrame:
        """Outcome of each image, as in faces.parquet."""
        return self.stored.faces.copy()

    @property
    def predictions(self) -> pd.DataFrame:
        """Result of the classifier for each image, as in predictions.parquet."""
        return self.stored.predictions.copy()

    @property
    def record(self) -> RunRecord:
        """Settings, execution, timing and warnings, as in run.json."""
        return self.stored.record

    @property
    def finding(self) -> str:
        """The finding: per metric the groups with most and fewest errors, the verdict on their gap, and the numbers behind it."""
        return clean(" ".join(headline(self.stored)))

    def plot(self, name: str = FIRST) -> alt.TopLevelMixin:
        """A chart of the report, as an altair chart.

        Parameters
        ----------
        name
            A section of the report (``"rates"``, ``"matrix"``, ``"det"``, ...), for its first chart, or the name of a
            chart as in the folder ``figures`` of a run.

        Raises
        ------
        FacegapError
            If the run has no such chart; the message lists those it has.

        Notes
        -----
        By default, altair loads Vega from the network when a notebook shows a chart. To avoid this, call
        ``altair.renderers.enable("svg")`` first.
        """
        import altair as alt

        figure = chart_named(self.stored, name)
        if figure is None:
            charts = charts_of(self.stored)
            known = f"it has {', '.join(charts)}" if charts else "it has no chart at all"
            raise FacegapError(f"this run has no chart {clean(name)!r}; {known}")
        spec = figure.spec
        kinds: dict[str, type[alt.FacetChart | alt.LayerChart]] = {"facet": alt.FacetChart, "layer": alt.LayerChart}
        kind = next((kinds[key] for key in kinds if key in spec), alt.Chart)
        return kind.from_dict(spec, validate=False)  # the tests validate every spec against the schema

    def report(self, path: str | Path, *, include_ids: bool = False) -> Path:
        """Write the report as one HTML file without external resources, and return its path.

        Parameters
        ----------
        path
            A file name that ends in .html; an existing file is replaced.
        include_ids
            Include the names of failed images. These are biometric data.

        Raises
        ------
        RunError
            If the path does not end in .html, cannot be written, or is in a finished run folder, whose hashes would no longer match.
        """
        from facegap.report.page import page_alone

        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm") or path.is_dir():
            raise RunError(f"{path}: the report is one HTML file; give a file name that ends in .html")
        if (path.parent / SUMS).exists():
            raise RunError(
                f"{path}: in a finished run folder, whose hashes another file would break; choose another place, or make "
                f"the page of that run again with facegap report {path.parent}"
            )
        write_bytes(path, page_alone(self.stored, include_ids=include_ids).encode())
        return path

    def write(self, folder: str | Path) -> Path:
        """Write the run folder with its report and figures, and return its path.

        Raises
        ------
        RunError
            If the folder is not empty, or cannot be written.
        """
        from facegap.report.page import add_report

        folder = Path(folder)
        self.stored.write(folder)
        add_report(folder, self.stored, include_ids=False)
        return folder

    def __repr__(self) -> str:
        """Three lines: what was audited, the finding, and the contents of the tables."""
        return "\n".join((about(self.stored), self.finding, contents(self.stored)))

    def _repr_html_(self) -> str:
        """The finding, the widest gap of each grouping and the first chart; escaped and without external resources."""
        from facegap.report.figures.render import drawn
        from facegap.report.page import environment

        figure = main_chart(self.stored)
        return (
            environment()
            .get_template("notebook.html")
            .render(
                about=about(self.stored),
                alarms=list(self.stored.record.alarms),
                finding=headline(self.stored),
                table=verdict_lines(self.stored),
                figure=figure,
                picture=None if figure is None else drawn(figure),
                contents=contents(self.stored),
            )
        )


def attributes_of(run: StoredRun) -> set[str]:
    """The columns of RATES that define the groups."""
    return {name for grouping in groupings_of(run) for name in grouping}


def in_front(frame: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """A copy with some columns first: a notebook hides the middle of a wide table."""
    first = [name for name in names if name in frame.columns]
    return frame[[*first, *(name for name in frame.columns if name not in first)]].copy()


def charts_of(run: StoredRun) -> dict[str, Figure]:
    """The charts of a run by name: the first of each section by the name of the section, then all by their own names."""
    from facegap.report.figures import figures_of

    parts = figures_of(run)
    firsts = {PARTS.get(part, part): found[0] for part, found in parts.items() if found}
    return firsts | {figure.name: figure for found in parts.values() for figure in found}


def chart_named(run: StoredRun, name: str) -> Figure | None:
    """One chart, by its section of the report (the first there) or by its own name; only sections up to it are computed."""
    from facegap.report.figures import charts, figures_in

    parts = {PARTS.get(part, part): part for part in charts()}
    if name in parts and (found := figures_in(run, parts[name])):
        return found[0]
    return next((figure for part in charts() for figure in figures_in(run, part) if figure.name == name), None)


def main_chart(run: StoredRun) -> Figure | None:
    """The chart of the errors in the finding, otherwise the first of the report; None for a run without charts."""
    from facegap.report.figures import charts, figures_in
    from facegap.report.figures.style import slug

    found = contrast(run)
    name = "" if found is None else slug(f"error-{found.metric}-by-{'-'.join(found.grouping)}", set())
    for part in charts():
        figures = figures_in(run, part)
        if figures:
            return next((figure for figure in figures if figure.name == name), figures[0])
    return None


def about(run: StoredRun) -> str:
    """What was audited, in one line: models, images and people, groups."""
    models = ", ".join(dict.fromkeys(clean(name) for name in run.record.models.values()))
    people = f" of {run.manifest['subject'].nunique():,} people" if run.record.manifest.has_subjects else ""
    groups = ", ".join(clean(" x ".join(grouping)) for grouping in groupings_of(run)) or "nothing"
    return f"facegap run: {models}; {len(run.manifest):,} {run.counted}{people}; groups by {groups}"


def contents(run: StoredRun) -> str:
    """The contents of the tables in one line, after any alarms."""
    alarms = "".join(f"{clean(alarm)}. " for alarm in run.record.alarms)
    verdicts = ", ".join(f"{count} {clean(verdict)}" for verdict, count in run.gaps["verdict"].value_counts().items())
    tested = f"{len(run.gaps):,} gaps" + (f" ({verdicts})" if verdicts else "")
    warnings = len(run.record.warnings)
    warned = f"; {warnings} warning{'s' if warnings > 1 else ''} in its record" if warnings else ""
    return f"{alarms}{len(run.rates):,} rates, {tested}{warned}"


def verdict_lines(run: StoredRun) -> TextTable:
    """The widest gap of each grouping on the scale of its verdict, the primary family first, for the width of a notebook."""
    rows = sorted(verdict_rows(run), key=lambda row: not row.widest.primary)
    notes = [f"The first {MOST_LINES} of {len(rows)} lines; all gaps are in gaps."] if len(rows) > MOST_LINES else []
    if run.record.cluster or not run.record.manifest.has_subjects:
        notes.append(unit_in_words(run.record))
    return table_of("the widest gap of each grouping", NOTEBOOK, rows[:MOST_LINES], notes=notes)


NOTEBOOK = (
    Column[VerdictRow]("metric and grouping", lambda row: measured(row.widest)),
    Column[VerdictRow]("worst against best", lambda row: who(row.widest)),
    Column[VerdictRow]("errors / trials", lambda row: counts(row.widest)),
    Column[VerdictRow](
        "gap", lambda row: f"ratio {ratio_text(row.widest)}" if row.widest.is_ratio else difference_text(row.widest)
    ),
    Column[VerdictRow]("p (Holm)", lambda row: p_value(row.widest.p_decided)),
    Column[VerdictRow]("deciding interval", lambda row: decided_text(row.widest)),
    Column[VerdictRow]("verdict", lambda row: verdict_text(row.widest)),
)
