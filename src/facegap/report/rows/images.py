"""Results of the images, as values: outcomes, predictions, age errors, time."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from facegap.report.rows.frames import group_of, groupings_of, records
from facegap.report.rows.gaps import Estimate
from facegap.store.run import Run
from facegap.types import Group


@dataclass(frozen=True)
class CountRow:
    """Number of images (or templates) with an outcome."""

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
    """Milliseconds per image of one stage; None if nothing was timed."""

    stage: str
    images: int
    median_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class FailedRow:
    """An image without a usable face, by name: shown only if names were requested."""

    image: str
    outcome: str
    detail: str


def outcome_rows(run: Run) -> list[CountRow]:
    """Rows of the manifest by outcome, the most common first, then their sum."""
    return counted(run.by_image[1]["outcome"])


def template_rows(run: Run) -> list[CountRow]:
    """Templates by outcome, the most common first, then their sum."""
    return counted(run.faces["outcome"])


def answer_rows(run: Run) -> list[CountRow]:
    """Rows of the manifest by result of the classifier, the most common first, then their sum."""
    return counted(run.predictions["outcome"])


def counted(outcomes: pd.Series[str]) -> list[CountRow]:
    """Number of occurrences of each outcome, then their sum."""
    found = [CountRow(str(outcome), int(count)) for outcome, count in outcomes.value_counts().items()]
    return [*found, CountRow("all", len(outcomes))]


def missing_answer_rows(run: Run) -> list[CountRow]:
    """Why images have no prediction, the most common reason first; empty if every image has one."""
    silent = run.predictions.loc[run.predictions["prediction"] == "", "detail"]
    return [CountRow(str(reason), int(count)) for reason, count in silent.value_counts().items()]


def age_rows(run: Run) -> list[AgeRow]:
    """Age errors by group; none for a run without ages."""
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
    """The stages that were timed, in order."""
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
