"""Outcome of each row: the stored tables FACES and PREDICTIONS, and the errors counted by rates."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.derive.answers import TrialsAndErrors as TrialsAndErrors
from facegap.derive.answers import answer_columns
from facegap.inputs.manifests.labels import UNKNOWN, age_interval, signed_age_distance
from facegap.store.record import OutputRecord
from facegap.store.run import Run
from facegap.tables import FACES, NEVER_SHOWN, PREDICTIONS, check
from facegap.types import BoolArray, FloatArray

AGE_TOLERANCE_YEARS = 5.0


def faces_table(rows: pd.DataFrame, *, embedded: bool) -> pd.DataFrame:
    """FACES from the pipeline's rows; `embedding_row` numbers the rows with outcome ok if templates were computed."""
    ok = rows["outcome"] == "ok"
    faces = rows[[name for name in FACES.columns if name in rows.columns]].copy()
    faces["embedding_row"] = np.where(ok & embedded, ok.cumsum() - 1, -1)
    return check(faces, FACES, "faces")


def shown_to_a_model(faces: pd.DataFrame) -> BoolArray:
    """Whether each row of FACES has a decoded picture; only these are trials of a model. bool (rows,)."""
    return ~faces["outcome"].isin(NEVER_SHOWN).to_numpy(np.bool_)


def predictions_table(
    rows: pd.DataFrame, manifest: pd.DataFrame, classes: Sequence[str], outputs: Sequence[OutputRecord] = ()
) -> pd.DataFrame:
    """PREDICTIONS: one row per manifest row; empty if the run has no classifier (`classes` and ages are then empty).

    outputs : other than gender and age, each with its own columns, see `derive.answers`

    The outcome is the first that applies: `not_shown` (no picture was passed to the model: no trial), `unlabelled` (no
    gender label), `outside_classes` (a label that is not a class of the model, which is never an error of the person),
    `no_answer` (no face, or no number from the model), `right`, `wrong`. `detail` states why there is no prediction, or
    what is missing in one.
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
        outcome=outcome, label=label, detail=detail, age_low=rows.get("age_low", np.nan)
    )
    frame = pd.concat([frame, answer_columns(rows, manifest, outputs, shown)], axis=1)
    return check(frame, PREDICTIONS, "predictions")


def signed_age_errors(predictions: pd.DataFrame, manifest: pd.DataFrame) -> FloatArray:
    """Years by which the predicted age is above the labelled range, negative below it; NaN without either. float64 (rows,)."""
    if "age" not in manifest.columns:
        return np.full(len(predictions), np.nan)
    pairs = zip(predictions["age"], manifest["age"], strict=True)
    return np.array([signed_age_distance(float(predicted), str(label)) for predicted, label in pairs], np.float64)


def age_errors(predictions: pd.DataFrame, manifest: pd.DataFrame) -> FloatArray:
    """Years between the predicted age and the nearest end of the labelled range; NaN without either. float64 (rows,)."""
    return np.abs(signed_age_errors(predictions, manifest))


def faces_lost(run: Run) -> TrialsAndErrors | None:
    """FTA: images that were shown; error = no usable face. None if no detector ran."""
    if "detect" not in run.record.models:
        return None
    shown = shown_to_a_model(run.faces)
    return shown, shown & (run.faces["outcome"] != "ok").to_numpy(np.bool_)


def pictures_unanswered(run: Run) -> TrialsAndErrors | None:
    """Images that were sent; error = no prediction. Replaces FTA if a black box has to find the face itself."""
    if "detect" in run.record.models or not (run.record.classes or says_age(run) or run.record.outputs):
        return None
    if run.record.classes:
        said = run.predictions["prediction"] != ""
    elif run.record.outputs:
        said = pd.concat([run.predictions[f"{one.name}_answer"] != "" for one in run.record.outputs], axis=1).any(
            axis=1
        )
    else:
        said = run.predictions["age"].notna()
    # a budget of calls may end before an image is sent
    sent = shown_to_a_model(run.faces) & (run.predictions["outcome"] != "not_shown").to_numpy(np.bool_)
    return sent, sent & ~said.to_numpy(np.bool_)


def answers_wrong(run: Run) -> TrialsAndErrors | None:
    """Images labelled with a class of the model and with a prediction; error = the other class. None without classes."""
    if not run.record.classes:
        return None
    return ended_in(run, "right", "wrong"), ended_in(run, "wrong")


def answers_wrong_or_missing(run: Run) -> TrialsAndErrors | None:
    """Images labelled with a class of the model; error = the other class, or no prediction. None without classes."""
    if not run.record.classes:
        return None
    return ended_in(run, "right", "wrong", "no_answer"), ended_in(run, "wrong", "no_answer")


def ages_off(run: Run) -> TrialsAndErrors | None:
    """Images with an age label and a predicted age; error = more than 5 years outside the label. None without ages."""
    if not says_age(run):
        return None
    distance = age_errors(run.predictions, run.manifest)
    return np.isfinite(distance), distance > AGE_TOLERANCE_YEARS


def answers_missing(run: Run) -> BoolArray:
    """Images labelled with a class of the model that were shown but have no prediction, bool (rows,)."""
    return ended_in(run, "no_answer")


def ages_missing(run: Run) -> BoolArray:
    """Images with an age label that were shown but have no predicted age, bool (rows,)."""
    labelled = np.array([age_interval(str(label)) is not None for label in run.manifest["age"]], np.bool_)
    sent = shown_to_a_model(run.faces) & (run.predictions["outcome"] != "not_shown").to_numpy(np.bool_)
    return labelled & sent & run.predictions["age"].isna().to_numpy(np.bool_)


def says_age(run: Run) -> bool:
    """Whether ages were both predicted and labelled."""
    return run.record.says_age and "age" in run.manifest.columns


def ended_in(run: Run, *outcomes: str) -> BoolArray:
    """Which rows of PREDICTIONS have one of the outcomes; never true for images that were not shown to a model."""
    return run.predictions["outcome"].isin(outcomes).to_numpy(np.bool_)
