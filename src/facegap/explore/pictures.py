"""Small copies of the photographs of a run for the explore page, limited to its manifest.

A browser identifies a picture by a random-looking number and gets only re-encoded pixels: no name, no metadata, and not
the file itself.
"""

from __future__ import annotations

import hmac
import threading
from collections import OrderedDict
from pathlib import Path

import cv2
import numpy as np

from facegap.errors import TableError
from facegap.inputs.images.decode import Pixels, quiet_decoders
from facegap.report.examples import frames_shown, picture_of
from facegap.report.rows.frames import records
from facegap.store.run import Run

SIDE_PX, QUALITY = 224, 80
LOOKED_FOR = 50  # images tried before a folder is rejected
KEPT = 256  # encoded pictures of up to about 20 kB


class Pictures:
    """The photographs of one run.

    folder : of the run's manifest, to which its paths are relative

    Raises
    ------
    TableError : none of the first images is there
    """

    def __init__(self, run: Run, folder: Path, secret: bytes, *, allow_outside: bool = False) -> None:
        boxes = run.faces[["x1", "y1", "x2", "y2"]] if "x1" in run.faces else None
        frame = run.manifest[["path"]] if boxes is None else run.manifest[["path"]].join(boxes)
        self._rows = records(frame.assign(**frames_shown(run)))
        self._folder, self._allow_outside = folder, allow_outside
        self._numbers = [hmac.digest(secret, f"row:{k}".encode(), "sha256").hex()[:24] for k in range(len(frame))]
        self._row_of = {number: row for row, number in enumerate(self._numbers)}
        self._kept: OrderedDict[int, bytes | None] = OrderedDict()
        self._lock = threading.Lock()
        if frame.size and not any(self._path(row).is_file() for row in self._rows[:LOOKED_FOR]):
            raise TableError(
                f"{folder}: contains none of the images of this run; give the folder of its manifest (a run with "
                f"--no-ids contains no image names)"
            )

    def number(self, row: int) -> str:
        """The identifier of a row's image in the browser."""
        return self._numbers[row]

    def jpeg(self, number: str) -> bytes | None:
        """A small copy; None for an unknown number, and for an image that cannot be shown."""
        row = self._row_of.get(number)
        if row is None:
            return None
        with self._lock:
            if row not in self._kept:
                self._kept[row] = self._encoded(row)
                while len(self._kept) > KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(row)
            return self._kept[row]

    def _path(self, row: dict[str, object]) -> Path:
        return self._folder / str(row["path"])

    def _encoded(self, row: int) -> bytes | None:
        """The face of a row, or the whole image if no face was found; None if the picture is missing or outside the folder."""
        try:
            with quiet_decoders():
                pixels = picture_of(self._rows[row], self._folder, allow_outside=self._allow_outside)
        except TableError:  # a path outside the folder: the page shows no picture
            return None
        if pixels is None:
            return None
        fine, data = cv2.imencode(".jpg", shrunk(pixels), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
        return data.tobytes() if fine else None


def shrunk(pixels: Pixels) -> Pixels:
    """The picture with its longer side at most SIDE_PX; smaller ones are unchanged."""
    height, width = pixels.shape[:2]
    scale = SIDE_PX / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA).astype(np.uint8)
