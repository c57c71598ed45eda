"""Subjects on whom a threshold is set: never those evaluated unless stated, never too few, never an unknown group."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.audit.settings import Verify
from facegap.audit.thresholds import (
    EVALUATION,
    THRESHOLD_SET,
    Basis,
    distinct,
    elsewhere_in_words,
    given_points,
    group_point,
    operating_points,
    roles_of,
    threshold_among,
    transfer_points,
)
from facegap.derive.comparisons import Comparisons
from facegap.derive.named_group import named_group
from facegap.derive.transfer import NOT_LISTED, TOO_FEW
from facegap.errors import StatisticsError, TableError
from facegap.statistics.curves import threshold_at_fmr
from facegap.store.record import Operating

NOTHING = np.empty((0, 2), np.int64)


def impostors(scores: list[float], listed: int, pairs: int) -> Comparisons:
    """The `listed` highest of impostor pairs among images of two people, `pairs` in all."""
    side = np.array([0] * pairs + [1], np.int64)
    order = np.sort(scores)[::-1][:listed]
    everyone = np.ones(pairs + 1, np.bool_)
    rows = np.stack([np.arange(len(order)), np.full(len(order), pairs)], axis=1)
    floor = -np.inf if listed >= pairs else float(order[-1]) if len(order) else 1.0
    return Comparisons(side, everyone, everyone, rows, order, floor, NOTHING, np.empty(0), NOTHING, tail_limit=listed)


# ---- the threshold ----


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 6), min_size=1, max_size=40), st.just(0.0) | st.floats(1e-6, 1), st.integers(0, 40))
def test_the_threshold_is_that_of_all_scores_however_few_are_listed(
    numbers: list[int], target: float, listed: int
) -> None:
    scores = np.sort(np.array(numbers, float) / 8)[::-1]
    # A list keeps all pairs of a tied score, like the matching loop.
    listed = min(listed, len(scores))
    while 0 < listed < len(scores) and scores[listed - 1] == scores[listed]:
        listed -= 1
    pairs = impostors(numbers, listed, len(scores))
    try:
        expected = threshold_at_fmr(scores, target)
    except StatisticsError:
        with pytest.raises(StatisticsError, match=r"needs at least \d+ impostor pairs"):
            threshold_among(scores[:listed], len(scores), target, pairs)
        return
    if expected.allowed > listed:
        with pytest.raises(StatisticsError, match=r"highest of them are listed.*--tail-limit \d+"):
            threshold_among(scores[:listed], len(scores), target, pairs)
        return
    found = threshold_among(scores[:listed], len(scores), target, pairs)
    # Without any listed pair the threshold may be below the list: there are no matches at either.
    if listed or len(scores) == 0:
        assert found == expected
    assert (scores >= found.threshold).sum() == found.false_matches <= target * len(scores) + 1e-9


def test_a_target_that_the_pairs_cannot_bear_names_the_pairs_needed() -> None:
    with pytest.raises(StatisticsError, match=r"FMR 0.001 needs at least 1000 impostor pairs; there are 999"):
        threshold_among(np.linspace(1, 0, 999), 999, 1e-3, impostors([], 0, 999))


def test_thresholds_that_are_one_are_judged_once_with_every_source() -> None:
    points = [
        Operating(0.5, "a", (0.1,)),
        Operating(0.5, "b", (0.2,)),
        Operating(0.6, "c"),
        Operating(0.5, "a", (0.1,)),
    ]
    assert distinct(points) == [Operating(0.5, "a; and b", (0.1, 0.2)), Operating(0.6, "c")]


def test_given_thresholds_keep_their_order_and_the_published_one_comes_last() -> None:
    chosen = Verify(threshold=(0.7, 0.2, "published"))
    assert given_points(chosen, 0.363) == [
        Operating(0.7, "given"),
        Operating(0.2, "given"),
        Operating(0.363, "published by the model's card"),
    ]
    with pytest.raises(TableError, match="card publishes none"):
        given_points(chosen, None)
    with pytest.raises(StatisticsError, match="finite"):
        given_points(Verify(threshold=(float("nan"),)), None)


# ---- the split ----

PEOPLE = pd.Series(np.repeat([f"s{k}" for k in range(50)], 3))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 1000), st.floats(0.05, 0.95), st.integers(4, 60))
def test_nobody_is_on_both_sides_and_the_share_is_that_of_people(seed: int, split: float, people: int) -> None:
    rng = np.random.default_rng(seed)
    subjects = pd.Series([f"s{k}" for k in rng.permutation(np.repeat(np.arange(people), rng.integers(1, 4, people)))])
    roles = roles_of(subjects, Verify(split=split, seed=seed), needed=True)
    aside, judged = (set(subjects[roles == role]) for role in (THRESHOLD_SET, EVALUATION))
    assert not aside & judged
    assert aside | judged == set(subjects)
    assert len(aside) == min(max(round(split * people), 2), people - 2)


def test_the_same_seed_splits_alike_and_another_does_not() -> None:
    one, same, other = (roles_of(PEOPLE, Verify(seed=seed), needed=True) for seed in (3, 3, 4))
    assert (one == same).all()
    assert (one != other).any()
    assert set(one) == {"threshold_set", "evaluation"}


def test_nobody_is_set_aside_where_no_threshold_is_looked_for() -> None:
    assert set(roles_of(PEOPLE, Verify(), needed=False)) == {EVALUATION}
    assert set(roles_of(PEOPLE, Verify(in_sample=True), needed=True)) == {EVALUATION}


def test_three_people_are_too_few_to_split() -> None:
    with pytest.raises(TableError, match=r"3 subjects are too few .*--in-sample"):
        roles_of(PEOPLE[:9], Verify(), needed=True)


def test_people_on_both_sides_of_another_manifest_are_said() -> None:
    others = elsewhere_in_words(pd.Series(["a", "b", "b"]), pd.Series(["c"]))
    assert others == "2 other subjects (--threshold-on)"
    shared = elsewhere_in_words(pd.Series(["a", "b", "b"]), pd.Series(["b", "c"]))
    assert shared == "2 subjects of --threshold-on; 1 of these names are also evaluated (partly IN-SAMPLE)"


# ---- a group ----

MANIFEST = pd.DataFrame(
    {
        "subject": [f"s{k}" for k in range(6)],
        "gender": ["female", "female", "male", "male", "male", "unknown"],
        "tone": ["darker", "lighter", "darker", "lighter", "lighter", "lighter"],
        "hat": ["yes", "no", "no", "no", "no", "no"],
        "veil": ["no", "yes", "no", "no", "no", "no"],
    }
)
TERMS = [("gender",), ("gender", "tone"), ("hat",), ("veil",)]


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("female", [0, 1]),
        ("gender=female", [0, 1]),
        ("darker", [0, 2]),
        ("darker male", [2]),
        ("male*darker", [2]),
        ("gender=male*tone=darker", [2]),
        ("hat=yes", [0]),
        ("veil=yes", [1]),
    ],
)
def test_a_group_is_named_as_tables_print_it_or_by_its_column(name: str, rows: list[int]) -> None:
    assert np.flatnonzero(named_group(MANIFEST, TERMS, name)).tolist() == rows


def test_a_value_of_two_columns_is_not_guessed() -> None:
    with pytest.raises(TableError, match=r"'yes' matches several groups; give one of hat=yes, veil=yes"):
        named_group(MANIFEST, TERMS, "yes")


@pytest.mark.parametrize("name", ["women", "unknown", ""])
def test_a_group_that_is_not_there_is_refused_with_those_that_are(name: str) -> None:
    with pytest.raises(TableError, match=r"no group .* there are female, male"):
        named_group(MANIFEST, TERMS, name)


def six_people(scores: dict[tuple[int, int], float], words: str = "others") -> Basis:
    """All 15 pairs of six people with one image each; those not named score 0."""
    pairs = {(a, b): 0.0 for a in range(6) for b in range(a + 1, 6)} | scores
    order = sorted(pairs, key=lambda pair: -pairs[pair])
    everyone = np.ones(6, np.bool_)
    rows, values = np.array(order), np.array([pairs[pair] for pair in order])
    return Basis(
        Comparisons(np.arange(6), everyone, everyone, rows, values, -np.inf, NOTHING, np.empty(0), NOTHING),
        MANIFEST.assign(tone="any tone"),
        words,
    )


BASIS = six_people({(0, 2): 0.9, (0, 1): 0.8, (2, 3): 0.7, (1, 4): 0.6, (3, 4): 0.5, (4, 5): 0.4})


def test_the_target_is_met_over_all_pairs_those_across_groups_among_them() -> None:
    (point,) = operating_points(BASIS, Verify(fmr=(0.2,)), 0.95)  # 3 of 15: .9, .8, .7
    assert replace(point, interval=None) == Operating(0.7, "FMR 0.2 on others: 3 of 15 impostor pairs", (0.2,))


def test_the_interval_of_a_threshold_is_where_the_interval_of_its_fmr_ends() -> None:
    rng = np.random.default_rng(0)
    left, right = np.triu_indices(40, 1)
    scores = np.sort(rng.standard_normal(len(left)))[::-1]
    rows = rng.permutation(np.stack([left, right], axis=1))
    everyone = np.ones(40, np.bool_)
    pairs = Comparisons(
        np.arange(40), everyone, everyone, rows, scores, -np.inf, NOTHING, np.empty(0), NOTHING, tail_limit=1000
    )
    basis = Basis(pairs, pd.DataFrame({"subject": np.arange(40)}), "others")
    (point,) = operating_points(basis, Verify(fmr=(0.05,)), 0.95)
    found = point.interval
    assert found is not None
    assert found.fmr_low < 39 / 780 < found.fmr_high
    assert (scores >= found.low).sum() == np.ceil(found.fmr_high * 780)
    assert (scores >= found.high).sum() == np.floor(found.fmr_low * 780)
    assert found.low < point.threshold < found.high
    short = replace(basis, pairs=replace(pairs, impostor=rows[:45], impostor_scores=scores[:45], floor=scores[44]))
    with pytest.raises(
        StatisticsError, match=r"the interval of the threshold reaches down to .* run again with --tail-limit"
    ):
        operating_points(short, Verify(fmr=(0.05,)), 0.95)
    assert operating_points(basis, Verify(fmr=(0.0,)), 0.95)[0].interval is None  # no false match, no slope


def test_the_target_can_be_met_on_one_group_alone() -> None:
    men = replace(BASIS, group=named_group(BASIS.table, TERMS, "male"))
    (point,) = operating_points(men, Verify(fmr=(0.4,), fmr_on="male"), 0.95)  # 1 of the 3 pairs of men
    assert replace(point, interval=None) == Operating(0.7, "FMR 0.4 on others: 1 of 3 impostor pairs of male", (0.4,))


def test_two_targets_with_one_threshold_are_one_point() -> None:
    (point,) = operating_points(BASIS, Verify(fmr=(0.2, 0.21)), 0.95)
    assert point.targets == (0.2, 0.21)
    assert "; and FMR 0.21" in point.source


def test_each_known_group_has_a_threshold_of_its_own_or_a_reason() -> None:
    points = transfer_points(BASIS, [("gender",)], Verify(fmr=(0.4,)), 0.95)
    assert [(point.on, point.threshold, point.reason, point.subjects) for point in points] == [
        ("female", None, TOO_FEW, 2),
        ("male", 0.7, "", 3),
    ]
    assert points[1].source == "FMR 0.4 on male alone, of others: 1 of 3 impostor pairs"


def test_a_label_that_the_calibration_set_lacks_gives_no_points() -> None:
    assert transfer_points(BASIS, [("religion",)], Verify(fmr=(0.4,)), 0.95) == []


def test_a_group_whose_threshold_lies_below_the_list_says_so() -> None:
    basis = Basis(impostors([0.9, 0.8, *[0.0] * 8], 2, 10), pd.DataFrame({"subject": ["a"] * 10 + ["b"]}), "others")
    everybody: Any = np.ones(11, np.bool_)
    points = [group_point(basis, everybody, 0.95, grouping=("g",), name="all", target=target) for target in (0.3, 0.2)]
    assert points[0].reason == NOT_LISTED
    assert points[1].threshold == 0.8
    assert points[1].interval is None
    assert "too short for its uncertainty" in points[1].source
