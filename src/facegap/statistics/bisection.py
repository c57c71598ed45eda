"""Bisection of many intervals at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from facegap.types import BoolArray, FloatArray

AT_ONCE = 3  # halvings per call for few problems, where the cost is that of the call, not of its 7 points
FEW = 64


def bisected(
    goes_up: Callable[[FloatArray], BoolArray], low: FloatArray, high: FloatArray, times: int
) -> tuple[FloatArray, FloatArray]:
    """Bisect each interval `times` times; the upper half is kept where `goes_up(middle)` is true.

    Parameters
    ----------
    goes_up : callable
        Whether the upper half is kept; elementwise, for points float64 [..., *shape].
    low, high : float64 arrays of one shape
        Initial ends.
    times : int
        A multiple of 3.

    Returns
    -------
    low, high : float64 arrays
        Final ends, bit-identical whether several halvings were made per call or not.

    Examples
    --------
    >>> low, high = bisected(lambda x: x * x < 2, np.array([1.0]), np.array([2.0]), 51)
    >>> round(float(low[0]), 9)
    1.414213562
    """
    assert times % AT_ONCE == 0
    at_once = AT_ONCE if low.size <= FEW else 1
    for _ in range(times // at_once if low.size else 0):
        points = np.stack([low, high])
        for _ in range(at_once):
            finer = np.empty((2 * len(points) - 1, *low.shape))
            finer[::2], finer[1::2] = points, (points[:-1] + points[1:]) / 2
            points = finer
        up = goes_up(points[1:-1])
        at = np.zeros((1, *low.shape), dtype=np.intp)
        for level in reversed(range(at_once)):
            at += np.take_along_axis(up, at + 2**level - 1, axis=0) * 2**level
        low, high = np.take_along_axis(points, at, axis=0)[0], np.take_along_axis(points, at + 1, axis=0)[0]
    return low, high
