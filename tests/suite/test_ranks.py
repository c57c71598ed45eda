"""Ranks of models: bounds and ranges by hand, and no significant difference where there is none."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facegap.compare.shared_people import together
from facegap.store.run import read_run
from facegap.suite.ranks import POOLED, Difference, RankRange, bounds_of_worst, differences_of_pairs, rank_ranges
from fixtures.settings import audit_predictions

PEOPLE = 400


def answers(folder: Path, name: str, wrong: Sequence[int]) -> Path:
    """A run of a vendor that misclassifies these people; half of the people are women, and every second of each is old."""
    subject = np.arange(PEOPLE)
    manifest = pd.DataFrame(
        {
            "image": [f"{k}.png" for k in subject],
            "subject": [f"p{k}" for k in subject],
            "gender": np.where(subject % 2 == 0, "female", "male"),
            "era": np.where(subject % 4 < 2, "old", "new"),
        }
    )
    said = manifest["gender"].where(
        ~np.isin(subject, wrong), manifest["gender"].map({"female": "male", "male": "female"})
    )
    manifest.to_csv(folder / "people.csv", index=False)
    pd.DataFrame({"image": manifest["image"], "prediction": said}).to_csv(folder / f"{name}.csv", index=False)
    audit_predictions(folder / f"{name}.csv", folder / "people.csv", model=name, by="gender", out=folder / name)
    return folder / name


def ranked(folders: Sequence[Path]) -> dict[str, dict[str, RankRange]]:
    """Ranges of ranks by grouping and model."""
    names = [folder.name for folder in folders]
    shared = together([read_run(folder) for folder in folders], names)
    found = differences_of_pairs(shared, ["error_rate_all"], [("gender",)], alpha=0.05, min_subjects=20)
    assert [(one.first, one.second) for one in found if one.grouping == POOLED] == list(combinations(names, 2))
    return {
        grouping: rank_ranges(names, [one for one in found if one.grouping == grouping])
        for grouping in (POOLED, "gender")
    }


def test_models_with_equal_errors_share_all_ranks_and_a_worse_one_is_behind_both(tmp_path: Path) -> None:
    few, many = list(range(0, 40)), list(range(0, 160))
    found = ranked([answers(tmp_path, "a", few), answers(tmp_path, "b", many), answers(tmp_path, "c", few)])
    for grouping in (POOLED, "gender"):
        assert found[grouping] == {"a": RankRange(1, 2, 3), "b": RankRange(3, 3, 3), "c": RankRange(1, 2, 3)}


def test_a_model_with_equally_many_errors_in_one_group_has_the_worse_worst_group(tmp_path: Path) -> None:
    women = list(range(0, 160, 2))  # 80 of 200 women
    both = list(range(200, 280))  # 40 of 200 women, 40 of 200 men
    found = ranked([answers(tmp_path, "one_sided", women), answers(tmp_path, "even", both)])
    assert found[POOLED] == {"one_sided": RankRange(1, 2, 2), "even": RankRange(1, 2, 2)}
    assert found["gender"] == {"one_sided": RankRange(2, 2, 2), "even": RankRange(1, 1, 2)}


def test_worst_groups_need_not_be_the_same_group(tmp_path: Path) -> None:
    women, men = list(range(0, 80, 2)), list(range(1, 81, 2))  # 40 of 200 each
    assert ranked([answers(tmp_path, "women", women), answers(tmp_path, "men", men)])["gender"] == {
        "women": RankRange(1, 2, 2),
        "men": RankRange(1, 2, 2),
    }


def test_bounds_of_the_worst_group_are_the_best_of_one_group_against_all_of_the_other() -> None:
    low = np.array([[0.10, -0.20], [0.30, -0.10]])  # rows: groups of a, columns: groups of b; b minus a
    high = np.array([[0.20, 0.00], [0.50, 0.40]])
    assert bounds_of_worst(low, high) == (0.10, 0.20)
    unknown = low.copy()
    unknown[1, 0] = np.nan  # unknown for one group of a in the best column, so that column proves nothing
    assert bounds_of_worst(unknown, high) == (-0.20, 0.20)
    assert all(map(math.isnan, bounds_of_worst(np.full((1, 1), np.nan), np.full((1, 1), np.nan))))


def test_ranges_of_ranks_by_hand() -> None:
    def pair(first: str, second: str, low: float, high: float) -> Difference:
        return Difference("m", "", first, second, (low + high) / 2, low, high)

    pairs = [
        pair("a", "b", 0.01, 0.05),  # a is ahead of b
        pair("a", "c", -0.01, 0.05),
        pair("b", "c", -0.05, -0.01),  # c is ahead of b
        pair("a", "d", 0.1, 0.2),
        pair("b", "d", -0.01, 0.1),
        pair("c", "d", 0.1, 0.2),
    ]
    assert rank_ranges(["a", "b", "c", "d"], pairs) == {
        "a": RankRange(1, 2, 4),
        "b": RankRange(3, 4, 4),
        "c": RankRange(1, 2, 4),
        "d": RankRange(3, 4, 4),
    }


def test_a_model_without_a_rate_has_no_rank_and_occupies_none() -> None:
    unknown = Difference("m", "", "a", "b", math.nan, math.nan, math.nan)
    assert rank_ranges(["a", "b"], [unknown]) == {}
    known = Difference("m", "", "a", "c", 0.1, 0.05, 0.2)
    assert rank_ranges(["a", "b", "c"], [unknown, known]) == {"a": RankRange(1, 1, 2), "c": RankRange(2, 2, 2)}


@pytest.mark.campaign
def test_equal_models_seldom_get_different_ranks(tmp_path: Path) -> None:
    """Two models with a true error of 10% in each of two groups: one is ahead in at most 5% of 200 simulations, with tolerance."""
    rng, apart = np.random.default_rng(7), 0
    for world in range(200):
        folder = tmp_path / str(world)
        folder.mkdir()
        wrong = [np.flatnonzero(rng.random(PEOPLE) < 0.1).tolist() for _ in range(2)]
        found = ranked([answers(folder, "a", wrong[0]), answers(folder, "b", wrong[1])])
        apart += any(one.best == one.worst for of in found.values() for one in of.values())
    assert apart <= 17  # the 97.5% quantile of Binomial(200, 0.05)
