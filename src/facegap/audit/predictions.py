"""An audit of a box that hands over nothing but its answers: no model file, no detector, no image is opened here."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facegap.audit.record import black_box_record
from facegap.audit.verify import VerifySettings
from facegap.derive.groupings import default_groupings, parse_by
from facegap.derive.label_uncertainty.attach import with_tone
from facegap.derive.outcomes import predictions_table
from facegap.derive.run import derived
from facegap.errors import TableError
from facegap.inputs.manifests.labels import TWO_GENDERS, UNKNOWN, normalise_label
from facegap.inputs.manifests.read import Manifest, read_manifest
from facegap.inputs.predictions import Predictions, read_predictions
from facegap.inputs.records import read_records
from facegap.store.run import Run
from facegap.tables import FACES, check
from facegap.vision.pipeline import NO_DETECTOR

NO_ROW = "the file of predictions has no row for the image"
EMPTY = "the prediction is empty"


def audit_predictions(
    predictions: str | Path,
    manifest: str | Path,
    *,
    model: str | None = None,
    classes: str | Sequence[str] | None = None,
    by: str | Sequence[str] | None = None,
    where: str | None = None,
    tone: str | Path | None = None,
    annotations: str | Path | None = None,
    label_draws: int = 200,
    seed: int = 0,
    min_subjects: int = 20,
    level: float = 0.95,
    allow_outside: bool = False,
    out: str | Path | None = None,
) -> Run:
    """Error rates by group from the answers alone that a vendor or an API gave for the images of a manifest.

    predictions : CSV or parquet: image (as the manifest names it), prediction, and perhaps confidence (0 to 1) and age
    manifest    : CSV or parquet with a column image, subject and labels; the image files need not be here
    model       : what the tables call the box; the name of the file of predictions where None
    classes     : the answers that the box can give. None: female and male where it gave no others, else those it gave.
                  An answer outside of them counts as none; a label outside of them is never an error of the person
    by, where, tone, annotations, label_draws, seed, min_subjects, level : as in `audit`
    out         : a new run folder to write; None keeps the run in memory

    Images without a row or with an empty prediction end as no_answer, counted like any other. No detector is judged,
    so the run has no fta; its no_answer_rate counts every image of the manifest.

    Raises
    ------
    TableError : either table is malformed, or the predictions name an image that the manifest does not
    RunError   : `out` is not empty or not writable
    """
    table = read_manifest(Path(manifest), allow_outside=allow_outside, where=where)
    table = with_tone(table, Path(manifest), tone, annotations, draws=label_draws, seed=seed)
    answers = read_predictions(Path(predictions))
    require_known_images(answers, table, Path(manifest), Path(predictions).name)
    if by is None:
        groupings, notes = default_groupings(table.frame, table.labels)
    else:
        groupings, notes = parse_by(by, table.labels), ()
    chosen = chosen_classes(classes, answers)
    rows = answered_rows(table.frame, answers, chosen)
    record = black_box_record(
        table,
        groupings,
        [*notes, *label_warnings(table, chosen)],
        {"classify": model or Path(predictions).stem},
        VerifySettings(),
        min_subjects=min_subjects,
        level=level,
    )
    record |= {
        "request": {"predictions_sha256": answers.sha256, "classes": list(chosen), "where": where},
        "classes": list(chosen),
        "says_age": bool(answers.frame["age"].notna().any()),
    }
    nothing = pd.DataFrame()
    said = predictions_table(rows, table.frame, chosen)
    run = derived(
        Run(
            record,
            table.frame,
            check(rows_of_faces(rows), FACES, "faces"),
            said,
            nothing,
            nothing,
            nothing,
            labels=None if table.joined is None else table.joined.probabilities,
        )
    )
    if out is not None:
        run.write(out)
    return run


def require_known_images(answers: Predictions, table: Manifest, manifest: Path, name: str) -> None:
    """Raise TableError for the first answer to an image that is not in the manifest.

    Images that --where leaves out are in the manifest, and their answers are simply not used.
    """
    known = set(table.frame["image"] if table.where is None else read_records(manifest).frame["image"])
    foreign = ~answers.frame["image"].isin(list(known)).to_numpy(dtype=bool)
    if foreign.any():
        first = answers.frame.iloc[int(foreign.argmax())]
        raise TableError(
            f"{name} {answers.unit} {first['line']}, column image: {first['image']!r} is not in {manifest.name} "
            f"({int(foreign.sum())} such in all); name images exactly as the manifest does, or remove the rows"
        )


def chosen_classes(classes: str | Sequence[str] | None, answers: Predictions) -> tuple[str, ...]:
    """The classes of the box, in order; empty where it says no gender at all.

    Raises
    ------
    TableError : one class, or one twice
    """
    if classes is not None:
        named = classes.split(",") if isinstance(classes, str) else classes
        chosen = tuple(normalise_label("gender", word) for word in named)
        if len(chosen) < 2 or len(set(chosen)) < len(chosen) or UNKNOWN in chosen:
            raise TableError(f"--classes {','.join(named)}: name each answer that the box can give once, two at least")
        return chosen
    given = sorted(set(answers.frame["prediction"]) - {""})
    # A box that says male to everyone is still one that could have said female: women are its errors, not outside it.
    return TWO_GENDERS if given and set(given) <= set(TWO_GENDERS) else tuple(given)


def answered_rows(frame: pd.DataFrame, answers: Predictions, classes: Sequence[str]) -> pd.DataFrame:
    """One row per manifest row: what the box said of it, and why not where it said nothing that counts."""
    found = answers.frame.set_index("image").reindex(frame["image"]).reset_index(drop=True)
    missing = found["line"].isna()
    prediction = found["prediction"].fillna("").astype("str")
    silent, foreign = prediction == "", ~prediction.isin(["", *classes])
    outside = "outside the classes of the box: " + prediction
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
            "answer_detail": detail,
        }
    )


def rows_of_faces(rows: pd.DataFrame) -> pd.DataFrame:
    """FACES of images that nobody looked at here: ok says that nothing was lost before the box, and nothing more."""
    fixed: dict[str, Any] = {
        name: {"nullable_int": pd.NA, "float": np.nan, "int": 0, "str": ""}[column.kind]
        for name, column in FACES.columns.items()
        if name not in ("row", "image", "outcome", "detail")
    }
    return rows[["row", "image", "outcome", "detail"]].assign(**fixed | {"embedding_row": -1})


def label_warnings(table: Manifest, classes: Sequence[str]) -> list[str]:
    """What makes a judgement of gender impossible, or leaves people out of it."""
    if not classes:
        return []
    if "gender" not in table.frame.columns:
        return ["the manifest has no column gender, so no prediction can be judged"]
    outside = table.frame["gender"][~table.frame["gender"].isin([*classes, UNKNOWN])].value_counts()
    return [
        f"{count} images labelled {label!r} are outside the classes {', '.join(classes)}: shown, never an error"
        for label, count in outside.items()
    ]
