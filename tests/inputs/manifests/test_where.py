"""Conditions select the right rows, and invalid ones are rejected with their position."""

from __future__ import annotations

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import TableError
from facegap.inputs.manifests.where import select_rows


@pytest.fixture
def people() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "row": range(5),
            "line": [2, 3, 4, 5, 6],
            "image": [f"{index}.jpg" for index in range(5)],
            "gender": ["female", "male", "female", "male", "unknown"],
            "age": ["0-2", "20-29", "3-9", "70+", "unknown"],
            "year": ["1938", "1990", "2000.0", "1990", "unknown"],
            "skin tone": ["I", "VI", "VI", "II", "III"],
        }
    )


@pytest.mark.parametrize(
    ("condition", "rows"),
    [
        ("gender == 'female'", [0, 2]),
        ("gender == 'F'", [0, 2]),
        ("'female' == gender", [0, 2]),
        ("gender != 'female'", [1, 3, 4]),
        ("age not in ('0-2', '3-9') and gender == 'female'", []),
        ("age in ['0-2', '3-9']", [0, 2]),
        ("age in ('0-2')", [0]),
        ("gender == 'male' or age == '3-9'", [1, 2, 3]),
        ("not gender == 'male'", [0, 2, 4]),
        ("not (gender == 'male' or age == '3-9')", [0, 4]),
        ("gender == 'male' or gender == 'female' and age == '0-2'", [0, 1, 3]),
        ("year == 1990", [1, 3]),
        ("year == '1990'", [1, 3]),
        ("year == 2000", [2]),
        ("year == '2000'", []),
        ("year in (1938, 2000)", [0, 2]),
        ("year >= 1990", [1, 2, 3]),
        ("1938 < year <= 1990", [1, 3]),
        ("year > -5", [0, 1, 2, 3]),
        ("not year < 1990", [1, 2, 3, 4]),
        ("`skin tone` == 'VI' and year > 1995", [2]),
        ("`skin tone` == '`VI`'", []),
        ("image == '3.jpg'", [3]),
        ("gender == age", [4]),
        ("gender == 'male'\n  and year == 1990", [1, 3]),
    ],
)
def test_a_condition_chooses_the_rows_it_says(people: pd.DataFrame, condition: str, rows: list[int]) -> None:
    assert select_rows(people, condition).rows.nonzero()[0].tolist() == rows


def caret(error: TableError) -> tuple[str, str]:
    """The first line of the message and the text at its caret."""
    said, text, pointer = str(error).splitlines()
    return said, text[pointer.index("^") :]


@pytest.mark.parametrize(
    ("condition", "at", "said"),
    [
        ("gendr == 'female'", "gendr == 'female'", "did you mean gender"),
        ("age == '3-9' and colour == 'x'", "colour == 'x'", "no column colour"),
        ("gender == female", "female", "no column female"),
        ("age > 20", "age > 20", "holds '0-2' in line 2"),
        ("gender > 'a'", "gender > 'a'", "holds 'female' in line 2"),
        ("year > 'a'", "'a'", "text is not ordered; compare numbers, or list the values with 'in'"),
        ("year > 10 + 5", "10 + 5", "only column names"),
        ("__import__('os').system('true')", "__import__", "expected a comparison, or and, or, not"),
        ("gender == open('x')", "open('x')", "only column names"),
        ("gender.upper() == 'F'", "gender.upper()", "one side must be a column"),
        ("image == 'a' and gender", "gender", "expected a comparison, or and, or, not"),
        ("1 == 1", "1 == 1", "one side must be a column"),
        ("1 < 2", "1 < 2", "one side must be a column"),
        ("gender is 'female'", "'female'", "the operators are ==, !=, <, <=, >, >=, in and not in"),
        ("gender in image", "image", "'in' needs a list of values, such as"),
        ("gender in ()", "()", "'in' needs a list of values, such as"),
        ("year == True", "True", "write it in quotes"),
        ("year == None", "None", "write it in quotes"),
        ("year == 1e999", "1e999", "only column names"),
        ("gender == f'{age}'", "f'{age}'", "only column names"),
        ("`skin colour` == 'I'", "`skin colour`", "no column skin colour"),
        ("gender = 'female'", "= 'female'", "not understood"),
        ("age == '3-9' and", "", "not understood"),
        ("größe == 'ä' and fehlt == 1", "größe", "no column größe"),
        ("image == 'ä' and fehlt == 1", "fehlt", "no column fehlt"),
    ],
)
def test_anything_else_is_refused_where_it_stands(people: pd.DataFrame, condition: str, at: str, said: str) -> None:
    with pytest.raises(TableError) as caught:
        select_rows(people, condition)
    if not at:
        assert said in str(caught.value)
        return
    message, pointed = caret(caught.value)
    assert said in message
    assert pointed.startswith(at)


ODD = ["", "   ", "(" * 900, "not " * 499 + "gender", "a\0b", "'\\d' == gender", "gender if 1 else 2", "x" * 3000]


@pytest.mark.parametrize("condition", ODD)
def test_odd_conditions_end_in_an_error_and_never_in_a_crash(people: pd.DataFrame, condition: str) -> None:
    with pytest.raises(TableError, match="--where"):
        select_rows(people, condition)


def test_a_value_that_no_cell_has_is_warned_of(people: pd.DataFrame) -> None:
    selection = select_rows(people, "gender == 'women' or gender == 'male'")
    assert selection.rows.sum() == 2
    assert selection.warnings == (
        "--where: no cell of column gender is 'women'; it contains 'female', 'male', 'unknown' ...",
    )


def test_an_empty_frame_has_no_rows_to_choose(people: pd.DataFrame) -> None:
    assert select_rows(people.iloc[:0], "gender == 'male'").rows.tolist() == []


@given(st.text(max_size=40))
def test_no_text_ever_does_more_than_choose_or_be_refused(text: str) -> None:
    frame = pd.DataFrame({"line": [2, 3], "a": ["x", "y"]})
    try:
        assert select_rows(frame, text).rows.shape == (2,)
    except TableError as error:
        assert "--where" in str(error)


@given(st.lists(st.sampled_from(["m", "f", "x"]), max_size=10), st.sampled_from(["m", "f", "x"]))
def test_in_and_not_in_part_the_rows(labels: list[str], label: str) -> None:
    frame = pd.DataFrame({"tone": pd.Series(labels, dtype="str")})
    inside, outside = (select_rows(frame, f"tone {word} ('{label}', 'm')").rows for word in ("in", "not in"))
    assert (inside ^ outside).all()
    assert inside.tolist() == [each in (label, "m") for each in labels]
