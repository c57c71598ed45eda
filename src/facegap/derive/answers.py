"""Predictions other than gender and age: columns of PREDICTIONS for each such output, and the trials of its rates.

An output NAME has the columns NAME_answer (a class, empty for none), NAME_probability, NAME_label and NAME_outcome.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.inputs.cards.categories import class_word
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.store.record import OutputRecord
from facegap.store.run import Run
from facegap.types import BoolArray

TrialsAndErrors = tuple[
    BoolArray, BoolArray
]  # per row of the manifest: whether it is a trial, and whether it is an error
BONA_FIDE = "bona_fide"  # in the label column of an output that detects attacks
RIGHT, WRONG = "right", "wrong"
LABELLED = (RIGHT, WRONG, "no_answer")


def answer_columns(
    rows: pd.DataFrame, manifest: pd.DataFrame, outputs: Sequence[OutputRecord], shown: BoolArray
) -> pd.DataFrame:
    """The columns of every output, one row per row of the manifest.

    rows  : from the pipeline; crop_missing states that the picture was too small for the crop
    shown : bool (rows,), whether the picture was passed to the model

    The outcome is the first that applies: `not_shown` and `crop_unavailable` (no trial), `no_answer`, `unlabelled`
    (predicted, but without a true label), `right`, `wrong`. For attack detection the label is `bona_fide` or a species;
    every class except that for bona fide is a detected attack.
    """
    columns: dict[str, pd.Series] = {}
    too_small = rows.get("crop_missing", pd.Series(False, index=rows.index)).to_numpy(np.bool_)
    for output in outputs:
        answer = rows[f"{output.name}_answer"]
        label = labels_of(manifest, output)
        if output.bona_fide:
            right = (answer == output.bona_fide).to_numpy() == (label == BONA_FIDE).to_numpy()
        else:
            right = (answer == label).to_numpy()
        outcome = np.select(
            [~shown, too_small, answer == "", label == "", right],
            ["not_shown", "crop_unavailable", "no_answer", "unlabelled", RIGHT],
            default=WRONG,
        )
        columns[f"{output.name}_answer"] = answer
        columns[f"{output.name}_probability"] = rows[f"{output.name}_probability"]
        columns[f"{output.name}_label"] = label
        columns[f"{output.name}_outcome"] = pd.Series(outcome, index=rows.index)
    return pd.DataFrame(columns, index=rows.index)


def labels_of(manifest: pd.DataFrame, output: OutputRecord) -> pd.Series:
    """True class of each image, spelt as the classes of the output; empty if unknown.

    Without a label column, every image is a bona fide presentation for an output that detects attacks, and unlabelled
    for others.
    """
    if not output.label:
        return pd.Series(BONA_FIDE if output.bona_fide else "", index=manifest.index, dtype="str")
    words = manifest[output.label]
    known = {word: "" if word == UNKNOWN else class_word(word) for word in words.unique()}
    if output.bona_fide:
        known = {word: BONA_FIDE if meant == output.bona_fide else meant for word, meant in known.items()}
    return words.map(known).astype("str")


def output_of(run: Run, name: str) -> OutputRecord | None:
    """The output with this name; None if the run does not have it."""
    return next((output for output in run.record.outputs if output.name == name), None)


def attack_detection(run: Run) -> OutputRecord | None:
    """The output that detects presentation attacks; None if there is none."""
    return next((output for output in run.record.outputs if output.bona_fide), None)


def column(run: Run, output: OutputRecord, part: str) -> pd.Series:
    """A column of PREDICTIONS of an output: answer, probability, label or outcome."""
    return run.predictions[f"{output.name}_{part}"]


def ended(run: Run, output: OutputRecord, *outcomes: str) -> BoolArray:
    """Which images have one of the outcomes, bool (rows,)."""
    return column(run, output, "outcome").isin(outcomes).to_numpy(np.bool_)


def answered(run: Run, output: OutputRecord) -> BoolArray:
    """Which images have a prediction, whether labelled or not, bool (rows,)."""
    return ended(run, output, "unlabelled", RIGHT, WRONG)


def missed(run: Run, name: str, word: str | None = None) -> TrialsAndErrors | None:
    """Images labelled with a class (or with any); error = another prediction, or none. None if nothing is labelled."""
    output = output_of(run, name)
    if output is None or not output.label or output.bona_fide:
        return None
    labelled = (column(run, output, "label") != "").to_numpy(np.bool_)
    if word is not None:
        labelled = (column(run, output, "label") == word).to_numpy(np.bool_)
    trials = labelled & ended(run, output, *LABELLED)
    return trials, trials & ~ended(run, output, RIGHT)


def unanswered(run: Run, name: str, word: str | None = None) -> BoolArray:
    """The trials of `missed` without a prediction, bool (rows,)."""
    found, output = missed(run, name, word), output_of(run, name)
    if found is None or output is None:
        return np.zeros(len(run.manifest), np.bool_)
    return found[0] & ended(run, output, "no_answer")


def bona_fide_rejected(run: Run) -> TrialsAndErrors | None:
    """BPCER: bona fide presentations with a prediction; error = classified as an attack. None if no output detects attacks."""
    return presentations(run, BONA_FIDE)


def presentations(run: Run, kind: str) -> TrialsAndErrors | None:
    """Presentations of a kind (bona_fide or a species of attack) with a prediction; error = classified as the other kind."""
    output = attack_detection(run)
    if output is None:
        return None
    of_kind = (column(run, output, "label") == kind).to_numpy(np.bool_)
    return of_kind & ended(run, output, RIGHT, WRONG), of_kind & ended(run, output, WRONG)


def without_response(run: Run, kind: str = BONA_FIDE) -> BoolArray:
    """Presentations of a kind that were shown but have no prediction (ISO/IEC 30107-3: non-response), bool (rows,)."""
    output = attack_detection(run)
    if output is None:
        return np.zeros(len(run.manifest), np.bool_)
    return (column(run, output, "label") == kind).to_numpy(np.bool_) & ended(run, output, "no_answer")
