"""Checks before the first image for what an audit of images does not support: videos, mixed units, requests to a service.

Imports are inside the functions, as in run.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facegap.audit.resolved import ResolvedAudit
    from facegap.audit.settings import AuditSettings
    from facegap.inputs.manifests.read import Manifest


def require_one_unit(table: Manifest, settings: AuditSettings) -> None:
    """Raise TableError if a classifier, which evaluates images, would run on a manifest with pooled templates."""
    from facegap.errors import TableError
    from facegap.tables import TEMPLATE

    if table.members is not None and settings.classify is not None:
        raise TableError(
            f"{table.name} line 1, column {TEMPLATE}: --embed compares templates, but --classify evaluates single "
            f"images; run two separate audits (an audit with --classify alone uses each image separately)"
        )


def require_no_video(table: Manifest, settings: AuditSettings) -> None:
    """Raise TableError, with the line, for a video in an audit that does not pool the frames of a template.

    A file of points has one row per image and no points for the frames of a video.
    """
    from facegap.errors import TableError
    from facegap.inputs.videos.read import is_video

    if settings.embed is not None and settings.faces.points is None:
        return
    why = "only --embed accepts videos, by pooling their frames"
    if settings.faces.points is not None:
        why = "--points gives the face of an image, not of each frame"
    images = table.by_image.frame
    for image, line in zip(images["image"], images["line"], strict=True):
        if is_video(str(image)):
            raise TableError(
                f"{table.name} line {line}, column image: {image!r} is a video, and {why}; exclude the row with "
                f"--where, or give single frames as images"
            )


def require_askable(resolved: ResolvedAudit) -> None:
    """Raise an error for what a service that embeds does not support: a threshold set, frames of videos, mirrored images."""
    from facegap.errors import SettingError, TableError
    from facegap.inputs.videos.read import is_video

    card, settings = resolved.models.cards.get("embed"), resolved.settings
    if card is None or card.backend != "http":
        return
    for name, given in (("--threshold-on", resolved.threshold_set is not None), ("--flip", settings.models.flip)):
        if given:
            raise SettingError(
                f"{card.name} is a black-box service, which receives the images of the manifest unchanged; omit {name}"
            )
    images = resolved.manifest.by_image.frame
    for image, line in zip(images["image"], images["line"], strict=True):
        if is_video(str(image)):
            raise TableError(
                f"{resolved.manifest.name} line {line}, column image: {image!r} is a video; a service is sent images"
            )


def require_same_functions(folder: Path, settings: AuditSettings) -> None:
    """Raise RunError if a run with a Python function as a model is to be resumed, as the function may have changed."""
    from facegap.audit.settings import CallableModel
    from facegap.errors import RunError

    for model in (settings.embed, settings.classify):
        if isinstance(model, CallableModel):
            raise RunError(
                f"{folder}: the model {model.name} is a Python function, and a record cannot show whether it has "
                f"changed; choose another folder"
            )
