"""Entries of run.json on the benchmark protocol whose pairs a run compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from facegap.store.typed_json import Between, Count

MOST_FOLDS = 1_000

Rate = Annotated[float, Between(0, 1)]


@dataclass(frozen=True)
class ProtocolCount:
    """The number of something in a folder, and in the protocol; None if the protocol does not state it."""

    what: str
    found: Count
    expected: Count | None


@dataclass(frozen=True)
class ProtocolRecord:
    """A benchmark protocol whose pairs a run compares.

    name, title : its name on the command line, and its usual name
    files       : sha256 of its lists by file name
    counts      : numbers found and numbers in the protocol; missing: images that are not in the folder
    whole       : whether the data set was complete
    folds       : number of folds of the protocol's pairs; 0 for none
    far         : false accept rates at which TAR is reported, ascending
    gallery     : gallery that is searched (1:N): 1, 2 or both; empty if pairs are compared
    like        : another rule whose results are also reported, labelled as such; empty for none
    notes       : notes on these data for the reader
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
