"""Outcomes of rows and the counts of each rate, worked by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.derive.outcomes import age_errors, faces_table, predictions_table
from facegap.derive.results import run_metrics
from facegap.store.run import Run
from facegap.tables import FACE_OUTCOMES, FACES, NEVER_SHOWN
from fixtures.records import made_record

CLASSES = ("male", "female")


def pipeline_rows(
    outcomes: list[str], predictions: list[str] | None = None, ages: list[float] | None = None
) -> pd.DataFrame:
    """Rows as returned by the pipeline."""
    n = len(outcomes)
    plain: dict[str, Any] = {name: np.nan for name, column in FACES.columns.items() if column.kind == "float"}
    given: dict[str, Any] = {
        "row": range(n),
        "image": [f"{k}.png" for k in range(n)],
        "outcome": outcomes,
        "detail": "",
        "width": 8,
        "height": 8,
        "colour": "grey",
        "faces": 1,
        "policy": "largest",
        "prediction": predictions or [""] * n,
        "probability": 0.9,
        "age": ages or [np.nan] * n,
    }
    return pd.DataFrame(plain | given)


def labelled(*genders: str) -> pd.DataFrame:
    return pd.DataFrame({"gender": genders})


def test_embedding_rows_count_the_faces_that_are_ok() -> None:
    rows = pipeline_rows(["ok", "no_face", "ok", "no_template", "ok"])
    assert faces_table(rows, embedded=True)["embedding_row"].tolist() == [0, -1, 1, -1, 2]
    assert set(faces_table(rows, embedded=False)["embedding_row"]) == {-1}


def test_faces_keep_nothing_but_the_columns_of_the_table() -> None:
    assert list(faces_table(pipeline_rows(["ok"]), embedded=True).columns) == list(FACES.columns)


@pytest.mark.parametrize(
    ("label", "answer", "outcome"),
    [
        ("female", "female", "right"),
        ("female", "male", "wrong"),
        ("female", "", "no_answer"),
        ("nonbinary", "male", "outside_classes"),
        ("nonbinary", "", "outside_classes"),
        ("unknown", "male", "unlabelled"),
        ("unknown", "", "unlabelled"),
    ],
)
def test_what_a_prediction_is_follows_from_label_and_answer(label: str, answer: str, outcome: str) -> None:
    table = predictions_table(pipeline_rows(["ok"], [answer]), labelled(label), CLASSES)
    assert table["outcome"].tolist() == [outcome]


def test_a_missing_answer_says_what_became_of_the_face() -> None:
    table = predictions_table(
        pipeline_rows(["no_face", "ok", "no_template"], ["", "", "male"]), labelled(*["male"] * 3), CLASSES
    )
    assert table["detail"].tolist() == ["face: no_face", "", ""]
    assert table["outcome"].tolist() == ["no_answer", "no_answer", "right"]


def test_without_a_gender_column_everybody_is_unlabelled() -> None:
    table = predictions_table(pipeline_rows(["ok"], ["male"]), pd.DataFrame({"race": ["a"]}), CLASSES)
    assert table["outcome"].tolist() == ["unlabelled"]
    assert table["label"].tolist() == ["unknown"]


def test_age_is_measured_to_the_nearest_end_of_the_label() -> None:
    predictions = pd.DataFrame({"age": [35.0, 25.0, 18.5, 60.0, np.nan, 40.0, 30.0]})
    manifest = pd.DataFrame({"age": ["20-29", "20-29", "20-29", "more than 70", "20-29", "adult", "34"]})
    assert age_errors(predictions, manifest) == pytest.approx(np.array([6, 0, 1.5, 10, np.nan, np.nan, 4]), nan_ok=True)
    assert np.isnan(age_errors(predictions, pd.DataFrame({"race": ["a"] * 7}))).all()


def run_of(
    face_outcomes: list[str],
    outcomes: list[str],
    ages: list[float],
    *,
    detected: bool = True,
    says_gender: bool = True,
    says_age: bool = True,
    predictions: list[str] | None = None,
) -> Run:
    """A run of these rows; ages in years beyond the label's upper end."""
    rows, empty = len(face_outcomes), pd.DataFrame()
    said = {"outcome": outcomes, "prediction": predictions or ["male"] * rows, "age": np.array(ages) + 30}
    record = made_record(
        models={"detect": "d", "classify": "c"} if detected else {"classify": "c"},
        classes=CLASSES if says_gender else (),
        says_age=says_age,
    )
    manifest = pd.DataFrame({"subject": [str(k) for k in range(rows)], "age": ["20-30"] * rows})
    faces = pd.DataFrame({"outcome": face_outcomes})
    return Run(record, manifest, faces, pd.DataFrame(said), rates=empty, gaps=empty, age=empty)


def by_metric(
    face_outcomes: list[str], outcomes: list[str], ages: list[float], **says: bool
) -> dict[str, tuple[int, int]]:
    """Errors and trials of each metric."""
    found = run_metrics(run_of(face_outcomes, outcomes, ages, **says))
    for trials, errors in found.values():
        assert not (errors & ~trials).any()  # an error is always a trial
    return {metric: (int(errors.sum()), int(trials.sum())) for metric, (trials, errors) in found.items()}


def test_each_metric_counts_its_own_trials_and_errors() -> None:
    faces = ["ok", "ok", "ok", "no_face", "ok", "ok", "no_template"]
    outcomes = ["right", "wrong", "no_answer", "no_answer", "outside_classes", "unlabelled", "right"]
    ages = [5.0, 5.01, np.nan, np.nan, 0.0, 90.0, np.nan]
    assert by_metric(faces, outcomes, ages) == {
        "fta": (2, 7),
        "error_rate_answered": (1, 3),
        "error_rate_all": (3, 5),
        "age_error_over_5": (2, 4),
    }


def test_an_image_that_was_shown_and_gave_no_usable_face_is_a_failure_to_acquire() -> None:
    count = len(FACE_OUTCOMES)
    assert count == 11
    found = by_metric(list(FACE_OUTCOMES), ["unlabelled"] * count, [np.nan] * count)
    assert found["fta"] == (5, 6)  # no_face, no_points, many_faces, too_small, no_template, of these and ok


@pytest.mark.parametrize("outcome", list(NEVER_SHOWN))
def test_what_was_never_shown_to_a_model_is_no_trial_of_any_rate(outcome: str) -> None:
    found = by_metric(["ok", outcome], ["right", "not_shown"], [1.0, np.nan])
    assert {metric: trials for metric, (_, trials) in found.items()} == dict.fromkeys(found, 1)
    assert found["fta"] == found["error_rate_all"] == (0, 1)


def test_a_model_is_not_evaluated_on_outputs_that_it_does_not_have() -> None:
    assert set(by_metric(["ok"], ["right"], [1.0], says_gender=False, says_age=False)) == {"fta"}
    assert set(by_metric(["ok"], ["right"], [1.0], says_age=False)) == {"fta", "error_rate_answered", "error_rate_all"}


def test_a_person_whose_label_the_model_cannot_give_is_in_no_error_rate() -> None:
    metrics = by_metric(["ok"] * 2, ["outside_classes", "unlabelled"], [np.nan] * 2)
    assert metrics["error_rate_answered"] == metrics["error_rate_all"] == (0, 0)


def test_where_no_detector_ran_silence_is_counted_instead_of_failures_to_enrol() -> None:
    silent = run_of(
        ["ok"] * 2, ["right", "no_answer"], [np.nan] * 2, detected=False, says_age=False, predictions=["male", ""]
    )
    found = run_metrics(silent)
    assert "fta" not in found
    trials, errors = found["no_answer_rate"]
    assert (trials.tolist(), errors.tolist()) == ([True, True], [False, True])
