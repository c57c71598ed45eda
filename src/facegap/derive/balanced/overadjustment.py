"""Covariates that are part of the definition of a group: balancing them removes a gap by construction."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal

from facegap.derive.groupings import Grouping
from facegap.errors import SettingError

Kind = Literal["tone", "race"]

TONE_COLUMN = re.compile(r"(measured|annotated)_|tone|fitzpatrick|monk|skin|\bita\b", re.IGNORECASE)
RACE_COLUMN = re.compile(r"race|ethnic|ancestry|complexion", re.IGNORECASE)
# Brightness and colour of skin, or of the whole face, under any common name.
OF_SKIN = re.compile(
    r"skin|tone|\bita\b|^ita|_ita|fitzpatrick|monk|l_star|b_star|hue|(face|head).*(lumin|bright)", re.IGNORECASE
)
OF_FACE = re.compile(
    r"^(lumin|bright|dynamicrange|naturalcolour|underexp|overexp|unifiedquality)", re.IGNORECASE
)  # of OFIQ
INSTEAD = "background_luminance_50, background_under, background_over and cheek_balance"


def kind_of(grouping: Grouping) -> Kind | None:
    """Whether groups are defined by skin tone, or by race, which is associated with it; None: by neither.

    >>> kind_of(("gender", "measured_tone")), kind_of(("race",)), kind_of(("gender",))
    ('tone', 'race', None)
    """
    if any(TONE_COLUMN.search(name) for name in grouping):
        return "tone"
    return "race" if any(RACE_COLUMN.search(name) for name in grouping) else None


def is_of_skin(name: str) -> bool:
    """Whether a covariate is the brightness or colour of skin or of the face, by its name.

    >>> is_of_skin("skin_luminance_50"), is_of_skin("LuminanceMean"), is_of_skin("background_luminance_50")
    (True, True, False)
    """
    return bool(OF_SKIN.search(name) or OF_FACE.search(name))


def reason(grouping: Grouping, names: Sequence[str]) -> str:
    """Why these covariates are part of the groups, in a sentence; empty if they are not."""
    kind, of_skin = kind_of(grouping), [name for name in names if is_of_skin(name)]
    if kind is None or not of_skin:
        return ""
    named, groups = ", ".join(of_skin), "*".join(grouping)
    if kind == "tone":
        return (
            f"{named}: the groups of {groups} are defined by the brightness of skin, so balancing it removes the gap "
            f"by construction"
        )
    return (
        f"{named}: the brightness of skin itself differs between the groups of {groups}, so balancing it removes "
        f"part of the gap by construction"
    )


def require_no_overadjustment(grouping: Grouping, names: Sequence[str], *, allowed: bool) -> str:
    """The sentence required wherever the result is shown; empty if nothing is over-adjusted.

    Raises
    ------
    SettingError : for groups of skin tone with skin brightness among the covariates, unless allowed
    """
    said = reason(grouping, names)
    if said and kind_of(grouping) == "tone" and not allowed:
        raise SettingError(
            f"--covariates {said}. Balance illumination measured without skin ({INSTEAD}), or compare images of the "
            f"same person with --within NAME. facegap explain --allow-overadjustment balances it anyway and states "
            f"this in every output"
        )
    return f"{said}." if said else ""
