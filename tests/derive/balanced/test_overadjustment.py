"""A property that defines a group is not a covariate of it."""

from __future__ import annotations

import pytest

from facegap.derive.balanced.overadjustment import is_of_skin, kind_of, require_no_overadjustment
from facegap.errors import SettingError


@pytest.mark.parametrize(
    "name",
    [
        "skin_luminance_25",
        "skin_under",
        "l_star",
        "measured_ita",
        "FaceLuminance",
        "LuminanceMean.scalar",
        "UnderExposurePrevention",
    ],
)
def test_brightness_of_skin_is_known_under_its_names(name):
    assert is_of_skin(name)


@pytest.mark.parametrize(
    "name", ["background_luminance_50", "background_over", "cheek_balance", "sharpness", "capital", "age"]
)
def test_light_that_is_measured_without_skin_is_allowed(name):
    assert not is_of_skin(name)


@pytest.mark.parametrize(
    "grouping", [("measured_tone",), ("gender", "annotated_monk"), ("fitzpatrick",), ("skin_type",)]
)
def test_groups_of_tone_refuse_it(grouping):
    with pytest.raises(SettingError, match="by construction"):
        require_no_overadjustment(grouping, ["skin_luminance_50"], allowed=False)
    assert require_no_overadjustment(grouping, ["skin_luminance_50"], allowed=True).endswith("by construction.")


def test_other_groups_do_not_mind():
    assert kind_of(("gender", "age")) is None
    assert require_no_overadjustment(("gender",), ["skin_luminance_50"], allowed=False) == ""
