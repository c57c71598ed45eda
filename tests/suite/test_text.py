"""A board in words: which model is first, and the threshold of each model with its source."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from facegap.compare.rows import Machine
from facegap.store.record.thresholds import Operating
from facegap.suite.page import METHODS, numbers
from facegap.suite.ranks import RankRange
from facegap.suite.results import standing_object
from facegap.suite.rows import Board, ModelFacts, Standing, common_targets
from facegap.suite.text import OF_THRESHOLDS, board_notes, first_text, thresholds_table
from facegap.types import Rate

OF_A = Operating(0.41, "FMR 0.001 on A: 9 of 9000 impostor pairs", (0.001,))
OF_B = Operating(0.52, "FMR 0.001 on A: 2 of 9000 impostor pairs", (0.001,), "no threshold meets FMR 0.001")


def board(*points: Operating | None) -> Board:
    """A board of models a, b, ... with these thresholds."""
    rate = Rate(1, 10, 10, 0.01, 0.4, 0.95)
    standings = tuple(
        Standing(
            ModelFacts(name, 1, "float32", "MIT", True, math.nan, math.nan, 0),
            Path("out") / name,
            rate,
            None,
            None,
            None,
            None,
            Machine("cpu", 1, 1, 8),
            point,
        )
        for name, point in zip("abc", points, strict=False)
    )
    return Board("s", "S", "embed", "fmr", ("gender",), common_targets(points), 10, 10, standings, (), 0.05)


@pytest.mark.parametrize(
    ("ranges", "said"),
    [
        ([(1, 1), (2, 3), (2, 3)], "a has the lowest error rate of 3"),
        (
            [(1, 2), (2, 2), (2, 3)],
            "a may be first; b, c are behind",
        ),  # a is not ahead of all, so no model is named as first
        ([(1, 2), (1, 2), (3, 3)], "a or b may be first; c is behind"),
        ([(1, 3), (1, 3), (1, 3)], "no significant difference between the 3 models"),
    ],
)
def test_a_model_is_called_first_only_if_it_is_ahead_of_all_others(ranges: list[tuple[int, int]], said: str) -> None:
    ranks = [(name, RankRange(best, worst, 3)) for name, (best, worst) in zip("abc", ranges, strict=True)]
    assert first_text(ranks) == said


def test_notes_have_the_common_target_and_a_table_the_source_of_each_threshold() -> None:
    found = board(OF_A, OF_B)
    notes = " ".join(board_notes(found))
    assert "Each model at its own threshold, set for FMR 0.001." in notes
    assert "of 9000" not in notes  # counts of one model only
    assert thresholds_table(found).rows == (
        ("a", "0.4100", OF_A.source, "–"),
        ("b", "0.5200", OF_B.source, OF_B.unmet),
    )
    assert [table.title.split(",")[0] for table in numbers(found)] == ["thresholds"]
    assert standing_object(found.standings[1], Path("out"))["threshold"] == {
        "value": 0.52,
        "source": OF_B.source,
        "target_fmr": [0.001],
        "unmet": OF_B.unmet,
    }


def test_targets_are_those_that_all_models_have() -> None:
    both = Operating(0.6, "two targets led to it", (0.001, 0.0001))
    assert board(both, OF_A).targets == (0.001,)
    assert board(Operating(0.5, "given"), OF_A).targets == board(None, None).targets == ()


def test_limits_of_ranks_and_verdicts_are_stated_where_they_apply() -> None:
    said = board_notes(board(OF_A, OF_B))
    assert f"{OF_THRESHOLDS}." in said
    assert any("at the alpha of its run, without correction over models" in one for one in said)
    assert OF_THRESHOLDS in METHODS["Thresholds"]
    given = board_notes(board(Operating(0.5, "given"), Operating(0.5, "given")))
    assert "Each model at its own threshold." in given
    assert f"{OF_THRESHOLDS}." not in given
    assert not any("threshold" in one for one in board_notes(board(None, None)))
