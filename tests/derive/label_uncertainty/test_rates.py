"""Resampled labels over stored rows: moves between groups by person, unchanged certain labels, and the table of trust."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.derive.gaps import gaps_table, image_gaps
from facegap.derive.groupings import cells_of
from facegap.derive.label_uncertainty.rates import (
    LabelProbabilities,
    draws_of,
    expected_groups,
    label_probabilities,
    moves_of,
    resampling_at_trust,
    resampling_of,
    units_of,
)
from facegap.derive.label_uncertainty.trust import trust_table
from facegap.store.record import LabelColumn, LabelsRecord
from facegap.store.run import Run
from facegap.tables import FACES, GAPS, LABELS
from fixtures.records import made_record

PLAIN = (
    "difference",
    "difference_low",
    "difference_high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "p",
    "p_adjusted",
    "differs",
)


def made_run(
    manifest: pd.DataFrame,
    wrong: np.ndarray,
    darker: np.ndarray,
    *,
    groupings: list[list[str]],
    draws: int = 20,
    uncertain: tuple[str, ...] = ("measured_tone",),
) -> Run:
    """A run of a black box over images with correct or wrong predictions; `darker` is the probability of each image."""
    size = len(manifest)
    manifest = manifest.assign(row=range(size), line=range(2, size + 2), path=manifest["image"])
    predictions = pd.DataFrame(
        {
            "row": range(size),
            "image": manifest["image"],
            "outcome": np.where(wrong, "wrong", "right"),
            "label": "female",
            "prediction": np.where(wrong, "male", "female"),
            "probability": np.nan,
            "age": np.nan,
            "detail": "",
        }
    )
    faces = pd.DataFrame({name: [""] * size for name in FACES.columns}).assign(outcome="ok")
    known = np.flatnonzero(~np.isnan(darker))
    labels = pd.DataFrame(
        {
            "row": np.repeat(known, 2),
            "column": "measured_tone",
            "label": ["lighter", "darker"] * len(known),
            "probability": np.stack([1 - darker[known], darker[known]], axis=1).ravel(),
        }
    )
    column = LabelColumn("measured", {}, {}, without_label_but_drawn=0, uncertainty="known")
    record = made_record(
        groupings=tuple(tuple(grouping) for grouping in groupings),
        min_subjects=20,
        models={"classify": "box"},
        classes=("female", "male"),
        labels=LabelsRecord(draws, seed=0, columns=dict.fromkeys(uncertain, column)),
    )
    nothing = pd.DataFrame()
    return Run(record, manifest, faces, predictions, nothing, nothing, nothing, labels=labels[list(LABELS.columns)])


def people(size: int, seed: int, **more: Any) -> tuple[pd.DataFrame, np.ndarray]:
    """Images of `size` people with gender and tone, and which are misclassified."""
    rng = np.random.default_rng(seed)
    tone = np.where(rng.random(size) < 0.5, "darker", "lighter")
    frame = pd.DataFrame(
        {
            "image": [f"{k}.png" for k in range(size)],
            "subject": [f"person {k}" for k in range(size)],
            "gender": np.where(rng.random(size) < 0.5, "female", "male"),
            "measured_tone": tone,
        }
    )
    return frame.assign(**more), rng.random(size) < np.where(tone == "darker", 0.3, 0.1)


def all_gaps(run: Run) -> pd.DataFrame:
    return gaps_table(run.record, image_gaps(run))


# ---- moves between groups ----


def test_a_person_moves_between_the_cells_of_one_label_and_keeps_the_others() -> None:
    frame = pd.DataFrame(
        {
            "gender": ["f", "f", "m", "m", "f", "unknown"],
            "tone": ["d", "l", "d", "l", "unknown", "d"],
        }
    )
    cells = cells_of(frame, ("gender", "tone"))
    names = [str(group) for group in cells.groups]
    assert names == ["d f", "l f", "unknown f", "d m", "l m", "d unknown"]
    # Known groups are numbered d f 0, l f 1, d m 2, l m 3. Columns: with label d, with label l, with the given label.
    assert moves_of(cells, "tone", ("d", "l")).tolist() == [
        [0, 1, 0],
        [0, 1, 1],
        [0, 1, -1],
        [2, 3, 2],
        [2, 3, 3],
        [-1, -1, -1],
    ]


def test_all_images_of_a_person_get_one_drawn_label() -> None:
    frame = pd.DataFrame({"subject": ["a", "a", "b", "b"], "tone": ["d", "l", "d", "d"]})
    cells, subjects = cells_of(frame, ("tone",)), np.array([0, 0, 1, 1])
    units = units_of(cells, subjects)
    resampling = resampling_of(LabelProbabilities("tone", ("d", "l"), np.array([[0.5, 0.5], [1.0, 0.0]])), cells, units)
    rows = np.array([codes[units.of_row] for codes in draws_of(resampling, 50, 0)])
    assert (rows[:, 0] == rows[:, 1]).all()
    assert 0 < rows[:, 0].mean() < 1
    assert (rows[:, 2:] == 0).all()


def test_draws_are_the_same_again_and_others_by_another_seed() -> None:
    frame, _ = people(40, 1)
    cells = cells_of(frame, ("measured_tone",))
    units = units_of(cells, np.arange(40))
    resampling = resampling_of(
        LabelProbabilities("measured_tone", ("lighter", "darker"), np.full((40, 2), 0.5)), cells, units
    )
    first, again, other = (np.stack(list(draws_of(resampling, 5, seed))) for seed in (0, 0, 1))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first[0], first[1])


def test_expected_groups_weigh_people_by_their_trials() -> None:
    frame = pd.DataFrame({"subject": ["a", "a", "a", "b"], "tone": ["d", "d", "d", "d"]})
    frame = pd.concat([frame, pd.DataFrame({"subject": ["c"], "tone": ["l"]})], ignore_index=True)
    cells, subjects = cells_of(frame, ("tone",)), np.array([0, 0, 0, 1, 2])
    probabilities = LabelProbabilities("tone", ("d", "l"), np.array([[0.8, 0.2], [0.4, 0.6], [0.0, 1.0]]))
    found = expected_groups(resampling_of(probabilities, cells, units_of(cells, subjects)), np.ones(5, np.bool_))
    assert found == pytest.approx(np.array([[(3 * 0.8 + 0.4) / 4, (3 * 0.2 + 0.6) / 4], [0, 1]]))


def test_who_has_no_label_stays_out_as_labels_are_trusted_less() -> None:
    frame = pd.DataFrame({"tone": ["d", "l", "unknown"]})
    cells = cells_of(frame, ("tone",))
    resampling = resampling_at_trust(frame["tone"], "tone", 0.5, cells, units_of(cells, np.arange(3)))
    assert all(codes[2] == -1 for codes in draws_of(resampling, 20, 0))
    assert expected_groups(resampling, np.ones(3, np.bool_)) == pytest.approx(np.array([[0.75, 0.25], [0.25, 0.75]]))


def test_one_label_of_unknown_uncertainty_leaves_the_whole_column_unknown() -> None:
    frame, wrong = people(60, 2)
    run = made_run(frame, wrong, np.full(60, 0.5), groupings=[["measured_tone"]])
    assert run.labels is not None
    assert label_probabilities(run.labels, run.manifest, "measured_tone", np.arange(60)) is not None
    less = run.labels[run.labels["row"] != 7]
    assert label_probabilities(less, run.manifest, "measured_tone", np.arange(60)) is None


# ---- gaps ----


@pytest.mark.parametrize("grouping", [["measured_tone"], ["gender", "measured_tone"]])
@pytest.mark.parametrize("images", [1, 3])
def test_certain_labels_give_exactly_the_gaps_without_uncertainty(grouping: list[str], images: int) -> None:
    frame, wrong = people(200, 3)
    frame = frame.loc[frame.index.repeat(images)].reset_index(drop=True)
    frame["image"] = [f"{k}.png" for k in range(len(frame))]
    wrong = np.random.default_rng(0).permutation(np.repeat(wrong, images))
    run = made_run(frame, wrong, (frame["measured_tone"] == "darker").to_numpy(float), groupings=[grouping])
    gaps = all_gaps(run)
    assert (gaps["label_draws"] == 20).all()
    for name in PLAIN:
        assert gaps[f"label_{name}"].equals(gaps[name].rename(f"label_{name}")), name
    assert (gaps["label_attenuation"] == 1).all()


def test_label_uncertainty_widens_the_interval_and_says_what_is_left() -> None:
    frame, wrong = people(400, 4)
    darker = np.where(frame["measured_tone"] == "darker", 0.9, 0.1)
    gaps = all_gaps(made_run(frame, wrong, darker, groupings=[["measured_tone"]], draws=100))
    row = gaps[gaps["metric"] == "error_rate_all"].iloc[0]
    assert row["label_attenuation"] == pytest.approx(0.8)
    # Nine of ten resampled labels equal the given one: .9 - .1 of its gap remains, in addition to earlier attenuation.
    assert row["label_difference"] == pytest.approx(0.8 * row["difference"], abs=0.02)
    assert row["label_difference_low"] < row["difference_low"]
    assert row["label_difference_high"] > row["difference_high"]
    assert row["label_p"] > row["p"]


def test_people_too_uncertain_to_call_are_in_the_draws_alone() -> None:
    frame, wrong = people(400, 5)
    frame.loc[:99, "measured_tone"] = "unknown"
    darker = (frame["measured_tone"] == "darker").to_numpy(float)
    darker[:100] = 0.5
    gaps = all_gaps(made_run(frame, wrong, darker, groupings=[["measured_tone"]], draws=50))
    row = gaps[gaps["metric"] == "error_rate_all"].iloc[0]
    assert row["trials_a"] + row["trials_b"] == 300
    assert row["label_attenuation"] == pytest.approx(1)
    assert abs(row["label_difference"]) < abs(row["difference"])


def test_a_run_without_joined_labels_has_empty_label_columns() -> None:
    frame, wrong = people(60, 6)
    gaps = all_gaps(made_run(frame, wrong, np.full(60, 0.5), groupings=[["gender"], ["measured_tone"]], uncertain=()))
    assert (gaps["label_draws"] == 0).all()
    assert not gaps["label_differs"].any()
    words = ("label_draws", "label_differs", "label_holds")
    numbers = [name for name in GAPS.columns if name.startswith("label_") and name not in words]
    assert gaps[numbers].isna().all(axis=None)


# ---- trust ----


def test_at_full_trust_stands_the_gap_of_the_labels_and_it_shrinks_from_there() -> None:
    frame, wrong = people(400, 7)
    run = made_run(frame, wrong, np.full(400, 0.5), groupings=[["measured_tone"], ["gender"]], draws=60)
    gaps = all_gaps(run)
    trust = trust_table(run, gaps)
    assert set(trust["family"]) == {"measured_tone"}
    whole = trust[(trust["trust"] == 1) & (trust["metric"] == "error_rate_all")].iloc[0]
    plain = gaps[(gaps["family"] == "measured_tone") & (gaps["metric"] == "error_rate_all")].iloc[0]
    for name in ("difference", "difference_low", "difference_high", "p_adjusted"):
        assert whole[name] == plain[name]
    # The given labels show a gap; with labels at random none remains, which is the verdict.
    assert (whole["verdict"], plain["verdict"]) == ("gap larger than the margin", "not enough data")
    steps = trust[trust["metric"] == "error_rate_all"].sort_values("trust", ascending=False)
    assert steps["attenuation"].tolist() == pytest.approx(steps["trust"].tolist())
    assert steps["difference"].abs().is_monotonic_decreasing
    assert steps["difference"].to_numpy() == pytest.approx(plain["difference"] * steps["trust"].to_numpy(), abs=0.02)


def test_trust_is_told_even_where_the_uncertainty_of_labels_is_unknown() -> None:
    frame, wrong = people(200, 8)
    run = made_run(frame, wrong, np.full(200, np.nan), groupings=[["measured_tone"]])
    assert (all_gaps(run)["label_draws"] == 0).all()
    assert len(trust_table(run, all_gaps(run))) > 0


def test_a_run_without_labels_of_tone_has_no_table_of_trust() -> None:
    frame, wrong = people(60, 9)
    run = made_run(frame, wrong, np.full(60, 0.5), groupings=[["gender"]], uncertain=())
    assert trust_table(run, all_gaps(run)).empty
