"""From templates to stored candidate lists (1:N): the candidates of each probe, and the threshold for each target FPIR."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.audit.enrolment import roles_in_words
from facegap.audit.pair_lists import NO_PAIRS
from facegap.audit.resolved import ResolvedAudit
from facegap.audit.thresholds import THRESHOLD_SET, Templates
from facegap.derive.comparisons import PairRows
from facegap.derive.identification import GALLERY, PROBE, mates_of
from facegap.errors import StatisticsError
from facegap.matching import search
from facegap.statistics.curves import allowed_false_matches, threshold_at_fmr
from facegap.store.record import IdentificationRecord, Operating
from facegap.store.run import Searched
from facegap.types import BoolArray, FloatArray, IntArray

LIST = np.dtype([("probe", np.int64), ("rank", np.int64), ("gallery", np.int64), ("score", np.float64)])
Searching = Callable[..., tuple[IntArray, FloatArray]]  # `search`, or a function with the same result on a cluster
NOBODY = np.int64(-1)  # the subject of a probe without a mate


@dataclass(frozen=True)
class Identification:
    """The result of identification: the stored searches and their section of run.json."""

    searched: Searched
    record: IdentificationRecord


@dataclass(frozen=True, eq=False)
class Side:
    """The gallery or the probes: table rows int64 (n,), templates float32 (n, dimension), subjects int64 (n,)."""

    rows: IntArray
    templates: NDArray[np.float32]
    people: IntArray


def identify(
    templates: Templates,
    threshold_set: Templates | None,
    resolved: ResolvedAudit,
    *,
    workers: int,
    searching: Searching = search,
) -> Identification:
    """Search every probe in the gallery and find thresholds for each target FPIR.

    searching : the search function: `search`, or that of a cluster

    Raises
    ------
    StatisticsError, MatchingError : if there are too few searches for a target FPIR, or templates are unusable
    """
    settings, verify = resolved.settings.identify, resolved.settings.verify
    assert settings is not None
    assert resolved.search_roles is not None
    gallery = side_of(templates, resolved.search_roles == GALLERY, templates.subjects)
    probes = side_of(templates, resolved.search_roles == PROBE, templates.subjects)
    # One more candidate than the highest rank: a tie across the end of a list must be seen to be resolved against the system.
    lists = candidate_lists(
        gallery, probes, resolved.excluded.rows, max(settings.rank) + 1, workers=workers, searching=searching
    )
    searched = Searched(resolved.search_roles, lists)
    points = fpir_points(templates, threshold_set, resolved, searched, gallery, workers=workers, searching=searching)
    record = IdentificationRecord(
        settings.rank,
        roles_in_words(settings, verify.seed, "image" if resolved.manifest.members is None else "template"),
        tuple(points),
    )
    return Identification(searched, record)


def side_of(templates: Templates, chosen: BoolArray, people: IntArray) -> Side:
    """The templates with a role. chosen, people : (rows of the table,)."""
    positions = np.flatnonzero(chosen[templates.rows])
    rows = templates.rows[positions]
    return Side(rows, templates.vectors[positions], people[rows])


def candidate_lists(
    gallery: Side,
    probes: Side,
    excluded: PairRows,
    length: int,
    *,
    workers: int,
    searching: Searching = search,
) -> pd.DataFrame:
    """The best `length` candidates of each probe: probe, rank (from 1), gallery, score; by probe, then rank.

    Of the images of the probe's own subject only the best is listed, as the others do not affect any rate. A list is shorter if
    the gallery is exhausted or the remaining candidates score below the mate, whose rank is then known anyway.
    Memory grows with probes x length, not with probes x gallery.
    """
    found = [np.empty(0, LIST)]
    todo, depth = np.arange(len(probes.rows)), length
    while len(todo) and len(gallery.rows):
        depth = min(depth, len(gallery.rows))
        places, scores = searching(gallery.templates, probes.templates[todo], depth, workers=workers)
        kept, settled = pruned(gallery, probes, todo, places, scores, excluded, length)
        line, column = np.nonzero(kept & settled[:, None])
        part = np.empty(len(line), LIST)
        part["probe"] = probes.rows[todo[line]]
        part["rank"] = np.cumsum(kept, axis=1)[line, column]
        part["gallery"] = gallery.rows[places[line, column]]
        part["score"] = scores[line, column]
        found.append(part)
        todo, depth = todo[~settled], 2 * depth
    joined = np.concatenate(found)
    return pd.DataFrame({name: joined[name] for name in joined.dtype.names or ()}).sort_values(
        ["probe", "rank"], ignore_index=True
    )


def pruned(
    gallery: Side, probes: Side, todo: IntArray, places: IntArray, scores: FloatArray, excluded: PairRows, length: int
) -> tuple[BoolArray, BoolArray]:
    """Which candidates found are listed, bool (todo, depth), and which lists need no deeper search, bool (todo,).

    todo   : positions of the probes that were searched
    places : int64 (todo, depth), positions in the gallery by descending score; scores likewise
    """
    left_out = is_excluded(probes.rows[todo], gallery.rows[places], excluded)
    mate = (gallery.people[places] == probes.people[todo, None]) & ~left_out
    kept = ~left_out & ~(mate & (np.cumsum(mate, axis=1) > 1))
    full = kept.sum(axis=1) >= length
    # Candidates that score below the mate cannot rank before it.
    placed = np.where(mate, scores, -np.inf).max(axis=1) > scores[:, -1]
    settled = full | placed | (places.shape[1] == len(gallery.rows))
    return kept & (np.cumsum(kept, axis=1) <= length), settled


def is_excluded(probe_rows: IntArray, gallery_rows: IntArray, excluded: PairRows) -> BoolArray:
    """Whether each pair was excluded after review, bool of the shape of `gallery_rows` (probes, depth)."""
    if not len(excluded):
        return np.zeros(gallery_rows.shape, np.bool_)
    stride = 1 + int(max(excluded.max(), probe_rows.max(initial=0), gallery_rows.max(initial=0)))
    both_ways = np.concatenate([excluded, excluded[:, ::-1]])
    return np.asarray(
        np.isin(probe_rows[:, None] * stride + gallery_rows, both_ways[:, 0] * stride + both_ways[:, 1]), np.bool_
    )


def fpir_points(
    templates: Templates,
    threshold_set: Templates | None,
    resolved: ResolvedAudit,
    searched: Searched,
    gallery: Side,
    *,
    workers: int,
    searching: Searching,
) -> list[Operating]:
    """A threshold for each target FPIR.

    Subjects of the threshold set search the evaluated gallery, in which none of them is enrolled: FPIR depends on the gallery.
    """
    settings, excluded = resolved.settings.identify, resolved.excluded.rows
    assert settings is not None
    if not settings.fpir:
        return []
    if threshold_set is None and resolved.settings.verify.in_sample:
        mates, _ = mates_of(searched.roles, templates.subjects, excluded)
        strangers = np.flatnonzero((searched.roles == PROBE) & (mates == 0))
        lists = searched.lists[searched.lists["probe"].isin(strangers)]
        where = "the same searches on which it is evaluated (IN-SAMPLE)"
    else:
        side, where = threshold_side(templates, threshold_set, resolved, settings.role_column)
        reviewed = excluded if threshold_set is None else NO_PAIRS  # the reviewed pairs are rows of the manifest
        lists = candidate_lists(gallery, side, reviewed, 1, workers=workers, searching=searching)
    tops = lists.loc[lists["rank"] == 1, "score"].to_numpy(np.float64)
    return [fpir_point(tops, target, where) for target in settings.fpir]


def threshold_side(
    templates: Templates, threshold_set: Templates | None, resolved: ResolvedAudit, role_column: str | None
) -> tuple[Side, str]:
    """The searches on which thresholds for FPIR are set, and a phrase that names their subjects.

    If a role column separates images to enrol from probes, only the probes are searched here too.
    Subjects of --threshold-on that are enrolled here under the same name are excluded.
    """
    if threshold_set is None:
        basis, words = templates, f"subjects held out (seed {resolved.settings.verify.seed})"
        strangers = np.asarray(resolved.roles == THRESHOLD_SET, np.bool_)
    else:
        enrolled = templates.table["subject"][resolved.search_roles == GALLERY]
        basis, words = threshold_set, "other subjects (--threshold-on)"
        strangers = ~threshold_set.table["subject"].isin(enrolled).to_numpy(np.bool_)
    if role_column is not None and role_column in basis.table.columns:
        strangers = strangers & (basis.table[role_column] == PROBE).to_numpy(np.bool_)
    return side_of(basis, strangers, np.full(len(strangers), NOBODY)), words


def fpir_point(tops: FloatArray, target: float, where: str) -> Operating:
    """The lowest threshold at which at most the target proportion of searches returns a candidate.

    tops : float64 (n,), best score of each non-mated search

    Raises
    ------
    StatisticsError : if there are fewer searches than 1 / target
    """
    if not 0 <= target <= 1:
        raise StatisticsError(f"--fpir {target:g} is outside 0 to 1")
    if not len(tops) or (target > 0 and len(tops) * target * (1 + 1e-12) < 1):
        raise StatisticsError(
            f"--fpir {target:g} needs at least {int(np.ceil(1 / target)) if target else 1} searches of held-out "
            f"subjects with a template; there are {len(tops)}; add subjects or choose a higher rate"
        )
    choice = threshold_at_fmr(tops, target)
    words = f"FPIR {target:g} on {where}: {choice.false_matches} of {choice.impostor_pairs} searches"
    return Operating(choice.threshold, words)


def fpir_point_of_lists(tops: FloatArray, empty: int, target: float, where: str, lowest: float) -> Operating:
    """`fpir_point` for services that return empty lists. These searches count too, with scores below all that a list can show.

    tops   : float64 (n,), best score of each search that returned a candidate
    empty  : number of searches that returned none
    lowest : the lowest score that a list can show. It is the threshold if the target allows a candidate in every search with a
            non-empty list

    Raises
    ------
    StatisticsError : see `fpir_point`

    Examples
    --------
    >>> tops = np.array([0.6, 0.8])
    >>> [fpir_point_of_lists(tops, 8, target, "10 strangers", 0.5).threshold for target in (0.1, 0.2, 0.3)]
    [0.8, 0.6, 0.5]
    """
    lowest = float(tops.min(initial=lowest))
    scores = np.append(tops, np.full(empty, np.nextafter(lowest, -np.inf)))
    point = fpir_point(scores, target, where)
    if not empty or (len(tops) and allowed_false_matches(target, len(scores)) <= len(tops)):
        return point
    words = f"FPIR {target:g} on {where}: {len(tops)} of {len(scores)} searches"
    return Operating(
        lowest, f"{words}, at the lowest score of a list ({lowest:g}), as the others returned no candidate"
    )
