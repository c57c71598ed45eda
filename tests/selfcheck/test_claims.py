"""Claims derived from rows: holds, does not hold, or too few worlds to tell."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from facegap.selfcheck.claims import claims_of, coverage_claim, state_of, width_claim
from facegap.selfcheck.rows import CoverageRow, FamilyRow
from facegap.worlds.curves import standard_error

ROW = CoverageRow("genuine", 40, 2, 0.1, "beta", 0.1, 8.0, True, 0.93, 2000, 0.95, 0.94, 0.80, 1.1, "")
FAMILY = FamilyRow(
    "alike",
    "classification",
    "error_rate_all",
    ("a", "b"),
    (40, 40),
    (1, 1),
    (0.1, 0.1),
    "probit",
    0.0,
    0.02,
    400,
    0.02,
    0.02,
    math.nan,
    math.nan,
    math.nan,
    {},
)


def test_the_error_of_a_proportion_by_hand():
    assert standard_error(0.5, 100) == pytest.approx(0.05)
    assert standard_error(0.0, 200) == pytest.approx(math.sqrt(0.0025 * 0.9975 / 200))


@pytest.mark.parametrize(
    ("excess", "state"),
    [
        ([(-0.01, 0.01)], "holds"),
        ([(-0.01, 0.01), (0.015, 0.01)], "too few worlds to tell"),
        ([(0.015, 0.01), (0.021, 0.01)], "does not hold"),
        ([], "holds"),
    ],
)
def test_states_of_settings(excess, state):
    assert state_of(excess) == state


def test_a_setting_below_its_floor_is_named_with_its_error():
    claim = coverage_claim("genuine", [ROW, replace(ROW, images=5, facegap=0.90)])
    assert claim.state == "does not hold"
    assert "1 below" in claim.sentence
    assert claim.named == ("genuine, 40 subjects, 5 images each, rate 0.1, icc 0.1: 0.900 ± 0.007",)


def test_width_is_required_only_if_enough_errors_are_expected():
    assert width_claim([ROW]) is None
    assert width_claim([replace(ROW, expected_errors=20.0, width=2.6)]).state == "does not hold"
    assert width_claim([replace(ROW, expected_errors=20.0)]).state == "holds"


def test_false_alarms_above_the_maximum_are_reported():
    states = {c.subject: c.state for c in claims_of([replace(FAMILY, false_alarm=0.2)])}
    assert states == {"No gap is found if none was planted": "does not hold"}


def test_naive_intervals_and_stronger_effects_are_reported_without_requirement():
    claims = claims_of([ROW, replace(ROW, required=False, facegap=0.2)])
    assert [c.state for c in claims] == ["holds", "reported", "reported"]
    assert "1 of 1 setting" in claims[1].sentence


def test_no_rows_make_no_claims():
    assert claims_of([]) == ()
