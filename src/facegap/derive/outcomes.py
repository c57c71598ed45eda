"""What became of each row: the stored tables FACES and PREDICTIONS, and the errors that the rates count."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.inputs.manifests.labels import UNKNOWN, age_distance
from facegap.tables import FACES, NEVER_SHOWN, PREDICTIONS, check
from facegap.types import BoolArray, FloatArray

AGE_TOLERANCE_YEARS = 5.0


def faces_table(rows: pd.DataFrame, *, embedded: bool) -> pd.DataFrame:
    """FACES from the pipeline's rows; `embedding_row` counts the rows with outcome ok where templates were made."""
    ok = rows["outcome"] == "ok"
    faces = rows[[name for name in FACES.columns if name in rows.columns]].copy()
    faces["embedding_row"] = np.where(ok & embedded, ok.cumsum() - 1, -1)
    return check(faces, FACES, "faces")


def shown_to_a_model(faces: pd.DataFrame) -> BoolArray:
    """Per row of FACES whether a decoded picture was there to be shown: only those are trials of a model. bool (rows,)."""
    return ~faces["outcome"].isin(NEVER_SHOWN).to_numpy(np.bool_)


def predictions_table(rows: pd.DataFrame, manifest: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """PREDICTIONS: one row per manifest row; empty where the run has no classifier (`classes` and ages are empty then).

    Outcomes, the first that holds: `not_shown` (no picture reached the model: no trial),
    `unlabelled` (no gender label), `outside_classes` (a label that the model cannot
    give, never an error of the person), `no_answer` (no face, or the model gave no number), `right`, `wrong`.
    `detail` says why there is no answer, or what an answer lacks.
    """
    label = manifest["gender"] if "gender" in manifest.columns else pd.Series(UNKNOWN, index=manifest.index)
    answer, why = rows["prediction"], rows.get("answer_detail", pd.Series("", index=rows.index))
    shown = shown_to_a_model(rows) & rows.get("sent", pd.Series(True, index=rows.index)).to_numpy(np.bool_)
    outcome = np.select(
        [~shown, label == UNKNOWN, ~label.isin(list(classes)), answer == "", answer == label],
        ["not_shown", "unlabelled", "outside_classes", "no_answer", "right"],
        default="wrong",
    )
    faceless = (answer == "") & (rows["outcome"] != "ok")
    detail = np.where(faceless & (why == ""), "face: " + rows["outcome"], why)
    frame = rows[["row", "image", "prediction", "probability", "age"]].assign(
        outcome=outcome, label=label, detail=detail
    )
    return check(frame, PREDICTIONS, "predictions")


def age_errors(predictions: pd.DataFrame, manifest: pd.DataFrame) -> FloatArray:
    """Years between the predicted age and the nearest end of the labelled range; NaN without either. float64 (rows,)."""
    if "age" not in manifest.columns:
        return np.full(len(predictions), np.nan)
    pairs = zip(predictions["age"], manifest["age"], strict=True)
    return np.array([age_distance(float(predicted), str(label)) for predicted, label in pairs], np.float64)


def counted(
    faces: pd.DataFrame,
    predictions: pd.DataFrame,
    age_error: FloatArray,
    *,
    detected: bool,
    says_gender: bool,
    says_age: bool,
) -> dict[str, tuple[BoolArray, BoolArray]]:
    """Per metric of single images: which rows are trials, and which of them are errors.

    Rows whose picture was never shown to a model (`shown_to_a_model`) are trials of nothing.

    fta                 : rows that were shown; error = no usable face. Absent where no detector ran (`detected`)
    no_answer_rate      : rows that were shown; error = no answer. Instead of fta, where a black box had to find the face itself
    error_rate_answered : rows labelled with a class of the model that got an answer; error = the other class
    error_rate_all      : rows labelled with a class of the model; error = the other class, or no answer
    age_error_over_5    : rows with an age label and a predicted age; error = more than 5 years beyond the label
    """
    outcome = predictions["outcome"].to_numpy()
    wrong, silent = outcome == "wrong", outcome == "no_answer"
    answered = (outcome == "right") | wrong
    shown = shown_to_a_model(faces)
    metrics: dict[str, tuple[BoolArray, BoolArray]] = {}
    if detected:
        metrics["fta"] = (shown, shown & (faces["outcome"] != "ok").to_numpy(np.bool_))
    elif says_gender or says_age:
        said = predictions["prediction"] != "" if says_gender else predictions["age"].notna()
        asked = shown & (outcome != "not_shown")  # a budget of calls may end before an image is sent
        metrics["no_answer_rate"] = (asked, asked & ~said.to_numpy(np.bool_))
    if says_gender:
        metrics["error_rate_answered"] = (answered, wrong)
        metrics["error_rate_all"] = (answered | silent, wrong | silent)
    if says_age:
        metrics["age_error_over_5"] = (np.isfinite(age_error), age_error > AGE_TOLERANCE_YEARS)
    return metrics
