"""Groups in which one person holds so many trials that a rate says little about anybody else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pandas as pd

from facegap.derive.groupings import Grouping, attribute_columns
from facegap.derive.metrics import Trial, metric_of
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.types import ANY, Group

MOST_HELD = 1 / 3  # a larger proportion of the trials of a group is named
FEWEST_UNITS = 3  # one of two always holds half
MOST_NAMED = 12
TRIALS: dict[Trial, str] = {
    "image": "images",
    "impostor pair": "impostor pairs (each half to either person)",
    "genuine pair": "genuine pairs",
    "mated search": "mated searches",
    "non-mated search": "non-mated searches",
}


def held_by_one(rates: pd.DataFrame, groupings: Sequence[Grouping], cluster: Sequence[str] = ()) -> tuple[str, ...]:
    """A sentence per group and kind of trial of which one sampling unit holds more than a third; a dozen, then their number.

    rates   : RATES
    cluster : columns of --cluster, which make the unit
    """
    who = f"unit of {' and '.join(cluster)}" if cluster else "person"
    said = [
        f"one {who} holds {share:.0%} of the {TRIALS[trial]} of {group}"
        for (group, trial), share in largest_shares(rates, groupings)
    ]
    more = len(said) - MOST_NAMED
    return (
        tuple(said)
        if more <= 0
        else (*said[:MOST_NAMED], f"one {who} holds so much of {more} further groups of trials")
    )


def largest_shares(rates: pd.DataFrame, groupings: Sequence[Grouping]) -> Iterator[tuple[tuple[str, Trial], float]]:
    """Group and kind of trial with the proportion that one unit holds, where it is over a third, in order of RATES."""
    attributes = attribute_columns(groupings)
    chosen = rates[(rates["largest_share"] > MOST_HELD) & (rates["units"] >= FEWEST_UNITS)]
    found: dict[tuple[str, Trial], float] = {}
    for _, row in chosen.iterrows():
        values = tuple((name, str(row[name])) for name in attributes if row[name] != ANY)
        across = any(row.get(f"other_{name}", "") != "" for name in attributes)
        if across or any(value == UNKNOWN for _, value in values):
            continue
        group = str(Group(values)) if values else "everybody"
        key = group, metric_of(str(row["metric"])).trial
        found[key] = max(found.get(key, 0.0), float(row["largest_share"]))
    yield from found.items()
