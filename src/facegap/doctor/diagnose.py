"""What `facegap doctor MODEL --manifest M` does: are the settings of a card the best that its model could be run with?

One setting at a time is changed around the card, and all of them are evaluated on the same portraits. For weights without
a card one is proposed: settings are searched on some people and evaluated on others.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import numpy as np

from facegap import runtime
from facegap.audit.models import given_faces, name_of_faces
from facegap.audit.settings import ALIGNED, AuditSettings, Faces, Models
from facegap.doctor import propose as doctor_proposing
from facegap.doctor.alternatives import Variant, variants
from facegap.doctor.evidence import Judgement, judge
from facegap.doctor.graph import read_graph
from facegap.doctor.proposed_card import card_text
from facegap.doctor.sample import (
    MEASURES,
    Measure,
    NoJudgementError,
    Question,
    Sample,
    draw,
    question_of,
    split,
)
from facegap.doctor.trials import BATCH, Found, ready, run
from facegap.errors import CardError, ModelError, TableError
from facegap.inputs.cards.diagnoses import Finding, as_record, finding_path, findings_folder, settings_hash
from facegap.inputs.cards.read import find_card, name_of, resolve_card
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.weights import models_folders, read_weights
from facegap.inputs.manifests.read import Manifest, read_manifest
from facegap.inputs.points import GivenPoints, require_shared
from facegap.runtime.models import open_model
from facegap.store import run as store
from facegap.types import Device
from facegap.vision.detect import Detector, detector
from facegap.vision.find import Finder, WholePicture, require_boxes

SEARCH_SHARE = 1 / 3  # of the people: settings are chosen on them, and evaluated on the others
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
class Asked:
    """How the doctor was asked to look.

    people   : at most so many subjects are drawn, by `seed`; None: DEFAULT_PEOPLE
    question : gender or age, of a classifier that says both; None: what the manifest allows
    workers  : parts under way at once; None: one for each processor
    timeout_s: how long a model may take for one batch; None: in this process, without restrictions
    points   : a file that says where the faces are, in place of a detector
    flip     : whether a template is of the face and of its mirror image
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
        """A model, ready to run on the device that was asked for."""
        at_once = self.workers or runtime.usable_cores()
        return open_model(
            content, name=name, file=file, device=self.device, timeout_s=self.timeout_s, at_once=at_once, batch=BATCH
        )


@dataclass(frozen=True)
class Proposal:
    """A card for weights that have none: its text, and what was searched.

    tried    : settings that were compared on `subjects` other people than the judgement rests on
    remark   : what a card could not say, empty where there is nothing
    """

    text: str
    tried: int
    subjects: int
    remark: str


@dataclass(frozen=True)
class Examination:
    """What the doctor found; `outcomes` are words of FACES over the sampled images that were judged."""

    card: ModelCard
    detector: str
    judgement: Judgement
    outcomes: tuple[str, ...]
    finding: Finding
    warnings: tuple[str, ...] = ()
    proposal: Proposal | None = None


@dataclass(frozen=True, eq=False)
class Room:
    """What every judgement needs: the portraits, the detector, and who is told of progress."""

    table: Manifest
    finder: Finder
    asked: Asked
    progress: Progress
    steps: Steps = field(default_factory=Steps)

    @property
    def found_by(self) -> str:
        """What found the faces."""
        return name_of_faces(self.finder)

    def look(self, sample: Sample, settings: Sequence[Variant], session: Any, measure: Measure) -> Found:
        """The sample through every setting."""
        total = len(sample.rows)
        self.steps.begin(f"run {len(settings)} settings on {total:,} images of {sample.people:,} subjects")
        return run(
            sample.rows,
            self.table.folder,
            self.finder,
            ready(settings, session, flip=self.asked.flip),
            age=measure.question == "age",
            workers=self.asked.workers or runtime.usable_cores(),
            on_image=lambda done: self.progress(done, total),
        )


def examine(
    model: str,
    manifest: Path,
    asked: Asked,
    *,
    where: str | None = None,
    allow_outside: bool = False,
    images_dir: Path | None = None,
    propose: bool = False,
    task: Literal["embed", "classify"] | None = None,
    progress: Progress = lambda done, total: None,
    announce: Callable[[str], None] = lambda text: None,
) -> Examination:
    """Judge the settings of a card; with `propose`, or for an .onnx that no card describes, propose a card.

    model    : a card's name, a card's path, or the path of an .onnx
    task     : what an .onnx without a card is, where its outputs leave that open
    progress : called with the images done and the images in all of a phase
    announce : called with each phase before it begins: "step 2 of 3: ..."

    Raises
    ------
    CardError, FetchError, ModelError, DeviceError : as an audit
    ModelError : a detector, a black-box service, or a graph that no card could be proposed for
    TableError : nothing in the manifest can evaluate this model; NotEnoughPeopleError where it is sound, but too small;
                 NoJudgementError for a quality model, which no manifest can evaluate
    """
    weights = Path(model)
    card, given = (None, weights) if propose else find_card(model)
    if card is not None:
        require_settings(card)
        if card.task == "quality":
            raise NoJudgementError(QUALITIES.format(name=card.name))
    steps = Steps(PROPOSAL_STEPS if card is None else CARD_STEPS, announce)
    steps.begin("read the manifest, open the detector and the model")
    table = read_manifest(manifest, allow_outside=allow_outside, where=where, images_dir=images_dir)
    found = open_finder(asked, card)
    if isinstance(found, GivenPoints):
        require_shared(found, table.frame["image"].tolist(), table.name)
    room = Room(table, found, asked, progress, steps)
    if card is None:
        if weights.suffix.lower() != ".onnx":
            raise CardError(f"{model}: a card is proposed for a file with weights; give the path of an .onnx file")
        return propose_card(weights, room, task)
    session = asked.opened(read_weights(card, models_folders(asked.folders), given), card.name, str(card.file))
    rng = np.random.default_rng(asked.seed)
    question = question_of(card, table, asked.question)
    return examination(
        card, room, draw(table, question, card, people=people_of(asked, question), rng=rng), session, MEASURES[question]
    )


UNTRIED = (
    "the images are aligned crops, so only colour order, scale and classes were tried; alignment, crop and "
    "interpolation are fixed in the images"
)


def require_settings(card: ModelCard) -> None:
    """Refuse what has no settings that can be evaluated on people.

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


def people_of(asked: Asked, question: Question) -> int:
    """How many subjects are drawn at most."""
    return asked.people or DEFAULT_PEOPLE[question]


def examination(card: ModelCard, room: Room, sample: Sample, session: Any, measure: Measure) -> Examination:
    """Every variant of a card on one sample."""
    tried = [one for one in variants(card, age=measure.question == "age") if can_be_tried(one, room.finder)]
    found = room.look(sample, tried, session, measure)
    room.steps.begin("compare the settings")
    judgement = judge(sample, found, tried, measure)
    untried = (UNTRIED,) if isinstance(room.finder, WholePicture) else ()
    finding = finding_of(card, room, judgement)
    return Examination(card, room.found_by, judgement, found.outcomes, finding, (*room.table.warnings, *untried))


def open_finder(asked: Asked, judged: ModelCard | None) -> Finder:
    """What finds the faces for a card (None: one is to be proposed): points of a file, the whole pictures, or a detector.

    Raises
    ------
    ModelError : aligned crops, where a card is to be proposed; no boxes for a classifier; flip for a classifier
    """
    if asked.flip and judged is not None and judged.task != "embed":
        raise ModelError(
            f"{judged.name}: --flip adds the embedding of the mirror image, but this model returns no embedding"
        )
    faces = given_faces(AuditSettings(detect=asked.detect, faces=Faces(points=asked.points)))
    if faces is None:
        return open_detector(asked, aligns=None if judged is None else judged.alignment is not None)
    if isinstance(faces, GivenPoints) and judged is not None and judged.crop is not None:
        require_boxes(faces, judged)
    if isinstance(faces, WholePicture) and judged is None:
        raise ModelError(
            "--detect aligned: no card can be proposed from aligned crops, because they do not show which "
            "alignment the model needs; use --detect yunet or --points FILE on the photographs"
        )
    return faces


def can_be_tried(variant: Variant, finder: Finder) -> bool:
    """Whether a setting can be tried on faces that are found so: an aligned crop has its alignment, crop and pixels already."""
    if isinstance(finder, WholePicture):
        return variant.aspect in ("the card", "colour", "scale", "classes", "years")
    return variant.box_margin is None or not isinstance(finder, GivenPoints) or finder.has_boxes


def open_detector(asked: Asked, *, aligns: bool | None) -> Detector:
    """The detector, ready; with five points where faces are to be aligned (None: it is not known yet, so they are)."""
    card, given = resolve_card(asked.detect, "detect")
    assert card.detector is not None
    if aligns is not False and not card.detector.points:
        raise ModelError(f"{card.name} returns boxes only, but an aligned crop needs five points; use --detect yunet")
    content = read_weights(card, models_folders(asked.folders), given)
    return detector(card, asked.opened(content, card.name, str(card.file)))


def propose_card(weights: Path, room: Room, task: Literal["embed", "classify"] | None) -> Examination:
    """Settings searched on some people, evaluated on others, and written down as a card."""
    bare = doctor_proposing.bare_weights(weights)
    session = room.asked.opened(bare.content, weights.name, weights.name)
    graph = read_graph(session, weights.name)
    start = doctor_proposing.first_cards(bare, graph, task=task, question=room.asked.question)
    rng = np.random.default_rng(room.asked.seed)
    question = question_of(start[0], room.table, room.asked.question)
    people = people_of(room.asked, question)
    sample = draw(room.table, question, start[0], people=people if room.asked.people else 2 * people, rng=rng)
    searched, judged = split(sample, SEARCH_SHARE, rng)
    grid = [one for one in doctor_proposing.grid(start) if can_be_tried(one, room.finder)]
    found = room.look(searched, grid, session, MEASURES[question])
    room.steps.begin("choose settings, to be evaluated on held-out people")
    choice = choice_of(searched, found, grid, MEASURES[question])
    result = examination(choice.card, room, judged, session, MEASURES[question])
    text = card_text(choice.card, result.judgement, detector=result.detector, at=result.finding.at)
    proposal = Proposal(text, choice.tried, searched.people, choice.remark)
    return Examination(**{**vars(result), "proposal": proposal})


def choice_of(sample: Sample, found: Found, grid: Sequence[Variant], measure: Measure) -> doctor_proposing.Choice:
    """The best settings of a grid, or more usual ones without a significant difference to them."""
    judgement = judge(sample, found, grid, measure)
    found, grid = doctor_proposing.exchanged(judgement, found, grid)
    found, grid = doctor_proposing.best_first(judge(sample, found, grid, measure), found, grid)
    return doctor_proposing.choose(judge(sample, found, grid, measure))


def finding_of(card: ModelCard, room: Room, judgement: Judgement) -> Finding:
    """What is to be remembered."""
    best = judgement.best
    if best is None:
        raise TableError(f"{card.name}: there is no other setting to try")
    if judgement.opinion == "wrong":
        best = judgement.proposed
    errors = judgement.errors_of(best)
    return Finding(
        model=card.name,
        sha256=str(card.sha256),
        settings=settings_hash(card),
        verdict=judgement.opinion,
        measure=judgement.measure.name,
        value=judgement.card.value,
        aspect=best.variant.aspect,
        setting=best.variant.setting,
        difference=best.difference,
        low=best.low,
        high=best.high,
        margin=judgement.margin_of(best),
        fmr=errors.fmr if errors else math.nan,
        fnmr=errors.card if errors else math.nan,
        other_fnmr=errors.other if errors else math.nan,
        subjects=judgement.subjects,
        images=judgement.images,
        variants=len(judgement.settings) - 1,
        detector=room.found_by,
        at=datetime.now(UTC).date().isoformat(),
    )


def remember(examined: Examination, folder: Path | None = None) -> Path | None:
    """Keep the finding for later audits; its path, None where it settles nothing and so replaces nothing.

    On aligned crops alignment and crop of the card were not tried, so only what is wrong is kept.
    """
    if examined.judgement.opinion == "not enough data":
        return None
    if examined.detector == ALIGNED and examined.judgement.opinion != "wrong":
        return None
    target = folder or findings_folder()
    with store.explained(target):
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = finding_path(examined.card, target)
    store.write_json(path, as_record(examined.finding))
    return path


def require_memory(folder: Path | None = None) -> None:
    """Refuse before the first image a folder for findings that could not be made or written at the end.

    Raises
    ------
    CardError : the folder, or the nearest one above it that is there, may not be written to
    """
    target = folder or findings_folder()
    there = next(one for one in (target, *target.parents) if os.access(one, os.F_OK))
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        raise CardError(
            f"{target}: the result could not be stored there; choose another folder with --findings or FACEGAP_FINDINGS"
        )


def require_free(out: Path | None, model: str, *, propose: bool) -> None:
    """Refuse before the first image an --out that could not be written at the end.

    Raises
    ------
    CardError : another ending than .toml or .json, a file that is there already, no folder that can be written to, a
                .toml where no card is to be proposed, or under a name that a card cannot have
    """
    if out is None:
        return
    if not out.parent.is_dir() or not os.access(out.parent, os.W_OK | os.X_OK):
        raise CardError(f"{out}: {out.parent} is not a writable folder; choose another with --out")
    if out.exists():
        raise CardError(f"{out}: the file already exists; choose another with --out")
    if out.suffix.lower() not in (".toml", ".json"):
        raise CardError(f"{out}: --out writes a proposed card (.toml) or the result (.json)")
    if out.suffix.lower() == ".toml":
        if not propose and find_card(model)[0] is not None:
            raise CardError(f"{out}: {model} has a card; use --propose to propose another")
        if name_of(out) != name_of(Path(model)):
            raise CardError(
                f"{out}: a card must have the same name as its weights; use {Path(model).with_suffix('.toml').name}"
            )


def write_out(examined: Examination, out: Path) -> None:
    """Write the proposed card to a .toml, or the finding to a .json."""
    if out.suffix.lower() == ".json":
        store.write_json(out, as_record(examined.finding))
    else:
        assert examined.proposal is not None  # require_free came first
        store.write_bytes(out, examined.proposal.text.encode())
