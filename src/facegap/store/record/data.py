"""Entries of run.json on the data of a run, the files joined to the manifest, and its timings."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from facegap.store.record.request import Draws, Seed
from facegap.store.typed_json import Between, Count

Proportion = Annotated[float, Between(0, 1)]


# ---- data ----


@dataclass(frozen=True)
class ManifestRecord:
    """The manifest: its hash, its number of rows after --where, and its label columns."""

    sha256: str
    rows: Count
    excluded_by_where: Count
    has_subjects: bool
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelColumn:
    """A label column that was joined to the manifest.

    source        : measured or annotated
    rows          : number of rows with each label
    without_label : number of rows without one, by reason; without_label_but_drawn: those of them with probabilities
    uncertainty   : whether the uncertainty of the labels is known; why_unknown: reason, as the end of a clause, if it is not
    """

    source: Literal["measured", "annotated"]
    rows: Mapping[str, Count]
    without_label: Mapping[str, Count]
    without_label_but_drawn: Count
    uncertainty: Literal["known", "unknown"]
    why_unknown: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class AnnotationsFile:
    """A table of annotations: its hash, its numbers of answers and annotators, and its scales."""

    sha256: str
    answers: Count
    annotators: Count
    scales: tuple[str, ...]


@dataclass(frozen=True)
class LabelsRecord:
    """Tone labels that were joined to the manifest.

    draws, seed : number of times they are resampled for the gaps, and the seed
    tone_sha256 : hash of the table of measurements; None without one
    """

    draws: Draws
    seed: Seed
    columns: Mapping[str, LabelColumn]
    tone_sha256: str | None = None
    annotations: AnnotationsFile | None = None

    @property
    def files(self) -> dict[str, str]:
        """Return the sha256 of each joined file: tone, annotations."""
        found = {"tone": self.tone_sha256, "annotations": self.annotations.sha256 if self.annotations else None}
        return {name: sha256 for name, sha256 in found.items() if sha256 is not None}


@dataclass(frozen=True)
class ShareRecord:
    """One cell of a population: a label for each column, and its proportion."""

    labels: tuple[str, ...]
    share: Proportion


@dataclass(frozen=True)
class SharesRecord:
    """The composition of a population, given by --shares: label columns, and the proportion of each of their cells."""

    sha256: str
    columns: tuple[str, ...]
    cells: tuple[ShareRecord, ...]


# ---- execution ----


@dataclass(frozen=True)
class StageTime:
    """Milliseconds per image of one stage; None if no image reached it."""

    images: Count
    median_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class GroupTime:
    """Milliseconds per image of all stages together for one group; None if none of its images was timed."""

    group: Mapping[str, str]
    images: Count
    median_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class TimingRecord:
    """Timings of a run; empty if no model ran here.

    per_image : by stage
    by_group  : all images, and every group of every grouping
    wall_s_of_last_start : wall-clock seconds of the process that finished the run
    ns_per_pair : wall-clock time of all-pairs comparison, all workers together; None if all pairs were not compared
    """

    per_image: Mapping[str, StageTime] = field(default_factory=dict)
    by_group: tuple[GroupTime, ...] = ()
    wall_s_of_last_start: float | None = None
    ns_per_pair: float | None = None


@dataclass(frozen=True)
class ConventionsRecord:
    """How orientation tags were applied, and what the labels mean."""

    exif: str
    labels: str


@dataclass(frozen=True)
class ColourRecord:
    """How colour profiles were applied, the number of images with each, and the number converted to sRGB."""

    treatment: str
    profiles: Mapping[str, Count]
    converted: Count


@dataclass(frozen=True)
class OutputRecord:
    """An output other than gender and age: one of several classes.

    label     : manifest column with the true class; empty if the manifest has none
    bona_fide : class of bona fide presentations (ISO/IEC 30107-3); empty if the output does not detect attacks
    species   : attack instrument species, as the label column names them
    law       : legal restrictions on this use, as the card states them
    """

    name: str
    classes: tuple[str, ...]
    label: str = ""
    bona_fide: str = ""
    species: tuple[str, ...] = ()
    law: str = ""


@dataclass(frozen=True)
class SentRecord:
    """What was sent to a black-box service.

    images    : images that were sent at least once
    max_calls : None without a limit
    pairs     : image pairs that were sent to be compared; 0 for a service that processes single images
    decisions : the service returns match decisions without scores, so other thresholds cannot be evaluated
    """

    recipient: str
    images: Count
    calls: Count
    max_calls: Count | None
    pairs: Count = 0
    decisions: bool = False


Ended = Literal["decided", "budget", "everybody"]


@dataclass(frozen=True)
class StoppingRecord:
    """An audit with sequential stopping: what was fixed in advance, and when it stopped.

    metrics        : metrics whose gaps, in every grouping, are the primary family
    gaps           : number of gaps tested together, over all groups with the minimum number of people in the manifest
    people_per_look, seed : people are taken in this random order; gaps are evaluated after each such number of people
    people, asked  : number of people in all, and of those whose images were sent
    looks          : number of evaluations
    undecided      : gaps without a verdict at the end
    ended          : reason: every gap was decided, the budget of calls was spent, or all people were processed
    """

    metrics: tuple[str, ...]
    gaps: Count
    people_per_look: Count
    seed: Count
    people: Count
    asked: Count
    looks: Count
    undecided: Count
    ended: Ended


@dataclass(frozen=True)
class ScoresFile:
    """The input file of a score audit: its hash, layout, rows, and number of rows without a score.

    decisions : the scores have two values only, so there is one threshold, the vendor's, and no curve
    """

    sha256: str
    layout: str
    rows: Count
    without_score: Count
    decisions: bool = False
