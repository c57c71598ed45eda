"""Pairs submitted to a service: those that are trials, and outcomes by group."""

from __future__ import annotations

import pandas as pd

from facegap.derive.groupings import attribute_columns, attribute_values, cells_of
from facegap.derive.results import groupings_of
from facegap.store.run import Run
from facegap.tables import NOT_SENT, PAIR_OUTCOMES

ASKED_TABLE = "asked_pairs.csv"


def asked_pairs(pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs of a list that were submitted: all except those beyond the budget of calls.

    Examples
    --------
    >>> import pandas as pd
    >>> asked_pairs(pd.DataFrame({"left": [0, 1], "right": [1, 2], "outcome": ["scored", "not_sent"]}))["left"].tolist()
    [0]
    """
    if "outcome" not in pairs.columns:
        return pairs
    kept: pd.DataFrame = pairs[pairs["outcome"] != NOT_SENT].reset_index(drop=True)
    return kept


def asked_table(run: Run) -> pd.DataFrame:
    """One row per group and kind of pair: pairs within the group by outcome; empty without a service.

    Pairs between two groups are only in the row of all subjects.
    """
    if run.matched is None or run.matched.pairs is None or "outcome" not in run.matched.pairs.columns:
        return pd.DataFrame()
    pairs, groupings = run.matched.pairs, groupings_of(run)
    left, right = pairs["left"].to_numpy(), pairs["right"].to_numpy()
    attributes, rows = attribute_columns(groupings), []
    for grouping in groupings:
        cells = cells_of(run.manifest, grouping)
        for k, group in enumerate(cells.groups):
            inside = (cells.codes[left] == k) & (cells.codes[right] == k)
            for kind, genuine in (("genuine", True), ("impostor", False)):
                chosen = pairs[inside & (pairs["genuine"] == genuine).to_numpy()]
                ended = {name: int((chosen["outcome"] == name).sum()) for name in PAIR_OUTCOMES}
                rows.append({**attribute_values(group, attributes), "pairs_of": kind, "pairs": len(chosen), **ended})
    return pd.DataFrame(rows)
