"""The failures of a run as one table for sorting and filtering; images are named only on request."""

from __future__ import annotations

import numpy as np
import pandas as pd

from facegap.derive.groupings import Cells, Grouping
from facegap.derive.outcomes import ages_off, shown_to_a_model
from facegap.explore.rates import Explored, cut_predictions
from facegap.explore.searches import search_failures
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.types import AnyArray, IntArray

KINDS = {  # each has as many rows as the corresponding rate has errors
    "face": "no usable face",  # failure to acquire
    "wrong": "misclassified",  # with the next kind and lost faces: misclassified or unanswered
    "no_answer": "no answer for a face",
    "age": "age off by more than 5 years",
    "refused": "falsely rejected",  # FNMR
    "matched": "falsely matched",  # FMR
    "missed": "not found in the gallery",  # FNIR at the threshold and rank of the page
    "named": "falsely identified",  # FPIR at that threshold
    "not_shown": "file missing or unreadable",  # not an error of any rate
}
MOST_MATCHES = 100_000  # maximum number of listed false matches, by decreasing score
COLUMNS = ("kind", "group", "outcome", "label", "prediction", "probability", "score")
NAMED = ("image", "other_image", "subject", "other_subject", "detail")
ROWS = ("row", "other_row")  # manifest rows; never exported
NUMBERS = ("probability", "score", *ROWS)


def failures(
    view: Explored, grouping: Grouping, threshold: float, cut: float, *, include_ids: bool, rank: int = 1
) -> pd.DataFrame:
    """One row per failure: a lost face, a wrong or missing prediction, a rejected genuine pair, a false match, a failed search.

    An image with a lost face is not listed again as one without a prediction. ROWS are -1 if there is no image.

    rank  : length of the candidate list of a search
    group : of the image, or of both images of a pair, separated by " / " if they differ
    """
    cells = view.cells(grouping)
    groups = np.array([str(group) for group in cells.groups], object)[cells.codes]
    parts = [*lost_faces(view, groups), *answers(view, groups, cut), ages(view, groups)]
    if view.pairs is not None:
        parts += [refusals(view, groups, threshold), matches(view, groups, threshold)]
    parts += search_failures(view, groups, threshold, rank)
    present = [part for part in parts if len(part)]
    columns = [*COLUMNS, *(NAMED if include_ids else ()), *ROWS]
    whole = pd.concat(present, ignore_index=True) if present else pd.DataFrame(columns=columns)
    whole = whole.reindex(columns=columns)
    for name in columns:
        if name not in NUMBERS:
            whole[name] = whole[name].astype(object).where(whole[name].notna(), "")
    return whole.astype(dict.fromkeys(("probability", "score"), "float64")).assign(
        **{name: whole[name].fillna(-1).astype("int64") for name in ROWS}
    )


def lost_faces(view: Explored, groups: AnyArray) -> list[pd.DataFrame]:
    """Images without a usable face, and images that could not be read."""
    faces, label = view.run.faces, view.run.predictions["label"].to_numpy()
    lost, shown = (faces["outcome"] != "ok").to_numpy(np.bool_), shown_to_a_model(faces)
    found = []
    for kind, chosen in (("face", lost & shown), ("not_shown", lost & ~shown)):
        rows = np.flatnonzero(chosen)
        of = faces.iloc[rows]
        found.append(
            of_images(view, groups, rows, kind).assign(
                outcome=of["outcome"].to_numpy(), detail=of["detail"].to_numpy(), label=known_labels(label[rows])
            )
        )
    return found


def known_labels(labels: AnyArray) -> AnyArray:
    """Labels, empty if unknown."""
    return np.where(labels == UNKNOWN, "", labels)


def answers(view: Explored, groups: AnyArray, cut: float) -> list[pd.DataFrame]:
    """Wrong predictions, and labelled images without one, at the cut."""
    if not view.run.record.classes:
        return []
    predictions = cut_predictions(view, cut) if view.has_probability else view.run.predictions
    has_face = (view.run.faces["outcome"] == "ok").to_numpy(np.bool_)
    found = []
    for kind in ("wrong", "no_answer"):
        rows = np.flatnonzero((predictions["outcome"] == kind).to_numpy(np.bool_) & has_face)
        of = predictions.iloc[rows]
        found.append(
            of_images(view, groups, rows, kind).assign(
                **{name: of[name].to_numpy() for name in ("outcome", "label", "prediction", "probability", "detail")}
            )
        )
    return found


def ages(view: Explored, groups: AnyArray) -> pd.DataFrame:
    """Images whose predicted age is too far from the labelled one; empty if ages were not evaluated."""
    counted = ages_off(view.run)
    rows = np.flatnonzero(counted[1]) if counted is not None else np.empty(0, np.int64)
    frame = of_images(view, groups, rows, "age")
    if not len(rows):
        return frame
    predictions = view.run.predictions["age"].to_numpy()[rows]
    return frame.assign(
        label=view.run.manifest["age"].astype(str).to_numpy()[rows], prediction=[f"{age:.0f}" for age in predictions]
    )


def refusals(view: Explored, groups: AnyArray, threshold: float) -> pd.DataFrame:
    """Genuine pairs of templates with scores below the threshold."""
    assert view.pairs is not None
    scores = view.pairs.genuine_scores
    wrong = np.flatnonzero(np.isfinite(scores) & (scores < threshold))
    return of_pairs(view, groups, view.pairs.genuine[wrong], scores[wrong], "refused")


def matches(view: Explored, groups: AnyArray, threshold: float) -> pd.DataFrame:
    """Impostor pairs at or above the threshold, highest score first; pairs below the end of the list are unknown."""
    assert view.pairs is not None
    listed = view.pairs.false_matches(max(threshold, view.floor))[:MOST_MATCHES]
    return of_pairs(view, groups, listed, view.pairs.impostor_scores[: len(listed)], "matched")


def of_images(view: Explored, groups: AnyArray, rows: IntArray, kind: str) -> pd.DataFrame:
    """Rows with one image each."""
    manifest = view.run.manifest
    return pd.DataFrame(
        {
            "kind": kind,
            "group": groups[rows],
            "row": rows,
            "image": manifest["image"].to_numpy()[rows],
            "subject": manifest["subject"].to_numpy()[rows],
        }
    )


def of_pairs(view: Explored, groups: AnyArray, rows: IntArray, scores: AnyArray, kind: str) -> pd.DataFrame:
    """Rows with two images each."""
    image, subject = (view.run.manifest[name].to_numpy() for name in ("image", "subject"))
    left, right = rows[:, 0], rows[:, 1]
    both = np.where(groups[left] == groups[right], groups[left], groups[left] + " / " + groups[right])
    return pd.DataFrame(
        {
            "kind": kind,
            "group": both,
            "score": scores,
            "row": left,
            "other_row": right,
            "image": image[left],
            "other_image": image[right],
            "subject": subject[left],
            "other_subject": subject[right],
        }
    )


def chosen(frame: pd.DataFrame, cells: Cells, *, kind: str, group: str, sort: str, descending: bool) -> pd.DataFrame:
    """The failures of a kind and group (both "" for all), sorted; a pair of two groups belongs to both."""
    kept = frame[frame["kind"] == kind] if kind else frame
    if group:
        sides = [str(one) for one in cells.groups]
        names = {group, *(f"{a} / {b}" for a in sides for b in sides if group in (a, b))}
        kept = kept[kept["group"].isin(names)]
    return kept.sort_values(sort, ascending=not descending, kind="stable", na_position="last") if sort else kept
