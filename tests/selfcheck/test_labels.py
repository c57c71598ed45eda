"""Wrong labels reduce a gap by a known factor; correct labels do not."""

from __future__ import annotations

import pytest

from facegap.selfcheck.labels import LabelSetting, label_coverage


def test_with_ten_per_cent_wrong_labels_four_fifths_of_the_gap_remain():
    # (1 - q)(p + d) + q p minus the same with the groups exchanged: d (1 - 2 q).
    found = label_coverage(LabelSetting("classification", 300, 1, 0.1, 0.3, "probit", 0.0, 0.1), 16, 0)
    assert found.observed == pytest.approx(0.24, abs=0.03)
    assert found.certain < found.informed


def test_both_intervals_agree_if_all_labels_are_correct():
    found = label_coverage(LabelSetting("genuine", 40, 3, 0.1, 0.2, "beta", 0.1, 0.0), 8, 1)
    assert found.certain == found.informed
    assert found.gap == found.gap_informed
