"""Proportions by group as in fairlearn's MetricFrame: worked by hand, against fairlearn, and rejected input."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from fairlearn.metrics import (
    MetricFrame,
    false_negative_rate,
    false_positive_rate,
    selection_rate,
    true_negative_rate,
    true_positive_rate,
)
from sklearn.metrics import accuracy_score

import facegap as fg
from facegap.errors import StatisticsError
from facegap.statistics import gaps, rates

THEIRS = {
    "accuracy": accuracy_score,
    "selection_rate": selection_rate,
    "true_positive_rate": true_positive_rate,
    "false_negative_rate": false_negative_rate,
    "false_positive_rate": false_positive_rate,
    "true_negative_rate": true_negative_rate,
}


def people(seed: int, *, size: int = 400) -> tuple[Any, Any, pd.DataFrame]:
    """Labels, predictions and two features, of which one combination does not occur."""
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame({"race": rng.choice(["a", "b", "c"], size), "gender": rng.choice(["f", "m"], size)})
    frame = frame[(frame["race"] != "c") | (frame["gender"] != "m")].reset_index(drop=True)
    true = rng.integers(0, 2, len(frame))
    return true, np.where(rng.random(len(frame)) < 0.8, true, 1 - true), frame


def test_a_frame_counted_by_hand() -> None:
    frame = fg.metric_frame(
        [1, 1, 0, 0, 1, 0],
        [1, 0, 0, 1, 1, 0],
        pd.Series(["f", "f", "f", "m", "m", "m"], name="gender"),
        metrics=["error_rate", "false_positive_rate", "true_positive_rate"],
        subject=["ada", "ada", "eve", "bob", "dan", "dan"],
    )
    assert frame.by_group.index.name == "gender"
    assert frame.by_group["error_rate"].tolist() == [1 / 3, 1 / 3]
    assert frame.by_group["false_positive_rate"].tolist() == [0.0, 0.5]
    assert frame.by_group["true_positive_rate"].tolist() == [0.5, 1.0]
    assert frame.overall.tolist() == [2 / 6, 1 / 3, 2 / 3]
    row = frame.intervals.loc[("error_rate", "f")]
    assert (row["events"], row["trials"], row["subjects"]) == (1, 3, 2)
    assert frame.difference()["true_positive_rate"] == 0.5
    assert frame.ratio()["true_positive_rate"] == 0.5


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("features", ["race", ["race", "gender"]])
def test_values_differences_and_ratios_are_those_of_fairlearn(seed: int, features: Any) -> None:
    true, predicted, frame = people(seed)
    theirs = MetricFrame(metrics=THEIRS, y_true=true, y_pred=predicted, sensitive_features=frame[features])
    ours = fg.metric_frame(true, predicted, frame[features], metrics=list(THEIRS), subject=np.arange(len(true)) // 2)
    # Without trials fairlearn returns 0 or NaN, by metric; here it is NaN.
    occurs = ours.intervals.loc["accuracy"]["trials"] > 0
    np.testing.assert_allclose(ours.by_group[occurs], theirs.by_group[occurs])
    assert ours.by_group[~occurs].isna().all(axis=None)
    assert ours.by_group.index.equals(theirs.by_group.index)
    np.testing.assert_allclose(ours.overall, theirs.overall)
    np.testing.assert_allclose(ours.group_min(), theirs.group_min())
    np.testing.assert_allclose(ours.group_max(), theirs.group_max())
    for method in ("between_groups", "to_overall"):
        np.testing.assert_allclose(ours.difference(method), theirs.difference(method=method))
        np.testing.assert_allclose(ours.ratio(method), theirs.ratio(method=method))


def test_intervals_and_gaps_are_those_of_the_statistics() -> None:
    true, predicted, frame = people(7)
    subjects = np.arange(len(true)) // 3
    ours = fg.metric_frame(true, predicted, frame["race"], subject=subjects)
    wrong = true != predicted
    expected = pd.DataFrame(rates(wrong, subjects=subjects, groups=frame[["race"]]).to_dict())
    assert ours.intervals["low"].tolist() == expected["low"].tolist()
    assert ours.intervals["subjects"].tolist() == expected["subjects"].tolist()
    found = gaps(wrong, subjects=subjects, groups=frame[["race"]], margin=0.02, scale="difference").to_dict()
    assert ours.gaps["p_adjusted"].tolist() == found["p_adjusted"]
    assert ours.gaps["verdict"].tolist() == found["verdict"]


def test_gaps_of_several_metrics_are_tested_together() -> None:
    true, predicted, frame = people(3)
    alone = fg.metric_frame(true, predicted, frame["gender"], metrics="accuracy")
    both = fg.metric_frame(true, predicted, frame["gender"], metrics=["accuracy", "error_rate"])
    assert both.gaps["p_adjusted"].tolist() == pytest.approx([min(1, 2 * alone.gaps["p"][0])] * 2)


def test_a_group_without_trials_is_nan_and_in_no_gap() -> None:
    frame = fg.metric_frame([1] * 30 + [0] * 30, [1] * 60, ["f"] * 30 + ["m"] * 30, metrics="false_positive_rate")
    assert np.isnan(frame.by_group.loc["f", "false_positive_rate"])
    assert frame.intervals.loc[("false_positive_rate", "f"), "trials"] == 0
    assert len(frame.gaps) == 0


def test_small_groups_and_unknown_labels_are_shown_and_in_no_gap() -> None:
    features = ["f"] * 30 + ["m"] * 5 + [None] * 5
    frame = fg.metric_frame([1] * 40, [1] * 30 + [0] * 10, features)
    assert frame.by_group["error_rate"].to_dict() == {"f": 0.0, "m": 1.0, "unknown": 1.0}
    assert frame.left_out.to_numpy().tolist() == [["error_rate", "m"]]
    assert len(frame.gaps) == 0
    assert frame.group_max()["error_rate"] == 1.0


@pytest.mark.parametrize(
    ("y_true", "y_pred", "more", "words"),
    [
        ([1, 0], [1], {}, "2 rows and y_pred 1"),
        ([1, None], [1, 0], {}, "y_true, row 1: no value"),
        ([1, 0], [1, float("nan")], {}, "y_pred, row 1: no value"),
        (["female", "male"], ["female", "Male "], {}, "'Male ' where y_true has 'male'"),
        ([0, 1], ["0", "1"], {}, "one spelling and type"),
        (["a", "b"], ["c", "d"], {}, "no value of y_pred"),
        ([1, 0], [1, 0], {"metrics": "f1"}, "'f1' is not one of error_rate"),
        ([1, 0], [1, 0], {"metrics": []}, "'none' is not one of"),
        (["f", "m"], ["f", "m"], {"metrics": "selection_rate"}, "positive: 1 occurs neither"),
        ([1, 0], [1, 0], {"subject": ["ada"]}, "subject has 1 entries for 2 rows"),
        ([1, 0], [1, 0], {"subject": ["ada", None]}, "subject, row 1: no value"),
        ([1, 0], [1, 0], {"margin": 2.0}, "margin"),
    ],
)
def test_what_would_count_wrongly_is_refused(y_true: Any, y_pred: Any, more: Any, words: str) -> None:
    with pytest.raises(StatisticsError, match=words):
        fg.metric_frame(y_true, y_pred, ["f", "m"][: len(y_true)], **more)


def test_a_word_that_is_no_method_is_refused() -> None:
    frame = fg.metric_frame([1, 0], [1, 0], ["f", "m"])
    with pytest.raises(StatisticsError, match="must be 'between_groups' or 'to_overall'"):
        frame.difference("between")  # type: ignore[arg-type]


def test_a_notebook_shows_names_of_groups_as_text() -> None:
    frame = fg.metric_frame([1, 0], [1, 0], ["<script>", "m"])
    assert "<script>" not in frame._repr_html_()
    assert "m" in repr(frame)
