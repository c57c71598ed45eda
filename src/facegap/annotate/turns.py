"""Whose turn it is: the order in which an annotator sees the images, and what comes next."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from facegap.annotate.database import Answer

Phase = Literal["practice", "earnest", "done"]


@dataclass(frozen=True)
class Turn:
    """What an annotator is shown.

    image       : None when all is done
    number      : of this image among `total`, from 1; `total` + 1 when all is done
    answered, skipped : in earnest so far
    first       : the first image in earnest after practice
    """

    phase: Phase
    image: str | None
    number: int
    total: int
    answered: int
    skipped: int
    first: bool = False


def shuffled(images: Sequence[str], *key: str) -> list[str]:
    """The images in an order that looks random and is the same for the same key on any machine and version."""

    def place(image: str) -> bytes:
        return hashlib.sha256("\0".join((*key, image)).encode()).digest()

    return sorted(images, key=place)


def next_turn(entries: Sequence[Answer], order: Sequence[str], practice: Sequence[str]) -> Turn:
    """The first image without an answer that counts, practice first.

    entries : the annotator's last entries on one scale; those about other images than `order` do not matter
    """
    standing = {(entry.practice, entry.image): entry for entry in entries if not entry.withdrawn}
    in_earnest = [entry for image in order if (entry := standing.get((False, image)))]
    skipped = sum(bool(entry.skipped) for entry in in_earnest)
    counts = (len(in_earnest) - skipped, skipped)
    # Whoever began in earnest is past practice, even where a restarted server was given more of it.
    if not in_earnest:
        for number, image in enumerate(practice, start=1):
            if (True, image) not in standing:
                return Turn("practice", image, number, len(practice), *counts)
    done = len(in_earnest)
    for image in order:
        if (False, image) not in standing:
            return Turn("earnest", image, done + 1, len(order), *counts, first=bool(practice) and done == 0)
    return Turn("done", None, done + 1, len(order), *counts)
