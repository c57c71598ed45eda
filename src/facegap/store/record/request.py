"""The request of a run in run.json, which must be identical with --resume."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from facegap.store.record.protocols import ProtocolRecord
from facegap.store.typed_json import Between, Count, Place, to_json
from facegap.types import Scale

MOST_DRAWS = 10_000  # bounds the iterations of a loop

Task = Literal["detect", "embed", "classify", "quality", "verify", "search"]
AuditKind = Literal["images", "predictions", "embeddings", "scores"]
Draws = Annotated[int, Between(2, MOST_DRAWS)]
Seed = Annotated[int, Between(0)]
Alpha = Annotated[float, Between(0.0001, 0.2)]


@dataclass(frozen=True)
class LabelsRequest:
    """Settings of joined labels that determine the tables.

    files : sha256 of the tables, by the keys tone and annotations
    draws, seed : number of times labels are resampled, and the seed
    """

    files: Mapping[str, str]
    draws: Draws
    seed: Seed


@dataclass(frozen=True)
class Margin:
    """The smallest relevant gap of a metric. size : above 1 for a ratio, between 0 and 1 for a difference"""

    scale: Scale
    size: float

    @property
    def is_ratio(self) -> bool:
        """Return whether groups are compared by ratio."""
        return self.scale == "ratio"

    @property
    def is_on_scale(self) -> bool:
        """Return whether the size is possible on the scale."""
        return self.size > 1 if self.is_ratio else 0 < self.size < 1


@dataclass(frozen=True)
class PlannedSample:
    """The planned numbers of people per group and of photographs per person, for a metric."""

    metric: str
    people: Count
    photographs: Count


@dataclass(frozen=True)
class PlanRecord:
    """The plan of a run, as it was read before any results existed.

    file    : its name; sha256: hash of its text
    read_at : time at which the run first read it, ISO 8601, UTC
    by, metrics : of the primary family
    groups  : groups that it names, as they are printed; empty: all
    """

    file: str
    sha256: str
    read_at: str
    by: tuple[tuple[str, ...], ...]
    metrics: tuple[str, ...]
    groups: tuple[str, ...] = ()
    samples: tuple[PlannedSample, ...] = ()


@dataclass(frozen=True)
class QualityFile:
    """The file of --quality: its name and hash, and the column that is read. FACES has the values as given_quality."""

    file: str
    sha256: str
    column: str
    layout: Literal["table", "OFIQ", "FRTE enrolment log"]


@dataclass(frozen=True)
class RequestRecord:
    """The request of a run. For an audit of images, it must be identical for --resume to produce the same tables.

    settings          : settings that affect results, as audit/settings/ stores them
    manifest_sha256   : of the file; None if scores came without one
    in_memory         : whether the manifest was given in memory
    threshold_set_sha256 : of the manifest of --threshold-on; None without one
    pair_lists_sha256 : of --pairs and --exclude-pairs
    shares_sha256     : of --shares; None without one
    points_sha256     : of --points; None without one
    enrolment_logs_sha256 : of --enrolment-log
    quality           : None if --quality names no file
    labels            : None if no labels were joined
    alpha             : significance level of the primary family, and of each exploratory family
    margins           : by metric; empty: the default margins
    plan              : None without one
    rows, part_rows   : rows of the manifest and of each part, 0 if no image is opened
    cards             : of the models, by task
    versions          : of the software that computes results
    model             : name of a black box in tables; None if models run here
    predictions_sha256, classes : for an audit of predictions: hash of the file, and the possible classes
    output            : what such predictions give instead of gender: its name, with label and bona_fide as in a card
    scores_sha256     : of the input file of a score audit
    embeddings_sha256 : of the input file of a template audit
    protocol          : benchmark protocol whose pairs are compared; None without one
    """

    audit: AuditKind
    settings: Mapping[str, Any]
    manifest_sha256: str | None
    in_memory: bool = False
    threshold_set_sha256: str | None = None
    pair_lists_sha256: tuple[str, ...] = ()
    shares_sha256: str | None = None
    points_sha256: str | None = None
    enrolment_logs_sha256: tuple[str, ...] = ()
    quality: QualityFile | None = None
    labels: LabelsRequest | None = None
    alpha: Alpha = 0.05
    margins: Mapping[str, Margin] = field(default_factory=dict)
    plan: PlanRecord | None = None
    rows: Count = 0
    part_rows: Count = 0
    cards: Mapping[str, Any] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    model: str | None = None
    predictions_sha256: str | None = None
    scores_sha256: str | None = None
    embeddings_sha256: str | None = None
    classes: tuple[str, ...] = ()
    protocol: ProtocolRecord | None = None
    output: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the request as a JSON object."""
        plain: dict[str, Any] = to_json(self)
        return plain

    def setting(self, section: str, name: str) -> Any:
        """Return the value of a setting; None if the request does not contain it."""
        stated = self.settings.get(section)
        return stated.get(name) if isinstance(stated, Mapping) else None

    def card(self, task: str) -> Mapping[str, Any]:
        """Return the card of a model; empty if no model ran for the task."""
        card = self.cards.get(task)
        return card if isinstance(card, Mapping) else {}


def require_margins(request: RequestRecord, place: Place) -> None:
    """Raise RunError for a margin that is impossible on its scale."""
    for name, margin in request.margins.items():
        if not margin.is_on_scale:
            place.below("request").below("margins").below(name).below("size").refuse(
                f"{margin.size:g} is no margin on the scale of a {margin.scale}"
            )
