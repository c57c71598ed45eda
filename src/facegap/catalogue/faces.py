"""Check that aligned crops and given points fit the images of a manifest, when no detector is used."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facegap.audit.models import choose_models, given_faces
from facegap.audit.settings import ALIGNED, AuditSettings
from facegap.errors import SettingError, TableError
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.images.decode import Pixels
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.points import GivenPoints, require_shared
from facegap.vision.find import WholePicture, find_faces, misfit

MOST_NAMED = 5


@dataclass(frozen=True, eq=False)
class GivenFaces:
    """Faces that are given rather than detected, and the cards that aligned crops must fit."""

    faces: WholePicture | GivenPoints
    cards: tuple[ModelCard, ...]

    def wrong_with(self, image: str, pixels: Pixels) -> str:
        """Describe what is wrong with the face of an image, as the predicate of a sentence; empty if nothing is."""
        if isinstance(self.faces, WholePicture):
            height, width = pixels.shape[:2]
            return next((fault for card in self.cards if (fault := misfit(width, height, card))), "")
        try:
            found = find_faces(self.faces, image, pixels)
        except TableError as error:
            return f"has no usable points: {error}"
        return "" if len(found) else MISSING

    def counts(self, wrong: Sequence[str]) -> tuple[tuple[str, int], ...]:
        """Return rows for a table of counts."""
        if isinstance(self.faces, WholePicture):
            return (("images that do not fit the models", sum(map(bool, wrong))),)
        return (
            ("images without points", wrong.count(MISSING)),
            ("images with points outside", sum(fault not in ("", MISSING) for fault in wrong)),
        )

    def problem(self, wrong: Sequence[str], manifest: Manifest, *, include_ids: bool) -> str:
        """Explain in one paragraph why an audit would stop; empty if it would not. An image without points does not stop it."""
        lines, names = manifest.frame["line"].tolist(), manifest.frame["image"].tolist()
        rows: dict[str, list[int]] = {}  # images of the same size share a sentence
        for row, fault in enumerate(wrong):
            if fault not in ("", MISSING):
                rows.setdefault(fault, []).append(row)
        sentences = []
        for fault, same in list(rows.items())[:MOST_NAMED]:
            image = repr(names[same[0]]) if include_ids else "the image"
            others = f" (and {len(same) - 1:,} more images)" if len(same) > 1 else ""
            sentences.append(f"Line {lines[same[0]]}{others}: {image} {fault}.")
        further = sum(map(len, rows.values())) - sum(map(len, list(rows.values())[:MOST_NAMED]))
        return " ".join([*sentences, *([f"And {further:,} more images."] if further else [])])


MISSING = "has no points"


def faces_of(settings: AuditSettings, manifest: Manifest) -> GivenFaces | None:
    """Return the faces given by the settings; None if a detector is used.

    Raises
    ------
    SettingError : If crops are aligned but no card is given to check them against.
    """
    if settings.detect == ALIGNED:
        cards = choose_models(settings).cards
        if not cards:
            raise SettingError(
                "--detect aligned: give the models for which the crops were made, with --embed, --classify or --quality"
            )
        return GivenFaces(WholePicture(), tuple(cards.values()))
    faces = given_faces(settings)
    if faces is None:
        return None
    assert isinstance(faces, GivenPoints)
    require_shared(faces, manifest.frame["image"].tolist(), manifest.name)
    choose_models(settings)  # a model that crops around a box cannot use points alone
    return GivenFaces(faces, ())
