"""Frames are pooled by media, then media to templates, independent of order and of other templates."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.vision import pool


def unit(vectors: np.ndarray) -> np.ndarray:
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


def one_by_one(vectors: np.ndarray, templates: np.ndarray, media: np.ndarray) -> np.ndarray:
    """The same rule as loops, in double precision."""
    found = []
    for template in np.unique(templates):
        means = [
            np.mean(
                [vectors[k].astype(float) for k in np.flatnonzero((templates == template) & (media == medium))], axis=0
            )
            for medium in np.unique(media[templates == template])
        ]
        mean = np.mean(means, axis=0)
        found.append(mean / np.linalg.norm(mean))
    return np.array(found)


def test_many_frames_of_a_video_weigh_as_much_as_one_photograph() -> None:
    frames = np.float32([[1, 0]] * 9 + [[0, 1]])
    found = pool.pooled(frames, np.zeros(10, np.int64), np.array([0] * 9 + [1]))
    assert found == pytest.approx(np.sqrt([[0.5, 0.5]]))


def test_a_template_of_one_frame_is_that_frame_to_the_last_bit() -> None:
    frames = unit(np.random.default_rng(0).normal(size=(5, 16)))
    assert np.allclose(pool.pooled(frames, np.arange(5), np.arange(5)), frames, atol=1e-7, rtol=0)


def test_media_that_add_up_to_nothing_give_no_template() -> None:
    found = pool.pooled(np.float32([[1, 0], [-1, 0], [0, 1]]), np.array([0, 0, 1]), np.array([0, 1, 2]))
    assert np.isnan(found[0]).all()
    assert found[1].tolist() == [0, 1]


def test_no_frames_give_no_templates() -> None:
    nothing = np.empty(0, np.int64)
    assert pool.pooled(np.empty((0, 8), np.float32), nothing, nothing).shape == (0, 8)


@given(st.integers(1, 60), st.integers(0, 2**31))
def test_pooling_is_the_rule_in_loops_in_any_order_and_in_any_blocks(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames, templates = unit(rng.normal(size=(count, 6))), rng.integers(0, 7, count)
    media = templates * 3 + rng.integers(0, 3, count)
    found = pool.pooled(frames, templates, media)
    assert np.allclose(found, one_by_one(frames, templates, media), atol=1e-6)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pool, "MOST_FRAMES_AT_ONCE", 1)
        assert pool.pooled(frames, templates, media).tobytes() == found.tobytes()
