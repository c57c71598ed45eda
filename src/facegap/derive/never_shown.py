"""Files that were not shown to any model, by group: errors in the manifest must be visible before any rate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.stats import fisher_exact

from facegap.derive.groupings import Grouping, attribute_columns, attribute_values, cells_of
from facegap.tables import NEVER_SHOWN
from facegap.types import BoolArray

UNEVEN_P = 0.05  # of Fisher's exact test between the group with the largest loss and the others
WORDS = {
    "missing_file": "missing",
    "unreadable": "cannot be read",
    "refused": "exceed a limit of facegap or of the service",
    "decode_timeout": "took too long to decode",
    "not_sent": "were not sent to the service",
}
MOST_NAMED = 4  # groups in a sentence


def never_shown_table(
    manifest: pd.DataFrame, outcomes: Sequence[str] | pd.Series, groupings: Sequence[Grouping]
) -> pd.DataFrame:
    """One row per group: files, and the number with each outcome of NEVER_SHOWN; empty if there are none.

    outcomes  : one per manifest row, as in FACES
    groupings : the empty one is all subjects
    """
    ended = pd.Series(outcomes).to_numpy()
    if not any((ended == outcome).any() for outcome in NEVER_SHOWN):
        return pd.DataFrame()
    attributes = attribute_columns(groupings)
    rows = []
    for grouping in groupings:
        cells = cells_of(manifest, grouping)
        for k, group in enumerate(cells.groups):
            inside = cells.codes == k
            lost = {outcome: int((inside & (ended == outcome)).sum()) for outcome in NEVER_SHOWN}
            rows.append({**attribute_values(group, attributes), "files": int(inside.sum()), **lost})
    return pd.DataFrame(rows)


def never_shown_sentences(
    manifest: pd.DataFrame, outcomes: Sequence[str] | pd.Series, groupings: Sequence[Grouping]
) -> list[str]:
    """Sentences on lost files: how many, in which groups, and whether the loss is uneven."""
    ended = pd.Series(outcomes).to_numpy()
    sentences = []
    for outcome in NEVER_SHOWN:
        lost = ended == outcome
        if not lost.any():
            continue
        total = f"{int(lost.sum()):,} of {len(lost):,} files {plural(outcome, int(lost.sum()))}"
        sentence = f"{total}; these files were not passed to a model and are excluded from all rates"
        sentences.append(". ".join([sentence, *counted_by_group(manifest, lost, groupings)]) + ".")
    return sentences


def counted_by_group(manifest: pd.DataFrame, lost: BoolArray, groupings: Sequence[Grouping]) -> list[str]:
    """For each grouping, lost and all images of its groups, and whether the loss is uneven. lost : bool (rows,)"""
    parts = []
    for grouping in groupings:
        if not grouping:
            continue
        cells = cells_of(manifest, grouping)
        counts = [
            (int((lost & (cells.codes == k)).sum()), int((cells.codes == k).sum())) for k in range(len(cells.groups))
        ]
        parts.append(by_group([str(group) for group in cells.groups], counts))
    return parts


def plural(outcome: str, count: int) -> str:
    """The outcome as the end of a sentence about files."""
    words = WORDS[outcome]
    if outcome == "missing_file":
        return f"{'is' if count == 1 else 'are'} {words}"
    if count > 1:
        return words
    return words.replace("exceed ", "exceeds ", 1).replace("were ", "was ", 1)


def by_group(names: Sequence[str], counts: Sequence[tuple[int, int]]) -> str:
    """The groups with the highest proportions first, and a test of the first against all others."""
    order = sorted(range(len(names)), key=lambda k: -counts[k][0] / max(counts[k][1], 1))
    named = ", ".join(f"{counts[k][0]:,} of {counts[k][1]:,} {names[k]}" for k in order[:MOST_NAMED])
    more = f", and {len(order) - MOST_NAMED} more groups" if len(order) > MOST_NAMED else ""
    p = uneven_p([counts[k] for k in order])
    return f"By group: {named}{more}" + (
        f"; this differs between groups (Fisher's exact test, p = {p:.2g})" if p <= UNEVEN_P else ""
    )


def uneven_p(counts: Sequence[tuple[int, int]]) -> float:
    """Two-sided p of Fisher's exact test of the first group against all others, corrected for its selection.

    counts  : lost and all files of each group, the group with the highest proportion first
    returns : the p times the number of groups (Bonferroni), at most 1; 1 for a single group
    """
    if len(counts) < 2:
        return 1.0
    lost, files = counts[0]
    others_lost, others_files = (sum(count[k] for count in counts[1:]) for k in (0, 1))
    table = [[lost, files - lost], [others_lost, others_files - others_lost]]
    return min(1.0, float(fisher_exact(np.array(table)).pvalue) * len(counts))
