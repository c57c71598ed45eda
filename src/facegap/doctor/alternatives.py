"""Alternative settings of a card, each with one setting changed."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from facegap.doctor.sample import attack_detection
from facegap.inputs.cards.schema import InputSpec, ModelCard

Aspect = Literal["the card", "colour", "scale", "alignment", "crop", "interpolation", "classes", "years"]
Points = tuple[tuple[float, float], ...]

# Left eye, right eye, nose, left and right mouth corner as seen in the image, as fractions of the side of a square crop.
TEMPLATES: Mapping[str, Points] = {
    # ArcFace (Deng et al., CVPR 2019), published for a crop of 112 x 112.
    "ArcFace": tuple(
        (x / 112, y / 112)
        for x, y in ((38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041))
    ),
    # face-reidentification-retail-0095 of the Open Model Zoo, published as fractions.
    "Open Model Zoo": (
        (0.31556875, 0.46157411),
        (0.68262292, 0.46157411),
        (0.5002625, 0.64050536),
        (0.34947187, 0.82469196),
        (0.65343645, 0.82469196),
    ),
}
ZOOMS = {"face 10% smaller in the crop": 0.9, "face 10% larger in the crop": 1.1}
BOX_MARGINS = (0.0,)  # of the unaligned box
CROP_FACTORS = (1.0, 2.7, 4.0)  # MiniFASNet uses 2.7 and 4
CROP_MARGINS = (0.0, 0.05, 0.1, 0.2, 0.3, 0.4)
SAME_SHARE = 0.02  # of the range; smaller differences are ignored, such as / 127.5 and / 128
IMAGENET_MEAN, IMAGENET_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)  # red, green, blue, in 0..1
SCALES: Mapping[str, tuple[tuple[float, ...], tuple[float, ...]]] = {  # mean and scale of red, green, blue
    "0..255": ((0.0,) * 3, (1.0,) * 3),
    "0..1": ((0.0,) * 3, (1 / 255,) * 3),
    "-1..1": ((127.5,) * 3, (1 / 127.5,) * 3),
    "ImageNet's mean and standard deviation": (
        tuple(255 * mean for mean in IMAGENET_MEAN),
        tuple(1 / (255 * deviation) for deviation in IMAGENET_DEVIATION),
    ),
    "0..255 minus 123, 117, 104": ((123.0, 117.0, 104.0), (1.0,) * 3),  # of Caffe's models
}


@dataclass(frozen=True)
class Variant:
    """Settings to be evaluated.

    aspect, setting : which setting differs from the card, and its new value
    card            : the card with the change
    box_margin      : margin of the detector's box if it is used, unaligned, instead of the card's template; otherwise None
    """

    aspect: Aspect
    setting: str
    card: ModelCard
    box_margin: float | None = None

    @property
    def name(self) -> str:
        """The name in tables and sentences."""
        return self.setting if self.aspect == "the card" else f"{self.aspect} {self.setting}"


def variants(card: ModelCard, *, age: bool = False) -> tuple[Variant, ...]:
    """The card itself, then every card with one setting changed that applies to its kind of model.

    age : evaluate the ages of a classifier, not its classes
    """
    makers: tuple[Callable[[ModelCard], list[Variant]], ...]
    if card.task == "embed":
        makers = (colours, scales, templates, zooms, boxes, interpolations)
    elif card.task == "quality":
        makers = (colours, scales, templates if card.alignment else margins, interpolations)
    elif attack_detection(card) is not None and not card.gender_classes and not age:
        makers = (
            scales,
            shifted_crops,
        )  # bona fide portraits alone cannot test colour order, see sample.ACCEPTED_MATTERS
    else:
        makers = (colours, scales, margins, interpolations, years if age else class_orders)
    return (Variant("the card", "as the card says", card), *(found for make in makers for found in make(card)))


def colours(card: ModelCard) -> list[Variant]:
    """Red and blue exchanged, each with its own mean and scale; empty for a greyscale model."""
    spec = given_input(card)
    other: dict[str, Literal["RGB", "BGR"]] = {"RGB": "BGR", "BGR": "RGB"}
    if spec.colour not in other:
        return []
    new = other[spec.colour]
    return [Variant("colour", new, with_input(card, colour=new, mean=spec.mean[::-1], scale=spec.scale[::-1]))]


def scales(card: ModelCard) -> list[Variant]:
    """Other ranges of the input values; empty if the graph takes bytes."""
    spec = given_input(card)
    if spec.dtype == "uint8":
        return []
    found: list[Variant] = []
    for name in SCALES:
        values = in_order(name, spec.colour)
        if values is not None and not same_values(spec, *values):
            found.append(Variant("scale", name, with_input(card, mean=values[0], scale=values[1])))
    return found


def in_order(name: str, colour: str) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Mean and scale of a range in a model's colour order; None if a greyscale model cannot use a range that needs colours."""
    mean, scale = SCALES[name]
    if colour == "GREY":
        return (mean[:1], scale[:1]) if len(set(mean)) == 1 else None
    return (mean[::-1], scale[::-1]) if colour == "BGR" else (mean, scale)


def same_values(spec: InputSpec, mean: Sequence[float], scale: Sequence[float]) -> bool:
    """Whether a mean and scale map black and white to the card's values, within SAME_SHARE of the range."""
    ends = [
        (np.array([[0.0], [255.0]]) - np.array(means)) * np.array(factors)
        for means, factors in ((spec.mean, spec.scale), (mean, scale))
    ]
    span = float(np.abs(ends[0][1] - ends[0][0]).max())
    return bool(np.abs(ends[0] - ends[1]).max() <= SAME_SHARE * span)


def templates(card: ModelCard) -> list[Variant]:
    """Other published positions of the five points."""
    width, height = given_input(card).size
    own = np.array(given_template(card))
    placed = {name: placed_points(points, width, height) for name, points in TEMPLATES.items()}
    return [
        Variant("alignment", f"{name} template", with_template(card, points))
        for name, points in placed.items()
        if np.abs(np.array(points) - own).max() > 0.005 * height and inside(points, width, height)
    ]


def zooms(card: ModelCard) -> list[Variant]:
    """The card's template, scaled towards or away from the centre of the crop."""
    width, height = given_input(card).size
    centre, own = np.array([width / 2, height / 2]), np.array(given_template(card))
    moved = {name: as_points(centre + (own - centre) * factor) for name, factor in ZOOMS.items()}
    return [
        Variant("alignment", name, with_template(card, points))
        for name, points in moved.items()
        if inside(points, width, height)
    ]


def boxes(card: ModelCard) -> list[Variant]:
    """The detector's box without alignment."""
    return [Variant("alignment", f"none, box with margin {margin:g}", card, margin) for margin in BOX_MARGINS]


def margins(card: ModelCard) -> list[Variant]:
    """Other margins around the detector's box."""
    assert card.crop is not None
    if card.crop.rule != "square":
        return []
    own = card.crop.margin
    return [
        Variant(
            "crop",
            f"margin {margin:g}",
            card.model_copy(update={"crop": card.crop.model_copy(update={"margin": margin})}),
        )
        for margin in CROP_MARGINS
        if abs(margin - own) > 1e-9
    ]


def shifted_crops(card: ModelCard) -> list[Variant]:
    """The box in its own aspect ratio, enlarged by the factors of published liveness models."""
    assert card.crop is not None
    own = card.crop.factor if card.crop.rule == "shifted" else math.nan
    return [
        Variant(
            "crop",
            f"shifted, factor {factor:g}",
            card.model_copy(
                update={
                    "crop": card.crop.model_copy(update={"rule": "shifted", "factor": factor, "margin": 0.0}),
                }
            ),
        )
        for factor in CROP_FACTORS
        if factor != own
    ]


def interpolations(card: ModelCard) -> list[Variant]:
    """The other interpolation of the crop."""
    table = "alignment" if card.alignment is not None else "crop"
    spec = card.alignment or card.crop
    assert spec is not None
    other = "bicubic" if spec.interpolation == "bilinear" else "bilinear"
    changed = spec.model_copy(update={"interpolation": other})
    return [Variant("interpolation", other, card.model_copy(update={table: changed}))]


def class_orders(card: ModelCard) -> list[Variant]:
    """Two gender classes exchanged; with more classes, a wrong order shows as an accuracy near chance."""
    gender = card.outputs.gender
    if gender is None or len(gender.classes) != 2:
        return []
    classes = gender.classes[::-1]
    changed = card.outputs.model_copy(update={"gender": gender.model_copy(update={"classes": classes})})
    return [Variant("classes", f"{classes[0]}, {classes[1]}", card.model_copy(update={"outputs": changed}))]


def years(card: ModelCard) -> list[Variant]:
    """Ages in hundreds of years, or in years; age bins have no scale."""
    age = card.outputs.age
    if age is None or age.kind != "years":
        return []
    return [
        Variant(
            "years",
            f"value * {scale:g}",
            card.model_copy(
                update={"outputs": card.outputs.model_copy(update={"age": age.model_copy(update={"scale": scale})})}
            ),
        )
        for scale in (1.0, 100.0)
        if scale != age.scale
    ]


# ---- parts of a card ----


def given_input(card: ModelCard) -> InputSpec:
    """The input table, which every ONNX card has."""
    assert card.input is not None
    return card.input


def given_template(card: ModelCard) -> Points:
    """The template, which every embedder's card has."""
    assert card.alignment is not None
    return card.alignment.template


def with_input(card: ModelCard, **changes: Any) -> ModelCard:
    """The card with some keys of [input] changed."""
    return card.model_copy(update={"input": given_input(card).model_copy(update=changes)})


def with_template(card: ModelCard, points: Points) -> ModelCard:
    """The card with another template."""
    assert card.alignment is not None
    return card.model_copy(update={"alignment": card.alignment.model_copy(update={"template": points})})


def placed_points(points: Points, width: int, height: int) -> Points:
    """A square template on a crop of any shape: scaled to the height and centred horizontally."""
    return as_points(np.array(points) * height + np.array([(width - height) / 2, 0.0]))


def as_points(values: Any) -> Points:
    """An array (5, 2) as stored on a card, rounded to 0.0001 pixel."""
    return tuple((round(float(x), 4), round(float(y), 4)) for x, y in values)


def inside(points: Points, width: int, height: int) -> bool:
    """Whether all points lie inside the crop, as a card requires."""
    return all(0 <= x <= width and 0 <= y <= height for x, y in points)
