"""Detect faces in an image: prepare the canvas, run the detector, decode its outputs, suppress duplicates, choose a face."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from facegap.errors import ModelError
from facegap.inputs.cards.decoders import Faces, Heads, decoders
from facegap.inputs.cards.schema import DetectorSpec, ModelCard
from facegap.inputs.images.decode import Pixels
from facegap.vision import tensors
from facegap.vision.ports import batch_limit, number_output, outputs_of, readable

ManyFaces = Literal["largest", "refuse", "centre"]
STRIDE = 32  # sides of a free-size detector's canvas are multiples of its coarsest stride
MOST_CANDIDATES = 5000  # kept before suppression; limits the work that a hostile model can cause


@dataclass(frozen=True)
class Detector:
    """A detector that is ready to run.

    outputs : names of the graph's outputs that its decoder reads; others are ignored
    """

    card: ModelCard
    session: Any
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Canvas:
    """The detector's input image, and the factors to convert its coordinates: image = canvas / (scale_x, scale_y).

    pixels : the image, at the top left of the canvas, which is otherwise black
    size   : width, height of the canvas
    """

    pixels: Pixels
    size: tuple[int, int]
    scale: tuple[float, float]


def detector(card: ModelCard, session: Any) -> Detector:
    """Check the inputs and outputs of a graph against its card.

    Raises
    ------
    ModelError : If an input or output does not match the card; the message names the key and a value that fits.
    """
    assert card.detector is not None
    batch_limit(session, card)
    names = decoders()[card.detector.decoder].outputs(card.detector)
    ports = [number_output(session, card, name, "detector.decoder") for name in names]
    if not names:  # identified by their shapes
        ports = [port for port in outputs_of(session) if readable(port)]
    return Detector(card, session, tuple(port.name for port in ports))


def detect(model: Detector, pixels: Pixels) -> Faces:
    """Return all faces at or above the card's score threshold, without duplicates, in image coordinates."""
    return detect_each(model, [pixels])[0]


def detect_each(model: Detector, pictures: Sequence[Pixels]) -> list[Faces]:
    """Detect faces in several images, each in a separate run of the model.

    Each step processes all images before the next, because running the model evicts code and images from the cache.
    """
    canvases = [prepare(pixels, model.card) for pixels in pictures]
    heads = heads_of(model, canvases)
    return [faces_in(model, *each) for each in zip(heads, canvases, pictures, strict=True)]


def faces_in(model: Detector, heads: Heads, canvas: Canvas, pixels: Pixels) -> Faces:
    """Return the faces of one image from the detector's outputs for its canvas."""
    spec = model.card.detector
    assert spec is not None
    found = suppress(above(decode(heads, spec, canvas.size, model.card.name), spec.score_threshold), spec.nms_iou)
    scale = np.array(canvas.scale)
    return plausible(Faces(found.boxes / np.tile(scale, 2), found.points / scale, found.scores), max(pixels.shape[:2]))


def candidates(model: Detector, canvas: Canvas) -> Faces:
    """Return the candidates of one canvas, in its coordinates."""
    (heads,) = heads_of(model, [canvas])
    assert model.card.detector is not None
    return decode(heads, model.card.detector, canvas.size, model.card.name)


def heads_of(model: Detector, canvases: Sequence[Canvas]) -> list[Heads]:
    """Return the outputs of the graph for each canvas, by name."""
    card = model.card
    assert card.input is not None
    made = [tensors.unmade([canvas.pixels], card.input, canvas.size) for canvas in canvases]
    return [
        dict(zip(model.outputs, outputs, strict=True))
        for outputs in tensors.run_all(model.session, card, model.outputs, made)
    ]


def prepare(pixels: Pixels, card: ModelCard) -> Canvas:
    """Put an image on the detector's canvas: stretched, or with its aspect ratio kept and black below and to the right."""
    assert card.input is not None and card.detector is not None
    height, width = pixels.shape[:2]
    target = card.input.size
    if card.detector.resize == "stretch":
        return Canvas(resized(pixels, target), target, (target[0] / width, target[1] / height))
    scale = min(target[0] / width, target[1] / height, card.input.enlargement_limit)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    free = (math.ceil(size[0] / STRIDE) * STRIDE, math.ceil(size[1] / STRIDE) * STRIDE)
    canvas = free if card.input.dynamic else target
    return Canvas(resized(pixels, size), canvas, (size[0] / width, size[1] / height))


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Resize bilinearly, as the authors of the supported detectors do."""
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def decode(heads: Heads, spec: DetectorSpec, size: tuple[int, int], name: str) -> Faces:
    """Return candidates in canvas coordinates from the card's decoder, which may omit those below the threshold.

    Raises
    ------
    ModelError : If the outputs do not have the shapes that this decoder reads.
    """
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # such candidates are not finite, and `above` removes them
            found = decoders()[spec.decoder].decode(heads, spec, size)
    except (KeyError, ValueError, IndexError) as error:
        shapes = ", ".join(f"{head} {value.shape}" for head, value in heads.items())
        widths = {head.shape[-1:] for head in heads.values()}
        pointless = spec.points and spec.decoder == "scrfd" and (4,) in widths and (10,) not in widths
        cure = "; it returns no points: write points = false" if pointless else ""
        raise ModelError(
            f"{name}: detector.{'points' if pointless else 'decoder'}: these outputs cannot be read as {spec.decoder}: "
            f"{shapes}{cure}"
        ) from error
    if not is_whole(found):
        raise ModelError(
            f"{name}: detector.decoder: {spec.decoder} did not return the same number of boxes, points and scores"
        )
    return found


def is_whole(found: Any) -> bool:
    """Return whether a decoder returned faces of the right shapes."""
    if not isinstance(found, Faces):
        return False
    count = len(found.scores)
    return (found.boxes.shape, found.points.shape, found.scores.shape) == ((count, 4), (count, 5, 2), (count,))


def above(faces: Faces, threshold: float) -> Faces:
    """Return the finite candidates with scores at or above the threshold, at most the MOST_CANDIDATES highest."""
    finite = np.isfinite(faces.boxes).all(axis=1) & np.isfinite(faces.scores)
    kept = np.flatnonzero(finite & (faces.scores >= threshold))
    return faces.take(kept[np.argsort(-faces.scores[kept], kind="stable")[:MOST_CANDIDATES]])


def plausible(faces: Faces, longer_side: int) -> Faces:
    """Return faces whose box has an area and is at most twice as large as the image, which limits the size of crops."""
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    return faces.take((sides > 0).all(axis=1) & (sides <= 2 * longer_side).all(axis=1))


def suppress(faces: Faces, iou: float) -> Faces:
    """Apply greedy non-maximum suppression: of boxes that overlap by more than `iou`, the highest score is kept."""
    if not len(faces):
        return faces
    corner_and_size = np.hstack([faces.boxes[:, :2], faces.boxes[:, 2:] - faces.boxes[:, :2]])
    kept = cv2.dnn.NMSBoxes(corner_and_size.tolist(), faces.scores.tolist(), 0.0, iou)
    return faces.take(np.asarray(kept, np.int64).reshape(-1))


def choose(faces: Faces, policy: ManyFaces, size: tuple[int, int]) -> int | None:
    """Return the index of the face to use; None if there are several and the policy is to refuse.

    size : width, height of the image. Ties go to the higher score.
    """
    if len(faces) > 1 and policy == "refuse":
        return None
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    if policy == "centre":
        distance = np.linalg.norm((faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 - np.array(size) / 2, axis=1)
        return int(np.argmin(distance))
    return int(np.argmax(sides[:, 0] * sides[:, 1]))
