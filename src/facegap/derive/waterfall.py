"""Losses of images between the manifest and a correct result, by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons
from facegap.derive.cuts import Cut, limits_of
from facegap.derive.groupings import Grouping, attribute_columns, attribute_values, cells_of
from facegap.store.record import Operating
from facegap.store.scratch import chunks
from facegap.tables import NEVER_SHOWN
from facegap.types import BoolArray

Chain = Literal["face", "answer", "comparison"]
Kind = Literal["failure", "limit", "never shown"]
# Chain, stage, preceding stage (all images if the run has none), outcome of those that did not reach the stage, and whether
# that is a failure of the model, a limit of the data, or a file that was not shown to any model.
_WAY: tuple[tuple[Chain, str, str, str, Kind], ...] = (
    ("face", "decoded", "images", "not passed to a model: file missing, unreadable or refused", "never shown"),
    ("face", "detected", "decoded", "no face found", "failure"),
    ("face", "enrolled", "detected", "face not usable", "failure"),
    ("answer", "labelled", "decoded", "label is not a class of the model", "limit"),
    ("answer", "answered", "labelled", "no answer", "failure"),
    ("answer", "right", "answered", "wrong answer", "failure"),
    ("comparison", "judged", "enrolled", "held out to set the threshold", "limit"),
    ("comparison", "compared", "judged", "no other image to compare with", "limit"),
    ("comparison", "with_mate", "compared", "no second photograph", "limit"),
    ("comparison", "matched", "with_mate", "own photograph refused", "failure"),
)


@dataclass(frozen=True)
class Step:
    """One step for the images of a group: of `began` images, `reached` got to `stage`; `lost` is the outcome of the others.

    chain : detection, classification, comparison; the chains are separate
    """

    chain: Chain
    stage: str
    began: int
    reached: int
    lost: str
    kind: Kind


def steps_of(row: Mapping[str, Any]) -> list[Step]:
    """The steps of one row of the waterfall table, in order; each chain begins at all images or at a stage of another.

    `judged` is enrolled minus set_aside; the latter were used to set a threshold and are not lost.
    """
    whole = int(row[counted_by(row)])
    reached = {name: int(row[name]) for name in (way[1] for way in _WAY) if name in row}
    if "set_aside" in row:
        reached["judged"] = reached.get("enrolled", whole) - int(row["set_aside"])
    return [
        Step(chain, stage, reached.get(before, whole), reached[stage], lost, kind)
        for chain, stage, before, lost, kind in _WAY
        if stage in reached
    ]


def counted_by(row: Mapping[str, Any]) -> str:
    """The unit counted in a row of the waterfall table: images, or templates pooled from several."""
    return "templates" if "templates" in row else "images"


def waterfall_table(
    manifest: pd.DataFrame, stages: Mapping[str, BoolArray], groupings: Sequence[Grouping], operating: Operating | None
) -> pd.DataFrame:
    """One row per group: the number of images that reached each stage.

    stages    : name -> bool (rows,), in order
    operating : the threshold at which `matched` is evaluated, in two columns; None without comparisons
    """
    attributes = attribute_columns(groupings)
    threshold_columns = (
        {} if operating is None else {"threshold": operating.threshold, "threshold_from": operating.source}
    )
    rows = []
    for grouping in groupings:
        cells = cells_of(manifest, grouping)
        for k, group in enumerate(cells.groups):
            reached = {name: int((stage & (cells.codes == k)).sum()) for name, stage in stages.items()}
            rows.append({**attribute_values(group, attributes), **reached, **threshold_columns})
    return pd.DataFrame(rows)


def stages_of(
    faces: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    detected: bool,
    says_gender: bool,
    pairs: Comparisons | None,
    cut: Cut,
    counted: str = "images",
) -> dict[str, BoolArray]:
    """The stages of a run, in up to three chains that begin at `counted` (images or templates: see `Run.counted`).

    Within a chain no stage exceeds the one before.

    decoded                        : a picture could be shown to a model; only if some could not, or a detector ran
    detected, enrolled             : if a detector is evaluated (`detected`); the first only if it ran here, so that
                                     FACES states the policy. enrolled has outcome ok
    labelled, answered, right      : for a classifier: with a label that is a class of the model, with a prediction,
                                     with the correct one
    set_aside, compared, with_mate, matched : for an embedder. set_aside are the images with a template that were used
                                              to set the threshold; they are not lost. compared: with at least one other
                                              template; with_mate: with a genuine pair; matched: with every genuine pair
                                              accepted
    """
    outcome = faces["outcome"].to_numpy()
    decoded = ~np.isin(outcome, NEVER_SHOWN)
    stages = {counted: np.ones(len(faces), np.bool_)}
    if not decoded.all():
        stages |= {"decoded": decoded}
    if detected and (faces["policy"] != "").any():
        stages |= {"decoded": decoded, "detected": decoded & (faces["faces"].to_numpy() > 0)}
    if detected:
        stages |= {"enrolled": outcome == "ok"}
    if says_gender:
        outcomes = predictions["outcome"].to_numpy()
        stages |= {
            "labelled": ~np.isin(outcomes, ("outside_classes", "unlabelled", "not_shown")),
            "answered": np.isin(outcomes, ("right", "wrong")),
            "right": outcomes == "right",
        }
    if pairs is not None:
        compared = images_compared(pairs)
        mates, refused = with_genuine_pairs(pairs, cut)
        stages |= {
            "set_aside": pairs.enrolled & ~pairs.counted,
            "compared": compared,
            "with_mate": compared & mates,
            "matched": compared & mates & ~refused,
        }
    return stages


def images_compared(pairs: Comparisons) -> BoolArray:
    """Images of the evaluation set that were compared with another; with a list of pairs, those in the list."""
    if not pairs.listed_only:
        return pairs.counted & pairs.enrolled
    compared = np.zeros(len(pairs.subjects), np.bool_)
    for rows, scores in ((pairs.impostor, pairs.impostor_scores), (pairs.genuine, pairs.genuine_scores)):
        for part in chunks(len(rows)):
            compared[rows[part][np.isfinite(scores[part])].ravel()] = True
    return compared


def with_genuine_pairs(pairs: Comparisons, cut: Cut) -> tuple[BoolArray, BoolArray]:
    """For each image, whether it has a genuine pair with two templates, and whether one of these is rejected."""
    mates, refused = np.zeros(len(pairs.subjects), np.bool_), np.zeros(len(pairs.subjects), np.bool_)
    made = np.isfinite(pairs.genuine_scores)
    mates[pairs.genuine[made].ravel()] = True
    refused[pairs.genuine[made & (pairs.genuine_scores < limits_of(cut, pairs.genuine))].ravel()] = True
    return mates, refused
