"""Tensors: each colour order, layout, type, mean and scale by hand on one pixel or two."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.errors import ModelError
from facegap.inputs.cards.read import read_card
from facegap.inputs.cards.schema import InputSpec, ModelCard
from facegap.runtime import open_session
from facegap.vision import ports, tensors

EMBEDS = """
[alignment]
template = [[1, 1], [2, 1], [1.5, 1.5], [1, 2], [2, 2]]
interpolation = "bilinear"

[outputs.embedding]
output = "means"
dimension = 3
"""


def spec(**changes: Any) -> InputSpec:
    grey = changes.get("colour") == "GREY"
    plain: dict[str, Any] = {
        "name": "input",
        "layout": "NCHW",
        "colour": "BGR",
        "size": (8, 8),
        "dtype": "float32",
        "mean": (0,) if grey else (0, 0, 0),
        "scale": (1,) if grey else (1, 1, 1),
    }
    return InputSpec(**(plain | changes))


def two_crops() -> list[Any]:
    """Two pictures of 2 x 1 pixels, blue, green, red."""
    return [np.array([[[10, 20, 30], [40, 50, 60]]], np.uint8), np.array([[[1, 2, 3], [4, 5, 6]]], np.uint8)]


def test_channels_come_first_in_nchw() -> None:
    tensor = tensors.to_tensor(two_crops(), spec())
    assert tensor.tolist() == [[[[10, 40]], [[20, 50]], [[30, 60]]], [[[1, 4]], [[2, 5]], [[3, 6]]]]
    assert tensor.dtype == np.float32
    assert tensor.flags["C_CONTIGUOUS"]


def test_channels_come_last_in_nhwc() -> None:
    tensor = tensors.to_tensor(two_crops(), spec(layout="NHWC"))
    assert tensor.tolist() == [[[[10, 20, 30], [40, 50, 60]]], [[[1, 2, 3], [4, 5, 6]]]]


def test_rgb_puts_red_first() -> None:
    assert tensors.to_tensor(two_crops(), spec(colour="RGB"))[0].tolist() == [[[30, 60]], [[20, 50]], [[10, 40]]]


def test_grey_is_one_channel_weighted_as_the_eye_sees() -> None:
    tensor = tensors.to_tensor(two_crops(), spec(colour="GREY", layout="NHWC"))
    # .114 * 10 + .587 * 20 + .299 * 30 = 21.85, and 51.85
    assert tensor.tolist() == [[[[22], [52]]], [[[2], [5]]]]


def test_the_mean_is_taken_before_the_scale_and_in_the_order_of_the_colours() -> None:
    tensor = tensors.to_tensor(two_crops(), spec(colour="RGB", mean=(30, 0, 0), scale=(1, 0.5, 2)))
    assert tensor[0].tolist() == [[[0, 30]], [[10, 25]], [[20, 80]]]


def test_mean_and_scale_follow_the_channels_where_they_come_last() -> None:
    tensor = tensors.to_tensor(two_crops(), spec(colour="RGB", layout="NHWC", mean=(30, 0, 0), scale=(1, 0.5, 2)))
    assert tensor[0].tolist() == [[[0, 10, 20], [30, 25, 80]]]


def test_a_scale_alone_and_a_mean_alone_both_count() -> None:
    assert tensors.to_tensor(two_crops(), spec(scale=(0.5, 0.5, 0.5)))[1].tolist() == [
        [[0.5, 2]],
        [[1, 2.5]],
        [[1.5, 3]],
    ]
    assert tensors.to_tensor(two_crops(), spec(mean=(1, 2, 3)))[1].tolist() == [[[0, 3]], [[0, 3]], [[0, 3]]]


@pytest.mark.parametrize("dtype", ["float16", "uint8"])
def test_the_type_is_the_cards(dtype: str) -> None:
    tensor = tensors.to_tensor(two_crops(), spec(dtype=dtype))
    assert tensor.dtype == np.dtype(dtype)
    assert tensor[0, :, 0, 0].tolist() == [10, 20, 30]


@pytest.mark.parametrize("mean", [(0, 0, 0), (1, 1, 1), (1, 2, 3)])
@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("colour", ["RGB", "GREY"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_canvas_is_the_picture_with_black_pixels_below_and_to_the_right(
    layout: str, colour: str, dtype: str, mean: tuple[int, ...]
) -> None:
    some = mean[:1] if colour == "GREY" else mean
    card = spec(layout=layout, colour=colour, dtype=dtype, mean=some, scale=(-0.5,) * len(some))
    for height, width in ((2, 3), (5, 3), (2, 7), (5, 7)):
        picture = np.random.default_rng(height * width).integers(0, 256, (height, width, 3)).astype(np.uint8)
        whole = np.zeros((5, 7, 3), np.uint8)
        whole[:height, :width] = picture
        out = tensors.unmade([picture], card, (7, 5)).made()
        np.testing.assert_array_equal(out, tensors.to_tensor([whole], card))
        assert np.array_equal(np.signbit(out), np.signbit(tensors.to_tensor([whole], card)))


@pytest.fixture
def opened(tmp_path: Path, graphs: Any, card_writer: Any) -> Any:
    """A card and a session for the graph that averages channels."""

    def made(batch: int | str = "N", **card: Any) -> tuple[ModelCard, Any]:
        model = graphs.mean_of_channels(batch=batch, side=8)
        path = card_writer(tmp_path, "toy", "embed", model, EMBEDS, **({"side": 8} | card))
        return read_card(path), open_session(model, name="toy")

    return made


def test_a_free_batch_axis_has_no_limit_and_a_batch_of_one_is_kept(opened: Any) -> None:
    for batch, limit in (("N", None), (1, 1)):
        card, session = opened(batch)
        assert ports.batch_limit(session, card) == limit


def test_a_graph_for_exactly_four_pictures_is_refused(opened: Any) -> None:
    card, session = opened(4)
    with pytest.raises(ModelError, match="accepts exactly 4 images per call"):
        ports.batch_limit(session, card)


def test_the_only_input_may_go_unnamed(opened: Any) -> None:
    card, session = opened(input_name="*")
    assert ports.picture_input(session, card).name == "input"


def test_a_name_that_the_graph_has_not_is_refused_with_those_it_has(opened: Any) -> None:
    card, session = opened(input_name="data")
    said = "toy: input.name: the graph has no input 'data'; its inputs are 'input'; write name = \"input\""
    with pytest.raises(ModelError, match=said):
        ports.picture_input(session, card)
    with pytest.raises(
        ModelError, match=r"toy: o\.p: the graph has no output 'gender'; its outputs are 'means'; write p = "
    ):
        ports.number_output(session, card, "gender", "o.p")


def test_a_run_gives_the_named_outputs(opened: Any) -> None:
    card, session = opened(colour="BGR")
    (means,) = tensors.run(session, card, ["means"], np.full((2, 3, 8, 8), [[[[1]], [[2]], [[3]]]], np.float32))
    assert means.tolist() == [[1, 2, 3], [1, 2, 3]]


def test_a_tensor_that_the_graph_refuses_is_a_model_error(opened: Any) -> None:
    card, session = opened()
    with pytest.raises(ModelError, match=r"toy: the model fails on input of shape \(1, 3, 9, 9\)"):
        tensors.run(session, card, None, np.zeros((1, 3, 9, 9), np.float32))


def test_planes_are_those_of_turned_axes_for_views_grey_and_one_pixel() -> None:
    rng = np.random.default_rng(3)
    for shape in ((9, 7, 3), (1, 1, 3), (6, 5)):
        crops = [rng.integers(0, 256, shape).astype(np.uint8) for _ in range(3)]
        whole = np.stack(crops).reshape(3, *shape[:2], -1)
        np.testing.assert_array_equal(tensors.channels_first(crops), whole.transpose(0, 3, 1, 2))
    view = rng.integers(0, 256, (20, 30, 3)).astype(np.uint8)[3:11, 5:9]
    np.testing.assert_array_equal(tensors.channels_first([view])[0], view.transpose(2, 0, 1))
    with pytest.raises(ValueError, match="broadcast"):
        tensors.channels_first([view, view[:, 1:]])
