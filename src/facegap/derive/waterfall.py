"""Where images are lost on the way from the manifest to a right answer, group by group."""

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
from facegap.tables import NEVER_SHOWN
from facegap.types import BoolArray

Chain = Literal["face", "answer", "comparison"]
Kind = Literal["failure", "limit", "never shown"]
# Chain, stage, the stage before it (all images where the run has none), the outcome of those it did not reach, and whether
# that is a failure of the model, a limit of the data, or a file that no model was ever shown.
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
    """One step of the way of a group's images: of `began` images `reached` came to `stage`; `lost` says what of the rest.

    chain : finding a face, being answered, being compared; each is a way of its own
    """

    chain: Chain
    stage: str
    began: int
    reached: int
    lost: str
    kind: Kind


def steps_of(row: Mapping[str, Any]) -> list[Step]:
    """The steps of one row of the waterfall table, in order; each chain begins at all images or where another stands.

    `judged` is enrolled less set_aside: on those a threshold was found, and they are not lost.
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
    """What a row of the waterfall table counts: images, or templates that are pooled from several."""
    return "templates" if "templates" in row else "images"


def waterfall_table(
    manifest: pd.DataFrame, stages: Mapping[str, BoolArray], groupings: Sequence[Grouping], operating: Operating | None
) -> pd.DataFrame:
    """One row per group: how many images reached each stage. A stage counts only images that reached it.

    stages    : name -> bool (rows,), in the order of the way
    operating : the threshold that `matched` is judged at, in two columns of its own; None without comparisons
    """
    attributes = attribute_columns(groupings)
    judged = {} if operating is None else {"threshold": operating.threshold, "threshold_from": operating.source}
    rows = []
    for grouping in groupings:
        cells = cells_of(manifest, grouping)
        for k, group in enumerate(cells.groups):
            reached = {name: int((stage & (cells.codes == k)).sum()) for name, stage in stages.items()}
            rows.append({**attribute_values(group, attributes), **reached, **judged})
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

    decoded                        : a picture was there to be shown to a model; where one was not, or a detector ran
    detected, enrolled             : where a detector is judged (`detected`); the first where it ran here, so that FACES
                                     says by which policy. enrolled has outcome ok
    labelled, answered, right      : with a classifier: with a class of the model, with an answer, with the right one
    set_aside, compared, with_mate, matched : with an embedder. set_aside are the images with a template on which the
                                     threshold was found; they were not lost. compared with at least one other template;
                                     with_mate has a genuine pair; matched has every genuine pair accepted
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
        told = predictions["outcome"].to_numpy()
        stages |= {
            "labelled": ~np.isin(told, ("outside_classes", "unlabelled", "not_shown")),
            "answered": np.isin(told, ("right", "wrong")),
            "right": told == "right",
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
    """Images of the evaluation set that were compared with another; where a list names the pairs, those in it."""
    if not pairs.listed_only:
        return pairs.counted & pairs.enrolled
    compared = np.zeros(len(pairs.subjects), np.bool_)
    for rows, scores in ((pairs.impostor, pairs.impostor_scores), (pairs.genuine, pairs.genuine_scores)):
        compared[rows[np.isfinite(scores)].ravel()] = True
    return compared


def with_genuine_pairs(pairs: Comparisons, cut: Cut) -> tuple[BoolArray, BoolArray]:
    """Per image: whether it has a genuine pair with two templates, and whether one of these is refused."""
    mates, refused = np.zeros(len(pairs.subjects), np.bool_), np.zeros(len(pairs.subjects), np.bool_)
    made = np.isfinite(pairs.genuine_scores)
    mates[pairs.genuine[made].ravel()] = True
    refused[pairs.genuine[made & (pairs.genuine_scores < limits_of(cut, pairs.genuine))].ravel()] = True
    return mates, refused
