"""Asking a service about pairs of images: an ordered table of pairs goes in, the same table with an outcome for each comes out.

Which pairs are worth asking for is decided elsewhere. Here each is asked for once, in order, within the budget of calls.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from facegap.errors import RunError, TableError
from facegap.inputs.images.decode import ImageFile, read_image
from facegap.tables import NEVER_SHOWN, NOT_SENT, SCORED
from facegap.types import BoolArray, IntArray
from facegap.vision.look import Stages, empty_record, look
from facegap.vision.service.answers import Asked
from facegap.vision.service.client import Service
from facegap.vision.service.compare import FACELESS, NO_ANSWER, Compared, compare

SHOWN_BY_NOBODY = "one of the two images could not be sent"
FIRST_LOOK = 20  # pairs after which a card that reads no score is an error, before all others are paid for
AHEAD = 2  # pairs per worker that wait for their turn
NOT_SHOWN = "not_shown"


@dataclass(frozen=True, eq=False)
class Originals:
    """The image files of a manifest, looked at once and read again whenever they are sent.

    table, folder : MANIFEST with a row per image, and the folder that its paths are below
    largest_bytes : a larger file is not sent; None: no limit
    rows          : per manifest row the outcome of it here: columns of the pipeline; of rows in no pair nothing
    """

    table: pd.DataFrame
    folder: Path
    stages: Stages
    largest_bytes: int | None = None
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)

    def look_at(self, row: int) -> dict[str, Any]:
        """Read and decode an image: only what decodes here is sent anywhere."""
        image, path = str(self.table["image"].iloc[row]), str(self.table["path"].iloc[row])
        record = look(int(self.table["row"].iloc[row]), image, self.folder, path, self.stages).record
        limit = self.largest_bytes
        if record["outcome"] == "ok" and limit is not None and (size := len(self.file(row).data)) > limit:
            record |= {"outcome": "refused", "detail": f"{size:,} bytes, more than the service takes ({limit:,})"}
        self.rows[row] = record
        return record

    def file(self, row: int) -> ImageFile:
        """The file of an image that could be read before.

        Raises
        ------
        RunError : it cannot be read any more
        """
        path = str(self.table["path"].iloc[row])
        file = read_image(path, root=self.folder)
        if not isinstance(file, ImageFile):
            raise RunError(
                f"{path}: existed when it was first read and is now missing or unreadable ({file.detail}); continue with --resume"
            )
        return file

    def data(self, row: int) -> bytes:
        """The bytes of an image, those that were looked at.

        Raises
        ------
        RunError : the file has changed since
        """
        file = self.file(row)
        if file.sha256 != self.rows[row]["sha256"]:
            raise RunError(f"manifest row {row}: its image was changed during the audit; choose another --out")
        return file.data

    def can_be_sent(self, row: int) -> bool:
        """Whether an image was decoded and is not too large."""
        return self.rows[row]["outcome"] not in NEVER_SHOWN


def ask_pairs(
    plan: pd.DataFrame,
    originals: Originals,
    service: Service,
    *,
    workers: int,
    on_pair: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """The pairs with what the service said of each: `plan` with columns score, outcome and detail.

    Parameters
    ----------
    plan      : left and right (manifest rows; the probe and the reference) in the order in which they are asked for; all other
                columns stay
    originals : the images, every row of the plan looked at
    workers   : calls at a time
    on_pair   : called after each pair

    Returns
    -------
    A frame of the same rows and order. score is float64, higher is more alike, NaN but where the outcome is `scored`; the
    other outcomes are those of `vision.service.compare.Compared`, and `not_shown` where an image could not be sent.

    Raises
    ------
    RunError   : see `Service.call`
    TableError : none of the first FIRST_LOOK pairs has an answer that says anything
    """
    sides = plan[["left", "right"]].to_numpy(np.int64)

    def one(left: int, right: int) -> Compared:
        if not (originals.can_be_sent(left) and originals.can_be_sent(right)):
            return Compared(np.nan, NOT_SHOWN, SHOWN_BY_NOBODY)
        return compare(service, Asked(left, right), originals.data(left), originals.data(right))

    said = list[Compared]()
    for found in in_order(one, sides.tolist(), workers, service.stop):
        said.append(found)
        on_pair()
        if len(said) == FIRST_LOOK:
            require_answers(said, service)
    return plan.assign(
        score=np.array([one.score for one in said], np.float64),
        outcome=[one.outcome for one in said],
        detail=[one.detail for one in said],
    )


def require_answers(said: Sequence[Compared], service: Service) -> None:
    """Raise TableError where no pair has an answer: a path of the card is wrong, and further calls would be paid for nothing."""
    if all(one.outcome == NO_ANSWER for one in said):
        reason, count = Counter(one.detail for one in said).most_common(1)[0]
        raise TableError(
            f"{service.card.name}: none of the first {len(said)} pairs has a score: {reason} ({count}). No further "
            f"ones are sent; compare [answer] in the card with a response in {service.folder}, and choose another --out"
        )


def in_order(
    work: Callable[..., Any], todo: Sequence[Sequence[int]], workers: int, stop: Callable[[], None]
) -> Iterator[Any]:
    """What `work` gives for each, in order, several at a time; none is begun long before its turn.

    stop : called where one fails, so that none waits for the others
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="facegap") as pool:
        running: list[Future[Any]] = []
        waiting = iter(todo)
        try:
            for item in waiting:
                running.append(pool.submit(work, *item))
                if len(running) >= AHEAD * workers:
                    yield running.pop(0).result()
            while running:
                yield running.pop(0).result()
        except BaseException:
            stop()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def rows_of_images(originals: Originals, asked: pd.DataFrame) -> pd.DataFrame:
    """Outcome of each image of the manifest: the pipeline's columns, one row per image.

    An image has no face where the service said so of its side and never gave a score for it. One that no call sent was never
    shown to a model.
    """
    size = len(originals.table)
    sides = {side: asked[side].to_numpy(np.int64) for side in ("left", "right")}
    outcome = asked["outcome"].to_numpy()
    sent = rows_in(sides, ~np.isin(outcome, (NOT_SENT, NOT_SHOWN)), size)
    scored = rows_in(sides, outcome == SCORED, size)
    faceless = np.zeros(size, np.bool_)
    faceless[sides["left"][outcome == FACELESS["probe"]]] = True
    faceless[sides["right"][outcome == FACELESS["reference"]]] = True
    found = []
    for row in range(size):
        record = dict(originals.rows.get(row, unseen(originals, row)))
        if record["outcome"] not in NEVER_SHOWN:
            if not sent[row]:
                record |= {"outcome": NOT_SENT, "detail": "not sent"}
            elif faceless[row] and not scored[row]:
                record |= {"outcome": "no_face", "detail": "the service found no face"}
        found.append(record)
    return pd.DataFrame(found)


def rows_in(sides: dict[str, IntArray], chosen: BoolArray, size: int) -> BoolArray:
    """Which manifest rows stand in a chosen pair, bool (size,)."""
    inside = np.zeros(size, np.bool_)
    for rows in sides.values():
        inside[rows[chosen]] = True
    return inside


def unseen(originals: Originals, row: int) -> dict[str, Any]:
    """The record of an image that stands in no pair."""
    return empty_record(
        int(originals.table["row"].iloc[row]), str(originals.table["image"].iloc[row]), originals.stages
    )
