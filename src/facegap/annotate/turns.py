"""The order in which an annotator sees the images, and the next image."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from facegap.annotate.database import Answer

Phase = Literal["practice", "earnest", "done"]


@dataclass(frozen=True)
class Turn:
    """The next image of an annotator.

    image       : None when all images are done
    number      : index of this image among `total`, from 1; `total` + 1 when all are done
    answered, skipped : counts without practice
    first       : whether this is the first image after practice
    """

    phase: Phase
    image: str | None
    number: int
    total: int
    answered: int
    skipped: int
    first: bool = False


def shuffled(images: Sequence[str], *key: str) -> list[str]:
    """The images in a pseudo-random order that depends only on the key, not on the machine or version."""

    def place(image: str) -> bytes:
        return hashlib.sha256("\0".join((*key, image)).encode()).digest()

    return sorted(images, key=place)


def next_turn(entries: Sequence[Answer], order: Sequence[str], practice: Sequence[str]) -> Turn:
    """The first image without a valid answer; practice comes first.

    entries : the annotator's last entries on one scale; entries for images that are not in `order` are ignored
    """
    standing = {(entry.practice, entry.image): entry for entry in entries if not entry.withdrawn}
    in_earnest = [entry for image in order if (entry := standing.get((False, image)))]
    skipped = sum(bool(entry.skipped) for entry in in_earnest)
    counts = (len(in_earnest) - skipped, skipped)
    # After the first real answer, practice is over, even if a restarted server has more practice images.
    if not in_earnest:
        for number, image in enumerate(practice, start=1):
            if (True, image) not in standing:
                return Turn("practice", image, number, len(practice), *counts)
    done = len(in_earnest)
    for image in order:
        if (False, image) not in standing:
            return Turn("earnest", image, done + 1, len(order), *counts, first=bool(practice) and done == 0)
    return Turn("done", None, done + 1, len(order), *counts)
