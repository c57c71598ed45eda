"""Detection: outputs with faces known by hand, for each decoder and for complete toy graphs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from facegap.errors import ModelError
from facegap.inputs.cards.decoders import DECODERS, Faces, cells
from facegap.inputs.cards.read import read_card
from facegap.inputs.cards.schema import DetectorSpec
from facegap.runtime import open_session
from facegap.vision import detect as detection
from facegap.vision.detect import above, choose, decode, detect, detector, plausible, prepare, suppress
from facegap.vision.tensors import unmade

STRIDES = (8, 16, 32)
NO_POINTS = (np.nan,) * 10


def table(**changes: Any) -> DetectorSpec:
    plain: dict[str, Any] = {
        "decoder": "yunet",
        "resize": "letterbox",
        "score_threshold": 0.5,
        "nms_iou": 0.3,
        "strides": STRIDES,
        "points": True,
    }
    return DetectorSpec(**(plain | changes))


def faces(*boxes: tuple[float, ...], scores: tuple[float, ...] | None = None, points: bool = True) -> Faces:
    where = np.zeros((len(boxes), 5, 2)) if points else np.full((len(boxes), 5, 2), np.nan)
    falling = np.linspace(0.9, 0.8, len(boxes)) if scores is None else np.array(scores, np.float64)
    return Faces(np.array(boxes, np.float64).reshape(-1, 4), where, falling)


# ---- decoders ----


def test_cells_run_along_rows_and_repeat_per_anchor() -> None:
    assert cells((33, 16), 16).tolist() == [[0, 0], [1, 0], [2, 0]]
    assert cells((16, 32), 16, anchors=2).tolist() == [[0, 0], [0, 0], [0, 1], [0, 1]]


def yunet_heads(side: int = 64) -> dict[str, Any]:
    """Outputs for an image without a face."""
    widths = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    return {
        f"{kind}_{s}": np.zeros((1, (side // s) ** 2, n), np.float32) for s in STRIDES for kind, n in widths.items()
    }


def test_a_yunet_cell_gives_box_points_and_score_by_its_formulas() -> None:
    heads = yunet_heads()
    cell = 2 * 4 + 1  # stride 16: column 1, row 2
    heads["cls_16"][0, cell], heads["obj_16"][0, cell] = 0.81, 0.64
    heads["bbox_16"][0, cell] = [0.5, -0.25, math.log(2), math.log(1.5)]
    heads["kps_16"][0, cell] = np.arange(10) / 8
    found = above(decode(heads, table(), (64, 64), "toy"), 0.5)
    assert found.scores == pytest.approx([0.72])  # sqrt(.81 * .64)
    # centre (1.5, 1.75) * 16 = (24, 28), size (32, 24)
    assert found.boxes == pytest.approx(np.array([[8, 16, 40, 40]]))
    assert found.points[0] == pytest.approx((np.arange(10).reshape(5, 2) / 8 + [1, 2]) * 16)


def test_a_yunet_canvas_need_not_be_square() -> None:
    heads = {
        f"{kind}_{s}": np.zeros((1, (96 // s) * (32 // s), n))
        for s in STRIDES
        for kind, n in {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}.items()
    }
    heads["cls_32"][0, 2], heads["obj_32"][0, 2] = 1, 1
    found = above(decode(heads, table(), (96, 32), "toy"), 0.5)
    assert found.boxes == pytest.approx(np.array([[48, -16, 80, 16]]))


def test_yunet_scores_beyond_one_are_cut_to_one() -> None:
    heads = yunet_heads()
    heads["cls_32"][:], heads["obj_32"][:] = 7, -3
    heads["obj_32"][0, 0] = 2
    assert sorted(decode(heads, table(score_threshold=0), (64, 64), "toy").scores)[-2:] == [0, 1]


def test_an_ultraface_box_is_a_share_of_the_canvas_and_has_no_points() -> None:
    heads = {
        "scores": np.array([[[0.9, 0.1], [0.2, 0.8]]], np.float32),
        "boxes": np.array([[[0, 0, 1, 1], [0.25, 0.5, 0.75, 1.0]]], np.float32),
    }
    spec = table(decoder="ultraface", points=False, resize="stretch", strides=())
    found = above(decode(heads, spec, (320, 240), "toy"), 0.5)
    assert found.scores == pytest.approx([0.8])
    assert found.boxes == pytest.approx(np.array([[80, 120, 240, 240]]))
    assert np.isnan(found.points).all()


def scrfd_heads(side: int = 64, *, batch_axis: bool = False) -> dict[str, Any]:
    """Nine maps with numbered names, as in its exports; no face found."""
    numbers = iter(range(440, 1000, 7))
    lengths = [2 * (side // stride) ** 2 for stride in STRIDES]
    shapes = [(length, width) for width in (1, 4, 10) for length in lengths]
    return {str(next(numbers)): np.zeros((1, *shape) if batch_axis else shape, np.float32) for shape in shapes}


def scrfd_map(heads: dict[str, Any], stride: int, width: int, side: int = 64) -> Any:
    length = 2 * (side // stride) ** 2
    return next(
        head.reshape(length, width)
        for head in heads.values()
        if head.size == length * width and head.shape[-1] == width
    )


@pytest.mark.parametrize("batch_axis", [False, True])
def test_an_scrfd_anchor_measures_from_the_corner_of_its_cell(batch_axis: bool) -> None:
    heads = scrfd_heads(batch_axis=batch_axis)
    anchor = (2 * 4 + 1) * 2 + 1  # stride 16: column 1, row 2, second anchor; corner (16, 32)
    scrfd_map(heads, 16, 1)[anchor] = 0.7
    scrfd_map(heads, 16, 4)[anchor] = [0.5, 1, 1.5, 2]  # left, top, right, bottom
    scrfd_map(heads, 16, 10)[anchor] = np.arange(10) / 4 - 1
    found = above(decode(heads, table(decoder="scrfd"), (64, 64), "toy"), 0.5)
    assert found.scores == pytest.approx([0.7])
    assert found.boxes == pytest.approx(np.array([[8, 16, 40, 64]]))
    assert found.points[0] == pytest.approx((np.arange(10).reshape(5, 2) / 4 - 1) * 16 + [16, 32])


def retinaface_heads(side: int = 64) -> dict[str, Any]:
    """Its three outputs under any names; no face found."""
    priors = sum(2 * (side // stride) ** 2 for stride in STRIDES)
    return {name: np.zeros((1, priors, width), np.float32) for name, width in (("a", 4), ("b", 2), ("c", 10))}


def test_a_retinaface_prior_measures_in_tenths_of_its_size_from_the_middle_of_its_cell() -> None:
    heads = retinaface_heads()
    prior = 2 * 64 + 2 * (2 * 4 + 1) + 1  # stride 16: column 1, row 2, second prior: side 128 around (24, 40)
    heads["b"][0, prior] = [0.2, 0.8]
    heads["a"][0, prior] = [0.5, -0.25, math.log(0.25) / 0.2, math.log(0.125) / 0.2]
    heads["c"][0, prior] = np.arange(10) / 16
    found = above(decode(heads, table(decoder="retinaface"), (64, 64), "toy"), 0.5)
    assert found.scores == pytest.approx([0.8])
    assert found.boxes == pytest.approx(np.array([[14.4, 28.8, 46.4, 44.8]]))
    assert found.points[0] == pytest.approx(np.arange(10).reshape(5, 2) / 16 * 12.8 + [24, 40])


def test_retinaface_reads_each_stride_with_its_own_priors() -> None:
    heads = retinaface_heads()
    for prior, score in ((0, 0.9), (1, 0.8), (128 + 32, 0.7), (128 + 33, 0.6)):
        heads["b"][0, prior, 1] = score
    found = above(decode(heads, table(decoder="retinaface"), (64, 64), "toy"), 0.5)
    sides = found.boxes[:, 2] - found.boxes[:, 0]
    assert sides.tolist() == pytest.approx([16, 32, 256, 512])
    assert found.boxes[:, :2] + sides[:, None] / 2 == pytest.approx(np.array([[4, 4], [4, 4], [16, 16], [16, 16]]))


def test_a_yolov5_face_is_a_row_in_pixels() -> None:
    rows = np.zeros((1, 25, 16), np.float32)
    rows[0, 7] = [30, 40, 20, 10, 0.9, *range(10), 0.3]
    rows[0, 8] = [10, 10, 5, 5, 0.4, *range(10), 1.0]
    found = decode({"output": rows}, table(decoder="yolov5_face", strides=()), (64, 64), "toy")
    assert found.scores == pytest.approx([0.9])
    assert found.boxes == pytest.approx(np.array([[20, 35, 40, 45]]))
    assert found.points[0] == pytest.approx(np.arange(10.0).reshape(5, 2))


def yolov8_heads(side: int = 64) -> dict[str, Any]:
    """Its three maps; no face found."""
    heads = {f"map{stride}": np.zeros((1, 80, side // stride, side // stride), np.float32) for stride in STRIDES}
    for head in heads.values():
        head[:, 64] = -20
    return heads


def test_a_yolov8_face_measures_in_strides_from_the_middle_of_its_cell() -> None:
    heads = yolov8_heads()
    at = (0, slice(None), 2, 1)  # stride 16: row 2, column 1; middle (24, 40)
    values = np.zeros(80)
    for side, distance in enumerate((1, 2, 0, 15)):  # left, top, right, bottom: all weight on one distance
        values[16 * side + distance] = 60
    values[64] = math.log(0.9 / 0.1)
    values[65:] = np.tile([0.25, 0.5, 7], 5)
    heads["map16"][at] = values
    found = decode(heads, table(decoder="yolov8_face"), (64, 64), "toy")
    assert found.scores == pytest.approx([0.9])
    assert found.boxes == pytest.approx(np.array([[24 - 16, 40 - 32, 24, 40 + 240]]))
    assert found.points[0] == pytest.approx(np.tile([(0.5 + 1) * 16, (1 + 2) * 16], (5, 1)))


def test_distances_of_yolov8_are_means_under_a_softmax() -> None:
    heads = yolov8_heads()
    heads["map32"][0, 64, 0, 0] = 5
    found = decode(heads, table(decoder="yolov8_face", points=False), (64, 64), "toy")
    assert found.boxes == pytest.approx(
        np.array([[16 - 240, 16 - 240, 16 + 240, 16 + 240]])
    )  # 7.5, the mean of 0 to 15
    assert np.isnan(found.points).all()


@pytest.mark.parametrize("points", [True, False])
def test_one_anchor_per_cell_is_told_by_the_length_of_its_maps(points: bool) -> None:
    heads = {
        f"{width}_{stride}": np.zeros(((64 // stride) ** 2, width), np.float32)
        for stride in STRIDES
        for width in ((1, 4, 10) if points else (1, 4))
    }
    heads["1_16"][9], heads["4_16"][9] = 0.7, [0.5, 1, 1.5, 2]  # column 1, row 2: corner (16, 32)
    found = above(decode(heads, table(decoder="scrfd", points=points), (64, 64), "toy"), 0.5)
    assert found.boxes == pytest.approx(np.array([[8, 16, 40, 64]]))
    expected = np.tile([16.0, 32.0], (1, 5, 1)) if points else np.full((1, 5, 2), np.nan)
    assert found.points == pytest.approx(expected, nan_ok=True)


@pytest.mark.parametrize("has_maps", [True, False])
def test_scrfd_without_points_reads_no_map_of_points(has_maps: bool) -> None:
    heads = scrfd_heads()
    scrfd_map(heads, 32, 1)[6], scrfd_map(heads, 32, 4)[6] = 0.9, [0.5, 0.5, 0.75, 0.75]
    kept = {name: head for name, head in heads.items() if has_maps or head.shape[-1] != 10}
    found = above(decode(kept, table(decoder="scrfd", points=False), (64, 64), "toy"), 0.5)
    assert found.boxes == pytest.approx(np.array([[16, 16, 56, 56]]))
    assert np.isnan(found.points).all()


def test_scrfd_that_gives_no_points_says_which_key_is_wrong() -> None:
    heads = {name: head for name, head in scrfd_heads().items() if head.shape[-1] != 10}
    with pytest.raises(ModelError, match=r"toy: detector\.points: .*write points = false"):
        decode(heads, table(decoder="scrfd"), (64, 64), "toy")


def test_yunet_without_a_cell_above_the_threshold_gives_no_faces() -> None:
    heads = {name: np.zeros_like(head) for name, head in yunet_heads().items()}
    found = decode(heads, table(), (64, 64), "toy")
    assert (found.boxes.shape, found.points.shape, found.scores.shape) == ((0, 4), (0, 5, 2), (0,))


def test_yunet_without_points_needs_no_maps_of_points() -> None:
    heads = {name: head for name, head in yunet_heads().items() if not name.startswith("kps")}
    heads["cls_32"][0, 3] = heads["obj_32"][0, 3] = 1
    found = above(decode(heads, table(points=False), (64, 64), "toy"), 0.5)
    assert found.boxes == pytest.approx(np.array([[16, 16, 48, 48]]))
    assert np.isnan(found.points).all()
    assert DECODERS["yunet"].outputs(table(points=False))[-1] == "bbox_32"


@pytest.mark.parametrize(
    ("decoder", "heads"),
    [
        ("yunet", {"cls_8": np.zeros((1, 64, 1))}),
        ("yunet", yunet_heads(32)),
        ("ultraface", {"scores": np.zeros((1, 7)), "boxes": np.zeros((1, 4, 4))}),
        ("scrfd", {"440": np.zeros((128, 1))}),
        ("scrfd", scrfd_heads() | {"twin": np.zeros((128, 1))}),
        ("retinaface", retinaface_heads(32)),
        ("retinaface", retinaface_heads() | {"twin": np.zeros((1, 168, 2))}),
        ("yolov5_face", {"output": np.zeros((1, 25, 15))}),
        ("yolov8_face", yolov8_heads(32)),
    ],
)
def test_heads_of_another_shape_are_a_model_error_that_lists_them(decoder: str, heads: dict[str, Any]) -> None:
    plain = decoder in ("ultraface", "yolov5_face")
    spec = table(decoder=decoder, points=decoder != "ultraface", strides=() if plain else STRIDES)
    with pytest.raises(ModelError, match=rf"toy: detector.decoder: these outputs cannot be read as {decoder}: .*\("):
        decode(heads, spec, (64, 64), "toy")


# ---- filters ----


def test_the_threshold_is_inclusive_and_faces_come_by_falling_score() -> None:
    found = above(faces((0, 0, 1, 1), (0, 0, 2, 2), (0, 0, 3, 3), scores=(0.5, 0.49, 0.9)), 0.5)
    assert found.scores.tolist() == [0.9, 0.5]
    assert found.boxes[:, 2].tolist() == [3, 1]


def test_candidates_that_are_no_numbers_are_left_out() -> None:
    bad = faces((0, 0, np.nan, 1), (0, 0, np.inf, 1), (0, 0, 1, 1), (0, 0, 4, 4), scores=(0.9, 0.9, np.nan, 0.6))
    assert above(bad, 0.5).boxes.tolist() == [[0, 0, 4, 4]]


def test_sizes_that_overflow_are_left_out_without_a_warning() -> None:
    heads = yunet_heads()
    heads["cls_8"][:], heads["obj_8"][:], heads["bbox_8"][:] = 1, 1, 1000
    assert not len(above(decode(heads, table(), (64, 64), "toy"), 0.5))


def test_the_work_that_a_model_can_cause_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(detection, "MOST_CANDIDATES", 3)
    assert above(faces(*[(0, 0, k, k) for k in range(1, 9)]), 0.5).boxes[:, 2].tolist() == [1, 2, 3]


def test_a_box_without_an_area_or_far_beyond_the_picture_is_no_face() -> None:
    found = faces((5, 5, 5, 9), (5, 9, 8, 6), (0, 0, 201, 10), (0, 0, 200, 10), (-50, -50, 60, 60))
    assert plausible(found, 100).boxes.tolist() == [[0, 0, 200, 10], [-50, -50, 60, 60]]


@pytest.mark.parametrize(("iou", "kept"), [(0.5, 2), (0.49, 1)])
def test_of_two_boxes_that_share_more_than_the_limit_the_higher_score_stays(iou: float, kept: int) -> None:
    found = suppress(faces((0, 0, 10, 10), (0, 0, 10, 5)), iou)  # they overlap by exactly half
    assert len(found) == kept
    assert found.boxes[0].tolist() == [0, 0, 10, 10]


def test_suppressing_nothing_gives_nothing() -> None:
    assert len(suppress(faces(), 0.3)) == 0


def greedy(found: Faces, iou: float) -> list[int]:
    """Non-maximum suppression by definition."""
    kept: list[int] = []
    for k, (x1, y1, x2, y2) in enumerate(found.boxes):
        shares = []
        for other in kept:
            a1, b1, a2, b2 = found.boxes[other]
            overlap = max(0, min(x2, a2) - max(x1, a1)) * max(0, min(y2, b2) - max(y1, b1))
            shares.append(overlap / ((x2 - x1) * (y2 - y1) + (a2 - a1) * (b2 - b1) - overlap))
        if all(share <= iou for share in shares):
            kept.append(k)
    return kept


@settings(deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(1, 40), st.sampled_from([0.15, 0.37, 0.61]))
def test_suppression_is_the_greedy_one(seed: int, count: int, iou: float) -> None:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 50, (count, 2)), rng.uniform(5, 30, (count, 2))
    made = Faces(np.hstack([corner, corner + size]), np.zeros((count, 5, 2)), np.sort(rng.uniform(0.1, 1, count))[::-1])
    assert suppress(made, iou).boxes.tolist() == made.boxes[greedy(made, iou)].tolist()


# ---- choice of one face ----


def test_the_largest_face_is_chosen_by_area() -> None:
    assert choose(faces((0, 0, 10, 10), (0, 0, 4, 40), (0, 0, 9, 9)), "largest", (100, 100)) == 1


def test_the_face_nearest_the_centre_is_chosen() -> None:
    found = faces((0, 0, 60, 60), (40, 20, 60, 30), (80, 0, 100, 20))  # centres (30, 30) (50, 25) (90, 10)
    assert choose(found, "centre", (100, 50)) == 1


def test_several_faces_can_be_refused_and_one_cannot() -> None:
    assert choose(faces((0, 0, 9, 9), (20, 20, 40, 40)), "refuse", (100, 100)) is None
    assert choose(faces((0, 0, 9, 9)), "refuse", (100, 100)) == 0


@pytest.mark.parametrize("policy", ["largest", "centre"])
def test_ties_go_to_the_higher_score(policy: Any) -> None:
    assert choose(faces((10, 0, 20, 10), (0, 0, 10, 10)), policy, (20, 10)) == 0


# ---- canvas ----


@pytest.fixture
def card(tmp_path: Path, card_writer: Any) -> Any:
    """A detector card from TOML, with further lines of [input] and another [detector]."""

    def made(more_input: str = "", *, model: bytes = b"x", decoder: str = "yunet", side: int = 64, **head: Any) -> Any:
        points, resize = ("false", "stretch") if decoder == "ultraface" else ("true", "letterbox")
        strides = "" if decoder == "ultraface" else "strides = [8, 16, 32]\n"
        tables = (
            f'{more_input}\n[detector]\ndecoder = "{decoder}"\nresize = "{resize}"\nscore_threshold = 0.6\n'
            f"nms_iou = 0.3\n{strides}points = {points}\n"
        )
        return read_card(card_writer(tmp_path, "toy", "detect", model, tables, side=side, **({"colour": "BGR"} | head)))

    return made


def white(width: int, height: int) -> Any:
    return np.full((height, width, 3), 255, np.uint8)


def test_a_large_picture_is_shrunk_to_fit_with_zeros_below_and_to_the_right(card: Any) -> None:
    toy = card()
    for picture, lit in ((white(100, 50), np.s_[:, :, :32]), (white(50, 100), np.s_[:, :, :, :32])):
        canvas = prepare(picture, toy)
        assert canvas.size == (64, 64)
        assert canvas.scale == (0.64, 0.64)
        seen = unmade([canvas.pixels], toy.input, canvas.size).made()
        assert seen.shape == (1, 3, 64, 64)
        assert (seen[lit] == 255).all()
        assert seen.sum() == 255 * 3 * 64 * 32


def test_sides_rounded_to_pixels_give_each_axis_its_own_scale(card: Any) -> None:
    canvas = prepare(white(99, 50), card())  # 50 * 64 / 99 = 32.3
    assert canvas.scale == (64 / 99, 32 / 50)


@pytest.mark.parametrize(
    ("limit", "side"),
    [("", 16), ("enlargement_limit = 1.5", 24), ("enlargement_limit = 16", 64), ("enlargement_limit = 0.5", 8)],
)
def test_a_small_picture_is_enlarged_up_to_the_limit_only(card: Any, limit: str, side: int) -> None:
    canvas = prepare(white(16, 16), card(limit))
    assert canvas.scale == (side / 16, side / 16)
    assert np.count_nonzero(canvas.pixels[..., 0]) == side * side


@pytest.mark.parametrize(
    ("size", "free"), [((100, 50), (128, 64)), ((64, 32), (64, 32)), ((700, 10), (640, 32)), ((1, 1), (32, 32))]
)
def test_a_free_canvas_is_the_next_multiple_of_32(card: Any, size: tuple[int, int], free: tuple[int, int]) -> None:
    canvas = prepare(white(*size), card("dynamic = true", side=640))
    assert canvas.size == free


def test_a_line_of_one_pixel_is_still_a_picture(card: Any) -> None:
    assert prepare(white(1000, 1), card()).scale == (0.064, 1.0)


def test_a_stretched_picture_fills_the_canvas(card: Any) -> None:
    canvas = prepare(white(128, 32), card(decoder="ultraface"))
    assert canvas.scale == (0.5, 2.0)
    assert canvas.pixels.shape == (64, 64, 3)
    assert canvas.pixels.all()


# ---- complete graphs ----


def opened(card: Any, path: Path) -> Any:
    return detector(card, open_session(path.with_suffix(".onnx").read_bytes(), name=card.name))


def test_a_face_comes_back_in_coordinates_of_the_picture(toys: Any, draw: Any) -> None:
    path = Path(toys.card("detector"))
    model = opened(read_card(path), path)
    found = detect(model, np.kron(draw(quadrants=(3,)), np.ones((2, 2, 1), np.uint8)))  # the canvas is half as large
    assert found.boxes == pytest.approx(np.array([[72, 72, 120, 120]]))
    assert found.points[0, 2] == pytest.approx([96, 96])
    assert found.scores == pytest.approx([1])


def test_a_face_darker_than_the_threshold_is_none_and_three_are_three(toys: Any, draw: Any) -> None:
    path = Path(toys.card("detector"))
    model = opened(read_card(path), path)
    assert len(detect(model, draw(blue=151))) == 0
    assert detect(model, draw(blue=154)).scores == pytest.approx([154 / 255], abs=1e-5)
    assert len(detect(model, draw(quadrants=(0, 1, 3)))) == 3


def test_an_ultraface_graph_runs_whole(card: Any, graphs: Any, tmp_path: Path) -> None:
    heads = {"scores": [[[0, 0.95], [0, 0.9], [1, 0]]], "boxes": [[[0, 0, 0.5, 1], [0, 0, 0.52, 1], [0, 0, 1, 1]]]}
    read = card(model=graphs.answering(heads), decoder="ultraface")
    found = detect(opened(read, tmp_path / "toy.toml"), white(200, 100))
    assert found.boxes == pytest.approx(np.array([[0, 0, 100, 100]]))  # the second is its duplicate


def test_an_scrfd_graph_runs_whole_with_its_numbered_outputs(card: Any, graphs: Any, tmp_path: Path) -> None:
    heads = scrfd_heads()
    scrfd_map(heads, 32, 1)[6] = 0.9  # column 1, row 1, first anchor; corner (32, 32)
    scrfd_map(heads, 32, 4)[6] = [0.5, 0.5, 0.75, 0.75]
    read = card(model=graphs.answering(heads), decoder="scrfd", input_name="*")
    found = detect(opened(read, tmp_path / "toy.toml"), white(64, 64))
    assert found.boxes == pytest.approx(np.array([[16, 16, 56, 56]]))
    assert found.points[0] == pytest.approx(np.full((5, 2), 32))


@pytest.mark.parametrize("decoder", ["retinaface", "yolov5_face", "yolov8_face"])
def test_further_graphs_run_whole(decoder: str, card: Any, graphs: Any, tmp_path: Path) -> None:
    if decoder == "retinaface":
        heads = retinaface_heads()
        heads["b"][0, 2 * 64 + 1] = [0, 1]  # stride 16, first cell, second prior: 128 pixels around (8, 8)
        expected = [8 - 64, 8 - 64, 8 + 64, 8 + 64]
    elif decoder == "yolov5_face":
        heads = {"output": np.array([[[30, 40, 20, 10, 0.9, *range(10), 1]]], np.float32)}
        expected = [20, 35, 40, 45]
    else:
        heads = yolov8_heads()
        heads["map32"][0, [0, 16, 32, 48], 0, 0], heads["map32"][0, 64, 0, 0] = 60, 5
        heads["map32"][0, [1 + 32, 1 + 48], 0, 0], heads["map32"][0, [32, 48], 0, 0] = 60, 0
        expected = [16, 16, 48, 48]
    read = card(model=graphs.answering(heads), decoder=decoder, input_name="*")
    found = detect(opened(read, tmp_path / "toy.toml"), white(64, 64))
    assert found.boxes == pytest.approx(np.array([expected], np.float64))


def test_a_graph_without_the_heads_of_its_decoder_is_refused_when_it_is_opened(
    card: Any, graphs: Any, tmp_path: Path
) -> None:
    read = card(model=graphs.answering({"cls_8": np.zeros((1, 64, 1))}))
    with pytest.raises(ModelError, match="no output 'cls_16'"):
        opened(read, tmp_path / "toy.toml")


def test_a_card_may_name_every_decoder_and_nothing_else() -> None:
    for name, decoder in DECODERS.items():
        assert table(decoder=name, points=decoder.gives_points).decoder == name
    with pytest.raises(ValidationError, match="should be one of 'yunet', 'ultraface', 'scrfd'"):
        table(decoder="retina")


@pytest.mark.parametrize("threshold", [0.05, 0.3, 0.6, 1.0])
def test_yunet_keeps_the_cells_that_all_scores_computed_give(threshold: float) -> None:
    rng = np.random.default_rng(3)
    spec = table(score_threshold=threshold)
    heads = {}
    for stride in (8, 16, 32):
        cells = (96 // stride) * (64 // stride)
        for kind, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            values = rng.normal(0.5, 0.5, (1, cells, width)).astype(np.float32)
            if width == 1:  # NaN, and values at the limits
                for value in (np.nan, threshold, threshold**2, 1.0):
                    values[rng.random(values.shape) < 0.1] = value
            heads[f"{kind}_{stride}"] = values
    found, at = DECODERS["yunet"].decode(heads, spec, (96, 64)), 0
    for stride in (8, 16, 32):
        cls, obj = (np.clip(heads[f"{kind}_{stride}"].ravel().astype(np.float64), 0, 1) for kind in ("cls", "obj"))
        for cell in np.flatnonzero(np.sqrt(cls * obj) >= threshold):
            column, row = cell % (96 // stride), cell // (96 // stride)
            centre = (found.boxes[at, :2] + found.boxes[at, 2:]) / 2
            np.testing.assert_allclose(
                centre, (heads[f"bbox_{stride}"][0, cell, :2] + (column, row)) * stride, rtol=1e-6, atol=1e-4
            )
            assert found.scores[at] == np.sqrt(cls[cell] * obj[cell])
            at += 1
    assert at == len(found.scores)


def test_yunet_maps_of_another_grid_are_refused() -> None:
    for name in ("obj_8", "bbox_16", "kps_32"):
        heads = yunet_heads()
        heads[name] = np.repeat(heads[name], 2, axis=1)
        with pytest.raises(ValueError, match="cells at stride"):
            DECODERS["yunet"].decode(heads, table(), (64, 64))
