"""Templates: unit length, NaN if there is none, independent of the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.errors import ModelError
from facegap.inputs.cards.read import read_card
from facegap.runtime import open_session
from facegap.vision.embed import Embedder, embed, embedder, face_crop, unit_rows

TABLES = """
[alignment]
template = [[1, 1], [2, 1], [1.5, 1.5], [1, 2], [2, 2]]
interpolation = "bilinear"

[outputs.embedding]
output = "means"
dimension = {dimension}
"""


@pytest.fixture
def means(tmp_path: Path, graphs: Any, card_writer: Any) -> Any:
    """An embedder whose template is the mean of each channel, blue first."""

    def made(*, rows: int = 8, batch: int | str = "N", dimension: int = 3, **card: Any) -> Embedder:
        model = graphs.mean_of_channels(batch=batch)
        path = card_writer(tmp_path, "toy", "embed", model, TABLES.format(dimension=dimension), colour="BGR", **card)
        return embedder(read_card(path), open_session(model, name="toy"), rows)

    return made


def plain(*colours: tuple[int, int, int]) -> list[Any]:
    """Crops of one colour each, blue, green, red."""
    return [np.full((16, 16, 3), colour, np.uint8) for colour in colours]


def test_a_template_is_the_output_divided_by_its_length(means: Any) -> None:
    rows = embed(means(), plain((3, 4, 0), (0, 0, 9)))
    assert rows == pytest.approx(np.array([[0.6, 0.8, 0], [0, 0, 1]]))
    assert rows.dtype == np.float32


def test_a_face_that_the_model_answers_with_zeros_has_no_template(means: Any) -> None:
    rows = embed(means(), plain((3, 4, 0), (0, 0, 0)))
    assert np.isfinite(rows[0]).all()
    assert np.isnan(rows[1]).all()


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_one_odd_number_spoils_its_own_row_only(odd: float) -> None:
    rows = unit_rows(np.array([[odd, 1, 2], [0, 5, 0]], np.float32))
    assert np.isnan(rows[0]).all()
    assert rows[1].tolist() == [0, 1, 0]


def test_the_length_of_huge_and_tiny_rows_does_not_overflow() -> None:
    rows = unit_rows(np.array([[3e38, 3e38], [1e-44, 0]], np.float32))
    assert rows == pytest.approx(np.array([[0.5**0.5, 0.5**0.5], [1, 0]]))


def test_no_faces_give_no_rows_of_the_right_width(means: Any) -> None:
    assert embed(means(), []).shape == (0, 3)


def test_rows_are_the_same_whatever_the_batch(means: Any) -> None:
    crops = list(np.random.default_rng(5).integers(0, 255, (45, 16, 16, 3), np.uint8))
    one, eight, thirty_two = (embed(means(rows=rows), crops) for rows in (1, 8, 32))
    assert np.allclose(one, eight, atol=1e-6)
    assert np.allclose(one, thirty_two, atol=1e-6)


def test_a_graph_for_one_picture_is_given_one_at_a_time(means: Any) -> None:
    model = means(batch=1)
    assert model.rows_per_run == 1
    assert embed(model, plain((3, 4, 0), (0, 0, 9), (7, 0, 0))).shape == (3, 3)


def test_an_output_of_another_dimension_is_a_model_error(means: Any) -> None:
    with pytest.raises(
        ModelError, match=r"dimension: the output has shape \(2, 3\) for 2 faces, .* 4 each; write dimension = 3"
    ):
        embed(means(dimension=4), plain((1, 2, 3), (4, 5, 6)))


def test_a_card_that_names_no_output_of_the_graph_is_refused_at_once(
    tmp_path: Path, graphs: Any, card_writer: Any
) -> None:
    model = graphs.mean_of_channels()
    path = card_writer(tmp_path, "toy", "embed", model, TABLES.format(dimension=3).replace('"means"', '"vector"'))
    with pytest.raises(ModelError, match="no output 'vector'; its outputs are 'means'"):
        embedder(read_card(path), open_session(model, name="toy"), 8)


def test_points_that_coincide_or_are_no_numbers_give_no_crop(means: Any) -> None:
    model, picture = means(), np.full((20, 20, 3), 9, np.uint8)
    assert face_crop(model, picture, np.full((5, 2), 7.0)) is None
    assert face_crop(model, picture, np.full((5, 2), np.nan)) is None
    cut = face_crop(model, picture, np.array([[1, 1], [2, 1], [1.5, 1.5], [1, 2], [2, 2]]))
    assert cut is not None
    assert cut.shape == (16, 16, 3)


def test_with_flip_the_raw_embeddings_of_the_face_and_its_mirror_image_are_added(
    tmp_path: Path, graphs: Any, card_writer: Any
) -> None:
    # Left half and right half of the first channel: a graph that distinguishes left and right.
    model = graphs.build(
        [
            ("AveragePool", ["input"], ["halves"], {"kernel_shape": [16, 8], "strides": [16, 8]}),
            ("Flatten", ["halves"], ["means"], {"axis": 1}),
        ],
        inputs={"input": ("N", 3, 16, 16)},
        outputs={"means": ("N", 6)},
    )
    card = read_card(card_writer(tmp_path, "toy", "embed", model, TABLES.format(dimension=6), colour="BGR"))
    crop = np.zeros((16, 16, 3), np.uint8)
    crop[:, :8, 0], crop[:, 8:, 1] = 100, 30
    made = embedder(card, open_session(model, name="toy"), 8, flip=True)
    summed = np.array([100, 100, 30, 30, 0, 0])
    assert embed(made, [crop, crop[:, ::-1]]) == pytest.approx(np.tile(summed / np.linalg.norm(summed), (2, 1)))
