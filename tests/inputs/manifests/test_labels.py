"""Gender words, missing values and ages."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.inputs.manifests.labels import age_distance, age_interval, normalise_label


@pytest.mark.parametrize(
    ("written", "label"),
    [
        ("m", "male"),
        ("M", "male"),
        (" Male ", "male"),
        ("MAN", "male"),
        ("f", "female"),
        ("Female", "female"),
        ("woman", "female"),
        ("non-binary", "non-binary"),
        ("Two  Spirit", "Two Spirit"),
        ("", "unknown"),
        ("  ", "unknown"),
        ("UNKNOWN", "unknown"),
    ],
)
def test_gender_words_become_male_and_female_and_others_stay(written: str, label: str) -> None:
    assert normalise_label("gender", written) == label
    assert normalise_label("Sex", written) == label


def test_an_m_in_another_column_stays_an_m() -> None:
    assert normalise_label("size", "m") == "m"
    assert normalise_label("size", "") == "unknown"


def test_a_quoted_newline_in_a_label_becomes_a_blank() -> None:
    assert normalise_label("tone", "type\nIV") == "type IV"


@given(st.text(max_size=20), st.sampled_from(["gender", "tone"]))
def test_a_normalised_label_is_normal(text: str, column: str) -> None:
    once = normalise_label(column, text)
    assert normalise_label(column, once) == once


@pytest.mark.parametrize(
    ("label", "interval"),
    [
        ("34", (34, 34)),
        ("34.5", (34.5, 34.5)),
        ("20-29", (20, 29)),
        ("20 to 29", (20, 29)),
        ("20 – 29", (20, 29)),
        ("(25, 32)", (25, 32)),
        ("more than 70", (70, math.inf)),
        ("More Than 70", (70, math.inf)),
        ("70+", (70, math.inf)),
        ("over 65", (65, math.inf)),
        ("under 3", (0, 3)),
        ("0-2", (0, 2)),
        ("less than 3", (0, 3)),
    ],
)
def test_ages_are_read_in_the_forms_that_data_sets_use(label: str, interval: tuple[float, float]) -> None:
    assert age_interval(label) == interval


@pytest.mark.parametrize("label", ["young", "", "unknown", "29-20", "-5", "1984", "20-", "20-29-30", "7O", "nan"])
def test_other_text_is_no_age(label: str) -> None:
    assert age_interval(label) is None
    assert math.isnan(age_distance(30, label))


@pytest.mark.parametrize(
    ("predicted", "label", "distance"),
    [
        (25, "20-29", 0),
        (20, "20-29", 0),
        (29, "20-29", 0),
        (31.5, "20-29", 2.5),
        (12, "20-29", 8),
        (65, "more than 70", 5),
        (99, "more than 70", 0),
        (5, "under 3", 2),
        (36, "34", 2),
        (34, "34", 0),
    ],
)
def test_the_error_of_an_age_is_the_way_to_the_nearest_end(predicted: float, label: str, distance: float) -> None:
    assert age_distance(predicted, label) == distance


def test_a_prediction_that_is_not_there_has_no_error() -> None:
    assert math.isnan(age_distance(math.nan, "20-29"))


@given(st.floats(0, 120), st.integers(0, 100), st.integers(0, 40))
def test_an_age_is_inside_its_range_or_a_positive_way_off(predicted: float, low: int, width: int) -> None:
    distance = age_distance(predicted, f"{low}-{low + width}")
    assert (distance == 0) == (low <= predicted <= low + width)
    assert distance <= max(abs(predicted - low), abs(predicted - low - width))
