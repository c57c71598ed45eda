"""Where images are lost on the way from the manifest to a right answer, group by group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons
from facegap.derive.terms import Term, attribute_columns, attribute_values, cells_of
from facegap.types import BoolArray

NOT_DECODED = ("missing_file", "unreadable")


def waterfall_table(manifest: pd.DataFrame, stages: Mapping[str, BoolArray], terms: Sequence[Term]) -> pd.DataFrame:
    """One row per group: how many images reached each stage. A stage counts only images that reached it.

    stages : name -> bool (rows,), in the order of the way
    """
    attributes = attribute_columns(terms)
    rows = []
    for term in terms:
        cells = cells_of(manifest, term)
        for k, group in enumerate(cells.groups):
            reached = {name: int((stage & (cells.codes == k)).sum()) for name, stage in stages.items()}
            rows.append({**attribute_values(group, attributes), **reached})
    return pd.DataFrame(rows)


def stages_of(
    faces: pd.DataFrame,
    predictions: pd.DataFrame,
    *,
    detected: bool,
    says_gender: bool,
    pairs: Comparisons | None,
    threshold: float,
) -> dict[str, BoolArray]:
    """The stages of a run.

    images; where a detector ran (`detected`) decoded, detected and enrolled (outcome ok); with a classifier labelled
    (with a class of the model), answered and right; with an embedder compared (of the evaluation set, with a template),
    with_mate (and a genuine pair there) and matched (every genuine pair of the image is accepted at the first threshold).
    """
    outcome = faces["outcome"].to_numpy()
    decoded = ~np.isin(outcome, NOT_DECODED)
    stages = {"images": np.ones(len(faces), np.bool_)}
    if detected:
        found = decoded & (faces["faces"].to_numpy() > 0)
        stages |= {"decoded": decoded, "detected": found, "enrolled": outcome == "ok"}
    if says_gender:
        told = predictions["outcome"].to_numpy()
        stages |= {
            "labelled": ~np.isin(told, ("outside_classes", "unlabelled")),
            "answered": np.isin(told, ("right", "wrong")),
            "right": told == "right",
        }
    if pairs is not None:
        compared = pairs.counted & pairs.enrolled
        mates, refused = with_genuine_pairs(pairs, threshold)
        stages |= {"compared": compared, "with_mate": compared & mates, "matched": compared & mates & ~refused}
    return stages


def with_genuine_pairs(pairs: Comparisons, threshold: float) -> tuple[BoolArray, BoolArray]:
    """Per image: whether it has a genuine pair with two templates, and whether one of these is refused."""
    mates, refused = np.zeros(len(pairs.subjects), np.bool_), np.zeros(len(pairs.subjects), np.bool_)
    made = np.isfinite(pairs.genuine_scores)
    mates[pairs.genuine[made].ravel()] = True
    refused[pairs.genuine[made & (pairs.genuine_scores < threshold)].ravel()] = True
    return mates, refused
