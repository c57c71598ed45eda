"""Groups without comparisons are rejected before the audit."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from facegap.audit.people import require_impostors
from facegap.errors import TableError

PEOPLE = pd.DataFrame(
    {
        "subject": ["a", "a", "b", "b", "c", "c", "d"],
        "gender": ["female"] * 4 + ["male"] * 3,
        "town": ["x"] * 6 + ["y"],
    }
)
ALL = np.ones(len(PEOPLE), np.bool_)
GENDER, TOWN = (("gender",),), (("town",),)


def test_groups_of_two_people_and_more_pass_without_a_word() -> None:
    assert require_impostors(PEOPLE, GENDER, ALL, by_is_given=True) == ()


def test_a_grouping_with_one_group_that_can_be_compared_is_refused() -> None:
    with pytest.raises(TableError, match=r"by town, the manifest has no impostor pair of: y \(1 person\)"):
        require_impostors(PEOPLE, TOWN, ALL, by_is_given=True)


def test_a_small_group_among_several_is_told_and_left() -> None:
    people = pd.concat([PEOPLE, PEOPLE.assign(subject=PEOPLE["subject"] + "2", town="z")], ignore_index=True)
    told = require_impostors(people, TOWN, np.ones(len(people), np.bool_), by_is_given=True)
    assert told == ("by town, the manifest has no impostor pair of: y (1 person); their FMR is not measured",)


def test_groupings_that_nobody_asked_for_are_told_only() -> None:
    assert len(require_impostors(PEOPLE, TOWN, ALL, by_is_given=False)) == 1


def test_listed_pairs_must_hold_strangers_of_every_group_with_two_people() -> None:
    within_and_across = np.array([[0, 2], [4, 6], [0, 4]])
    assert require_impostors(PEOPLE, GENDER, ALL, within_and_across, by_is_given=True) == ()
    with pytest.raises(TableError, match=r"the listed pairs have no impostor pair of: female \(2 people\)"):
        require_impostors(PEOPLE, GENDER, ALL, within_and_across[1:], by_is_given=True)


def test_people_of_the_threshold_set_do_not_count() -> None:
    with pytest.raises(TableError, match=r"female \(1 person\)"):
        require_impostors(PEOPLE, GENDER, np.array([True, True, False, False, True, True, True]), by_is_given=True)
