"""What was asked for, as run.json holds it: with --resume it must be the same again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

from facegap.store.record.protocols import ProtocolRecord
from facegap.store.typed_json import Between, Count, Place, to_json
from facegap.types import Scale

MOST_DRAWS = 10_000  # turns of a loop are made of them

Task = Literal["detect", "embed", "classify", "quality", "verify", "search"]
AuditKind = Literal["images", "predictions", "embeddings", "scores"]
Draws = Annotated[int, Between(2, MOST_DRAWS)]
Seed = Annotated[int, Between(0)]
Alpha = Annotated[float, Between(0.0001, 0.2)]


@dataclass(frozen=True)
class LabelsRequest:
    """Of joined labels what decides the tables.

    files : sha256 of the tables of tone and of annotations, by these words
    draws, seed : how often labels are resampled, and from which seed
    """

    files: Mapping[str, str]
    draws: Draws
    seed: Seed


@dataclass(frozen=True)
class Margin:
    """The gap of a metric that matters. size : above 1 on the scale of ratios, between 0 and 1 on that of differences"""

    scale: Scale
    size: float

    @property
    def is_ratio(self) -> bool:
        """Whether groups are compared by ratio."""
        return self.scale == "ratio"

    @property
    def is_on_scale(self) -> bool:
        """Whether a margin of this size can be on its scale."""
        return self.size > 1 if self.is_ratio else 0 < self.size < 1


@dataclass(frozen=True)
class PlannedSample:
    """How many people of each group a plan says for a metric, and photographs of each of them."""

    metric: str
    people: Count
    photographs: Count


@dataclass(frozen=True)
class PlanRecord:
    """The plan that a run was made by, as it was read before anything was looked at.

    file    : its name; sha256: of its text
    read_at : when the first start of the run read it, ISO 8601, UTC
    by, metrics : of the primary family
    groups  : those that it names, as they are printed; empty: all
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
    """The file of --quality: its name and hash, and the column that is read. The values stand in FACES as given_quality."""

    file: str
    sha256: str
    column: str
    layout: Literal["table", "OFIQ", "FRTE enrolment log"]


@dataclass(frozen=True)
class RequestRecord:
    """What was asked for. Of an audit of images it must be the same for --resume to end with the same tables.

    settings          : settings that decide a result, as audit/settings/ keeps them
    manifest_sha256   : of the file; None where scores came without one
    in_memory         : whether the manifest was given in memory
    threshold_set_sha256 : of the manifest of --threshold-on; None without one
    pair_lists_sha256 : of --pairs and --exclude-pairs
    shares_sha256     : of --shares; None without one
    points_sha256     : of --points; None without one
    enrolment_logs_sha256 : of --enrolment-log
    quality           : None where --quality names no file
    labels            : None where none were joined
    alpha             : false-alarm rate of the primary family, and of each exploratory one
    margins           : by metric; empty: those of the metrics
    plan              : None without one
    rows, part_rows   : of the manifest, and of the parts it is worked off in, 0 where no image is opened
    cards             : of the models, by task
    versions          : of what computes
    model             : what the tables call a black box; None where models run here
    predictions_sha256, classes : of an audit of predictions: the file, and the classes that the black box can give
    output            : what such predictions say in place of gender: its name, with label and bona_fide as in a card
    scores_sha256     : of the file of an audit of scores
    embeddings_sha256 : of the file of an audit of templates
    protocol          : the benchmark protocol whose pairs are compared; None without one
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
        """The request as an object of JSON."""
        plain: dict[str, Any] = to_json(self)
        return plain

    def setting(self, section: str, name: str) -> Any:
        """The value of a setting; None where the request does not state it."""
        stated = self.settings.get(section)
        return stated.get(name) if isinstance(stated, Mapping) else None

    def card(self, task: str) -> Mapping[str, Any]:
        """The card of a model; empty where no model ran for the task."""
        card = self.cards.get(task)
        return card if isinstance(card, Mapping) else {}


def require_margins(request: RequestRecord, place: Place) -> None:
    """Raise RunError for a margin that is not on its scale."""
    for name, margin in request.margins.items():
        if not margin.is_on_scale:
            place.below("request").below("margins").below(name).below("size").refuse(
                f"{margin.size:g} is no margin on the scale of a {margin.scale}"
            )
