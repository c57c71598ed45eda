"""Groups in words: people with gender, tone and origin as labelled; any other label with its column."""

from __future__ import annotations

import pandas as pd
import pytest

from facegap.report.wording import all_adults, group_words
from facegap.types import Group


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        ({"tone": "darker", "gender": "female"}, "darker-skinned women"),
        ({"gender": "male", "tone": "lighter"}, "lighter-skinned men"),
        ({"gender": "female", "measured_tone": "darker"}, "women measured as darker"),
        ({"measured_monk": "7"}, "people measured as Monk 7"),
        ({"annotated_tone": "lighter", "gender": "male"}, "men annotated as lighter"),
        ({"race": "Latino_Hispanic", "gender": "male"}, "Latino Hispanic men"),
        ({"race": "Black"}, "Black people"),
        ({"race": "2", "gender": "female"}, "women (race: 2)"),
        ({"gender": "nonbinary"}, "people (gender: nonbinary)"),
        ({"chamber": "house", "gender": "female"}, "women (chamber: house)"),
        ({"site": "B", "camera_type": "x"}, "people (site: B, camera type: x)"),
        ({"tone": "IV"}, "people (tone: IV)"),
    ],
)
def test_a_group_is_called_as_its_labels_say(labels: dict[str, str], words: str) -> None:
    assert group_words(Group(tuple(labels.items()))) == words


def test_a_measured_tone_is_never_said_of_the_person() -> None:
    said = group_words(Group((("measured_tone", "darker"), ("gender", "female"))))
    assert "measured as" in said
    assert "skinned" not in said


def test_where_children_are_labelled_nobody_is_called_a_woman_or_man_alone() -> None:
    labels = {"gender": ["female", "male"], "age": ["20-29", "3-9"]}
    assert not all_adults(pd.DataFrame(labels))
    assert all_adults(pd.DataFrame({**labels, "age": ["20-29", "more than 70"]}))
    assert all_adults(pd.DataFrame({"gender": ["female"]}))
    assert group_words(Group((("gender", "female"),)), adults=False) == "women and girls"


def test_a_hostile_label_loses_what_moves_a_cursor_and_is_built_into_no_phrase() -> None:
    said = group_words(Group((("race", "\x1b[2J<b>"), ("gender", "male"))))
    assert said == "men (race: \ufffd[2J<b>)"
