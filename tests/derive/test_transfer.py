"""A threshold of one group evaluated on the others, and the cost of that of the worst group, worked by hand."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.derive.comparisons import Comparisons
from facegap.derive.transfer import NOT_LISTED, TOO_FEW, WORST, transfer_table, worst_points
from facegap.store.record import Operating, TransferPoint
from facegap.store.run import Run

# Three women and three men with two images each; scores by pair of people, the same for all image pairs.
WOMEN, MEN = ("ada", "bea", "cyd"), ("dan", "eli", "fox")
IMPOSTOR = {
    ("ada", "bea"): 0.9,
    ("ada", "cyd"): 0.7,
    ("bea", "cyd"): 0.5,
    ("dan", "eli"): 0.6,
    ("dan", "fox"): 0.4,
    ("eli", "fox"): 0.2,
}
GENUINE = {"ada": 0.95, "bea": 0.8, "cyd": 0.85, "dan": 0.65, "eli": 0.95, "fox": 0.85}
NAMES = [*WOMEN, *MEN]
MANIFEST = pd.DataFrame(
    {
        "image": [f"{name}{k}" for name in NAMES for k in (1, 2)],
        "subject": np.repeat(NAMES, 2),
        "gender": np.repeat(["female", "male"], 6),
    }
)


def world(floor: float = -np.inf) -> Comparisons:
    code = {name: k for k, name in enumerate(NAMES)}
    listed = [
        (2 * code[a] + i, 2 * code[b] + j, IMPOSTOR.get((a, b), 0.0))
        for a in NAMES
        for b in NAMES
        if code[a] < code[b]
        for i in (0, 1)
        for j in (0, 1)
    ]
    listed = sorted((pair for pair in listed if pair[2] >= floor), key=lambda pair: -pair[2])
    everyone = np.ones(12, np.bool_)
    return Comparisons(
        np.repeat(np.arange(6), 2),
        everyone,
        everyone,
        np.array([pair[:2] for pair in listed], np.int64),
        np.array([pair[2] for pair in listed]),
        floor,
        np.arange(12).reshape(6, 2),
        np.array([GENUINE[name] for name in NAMES]),
        np.empty((0, 2), np.int64),
    )


def point(
    on: str, threshold: float | None, *, subjects: int = 3, reason: str = "", grouping: str = "gender"
) -> TransferPoint:
    return TransferPoint(
        (grouping,), on, 1 / 3, threshold, reason=reason, subjects=subjects, source=f"FMR 0.333333 on {on} alone"
    )


# 4 of 12 pairs of images of women are allowed: .9. Men: .6.
POINTS = [point("female", 0.9), point("male", 0.6)]
OPERATING = [Operating(0.7, "FMR 0.13 on all", (1 / 3,))]


def table(points: list[dict[str, Any]] | None = None, floor: float = -np.inf, least: int = 2) -> pd.DataFrame:
    return transfer_table(
        world(floor), MANIFEST, [(), ("gender",)], POINTS if points is None else points, OPERATING, "toy", 0.95, least
    )


def cell(frame: pd.DataFrame, source: str, metric: str, gender: str) -> Any:
    chosen = frame[frame["threshold_from"].str.contains(source, regex=False) & (frame["metric"] == metric)]
    chosen = chosen[chosen["gender"] == gender]
    assert len(chosen) == 1, chosen
    return chosen.iloc[0]


@pytest.mark.parametrize(
    ("on", "metric", "gender", "errors", "trials"),
    [
        ("female alone", "fmr", "female", 4, 12),
        ("male alone", "fmr", "female", 8, 12),  # the men's .6 accepts two pairs of women
        ("male alone", "fmr", "male", 4, 12),
        ("male alone", "fmr", "any", 12, 60),
        ("male alone", "fnmr", "male", 0, 3),
        (WORST, "fmr", "female", 4, 12),
        (WORST, "fmr", "male", 0, 12),
        (WORST, "fnmr", "female", 2, 3),  # .8 and .85
        (WORST, "fnmr", "male", 2, 3),
        (WORST, "fnmr", "any", 4, 6),
    ],
)
def test_rates_at_the_threshold_of_another_group_are_those_counted_by_hand(
    on: str, metric: str, gender: str, errors: int, trials: int
) -> None:
    frame = table([POINTS[1]] if on == "male alone" else [POINTS[0]] if on == "female alone" else None)
    row = cell(frame, on, metric, gender)
    assert (row["errors"], row["trials"]) == (errors, trials)


def test_the_price_of_holding_the_worst_group_is_fnmr_there_less_fnmr_at_the_runs_own_threshold() -> None:
    frame = table()
    assert (frame["operating_threshold"] == 0.7).all()
    # At .7 no woman and one man of three are rejected; at .9 two of each.
    assert cell(frame, WORST, "fnmr", "female")["change_from_operating"] == pytest.approx(2 / 3)
    assert cell(frame, WORST, "fnmr", "male")["change_from_operating"] == pytest.approx(1 / 3)
    assert cell(frame, WORST, "fmr", "female")["change_from_operating"] == pytest.approx(4 / 12 - 8 / 12)


def test_each_group_at_its_own_threshold_is_marked_beside_its_rate_at_the_runs() -> None:
    frame = table()
    own = frame[frame["own_threshold"] == "yes"]
    assert sorted(zip(own["gender"], own["metric"], own["threshold"], strict=True)) == [
        ("female", "fmr", 0.9),
        ("female", "fnmr", 0.9),
        ("male", "fmr", 0.6),
        ("male", "fnmr", 0.6),
    ]
    assert np.allclose(own["value"] - own["operating_value"], own["change_from_operating"])
    women = own[(own["gender"] == "female") & (own["metric"] == "fmr")].iloc[0]
    assert (women["value"], women["operating_value"], women["operating_threshold"]) == (4 / 12, 8 / 12, 0.7)


def test_the_worst_group_is_the_one_with_the_highest_threshold() -> None:
    (worst,) = worst_points(POINTS, 2)
    assert (worst.on, worst.threshold) == ("female", 0.9)
    assert worst.source == f"FMR 0.333333 on female alone; {WORST}"


@pytest.mark.parametrize("small", [point("other", 0.99, subjects=1), point("other", None, reason=TOO_FEW, subjects=9)])
def test_a_group_that_is_too_small_is_never_the_worst_and_is_named(small: TransferPoint) -> None:
    (worst,) = worst_points([*POINTS, small], 2)
    assert worst.on == "female"
    assert worst.source.endswith(f"{WORST}; not ranked, too few: other")


def test_a_group_whose_threshold_lies_below_the_list_needs_a_lower_one_and_is_ranked() -> None:
    (worst,) = worst_points([POINTS[1], point("other", None, reason=NOT_LISTED)], 2)
    assert worst.on == "male"
    assert "not ranked" not in worst.source


def test_one_group_alone_is_no_worst() -> None:
    assert worst_points(POINTS[:1], 2) == []
    assert worst_points(POINTS, 4) == []
    assert worst_points([], 2) == []


def test_each_grouping_and_target_has_its_own_worst() -> None:
    more = [point("darker", 0.5, grouping="tone"), point("lighter", 0.4, grouping="tone")]
    assert [worst.on for worst in worst_points(POINTS + more, 2)] == ["female", "darker"]


def test_fmr_is_left_out_where_the_list_ends_and_fnmr_stays() -> None:
    frame = table(floor=0.65)
    assert (frame[frame["threshold"] == 0.6]["metric"] == "fnmr").all()
    assert set(frame[frame["threshold"] == 0.9]["metric"]) == {"fmr", "fnmr"}


def test_a_target_without_a_threshold_of_the_run_has_no_price() -> None:
    frame = transfer_table(world(), MANIFEST, [(), ("gender",)], POINTS, [Operating(0.7, "given")], "toy", 0.95, 2)
    assert frame[["operating_threshold", "change_from_operating"]].isna().all(axis=None)
    assert math.isclose(frame["value"].iloc[0], 4 / 60)


def test_points_set_on_the_evaluated_pairs_say_so(six: Any) -> None:
    run: Run = six.run(fmr=(0.25,), threshold=(), in_sample=True, by="gender")
    frame = run.extra["transfer.csv"]
    assert frame["threshold_from"].str.contains("IN-SAMPLE").all()
    assert len(frame)
