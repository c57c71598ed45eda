"""A benchmark protocol as input of an audit: its distinct pairs, and the list of pairs as published."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from facegap.audit.pair_lists import PairList
from facegap.errors import TableError
from facegap.inputs.protocols.listing import Listing
from facegap.store.record import ProtocolCount, ProtocolRecord
from facegap.tables import PROTOCOL_LIST, check

Like = Literal["insightface"]


@dataclass(frozen=True, eq=False)
class ListedProtocol:
    """The pairs that an audit compares for a protocol, and what run.json and the run folder store of it.

    pairs  : rows of the manifest, each pair once, in the order of its first occurrence; None if a gallery is searched
    table  : PROTOCOL_LIST
    record : for run.json
    """

    pairs: PairList | None
    table: pd.DataFrame
    record: ProtocolRecord


def listed_protocol(listing: Listing, *, far: Sequence[float], like: Like | None) -> ListedProtocol:
    """The pairs of a protocol for an audit of its subjects.

    far  : false accept rates at which TAR is reported
    like : another rule that is reported as well

    Raises
    ------
    TableError : if an image is paired with itself
    """
    same = np.flatnonzero(listing.pairs[:, 0] == listing.pairs[:, 1])
    if len(same):
        raise TableError(
            f"{listing.title}, pair {same[0] + 1}: an image (or a template) with itself ({len(same):,} such pairs) "
            f"is not a comparison"
        )
    _, first, of = np.unique(np.sort(listing.pairs, axis=1), axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)  # in the order of the list, not of the rows
    rank = np.empty(len(first), np.int64)
    rank[order] = np.arange(len(first))
    table = pd.DataFrame(
        {
            "pair": rank[of.reshape(-1)],
            "genuine": listing.genuine,
            "fold": listing.folds,
            "part": listing.parts,
        }
    )
    sha256 = hashlib.sha256("\n".join(sha256 for _, sha256 in listing.files).encode()).hexdigest()
    return ListedProtocol(
        PairList(listing.pairs[first[order]], sha256) if len(listing.pairs) else None,
        check(table, PROTOCOL_LIST, "protocol"),
        ProtocolRecord(
            listing.name,
            listing.title,
            dict(listing.files),
            tuple(ProtocolCount(count.what, count.found, count.expected) for count in listing.counts),
            len(listing.missing),
            not listing.incomplete,
            int(listing.folds.max(initial=-1)) + 1,
            tuple(sorted(set(far))),
            like or "",
            (*incomplete_in_words(listing), *repeats_in_words(len(listing.pairs), len(first)), *listing.notes),
            listing.gallery,
        ),
    )


def incomplete_in_words(listing: Listing) -> tuple[str, ...]:
    """A warning, first of all, that a protocol is incomplete and its results are not comparable with published ones."""
    if not listing.incomplete:
        return ()
    return (
        f"not the whole protocol ({'; '.join(listing.incomplete)}): its numbers cannot be compared with published ones",
    )


def repeats_in_words(listed: int, pairs: int) -> tuple[str, ...]:
    """A note that some pairs are listed more than once."""
    if listed == pairs:
        return ()
    return (
        f"{listed - pairs:,} of {listed:,} listed pairs are repeats: the protocol's numbers count each of them, FMR "
        f"and FNMR only once",
    )
