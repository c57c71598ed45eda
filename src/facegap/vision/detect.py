"""Faces in a picture: prepare the canvas, run the detector, decode its heads, suppress doubles, choose one face."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np

from facegap.errors import ModelError
from facegap.inputs.cards.schema import DetectorSpec, ModelCard
from facegap.inputs.images.decode import Pixels
from facegap.types import AnyArray, FloatArray
from facegap.vision import tensors
from facegap.vision.ports import batch_limit, number_output, outputs_of, readable

ManyFaces = Literal["largest", "refuse", "centre"]
Heads = Mapping[str, AnyArray]
STRIDE = 32  # sides of a free-size detector's canvas are multiples of its coarsest stride
MOST_CANDIDATES = 5000  # kept before suppression; bounds the work that a hostile model can cause


@dataclass(frozen=True)
class Faces:
    """Faces of one picture by falling score.

    boxes : float64 (n, 4), x1, y1, x2, y2 in pixels; points : float64 (n, 5, 2), left and right eye, nose, left and
    right mouth corner as seen in the image, NaN where the detector gives none; scores : float64 (n,)
    """

    boxes: FloatArray
    points: FloatArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: Any) -> Faces:
        """The faces at an index array or mask."""
        return Faces(self.boxes[index], self.points[index], self.scores[index])


@dataclass(frozen=True)
class Detector:
    """A detector that is ready to run.

    outputs : names of the graph's outputs that its decoder reads; others may be anything
    """

    card: ModelCard
    session: Any
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Canvas:
    """What the detector sees, and the factors that bring its coordinates back: picture = canvas / (scale_x, scale_y)."""

    pixels: Pixels
    scale: tuple[float, float]


def detector(card: ModelCard, session: Any) -> Detector:
    """Check the ports of a graph against its card.

    Raises
    ------
    ModelError : an input or an output is not what the card says; the message names the key and what would fit
    """
    assert card.detector is not None
    batch_limit(session, card)
    names = named_outputs(card.detector)
    ports = [number_output(session, card, name, "detector.decoder") for name in names]
    if not names:  # told by their shapes
        ports = [port for port in outputs_of(session) if readable(port)]
    return Detector(card, session, tuple(port.name for port in ports))


def detect(model: Detector, pixels: Pixels) -> Faces:
    """All faces at or above the card's score threshold, doubles suppressed, in coordinates of the picture."""
    spec = model.card.detector
    assert spec is not None
    canvas = prepare(pixels, model.card)
    found = suppress(above(candidates(model, canvas), spec.score_threshold), spec.nms_iou)
    scale = np.array(canvas.scale)
    return plausible(Faces(found.boxes / np.tile(scale, 2), found.points / scale, found.scores), max(pixels.shape[:2]))


def candidates(model: Detector, canvas: Canvas) -> Faces:
    """What the decoder makes of one canvas, in its coordinates."""
    card, spec = model.card, model.card.detector
    assert card.input is not None and spec is not None
    outputs = tensors.run(model.session, card, model.outputs, tensors.to_tensor([canvas.pixels], card.input))
    heads = dict(zip(model.outputs, outputs, strict=True))
    height, width = canvas.pixels.shape[:2]
    return decode(heads, spec, (width, height), card.name)


def prepare(pixels: Pixels, card: ModelCard) -> Canvas:
    """The picture on the detector's canvas: stretched, or kept in shape with zeros below and to the right."""
    assert card.input is not None and card.detector is not None
    height, width = pixels.shape[:2]
    target = card.input.size
    if card.detector.resize == "stretch":
        return Canvas(resized(pixels, target), (target[0] / width, target[1] / height))
    scale = min(target[0] / width, target[1] / height, card.input.enlargement_limit)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    free = tuple(math.ceil(side / STRIDE) * STRIDE for side in size)
    columns, rows = free if card.input.dynamic else target
    canvas = np.zeros((rows, columns, 3), np.uint8)
    canvas[: size[1], : size[0]] = resized(pixels, size)
    return Canvas(canvas, (size[0] / width, size[1] / height))


def resized(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """Bilinear, as the authors of the detectors here do it."""
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_LINEAR), np.uint8)


def decode(heads: Heads, spec: DetectorSpec, size: tuple[int, int], name: str) -> Faces:
    """Candidates in canvas coordinates, by the decoder that the card names; it may leave out those under the threshold.

    Raises
    ------
    ModelError : the heads have other shapes than this decoder reads
    """
    try:
        with np.errstate(
            over="ignore", invalid="ignore"
        ):  # such candidates are not finite, and `above` leaves them out
            return DECODERS[spec.decoder](heads, spec, size)
    except (KeyError, ValueError, IndexError) as error:
        shapes = ", ".join(f"{head} {value.shape}" for head, value in heads.items())
        widths = {head.shape[-1:] for head in heads.values()}
        pointless = spec.points and spec.decoder == "scrfd" and (4,) in widths and (10,) not in widths
        cure = "; it gives no points: write points = false" if pointless else ""
        raise ModelError(
            f"{name}: detector.{'points' if pointless else 'decoder'}: these outputs cannot be read as {spec.decoder}: "
            f"{shapes}{cure}"
        ) from error


def cells(size: tuple[int, int], stride: int, anchors: int = 1) -> FloatArray:
    """Column and row of each cell of a stride's grid, row by row, each repeated per anchor: float64 (n, 2)."""
    columns, rows = math.ceil(size[0] / stride), math.ceil(size[1] / stride)
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    return np.repeat(grid, anchors, axis=0).astype(np.float64)


def decode_yunet(heads: Heads, spec: DetectorSpec, size: tuple[int, int]) -> Faces:
    """YuNet (libfacedetection.train): score = sqrt(cls * obj), centre = (cell + b) s, size = exp(b) s, point = (k + cell) s.

    Cells under the threshold are left out before their boxes are computed: of 8,400 cells a handful is not.
    """
    boxes, points, scores = [], [], []
    for stride in spec.strides:
        cls, obj = (heads[f"{kind}_{stride}"].reshape(-1).astype(np.float64) for kind in ("cls", "obj"))
        score = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
        kept = score >= spec.score_threshold
        cell = cells(size, stride)[kept]
        box = heads[f"bbox_{stride}"].reshape(-1, 4)[kept].astype(np.float64)
        centre, half = (cell + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride / 2
        boxes.append(np.hstack([centre - half, centre + half]))
        points.append(
            (heads[f"kps_{stride}"].reshape(-1, 5, 2)[kept] + cell[:, None]) * stride
            if spec.points
            else no_points(len(cell))
        )
        scores.append(score[kept])
    return Faces(np.concatenate(boxes), np.concatenate(points), np.concatenate(scores))


def decode_ultraface(heads: Heads, spec: DetectorSpec, size: tuple[int, int]) -> Faces:  # noqa: ARG001
    """UltraFace: scores (n, background | face), boxes (n, 4) as shares of width and height; no points."""
    boxes = heads["boxes"].reshape(-1, 4).astype(np.float64) * np.tile(np.array(size, np.float64), 2)
    scores = heads["scores"].reshape(-1, 2)[:, 1].astype(np.float64)
    return Faces(boxes, no_points(len(boxes)), scores)


def no_points(faces: int) -> FloatArray:
    """The points of faces whose detector gives none: float64 (faces, 5, 2), NaN."""
    return np.full((faces, 5, 2), np.nan)


def decode_scrfd(heads: Heads, spec: DetectorSpec, size: tuple[int, int]) -> Faces:
    """SCRFD (InsightFace): left, top, right, bottom and point offsets in strides from the cell's corner.

    Its exports name outputs by number, so each map is told by its last axis (1, 4, 10) and its length. The length also says
    whether a cell has one anchor or two. Maps of points are read only where the card says that there are any.
    """
    anchors = anchors_of(heads, spec, size)
    boxes, points, scores = [], [], []
    for stride in spec.strides:
        corner = cells(size, stride, anchors) * stride
        score, box = (map_of(heads, len(corner), width) for width in (1, 4))
        boxes.append(np.hstack([corner - box[:, :2] * stride, corner + box[:, 2:] * stride]))
        if spec.points:
            point = map_of(heads, len(corner), 10).reshape(-1, 5, 2)
            points.append(corner[:, None] + point * stride)
        else:
            points.append(no_points(len(corner)))
        scores.append(score[:, 0])
    return Faces(np.concatenate(boxes), np.concatenate(points), np.concatenate(scores))


def anchors_of(heads: Heads, spec: DetectorSpec, size: tuple[int, int]) -> int:
    """How many anchors a cell has: two, or one, whichever gives every stride a map of scores."""
    (found,) = (
        anchors
        for anchors in (2, 1)
        if all(has_map(heads, len(cells(size, stride, anchors)), 1) for stride in spec.strides)
    )
    return found


def has_map(heads: Heads, length: int, width: int) -> bool:
    """Whether an output has `length` rows of `width` values."""
    return any(head.shape[-1:] == (width,) and head.size == length * width for head in heads.values())


def map_of(heads: Heads, length: int, width: int) -> FloatArray:
    """The output with `length` rows of `width` values, float64 (length, width)."""
    (found,) = (head for head in heads.values() if head.shape[-1:] == (width,) and head.size == length * width)
    return found.reshape(length, width).astype(np.float64)


DECODERS: dict[str, Callable[[Heads, DetectorSpec, tuple[int, int]], Faces]] = {
    "yunet": decode_yunet,
    "ultraface": decode_ultraface,
    "scrfd": decode_scrfd,
}


def named_outputs(spec: DetectorSpec) -> list[str]:
    """The outputs that a decoder finds by name; none where it tells them by shape."""
    if spec.decoder == "yunet":
        kinds = ("cls", "obj", "bbox", "kps") if spec.points else ("cls", "obj", "bbox")
        return [f"{kind}_{stride}" for kind in kinds for stride in spec.strides]
    return ["scores", "boxes"] if spec.decoder == "ultraface" else []


def above(faces: Faces, threshold: float) -> Faces:
    """Candidates with finite numbers and a score at or above the threshold, the highest MOST_CANDIDATES of them."""
    finite = np.isfinite(faces.boxes).all(axis=1) & np.isfinite(faces.scores)
    kept = faces.take(finite & (faces.scores >= threshold))
    return kept.take(np.argsort(-kept.scores, kind="stable")[:MOST_CANDIDATES])


def plausible(faces: Faces, longer_side: int) -> Faces:
    """Faces with a box that has an area and is at most twice as large as the picture: crops must stay bounded."""
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    return faces.take((sides > 0).all(axis=1) & (sides <= 2 * longer_side).all(axis=1))


def suppress(faces: Faces, iou: float) -> Faces:
    """Greedy non-maximum suppression: of boxes that overlap by more than `iou` the highest score stays."""
    if not len(faces):
        return faces
    corner_and_size = np.hstack([faces.boxes[:, :2], faces.boxes[:, 2:] - faces.boxes[:, :2]])
    kept = cv2.dnn.NMSBoxes(corner_and_size.tolist(), faces.scores.tolist(), 0.0, iou)
    return faces.take(np.asarray(kept, np.int64).reshape(-1))


def choose(faces: Faces, policy: ManyFaces, size: tuple[int, int]) -> int | None:
    """Index of the face that stands for the picture; None where there are several and the policy is to refuse.

    size : width, height of the picture. Ties go to the higher score.
    """
    if len(faces) > 1 and policy == "refuse":
        return None
    sides = faces.boxes[:, 2:] - faces.boxes[:, :2]
    if policy == "centre":
        distance = np.linalg.norm((faces.boxes[:, :2] + faces.boxes[:, 2:]) / 2 - np.array(size) / 2, axis=1)
        return int(np.argmin(distance))
    return int(np.argmax(sides[:, 0] * sides[:, 1]))
