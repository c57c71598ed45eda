"""Outcome of the images, as values: outcomes, answers, errors of age, time."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from facegap.report.rows.frames import group_of, groupings_of, records
from facegap.report.rows.gaps import Estimate
from facegap.store.run import Run
from facegap.types import Group


@dataclass(frozen=True)
class CountRow:
    """How many images (or templates) had an outcome."""

    outcome: str
    images: int


@dataclass(frozen=True)
class AgeRow:
    """Mean absolute error of age in years."""

    group: Group
    images: int
    subjects: int
    error: Estimate


@dataclass(frozen=True)
class TimingRow:
    """Milliseconds per image of one stage; None where nothing was timed."""

    stage: str
    images: int
    median_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class FailedRow:
    """An image without a usable face, by name: shown only where names were asked for."""

    image: str
    outcome: str
    detail: str


def outcome_rows(run: Run) -> list[CountRow]:
    """Every row of the manifest by outcome, the commonest first, then their sum."""
    return counted(run.by_image[1]["outcome"])


def template_rows(run: Run) -> list[CountRow]:
    """Every template by outcome, the commonest first, then their sum."""
    return counted(run.faces["outcome"])


def answer_rows(run: Run) -> list[CountRow]:
    """Every row of the manifest by what the classifier made of it, the commonest first, then their sum."""
    return counted(run.predictions["outcome"])


def counted(outcomes: pd.Series[str]) -> list[CountRow]:
    """How often each outcome occurs, then all of them."""
    found = [CountRow(str(outcome), int(count)) for outcome, count in outcomes.value_counts().items()]
    return [*found, CountRow("all", len(outcomes))]


def missing_answer_rows(run: Run) -> list[CountRow]:
    """Why images have no answer, the commonest reason first; empty where every image has one."""
    silent = run.predictions.loc[run.predictions["prediction"] == "", "detail"]
    return [CountRow(str(reason), int(count)) for reason, count in silent.value_counts().items()]


def age_rows(run: Run) -> list[AgeRow]:
    """Errors of age by group; none for a run without."""
    groupings = groupings_of(run)
    return [
        AgeRow(
            group_of(row, groupings),
            int(row["trials"]),
            int(row["subjects"]),
            Estimate(float(row["mean_absolute_error_years"]), float(row["low"]), float(row["high"])),
        )
        for row in records(run.age)
    ]


def timing_rows(run: Run) -> list[TimingRow]:
    """The stages that were timed, in their order."""
    return [
        TimingRow(stage, spent.images, spent.median_ms, spent.p95_ms)
        for stage, spent in run.record.timing.per_image.items()
        if spent.images
    ]


def failed_rows(run: Run) -> list[FailedRow]:
    """Images without a usable face, in the order of the manifest."""
    faces = run.by_image[1]
    failed = faces[faces["outcome"] != "ok"]
    return [FailedRow(str(row["image"]), str(row["outcome"]), str(row["detail"])) for row in records(failed)]
