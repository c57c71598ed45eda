"""Frames are sampled by time, for any timestamps in a file."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
import pytest

from facegap.inputs.videos.sample import Arguments, sampled


class Capture:
    """A video as in OpenCV: a timestamp in seconds for each frame, and a frame rate in the header."""

    def __init__(self, stamps: list[float], fps: float = 10.0, unreadable: tuple[int, ...] = ()) -> None:
        self.stamps, self.fps, self.unreadable, self.at = stamps, fps, unreadable, -1

    def grab(self) -> bool:
        self.at += 1
        return self.at < len(self.stamps)

    def get(self, what: int) -> float:
        return self.fps if what == cv2.CAP_PROP_FPS else 1000 * self.stamps[self.at]

    def retrieve(self) -> tuple[bool, Any]:
        return self.at not in self.unreadable, np.full((2, 2, 3), self.at % 256, np.uint8)


def taken(capture: Capture, *, per_second: float = 2.0, most: int = 100) -> list[tuple[float, int]]:
    arguments = Arguments(0, per_second, most, 100, 1, 1)
    return [(time_s, int(pixels[0, 0, 0])) for time_s, pixels in sampled(capture, arguments)]


def test_the_first_frame_and_one_at_each_further_half_second() -> None:
    stamps = [k / 10 for k in range(21)]
    assert taken(Capture(stamps)) == [(0.0, 0), (0.5, 5), (1.0, 10), (1.5, 15), (2.0, 20)]


def test_time_counts_from_the_first_frame() -> None:
    assert taken(Capture([100 + k / 10 for k in range(11)])) == [(0.0, 0), (0.5, 5), (1.0, 10)]


def test_no_more_frames_than_are_allowed() -> None:
    assert len(taken(Capture([float(k) for k in range(1000)]), most=7)) == 7


def test_a_video_slower_than_the_rate_gives_each_of_its_frames_once() -> None:
    assert taken(Capture([0.0, 3.0, 6.0])) == [(0.0, 0), (3.0, 1), (6.0, 2)]


@pytest.mark.parametrize("stamp", [0.0, -5.0, math.nan, math.inf])
def test_time_stamps_that_stand_still_or_are_none_go_on_by_the_frame_rate(stamp: float) -> None:
    assert [frame for _, frame in taken(Capture([0.0] + [stamp] * 20))] == [0, 5, 10, 15, 20]


@pytest.mark.parametrize("fps", [0.0, -1.0, 1e9, math.nan])
def test_a_frame_rate_that_cannot_be_counts_as_25(fps: float) -> None:
    assert [frame for _, frame in taken(Capture([0.0] * 60, fps=fps))] == [0, 13, 25, 38, 50]


def test_a_frame_that_cannot_be_decoded_gives_way_to_the_next() -> None:
    assert taken(Capture([k / 10 for k in range(8)], unreadable=(5,))) == [(0.0, 0), (0.6, 6)]
