"""The crops for calibration: from a seeded sample of a manifest, cropped as in an audit."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from facegap.derive.groupings import Grouping, cells_of
from facegap.errors import TableError
from facegap.inputs.images.decode import Pixels
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.videos.read import is_video
from facegap.types import AnyArray
from facegap.vision.look import Row, Stages, look


@dataclass(frozen=True, eq=False)
class Crops:
    """The crops of a calibration.

    Attributes
    ----------
    pixels : tuple of numpy.ndarray
        uint8 (height, width, 3), blue, green, red.
    rows : pandas.DataFrame
        The manifest row of each crop, in the same order.
    sha256 : tuple of str
        Hash of each image file.
    lost : Mapping[str, int]
        Processed images without a crop, by outcome.
    """

    pixels: tuple[Pixels, ...]
    rows: pd.DataFrame
    sha256: tuple[str, ...]
    lost: dict[str, int]

    @property
    def images_sha256(self) -> str:
        """sha256 of the image files' hashes, one hexadecimal line each, in their order."""
        return hashlib.sha256("".join(f"{one}\n" for one in self.sha256).encode()).hexdigest()

    def places(self, groupings: Sequence[Grouping]) -> dict[str, AnyArray]:
        """Indices of the crops of each group of each grouping, by name, without all people."""
        found = {}
        for grouping in groupings:
            cells = cells_of(self.rows, grouping)
            for k, group in enumerate(cells.groups if grouping else ()):
                found[str(group)] = np.flatnonzero(cells.codes == k)
        return found


def crops_of(
    table: Manifest,
    stages: Stages,
    *,
    images: int,
    seed: int,
    progress: Callable[[int, int], None] | None = None,
) -> Crops:
    """The crops of at most `images` randomly sampled images; an image without a crop is replaced by the next one.

    Raises
    ------
    TableError : no image of the manifest gives a crop
    """
    order = np.random.default_rng(seed).permutation(len(table.frame))
    pixels: list[Pixels] = []
    kept: list[int] = []
    hashes: list[str] = []
    lost: Counter[str] = Counter()
    for place in order:
        if len(pixels) == images:
            break
        one = table.frame.iloc[int(place)]
        if is_video(str(one["path"])):
            lost["video"] += 1
            continue
        row = look(int(place), str(one["image"]), table.folder, str(one["path"]), stages)
        crop = crop_of(row)
        if crop is None:
            lost[outcome_of(row)] += 1
            continue
        pixels.append(crop)
        kept.append(int(place))
        hashes.append(str(row.record["sha256"]))
        if progress is not None:
            progress(len(pixels), images)
    if not pixels:
        reasons = ", ".join(f"{outcome} {count:,}" for outcome, count in lost.items()) or "it is empty"
        raise TableError(f"no image of the manifest yields a crop for calibration: {reasons}")
    return Crops(tuple(pixels), table.frame.iloc[kept].reset_index(drop=True), tuple(hashes), dict(lost))


def crop_of(row: Row) -> Pixels | None:
    """The input of the model for an image; None if there is none."""
    return next((crop for crop in (row.for_embedder, row.for_classifier, row.for_assessor) if crop is not None), None)


def outcome_of(row: Row) -> str:
    """Why an image has no crop."""
    return "crop_unavailable" if row.record["outcome"] == "ok" else str(row.record["outcome"])
