"""Send pairs of images to a service: takes an ordered table of pairs, and returns it with an outcome for each.

The pairs are chosen elsewhere. Here each is sent once, in order, within the call limit.
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
from facegap.vision.service.answers import Query
from facegap.vision.service.client import Service
from facegap.vision.service.compare import FACELESS, NO_ANSWER, Compared, compare

IMAGE_NOT_SENT = "one of the two images could not be sent"
FIRST_LOOK = 20  # pairs after which a card that reads no score is an error, before more calls are paid for
AHEAD = 2  # queued pairs per worker
NOT_SHOWN = "not_shown"


@dataclass(frozen=True, eq=False)
class Originals:
    """The image files of a manifest, checked once and read again whenever they are sent.

    table, folder : MANIFEST with a row per image, and the folder that its paths are relative to
    largest_bytes : larger files are not sent; None: no limit
    rows          : outcome per manifest row: columns of the pipeline; nothing for rows in no pair
    """

    table: pd.DataFrame
    folder: Path
    stages: Stages
    largest_bytes: int | None = None
    rows: dict[int, dict[str, Any]] = field(default_factory=dict)

    def check_image(self, row: int) -> dict[str, Any]:
        """Read and decode an image: only images that decode here are sent."""
        image, path = str(self.table["image"].iloc[row]), str(self.table["path"].iloc[row])
        record = look(int(self.table["row"].iloc[row]), image, self.folder, path, self.stages).record
        limit = self.largest_bytes
        if record["outcome"] == "ok" and limit is not None and (size := len(self.file(row).data)) > limit:
            record |= {"outcome": "refused", "detail": f"{size:,} bytes, more than the service takes ({limit:,})"}
        self.rows[row] = record
        return record

    def file(self, row: int) -> ImageFile:
        """The file of an image that has been read before.

        Raises
        ------
        RunError : if it can no longer be read
        """
        path = str(self.table["path"].iloc[row])
        file = read_image(path, root=self.folder)
        if not isinstance(file, ImageFile):
            raise RunError(
                f"{path}: existed when it was first read and is now missing or unreadable ({file.detail}); continue with --resume"
            )
        return file

    def data(self, row: int) -> bytes:
        """The bytes of an image, identical to those that were checked.

        Raises
        ------
        RunError : if the file has changed since
        """
        file = self.file(row)
        if file.sha256 != self.rows[row]["sha256"]:
            raise RunError(f"manifest row {row}: its image was changed during the audit; choose another --out")
        return file.data

    def can_be_sent(self, row: int) -> bool:
        """Whether an image was decoded and is not too large."""
        return self.rows[row]["outcome"] not in NEVER_SHOWN


def send_pairs(
    plan: pd.DataFrame,
    originals: Originals,
    service: Service,
    *,
    workers: int,
    on_pair: Callable[[], None] = lambda: None,
) -> pd.DataFrame:
    """The pairs with the response of the service: `plan` with columns score, outcome and detail.

    Parameters
    ----------
    plan      : left and right (manifest rows; the probe and the reference) in the order of the calls; other columns are
                kept
    originals : the images; every row of the plan has been checked
    workers   : number of concurrent calls
    on_pair   : called after each pair

    Returns
    -------
    A frame of the same rows and order. score is float64, higher is more alike, NaN unless the outcome is `scored`; the
    other outcomes are those of `vision.service.compare.Compared`, and `not_shown` if an image could not be sent.

    Raises
    ------
    RunError   : see `Service.call`
    TableError : if none of the first FIRST_LOOK pairs has a usable response
    """
    sides = plan[["left", "right"]].to_numpy(np.int64)

    def one(left: int, right: int) -> Compared:
        if not (originals.can_be_sent(left) and originals.can_be_sent(right)):
            return Compared(np.nan, NOT_SHOWN, IMAGE_NOT_SENT)
        return compare(service, Query(left, right), originals.data(left), originals.data(right))

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
    """Raise TableError if no pair has a score: a path in the card is wrong, and further calls would be wasted."""
    if all(one.outcome == NO_ANSWER for one in said):
        reason, count = Counter(one.detail for one in said).most_common(1)[0]
        raise TableError(
            f"{service.card.name}: none of the first {len(said)} pairs has a score: {reason} ({count}). No further "
            f"ones are sent; compare [answer] in the card with a response in {service.folder}, and choose another --out"
        )


def in_order(
    work: Callable[..., Any], todo: Sequence[Sequence[int]], workers: int, stop: Callable[[], None]
) -> Iterator[Any]:
    """The result of `work` for each item, in order; several run at a time, and few are started ahead.

    stop : called if one fails, so that no worker waits for the others
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


def rows_of_images(originals: Originals, sent_pairs: pd.DataFrame) -> pd.DataFrame:
    """Outcome of each image of the manifest: the columns of the pipeline, one row per image.

    An image has no face if the service reported none on its side and never gave a score for it. An image that no call sent
    was never passed to a model.
    """
    size = len(originals.table)
    sides = {side: sent_pairs[side].to_numpy(np.int64) for side in ("left", "right")}
    outcome = sent_pairs["outcome"].to_numpy()
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
    """Which manifest rows are in a chosen pair, bool (size,)."""
    inside = np.zeros(size, np.bool_)
    for rows in sides.values():
        inside[rows[chosen]] = True
    return inside


def unseen(originals: Originals, row: int) -> dict[str, Any]:
    """The record of an image that is in no pair."""
    return empty_record(
        int(originals.table["row"].iloc[row]), str(originals.table["image"].iloc[row]), originals.stages
    )
