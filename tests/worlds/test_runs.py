"""Runs without a gap: the false alarms of the primary family stay at alpha, those of many separate families do not."""

import pytest

from facegap.worlds.runs import null_families, run_alarms


def test_twelve_separate_families_often_give_a_false_alarm_and_the_primary_family_does_not():
    families = null_families(4, 2, people=100, images=3, strength=0.0)
    found = run_alarms(families, 3, 400, 1)
    assert found.families == 12
    assert found.each_family > 0.15
    assert found.primary <= 0.05


def test_a_run_of_one_family_is_that_family():
    found = run_alarms(null_families(1, 3, people=40, images=2, strength=0.0)[:1], 1, 100, 2)
    assert found.each_family == found.primary


@pytest.mark.campaign
@pytest.mark.parametrize("groups", [2, 4])
@pytest.mark.parametrize("people", [40, 100])
@pytest.mark.parametrize("strength", [0.0, 0.1])
def test_the_primary_family_keeps_a_run_at_alpha(groups, people, strength):
    found = run_alarms(null_families(4, groups, people=people, images=3, strength=strength), 3, 2_000, 3)
    assert found.primary <= 0.05
