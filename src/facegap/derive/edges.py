"""False match rates at edges of bins of scores, also below the list of impostor pairs.

At or above the floor of the list the rates are those of the list. Below it they use the counts of each template
(`RowTails`): the rate is exact; its interval is that of the list if every two people have one comparison, and otherwise
wider.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import (
    Comparisons,
    counted_groups,
    false_match_rate,
    impostors_left_out,
    without_excluded_trials,
)
from facegap.derive.groupings import Cells, Grouping, attribute_columns, cells_of
from facegap.derive.metrics import FMR
from facegap.derive.results import rate_row
from facegap.derive.scores import is_whole
from facegap.derive.verification import MOST_MATRIX_GROUPS
from facegap.statistics.subject_errors import fmr_of_subject_errors, one_comparison_each
from facegap.types import BoolArray, IntArray, Rate, ScoreCounts

EDGES = "edges.csv"
OF_LIST = "bin edge; interval from the list of impostor pairs"
OF_SUBJECTS = "bin edge; interval from counts of each subject"
BOUND = "bin edge; interval from counts of each subject, conservative (several comparisons of two subjects)"


def edges_table(
    pairs: Comparisons,
    counts: ScoreCounts | None,
    manifest: pd.DataFrame,
    groupings: Sequence[Grouping],
    model: str,
    level: float,
) -> pd.DataFrame:
    """Rows of RATES: the FMR of every group, and between every two, at each edge from which templates were counted.

    Empty if templates were not counted; without groups that are not unions of counted groups.
    """
    if counts is None or counts.row_tails is None:
        return pd.DataFrame()
    counted, attributes = counted_groups(manifest, groupings), attribute_columns(groupings)
    rows: list[dict[str, Any]] = []
    for bin, edge in enumerate(counts.row_tails.edges.tolist()):
        reached = None if edge >= pairs.floor else counts.row_tails.reaching(bin)
        for grouping in groupings:
            cells = cells_of(manifest, grouping)
            for g, h in groups_and_pairs(cells):
                one, other = cells.codes == g, None if h is None else cells.codes == h
                if not all(is_whole(counted, group) for group in (one, other) if group is not None):
                    continue
                rate, source = rate_at_edge(pairs, edge, reached, counted.codes, one, other, level)
                across = None if h is None else cells.groups[h]
                rows.append(rate_row(FMR.name, model, cells.groups[g], attributes, rate, edge, source, other=across))
    return pd.DataFrame(rows)


def groups_and_pairs(cells: Cells) -> Iterator[tuple[int, int | None]]:
    """Every group, then every pair of groups within the limit of the cross-group matrix."""
    size = len(cells.groups)
    yield from ((g, None) for g in range(size))
    if 2 <= size <= MOST_MATRIX_GROUPS:
        yield from combinations(range(size), 2)


def rate_at_edge(
    pairs: Comparisons,
    edge: float,
    reached: IntArray | None,
    codes: IntArray,
    first: BoolArray,
    second: BoolArray | None,
    level: float,
) -> tuple[Rate, str]:
    """The FMR of a group, or between two, at an edge, and the source of its interval in words.

    reached : int64 (templates compared, counted groups), impostor pairs of each template that reach the edge; None: the
              edge is in the range of the list
    codes   : int64 (n,), counted group of each template
    """
    if reached is None:
        return false_match_rate(pairs, edge, first, second, generalised=False, level=level), OF_LIST
    compared = np.flatnonzero(pairs.enrolled & pairs.counted)
    other = first if second is None else second
    one_way = errors_of_people(pairs, compared, reached, codes, first, other)
    errors = one_way if second is None else one_way + errors_of_people(pairs, compared, reached, codes, other, first)
    images, others = (
        np.bincount(pairs.subjects[compared[group[compared]]], minlength=len(errors)) for group in (first, other)
    )
    people = np.flatnonzero(images + others)
    images, others = images[people], others[people]
    between = None if second is None else others
    rate = fmr_of_subject_errors(errors[people], images, other_images=between, level=level)
    source = OF_SUBJECTS if one_comparison_each(images, between) else BOUND
    return without_excluded_trials(rate, impostors_left_out(pairs, first, second, generalised=False)), source


def errors_of_people(
    pairs: Comparisons, compared: IntArray, reached: IntArray, codes: IntArray, own: BoolArray, others: BoolArray
) -> IntArray:
    """For each person, impostor pairs of templates in one group with templates of another that reach an edge, int64 (S,)."""
    inside = own[compared]
    columns = np.unique(codes[compared[others[compared]]])
    wrong = reached[inside][:, columns].sum(axis=1)
    people = pairs.subjects[compared[inside]]
    size = int(pairs.subjects.max(initial=-1)) + 1
    return np.bincount(people, weights=wrong, minlength=size).astype(np.int64)
