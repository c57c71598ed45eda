"""Every table has the columns of its schema; errors name line, column and remedy."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import TableError
from facegap.tables import (
    ANNOTATIONS,
    BOOL,
    EDC_POINTS,
    FACES,
    FLOAT,
    GAPS,
    MANIFEST,
    PREDICTIONS,
    QUALITY_GATE,
    RATES,
    TEXT,
    Schema,
    check,
    label_columns,
)
from facegap.types import Gap

# A table without labels but with a boolean column; no table of facegap is like this.
PAIRS = Schema("PAIRS", {"left": TEXT, "right": TEXT, "genuine": BOOL, "score": FLOAT})


def manifest_frame(**columns: list[object]) -> pd.DataFrame:
    count = len(next(iter(columns.values()))) if columns else 2
    whole: dict[str, list[object]] = {
        "row": list(range(count)),
        "line": list(range(2, count + 2)),
        "image": [f"{index}.jpg" for index in range(count)],
        "path": [f"{index}.jpg" for index in range(count)],
        "subject": [f"s{index}" for index in range(count)],
    }
    return pd.DataFrame(whole | columns)


def prediction_frame(**columns: list[object]) -> pd.DataFrame:
    return pd.DataFrame(
        {"row": [0, 1], "image": ["a", "b"], "outcome": ["right", "wrong"], "label": ["male"] * 2}
        | {"prediction": ["male", "female"]}
        | columns
    )


def test_columns_come_back_in_the_order_and_dtypes_of_the_schema() -> None:
    frame = manifest_frame(gender=["male", "female"])[["gender", "subject", "path", "image", "line", "row"]]
    checked = check(frame, MANIFEST, "m.csv")
    assert list(checked.columns) == ["row", "line", "image", "path", "subject", "gender"]
    assert str(checked["row"].dtype) == "int64"
    assert str(checked["gender"].dtype) == "str"


def test_the_frame_that_is_checked_is_left_as_it_was() -> None:
    frame = manifest_frame(gender=["male", None])
    before = frame.copy()
    check(frame, MANIFEST, "m.csv")
    pd.testing.assert_frame_equal(frame, before)


def test_labels_of_rates_stand_between_threshold_from_and_errors() -> None:
    frame = pd.DataFrame(
        {name: [0] for name in RATES.columns} | {"gender": ["any"], "other_gender": [None], "weighs": ["trials"]}
    )
    checked = check(frame, RATES, "rates.csv")
    assert list(checked.columns)[3:7] == ["threshold_from", "gender", "other_gender", "errors"]
    assert checked["other_gender"].tolist() == [""]


def test_gaps_have_the_fields_of_a_gap_in_their_order() -> None:
    assert list(GAPS.columns) == [field.name for field in fields(Gap)]


def test_faces_have_five_points_named_as_seen_in_the_image() -> None:
    names = list(FACES.columns)
    assert names.index("embedding_row") - names.index("left_eye_x") == 10
    assert names[names.index("nose_x") : names.index("nose_x") + 2] == ["nose_x", "nose_y"]


def test_a_missing_column_is_named_with_what_was_found() -> None:
    with pytest.raises(TableError, match=r"s\.csv: column genuine .* missing; add it \(found: left, right, score\)"):
        check(pd.DataFrame({"left": ["a"], "right": ["b"], "score": [1.0]}), PAIRS, "s.csv")


def test_an_optional_column_that_is_absent_comes_back_empty() -> None:
    checked = check(prediction_frame(), PREDICTIONS, "p.csv")
    assert np.isnan(checked["age"]).all()
    assert checked["detail"].tolist() == ["", ""]


def test_a_value_outside_a_closed_set_is_named_with_its_line() -> None:
    with pytest.raises(TableError, match=r"p\.csv line 3, column outcome: 'lost' is not one of right, wrong"):
        check(prediction_frame(outcome=["right", "lost"]), PREDICTIONS, "p.csv")


def test_a_row_is_named_by_its_line_column_where_there_is_one() -> None:
    frame = manifest_frame(gender=["male", "any"]).assign(line=[2, 9])
    with pytest.raises(TableError, match=r"m\.csv line 9, column gender: 'any' is reserved"):
        check(frame, MANIFEST, "m.csv")


def test_a_row_of_no_csv_is_named_by_position() -> None:
    with pytest.raises(TableError, match=r"call row 1 \(counted from 0\), column probability: 'high' is not a number"):
        check(prediction_frame(probability=["0.5", "high"]), PREDICTIONS, "call")


@pytest.mark.parametrize(
    ("values", "said"),
    [([1.5, 2], "'1.5' is not a whole number"), (["", "2"], "empty cell"), ([float("inf"), 1], "not a whole number")],
)
def test_a_count_must_be_a_whole_number(values: list[object], said: str) -> None:
    with pytest.raises(TableError, match=said):
        check(prediction_frame(row=values), PREDICTIONS, "p.csv")


def test_numbers_and_truths_given_as_text_are_read() -> None:
    frame = pd.DataFrame({"left": ["a", "b"], "right": ["c", "d"], "genuine": ["True", "false"], "score": ["0.25", ""]})
    checked = check(frame, PAIRS, "s.csv")
    assert checked["genuine"].tolist() == [True, False]
    assert checked["score"].iloc[0] == 0.25
    assert np.isnan(checked["score"].iloc[1])


def test_a_truth_is_true_or_false() -> None:
    with pytest.raises(TableError, match=r"line 2, column genuine: 'yes' is neither True nor False"):
        check(pd.DataFrame({"left": ["a"], "right": ["b"], "genuine": ["yes"], "score": [1.0]}), PAIRS, "s.csv")


def test_an_unknown_column_is_refused_where_a_table_has_no_labels() -> None:
    frame = pd.DataFrame({"left": ["a"], "right": ["b"], "genuine": [True], "score": [1.0], "gender": ["x"]})
    with pytest.raises(TableError, match=r"column gender is not one of the table PAIRS; remove it"):
        check(frame, PAIRS, "s.csv")


def test_a_doubled_column_is_refused() -> None:
    frame = manifest_frame(gender=["male", "male"])
    doubled = pd.concat([frame, frame[["gender"]]], axis=1)
    with pytest.raises(TableError, match="column gender occurs more than once"):
        check(doubled, MANIFEST, "m.csv")


def test_missing_sizes_of_faces_are_kept_as_missing() -> None:
    row = {name: [0] for name in FACES.columns} | {"outcome": ["missing_file"], "colour": [""], "width": [None]}
    checked = check(pd.DataFrame(row), FACES, "faces.parquet")
    assert checked["width"].isna().all()
    assert str(checked["width"].dtype) == "Int32"


TABLES = [MANIFEST, FACES, PREDICTIONS, PAIRS, RATES, GAPS, QUALITY_GATE, EDC_POINTS, ANNOTATIONS]


@pytest.mark.parametrize("schema", TABLES, ids=attrgetter("name"))
def test_an_empty_table_is_a_table(schema: Schema) -> None:
    assert check(pd.DataFrame({name: [] for name in schema.columns}), schema, "t.csv").empty


@given(st.lists(st.tuples(st.text(max_size=8), st.booleans(), st.floats(allow_nan=False)), max_size=20))
def test_a_checked_table_passes_again_unchanged(rows: list[tuple[str, bool, float]]) -> None:
    frame = pd.DataFrame(
        {"left": [r[0] for r in rows], "right": "x", "genuine": [r[1] for r in rows], "score": [r[2] for r in rows]}
    )
    once = check(frame, PAIRS, "s.csv")
    pd.testing.assert_frame_equal(check(once, PAIRS, "s.csv"), once)


def test_label_columns_are_those_that_the_schema_does_not_fix() -> None:
    assert label_columns(manifest_frame(tone=["I", "V"], gender=["m", "f"]), MANIFEST) == ("tone", "gender")
