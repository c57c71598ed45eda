"""Quality models: one finite number per face, input as in the card, independent of the batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.errors import ModelError
from facegap.inputs.cards.read import load_cards, read_card
from facegap.runtime import open_session
from facegap.vision.assess import Assessor, assess, assessor, face_crop
from facegap.vision.rehearsal import rehearse_assessor

ALIGNED = """
[alignment]
template = [[6, 6], [10, 6], [8, 8], [6, 10], [10, 10]]
interpolation = "bilinear"
"""
SQUARE = '[crop]\nmargin = 0.0\ninterpolation = "bilinear"\n'
OUTPUT = '[outputs.quality]\noutput = "*"\n'
POOL: list[Any] = [("GlobalAveragePool", ["input"], ["pooled"], {}), ("Flatten", ["pooled"], ["flat"], {"axis": 1})]


def plain(*colours: tuple[int, int, int], side: int = 16) -> list[Any]:
    """Crops of one colour each, blue, green, red."""
    return [np.full((side, side, 3), colour, np.uint8) for colour in colours]


@pytest.fixture
def toy(tmp_path: Path, graphs: Any, card_writer: Any) -> Any:
    """A quality model that computes the means of red, green and blue, `flat`, and applies further nodes."""

    def made(
        nodes: list[Any], *, shape: Any = ("N", 1), tables: str = ALIGNED + OUTPUT, rows: int = 4, **constants: Any
    ) -> Assessor:
        model = graphs.build(
            [*POOL, *nodes], inputs={"input": ("N", 3, 16, 16)}, outputs={"y": shape}, constants=constants
        )
        return assessor(
            read_card(card_writer(tmp_path, "toy", "quality", model, tables)), open_session(model, name="toy"), rows
        )

    return made


def first(output: str = "y") -> list[Any]:
    return [("Gather", ["flat", "first"], [output], {"axis": 1})]


@pytest.mark.parametrize("name", ["ediffiqa_tiny", "ediffiqa_t"])
def test_a_face_of_one_colour_is_fed_to_the_layout_of_ediffiqa_as_its_authors_feed_it(graphs: Any, name: str) -> None:
    """(pixel - 127.5) / 127.5, red first; the weights are replaced by a graph that returns the mean of its first channel."""
    model = graphs.build(
        [*POOL, *first()],
        inputs={"input": ("N", 3, 112, 112)},
        outputs={"y": ("N", 1)},
        constants={"first": np.array([0])},
    )
    ready = assessor(load_cards()[name], open_session(model, name=name), 8)
    assert assess(ready, plain((0, 0, 255), (255, 255, 0), (7, 9, 51), side=112)) == pytest.approx(
        [1.0, -1.0, (51 - 127.5) / 127.5], abs=1e-4
    )
    points = np.array(ready.card.alignment.template if ready.card.alignment else [])
    picture = np.arange(112 * 112 * 3, dtype=np.uint32).reshape(112, 112, 3).astype(np.uint8)
    crop = face_crop(ready, picture, np.zeros(4), points)
    assert crop is not None
    np.testing.assert_array_equal(crop, picture)  # points equal to the template: the crop is the image


def test_qualities_are_the_same_whatever_the_batch_and_none_of_no_face(toy: Any) -> None:
    crops = plain(*((0, 0, 20 * k) for k in range(7)))
    expected = [20.0 * k for k in range(7)]
    for rows in (1, 3, 8):
        assert assess(toy(first(), rows=rows, first=np.array([0])), crops) == pytest.approx(expected)
    assert assess(toy(first(), first=np.array([0])), []).shape == (0,)


def test_one_number_without_an_axis_for_it_is_a_quality_too(toy: Any) -> None:
    nodes = [*first("g"), ("Reshape", ["g", "flat_shape"], ["y"], {})]
    model = toy(nodes, shape=("N",), first=np.array([0]), flat_shape=np.array([-1]))
    assert assess(model, plain((0, 0, 4), (0, 0, 9))).tolist() == [4, 9]


def test_more_than_one_number_per_face_is_refused_before_the_first_image(toy: Any) -> None:
    model = toy([("Identity", ["flat"], ["y"], {})], shape=("N", "M"))
    with pytest.raises(
        ModelError, match=r"outputs\.quality\.output: the output has shape \(1, 3\) for 1 faces; a quality is"
    ):
        rehearse_assessor(model)


def test_one_number_for_a_whole_batch_runs_face_by_face(toy: Any) -> None:
    nodes = [*first("g"), ("ReduceMean", ["g"], ["y"], {"axes": [0], "keepdims": 1})]
    model, said = rehearse_assessor(toy(nodes, shape=("M", 1), first=np.array([0])))
    assert model.rows_per_run == 1
    assert "runs with --batch 1: it fails with a batch of 4" in said.notices[0]
    assert assess(model, plain((0, 0, 4), (0, 0, 9))).tolist() == [4, 9]


def test_a_model_without_a_number_for_any_picture_is_refused_before_the_first_image(toy: Any) -> None:
    nodes = [*first("g"), ("Sub", ["g", "g"], ["zero"], {}), ("Div", ["zero", "zero"], ["y"], {})]
    with pytest.raises(
        ModelError, match=r"outputs\.quality: the model returns no finite number for any of 4 simulated"
    ):
        rehearse_assessor(toy(nodes, first=np.array([0])))


def test_the_same_quality_for_noise_and_dark_and_light_is_an_alarm(toy: Any) -> None:
    nodes = [*first("g"), ("Mul", ["g", "zero"], ["z"], {}), ("Add", ["z", "half"], ["y"], {})]
    _, said = rehearse_assessor(toy(nodes, first=np.array([0]), zero=np.float32(0), half=np.float32(0.5)))
    assert "the model returns the same output for noise, dark, light and coloured images; check" in said.alarms[0]


def test_whole_numbers_are_no_quality(toy: Any, graphs: Any) -> None:
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load_from_string(
        graphs.build(
            [*POOL, ("Identity", ["flat"], ["y"], {})], inputs={"input": ("N", 3, 16, 16)}, outputs={"y": ("N", 3)}
        )
    )
    del model.graph.node[-1]
    model.graph.node.append(helper.make_node("ArgMax", ["flat"], ["y"], axis=1))
    model.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", TensorProto.INT64, ["N", 1]))
    card = toy(first(), first=np.array([0])).card
    with pytest.raises(ModelError, match=r"outputs\.quality\.output: .* contains whole numbers"):
        assessor(card, open_session(model.SerializeToString(), name="toy"), 4)


def test_a_face_whose_points_give_it_no_place_has_no_crop_but_a_square_needs_none(toy: Any) -> None:
    picture, box = np.zeros((32, 32, 3), np.uint8), np.array([0.0, 0, 16, 16])
    points = np.full((5, 2), np.nan)
    assert face_crop(toy(first(), first=np.array([0])), picture, box, points) is None
    square = face_crop(toy(first(), tables=SQUARE + OUTPUT, first=np.array([0])), picture, box, points)
    assert square is not None
    assert square.shape == (16, 16, 3)
