"""Make variants of a model in lower precision, compare them with the model, and write them with their cards."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from facegap.audit.manifests import manifest_of
from facegap.audit.models import choose_models, open_models, rehearsed_stages
from facegap.audit.resolved import groupings_of
from facegap.audit.settings import AuditSettings
from facegap.errors import CardError, ModelError, RunError
from facegap.inputs.cards.graph import graph_facts
from facegap.inputs.cards.read import find_card
from facegap.inputs.cards.schema import Calibration, ModelCard, VariantSpec
from facegap.inputs.cards.weights import models_folders, read_weights
from facegap.inputs.cards.write import card_toml
from facegap.inputs.images.decode import Pixels
from facegap.runtime import version_of
from facegap.runtime.models import open_model, stop_model
from facegap.runtime.precision import eight_bit, half_precision
from facegap.store.files import explained, write_bytes
from facegap.store.folder import make_empty
from facegap.types import AnyArray, FloatArray
from facegap.variants.crops import Crops, crops_of
from facegap.vision.assess import assess
from facegap.vision.classify import classify
from facegap.vision.embed import embed
from facegap.vision.look import Stages
from facegap.vision.ports import picture_input
from facegap.vision.tensors import to_tensor

Precision = Literal["fp16", "int8"]
Measure = Literal["cosine", "agreement", "difference"]
PRECISIONS: tuple[Precision, ...] = ("fp16", "int8")
METHODS: Mapping[Precision, str] = {
    "fp16": "onnxruntime {version}, transformers.float16.convert_float_to_float16; inputs and outputs in float32",
    "int8": "onnxruntime {version}, quantization: static, QDQ, ranges by minimum and maximum, weights int8 per "
    "channel, "
    "activations uint8",
}
TASKS = ("embed", "classify", "quality")


@dataclass(frozen=True, eq=False)
class Made:
    """One variant.

    Attributes
    ----------
    card : ModelCard
        Its card.
    content : bytes
        Its file.
    parent_bytes : int
        Size of the parent's file.
    measure : {"cosine", "agreement", "difference"}
        What `alike` measures, see `likeness`.
    alike : numpy.ndarray
        float64 (crops,), similarity of its prediction to its parent's on each calibration crop.
    """

    card: ModelCard
    content: bytes
    parent_bytes: int
    measure: Measure
    alike: FloatArray


def make_variants(
    model: str,
    manifest: Path,
    settings: AuditSettings,
    *,
    precisions: Sequence[Precision] = PRECISIONS,
    images: int = 200,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> tuple[list[Made], Crops, dict[str, AnyArray]]:
    """Variants of a model, the crops on which they were calibrated and compared, and the groups of these crops.

    Parameters
    ----------
    model : str
        Card name, .toml card, or .onnx file with a card.
    manifest : Path
        Portraits for calibration; --where in the settings selects rows, --by names groups.
    settings : AuditSettings
        As for an audit: detector, model folders, labels.
    precisions : sequence of {"fp16", "int8"}
        The precisions to create.
    images : int
        Number of crops.
    seed : int
        Seed of the sample of images.
    progress : Callable[[int, int], None], optional
        Called with the numbers of finished crops and of all crops.

    Returns
    -------
    list of Made, Crops, dict of str to numpy.ndarray
        The last: indices of the crops of each group.

    Raises
    ------
    CardError, TableError, FetchError
        As in an audit; also the card of a detector or of a service.
    ModelError
        A graph that cannot be converted, or a variant that returns no finite values.
    """
    card, given = card_to_vary(model)
    settings = with_model(settings, card, model)
    table = manifest_of(manifest, settings)
    groupings, _ = groupings_of(table, settings)
    content = read_weights(card, models_folders(settings.models.models_dir), given)
    loaded = open_models(choose_models(settings), settings)
    try:
        crops = crops_of(table, loaded.stages, images=images, seed=seed, progress=progress)
        before = answers(loaded.stages, crops.pixels)
    finally:
        loaded.close()
    places = crops.places(groupings)
    found = []
    for precision in precisions:
        made = converted(card, content, precision, crops, settings)
        calibration = None
        if precision == "int8":
            groups = {name: len(rows) for name, rows in places.items() if len(rows)}
            calibration = Calibration(
                manifest_sha256=table.sha256, images_sha256=crops.images_sha256, images=len(crops.pixels), groups=groups
            )
        own = variant_card(card, precision, made, calibration)
        measure, alike = likeness(before, variant_answers(own, made, settings, crops.pixels), card)
        found.append(Made(own, made, len(content), measure, alike))
    return found, crops, places


def card_to_vary(model: str) -> tuple[ModelCard, Path | None]:
    """The card that a text refers to, and its path if the text gives one.

    Raises
    ------
    CardError : no card, or that of a detector, a service, or a variant
    """
    card, given = find_card(model)
    if card is None:
        raise CardError(f"{model}: no card describes this file; write one with facegap card new {model}")
    if card.backend != "onnx" or card.task not in TASKS:
        what = "a service" if card.backend != "onnx" else "a detector"
        raise CardError(
            f"{card.name} is {what}; variants can be created from models that embed, classify or assess quality"
        )
    if card.variant is not None:
        raise CardError(f"{card.name} is a variant of {card.variant.parent}; create variants from that card")
    return card, given


def with_model(settings: AuditSettings, card: ModelCard, text: str) -> AuditSettings:
    """The settings of an audit of this model alone."""
    if card.task == "quality":
        return replace(settings, faces=replace(settings.faces, quality=text))
    return replace(settings, embed=text) if card.task == "embed" else replace(settings, classify=text)


def converted(card: ModelCard, content: bytes, precision: Precision, crops: Crops, settings: AuditSettings) -> bytes:
    """The file of a variant."""
    if precision == "fp16":
        return half_precision(content, name=card.name)
    with opener(card, settings) as opened:
        return eight_bit(content, batches_of(card, content, settings, crops.pixels), name=card.name, opened=opened)


def batches_of(
    card: ModelCard, content: bytes, settings: AuditSettings, pixels: Sequence[Pixels]
) -> Iterator[Mapping[str, AnyArray]]:
    """The inputs of the graph for each crop, one at a time."""
    assert card.input is not None
    with opener(card, settings) as opened:
        name = picture_input(opened(content), card).name
    for crop in pixels:
        yield {name: to_tensor([crop], card.input)}


@contextmanager
def opener(card: ModelCard, settings: AuditSettings) -> Iterator[Callable[[bytes], Any]]:
    """A function that opens graphs with the restrictions of an audit; all sessions are closed at the end."""
    sessions: list[Any] = []

    def opened(content: bytes) -> Any:
        sessions.append(open_model(content, name=card.name, file=str(card.file), timeout_s=settings.models.timeout_s))
        return sessions[-1]

    try:
        yield opened
    finally:
        for session in sessions:
            stop_model(session)


def variant_card(card: ModelCard, precision: Precision, content: bytes, calibration: Calibration | None) -> ModelCard:
    """The card of a variant: its parent's with another name, file, hash and origin; never verified.

    Raises
    ------
    CardError : the name would be too long for a card
    """
    name = f"{card.name}_{precision}"
    if len(name) > 64:
        raise CardError(f"{name}: longer than 64 characters, the limit for a card's name; rename the parent's card")
    made = VariantSpec(
        parent=card.name,
        parent_sha256=str(card.sha256),
        precision=precision,
        method=METHODS[precision].format(version=version_of("onnxruntime") or "(another package)"),
        calibration=calibration,
    )
    changes = {
        "name": name,
        "file": f"{name}.onnx",
        "source": None,
        "obtain": f"Created from {card.file} by facegap variants {card.name}; a different calibration gives a "
        f"different file.",
        "sha256": hashlib.sha256(content).hexdigest(),
        "size_bytes": len(content),
        "verified": False,
        "published_threshold": None,
        "known_limits": (
            f"{precision} variant of {card.name}; the following applies to the original.",
            *card.known_limits,
        ),
        "variant": made,
    }
    return card.model_copy(update=changes)


def answers(stages: Stages, pixels: Sequence[Pixels]) -> AnyArray:
    """The outputs of a model for each crop: templates, class names or qualities; (crops, ...)."""
    if stages.embedder is not None:
        return embed(stages.embedder, pixels)
    if stages.assessor is not None:
        return assess(stages.assessor, pixels)
    assert stages.classifier is not None
    predicted = classify(stages.classifier, pixels)
    columns = [predicted.prediction, *(words for words, _ in predicted.categories.values())]
    if not any(any(column) for column in columns):
        return np.asarray(predicted.age, np.float64)
    return np.array(columns, dtype=object).T


def likeness(before: AnyArray, after: AnyArray, card: ModelCard) -> tuple[Measure, FloatArray]:
    """Similarity of a variant's predictions to its parent's: the name of the measure, and float64 (crops,).

    cosine     : between two templates
    agreement  : 1 for equal class names, otherwise 0
    difference : between two ages or qualities

    Raises
    ------
    ModelError : the variant returns no finite value where its parent does
    """
    if before.dtype == object:
        return "agreement", np.asarray((before == after).all(axis=1), np.float64)
    found = (
        np.einsum("ij,ij->i", before, after, dtype=np.float64) if card.task == "embed" else np.subtract(after, before)
    )
    lost = np.isfinite(before).reshape(len(before), -1).all(axis=1) & ~np.isfinite(found)
    if lost.any():
        raise ModelError(
            f"{card.name}: the variant returns no finite number for {int(lost.sum())} of {len(found)} crops: its "
            f"values exceed the range of the lower precision; exclude it with --precision"
        )
    return "cosine" if card.task == "embed" else "difference", np.asarray(found, np.float64)


def variant_answers(card: ModelCard, content: bytes, settings: AuditSettings, pixels: Sequence[Pixels]) -> AnyArray:
    """The outputs of a variant for each crop, opened and checked against its card as in an audit."""
    with opener(card, settings) as opened:
        session = opened(content)
        stages, _ = rehearsed_stages(
            {card.task: card}, {card.task: session}, {card.task: graph_facts(content)}, settings
        )
        return answers(stages, pixels)


def require_room(out: Path) -> None:
    """Raise RunError if the folder for the variants is not empty; it is created when there is something to write."""
    with explained(out):
        if out.is_dir() and any(out.iterdir()):
            raise RunError(f"{out}: not empty; choose another --out")


def write_variants(found: Sequence[Made], out: Path) -> list[str]:
    """Write files and cards into a new or empty folder; return their names.

    Raises
    ------
    RunError : the folder is not empty, or cannot be written
    """
    make_empty(out)
    names = []
    for made in found:
        remark = (
            "Created by facegap variants from its parent's card; compare runs of both to see in which groups errors "
            "increase."
        )
        write_bytes(out / str(made.card.file), made.content)
        write_bytes(out / f"{made.card.name}.toml", card_toml(made.card, [remark]).encode())
        names += [str(made.card.file), f"{made.card.name}.toml"]
    return names
