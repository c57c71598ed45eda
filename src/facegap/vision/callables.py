"""A Python function in the place of a model file: it answers what is asked of an onnxruntime session, and nothing else."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from facegap.errors import ModelError
from facegap.inputs.cards.conventions import ARCFACE_POINTS
from facegap.inputs.cards.schema import ModelCard
from facegap.types import AnyArray

IMAGES, ROWS = "images", "rows"
CLASSIFIER_MARGIN = 0.2  # of the box of a face, on every side, where a function says nothing of its crop
Function = Callable[[AnyArray], Any]


@dataclass(frozen=True)
class _Port:
    """A port as onnxruntime describes one."""

    name: str
    type: str
    shape: list[int | str]


class CallableSession:
    """A function from uint8 (n, height, width, 3), RGB, to one row per image. One thread calls it at a time."""

    def __init__(self, function: Function, name: str, size: tuple[int, int]) -> None:
        self._function, self._name, self._size = function, name, size
        self._alone = threading.Lock()
        width, height = size
        probe = np.linspace(0, 255, 2 * height * width * 3).astype(np.uint8).reshape(2, height, width, 3)
        self.width = self._rows(probe).shape[1]

    def get_inputs(self) -> list[_Port]:
        """The one input."""
        width, height = self._size
        return [_Port(IMAGES, "tensor(uint8)", ["N", height, width, 3])]

    def get_outputs(self) -> list[_Port]:
        """The one output."""
        return [_Port(ROWS, "tensor(float)", ["N", self.width])]

    def run(self, _names: Sequence[str] | None, feed: Mapping[str, AnyArray]) -> list[AnyArray]:
        """The rows of a batch of images."""
        return [self._rows(feed[IMAGES])]

    def _rows(self, images: AnyArray) -> AnyArray:
        """What the function gives, as float32 (images, columns).

        Raises
        ------
        ModelError : another shape, or something that is no array of numbers
        """
        with self._alone:
            given = self._function(images)
        try:
            rows = np.asarray(given, np.float32)
        except (TypeError, ValueError) as error:
            raise ModelError(f"{self._name}: the function did not return an array of numbers ({error})") from error
        if rows.ndim != 2 or len(rows) != len(images) or rows.shape[1] < 2:
            raise ModelError(
                f"{self._name}: the function returned an array of shape {rows.shape} for {len(images)} images; one "
                f"row per image "
                "with two columns or more is needed"
            )
        return rows


def callable_card(
    session: CallableSession,
    *,
    name: str,
    task: Literal["embed", "classify"],
    size: tuple[int, int],
    classes: Sequence[str],
    named: str,
) -> ModelCard:
    """The card that a function is run by: crops on ArcFace's template for an embedder, of the box for a classifier.

    named : what the record calls the function; its hash stands for that of a file, since a function has none

    Raises
    ------
    ModelError : a classifier whose rows have another number of columns than there are classes
    """
    if task == "classify" and session.width != len(classes):
        raise ModelError(f"{name}: the function returns {session.width} columns for {len(classes)} classes")
    tables: dict[str, Any] = {
        "embed": {
            "alignment": {"template": placed_points(size), "interpolation": "bilinear"},
            "outputs": {"embedding": {"output": ROWS, "dimension": session.width}},
        },
        "classify": {
            "crop": {"margin": CLASSIFIER_MARGIN, "interpolation": "bilinear"},
            "outputs": {"gender": {"output": ROWS, "kind": "softmax", "classes": tuple(classes)}},
        },
    }
    return ModelCard.model_validate(
        {
            "name": "".join(letter if letter.isalnum() else "_" for letter in name).strip("_") or "function",
            "task": task,
            "backend": "onnx",
            "licence": "unknown",
            "commercial_use": "unknown",
            "verified": True,
            "citation": f"Python function {named}",
            "known_limits": ("A Python function: the run cannot be reproduced from its record.",),
            "training_data": {"description": "unknown", "status": "unknown"},
            "file": "function.onnx",
            "obtain": "It is a Python function of the program that made the run.",
            "sha256": hashlib.sha256(named.encode()).hexdigest(),
            "input": {
                "name": IMAGES,
                "layout": "NHWC",
                "colour": "RGB",
                "size": size,
                "mean": (0.0, 0.0, 0.0),
                "scale": (1.0, 1.0, 1.0),
                "dtype": "uint8",
            },
            **tables[task],
        }
    )


def placed_points(size: tuple[int, int]) -> tuple[tuple[float, float], ...]:
    """ArcFace's five points on a crop of another size."""
    width, height = size
    return tuple((x * width, y * height) for x, y in ARCFACE_POINTS)
