"""Wrong labels blur a gap by a known factor, and certain ones blur nothing."""

from __future__ import annotations

import pytest

from facegap.selfcheck.labels import LabelSetting, label_coverage


def test_two_groups_of_whom_a_tenth_is_mislabelled_show_four_fifths_of_the_gap():
    # (1 - q)(p + d) + q p less the other way round: d (1 - 2 q).
    found = label_coverage(LabelSetting("classification", 300, 1, 0.1, 0.3, "probit", 0.0, 0.1), 16, 0)
    assert found.observed == pytest.approx(0.24, abs=0.03)
    assert found.certain < found.informed


def test_certain_labels_leave_both_intervals_alike():
    found = label_coverage(LabelSetting("genuine", 40, 3, 0.1, 0.2, "beta", 0.1, 0.0), 8, 1)
    assert found.certain == found.informed
    assert found.gap == found.gap_informed
