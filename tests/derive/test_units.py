"""Sampling units."""

from __future__ import annotations

import pandas as pd

from facegap.derive.units import subject_codes, unit_codes, units_of_subjects

PEOPLE = pd.DataFrame(
    {
        "subject": ["ada", "ada", "bea", "cyd", "dan", "eli", "eli"],
        "photographer": ["p", "q", "q", "r", "unknown", "unknown", "r"],
        "session": ["1", "2", "3", "4", "unknown", "5", "6"],
        "family": ["x", "x", "unknown", "unknown", "x", "unknown", "unknown"],
    }
)


def test_a_subject_whom_two_photographers_took_joins_them() -> None:
    # p and q share ada; r has cyd and one image of eli; dan has no photographer and is a separate unit.
    assert unit_codes(PEOPLE, ["photographer"]).tolist() == [0, 0, 0, 1, 2, 1, 1]


def test_several_columns_join_what_either_of_them_joins() -> None:
    assert unit_codes(PEOPLE, ["photographer", "family"]).tolist() == [0, 0, 0, 1, 0, 1, 1]
    assert unit_codes(PEOPLE, ["session"]).tolist() == [0, 0, 1, 2, 3, 4, 4]


def test_without_a_known_value_the_subject_is_the_unit() -> None:
    blank = PEOPLE.assign(photographer="unknown")
    assert unit_codes(blank, ["photographer"]).tolist() == subject_codes(blank).tolist()
    assert unit_codes(PEOPLE, []).tolist() == subject_codes(PEOPLE).tolist()


def test_equal_words_of_two_columns_are_two_values() -> None:
    frame = pd.DataFrame({"subject": ["a", "b"], "site": ["1", "2"], "day": ["2", "3"]})
    assert unit_codes(frame, ["site", "day"]).tolist() == [0, 1]


def test_every_subject_has_one_unit() -> None:
    codes = subject_codes(PEOPLE)
    assert units_of_subjects(codes, unit_codes(PEOPLE, ["photographer"])).tolist() == [0, 0, 1, 2, 1]
