"""Compare models on the same people (`facegap compare RUN RUN ...`)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from facegap.compare import flip_text
from facegap.compare.differences import Compared, compared
from facegap.compare.drift import drift_of
from facegap.compare.flip_rows import FlipRows, flip_rows
from facegap.compare.flips import Flips, flips_of
from facegap.compare.rows import ComparisonRows, comparison_rows
from facegap.compare.shared_people import Together, differences, together
from facegap.compare.speed import speed_table
from facegap.compare.text import (
    change_tables,
    findings,
    headline_metrics,
    paired_tables,
    short_table,
    side_tables,
    speed_tables,
)
from facegap.errors import RunError
from facegap.report.tables import TextTable
from facegap.report.text import clean
from facegap.store.finished import read_finished
from facegap.store.folder import make_empty
from facegap.store.run import Run, fitting_together, write_csv
from facegap.tables import COMPARED

PAGE = "compare.html"
CURE = (
    "run both on the same manifest with the same --where and pairs, or add --allow-different-people to compare the "
    "images that they share"
)


@dataclass(frozen=True, repr=False)
class Comparison:
    """The result of a comparison.

    flips, drift, drift_gaps : decisions that change, and score drift; empty if they cannot be computed
    warnings : what a reader must know before the numbers; empty for runs on the same people
    """

    runs: Together
    found: Compared
    speed: pd.DataFrame
    flips: Flips
    drift: pd.DataFrame
    drift_gaps: pd.DataFrame
    warnings: tuple[str, ...]

    @property
    def rows(self) -> ComparisonRows:
        """The tables as values, formatted later by page and terminal."""
        return comparison_rows(self.found, self.speed)

    @property
    def flip_rows(self) -> FlipRows:
        """Changed decisions and score drift as values."""
        return flip_rows(self.flips, self.drift, self.drift_gaps)

    def __repr__(self) -> str:
        """What was compared, the finding, and the tables."""
        return "\n".join((self.about, *sentences(self), f"Tables in frames: {', '.join(self.frames)}"))

    def _repr_html_(self) -> str:
        """The finding, the first chart and the tables of its errors; escaped, without external resources."""
        from facegap.compare.notebook import html_of

        return html_of(self)

    @property
    def about(self) -> str:
        """What was compared, in one line."""
        labels = ", ".join(clean(label) for label in self.runs.labels)
        people = self.runs.manifest["subject"].nunique()
        return f"facegap comparison: {labels}; {len(self.runs.manifest):,} images of {people:,} people"

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """The tables by file name."""
        tables = {
            "rates_side_by_side.csv": self.found.sides,
            "paired.csv": self.found.paired,
            "gap_changes.csv": self.found.changes,
            "latency.csv": self.speed,
            "flips.csv": self.flips.groups,
            "flip_gaps.csv": self.flips.gaps,
            "fixed_threshold.csv": self.flips.fixed,
            "drift.csv": self.drift,
            "drift_gaps.csv": self.drift_gaps,
        }
        return {name: frame for name, frame in tables.items() if len(frame)}


def compare(
    folders: Sequence[Path], *, names: Sequence[str] = (), allow_different_people: bool = False, seed: int = 0
) -> Comparison:
    """Compare finished runs: each further run with the first.

    names : names of the runs in tables and charts; default: their models

    Raises
    ------
    RunError : fewer than two runs, a run that is unfinished or modified, other people than in the first run (unless
    allowed), no common metric, or names that are not distinct
    """
    if len(folders) < 2:
        raise RunError("compare needs at least two runs; the others are compared with the first")
    if names and (len(names) != len(folders) or len({*names, ""}) <= len(names)):
        raise RunError(f"{len(names)} names for {len(folders)} runs: give one name for each run, in their order")
    runs = [read_finished(folder) for folder in folders]
    labels = list(names) or labels_of(runs, folders)
    apart = differences(runs, labels)
    if apart and not allow_different_people:
        raise RunError(f"these runs do not use the same people and pairs: {'; '.join(apart)}; {CURE}")
    shared = together(runs, labels)
    with fitting_together(folders[0]):
        record = runs[0].record
        found = compared(shared, min_subjects=record.min_subjects, level=record.level, seed=seed)
        if not len(found.paired):
            raise RunError(f"{folders[0]}: no metric is in both runs; compare runs of the same type of model")
        speed = speed_table(shared, found.sides)
        flips = flips_of(shared, min_subjects=record.min_subjects, level=record.level, seed=seed)
        drift, drift_gaps, drift_notes = drift_of(
            shared, min_subjects=record.min_subjects, level=record.level, seed=seed
        )
    notes = (*found.notes, *flips.notes, *drift_notes)
    warnings = [f"Compared on {len(shared.manifest):,} shared images, although {said}." for said in apart]
    sentences = (*warnings, *(f"{note}." for note in notes))
    return Comparison(shared, found, speed, flips, drift, drift_gaps, sentences)


def labels_of(runs: Sequence[Run], folders: Sequence[Path]) -> list[str]:
    """The name of each run: its evaluated models; if two names are equal, the folder or a number is added."""
    models = [" + ".join(evaluated_models(run)) or folder.name for run, folder in zip(runs, folders, strict=True)]
    times = Counter(models)
    pairs = zip(models, folders, strict=True)
    names = [f"{model} ({folder.name})" if times[model] > 1 else model for model, folder in pairs]
    if len(set(names)) < len(names):
        return [f"{model} {number}" for number, model in enumerate(models, start=1)]
    return names


def evaluated_models(run: Run) -> list[str]:
    """Names of the models whose errors are counted; a detector only if it is the only model."""
    models = run.record.models
    return [str(name) for task, name in models.items() if task != "detect"] or [str(name) for name in models.values()]


def text_tables(found: Comparison) -> list[TextTable]:
    """The tables for the terminal: headline metrics only; the others are in the CSV files."""
    rows = found.rows
    metrics = headline_metrics(rows)
    tables = (side_tables, paired_tables, change_tables, speed_tables)
    return [*(table for made in tables for table in made(rows, metrics)), *flip_text.all_tables(found.flip_rows)]


def short_tables(found: Comparison) -> list[TextTable]:
    """Tables that fit one screen: the first headline metric, for all people and for the groups of one grouping."""
    return [short_table(found.rows)]


def sentences(found: Comparison) -> list[str]:
    """The finding."""
    return [*findings(found.rows), *flip_text.sentences(found.flip_rows)]


def write_comparison(found: Comparison, out: Path) -> list[str]:
    """Write the tables and the page to a new or empty folder; return the names of the files.

    Raises
    ------
    RunError : the folder is not empty or cannot be written
    """
    from facegap.compare.page import write_page

    make_empty(out)
    for name, frame in found.frames.items():
        write_csv(out / name, frame, COMPARED[name])
    write_page(out / PAGE, found.runs, found.rows, found.flip_rows, warnings=found.warnings)
    return [*found.frames, PAGE]
