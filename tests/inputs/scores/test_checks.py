"""Files of scores that are mistaken as a whole."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facegap.errors import TableError
from facegap.inputs.scores.checks import decision_threshold, each_pair_once, require_usable
from facegap.inputs.scores.read import read_scores


def listed(folder: Path, *rows: str, header: str = "left,right,score") -> Path:
    (folder / "s.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder / "s.csv"


def test_a_pair_in_both_orders_counts_once(tmp_path: Path) -> None:
    path = listed(tmp_path, "a,b,0.5", "b,a,0.5", "a,c,0.2", "a,b,0.5", "c,d,nan", "d,c,nan")
    kept, repeated = each_pair_once(read_scores(path), "s.csv")
    assert (len(kept), repeated) == (3, 3)
    assert [kept.names[k] for k in kept.left] == ["a", "a", "c"]
    assert kept.lost == 1


def test_repeated_pairs_are_found_a_few_rows_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("facegap.store.scratch.CHUNK", 2)
    monkeypatch.setattr("facegap.store.scratch.LEAST_MAPPED", 1)
    path = listed(tmp_path, "a,b,0.5", "b,a,0.5", "a,c,0.2", "a,b,0.5", "c,d,nan", "d,c,nan", "b,d,0.1", " a ,b,0.5")
    kept, repeated = each_pair_once(read_scores(path), "s.csv")  # the last row has it read row by row
    assert (len(kept), repeated, kept.lost) == (4, 4, 1)
    assert [(kept.names[a], kept.names[b]) for a, b in zip(kept.left, kept.right, strict=True)] == [
        ("a", "b"), ("a", "c"), ("c", "d"), ("b", "d")
    ]  # fmt: skip
    path = listed(tmp_path, "a,b,0.5", "a,c,0.1", "c,d,0.1", "b,a,0.6", "d,c,0.2")
    with pytest.raises(TableError, match=r"rows 1 and 4 .* with two scores, 0\.5 and 0\.6 \(2 such rows\)"):
        each_pair_once(read_scores(path), "s.csv")


def test_a_pair_with_two_scores_is_an_error_that_names_both_rows(tmp_path: Path) -> None:
    path = listed(tmp_path, "a,b,0.5", "a,c,0.1", "b,a,0.6")
    with pytest.raises(
        TableError, match=r"rows 1 and 3 of the scores compare 'b' and 'a' with two scores, 0\.5 and 0\.6"
    ):
        each_pair_once(read_scores(path), "s.csv")


def test_trials_of_two_subjects_may_repeat(tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text("ann ann x 0.9\nann ann y 0.8\nann bob x 0.1\n")
    kept, repeated = each_pair_once(read_scores(tmp_path / "s.txt"), "s.txt")
    assert (len(kept), repeated) == (3, 0)


def pairs(genuine: list[float], impostor: list[float]) -> pd.DataFrame:
    return pd.DataFrame({"genuine": [True] * len(genuine) + [False] * len(impostor), "score": [*genuine, *impostor]})


def test_genuine_scores_below_impostor_scores_look_like_distances() -> None:
    with pytest.raises(TableError, match=r"genuine pairs is lower .*0\.2 against 0\.9.*pass --distance"):
        require_usable(pairs([0.1, 0.2, 0.3], [0.8, 0.9, 1.0]), [], "s.csv", distance=False)
    require_usable(pairs([-0.1, -0.2, -0.3], [-0.8, -0.9, -1.0]), [-0.5], "s.csv", distance=True)
    with pytest.raises(TableError, match=r"0\.9 against 0\.2.*similarities: omit it"):
        require_usable(pairs([-0.8, -0.9, -1.0], [-0.1, -0.2, -0.3]), [], "s.csv", distance=True)


@pytest.mark.parametrize(
    ("genuine", "impostor", "thresholds", "words"),
    [
        ([0.5] * 4, [0.5] * 4, [], "every score is 0.5; a constant score cannot distinguish people"),
        ([np.nan], [np.nan], [], "no comparison has a score"),
        (
            [70, 80, 90],
            [10, 20, 30],
            [500.0],
            "the threshold 500 is on another scale than the scores, which run from 10 to 90",
        ),
    ],
)
def test_scores_that_say_nothing_are_refused(
    genuine: list[float], impostor: list[float], thresholds: list[float], words: str
) -> None:
    with pytest.raises(TableError, match=words):
        require_usable(pairs(genuine, impostor), thresholds, "s.csv", distance=False)


def test_two_values_are_decisions_at_the_higher_one() -> None:
    assert decision_threshold(np.array([0.0, 1.0, np.nan, 1.0])) == 1.0
    assert decision_threshold(np.array([0.0, 0.5, 1.0])) is None
    assert decision_threshold(np.array([1.0, np.nan])) is None


def test_both_orders_are_trials_where_the_file_names_the_probe(tmp_path: Path) -> None:
    path = listed(tmp_path, "a,b,0.5", "b,a,0.6", "a,b,0.5", header="probe,reference,score")
    kept, repeated = each_pair_once(read_scores(path), "s.csv")
    assert (len(kept), repeated) == (2, 1)
    assert kept.scores.tolist() == [0.5, 0.6]
    path = listed(tmp_path, "a,b,0.5", "a,b,0.6", header="probe,reference,score")
    with pytest.raises(TableError, match=r"rows 1 and 2 of the scores .* keep one row for each pair$"):
        each_pair_once(read_scores(path), "s.csv")


def test_a_threshold_for_scores_of_one_beside_scores_of_a_hundred_is_of_another_scale() -> None:
    of_a_hundred = pairs([60.0, 70.0, 80.0], [1.0, 5.0, 20.0])
    with pytest.raises(
        TableError, match=r"threshold 0\.4 is on another scale .* genuine pairs is 70, and 100% of impostor"
    ):
        require_usable(of_a_hundred, [0.4], "s.csv", distance=False)
    require_usable(of_a_hundred, [40.0], "s.csv", distance=False)
    require_usable(pairs([0.6, 0.7], [0.01, 0.1]), [0.02], "s.csv", distance=False)  # strict enough to be meant
