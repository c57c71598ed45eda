"""Contents of NIST driver logs besides scores: failures by return code, templates that were not made, and qualities."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.errors import TableError
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.points import same_image
from facegap.inputs.qualities import GivenQualities, MatchedQualities
from facegap.inputs.scores.enrolment import Enrolled
from facegap.inputs.scores.read import ScoreList
from facegap.tables import FACES, check

LAYOUT: Literal["FRTE enrolment log"] = "FRTE enrolment log"
NO_TEMPLATE = "the enrolment log has no template for the image"


def with_enrolments(
    stated: Manifest | None, listed: ScoreList, enrolled: Enrolled
) -> tuple[Manifest | None, ScoreList]:
    """The manifest restricted to the images that the logs enrolled, and the scores under the image names of the manifest.

    Rows of the manifest without a line in the logs were never presented to the system. They are excluded and counted.

    Raises
    ------
    TableError : if the manifest lacks an image of the logs
    """
    if stated is None:
        return None, listed  # the missing manifest is reported elsewhere
    names = {same_image(image): image for image in stated.frame["image"]}
    foreign = [image for image in enrolled.enrolled_images if image not in names]
    if foreign:
        raise TableError(
            f"{enrolled.log_names}: {foreign[0][:200]!r} is not an image of {stated.name} ({len(foreign):,} such "
            f"images); use the image names of the manifest, or add rows for them"
        )
    known = set(enrolled.enrolled_images)
    kept = np.array([same_image(image) in known for image in stated.frame["image"]], np.bool_)
    left_out = int((~kept).sum())
    note = f"{left_out:,} of {len(kept):,} images of the manifest have no line in {enrolled.log_names} and are excluded"
    shown = replace(
        stated,
        frame=stated.frame[kept].reset_index(drop=True),
        warnings=(*stated.warnings, *((note,) if left_out else ())),
        excluded=stated.excluded + left_out,
        left_out=stated.left_out.union(stated.frame["image"][~kept]),
    )
    return shown, replace(listed, names=tuple(names[image] for image in listed.names))


def log_qualities(enrolled: Enrolled, images: list[str]) -> MatchedQualities | None:
    """The qualities of the images of a manifest; None if the logs contain none."""
    if not np.isfinite(enrolled.quality).any():
        return None
    place = {image: k for k, image in enumerate(enrolled.enrolled_images)}
    rows = np.array([place[same_image(image)] for image in images], np.int64)
    count = len(enrolled.enrolled_images)
    given = GivenQualities(
        enrolled.log_names,
        enrolled.log_sha256,
        "line",
        LAYOUT,
        "quality",
        enrolled.enrolled_images,
        range(count),
        enrolled.quality,
    )
    return MatchedQualities(given, enrolled.quality[rows], np.ones(len(rows), np.bool_), 0, by_name=False)


def faces_of_log(frame: pd.DataFrame, enrolled: Enrolled | None, qualities: MatchedQualities | None) -> pd.DataFrame:
    """FACES of the images in a score file: ok, or no_template if the enrolment log failed every template of an image."""
    if enrolled is None:
        return black_box_faces(frame, np.full(len(frame), "ok"))
    failed = np.array([same_image(image) in enrolled.failed_images for image in frame["image"]], np.bool_)
    faces = black_box_faces(frame, np.where(failed, "no_template", "ok"))
    faces["detail"] = np.where(failed, NO_TEMPLATE, "")
    return faces if qualities is None else faces.assign(given_quality=qualities.values)


def log_notes(read: ScoreList, enrolled: Enrolled | None) -> tuple[str, ...]:
    """Outcomes of the lines of a match log: a score, a failure by its return code, or a template that was not made."""
    if read.codes is None:
        return ()
    found = Counter(read.codes.tolist())
    scores = found.pop(0, 0)
    by_template = 0 if enrolled is None else enrolled.by_template
    ends = [f"{scores - by_template:,} have a score"]
    ends += [f"{count:,} failed with return code {code}" for code, count in sorted(found.items())]
    if by_template:
        ends.append(
            f"{by_template:,} have return code 0 but a template that failed in the enrolment log, and count as failed"
        )
    return (f"of {len(read):,} comparisons of the match log {', '.join(ends)}",)


def black_box_faces(manifest: pd.DataFrame, outcome: NDArray[Any]) -> pd.DataFrame:
    """FACES of an audit that has no images: outcomes only."""
    ok = outcome == "ok"
    frame = manifest[["row", "image"]].assign(outcome=outcome, embedding_row=np.where(ok, np.cumsum(ok) - 1, -1))
    empty: dict[str, Any] = {
        "detail": "",
        "sha256": "",
        "colour": "",
        "policy": "",
        "faces": ok.astype(int),
        "width": pd.NA,
        "height": pd.NA,
    }
    absent = {name: empty.get(name, np.nan) for name in FACES.columns if name not in frame.columns}
    return check(frame.assign(**absent), FACES, "faces")
