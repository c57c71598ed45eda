"""Checks that the requested models can be audited together."""

from __future__ import annotations

from collections.abc import Mapping

from facegap.audit.settings import ALIGNED, NO_DETECT, AuditSettings
from facegap.errors import ModelError
from facegap.inputs.cards.schema import ModelCard, Task
from facegap.inputs.points import GivenPoints
from facegap.vision.find import WholePicture, misfit, require_boxes
from facegap.vision.service.wire import read_key

TASKS: tuple[Task, ...] = ("detect", "embed", "classify", "quality")


def require_a_task(settings: AuditSettings) -> None:
    """Raise ModelError unless the audit evaluates a model, or detection alone was requested."""
    detect, classify, embed = settings.detect, settings.classify, settings.embed
    detect_only = settings.models.detect_only
    if detect_only and (classify is not None or embed is not None):
        raise ModelError("--detect-only audits the detector alone; omit it, or omit --classify and --embed")
    if detect_only and (detect in (NO_DETECT, ALIGNED) or settings.faces.points is not None):
        said = "--points is given" if settings.faces.points is not None else f"--detect is {detect}"
        raise ModelError(f"--detect-only needs a detector, but {said}")
    if not detect_only and classify is None and embed is None:
        raise ModelError(
            "nothing to audit: give a classifier with --classify (is the predicted gender or age correct?), an "
            "embedder with --embed (are two images of a person recognised?), or a verification service with "
            "--verify-service; --detect-only audits "
            "the detector alone. facegap models lists the cards"
        )


def require_fitting(cards: Mapping[Task, ModelCard], faces: WholePicture | GivenPoints | None = None) -> None:
    """Raise ModelError for models that cannot work together, CardError for a service whose key is not set."""
    detect, embed, classify, quality = (cards.get(task) for task in TASKS)
    if faces is not None:
        require_given(cards, faces)
        return
    if embed is not None and embed.backend == "http":
        if detect is not None or classify is not None or quality is not None:
            raise ModelError(
                f"{embed.name}: a black-box service detects faces itself and is audited alone; use --detect "
                f"{NO_DETECT}, without "
                "--classify and without a model for --quality"
            )
        read_key(embed)
        return
    if quality is not None and detect is None:
        raise ModelError(f"--quality {quality.name}: needs faces, but --detect {NO_DETECT} finds none; give a detector")
    if classify is not None and classify.backend == "http":
        read_key(classify)
    elif detect is None:
        raise ModelError(f"--detect {NO_DETECT} is for a black-box service that detects faces itself; give a detector")
    for card in (embed, quality):
        if card is not None and card.alignment and not (detect and detect.detector and detect.detector.points):
            said = f"{detect.name} returns boxes only" if detect else f"--detect {NO_DETECT} finds nothing"
            raise ModelError(f"{said}, but --{card.task} {card.name} needs five points; use --detect yunet")


def require_given(cards: Mapping[Task, ModelCard], faces: WholePicture | GivenPoints) -> None:
    """Raise ModelError for models that cannot use faces without a detector."""
    embed, classify = cards.get("embed"), cards.get("classify")
    for card in (embed, classify):
        if card is not None and card.backend == "http":
            raise ModelError(
                f"{card.name}: a black-box service detects faces itself; use --detect {NO_DETECT}, without --points"
            )
    cropping = [card for card in cards.values() if card.crop is not None]
    if isinstance(faces, GivenPoints):
        for card in cropping:
            require_boxes(faces, card)
        return
    aligning = [card for card in cards.values() if card.alignment is not None]
    for one in aligning:
        assert one.input is not None
        for other in (*aligning, *cropping):
            if other is not one and (said := misfit(*one.input.size, other)):
                raise ModelError(
                    f"--detect aligned: an image that is the crop of {one.name} {said}; audit the two models separately"
                )
