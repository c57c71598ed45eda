"""Warnings about groups in which one person has a large proportion of trials, and rates that depend on such people."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import pandas as pd

from facegap.derive.groupings import Grouping, attribute_columns
from facegap.derive.metric import Trial
from facegap.derive.metrics import metric_of
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.statistics.effective import RateColumns
from facegap.store.record import RunRecord
from facegap.types import ANY, Group

LARGEST_SHARE = 1 / 3  # a larger proportion of the trials of a group is reported
FEWEST_UNITS = 3  # one of two always has at least half
MOST_NAMED = 12
TRIALS: dict[Trial, str] = {
    "image": "images",
    "impostor pair": "impostor pairs (each half to either person)",
    "genuine pair": "genuine pairs",
    "mated search": "mated searches",
    "non-mated search": "non-mated searches",
}


def trials_in_words(trial: Trial, counted: str) -> str:
    """The trials of a rate, in the plural. counted : see `Run.counted`."""
    return counted if trial == "image" else TRIALS[trial]


def as_weighted(rates: RateColumns, record: RunRecord) -> RateColumns:
    """Rates of groups with the weights of a run: equal for trials or, with --per-person, for people."""
    return rates.with_equal_weights() if record.per_person else rates


def rates_as_weighted(rates: pd.DataFrame, record: RunRecord) -> pd.DataFrame:
    """RATES with the weights of a run; with --per-person, interval and effective trials refer to equal weights of people."""
    if not record.per_person:
        return rates
    own = {name: rates[f"per_person_{end}"] for name, end in (("low", "low"), ("high", "high"))}
    return rates.assign(value=rates["per_person"], effective_trials=rates["per_person_trials"], weighs="people", **own)


def dominated_rates(rates: pd.DataFrame, groupings: Sequence[Grouping]) -> tuple[str, ...]:
    """One sentence per group whose errors are mostly from a few people; up to a dozen, then the number of others."""
    said = []
    for group, row in named_rows(rates[rates["dominated_by"] > 0], groupings):
        metric, point = metric_of(str(row["metric"])), float(row["threshold"])
        at = "" if math.isnan(point) else f" at threshold {point:.4f}"
        said.append(
            f"the rate of {group} ({metric.title}{at}) is {dominated_text(int(row['dominated_by']))}: they are in more "
            f"than half of its {row['errors']:,} errors, so a gap that depends on them has no verdict"
        )
    more = len(said) - MOST_NAMED
    return tuple(said) if more <= 0 else (*said[:MOST_NAMED], f"{more} more rates are dominated by a few people")


def dominated_text(people: int) -> str:
    """Description of a rate dominated by a few people.

    Examples
    --------
    >>> dominated_text(1), dominated_text(2)
    ('dominated by 1 person', 'dominated by 2 people')
    """
    return f"dominated by {people} {'person' if people == 1 else 'people'}"


def concentrated_trials(
    rates: pd.DataFrame, groupings: Sequence[Grouping], cluster: Sequence[str] = (), counted: str = "images"
) -> tuple[str, ...]:
    """One sentence per group and kind of trial with over a third in one sampling unit; a dozen, then the number of others.

    rates   : RATES
    cluster : columns of --cluster, which define the unit
    counted : the unit of an image trial, see `Run.counted`
    """
    who = f"unit of {' and '.join(cluster)}" if cluster else "person"
    said = [
        f"one {who} has {share:.0%} of the {trials_in_words(trial, counted)} of {group}"
        for (group, trial), share in largest_shares(rates, groupings)
    ]
    more = len(said) - MOST_NAMED
    return (
        tuple(said)
        if more <= 0
        else (*said[:MOST_NAMED], f"one {who} has a similar proportion in {more} more groups of trials")
    )


def rates_by_weight(rates: pd.DataFrame, groupings: Sequence[Grouping]) -> tuple[str, ...]:
    """One sentence per group whose rate differs with equal weights of people; up to a dozen, then the number of others.

    A rate counts trials, so a person with many trials has more weight. If the mean of the persons' rates is outside the
    interval of the rate, people with many trials have more, or fewer, errors than the others, and both numbers are
    given.
    """
    of_trials = rates["errors"] / rates["trials"]
    other = of_trials.where(rates["weighs"] == "people", rates["per_person"])
    beyond = (other < rates["low"]) | (other > rates["high"])
    said = []
    for group, row in named_rows(rates[beyond], groupings):
        metric, point = metric_of(str(row["metric"])), float(row["threshold"])
        at = "" if math.isnan(point) else f" at threshold {point:.4f}"
        said.append(
            f"the rate of {group} ({metric.title}{at}) is {row['errors'] / row['trials']:.2%} over all trials, but "
            f"{row['per_person']:.2%} with equal weight for each person; the interval of "
            f"{'the latter' if row['weighs'] == 'people' else 'the former'} is {row['low']:.2%} to {row['high']:.2%}; "
            "people with many trials differ from the others"
        )
    more = len(said) - MOST_NAMED
    return tuple(said) if more <= 0 else (*said[:MOST_NAMED], f"{more} more rates depend on the weights of people")


def named_rows(rates: pd.DataFrame, groupings: Sequence[Grouping]) -> Iterator[tuple[str, pd.Series]]:
    """Rows of RATES for groups with known labels, with the name of the group."""
    attributes = attribute_columns(groupings)
    for _, row in rates.iterrows():
        values = tuple((name, str(row[name])) for name in attributes if row[name] != ANY)
        across = any(row.get(f"other_{name}", "") != "" for name in attributes)
        if not across and all(value != UNKNOWN for _, value in values):
            yield str(Group(values)) if values else "everybody", row


def largest_shares(rates: pd.DataFrame, groupings: Sequence[Grouping]) -> Iterator[tuple[tuple[str, Trial], float]]:
    """Group and kind of trial with the largest proportion in one unit, if over a third, in order of RATES."""
    chosen = rates[(rates["largest_share"] > LARGEST_SHARE) & (rates["units"] >= FEWEST_UNITS)]
    found: dict[tuple[str, Trial], float] = {}
    for group, row in named_rows(chosen, groupings):
        key = group, metric_of(str(row["metric"])).trial
        found[key] = max(found.get(key, 0.0), float(row["largest_share"]))
    yield from found.items()
