"""The models of a run: which ones are requested, whether they fit together, and their sessions on the requested device."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from facegap import runtime
from facegap.audit.model_checks import require_fitting
from facegap.audit.quality_source import quality_model
from facegap.audit.settings import ALIGNED, NO_DETECT, POINTS, AuditSettings, CallableModel
from facegap.errors import ModelError
from facegap.inputs.cards.categories import Category
from facegap.inputs.cards.diagnoses import StoredFindings, look_up
from facegap.inputs.cards.graph import GraphFacts, graph_facts
from facegap.inputs.cards.read import resolve_card
from facegap.inputs.cards.schema import ModelCard, Task
from facegap.inputs.cards.weights import models_folders, read_weights
from facegap.inputs.points import GivenPoints, read_points
from facegap.inputs.videos.read import Sampling
from facegap.runtime.models import begin_model, finish_models, isolation_of, stop_model
from facegap.types import Execution, VariantOf
from facegap.vision.assess import assessor
from facegap.vision.callables import CallableSession, callable_card
from facegap.vision.classify import classifier
from facegap.vision.detect import Detector, detector
from facegap.vision.embed import embedder
from facegap.vision.find import Finder, WholePicture
from facegap.vision.look import Stages
from facegap.vision.rehearsal import (
    Remarks,
    rehearse_assessor,
    rehearse_classifier,
    rehearse_detector,
    rehearse_embedder,
)

if TYPE_CHECKING:
    from facegap.audit.on_cluster.parts import Cluster


@dataclass(frozen=True)
class ChosenModels:
    """The models named in the settings, before any is opened.

    cards     : of model files, services and Python functions
    given     : paths of the weights, where a setting gives them
    functions : sessions that wrap Python functions
    faces     : source of the faces without a detector: points from a file, or the whole image; None with a detector
    """

    cards: Mapping[Task, ModelCard] = field(default_factory=dict)
    given: Mapping[Task, Path | None] = field(default_factory=dict)
    functions: Mapping[Task, CallableSession] = field(default_factory=dict)
    faces: WholePicture | GivenPoints | None = None

    @property
    def names(self) -> dict[Task, str]:
        """Names of the models in the tables; `aligned` or `points` replaces the name of a detector if none ran."""
        found: dict[Task, str] = {} if self.faces is None else {"detect": name_of_faces(self.faces)}
        if "embed" in self.cards and self.cards["embed"].backend == "http":
            found["detect"] = self.cards["embed"].name  # it detects the faces itself, and reports images without one
        return found | {task: card.name for task, card in self.cards.items()}

    @property
    def classes(self) -> tuple[str, ...]:
        """The gender classes that the classifier can predict; none without a classifier."""
        return self.cards["classify"].gender_classes if "classify" in self.cards else ()

    @property
    def says_age(self) -> bool:
        """Whether the classifier estimates age."""
        return "classify" in self.cards and self.cards["classify"].says_age

    @property
    def categories(self) -> Mapping[str, Category]:
        """The outputs of the classifier besides gender and age."""
        return self.cards["classify"].categories if "classify" in self.cards else {}

    @property
    def published_threshold(self) -> float | None:
        """The threshold published in the embedder's card."""
        return self.cards["embed"].published_threshold if "embed" in self.cards else None


@dataclass(frozen=True)
class ModelFacts:
    """What is known of the models of a run after they ran, whether or not they are open here.

    dimension : length of a template; None without an embedder
    """

    models: ChosenModels
    execution: Execution
    dimension: int | None
    remembered: StoredFindings = field(default_factory=StoredFindings)
    remarks: Remarks = field(default_factory=Remarks)


@dataclass(frozen=True)
class Loaded:
    """The opened models of a run, their execution settings, and remarks from the dry run.

    remarks : findings of the dry run that are not errors
    cluster : on which they run instead of in this process, where they are then closed; None without one
    """

    stages: Stages
    models: ChosenModels
    execution: Execution
    remembered: StoredFindings = field(default_factory=StoredFindings)
    remarks: Remarks = field(default_factory=Remarks)
    cluster: Cluster | None = None

    @property
    def cards(self) -> Mapping[Task, ModelCard]:
        """The card of each model."""
        return self.models.cards

    @property
    def facts(self) -> ModelFacts:
        """What remains known of the models after they are closed."""
        return ModelFacts(self.models, self.execution, self.stages.dimension, self.remembered, self.remarks)

    def close(self) -> None:
        """End the processes of the models; what they were remains known."""
        self.stages.stop()


def choose_models(settings: AuditSettings) -> ChosenModels:
    """The cards and functions named in the settings.

    Raises
    ------
    CardError  : see `resolve_card`; if the key of a service is not set
    ModelError : if models cannot work together, or a function is for another task
    """
    faces = given_faces(settings)
    named: dict[Task, str | CallableModel | None] = {
        "detect": None if settings.detect == NO_DETECT or faces is not None else settings.detect,
        "embed": settings.embed,
        "classify": settings.classify,
        "quality": quality_model(settings.faces.quality),
    }
    found = {task: resolve_card(name, task) for task, name in named.items() if isinstance(name, str)}
    functions = {task: function_model(name, task) for task, name in named.items() if isinstance(name, CallableModel)}
    cards = {task: card for task, (card, _) in found.items()} | {task: card for task, (card, _) in functions.items()}
    require_fitting(cards, faces)
    if settings.models.flip and "embed" not in cards:
        raise ModelError("--flip adds the embedding of the mirror image; it needs an embedder; give one with --embed")
    return ChosenModels(
        cards,
        {task: given for task, (_, given) in found.items()},
        {task: session for task, (_, session) in functions.items()},
        faces,
    )


def given_faces(settings: AuditSettings) -> WholePicture | GivenPoints | None:
    """The source of the faces if the settings name one other than a detector.

    Raises
    ------
    TableError : see `read_points`
    """
    if settings.detect == ALIGNED:
        return WholePicture()
    return None if settings.faces.points is None else read_points(settings.faces.points)


def name_of_faces(faces: Finder) -> str:
    """The source of the faces as the tables name it: a detector, or what replaces one."""
    if isinstance(faces, Detector):
        return faces.card.name
    return ALIGNED if isinstance(faces, WholePicture) else POINTS


def load_models(settings: AuditSettings) -> Loaded:
    """The models named in the settings, opened; see `choose_models` and `open_models`."""
    return open_models(choose_models(settings), settings)


def contents_of(
    chosen: ChosenModels, settings: AuditSettings, without: Collection[Task] = ()
) -> Iterator[tuple[Task, bytes]]:
    """Task and bytes of each model file, checked against its card. without : tasks to omit.

    Raises
    ------
    FetchError, CardError : see `read_weights`
    """
    searched = models_folders(settings.models.models_dir)
    for task, given in chosen.given.items():
        if chosen.cards[task].backend == "onnx" and task not in without:
            yield task, read_weights(chosen.cards[task], searched, given)


def open_models(
    chosen: ChosenModels,
    settings: AuditSettings,
    beside: Loaded | None = None,
    contents: Mapping[Task, bytes] | None = None,
) -> Loaded:
    """Weights and sessions of all models on the requested device.

    beside   : models of another audit with the same detector, which is then opened once for both
    contents : bytes of the model files by task, already checked; None: they are read from the folders of the settings

    Raises
    ------
    FetchError, ModelError, DeviceError : see `read_weights`, `open_session` and `rehearsed_stages`
    """
    cards, device = chosen.cards, settings.models.device
    workers = settings.models.workers or runtime.usable_cores()
    sessions: dict[Task, Any] = {}
    facts = {task: GraphFacts() for task in chosen.functions}
    sizes: dict[str, int] = {}
    if beside is not None and isinstance(beside.stages.detector, Detector):
        assert beside.cards["detect"] == cards["detect"]
        sessions["detect"], name = beside.stages.detector.session, cards["detect"].name
        sizes[name] = beside.execution.sizes[name]
    opened = set(sessions)
    try:
        files = contents_of(chosen, settings, opened) if contents is None else contents.items()
        for task, content in files:
            sessions[task] = begin_model(
                content,
                name=cards[task].name,
                file=str(cards[task].file),
                device=device,
                timeout_s=settings.models.timeout_s,
                at_once=workers,
                batch=1 if task == "detect" else settings.models.batch,
            )
            facts[task], sizes[cards[task].name] = graph_facts(content), len(content)
        finish_models(session for task, session in sessions.items() if task not in opened)
        stages, remarks = rehearsed_stages(cards, {**sessions, **chosen.functions}, facts, settings)
        stages = replace(stages, detector=stages.detector or chosen.faces)
    except BaseException:  # a model that was opened must not outlive an error in another
        for session in sessions.values():
            stop_model(session)
        raise
    remarks = Remarks(notices=recognised(chosen)) + remarks
    execution = runtime.execution_record(
        {cards[task].name: session for task, session in sessions.items()},
        {cards[task].name: str(cards[task].sha256) for task in sessions},
        device=device,
        threads=1,
        workers=workers,
        batch=settings.models.batch,
        notes=remarks.notices,
        isolation={cards[task].name: isolation_of(session) for task, session in sessions.items()},
        sizes=sizes,
        variants={
            card.name: VariantOf(card.variant.precision, card.variant.parent, card.variant.parent_sha256)
            for card in cards.values()
            if card.variant is not None
        },
    )
    return Loaded(stages, chosen, execution, look_up(cards.values()), remarks)


def function_model(model: CallableModel, task: Task) -> tuple[ModelCard, CallableSession]:
    """A Python function as a card and a session.

    Raises
    ------
    ModelError : if the function is for another task, or does not return what is needed
    """
    if model.task != task:
        raise ModelError(f"{model.name}: a CallableModel of task {model.task!r} cannot be used for {task!r}")
    session = CallableSession(model.function, model.name, model.size)
    named = str(model.recorded()["function"])
    card = callable_card(session, name=model.name, task=model.task, size=model.size, classes=model.classes, named=named)
    return card, session


def rehearsed_stages(
    cards: Mapping[Task, ModelCard],
    sessions: Mapping[Task, Any],
    facts: Mapping[Task, GraphFacts],
    settings: AuditSettings,
) -> tuple[Stages, Remarks]:
    """The models, checked against their cards and run on simulated images, with remarks from this dry run.

    Raises
    ------
    ModelError : if a graph differs from its card; the message names the key
    """
    detects = detector(cards["detect"], sessions["detect"]) if "detect" in sessions else None
    embeds = None
    if "embed" in sessions:
        embeds = embedder(cards["embed"], sessions["embed"], settings.models.batch, flip=settings.models.flip)
    classifies = (
        classifier(cards["classify"], sessions["classify"], settings.models.batch) if "classify" in sessions else None
    )
    if classifies is not None:
        classifies = replace(classifies, reduced_crop=settings.faces.allow_reduced_crop)
    assesses = assessor(cards["quality"], sessions["quality"], settings.models.batch) if "quality" in sessions else None
    remarks = Remarks()
    if detects is not None:
        rehearse_detector(detects)
    if embeds is not None:
        embeds, said = rehearse_embedder(embeds)
        remarks += said
    if classifies is not None:
        classifies, said = rehearse_classifier(classifies, facts["classify"])
        remarks += said
    if assesses is not None:
        assesses, said = rehearse_assessor(assesses)
        remarks += said
    faces = settings.faces
    sampling = Sampling(faces.frames_per_second, faces.max_frames)
    stages = Stages(
        detects,
        embeds,
        classifies,
        faces.many_faces,
        faces.min_face,
        colour=faces.colour,
        sampling=sampling,
        assessor=assesses,
    )
    return stages, remarks


def recognised(chosen: ChosenModels) -> tuple[str, ...]:
    """A sentence on each file whose name differs from that in its card."""
    return tuple(
        f"{given.name} is {chosen.cards[task].name} by its sha256; the settings of that card are used"
        for task, given in chosen.given.items()
        if given is not None and given.name != chosen.cards[task].file
    )
