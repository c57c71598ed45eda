"""Where faces are without a detector: the whole picture, or points of a file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.errors import ModelError, TableError
from facegap.inputs.cards.read import read_card, resolve_card
from facegap.inputs.points import GivenPoints
from facegap.vision.find import (
    WholePicture,
    find_faces,
    misfit,
    nothing_found,
    require_boxes,
    whole_for_box,
    whole_for_template,
)

FACE = np.array([[30.0, 35], [70, 35], [50, 55], [35, 75], [65, 75]])


def given(*faces: np.ndarray, box: float = np.nan) -> GivenPoints:
    names = {f"{k}.png": k for k in range(len(faces))}
    boxes = np.full((len(faces), 4), box)
    return GivenPoints("p.csv", "", "line", names, range(2, 9), np.stack(faces), boxes, np.full(len(faces), np.nan))


def test_the_whole_picture_is_one_face_without_points() -> None:
    found = find_faces(WholePicture(), "a.png", np.zeros((20, 30, 3), np.uint8))
    assert found.boxes.tolist() == [[0, 0, 30, 20]]
    assert np.isnan(found.points).all()


def test_points_are_found_by_the_name_of_the_image_and_may_lie_a_little_outside() -> None:
    picture = np.zeros((80, 100, 3), np.uint8)
    faces = given(FACE, FACE + np.array([50, 0]), FACE + np.array([100, 0]))
    assert find_faces(faces, "1.png", picture).points.tolist() == [(FACE + np.array([50, 0])).tolist()]
    assert len(find_faces(faces, "9.png", picture)) == 0
    assert nothing_found(faces, "9.png") == ("no_points", "p.csv contains no points for the image")
    assert nothing_found(None, "9.png") == ("no_face", "")
    with pytest.raises(TableError, match=r"p.csv line 4: right eye \(170, 35\) lies outside '2.png', 100 x 80 pixels"):
        find_faces(faces, "2.png", picture)


def test_a_crop_for_a_template_must_have_its_size_and_one_for_a_box_must_be_square(toys: Any) -> None:
    embeds, classifies = (read_card(Path(toys.card(name))) for name in ("embedder", "classifier"))
    assert [misfit(16, 16, card) for card in (embeds, classifies)] == ["", ""]
    assert "has 32 x 32 pixels" in misfit(32, 32, embeds)
    assert "which is 16 x 16; align the images" in misfit(32, 32, embeds)
    assert misfit(32, 32, classifies) == ""
    assert "which is a square, or 16 x 16" in misfit(32, 31, classifies)
    picture = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
    assert (whole_for_template(picture, embeds, "a.png") == picture).all()
    assert (whole_for_box(picture, classifies, "a.png") == picture).all()  # of its size: not a pixel is touched
    assert whole_for_box(np.zeros((32, 32, 3), np.uint8), classifies, "a.png").shape == (16, 16, 3)
    with pytest.raises(TableError, match=r"'a.png' has 16 x 8 pixels"):
        whole_for_template(picture[:8], embeds, "a.png")


def test_a_card_that_crops_around_a_box_needs_boxes() -> None:
    card, _ = resolve_card("faceapi_age_gender", "classify")
    require_boxes(given(FACE, box=3.0), card)
    with pytest.raises(ModelError, match=r"crops around the box of the face, but p.csv has points without boxes"):
        require_boxes(given(FACE), card)
