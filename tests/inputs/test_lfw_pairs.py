"""Lists of pairs in the layout of Labeled Faces in the Wild."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from facegap.errors import TableError
from facegap.inputs.lfw_pairs import is_lfw, read_lfw
from facegap.inputs.scores.read import read_scores

TWO_FOLDS = "2\t1\nAnn_Lee\t1\t4\nAnn_Lee\t2\tBo_Ek\t1\nBo_Ek\t1\t2\nBo_Ek\t2\tCy_Oh\t13\n"


def listed(folder: Path, content: str) -> Path:
    (folder / "pairs.txt").write_text(content)
    return folder / "pairs.txt"


def test_pairs_of_every_fold_name_the_files_of_lfw(tmp_path: Path) -> None:
    path = listed(tmp_path, TWO_FOLDS)
    assert is_lfw(path)
    assert [(pair.line, *pair.stems) for pair in read_lfw(path)[0]] == [
        (2, "Ann_Lee_0001", "Ann_Lee_0004"),
        (3, "Ann_Lee_0002", "Bo_Ek_0001"),
        (4, "Bo_Ek_0001", "Bo_Ek_0002"),
        (5, "Bo_Ek_0002", "Cy_Oh_0013"),
    ]


def test_the_development_lists_have_one_number_in_their_first_line(tmp_path: Path) -> None:
    path = listed(tmp_path, "1\nAnn\t1\t2\nAnn\t1\tBo\t1\n")
    assert is_lfw(path)
    assert len(read_lfw(path)[0]) == 2


@pytest.mark.parametrize(
    "content",
    ["1 0.5\n0 0.2\n", "left,right,score\na,b,0.5\n", "a b 1 0.5\na c 0 0.1\n", "10 300\n", "", "1\t0.5\n1\t0.7\n"],
)
def test_files_of_scores_are_no_such_list(tmp_path: Path, content: str) -> None:
    assert not is_lfw(listed(tmp_path, content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "10\t300\nAnn\t1\t2\nAnn\t1\tBo\t1\n",
            r"LFW's list of pairs with 2 pairs, but line 1 says 10 x 2 x 300 = 6,000",
        ),
        ("1\t1\nAnn\t1\tBo\t1\nAnn\t1\t2\n", r"line 2: a pair of one person is expected here by line 1 \("),
        ("1\t1\nAnn\t1\t2\nAnn\tx\tBo\t1\n", r"line 3: LFW's lists have"),
        ("9999\t1\nAnn\t1\t2\n", r"line 1: LFW's list of pairs has 9999 folds"),
    ],
)
def test_a_list_that_is_cut_off_or_edited_is_refused_with_its_line(tmp_path: Path, content: str, words: str) -> None:
    with pytest.raises(TableError, match=words):
        read_lfw(listed(tmp_path, content))


def test_a_list_of_pairs_is_named_where_scores_are_wanted(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"a list of pairs as LFW publishes it; it has no scores.*--pairs"):
        read_scores(listed(tmp_path, TWO_FOLDS))


def test_a_pipe_is_never_opened_and_a_line_without_end_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not is_lfw(tmp_path / "pipe")
    assert not is_lfw(listed(tmp_path, "1" * 200_000))


@pytest.mark.parametrize("number", ["\u00b2", "\u0663", "9" * 5000])
def test_digits_that_are_no_picture_number_are_refused_by_line(tmp_path: Path, number: str) -> None:
    assert not is_lfw(listed(tmp_path, f"{number}\nAnn\t1\t2\n"))
    with pytest.raises(TableError, match="line 3"):
        read_lfw(listed(tmp_path, f"1\t1\nAnn\t1\t2\nAnn\t{number}\tBo\t1\n"))


def test_a_form_feed_ends_no_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.txt"
    path.write_bytes(b"1\x0c1Da\t1\t2\nAda\t1\tBea\t3\n")  # found by fuzzing: its first line has four cells
    assert not is_lfw(path)
