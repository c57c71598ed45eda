"""Results from the first k frames of each template alone: scores of genuine pairs, and searches, for increasing k."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.audit.identify import Side, candidate_lists, side_of
from facegap.audit.pooling import Gathered
from facegap.audit.resolved import ResolvedAudit
from facegap.audit.thresholds import Templates
from facegap.derive.comparisons import PairRows
from facegap.derive.identification import GALLERY, PROBE
from facegap.matching import score_pairs
from facegap.store.matches import ByFrames
from facegap.store.pooled import Pooled, frame_numbers, media_codes, template_codes, units_of
from facegap.types import BoolArray, IntArray
from facegap.vision.pool import pooled

MOST_PAIRS = 1_000_000  # genuine pairs that are compared again for each k


def by_frames(found: Gathered, resolved: ResolvedAudit, *, workers: int) -> ByFrames | None:
    """Genuine scores and searches from the first 1, 2, 4, ... frames of each template, and from all frames.

    A frame counts whether or not it gave a template. Both templates of a pair have k frames; the gallery of a
    search keeps all of its frames.

    returns : None if no template has two frames, or there are more than MOST_PAIRS genuine pairs
    """
    made = found.pooled
    if made is None or found.templates is None or found.vectors is None:
        return None
    most = int(made.templates["frames_given"].max())
    pairs = genuine_pairs(found.templates, resolved)
    if most < 2 or len(pairs) > MOST_PAIRS:
        return None
    scores, searches = [], []
    for count in frame_counts(most):
        templates = first_templates(made, found.vectors, found.templates.table, count)
        scores.append(scored(templates, pairs, count, workers=workers))
        if resolved.search_roles is not None:
            searches.append(searched(found.templates, templates, resolved, count, workers=workers))
    return ByFrames(pd.concat(scores, ignore_index=True), pd.concat(searches, ignore_index=True) if searches else None)


def frame_counts(most: int) -> list[int]:
    """1, 2, 4, ... below `most`, and `most`.

    Examples
    --------
    >>> frame_counts(10)
    [1, 2, 4, 8, 10]
    """
    return [*(2**power for power in range(most.bit_length()) if 2**power < most), most]


def first_templates(made: Pooled, vectors: NDArray[np.float32], table: pd.DataFrame, count: int) -> Templates:
    """The templates from the first `count` frames of each. vectors : float32, of all usable frames in order."""
    codes, _ = template_codes(made.manifest)
    row_of, outcomes = units_of(made.faces, made.frames)
    usable: BoolArray = np.asarray(outcomes == "ok", np.bool_)
    first: BoolArray = (frame_numbers(codes[row_of]) < count)[usable]
    rows = row_of[usable][first]
    found = pooled(vectors[first], codes[rows], media_codes(made.manifest)[rows])
    fine = np.isfinite(found).all(axis=1)
    return Templates(table, np.unique(codes[rows])[fine], found[fine])


def genuine_pairs(templates: Templates, resolved: ResolvedAudit) -> PairRows:
    """Genuine pairs of the evaluation set, including lost templates, int64 (m, 2): those of a list, otherwise all."""
    subjects, evaluated = templates.subjects, resolved.evaluated
    if resolved.pairs is not None:
        rows = resolved.pairs.rows
        genuine: BoolArray = np.asarray(subjects[rows[:, 0]] == subjects[rows[:, 1]]) & evaluated[rows].all(axis=1)
        return np.asarray(rows[genuine], np.int64)
    rows = np.flatnonzero(evaluated)
    order = rows[np.argsort(subjects[rows], kind="stable")]
    sizes = np.unique(subjects[order], return_counts=True)[1]
    if int((sizes * (sizes - 1) // 2).sum()) > MOST_PAIRS:
        return np.empty((MOST_PAIRS + 1, 2), np.int64)
    blocks = np.split(order, np.cumsum(sizes)[:-1]) if len(sizes) else []
    found = [np.sort(block)[np.stack(np.triu_indices(len(block), 1), axis=1)] for block in blocks]
    return np.concatenate([np.empty((0, 2), np.int64), *found])


def scored(templates: Templates, pairs: PairRows, count: int, *, workers: int) -> pd.DataFrame:
    """frames, left, right, score of each genuine pair; NaN if a template has no usable frame among the first ones."""
    place = places_of(templates)
    among = place[pairs]
    made = (among >= 0).all(axis=1)
    scores = np.full(len(pairs), np.nan)
    scores[made] = score_pairs(templates.vectors, among[made, 0], among[made, 1], workers=workers)
    return pd.DataFrame({"frames": count, "left": pairs[:, 0], "right": pairs[:, 1], "score": scores})


def places_of(templates: Templates) -> IntArray:
    """Position of the template of each row of the table, -1 for none, int64 (rows,)."""
    place = np.full(len(templates.table), -1, np.int64)
    place[templates.rows] = np.arange(len(templates.rows))
    return place


def searched(whole: Templates, first: Templates, resolved: ResolvedAudit, count: int, *, workers: int) -> pd.DataFrame:
    """frames, probe, rank, gallery, score: searches with templates of the first frames in the gallery of all frames."""
    settings, roles = resolved.settings.identify, resolved.search_roles
    assert settings is not None and roles is not None
    gallery: Side = side_of(whole, roles == GALLERY, whole.subjects)
    probes: Side = side_of(first, roles == PROBE, first.subjects)
    lists = candidate_lists(gallery, probes, resolved.excluded.rows, max(settings.rank) + 1, workers=workers)
    return pd.DataFrame({"frames": count, **{name: lists[name] for name in lists.columns}})
