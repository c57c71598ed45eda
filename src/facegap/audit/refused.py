"""What an audit of images cannot take, refused before the first image: videos, mixed units, questions that a service cannot be asked.

Imports stand inside the functions, as in run.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from facegap.audit.resolved import ResolvedAudit
    from facegap.audit.settings import AuditSettings
    from facegap.inputs.manifests.read import Manifest


def require_one_unit(table: Manifest, settings: AuditSettings) -> None:
    """Raise TableError where a classifier, which judges images, would run beside templates that are pooled from them."""
    from facegap.errors import TableError
    from facegap.tables import TEMPLATE

    if table.members is not None and settings.classify is not None:
        raise TableError(
            f"{table.name} line 1, column {TEMPLATE}: --embed compares templates, but --classify evaluates single "
            f"images; run two separate audits (an audit with --classify alone uses each image separately)"
        )


def require_no_video(table: Manifest, settings: AuditSettings) -> None:
    """Raise TableError, by line, for a video that this audit cannot take: only frames of a template are pooled.

    A file of points has one row per image, and says nothing of the frames of a video.
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
    """Raise for what a service that embeds cannot be asked: other people's images, frames of videos, mirrored images."""
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
    """Raise RunError for a run to be resumed with a function as a model: nothing says that it is still the same."""
    from facegap.audit.settings import CallableModel
    from facegap.errors import RunError

    for model in (settings.embed, settings.classify):
        if isinstance(model, CallableModel):
            raise RunError(
                f"{folder}: the model {model.name} is a Python function, and a record cannot show whether it has "
                f"changed; choose another folder"
            )
