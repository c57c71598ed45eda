"""Use a Python function as a model, by implementing the required part of the interface of an onnxruntime session."""

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
CLASSIFIER_MARGIN = 0.2  # on every side of the face box, if a function does not specify its crop
Function = Callable[[AnyArray], Any]


@dataclass(frozen=True)
class _Port:
    """An input or output as onnxruntime describes it."""

    name: str
    type: str
    shape: list[int | str]


class CallableSession:
    """A function from uint8 (n, height, width, 3), RGB, to one row per image, called from one thread at a time."""

    def __init__(self, function: Function, name: str, size: tuple[int, int]) -> None:
        self._function, self._name, self._size = function, name, size
        self._alone = threading.Lock()
        width, height = size
        probe = np.linspace(0, 255, 2 * height * width * 3).astype(np.uint8).reshape(2, height, width, 3)
        self.width = self._rows(probe).shape[1]

    def get_inputs(self) -> list[_Port]:
        """Return the only input."""
        width, height = self._size
        return [_Port(IMAGES, "tensor(uint8)", ["N", height, width, 3])]

    def get_outputs(self) -> list[_Port]:
        """Return the only output."""
        return [_Port(ROWS, "tensor(float)", ["N", self.width])]

    def run(self, _names: Sequence[str] | None, feed: Mapping[str, AnyArray]) -> list[AnyArray]:
        """Return the rows of a batch of images."""
        return [self._rows(feed[IMAGES])]

    def _rows(self, images: AnyArray) -> AnyArray:
        """Call the function and return its output as float32 (images, columns).

        Raises
        ------
        ModelError : If the result is not a numerical array of this shape.
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
    """Make the card for a function: an embedder gets crops aligned to ArcFace's template, a classifier crops of the box.

    named : name of the function in the record; the hash of the name replaces that of a model file

    Raises
    ------
    ModelError : If a classifier does not return one column per class.
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
    """Scale ArcFace's five points to a crop of another size."""
    width, height = size
    return tuple((x * width, y * height) for x, y in ARCFACE_POINTS)
