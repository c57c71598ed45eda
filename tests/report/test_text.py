"""Numbers and hostile text are formatted in one place."""

from __future__ import annotations

import math
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.report.text import (
    HIDDEN,
    NO_XML,
    clean,
    deciding_end,
    deciding_interval,
    difference,
    interval,
    level_text,
    margin,
    p_equals,
    p_value,
    percent,
    points,
    ratio,
    score,
    signed_points,
    verdict,
)


def test_the_upper_limit_of_a_ratio_to_almost_nothing_is_not_written_in_full() -> None:
    assert ratio(14.18, 0.32, 3.6e10) == "14.18 [0.32, over 1,000,000]"
    assert ratio(14.18, 0.32, math.inf) == "14.18 [0.32, ∞]"
    assert deciding_interval(0.32, 3.6e10, 0.95, 2.0, is_ratio=True) == "ratio [0.32, over 1,000,000], 95%"


def test_every_letter_that_moves_hides_or_reorders_is_replaced_and_no_other_changes() -> None:
    for code in range(sys.maxunicode + 1):
        letter = chr(code)
        hidden = unicodedata.category(letter) in HIDDEN or letter in NO_XML
        assert clean(letter) == ("\ufffd" if hidden else letter), hex(code)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", "\ufffd[2J"),
        ("a\u202eexe.png", "a\ufffdexe.png"),
        ("one\nline", "one\ufffdline"),
        ("Zürich שלום 北京", "Zürich שלום 北京"),
        ("1\u00a0%", "1\u00a0%"),
        (None, "None"),
        (3, "3"),
    ],
)
def test_text_of_some_scripts_stays_and_escapes_go(text: object, shown: str) -> None:
    assert clean(text) == shown


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (0.05, 2, "5.00%"),
        (0.05, 1, "5.0%"),
        (0.000051, 2, "0.0051%"),
        (0.0, 2, "0.00%"),
        (1.0, 0, "100%"),
        (math.nan, 2, "–"),
    ],
)
def test_a_proportion_is_per_cent_without_a_space(value: float, digits: int, text: str) -> None:
    assert percent(value, digits) == text


def test_a_difference_of_proportions_is_in_percentage_points_with_or_without_sign() -> None:
    assert points(0.03) == "3.00 points"
    assert points(math.nan) == signed_points(math.nan) == "–"
    assert signed_points(0.03) == "+3.00 points"
    assert signed_points(-0.03) == "-3.00 points"
    assert signed_points(0.0) == "0.00 points"
    assert difference(0.03, 0.01, 0.05) == "3.00 points [1.00, 5.00]"
    assert difference(math.nan, math.nan, math.nan) == "– –"


def test_a_ratio_has_an_interval_that_may_have_no_end() -> None:
    assert ratio(4.0, 2.0, 10.0) == "4.00 [2.00, 10.00]"
    assert ratio(math.inf, 2.0, math.inf) == "∞ [2.00, ∞]"


def test_an_interval_is_a_dash_where_an_end_is_not_defined() -> None:
    assert interval(0.01, 0.055) == "[1.00, 5.50]"
    assert interval(math.nan, 0.5) == "–"
    assert (level_text(0.95), level_text(0.999)) == ("95%", "99.9%")


def test_a_verdict_names_its_margin_and_admits_a_small_difference() -> None:
    within = "no gap larger than the margin"
    assert verdict(within, 0.02, is_ratio=False, differs=False) == "no gap larger than 2 points"
    assert verdict(within, 2.0, is_ratio=True, differs=True) == "no gap larger than a ratio of 2, though not zero"
    assert verdict("gap larger than the margin", 2.0, is_ratio=True, differs=True) == "gap larger than a ratio of 2"
    assert verdict("gap", 2.0, is_ratio=True, differs=True) == "gap"
    assert verdict("not enough data", 2.0, is_ratio=True, differs=False) == "not enough data"
    assert margin(0.005, is_ratio=False) == "0.5 points"


def test_a_p_value_is_never_0() -> None:
    assert (p_value(0.0), p_value(0.01), p_value(math.nan)) == ("< 0.0001", "0.0100", "–")
    assert (p_equals(0.0), p_equals(0.01)) == ("< 0.0001", "= 0.0100")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.38764, "0.3876"),
        (0.0, "0.0000"),
        (-0.25, "-0.2500"),
        (0.00031234, "0.0003123"),
        (-1234567.0, "-1.235e+06"),
        (math.nan, "–"),
    ],
)
def test_a_threshold_keeps_its_digits_whatever_the_scale_of_the_scores(value: float, text: str) -> None:
    assert score(value) == text


@pytest.mark.parametrize(
    ("low", "high", "is_ratio", "shown"),
    [
        (0.0123, 0.0456, False, "[1.23, 4.56] points, 99.17%"),
        (0.0000001, 0.0456, False, "[1.0e-05, 4.56] points, 99.17%"),
        (0.020004, 0.0456, False, "[2.0004, 4.56] points, 99.17%"),
        (-0.0456, -0.0199996, False, "[-4.56, -1.99996] points, 99.17%"),
        (1.0004, 3.0, True, "ratio [1.0004, 3.00], 99.17%"),
        (2.003, math.inf, True, "ratio [2.003, ∞], 99.17%"),
        (0.2, 0.9996, True, "ratio [0.20, 0.9996], 99.17%"),
        (1.0, 1.5, True, "ratio [1.00, 1.50], 99.17%"),
        (0.0, 0.0456, False, "[0.00, 4.56] points, 99.17%"),
        (math.nan, math.nan, True, "–"),
    ],
)
def test_no_end_of_a_deciding_interval_is_rounded_onto_no_difference_or_onto_the_margin(
    low: float, high: float, is_ratio: bool, shown: str
) -> None:
    size = 2.0 if is_ratio else 0.02
    assert deciding_interval(low, high, 1 - 0.05 / 6, size, is_ratio=is_ratio) == shown


@given(st.floats(0.01, 100), st.sampled_from([1.0, 2.0, 0.5]))
def test_a_ratio_beside_an_edge_is_printed_on_its_own_side_of_it(value: float, edge: float) -> None:
    for near in (value, edge * (1 + 1e-9 * value), math.nextafter(edge, math.inf), math.nextafter(edge, 0)):
        printed = float(deciding_end(near, 2.0, is_ratio=True))
        assert (printed > edge, printed < edge) == (near > edge, near < edge)
