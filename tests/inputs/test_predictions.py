"""A file of predictions is read with every row accounted for, or rejected with file, line, column and remedy."""

from __future__ import annotations

import math
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import TableError
from facegap.inputs.predictions import Predictions, read_predictions


def read(folder: Path, text: str) -> Predictions:
    path = folder / "vendor.csv"
    path.write_text(text, encoding="utf-8")
    return read_predictions(path)


def test_a_plain_file_by_hand(tmp_path: Path) -> None:
    found = read(tmp_path, "image,prediction,confidence,age\na.jpg,F,0.9,31\nb.jpg,,0.4,\nc.jpg,Man,,40.5\n")
    frame = found.frame
    assert frame["line"].tolist() == [2, 3, 4]
    assert frame["image"].tolist() == ["a.jpg", "b.jpg", "c.jpg"]
    assert frame["prediction"].tolist() == ["female", "", "male"]
    assert frame["probability"][0] == 0.9
    assert frame["probability"][1:].isna().all()  # no prediction, so no confidence
    assert frame["age"][0] == 31
    assert math.isnan(frame["age"][1])
    assert (found.unit, len(found.sha256)) == ("line", 64)


def test_the_word_unknown_is_no_answer_and_other_words_are_classes(tmp_path: Path) -> None:
    found = read(tmp_path, "image,prediction\na,Unknown\nb, non-binary \nc,FEMALE\n")
    assert found.frame["prediction"].tolist() == ["", "non-binary", "female"]


def test_ages_alone_are_predictions_too(tmp_path: Path) -> None:
    found = read(tmp_path, "image,age\na,30\nb,\n")
    assert found.frame["prediction"].tolist() == ["", ""]
    assert found.frame["age"][0] == 30


def test_a_parquet_file_counts_records(tmp_path: Path) -> None:
    path = tmp_path / "vendor.parquet"
    pd.DataFrame({"image": ["a", "a"], "prediction": ["m", "f"]}).to_parquet(path)
    with pytest.raises(TableError, match=r"vendor.parquet record 2, column image: 'a' repeats record 1"):
        read_predictions(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "image,gender\na,f\n",
            "vendor.csv line 1, column gender: not one of image, prediction, confidence, age; remove",
        ),
        (
            "image,predicton\na,f\n",
            "line 1, column predicton: not one of image, prediction, confidence, age; rename it to pre",
        ),
        (
            "image,prediction,probability\na,f,1\n",
            "column probability: not one of image, prediction, confidence, age; rename",
        ),
        ("prediction\nf\n", "line 1: no column image; add it (found: prediction)"),
        ("image,confidence\na,1\n", "line 1: no column prediction; add it"),
        ("image,prediction\n", "line 1: a header and no rows"),
        ("image,prediction\na,f\n,f\n", "line 3, column image: empty; name the image as the manifest does"),
        ("image,prediction\na,f\nb,f\na,f\n", "line 4, column image: 'a' repeats line 2 (1 repeated in all)"),
        (
            "image,prediction,confidence\na,f,97\n",
            "line 2, column confidence: '97' is not a confidence from 0 to 1; divide",
        ),
        ("image,prediction,confidence\na,f,-1\n", "line 2, column confidence: '-1' is not a confidence from 0 to 1"),
        (
            "image,prediction,confidence\na,f,high\n",
            "line 2, column confidence: 'high' is not a number; write one, or leave",
        ),
        ("image,prediction,confidence\na,f,nan\n", "line 2, column confidence: 'nan' is not a number"),
        ("image,prediction,age\na,f,1984\n", "line 2, column age: '1984' is not an age from 0 to 150 years"),
        ("image,prediction,age\na,f,29-20\n", "line 2, column age: '29-20'"),
        ('image,prediction\n"a\nb",f\nc,f,1\n', "line 4"),
    ],
)
def test_a_malformed_file_is_named_by_line_and_column_with_a_cure(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(TableError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)


@given(st.lists(st.tuples(st.sampled_from(["f", "M", "", "x"]), st.floats(0, 1)), min_size=1, max_size=20))
def test_every_row_comes_back_once_and_in_order(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, float]]
) -> None:
    text = "image,prediction,confidence\n" + "".join(
        f"{k}.jpg,{word},{sure!r}\n" for k, (word, sure) in enumerate(rows)
    )
    frame = read(tmp_path_factory.getbasetemp(), text).frame
    words = {"f": "female", "M": "male", "": "", "x": "x"}
    assert frame["image"].tolist() == [f"{k}.jpg" for k in range(len(rows))]
    assert frame["prediction"].tolist() == [words[word] for word, _ in rows]
    for (word, sure), probability in zip(rows, frame["probability"], strict=True):
        assert math.isnan(probability) if word == "" else probability == sure
