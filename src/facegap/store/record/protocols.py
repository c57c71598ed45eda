"""The benchmark protocol that a run compares the pairs of, as run.json holds it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from facegap.store.typed_json import Between, Count

MOST_FOLDS = 1_000

Rate = Annotated[float, Between(0, 1)]


@dataclass(frozen=True)
class ProtocolCount:
    """How many of something a folder has, and how many the protocol; None where it does not say."""

    what: str
    found: Count
    expected: Count | None


@dataclass(frozen=True)
class ProtocolRecord:
    """A benchmark protocol, whose pairs a run compares.

    name, title : the word of the command, and what people call it
    files       : sha256 by name, of its lists
    counts      : what was found against what the protocol has; missing: images that are not in the folder
    whole       : whether all of it was there
    folds       : of the protocol's pairs; 0 for none
    far         : false accept rates at which TAR is printed, rising
    gallery     : which gallery is searched (1:N): 1, 2 or both; empty where pairs are compared
    like        : another rule that is printed as well, labelled; empty for none
    notes       : what a reader must know of these data
    """

    name: str
    title: str
    files: Mapping[str, str]
    counts: tuple[ProtocolCount, ...]
    missing: Count
    whole: bool
    folds: Annotated[int, Between(0, MOST_FOLDS)]
    far: tuple[Rate, ...]
    like: Literal["", "insightface"]
    notes: tuple[str, ...] = ()
    gallery: Literal["", "1", "2", "both"] = ""
