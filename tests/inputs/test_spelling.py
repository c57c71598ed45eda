"""Which spellings are the same word, and which words mean a missing value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.inputs.spelling import (
    has_invisible,
    is_scientific,
    means_nothing,
    merged,
    near_spellings,
    number_spelling,
    same_letters,
    same_word,
    tidy,
)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("  darker ", "darker"),
        ("dark\u00a0brown", "dark brown"),
        ("dark \t brown", "dark brown"),
        ("dar\u200bker", "darker"),
        ("\ufeffdarker", "darker"),
        ("dark\u00ader", "darker"),
        ("\u202edarker\u202c", "darker"),
        ("Jose\u0301", "Jos\u00e9"),
        ("a\x07b", "ab"),
        ("\u3000", ""),
    ],
)
def test_what_can_only_be_a_slip_is_mended(written: str, read: str) -> None:
    assert tidy(written) == read


@given(st.text())
def test_a_tidy_text_stays_as_it_is(text: str) -> None:
    assert tidy(tidy(text)) == tidy(text)
    assert not has_invisible(tidy(text))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("7", "7.0", True),
        ("7", "07", True),
        ("-0", "0.00", True),
        ("1.50", "1.5", True),
        ("7", "7.01", False),
        ("A1", "a1", False),
        ("1.", "1", True),
        ("9007199254740993", "9007199254740992", False),  # not converted to float64
        ("I", "\u2160", False),
    ],
)
def test_numbers_are_one_word_in_any_spelling(one: str, other: str, *, same: bool) -> None:
    assert (same_word(one) == same_word(other)) is same


def test_case_and_accents_make_another_word_of_the_same_letters() -> None:
    assert same_word("Jose") != same_word("Jos\u00e9")
    assert same_letters("Jose") == same_letters("JOS\u00c9") == same_letters("jo se\u0301")
    assert same_letters("Jo\u00e3o") != same_letters("Jose")


@pytest.mark.parametrize("word", ["None", "NULL", "NaN", "n/a", "N/A", "-", "?", "#N/A", "<NA>", "\u2014", "nil", "na"])
def test_words_for_nothing_are_missing(word: str) -> None:
    assert means_nothing(word)


@pytest.mark.parametrize("word", ["", "no", "nobody", "unknown", "nona", "--x", "0"])
def test_other_words_are_not(word: str) -> None:
    assert not means_nothing(word)


def test_na_is_a_code_beside_other_codes_and_missing_elsewhere() -> None:
    assert means_nothing("NA", beside=["darker", "lighter"])
    assert not means_nothing("NA", beside=["US", "DE"])
    assert means_nothing("N/A", beside=["US", "DE"])
    assert means_nothing("NA", beside=["NA"])


def test_near_spellings_are_grouped_and_merged_to_the_commonest() -> None:
    (group, years) = near_spellings({"Darker": 3, "darker": 30, "lighter": 5, "DARKER": 3, "7": 1, "07": 2})
    assert group.words == ("darker", "DARKER", "Darker")
    assert str(group) == "'darker' (30 rows), 'DARKER' (3 rows), 'Darker' (3 rows)"
    assert merged([group, years]) == {"DARKER": "darker", "Darker": "darker", "7": "07"}


@pytest.mark.parametrize(("text", "is_one"), [("1E+15", True), ("1.23457e+15", True), ("1e5x", False), ("E15", False)])
def test_numbers_that_a_spreadsheet_shortened_are_seen(text: str, *, is_one: bool) -> None:
    assert is_scientific(text) is is_one


def test_a_number_keeps_its_digits() -> None:
    assert number_spelling("0012345678901234567890.500") == "12345678901234567890.5"
    assert number_spelling("+3") == "3"
    assert number_spelling("3a") == "3a"
