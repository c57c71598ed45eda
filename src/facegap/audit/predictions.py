"""Audit of a black box from its predictions alone: no model runs and no image is opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pydantic import ValidationError

from facegap.audit.ages import require_ages
from facegap.audit.finish import Evidence, begun, finish, run_folder
from facegap.audit.label_checks import absent_rows, common_words, require_answers, require_labels, rows_without_answer
from facegap.audit.manifests import prediction_words
from facegap.audit.outputs import output_warnings
from facegap.audit.plan_file import with_plan
from facegap.audit.record import black_box_record, request_of
from facegap.audit.resolved import people_of, resolve
from facegap.audit.settings import AuditSettings
from facegap.derive.outcomes import predictions_table
from facegap.errors import SettingError, TableError
from facegap.inputs.cards.categories import Category, class_word, require_names
from facegap.inputs.manifests.labels import TWO_GENDERS, UNKNOWN, normalise_label
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.predictions import Predictions, read_predictions
from facegap.store.run import Run
from facegap.tables import FACES, check
from facegap.vision.look import NO_DETECTOR

NO_ROW = "the file of predictions has no row for the image"
EMPTY = "the prediction is empty"


def audit_predictions(
    predictions: Path,
    manifest: Path,
    settings: AuditSettings,
    *,
    model: str | None = None,
    classes: str | Sequence[str] | None = None,
    output: str | None = None,
    label: str | None = None,
    bona_fide: str | None = None,
) -> Run:
    """Error rates by group from the predictions of a vendor or an API; see `facegap.audit_predictions`.

    output : what is predicted instead of gender; label and bona_fide belong to it, as in [outputs.NAME] of a card

    Raises
    ------
    TableError : if either table is malformed, or an image of the predictions is not in the manifest
    RunError   : if the run folder is not empty or not writable
    """
    settings, plan = with_plan(settings, black_box="classify")
    table = people_of(manifest, settings, compares=False)
    groups = settings.groups
    answers = read_predictions(predictions, words=prediction_words(groups.map), keep_words=groups.keep_words)
    require_known_images(answers, table, predictions.name)
    categories = {} if output is None else {output: category_of(output, classes, label, bona_fide, answers)}
    if output is None and (label or bona_fide):
        raise SettingError("--label and --bona-fide describe an --output other than gender; give one")
    if output is not None:
        answers = with_class_words(answers)
    resolved = resolve(table, settings, runs_models=False, compares=False, plan=plan, categories=categories)
    chosen = chosen_classes(classes, answers, table) if output is None else categories[output].classes
    ages = answers.frame["age"]
    require_answers(answers.frame["prediction"], chosen, ages)
    if output is None:
        require_labels(table, chosen, says_age=bool(ages.notna().any()))
    aged = require_ages(table, settings, resolved.groupings, says_age=bool(ages.notna().any()))
    resolved = replace(resolved, notes=(*resolved.notes, *aged))
    absent = absent_rows(table.frame, answers.frame["image"])
    missing = rows_without_answer(table.frame, absent, resolved.groupings)
    if missing and not settings.faces.allow_missing:
        raise TableError(
            f"{predictions.name}: {missing} Add them, with an empty prediction if the black box returned none, exclude "
            f"the images with --where, or pass --allow-missing, which excludes them from all rates"
        )
    rows = answered_rows(table.frame, answers, chosen)
    name = model or predictions.stem
    request = replace(
        request_of(resolved, "predictions"),
        model=name,
        predictions_sha256=answers.sha256,
        classes=chosen,
        output={name: {"label": one.label, "bona_fide": one.bona_fide} for name, one in categories.items()},
    )
    record = black_box_record(resolved, {"classify": name}, request)
    record = replace(
        record,
        classes=chosen if output is None else (),
        outputs=resolved.outputs,
        says_age=bool(answers.frame["age"].notna().any()),
        warnings=(
            *([missing] if missing else []),
            *record.warnings,
            *answer_warnings(answers, chosen),
            *(label_warnings(table, chosen) if output is None else output_warnings(resolved.outputs)),
        ),
    )
    if output is not None:
        rows = rows.rename(columns={"prediction": f"{output}_answer", "probability": f"{output}_probability"})
        rows = rows.assign(prediction="", probability=np.nan)
    evidence = Evidence(
        record,
        check(rows_of_faces(rows), FACES, "faces"),
        predictions_table(rows, table.frame, record.classes, resolved.outputs),
    )
    with run_folder(settings.output) as place:
        return begun(place, request) or finish(resolved, evidence, place)


def require_known_images(answers: Predictions, table: Manifest, name: str) -> None:
    """Raise TableError for the first prediction for an image that is not in the manifest.

    Images excluded by --where are in the manifest; their predictions are not used.
    """
    foreign = ~answers.frame["image"].isin(list(table.images)).to_numpy(dtype=bool)
    if foreign.any():
        first = answers.frame.iloc[int(foreign.argmax())]
        raise TableError(
            f"{name} {answers.unit} {first['line']}, column image: {first['image']!r} is not in {table.name} "
            f"({int(foreign.sum())} such in all); use the exact image names of the manifest, or remove the rows"
        )


def chosen_classes(classes: str | Sequence[str] | None, answers: Predictions, table: Manifest) -> tuple[str, ...]:
    """The classes of the black box, in order: those given, otherwise those of the labels; empty if no prediction is a class.

    If people are labelled female and male, these are the classes, whatever else was predicted. A further label
    (nonbinary) is a class only if it was predicted: nobody can be misclassified by a class that cannot be predicted.

    Raises
    ------
    TableError : if there is only one class, or one is given twice
    """
    if classes is not None:
        named = classes.split(",") if isinstance(classes, str) else classes
        chosen = tuple(normalise_label("gender", word) for word in named)
        if len(chosen) < 2 or len(set(chosen)) < len(chosen) or UNKNOWN in chosen:
            raise TableError(f"--classes {','.join(named)}: give each possible prediction once, and at least two")
        return chosen
    given = set(answers.frame["prediction"]) - {""}
    if not given:
        return ()
    labels = set(table.frame["gender"]) - {UNKNOWN} if "gender" in table.frame.columns else set()
    # If predictions are female and male but labels use other words, the labels need translating.
    if labels & set(TWO_GENDERS) or (not labels & given and given <= set(TWO_GENDERS)):
        return (*TWO_GENDERS, *sorted((labels & given) - set(TWO_GENDERS)))
    return tuple(sorted(labels or given))


def category_of(
    output: str, classes: str | Sequence[str] | None, label: str | None, bona_fide: str | None, answers: Predictions
) -> Category:
    """The possible predictions of an output, as a card would describe them.

    Raises
    ------
    SettingError : if there are no classes or one, a class is given twice, or the name is not valid for an output
    """
    said = answers.frame["prediction"]
    if classes is None:
        raise SettingError(
            f"--output {output} needs --classes with every possible prediction; the file contains "
            f"{common_words(said, '')}"
        )
    named = [class_word(word) for word in (classes.split(",") if isinstance(classes, str) else classes)]
    try:
        require_names([output])
        if len(set(named)) < len(named):
            raise ValueError("--classes lists a class twice")
        return Category.model_validate(
            {"classes": tuple(named), "label": label, "bona_fide": class_word(bona_fide) if bona_fide else None}
        )
    except ValidationError as error:
        problems = "; ".join(
            f"--{one['loc'][0] if one['loc'] else 'bona-fide'!s}: {one['msg']}" for one in error.errors()
        )
        raise SettingError(
            f"--output {output}: {problems}; classes are of a-z, 0-9 and _, and begin with a letter"
        ) from None
    except ValueError as error:
        raise SettingError(f"--output {output}: {str(error).replace('outputs.', '')}") from None


def with_class_words(answers: Predictions) -> Predictions:
    """The predictions, with classes spelt as in the labels."""
    said = answers.frame["prediction"]
    spelt = said.map({word: class_word(word) for word in said.unique()}).astype("str")
    return replace(answers, frame=answers.frame.assign(prediction=spelt))


def answer_warnings(answers: Predictions, classes: Sequence[str]) -> list[str]:
    """The predictions that are not a class, with counts; they are treated as missing."""
    said = answers.frame["prediction"]
    foreign = said[~said.isin(["", *classes])]
    if not classes or not len(foreign):
        return []
    return [
        f"{len(foreign):,} predictions are none of {', '.join(classes)} and count as missing: {common_words(foreign, '')}"
    ]


def answered_rows(frame: pd.DataFrame, answers: Predictions, classes: Sequence[str]) -> pd.DataFrame:
    """One row per manifest row: the prediction, or the reason why there is none."""
    found = answers.frame.set_index("image").reindex(frame["image"]).reset_index(drop=True)
    missing = found["line"].isna()
    prediction = found["prediction"].fillna("").astype("str")
    silent, foreign = prediction == "", ~prediction.isin(["", *classes])
    outside = "outside the classes of the black box: " + prediction
    detail = np.select([missing, silent & bool(classes), foreign], [NO_ROW, EMPTY, outside], default="")
    return pd.DataFrame(
        {
            "row": frame["row"],
            "image": frame["image"],
            "outcome": "ok",
            "detail": NO_DETECTOR,
            "prediction": prediction.where(~foreign, ""),
            "probability": found["probability"].where(~foreign),
            "age": found["age"],
            "age_low": found["age_low"],
            "answer_detail": detail,
            "sent": ~missing,
        }
    )


def rows_of_faces(rows: pd.DataFrame) -> pd.DataFrame:
    """FACES of images that were not opened here: ok says only that nothing was lost before the black box."""
    fixed: dict[str, Any] = {
        name: {"nullable_int": pd.NA, "float": np.nan, "int": 0, "str": ""}[column.kind]
        for name, column in FACES.columns.items()
        if name not in ("row", "image", "outcome", "detail")
    }
    return rows[["row", "image", "outcome", "detail"]].assign(**fixed | {"embedding_row": -1})


def label_warnings(table: Manifest, classes: Sequence[str]) -> list[str]:
    """Notes on labels that prevent the evaluation of gender, or exclude people from it."""
    if not classes:
        return []
    if "gender" not in table.frame.columns:
        return ["the manifest has no column gender, so only ages are evaluated"]
    outside = table.frame["gender"][~table.frame["gender"].isin([*classes, UNKNOWN])].value_counts()
    return [
        f"{count} images labelled {label!r} are outside the classes {', '.join(classes)}: shown, but not counted as "
        f"errors"
        for label, count in outside.items()
    ]
