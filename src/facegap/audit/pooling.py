"""From usable frames to templates: which frames are pooled into which template, and the outcome of each template."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.audit.thresholds import Templates
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.videos.read import is_video
from facegap.store.pooled import Pooled, media_codes, pooled_from, template_codes
from facegap.tables import FRAMES, check
from facegap.types import IntArray
from facegap.vision.pool import POOLING, pooled

NO_SUM = "the embeddings of its media sum to zero"


@dataclass(frozen=True, eq=False)
class Gathered:
    """Outcome of the rows that are compared.

    faces     : FACES, one row per row of the manifest's frame
    templates : None without an embedder
    pooled    : the images from which templates are pooled; None if each row is one image
    vectors   : float32 (n, dimension), of the usable frames in order, if templates are pooled
    """

    faces: pd.DataFrame
    templates: Templates | None = None
    pooled: Pooled | None = None
    vectors: NDArray[np.float32] | None = None


def gathered_templates(
    table: Manifest,
    faces: pd.DataFrame,
    vectors: NDArray[np.float32],
    row_of: IntArray,
    frames: pd.DataFrame | None = None,
) -> Gathered:
    """Templates of a manifest from the embeddings of its images and of the frames of its videos.

    faces   : FACES of the images and videos
    vectors : float32 (n, dimension), of the usable frames in order
    row_of  : int64 (n,), position of the row of each frame, ascending
    frames  : FRAMES of the videos
    """
    if table.members is None:
        return Gathered(faces, Templates(table.frame, row_of, vectors))
    frame = table.by_image.frame
    codes, _ = template_codes(frame)
    found = pooled(vectors, codes[row_of], media_codes(frame)[row_of])
    fine = np.isfinite(found).all(axis=1)
    made = pooled_from(frame, faces, frames)
    if not fine.all():
        made = without_sum(made, np.unique(codes[row_of])[~fine])
    usable = (made.templates["outcome"] == "ok").to_numpy(np.bool_)
    made = made.numbered(usable)
    return Gathered(made.rows()[1], Templates(table.frame, np.flatnonzero(usable), found[fine]), made, vectors)


def all_made(table: Manifest, faces: pd.DataFrame) -> Gathered:
    """Templates given for the images of a manifest. faces : FACES of the images, all of them ok."""
    if table.members is None:
        return Gathered(faces)
    made = pooled_from(table.by_image.frame, faces)
    made = made.numbered(np.ones(len(made.templates), np.bool_))
    return Gathered(made.rows()[1], pooled=made)


def pooling_notes(table: Manifest) -> tuple[str, ...]:
    """How templates are pooled, if they are."""
    if table.members is None:
        return ()
    frame = table.by_image.frame
    codes, first = template_codes(frame)
    images = np.bincount(codes)
    media = len(np.unique(media_codes(frame)))
    what = "image and video files" if any(map(is_video, frame["path"])) else "images"
    return (
        f"templates: {len(first):,} templates are pooled from {len(frame):,} {what} ({images.min():,} to {images.max():,} each) of "
        f"{media:,} media: {POOLING}",
    )


def without_sum(made: Pooled, templates: IntArray) -> Pooled:
    """Mark templates that could not be pooled as missing."""
    table = made.templates
    table.loc[templates, "outcome"], table.loc[templates, "detail"] = "no_template", NO_SUM
    return replace(made, templates=table)


def frames_table(rows: pd.DataFrame) -> pd.DataFrame | None:
    """FRAMES from the pipeline's rows; None if no video gave a frame."""
    frames = rows["frames"].to_numpy()
    found = [{"row": row, **frame} for row in np.flatnonzero(frames != "") for frame in json.loads(str(frames[row]))]
    return check(pd.DataFrame(found), FRAMES, "frames") if found else None
