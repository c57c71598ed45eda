"""Store and read the comparisons and searches of a run."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.store.files import write_bytes, write_parquet
from facegap.store.tables import read_numbers, read_parquet
from facegap.tables import (
    CANDIDATES,
    EXCLUDED,
    FRAME_SCORES,
    FRAME_SEARCHES,
    PAIRS,
    PROTOCOL_LIST,
    ROLES,
    SEARCH_ROLES,
    check,
)
from facegap.types import ScoreCounts

PROTOCOL_PAIRS = "protocol.parquet"


@dataclass(frozen=True, eq=False)
class Matched:
    """Stored comparisons of a run.

    roles    : role of the image of each manifest row, text (rows,)
    excluded : int64 (m, 2), manifest rows of pairs excluded after review
    folds    : int64 (rows,), fold of each row if thresholds were set by fold, else None
    counts   : exact counts of all pairs of the evaluation set with templates, in manifest order
    pairs    : instead, if a list named the pairs: left, right (manifest rows), genuine, score (NaN: no template), and
               weight if they are a sample of all pairs
    protocol : PROTOCOL_LIST, if they are the pairs of a benchmark protocol: a row per pair in the order of its list
    """

    roles: NDArray[np.str_]
    excluded: NDArray[np.int64]
    counts: ScoreCounts | None = None
    pairs: pd.DataFrame | None = None
    folds: NDArray[np.int64] | None = None
    protocol: pd.DataFrame | None = None


@dataclass(frozen=True, eq=False)
class Searched:
    """Stored searches of a run (1:N).

    roles : per manifest row `gallery`, `probe`, or empty for an image that is not used, text (rows,)
    lists : probe, rank (from 1), gallery, score; probe and gallery are manifest rows. The best candidates of each probe,
            one rank more than the longest list that is evaluated; only the best image of the probe's own subject
    """

    roles: NDArray[np.str_]
    lists: pd.DataFrame


@dataclass(frozen=True, eq=False)
class ByFrames:
    """Scores from the first frames of each template only.

    scores   : frames (number used), left, right (rows of templates), score: every genuine pair of the evaluation set; NaN if
               either template has no usable frame among those
    searches : frames, then the columns of `Searched.lists`; None without searches
    """

    scores: pd.DataFrame
    searches: pd.DataFrame | None = None

    @property
    def counts(self) -> list[int]:
        """Return the numbers of frames in ascending order."""
        return sorted(set(self.scores["frames"].tolist()))


def write_by_frames(found: ByFrames, folder: Path) -> None:
    """Write the scores from first frames."""
    write_parquet(folder / "frame_scores.parquet", found.scores, FRAME_SCORES)
    if found.searches is not None:
        write_parquet(folder / "frame_searches.parquet", found.searches, FRAME_SEARCHES)


def read_by_frames(folder: Path) -> ByFrames | None:
    """Read the scores from first frames; None if they were not computed."""
    scores, searches = folder / "frame_scores.parquet", folder / "frame_searches.parquet"
    if not scores.is_file():
        return None
    return ByFrames(read_parquet(scores), read_parquet(searches) if searches.is_file() else None)


def write_matched(matched: Matched, folder: Path) -> None:
    """Write the comparisons of a run."""
    from facegap.store.counts import scores_to_npz

    roles = pd.DataFrame({"row": np.arange(len(matched.roles)), "role": matched.roles})
    folded = roles if matched.folds is None else roles.assign(fold=matched.folds)
    write_parquet(folder / "roles.parquet", folded, ROLES)
    write_parquet(folder / "excluded.parquet", pd.DataFrame(matched.excluded, columns=["left", "right"]), EXCLUDED)
    if matched.pairs is not None:
        write_parquet(folder / "pairs.parquet", matched.pairs, PAIRS)
    if matched.protocol is not None:
        write_parquet(folder / PROTOCOL_PAIRS, matched.protocol, PROTOCOL_LIST)
    if matched.counts is not None:
        buffer = io.BytesIO()
        scores_to_npz(matched.counts, buffer)
        write_bytes(folder / "counts.npz", buffer.getvalue())


def read_matched(folder: Path) -> Matched | None:
    """Read the comparisons of a run; None if there are none."""
    from facegap.store.counts import scores_from_npz

    if not (folder / "roles.parquet").is_file():
        return None
    stored = read_parquet(folder / "roles.parquet")
    roles = stored["role"].to_numpy().astype(str)
    folds = stored["fold"].to_numpy(np.int64) if "fold" in stored.columns else None
    excluded = read_parquet(folder / "excluded.parquet").to_numpy(np.int64).reshape(-1, 2)
    counts, pairs, protocol = folder / "counts.npz", folder / "pairs.parquet", folder / PROTOCOL_PAIRS
    return Matched(
        roles,
        excluded,
        scores_from_npz(counts) if counts.is_file() else None,
        read_numbers(pairs, PAIRS) if pairs.is_file() else None,
        folds,
        check(read_parquet(protocol), PROTOCOL_LIST, PROTOCOL_PAIRS) if protocol.is_file() else None,
    )


def write_searched(searched: Searched, folder: Path) -> None:
    """Write the searches of a run."""
    roles = pd.DataFrame({"row": np.arange(len(searched.roles)), "role": searched.roles})
    write_parquet(folder / "search_roles.parquet", roles, SEARCH_ROLES)
    write_parquet(folder / "identification.parquet", searched.lists, CANDIDATES)


def read_searched(folder: Path) -> Searched | None:
    """Read the searches of a run; None if there are none."""
    if not (folder / "search_roles.parquet").is_file():
        return None
    roles = read_parquet(folder / "search_roles.parquet")["role"].to_numpy().astype(str)
    return Searched(roles, read_parquet(folder / "identification.parquet"))
