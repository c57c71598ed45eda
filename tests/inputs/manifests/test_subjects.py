"""Subjects, and spellings that turn one person into two."""

from __future__ import annotations

import pandas as pd
import pytest

from facegap.errors import TableError
from facegap.inputs.manifests.subjects import subject_column


def read(*names: str, as_written: bool = False) -> tuple[list[str], list[str]]:
    cells = pd.Series(list(names), dtype="str")
    column, said = subject_column(cells, list(range(2, 2 + len(names))), "m.csv", "line", as_written=as_written)
    return column.tolist(), said


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann Lee", "Ann  Lee"),
        ("Jos\u00e9", "Jose\u0301"),
        ("ann", "a\u200bnn"),
        ("7", "7.0"),
        ("7", "07"),
        ("ann\u00a0lee", "ann lee"),
    ],
)
def test_two_spellings_of_one_person_are_refused_with_both_lines(one: str, other: str) -> None:
    with pytest.raises(TableError, match=r"line [24].*line [24].*two spellings of one subject.*--subjects-as-written"):
        read(one, "else", other)
    assert len(set(read(one, "else", other, as_written=True)[0])) == 3


def test_names_that_differ_by_case_or_accents_are_told_where_somebody_has_two_images() -> None:
    column, (said,) = read("Jose", "Jos\u00e9", "x1", "x1")
    assert column == ["Jose", "Jos\u00e9", "x1", "x1"]
    assert (
        "1 subjects differ from another only in case, accents or spaces: 'Jose' (1 rows), 'Jos\u00e9' (1 rows)" in said
    )


def test_names_that_differ_by_case_are_refused_where_nobody_has_two_images() -> None:
    with pytest.raises(TableError, match=r"no subject has two images, and 2 subjects differ .*'P1'.*'p1'"):
        read("P1", "p1", "P2", "p2")


def test_whole_numbers_that_went_through_floats_are_integers() -> None:
    assert read("1001.0", "1002.0", "1001.0") == (["1001", "1002", "1001"], [])


def test_ids_that_a_spreadsheet_shortened_are_refused() -> None:
    with pytest.raises(
        TableError,
        match=r"line 3, column subject: '1\.23457E\+15' is a number that was shortened by a spreadsheet",
    ):
        read("a", "1.23457E+15")


def test_an_end_that_is_trimmed_makes_no_other_person() -> None:
    assert read(" ann", "ann ", "bob") == (["ann", "ann", "bob"], [])


@pytest.mark.parametrize("word", ["None", "nan", "N/A", "unknown", "-", "?"])
def test_a_word_for_nobody_is_refused_unless_it_is_a_name(word: str) -> None:
    with pytest.raises(
        TableError, match=r"m.csv line 3, column subject: .* is a word for a missing name \(2 rows\).*--keep-words"
    ):
        read("ann", word, word)
    cells = pd.Series(["ann", word], dtype="str")
    kept, _ = subject_column(cells, [2, 3], "m.csv", "line", as_written=False, keep_words=True)
    assert kept.tolist() == ["ann", word]


def test_two_letters_that_are_a_code_beside_others_are_a_person() -> None:
    assert read("NA", "DE", "FR")[0] == ["NA", "DE", "FR"]
