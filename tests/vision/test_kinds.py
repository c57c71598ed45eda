"""Kinds of classifier outputs: each by hand, and each wrong one rejected with the kind that fits."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from facegap.errors import ModelError
from facegap.vision.kinds import Reading, class_numbers, probabilities


def read(kind: Any, *rows: tuple[float, ...], classes: int = 2, **more: Any) -> Any:
    return probabilities(np.array(rows, np.float64), Reading(kind, classes, "toy: outputs.gender", **more))


def test_each_kind_by_hand() -> None:
    third = 1 / 3
    assert read("softmax", (0.25, 0.75)).tolist() == [[0.25, 0.75]]
    assert read("logits", (0.0, math.log(3))) == pytest.approx(np.array([[0.25, 0.75]]))
    assert read("probability_of", (0.25,)).tolist() == [[0.25, 0.75]]
    assert read("logit", (math.log(third),)) == pytest.approx(np.array([[0.25, 0.75]]))
    assert read("logit", (-800.0,), (800.0,)).tolist() == [[0, 1], [1, 0]]
    assert read("percent", (25.0,)).tolist() == [[0.25, 0.75]]
    assert read("percent", (20.0, 30.0, 50.0), classes=3) == pytest.approx(np.array([[0.2, 0.3, 0.5]]))


def test_an_index_is_the_number_of_the_class() -> None:
    reading = Reading("index", 3, "toy: outputs.gender")
    assert class_numbers(np.array([[2.0], [0.0]]), reading).tolist() == [2, 0]
    for wrong in (3.0, -1.0, 0.5):
        with pytest.raises(ModelError, match=r"index needs whole numbers from 0 to 2; the model returns"):
            class_numbers(np.array([[1.0], [wrong]]), reading)


@pytest.mark.parametrize(
    ("kind", "rows", "proposed"),
    [
        ("softmax", [(3, -2)], 'write kind = "logits"'),  # adds up to 1, but not a probability
        ("softmax", [(0.4, 0.6), (2.0, 5.0)], 'write kind = "logits"'),
        ("softmax", [(30, 70)], 'write kind = "percent"'),
        ("softmax", [(0.9, 0.8)], 'kind = "probability_of", columns'),  # two logistic functions
        ("softmax", [(0.5, 0.45)], 'kind = "probability_of", columns'),
        ("probability_of", [(-0.7,), (0.3,)], 'write kind = "logit"'),
        ("probability_of", [(71.5,), (0.3,)], 'write kind = "percent" or kind = "logit", as stated by its authors'),
        ("percent", [(101.5,)], 'write kind = "logit"'),
        ("percent", [(0.3, 0.7)], 'write kind = "softmax"'),
        ("percent", [(-3, 7)], 'write kind = "logits"'),
    ],
)
def test_values_that_a_kind_cannot_have_are_refused_and_the_fitting_kind_named(
    kind: Any, rows: list[tuple[float, ...]], proposed: str
) -> None:
    with pytest.raises(ModelError, match=r"^toy: outputs\.gender\.kind: ") as caught:
        read(kind, *rows)
    assert proposed in str(caught.value)


def test_three_classes_with_a_logistic_function_each_fit_no_kind() -> None:
    with pytest.raises(
        ModelError, match="no kind in a card fits such values; export the model with logits or softmax output"
    ):
        read("softmax", (0.9, 0.8, 0.1), classes=3)


def test_the_sum_may_miss_one_by_two_hundredths_and_by_the_steps_of_eight_bits() -> None:
    assert read("softmax", (0.5, 0.515)).tolist() == [[0.5, 0.515]]
    with pytest.raises(ModelError, match="add up to 1"):
        read("softmax", (0.5, 0.525))
    ten = (0.1,) * 9 + (0.135,)  # misses by .035, less than 10 / 256
    assert read("softmax", ten, classes=10, quantised=True).shape == (1, 10)
    with pytest.raises(ModelError, match="add up to 1"):
        read("softmax", ten, classes=10)


def test_rounding_of_half_precision_is_no_error() -> None:
    assert read("probability_of", (1.0004,), (-0.0004,)).argmax(axis=1).tolist() == [0, 1]


def test_settings_under_trial_are_read_without_a_check() -> None:
    assert read("softmax", (3.0, -2.0), checked=False).tolist() == [[3, -2]]
