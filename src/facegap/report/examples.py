"""Thumbnails of failed images, only for a report that was requested with them; the files themselves are never included."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facegap.errors import TableError
from facegap.inputs.images.decode import Picture, Pixels, quiet_decoders, read_picture
from facegap.inputs.videos.read import Frame, Sampling, is_video, read_video
from facegap.report.rows.frames import records
from facegap.report.text import clean
from facegap.store.run import Run

MOST_EXAMPLES = 24
SIDE_PX, QUALITY = 112, 72
MARGIN = 0.35  # of the face's side, around a detected face


@dataclass(frozen=True)
class Example:
    """One thumbnail: JPEG as a data URL, its caption, and its alternative text."""

    source: str
    caption: str
    alt: str


def examples_of(run: Run, folder: Path, *, include_ids: bool, allow_outside: bool = False) -> list[Example]:
    """Up to MOST_EXAMPLES failed images, one of each kind of failure and group in turn.

    folder : to which the paths of the manifest are relative

    Raises
    ------
    TableError : if an image is outside `folder` and this was not allowed, or none of the selected images can be found
    """
    chosen = chosen_rows(run)
    with quiet_decoders():
        found = [(row, picture_of(row, folder, allow_outside=allow_outside)) for row in chosen]
    if chosen and all(picture is None for _, picture in found) and any(row["outcome"] == "ok" for row in chosen):
        raise TableError(f"{folder}: holds none of the images of this run; name the folder of its manifest")
    return [example(row, picture, include_ids=include_ids) for row, picture in found if picture is not None]


def chosen_rows(run: Run) -> list[dict[str, Any]]:
    """Failed rows, taken in turn from each kind of failure and each group of the finest grouping, in manifest order."""
    frame = run.manifest[["path"]].join(run.faces.drop(columns=["row"])).assign(**frames_shown(run))
    frame["label"], frame["prediction"] = run.predictions["label"], run.predictions["prediction"]
    frame["failure"] = failures(run)
    finest = max(run.record.groupings, key=len, default=())
    frame["group"] = run.manifest[list(finest)].agg(" ".join, axis=1) if finest else ""
    wrong = frame[(frame["failure"] != "") & ~frame["outcome"].isin(["missing_file", "unreadable", "decode_timeout"])]
    return list(in_turn(wrong))[:MOST_EXAMPLES]


def frames_shown(run: Run) -> dict[str, Any]:
    """The frame that represents a video row (-1 for an image), and how many frames were taken per second."""
    shown = np.full(len(run.manifest), -1)
    if run.pooled is not None and run.pooled.frames is not None:
        frames, rows = run.pooled.frames, run.pooled.templates["shown_by"].to_numpy()
        place = {int(row): k for k, row in enumerate(rows)}
        outcomes = run.faces["outcome"].tolist()
        for row, frame, outcome in zip(frames["row"], frames["frame"], frames["outcome"], strict=True):
            k = place.get(int(row), -1)
            if k >= 0 and shown[k] < 0 and outcome == outcomes[k]:
                shown[k] = frame
    return {"frame": shown, "frames_per_second": run.record.request.setting("faces", "frames_per_second") or 1.0}


def in_turn(frame: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """The first row of each failure and group, then the second, and so on."""
    turn = frame.groupby(["failure", "group"], sort=True).cumcount()
    yield from records(frame.assign(turn=turn).sort_values(["turn", "failure", "group"], kind="stable"))


def failures(run: Run) -> pd.Series[str]:
    """The failure of each image in one word; empty without a failure."""
    found = pd.Series(np.where(run.faces["outcome"] != "ok", run.faces["outcome"], ""), index=run.faces.index)
    return found.mask((found == "") & (run.predictions["outcome"] == "wrong"), "wrong answer").astype("str")


def picture_of(row: dict[str, Any], folder: Path, *, allow_outside: bool) -> Pixels | None:
    """The face of a row, or the whole image if no face was found; None if there is no file to read.

    Raises : TableError for a path outside the folder
    """
    path = (folder / str(row["path"])).resolve()
    if not allow_outside and not path.is_relative_to(folder.resolve()):
        raise TableError(f"{clean(row['path'])}: outside {folder}; add --allow-outside if that is meant")
    if is_video(path.name):
        return frame_of(row, path)
    picture = read_picture(str(path)[1:], root=Path("/"))  # resolved: contains no link
    return crop(picture.pixels, row) if isinstance(picture, Picture) else None


def frame_of(row: dict[str, Any], path: Path) -> Pixels | None:
    """The face in the frame that represents a video; None if the video has no such frame."""
    number = int(row.get("frame", -1))
    sampling = Sampling(float(row.get("frames_per_second", 1.0)), max(number, 0) + 1)
    found = [item for item in read_video(str(path)[1:], root=Path("/"), sampling=sampling) if isinstance(item, Frame)]
    if number < 0 or len(found) <= number:
        return found[0].picture.pixels if found else None
    return crop(found[number].picture.pixels, row)


def crop(pixels: Pixels, row: dict[str, Any]) -> Pixels:
    """The area around the detected face, with a margin; the whole image without a box."""
    box = np.array([row["x1"], row["y1"], row["x2"], row["y2"]], np.float64)
    if not np.isfinite(box).all():
        return pixels
    margin = MARGIN * max(box[2] - box[0], box[3] - box[1])
    height, width = pixels.shape[:2]
    left, top = (int(np.clip(value - margin, 0, limit - 1)) for value, limit in ((box[0], width), (box[1], height)))
    right, bottom = (int(np.clip(value + margin, 1, limit)) for value, limit in ((box[2], width), (box[3], height)))
    return pixels[top:bottom, left:right] if right > left and bottom > top else pixels


def example(row: dict[str, Any], pixels: Pixels, *, include_ids: bool) -> Example:
    """A thumbnail with its caption; the image's name only if names were requested."""
    said = clean(str(row["failure"]).replace("_", " "))
    if row["failure"] == "wrong answer":
        said = f"labelled {clean(row['label'])}, predicted {clean(row['prediction'])}"
    parts: Sequence[str] = [clean(row["group"]), said, *([clean(row["image"])] if include_ids else [])]
    caption = "; ".join(part for part in parts if part)
    return Example(f"data:image/jpeg;base64,{thumbnail(pixels)}", caption, f"photograph: {caption}")


def thumbnail(pixels: Pixels) -> str:
    """Encode as base64 JPEG, at most SIDE_PX long: nothing of the file except its pixels is kept."""
    import cv2

    height, width = pixels.shape[:2]
    scale = min(SIDE_PX / max(height, width), 1.0)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    fine, data = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    assert fine, "a picture of three channels can be written as JPEG"
    return base64.b64encode(data.tobytes()).decode()
