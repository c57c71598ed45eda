"""Counts of embeddings of real portraits equal the integers of brute force, for every filter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facegap.matching import count_scores, search
from facegap.matching.filters import FILTERS, why_not
from facegap.runtime import open_session

SIDE = 128


@pytest.fixture(scope="module")
def congress_embeddings(test_data: Path) -> tuple[Any, Any]:
    """Unit embeddings and subjects of every third person's portraits, roughly cropped."""
    images = sorted((test_data / "data" / "congress").glob("*/*.jpg"))
    kept = sorted({path.stem for path in images})[::3]
    images = [path for path in images if path.stem in set(kept)]
    model = (test_data / "models" / "face_reid_0095.onnx").read_bytes()
    session = open_session(model, name="face_reid_0095", threads=2)
    inputs = np.stack([centre(cv2.imread(str(path))) for path in images])
    name = session.get_inputs()[0].name
    parts = [session.run(None, {name: inputs[k : k + 32]})[0] for k in range(0, len(inputs), 32)]
    rows = np.concatenate(parts).reshape(len(images), -1).astype(np.float32)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows, np.array([kept.index(path.stem) for path in images])


def centre(image: Any) -> Any:
    """The upper middle square, which contains the face in an official portrait, as input of the model (3, 128, 128)."""
    side = min(image.shape[:2])
    left = (image.shape[1] - side) // 2
    return cv2.resize(image[:side, left : left + side], (SIDE, SIDE)).transpose(2, 0, 1).astype(np.float32)


@pytest.mark.real
def test_real_portraits_are_counted_and_ranked_as_by_brute_force(congress_embeddings: Any, tools: Any) -> None:
    rows, subjects = congress_embeddings
    groups = np.arange(len(rows)) % 2
    expected = tools.brute_force(rows, subjects, groups, floor=0.3, bins=64, group_count=2)
    scores = tools.oracle_scores(rows[:50], rows)
    ranks = np.argsort(-scores, axis=1, kind="stable")[:, :10]
    assert expected.genuine_pairs.sum() > 30
    for name in [*(name for name in FILTERS if not why_not(name)), "prefix32", "prefix96", "graph"]:
        full = 8 if name == "float32" else None
        found = count_scores(rows, subjects, groups, floor=0.3, bins=64, tail_limit=500, filter=name, full_range=full)
        tools.assert_counts(found, expected, limit=500, full=full is not None)
        np.testing.assert_array_equal(search(rows, rows[:50], 10, filter=name)[0], ranks)
