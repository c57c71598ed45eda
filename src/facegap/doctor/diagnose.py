"""Evaluate the settings of a card, or propose a card (`facegap doctor MODEL --manifest M`).

Settings are changed one at a time, and all of them are evaluated on the same portraits. To propose a card for weights
that have none, settings are searched on some people and evaluated on others.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from facegap import runtime
from facegap.audit.models import given_faces, name_of_faces
from facegap.audit.settings import AuditSettings, Faces, Models
from facegap.doctor import propose as doctor_proposing
from facegap.doctor.alternatives import Variant, variants
from facegap.doctor.evidence import Evaluation, evaluate
from facegap.doctor.graph import read_graph
from facegap.doctor.proposed_card import card_text
from facegap.doctor.sample import (
    MEASURES,
    Measure,
    NotEvaluableError,
    Question,
    Sample,
    draw,
    question_of,
    split,
)
from facegap.doctor.trials import BATCH, Found, ready, run
from facegap.errors import CardError, ModelError, TableError
from facegap.inputs.cards.diagnoses import Finding, settings_hash
from facegap.inputs.cards.read import find_card, resolve_card
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.weights import models_folders, read_weights
from facegap.inputs.manifests.read import Manifest, read_manifest
from facegap.inputs.points import GivenPoints, require_shared
from facegap.runtime.models import open_model
from facegap.types import Device
from facegap.vision.detect import Detector, detector
from facegap.vision.find import Finder, WholePicture, require_boxes

SEARCH_SHARE = 1 / 3  # of the people; settings are chosen on them and evaluated on the others
DEFAULT_PEOPLE: dict[Question, int] = {"identity": 100, "gender": 300, "age": 300, "liveness": 100}
CARD_STEPS, PROPOSAL_STEPS = 3, 5
Progress = Callable[[int, int], None]


@dataclass
class Steps:
    """The phases of the work, announced one by one with their number."""

    total: int = CARD_STEPS
    announce: Callable[[str], None] = lambda text: None
    begun: int = 0

    def begin(self, what: str) -> None:
        """Announce the next phase."""
        self.begun += 1
        self.announce(f"step {self.begun} of {self.total}: {what}")


@dataclass(frozen=True)
class Options:
    """Options of an examination.

    people   : maximum number of sampled subjects; None: DEFAULT_PEOPLE
    question : gender or age, for a classifier that predicts both; None: what the manifest allows
    workers  : number of parallel workers; None: one per processor
    timeout_s: seconds a model may take for one batch; None: run in this process, without restrictions
    points   : file with the landmarks of the faces, used instead of a detector
    flip     : whether a template combines the face and its mirror image
    """

    detect: str = AuditSettings.detect
    people: int | None = None
    seed: int = 0
    question: Question | None = None
    device: Device = Models.device
    workers: int | None = Models.workers
    folders: tuple[Path, ...] = Models.models_dir
    timeout_s: float | None = Models.model_timeout
    points: Path | None = None
    flip: bool = Models.flip

    def opened(self, content: bytes, name: str, file: str) -> Any:
        """A model, ready to run on the requested device."""
        at_once = self.workers or runtime.usable_cores()
        return open_model(
            content, name=name, file=file, device=self.device, timeout_s=self.timeout_s, at_once=at_once, batch=BATCH
        )


@dataclass(frozen=True)
class Proposal:
    """A proposed card and how it was found.

    tried    : number of settings compared on `subjects` people who are not in the evaluation
    remark   : what a card cannot express; empty if there is nothing
    """

    text: str
    tried: int
    subjects: int
    remark: str


@dataclass(frozen=True)
class Examination:
    """The results of the doctor; `outcomes` are words of FACES for the sampled images."""

    card: ModelCard
    detector: str
    evaluation: Evaluation
    outcomes: tuple[str, ...]
    finding: Finding
    warnings: tuple[str, ...] = ()
    proposal: Proposal | None = None


@dataclass(frozen=True, eq=False)
class Room:
    """What every evaluation needs: the portraits, the detector, and the progress callbacks."""

    table: Manifest
    finder: Finder
    options: Options
    progress: Progress
    steps: Steps = field(default_factory=Steps)

    @property
    def found_by(self) -> str:
        """The name of the face detector."""
        return name_of_faces(self.finder)

    def look(self, sample: Sample, settings: Sequence[Variant], session: Any, measure: Measure) -> Found:
        """Run every setting on the sample."""
        total = len(sample.rows)
        self.steps.begin(f"run {len(settings)} settings on {total:,} images of {sample.people:,} subjects")
        return run(
            sample.rows,
            self.table.folder,
            self.finder,
            ready(settings, session, flip=self.options.flip),
            age=measure.question == "age",
            workers=self.options.workers or runtime.usable_cores(),
            on_image=lambda done: self.progress(done, total),
        )


def examine(
    model: str,
    manifest: Path,
    options: Options,
    *,
    where: str | None = None,
    allow_outside: bool = False,
    images_dir: Path | None = None,
    propose: bool = False,
    task: Literal["embed", "classify"] | None = None,
    progress: Progress = lambda done, total: None,
    announce: Callable[[str], None] = lambda text: None,
) -> Examination:
    """Evaluate the settings of a card; with `propose`, or for an .onnx file without a card, propose a card.

    model    : a card's name or path, or the path of an .onnx file
    task     : task of an .onnx file without a card, if its outputs do not determine it
    progress : called with the number of finished images and the number of all images of a phase
    announce : called before each phase, such as "step 2 of 3: ..."

    Raises
    ------
    CardError, FetchError, ModelError, DeviceError : as in an audit
    ModelError : a detector, a black-box service, or a graph for which no card can be proposed
    TableError : the manifest cannot evaluate this model; NotEnoughPeopleError if it is valid but too small;
    NotEvaluableError for a quality model, which no manifest can evaluate
    """
    weights = Path(model)
    card, given = (None, weights) if propose else find_card(model)
    if card is not None:
        require_settings(card)
        if card.task == "quality":
            raise NotEvaluableError(QUALITIES.format(name=card.name))
    steps = Steps(PROPOSAL_STEPS if card is None else CARD_STEPS, announce)
    steps.begin("read the manifest, open the detector and the model")
    table = read_manifest(manifest, allow_outside=allow_outside, where=where, images_dir=images_dir)
    found = open_finder(options, card)
    if isinstance(found, GivenPoints):
        require_shared(found, table.frame["image"].tolist(), table.name)
    room = Room(table, found, options, progress, steps)
    if card is None:
        if weights.suffix.lower() != ".onnx":
            raise CardError(f"{model}: a card is proposed for a file with weights; give the path of an .onnx file")
        return propose_card(weights, room, task)
    session = options.opened(read_weights(card, models_folders(options.folders), given), card.name, str(card.file))
    rng = np.random.default_rng(options.seed)
    question = question_of(card, table, options.question)
    return examination(
        card,
        room,
        draw(table, question, card, people=people_of(options, question), rng=rng),
        session,
        MEASURES[question],
    )


UNTRIED = (
    "the images are aligned crops, so only colour order, scale and classes were tried; alignment, crop and "
    "interpolation are fixed in the images"
)


def require_settings(card: ModelCard) -> None:
    """Reject models whose settings cannot be evaluated on people.

    Raises
    ------
    ModelError : a detector or a black-box service
    """
    if card.task == "detect":
        raise ModelError(DETECTORS.format(name=card.name))
    if card.backend == "http":
        raise ModelError(f"{card.name}: a black-box service prepares its images itself; there are no settings to try")


DETECTORS = (
    "{name}: the doctor cannot check a detector. How many faces it finds can be measured (facegap audit, the rows "
    "fta), but not whether its settings are correct: a setting that detects faces everywhere finds them all, and a "
    "manifest does not say where the faces are"
)


QUALITIES = (
    "{name} is a quality model, and a manifest does not say how good an image is. Whether low quality is associated "
    "with errors is shown by "
    "facegap audit --embed MODEL --quality CARD (error versus discard)"
)


def people_of(options: Options, question: Question) -> int:
    """Maximum number of sampled subjects."""
    return options.people or DEFAULT_PEOPLE[question]


def examination(card: ModelCard, room: Room, sample: Sample, session: Any, measure: Measure) -> Examination:
    """Evaluate every variant of a card on one sample."""
    tried = [one for one in variants(card, age=measure.question == "age") if can_be_tried(one, room.finder)]
    found = room.look(sample, tried, session, measure)
    room.steps.begin("compare the settings")
    evaluation = evaluate(sample, found, tried, measure)
    untried = (UNTRIED,) if isinstance(room.finder, WholePicture) else ()
    finding = finding_of(card, room, evaluation)
    return Examination(card, room.found_by, evaluation, found.outcomes, finding, (*room.table.warnings, *untried))


def open_finder(options: Options, model_card: ModelCard | None) -> Finder:
    """The source of faces for a card: points from a file, whole pictures, or a detector.

    Raises
    ------
    ModelError : aligned crops for a proposed card; no boxes, or flip, for a classifier
    """
    if options.flip and model_card is not None and model_card.task != "embed":
        raise ModelError(
            f"{model_card.name}: --flip adds the embedding of the mirror image, but this model returns no embedding"
        )
    faces = given_faces(AuditSettings(detect=options.detect, faces=Faces(points=options.points)))
    if faces is None:
        return open_detector(options, aligns=None if model_card is None else model_card.alignment is not None)
    if isinstance(faces, GivenPoints) and model_card is not None and model_card.crop is not None:
        require_boxes(faces, model_card)
    if isinstance(faces, WholePicture) and model_card is None:
        raise ModelError(
            "--detect aligned: no card can be proposed from aligned crops, because they do not show which "
            "alignment the model needs; use --detect yunet or --points FILE on the photographs"
        )
    return faces


def can_be_tried(variant: Variant, finder: Finder) -> bool:
    """Whether a setting can be tried: the alignment, crop and interpolation of an aligned crop are already fixed."""
    if isinstance(finder, WholePicture):
        return variant.aspect in ("the card", "colour", "scale", "classes", "years")
    return variant.box_margin is None or not isinstance(finder, GivenPoints) or finder.has_boxes


def open_detector(options: Options, *, aligns: bool | None) -> Detector:
    """The detector, ready to run; it must return five points if faces are aligned or if that is not known yet (None)."""
    card, given = resolve_card(options.detect, "detect")
    assert card.detector is not None
    if aligns is not False and not card.detector.points:
        raise ModelError(f"{card.name} returns boxes only, but an aligned crop needs five points; use --detect yunet")
    content = read_weights(card, models_folders(options.folders), given)
    return detector(card, options.opened(content, card.name, str(card.file)))


def propose_card(weights: Path, room: Room, task: Literal["embed", "classify"] | None) -> Examination:
    """Search settings on some people, evaluate them on others, and write them as a card."""
    bare = doctor_proposing.bare_weights(weights)
    session = room.options.opened(bare.content, weights.name, weights.name)
    graph = read_graph(session, weights.name)
    start = doctor_proposing.first_cards(bare, graph, task=task, question=room.options.question)
    rng = np.random.default_rng(room.options.seed)
    question = question_of(start[0], room.table, room.options.question)
    people = people_of(room.options, question)
    sample = draw(room.table, question, start[0], people=people if room.options.people else 2 * people, rng=rng)
    searched, held_out = split(sample, SEARCH_SHARE, rng)
    grid = [one for one in doctor_proposing.grid(start) if can_be_tried(one, room.finder)]
    found = room.look(searched, grid, session, MEASURES[question])
    room.steps.begin("choose settings, to be evaluated on held-out people")
    choice = choice_of(searched, found, grid, MEASURES[question])
    result = examination(choice.card, room, held_out, session, MEASURES[question])
    text = card_text(choice.card, result.evaluation, detector=result.detector, at=result.finding.at)
    proposal = Proposal(text, choice.tried, searched.people, choice.remark)
    return Examination(**{**vars(result), "proposal": proposal})


def choice_of(sample: Sample, found: Found, grid: Sequence[Variant], measure: Measure) -> doctor_proposing.Choice:
    """The best settings of a grid, or the more common ones if they do not differ significantly from the best."""
    evaluation = evaluate(sample, found, grid, measure)
    found, grid = doctor_proposing.exchanged(evaluation, found, grid)
    found, grid = doctor_proposing.best_first(evaluate(sample, found, grid, measure), found, grid)
    return doctor_proposing.choose(evaluate(sample, found, grid, measure))


def finding_of(card: ModelCard, room: Room, evaluation: Evaluation) -> Finding:
    """The finding to be stored."""
    best = evaluation.best
    if best is None:
        raise TableError(f"{card.name}: there is no other setting to try")
    if evaluation.opinion == "wrong":
        best = evaluation.proposed
    errors = evaluation.errors_of(best)
    return Finding(
        model=card.name,
        sha256=str(card.sha256),
        settings=settings_hash(card),
        verdict=evaluation.opinion,
        measure=evaluation.measure.name,
        value=evaluation.card.value,
        aspect=best.variant.aspect,
        setting=best.variant.setting,
        difference=best.difference,
        low=best.low,
        high=best.high,
        margin=evaluation.margin_of(best),
        fmr=errors.fmr if errors else math.nan,
        fnmr=errors.card if errors else math.nan,
        other_fnmr=errors.other if errors else math.nan,
        subjects=evaluation.subjects,
        images=evaluation.images,
        variants=len(evaluation.settings) - 1,
        detector=room.found_by,
        at=datetime.now(UTC).date().isoformat(),
    )
