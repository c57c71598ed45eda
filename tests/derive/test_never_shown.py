"""Files that were not shown to a model: counted by group, and reported first."""

from __future__ import annotations

import pandas as pd
import pytest
from scipy.stats import fisher_exact

from facegap.derive.never_shown import never_shown_sentences, never_shown_table, uneven_p

PEOPLE = pd.DataFrame({"gender": ["female"] * 40 + ["male"] * 40})
TWELVE = ["missing_file"] * 12 + ["ok"] * 68


def test_twelve_of_forty_womens_files_are_missing_and_none_of_the_mens() -> None:
    table = never_shown_table(PEOPLE, TWELVE, [(), ("gender",)])
    assert table[["files", "missing_file"]].to_numpy().tolist() == [[80, 12], [40, 12], [40, 0]]
    (sentence,) = never_shown_sentences(PEOPLE, TWELVE, [(), ("gender",)])
    assert sentence.startswith(
        "12 of 80 files are missing; these files were not passed to a model and are excluded from all rates. "
    )
    assert "12 of 40 female, 0 of 40 male" in sentence
    assert "this differs between groups (Fisher's exact test, p = 0.00037)" in sentence


def test_losses_that_chance_explains_are_not_called_uneven() -> None:
    ended = ["missing_file"] * 2 + ["ok"] * 38 + ["missing_file"] + ["ok"] * 39
    (sentence,) = never_shown_sentences(PEOPLE, ended, [("gender",)])
    assert "uneven" not in sentence


def test_nothing_lost_is_nothing_to_tell() -> None:
    assert never_shown_sentences(PEOPLE, ["no_face"] * 80, [("gender",)]) == []
    assert len(never_shown_table(PEOPLE, ["no_face"] * 80, [("gender",)])) == 0


@pytest.mark.parametrize(
    ("outcome", "count", "words"),
    [
        ("missing_file", 1, "1 of 80 files is missing"),
        ("unreadable", 2, "2 of 80 files cannot be read"),
        ("refused", 1, "1 of 80 files exceeds a limit of facegap"),
    ],
)
def test_each_outcome_has_its_words(outcome: str, count: int, words: str) -> None:
    (sentence,) = never_shown_sentences(PEOPLE, [outcome] * count + ["ok"] * (80 - count), [])
    assert sentence.startswith(words)


def test_the_p_is_that_of_scipy_times_the_number_of_groups() -> None:
    expected = 3 * fisher_exact([[9, 1], [2, 28]]).pvalue
    assert uneven_p([(9, 10), (1, 10), (1, 20)]) == pytest.approx(expected)
    assert uneven_p([(9, 10)]) == 1.0
