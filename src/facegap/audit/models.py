"""What is settled before the first image: the settings, the models ready to run, and what --resume must find unchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from facegap import runtime
from facegap.audit.settings import NO_DETECT, AuditSettings, CallableModel, recorded
from facegap.derive.groupings import Grouping, cells_of, default_groupings, parse_by
from facegap.errors import ModelError, RunError
from facegap.inputs.cards.diagnoses import Remembered, look_up
from facegap.inputs.cards.graph import GraphFacts, graph_facts
from facegap.inputs.cards.read import resolve_card
from facegap.inputs.cards.schema import ModelCard, Task
from facegap.inputs.cards.weights import models_folders, read_weights
from facegap.inputs.manifests.read import JoinedLabels, Manifest
from facegap.store.run import sha256
from facegap.types import Execution
from facegap.vision.callables import CallableSession, callable_card
from facegap.vision.classify import classifier
from facegap.vision.detect import detector
from facegap.vision.embed import embedder
from facegap.vision.pipeline import PART_ROWS, Stages
from facegap.vision.rehearsal import Remarks, rehearse_classifier, rehearse_detector, rehearse_embedder
from facegap.vision.service.wire import read_key

TASKS: tuple[Task, ...] = ("detect", "embed", "classify")
SAME_ON_RESUME = ("onnxruntime", "onnxruntime-gpu", "opencv-python", "numpy", "facegap")


@dataclass(frozen=True)
class Loaded:
    """The models of a run, ready, what they run on, and what `facegap doctor` remembers of their settings.

    remarks : what the dry run found that is no error
    """

    stages: Stages
    cards: Mapping[Task, ModelCard]
    execution: Execution
    remembered: Remembered = field(default_factory=Remembered)
    remarks: Remarks = field(default_factory=Remarks)


def chosen_groupings(table: Manifest, settings: AuditSettings) -> tuple[tuple[Grouping, ...], tuple[str, ...]]:
    """The groupings of --by, or every label column, and a sentence on each column that is not split by.

    A column that says who is in the gallery describes images and no people: it is split by only where --by names it.
    """
    if settings.by is None:
        role_column = settings.identify.role_column if settings.identify else None
        return default_groupings(table.frame, [name for name in table.labels if name != role_column])
    groupings = parse_by(settings.by, table.labels)
    for grouping in groupings:
        cells_of(table.frame, grouping)
    return groupings, ()


def load_models(settings: AuditSettings) -> Loaded:
    """Cards, weights and sessions of all models that the settings name.

    Raises
    ------
    CardError, FetchError, ModelError, DeviceError : see `resolve_card`, `read_weights` and `open_session`
    ModelError : models that cannot work together
    """
    named: dict[Task, str | CallableModel | None] = {
        "detect": None if settings.detect == NO_DETECT else settings.detect,
        "embed": settings.embed,
        "classify": settings.classify,
    }
    resolved = {task: resolve_card(name, task) for task, name in named.items() if isinstance(name, str)}
    functions = {task: function_model(name, task) for task, name in named.items() if isinstance(name, CallableModel)}
    cards = {task: card for task, (card, _) in resolved.items()} | {task: card for task, (card, _) in functions.items()}
    require_fitting(cards)
    searched, device = models_folders(settings.models.models_dir), settings.models.device
    sessions: dict[Task, Any] = {}
    facts = {task: GraphFacts() for task in functions}
    for task, (card, given) in resolved.items():
        if card.backend == "onnx":
            content = read_weights(card, searched, given)
            sessions[task] = runtime.open_session(content, name=card.name, device=device)
            facts[task] = graph_facts(content)
    made = {task: session for task, (_, session) in functions.items()}
    stages, remarks = rehearsed_stages(cards, {**sessions, **made}, facts, settings)
    remarks = Remarks(notices=recognised(resolved)) + remarks
    count = settings.models.workers or runtime.usable_cores()
    execution = runtime.execution_record(
        {cards[task].name: session for task, session in sessions.items()},
        {cards[task].name: str(cards[task].sha256) for task in sessions},
        device=settings.models.device,
        threads=1,
        workers=count,
        batch=settings.models.batch,
        notes=remarks.notices,
    )
    return Loaded(stages, cards, execution, look_up(cards.values()), remarks)


def function_model(model: CallableModel, task: Task) -> tuple[ModelCard, CallableSession]:
    """A Python function as a card and what answers in the place of a session.

    Raises
    ------
    ModelError : the function is for another task, or does not give what is needed
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
    """The models held against their cards and run on made-up pictures, and what must be said of them.

    Raises
    ------
    ModelError : a graph is not what its card says; the message names the key
    """
    detects = detector(cards["detect"], sessions["detect"]) if "detect" in sessions else None
    embeds = embedder(cards["embed"], sessions["embed"], settings.models.batch) if "embed" in sessions else None
    classifies = (
        classifier(cards["classify"], sessions["classify"], settings.models.batch) if "classify" in sessions else None
    )
    remarks = Remarks()
    if detects is not None:
        rehearse_detector(detects)
    if embeds is not None:
        embeds, said = rehearse_embedder(embeds)
        remarks += said
    if classifies is not None:
        classifies, said = rehearse_classifier(classifies, facts["classify"])
        remarks += said
    faces = settings.faces
    return Stages(detects, embeds, classifies, faces.many_faces, faces.min_face, colour=faces.colour), remarks


def recognised(resolved: Mapping[Task, tuple[ModelCard, Path | None]]) -> tuple[str, ...]:
    """A sentence on each file that lies here under another name than that of its card."""
    return tuple(
        f"{given.name} is {card.name} by its sha256; the settings are those of that card"
        for card, given in resolved.values()
        if given is not None and given.name != card.file
    )


def require_a_task(settings: AuditSettings) -> None:
    """Raise ModelError unless the audit judges something, or detection alone was asked for."""
    detect, classify, embed = settings.detect, settings.classify, settings.embed
    detect_only = settings.models.detect_only
    if detect_only and (classify is not None or embed is not None):
        raise ModelError("--detect-only audits detection alone; leave it out, or --classify and --embed")
    if detect_only and detect == NO_DETECT:
        raise ModelError(f"--detect-only needs a detector, and --detect is {NO_DETECT}")
    if not detect_only and classify is None and embed is None:
        raise ModelError(
            "nothing to audit: name a classifier with --classify (is the predicted gender or age right?) or an embedder with "
            "--embed (are two images of a person recognised?); --detect-only audits the detector alone. facegap models lists "
            "the cards"
        )


def require_fitting(cards: Mapping[Task, ModelCard]) -> None:
    """Raise ModelError for models that cannot work together, CardError for a service whose key is not there."""
    detect, embed, classify = (cards.get(task) for task in TASKS)
    if embed is not None and embed.backend == "http":
        raise ModelError(f"{embed.name}: templates of a black-box service are read by facegap audit-embeddings")
    if classify is not None and classify.backend == "http":
        read_key(classify)
    elif detect is None:
        raise ModelError(f"--detect {NO_DETECT} is for a black-box service that finds faces itself; name a detector")
    if embed is not None and (detect is None or detect.detector is None or not detect.detector.points):
        said = f"{detect.name} gives boxes only" if detect else f"--detect {NO_DETECT} gives nothing"
        raise ModelError(f"{said}, and --embed needs five points; use --detect yunet")


def request_of(table: Manifest, elsewhere: Manifest | None, settings: AuditSettings, loaded: Loaded) -> dict[str, Any]:
    """What must be the same for --resume to end with the same tables."""

    versions = loaded.execution.versions
    return {
        "audit": "images",
        "manifest_sha256": table.sha256,
        "threshold_set_sha256": None if elsewhere is None else elsewhere.sha256,
        "pair_lists_sha256": [sha256(path) for path in (settings.verify.pairs, settings.verify.exclude_pairs) if path],
        "labels": None if table.joined is None else labels_request(table.joined),
        "rows": len(table.frame),
        "part_rows": PART_ROWS,
        "settings": recorded(settings),
        "cards": {task: card.model_dump(mode="json") for task, card in loaded.cards.items()},
        "versions": {name: versions[name] for name in SAME_ON_RESUME if name in versions},
    }


def labels_request(joined: JoinedLabels) -> dict[str, Any]:
    """Of joined labels what decides the tables: the files, and the draws."""
    files = {name: joined.record[name]["sha256"] for name in ("tone", "annotations") if name in joined.record}
    return {**files, "draws": joined.record["draws"], "seed": joined.record["seed"]}


def plain(value: Any) -> Any:
    """Tuples and mappings as JSON will give them back, so that a record in memory equals the record read again."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list | tuple) else value


def require_same_request(folder: Path, stored: Any, request: Mapping[str, Any]) -> None:
    """Raise RunError that names what differs between the run in the folder and the one that is asked for."""
    if not isinstance(stored, dict):
        raise RunError(f"{folder}: its run.json does not say what was asked for; choose another --out")
    changed = differences(stored, request)
    if changed:
        raise RunError(
            f"{folder}: the run there differs in {', '.join(changed)}; resume it with the same command, files and "
            "versions, or choose another --out"
        )


def differences(old: Mapping[str, Any], new: Mapping[str, Any], path: str = "") -> list[str]:
    """The keys, with those above them, whose values differ between two records."""
    found: list[str] = []
    for key in {**old, **new}:
        one, other = old.get(key), new.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            found += differences(one, other, f"{path}{key}.")
        elif one != other:
            found.append(f"{path}{key}")
    return found
