"""Rules that involve several tables of a model card: what backend and task require, and what is incompatible.

Each raises ValueError, which `read.py` converts to a CardError with the file's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from facegap.inputs.cards.schema import ModelCard

# A card has exactly one of these tables.
TABLES_OF_TASK: Mapping[str, tuple[str, ...]] = {
    "detect": ("detector",),
    "embed": ("alignment",),
    "classify": ("crop",),
    "quality": ("alignment", "crop"),
}
ANSWERS_OF_TASK: Mapping[str, tuple[str, ...]] = {  # an http service must give one of these
    "classify": ("gender", "age"),
    "embed": ("embedding",),
    "verify": ("score", "decision"),
    "search": ("candidates", "score"),
}
OUTPUTS_OF_TASK: Mapping[str, tuple[str, ...]] = {
    "detect": (),
    "embed": ("embedding",),
    "classify": ("gender", "age"),
    "quality": ("quality",),
}


def check_backend(card: ModelCard) -> None:
    """Raise ValueError if a card lacks a key that its backend needs, or has one that belongs to the other."""
    of_http, of_onnx = ("request", "answer"), ("file", "sha256", "input")
    more_of_onnx = ("source", "size_bytes", "detector", "alignment", "crop", "variant")
    if card.enrol is not None and card.task != "search":
        raise ValueError("[enrol] belongs to task = 'search'")
    needed, foreign = (of_onnx, of_http) if card.backend == "onnx" else (of_http, (*of_onnx, *more_of_onnx))
    for key in needed:
        if getattr(card, key) is None:
            raise ValueError(f"'{key}' is missing; backend = '{card.backend}' needs it")
    for key in foreign:
        if getattr(card, key) is not None:
            raise ValueError(f"'{key}' does not belong to a card with backend = '{card.backend}'")
    if card.backend == "onnx" and card.source is None and card.obtain is None:
        raise ValueError(
            "'obtain' is missing: a card without a source must say in one sentence how the file is obtained"
        )
    if card.backend == "http" and any(value is not None for _, value in card.outputs):  # including categories
        raise ValueError("[outputs] belongs to backend = 'onnx'; an http service's JSON is read by [answer]")
    if card.backend == "http" and card.task in ("detect", "quality"):
        raise ValueError(
            f"task = '{card.task}' needs backend = 'onnx'; an http service classifies, embeds, verifies or searches"
        )
    if card.backend == "onnx" and card.task not in TABLES_OF_TASK:
        raise ValueError(
            f"task = '{card.task}' needs backend = 'http'; a model file detects, embeds, classifies or assesses quality"
        )
    if card.backend == "http":
        check_service(card)


def check_service(card: ModelCard) -> None:
    """Raise ValueError if [request] or [answer] of a service do not fit its task."""
    assert card.request is not None and card.answer is not None
    wanted = ANSWERS_OF_TASK[card.task]
    everything = {key for keys in ANSWERS_OF_TASK.values() for key in keys}
    given = {key for key in everything if getattr(card.answer, key) is not None}
    names_others = card.task == "classify" and bool(card.answer.outputs)
    if not given & set(wanted) and not names_others:
        raise ValueError(f"answer: {' or '.join(wanted)} is missing; task = '{card.task}' needs it")
    for key in sorted(given - set(wanted)):
        raise ValueError(f"answer.{key} does not belong to task = '{card.task}'")
    if card.task == "search":
        check_search(card)
    if card.task == "verify" and len(given) > 1:
        raise ValueError("answer: give either score or decision; prefer score, from which decisions can be derived")
    if (card.request.reference_field is not None) != (card.task == "verify"):
        said = "is missing; two images are compared" if card.task == "verify" else "belongs to task = 'verify'"
        raise ValueError(f"request.reference_field {said}")
    if card.task == "classify" and card.answer.no_face:
        raise ValueError(
            "answer.no_face belongs to task = 'embed', 'verify' or 'search'; for a classifier, a missing prediction "
            "means no face"
        )


def check_search(card: ModelCard) -> None:
    """Raise ValueError if the card of a search service lacks what its gallery needs."""
    assert card.request is not None and card.answer is not None
    if card.answer.candidates is None:
        raise ValueError("answer.candidates is missing; task = 'search' needs it")
    if card.enrol is None:
        raise ValueError(
            "[enrol] is missing; it says how an image is enrolled in the gallery; task = 'search' needs it"
        )
    if not card.enrol.names_subject or card.request.names_subject:
        raise ValueError(
            "{subject} must be in the url or in a field of [enrol], where the service expects a name, and not in "
            "[request]"
        )
    if card.enrol.reference_field is not None:
        raise ValueError("enrol.reference_field belongs to task = 'verify'")
    ends = [urlsplit(spec.url)[:2] for spec in (card.request, card.enrol)]
    if ends[0] != ends[1] or card.request.key_env != card.enrol.key_env:
        raise ValueError("[enrol] and [request] must have the same host and key, so that images go to one recipient")


def check_task(card: ModelCard) -> None:
    """Raise ValueError if a card lacks the tables of its task, or has those of another."""
    own = TABLES_OF_TASK[card.task]
    for key in ("detector", "alignment", "crop"):
        tasks = " or ".join(f"'{task}'" for task, keys in TABLES_OF_TASK.items() if key in keys)
        if getattr(card, key) is not None and key not in own:
            raise ValueError(f"[{key}] belongs to task = {tasks}")
    present = [key for key in own if getattr(card, key) is not None]
    if not present:
        raise ValueError(f"{' or '.join(f'[{key}]' for key in own)} is missing; it is needed by task = '{card.task}'")
    if len(present) > 1:
        raise ValueError(f"{' and '.join(f'[{key}]' for key in own)}: task = '{card.task}' takes one of them, not both")
    if card.task == "quality" and card.crop is not None and card.crop.rule != "square":
        raise ValueError(
            f"crop.rule = '{card.crop.rule}' is for task = 'classify'; a quality model takes a square or [alignment]"
        )
    given = {key for key in ("gender", "age", "embedding", "quality") if getattr(card.outputs, key) is not None}
    allowed = set(OUTPUTS_OF_TASK[card.task])
    for key in sorted(given - allowed):
        raise ValueError(f"[outputs.{key}] does not belong to task = '{card.task}'")
    categories = card.outputs.categories
    if categories and card.task != "classify":
        raise ValueError(f"[outputs.{next(iter(categories))}] does not belong to task = '{card.task}'")
    require_one_attack_detection(card)
    if allowed and not given and not categories:
        wanted = " or ".join(f"[outputs.{key}]" for key in OUTPUTS_OF_TASK[card.task])
        if card.task == "classify":
            wanted += " or another [outputs.NAME]"
        raise ValueError(f"{wanted} is missing; task = '{card.task}' needs it")


def require_one_attack_detection(card: ModelCard) -> None:
    """Raise ValueError if two outputs detect attacks: BPCER and APCER refer to one decision."""
    found = [name for name, category in card.categories.items() if category.bona_fide is not None]
    if len(found) > 1:
        raise ValueError(f"bona_fide is set in {' and '.join(found)}; only one output of a card can detect attacks")


def check_input(card: ModelCard) -> None:
    """Raise ValueError if [input] contradicts the rest of the card."""
    spec, detector = card.input, card.detector
    assert spec is not None  # checked by check_backend
    letterboxed = detector is not None and detector.resize == "letterbox"
    if not letterboxed and (spec.dynamic or spec.enlargement_limit != 1):
        raise ValueError("input.dynamic and input.enlargement_limit are for detectors with resize = 'letterbox'")
    if detector is not None and any(side % stride for side in spec.size for stride in detector.strides):
        raise ValueError(f"input.size {list(spec.size)} is not a multiple of every one of detector.strides")
    for x, y in card.alignment.template if card.alignment else ():
        if not (0 <= x <= spec.size[0] and 0 <= y <= spec.size[1]):
            raise ValueError(f"alignment.template: ({x}, {y}) lies outside the crop of input.size {list(spec.size)}")


def check_threshold(card: ModelCard) -> None:
    """Raise ValueError for a published threshold if there are no scores, or none can reach it."""
    threshold = card.published_threshold
    if card.task not in ("embed", "verify", "search") or (card.answer is not None and card.answer.decision is not None):
        raise ValueError("published_threshold belongs to task = 'embed', 'verify' or 'search', and to scores")
    low, high = (-1.0, 1.0)
    if card.answer is not None and card.answer.score_range is not None:
        low, high = (end * card.answer.score_scale for end in card.answer.score_range)
    if threshold is not None and not low <= threshold <= high:
        raise ValueError(f"published_threshold {threshold:g} is outside the range of scores, {low:g} to {high:g}")
