"""Terms and cells: the meaning of --by, the order of groups, and rejected terms."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.derive import groupings as groupings
from facegap.derive.groupings import (
    attribute_columns,
    attribute_values,
    cells_of,
    default_groupings,
    lost_labels,
    parse_by,
    require_kept,
)
from facegap.errors import TableError
from facegap.tables import BESIDE_LABELS, RATES
from facegap.types import Group

LABELS = ("gender", "race", "age")
PEOPLE = pd.DataFrame(
    {
        "gender": ["male", "female", "unknown", "female"],
        "race": ["b", "a", "a", "b"],
        "age": ["20-29", "3-9", "more than 70", "10-19"],
    }
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("gender", (("gender",),)),
        ("gender,race", (("gender",), ("race",))),
        ("gender*race", (("gender", "race"),)),
        (" gender , gender * race ,", (("gender",), ("gender", "race"))),
        ("gender,gender", (("gender",),)),
        ("gender*race*age", (("gender", "race", "age"),)),
        ("", ()),
    ],
)
def test_commas_part_and_stars_cross(text: str, expected: tuple[tuple[str, ...], ...]) -> None:
    assert parse_by(text, LABELS) == expected


def test_a_list_means_the_same_as_commas() -> None:
    assert parse_by(["gender", "gender*race,age"], LABELS) == parse_by("gender,gender*race,age", LABELS)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rase", "no label column 'rase'; did you mean 'race'"),
        ("gender*zodiac", "no label column 'zodiac'; it has gender, race, age"),
        ("gender*", "no label column ''"),
        ("gender*gender", "crosses a column with itself"),
    ],
)
def test_a_wrong_grouping_is_refused_with_a_cure(text: str, said: str) -> None:
    with pytest.raises(TableError, match=said.replace("*", r"\*")):
        parse_by(text, LABELS)


def test_everybody_is_one_cell() -> None:
    cells = cells_of(PEOPLE, ())
    assert cells.codes.tolist() == [0, 0, 0, 0]
    assert [str(group) for group in cells.groups] == ["all"]
    assert cells.known == (True,)


def test_a_missing_label_is_a_group_at_the_end_and_no_group_of_people() -> None:
    cells = cells_of(PEOPLE, ("gender",))
    assert [str(group) for group in cells.groups] == ["female", "male", "unknown"]
    assert cells.codes.tolist() == [1, 0, 2, 0]
    assert cells.known == (True, True, False)


def test_ages_stand_by_years_and_not_by_letters() -> None:
    assert [str(group) for group in cells_of(PEOPLE, ("age",)).groups] == ["3-9", "10-19", "20-29", "more than 70"]


def test_crossed_cells_are_those_that_occur() -> None:
    cells = cells_of(PEOPLE, ("gender", "race"))
    assert [group.attributes for group in cells.groups] == [
        (("gender", "female"), ("race", "a")),
        (("gender", "female"), ("race", "b")),
        (("gender", "male"), ("race", "b")),
        (("gender", "unknown"), ("race", "a")),
    ]
    assert cells.codes.tolist() == [2, 0, 3, 1]
    assert cells.known == (True, True, True, False)


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from(["x", "y", "unknown"])), min_size=1, max_size=40))
def test_each_row_lies_in_the_cell_of_its_own_labels(rows: list[tuple[str, str]]) -> None:
    frame = pd.DataFrame(rows, columns=["one", "two"])
    cells = cells_of(frame, ("one", "two"))
    assert [cells.groups[code].attributes for code in cells.codes] == [
        (("one", one), ("two", two)) for one, two in rows
    ]
    assert sorted(set(cells.codes.tolist())) == list(range(len(cells.groups)))


def test_crossings_of_too_many_cells_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groupings, "MOST_CELLS", 3)
    with pytest.raises(TableError, match=r"--by gender\*race: 4 cells, more than 3; cross fewer columns"):
        cells_of(PEOPLE, ("gender", "race"))


def test_by_default_columns_stand_alone_and_those_of_many_values_not_at_all() -> None:
    numbers = [str(k) for k in range(31)]
    many = pd.DataFrame({"gender": "male", "file_number": numbers, "day": [str(k % 30) for k in range(31)]})
    found, said = default_groupings(many, ("gender", "file_number", "day"))
    assert found == (("gender",), ("day",))
    assert said == (
        "column file_number has 31 different values and is not used for groups; request it with --by file_number",
    )


def test_attributes_stand_once_in_the_order_of_their_groupings() -> None:
    assert attribute_columns([(), ("race",), ("gender", "race")]) == ("race", "gender")


def test_an_attribute_that_is_not_split_is_any() -> None:
    group = Group((("gender", "female"),))
    assert attribute_values(group, ("race", "gender")) == {"race": "any", "gender": "female"}


def test_a_label_with_the_name_of_a_column_of_a_result_table_is_refused_before_it_would_be_lost() -> None:
    assert lost_labels(["gender", "images", "files", "image"], quality=False) == ["images", "files"]
    assert lost_labels(["quality", "median"], quality=False) == []
    assert lost_labels(["quality", "median", "race"], quality=True) == ["quality", "median"]
    require_kept([("gender", "race")], quality=True)
    with pytest.raises(TableError, match="--by: a result table has a column named 'images'"):
        require_kept([("gender",), ("gender", "images")], quality=False)


def test_every_column_beside_labels_is_known(answered_run: Any) -> None:
    """Tables without a schema add their own columns; a new one must be in BESIDE_LABELS."""
    run = answered_run[1]
    labels = {name for grouping in run.record.groupings for name in grouping}
    tables = {"rates": run.rates, "age": run.age, **run.extra}
    split = {name: set(table.columns) for name, table in tables.items() if labels & set(table.columns)}
    assert {"rates", "waterfall.csv"} <= set(split)
    for name, columns in split.items():
        fixed = {column for column in columns - labels if not column.startswith("other_")}
        assert fixed <= BESIDE_LABELS | set(RATES.columns), name
