"""Decoders convert the outputs of a detector's graph to boxes, points and scores. A card names one of them.

Packages add decoders with entry points of the group facegap.decoders, see docs/extending.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from facegap.plugins import extended
from facegap.types import AnyArray, FloatArray

if TYPE_CHECKING:
    from facegap.inputs.cards.schema import DetectorSpec

Heads = Mapping[str, AnyArray]  # outputs of the graph by name


@dataclass(frozen=True)
class Faces:
    """Faces of one image by descending score.

    boxes : float64 (n, 4), x1, y1, x2, y2 in pixels; points : float64 (n, 5, 2), left and right eye, nose, left and
    right mouth corner as seen in the image, NaN if the detector gives none; scores : float64 (n,)
    """

    boxes: FloatArray
    points: FloatArray
    scores: FloatArray

    def __len__(self) -> int:
        return len(self.scores)

    def take(self, index: Any) -> Faces:
        """Select faces by an index array or mask."""
        return Faces(self.boxes[index], self.points[index], self.scores[index])


@dataclass(frozen=True)
class Decoder:
    """One layout of detector outputs.

    decode        : from outputs by name, the card's [detector] and the canvas (width, height) to faces in pixels of the
                    canvas; it may omit those below the score threshold. KeyError, ValueError and IndexError mean that the
                    outputs have another layout
    outputs       : names of the outputs that it reads, from the card's [detector]; empty if it identifies them by shape
    needs_strides : whether the card must state strides
    gives_points  : whether it can return five points per face
    """

    decode: Callable[[Heads, DetectorSpec, tuple[int, int]], Faces]
    outputs: Callable[[DetectorSpec], Sequence[str]]
    needs_strides: bool
    gives_points: bool


def cells(size: tuple[int, int], stride: int, anchors: int = 1) -> FloatArray:
    """Return the column and row of each cell of a stride's grid, row by row, repeated per anchor, float64 (n, 2)."""
    columns, rows = math.ceil(size[0] / stride), math.ceil(size[1] / stride)
    grid = np.stack(np.meshgrid(np.arange(columns), np.arange(rows)), axis=-1).reshape(-1, 2)
    return np.repeat(grid, anchors, axis=0).astype(np.float64)


def decode_yunet(heads: Heads, spec: DetectorSpec, size: tuple[int, int]) -> Faces:
    """Decode YuNet (libfacedetection.train): score = sqrt(cls * obj), centre = (cell + b) s, size = exp(b) s, point = (k + cell) s.

    Cells below the threshold are removed before their boxes are computed, because only a handful of 8,400 reach it. If a score
    reaches the threshold, both of its factors are at least the square of the threshold, up to rounding.
    """
    boxes, points, scores = [np.empty((0, 4))], [no_points(0)], [np.empty(0)]
    shapes = {"cls": (-1,), "obj": (-1,), "bbox": (-1, 4)} | ({"kps": (-1, 5, 2)} if spec.points else {})
    least = np.float32(spec.score_threshold**2 * (1 - 1e-5)) if spec.score_threshold > 0 else -np.inf
    for stride in spec.strides:
        maps = {kind: heads[f"{kind}_{stride}"].reshape(shape) for kind, shape in shapes.items()}
        columns, rows = math.ceil(size[0] / stride), math.ceil(size[1] / stride)
        if any(len(values) != columns * rows for values in maps.values()):
            raise ValueError(f"not {columns * rows} cells at stride {stride}")
        cls, obj = maps["cls"], maps["obj"]
        likely = np.flatnonzero((cls >= least) & (obj >= least))
        if not len(likely):
            continue
        cls, obj = cls[likely].astype(np.float64), obj[likely].astype(np.float64)
        score = np.sqrt(np.clip(cls, 0, 1) * np.clip(obj, 0, 1))
        reached = score >= spec.score_threshold
        kept, score = likely[reached], score[reached]
        cell = np.stack([kept % columns, kept // columns], axis=-1).astype(np.float64)
        box = maps["bbox"][kept].astype(np.float64)
        centre, half = (cell + box[:, :2]) * stride, np.exp(box[:, 2:]) * stride / 2
        boxes.append(np.hstack([centre - half, centre + half]))
        points.append((maps["kps"][kept] + cell[:, None]) * stride if spec.points else no_points(len(cell)))
        scores.append(score)
    return Faces(np.concatenate(boxes), np.concatenate(points), np.concatenate(scores))


def decode_ultraface(heads: Heads, spec: DetectorSpec, size: tuple[int, int]) -> Faces:  # noqa: ARG001
    """Decode UltraFace: scores (n, background | face), boxes (n, 4) as proportions of width and height; no points."""
    boxes = heads["boxes"].reshape(-1, 4).astype(np.float64) * np.tile(np.array(size, np.float64), 2)
    scores = heads["scores"].reshape(-1, 2)[:, 1].astype(np.float64)
    return Faces(boxes, no_points(len(boxes)), scores)


def no_points(faces: int) -> FloatArray:
    """Return NaN points, float64 (faces, 5, 2), for a detector without points."""
    return np.full((faces, 5, 2), np.nan)


def decode_scrfd(heads: Heads, spec: DetectorSpec, size: tuple[int, int]) -> Faces:
    """Decode SCRFD (InsightFace): left, top, right, bottom and point offsets in strides from the cell's corner.

    Its exports number the outputs, so each map is identified by its last axis (1, 4, 10) and its length. The length also
    determines whether a cell has one anchor or two. Point maps are read only if the card states that there are any.
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
    """Return the number of anchors per cell: two or one, whichever gives every stride a score map."""
    (found,) = (
        anchors
        for anchors in (2, 1)
        if all(has_map(heads, len(cells(size, stride, anchors)), 1) for stride in spec.strides)
    )
    return found


def has_map(heads: Heads, length: int, width: int) -> bool:
    """Return whether an output has `length` rows of `width` values."""
    return any(head.shape[-1:] == (width,) and head.size == length * width for head in heads.values())


def map_of(heads: Heads, length: int, width: int) -> FloatArray:
    """Return the output with `length` rows of `width` values, float64 (length, width)."""
    (found,) = (head for head in heads.values() if head.shape[-1:] == (width,) and head.size == length * width)
    return found.reshape(length, width).astype(np.float64)


def decode_retinaface(heads: Heads, spec: DetectorSpec, size: tuple[int, int]) -> Faces:
    """Decode RetinaFace with prior boxes: offsets in tenths of the prior's size, sizes exp(0.2 b) times it.

    Its three outputs are identified by their last axis: boxes (4), background and face after a softmax (2), points (10). Rows
    are ordered by stride, then cell row by row, then the two priors of each cell.
    """
    priors = np.concatenate(
        [
            np.column_stack(
                [
                    np.repeat((cells(size, stride) + 0.5) * stride, len(PRIOR_SIDES[stride]), axis=0),
                    np.tile(PRIOR_SIDES[stride], (len(cells(size, stride)), 1)),
                ]
            )
            for stride in spec.strides
        ]
    )
    centre, side = priors[:, :2], priors[:, 2:]
    box, score = (map_of(heads, len(priors), width) for width in (4, 2))
    middle, half = centre + 0.1 * box[:, :2] * side, np.exp(0.2 * box[:, 2:]) * side / 2
    points = no_points(len(priors))
    if spec.points:
        offset = map_of(heads, len(priors), 10).reshape(-1, 5, 2)
        points = centre[:, None] + 0.1 * offset * side[:, None]
    return Faces(np.hstack([middle - half, middle + half]), points, score[:, 1])


def decode_yolov5_face(heads: Heads, spec: DetectorSpec, size: tuple[int, int]) -> Faces:  # noqa: ARG001
    """Decode YOLOv5-Face: one output (n, 16) in pixels of the canvas: centre, size, score, five points, class score."""
    (rows,) = (head.reshape(-1, 16).astype(np.float64) for head in heads.values() if head.shape[-1:] == (16,))
    rows = rows[rows[:, 4] >= spec.score_threshold]
    middle, half = rows[:, :2], rows[:, 2:4] / 2
    points = rows[:, 5:15].reshape(-1, 5, 2) if spec.points else no_points(len(rows))
    return Faces(np.hstack([middle - half, middle + half]), points, rows[:, 4])


def decode_yolov8_face(heads: Heads, spec: DetectorSpec, size: tuple[int, int]) -> Faces:
    """Decode YOLOv8-Face: a map (1, 80, rows, columns) for each stride.

    The 80 are 4 x 16 for the distances left, top, right, bottom from the cell's centre, in strides, each the softmax-weighted
    mean of 0..15; the logit of the score; and five points (x, y, visibility), where x = (2 x + column) stride.
    """
    boxes, points, scores = [], [], []
    for stride in spec.strides:
        columns, rows = math.ceil(size[0] / stride), math.ceil(size[1] / stride)
        (found,) = (head for head in heads.values() if head.shape[-3:] == (80, rows, columns))
        values = found.reshape(80, -1).T.astype(np.float64)
        score = 1 / (1 + np.exp(-values[:, 64]))
        kept = np.flatnonzero(score >= spec.score_threshold)
        values, cell = values[kept], cells(size, stride)[kept]
        shares = np.exp(
            values[:, :64].reshape(-1, 4, 16) - values[:, :64].reshape(-1, 4, 16).max(axis=2, keepdims=True)
        )
        distance = (shares / shares.sum(axis=2, keepdims=True)) @ np.arange(16.0)
        middle = cell + 0.5
        boxes.append(np.hstack([middle - distance[:, :2], middle + distance[:, 2:]]) * stride)
        point = values[:, 65:].reshape(-1, 5, 3)[..., :2]
        points.append((2 * point + cell[:, None]) * stride if spec.points else no_points(len(kept)))
        scores.append(score[kept])
    return Faces(np.concatenate(boxes), np.concatenate(points), np.concatenate(scores))


def yunet_outputs(spec: DetectorSpec) -> list[str]:
    """Return the output names of YuNet: each kind at each stride."""
    kinds = ("cls", "obj", "bbox", "kps") if spec.points else ("cls", "obj", "bbox")
    return [f"{kind}_{stride}" for kind in kinds for stride in spec.strides]


PRIOR_SIDES: Mapping[int, FloatArray] = (
    MappingProxyType(  # RetinaFace: sizes in pixels of the priors of a cell, by stride
        {
            stride: np.repeat(sides, 2).reshape(2, 2)
            for stride, sides in ((8, (16.0, 32.0)), (16, (64.0, 128.0)), (32, (256.0, 512.0)))
        }
    )
)
DECODERS: Mapping[str, Decoder] = MappingProxyType(
    {
        "yunet": Decoder(decode_yunet, yunet_outputs, needs_strides=True, gives_points=True),
        "ultraface": Decoder(
            decode_ultraface, lambda spec: ("scores", "boxes"), needs_strides=False, gives_points=False
        ),
        "scrfd": Decoder(decode_scrfd, lambda spec: (), needs_strides=True, gives_points=True),
        "retinaface": Decoder(decode_retinaface, lambda spec: (), needs_strides=True, gives_points=True),
        "yolov5_face": Decoder(decode_yolov5_face, lambda spec: (), needs_strides=False, gives_points=True),
        "yolov8_face": Decoder(decode_yolov8_face, lambda spec: (), needs_strides=True, gives_points=True),
    }
)


def decoders() -> Mapping[str, Decoder]:
    """Return DECODERS and those that installed packages add."""
    return extended("facegap.decoders", DECODERS, _of_plugin)


def _of_plugin(_name: str, value: Any) -> Decoder:
    if not isinstance(value, Decoder):
        raise ValueError(f"it is a {type(value).__name__}, not a facegap.inputs.cards.decoders.Decoder")
    return value
