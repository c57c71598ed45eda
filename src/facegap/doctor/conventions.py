"""Published input conventions of face models, most common first; used to choose between equally good settings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from facegap.doctor.alternatives import (
    TEMPLATES,
    Points,
    given_input,
    given_template,
    in_order,
    placed_points,
    same_values,
)
from facegap.inputs.cards.schema import ModelCard

SAME_POINTS = 0.005  # of the height; smaller differences between templates are ignored


@dataclass(frozen=True)
class Convention:
    """How models of one family expect their input.

    name   : name of the family
    colour : order of the channels
    scale  : name in alternatives.SCALES
    points : name in alternatives.TEMPLATES; empty for classifiers, whose crops follow no common rule
    """

    name: str
    task: Literal["embed", "classify"]
    colour: Literal["RGB", "BGR", "GREY"]
    scale: str
    points: str = ""


CONVENTIONS: Sequence[Convention] = (
    Convention("ArcFace and related models", "embed", "RGB", "-1..1", "ArcFace"),
    Convention("ArcFace and related models, scaled inside the graph", "embed", "RGB", "0..255", "ArcFace"),
    Convention("AdaFace", "embed", "BGR", "-1..1", "ArcFace"),
    Convention("Open Model Zoo", "embed", "BGR", "0..255", "Open Model Zoo"),
    Convention("torchvision", "classify", "RGB", "ImageNet's mean and standard deviation"),
    Convention("scaled inside the graph", "classify", "RGB", "0..255"),
    Convention("Caffe", "classify", "BGR", "0..255 minus 123, 117, 104"),
    Convention("Open Model Zoo", "classify", "BGR", "0..255"),
    Convention("Keras", "classify", "GREY", "-1..1"),
)


def convention_rank(card: ModelCard, box_margin: float | None = None) -> int:
    """Index in CONVENTIONS of the first convention that a card follows; len(CONVENTIONS) if it follows none.

    box_margin : None, or the margin of an unaligned box, which no embedder in CONVENTIONS uses
    """
    found = (k for k, one in enumerate(CONVENTIONS) if box_margin is None and follows(card, one))
    return next(found, len(CONVENTIONS))


def convention_name(card: ModelCard, box_margin: float | None = None) -> str:
    """The family whose convention a card follows; empty if it follows none."""
    rank = convention_rank(card, box_margin)
    return CONVENTIONS[rank].name if rank < len(CONVENTIONS) else ""


def follows(card: ModelCard, one: Convention) -> bool:
    """Whether a card follows this convention, with OpenCV's default bilinear interpolation."""
    spec = given_input(card)
    place = card.alignment or card.crop
    if card.task != one.task or spec.colour != one.colour or place is None or place.interpolation != "bilinear":
        return False
    values = in_order(one.scale, spec.colour)
    if spec.dtype == "uint8":
        return one.scale == "0..255" and on_template(card, one.points)
    return values is not None and same_values(spec, *values) and on_template(card, one.points)


def on_template(card: ModelCard, name: str) -> bool:
    """Whether a card's points are those of a published template; always true for a card without a template."""
    if not name:
        return True
    width, height = given_input(card).size
    published: Points = placed_points(TEMPLATES[name], width, height)
    return bool(np.abs(np.array(published) - np.array(given_template(card))).max() <= SAME_POINTS * height)
