"""Who took part in a run, what was joined to the manifest, and what the run took, as run.json holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Literal

from facegap.store.record.request import Draws, Seed
from facegap.store.typed_json import Between, Count

Proportion = Annotated[float, Between(0, 1)]


# ---- who took part ----


@dataclass(frozen=True)
class ManifestRecord:
    """The manifest: its hash, its rows without those that --where left out, and its label columns."""

    sha256: str
    rows: Count
    excluded_by_where: Count
    has_subjects: bool
    labels: tuple[str, ...]


@dataclass(frozen=True)
class LabelColumn:
    """A label column that was joined to the manifest.

    source        : measured or annotated
    rows          : of each label
    without_label : rows that have none, by reason; without_label_but_drawn: of those, how many have probabilities
    uncertainty   : whether it is known how sure the labels are; why_unknown: the end of a clause where it is not
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
    """A table of annotations: its hash, how many answers of how many annotators it has, and on which scales."""

    sha256: str
    answers: Count
    annotators: Count
    scales: tuple[str, ...]


@dataclass(frozen=True)
class LabelsRecord:
    """Labels of tone that were joined to the manifest.

    draws, seed : how often they are resampled for the gaps, and from which seed
    tone_sha256 : of the table of measurements; None without one
    """

    draws: Draws
    seed: Seed
    columns: Mapping[str, LabelColumn]
    tone_sha256: str | None = None
    annotations: AnnotationsFile | None = None

    @property
    def files(self) -> dict[str, str]:
        """sha256 of the joined files by their words: tone, annotations."""
        found = {"tone": self.tone_sha256, "annotations": self.annotations.sha256 if self.annotations else None}
        return {name: sha256 for name, sha256 in found.items() if sha256 is not None}


@dataclass(frozen=True)
class ShareRecord:
    """One cell of a population: a label for each column, and its share."""

    labels: tuple[str, ...]
    share: Proportion


@dataclass(frozen=True)
class SharesRecord:
    """The composition of a population, which --shares gives: label columns, and the share of each of their cells."""

    sha256: str
    columns: tuple[str, ...]
    cells: tuple[ShareRecord, ...]


# ---- what it ran on ----


@dataclass(frozen=True)
class StageTime:
    """Milliseconds per image of one stage; None where no image reached it."""

    images: Count
    median_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class GroupTime:
    """Milliseconds per image of all stages together, of one group; None where none of its images was timed."""

    group: Mapping[str, str]
    images: Count
    median_ms: float | None
    p95_ms: float | None


@dataclass(frozen=True)
class TimingRecord:
    """How long it took; empty where no model ran here.

    per_image : by stage
    by_group  : everybody, and every group of every grouping
    wall_s_of_last_start : seconds of the start that ended the run
    ns_per_pair : of everyone with everyone, by the clock, all workers together; None where that was not compared
    """

    per_image: Mapping[str, StageTime] = field(default_factory=dict)
    by_group: tuple[GroupTime, ...] = ()
    wall_s_of_last_start: float | None = None
    ns_per_pair: float | None = None


@dataclass(frozen=True)
class ConventionsRecord:
    """How orientation tags were treated, and what the labels mean."""

    exif: str
    labels: str


@dataclass(frozen=True)
class ColourRecord:
    """How colour profiles were treated, how many images carry which, and how many were brought to sRGB."""

    treatment: str
    profiles: Mapping[str, Count]
    converted: Count


@dataclass(frozen=True)
class OutputRecord:
    """An answer besides gender and age: one of several classes.

    label     : column of the manifest that says what is true; empty where the manifest has none
    bona_fide : the class that means a living person (ISO/IEC 30107-3); empty where no attacks are detected
    species   : of attacks, as the label column names them
    law       : what the law says of asking this, as the card states it
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

    images    : that were sent at least once
    max_calls : None without a limit
    pairs     : of images that were sent to be compared; 0 of a service that is asked about single images
    decisions : it says whether two images match, without a score, so that there is no curve over other thresholds
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
    """Of an audit that was to stop when its gaps are decided: what was decided in advance, and when it stopped.

    metrics        : whose gaps, in every grouping, are the primary family
    gaps           : how many are tested together, of all groups that have the fewest people in the manifest
    people_per_look, seed : people at random in this order; gaps are evaluated after each such number of them
    people, asked  : people in all, and those who were asked about
    looks          : how often they were evaluated
    undecided      : gaps that have no verdict at the end
    ended          : every gap was decided, the budget of calls was spent, or all people were asked about
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
    """The file of scores of an audit of scores: its hash, layout, rows, and how many of those have no score.

    decisions : the scores have two values only, so that there is one threshold, the vendor's, and no curve over others
    """

    sha256: str
    layout: str
    rows: Count
    without_score: Count
    decisions: bool = False
