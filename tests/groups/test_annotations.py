"""Tables of annotations: reading, checks, and conversion to a matrix."""

from __future__ import annotations

from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.groups.annotations import ratings, read_annotations, scales_of, utc_time

HEADER = "image,annotator,scale,value,skipped,at\n"
AT = "2025-01-31T12:00:00+00:00"


def write(folder: Path, *rows: str) -> Path:
    path = folder / "annotations.csv"
    path.write_text(HEADER + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def test_answers_become_a_matrix_and_skips_are_counted(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        f"b.jpg,Zoe,monk,10,,{AT}",
        f"a.jpg,Zoe,monk,,no_colour,{AT}",
        f"a.jpg,Ada,monk,1,,{AT}",
        f"a.jpg,Ada,fitzpatrick,VI,,{AT}",
    )
    frame = read_annotations(path)
    found = ratings(frame, "monk")
    assert found.annotators == ("Ada", "Zoe")
    assert found.images == ("b.jpg", "a.jpg")
    assert found.codes.tolist() == [[-1, 0], [9, -1]]
    assert found.skipped.tolist() == [0, 1]
    assert scales_of(frame) == ("fitzpatrick", "monk")
    assert ratings(frame, "fitzpatrick").codes.tolist() == [[5]]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (f"a.jpg,Ada,monk,11,,{AT}", "line 2, column value: not a label of monk; it has 1, 2, 3"),
        (f"a.jpg,Ada,monk,,,{AT}", "line 2, column value: give either a value, or"),
        (f"a.jpg,Ada,monk,3,no_face,{AT}", "line 2, column value: give either a value, or"),
        (f"a.jpg,Ada,skin,3,,{AT}", "line 2, column scale: not a known scale; the scales are fitzpatrick, monk"),
        (f",Ada,monk,3,,{AT}", "line 2, column image: empty"),
        (f"a.jpg,,monk,3,,{AT}", "line 2, column annotator: empty"),
        (f"a.jpg,{'A' * 65},monk,3,,{AT}", "line 2, column annotator: a name of more than 64"),
        (
            "a.jpg,Ada,monk,3,,2025-01-31T12:00:00",
            "line 2, column at: '2025-01-31T12:00:00' is not an ISO 8601 time with a",
        ),
        ("a.jpg,Ada,monk,3,,yesterday", "column at: 'yesterday' is not an ISO 8601 time"),
    ],
)
def test_a_row_that_is_no_annotation_is_named(tmp_path: Path, row: str, said: str) -> None:
    with pytest.raises(TableError) as error:
        read_annotations(write(tmp_path, row))
    assert said in str(error.value)
    assert "annotations.csv" in str(error.value)


def test_two_answers_of_one_person_to_one_image_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="line 3, column image: repeats an annotator, image and scale"):
        read_annotations(write(tmp_path, f"a.jpg,Ada,monk,3,,{AT}", f"a.jpg,Ada,monk,4,,{AT}"))


def test_an_empty_table_and_a_missing_column_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match="a header and no rows"):
        read_annotations(write(tmp_path))
    other = tmp_path / "other.csv"
    other.write_text("image,annotator,scale,value,at\na.jpg,Ada,monk,3,2025-01-31T12:00:00Z\n")
    with pytest.raises(TableError, match="column skipped of the table ANNOTATIONS is missing"):
        read_annotations(other)


def test_a_scale_that_nobody_used_is_an_error_that_names_those_used(tmp_path: Path) -> None:
    frame = read_annotations(write(tmp_path, f"a.jpg,Ada,monk,3,,{AT}"))
    with pytest.raises(TableError, match=r"'fitzpatrick' \(found: monk\)"):
        ratings(frame, "fitzpatrick")


def test_a_name_that_a_spreadsheet_would_run_comes_back_as_it_was(tmp_path: Path) -> None:
    frame = read_annotations(write(tmp_path, f"'=1+1.jpg,'@Ada,monk,3,,{AT}"))
    assert frame["image"].tolist() == ["=1+1.jpg"]
    assert frame["annotator"].tolist() == ["@Ada"]


def test_times_are_brought_to_utc() -> None:
    assert utc_time("2025-01-31T13:00:00+01:00") == AT
    assert utc_time("2025-01-31T12:00:00Z") == AT
    assert utc_time("2025-01-31T12:00:00.25Z") == "2025-01-31T12:00:00.250+00:00"
    assert utc_time("2025-01-31T12:00:00Z") < utc_time("2025-01-31T12:00:00.250Z")  # they sort as text
