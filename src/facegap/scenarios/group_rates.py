"""The rates of a run from rows of RATES: of every group, and between every two groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from facegap.derive.metrics import FMR
from facegap.errors import TableError
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.report.rows.frames import records
from facegap.report.rows.rates import rate_of
from facegap.types import ANY, Group, Rate

EVERYBODY = Group(())
NOT_MEASURED = Rate(errors=0, trials=0)  # value and interval are NaN


@dataclass(frozen=True)
class Measured:
    """Rates of the groups of one grouping at one threshold.

    groups   : groups with complete labels, in the order of the table
    own      : (metric, group) -> rate; for fmr and gfar both people of a pair are in the group. Includes EVERYBODY
    across   : (group, other group) -> fmr between the two, in either order
    left_out : groups with a missing label, which scenarios omit
    threshold, threshold_from : NaN and empty for metrics of single images
    """

    groups: tuple[Group, ...]
    own: Mapping[tuple[str, Group], Rate]
    across: Mapping[tuple[Group, Group], Rate] = field(default_factory=dict)
    left_out: tuple[Group, ...] = ()
    threshold: float = float("nan")
    threshold_from: str = ""

    def rate(self, metric: str, group: Group) -> Rate:
        """The group's own rate; a rate with 0 trials, hence NaN, if the run has none."""
        return self.own.get((metric, group), NOT_MEASURED)

    def between(self, group: Group, other: Group) -> Rate:
        """FMR between two groups, or within one; NaN if it was not measured."""
        if group == other:
            return self.rate(FMR.name, group)
        return self.across.get((group, other), self.across.get((other, group), NOT_MEASURED))

    @property
    def groups_and_all(self) -> Sequence[Group]:
        """The groups, and then all people if the run has their FMR and the grouping does not include them."""
        known = (FMR.name, EVERYBODY) in self.own and EVERYBODY not in self.groups
        return (*self.groups, *((EVERYBODY,) if known else ()))

    @property
    def in_sample(self) -> bool:
        """Whether the threshold was set on the comparisons on which it is evaluated, according to its origin."""
        return "in-sample" in self.threshold_from.lower().replace(" ", "-")


def measured_rates(rates: pd.DataFrame, attributes: Sequence[str], grouping: Sequence[str]) -> Measured:
    """The rows of RATES for one grouping, and those for all people.

    rates      : rows of one threshold (and those without any)
    attributes : every label column of the table; other_<attribute> may be absent
    grouping       : names of the attributes that define the groups, in any order; empty: all people only
    Raises     : TableError for two rows with the same metric, group and other group
    """
    own: dict[tuple[str, Group], Rate] = {}
    across: dict[tuple[Group, Group], Rate] = {}
    for row in records(rates):
        group, other = _group_in(row, attributes), _group_in(row, attributes, "other_")
        if group is None or not (_is_of(group, grouping) or (group == EVERYBODY and other is None)):
            continue
        if other is None:
            _add(own, (str(row["metric"]), group), rate_of(row))
        elif _is_of(other, grouping) and row["metric"] == FMR.name:
            _add(across, (group, other), rate_of(row))
    groups = dict.fromkeys(group for _, group in own if _is_of(group, grouping))
    unknown = tuple(group for group in groups if UNKNOWN in dict(group.attributes).values())
    return Measured(
        groups=tuple(group for group in groups if group not in unknown),
        own=own,
        across=across,
        left_out=unknown,
        threshold=float(rates["threshold"].iloc[0]) if len(rates) else float("nan"),
        threshold_from=str(rates["threshold_from"].iloc[0]) if len(rates) else "",
    )


def _group_in(row: Mapping[Any, Any], attributes: Sequence[str], prefix: str = "") -> Group | None:
    """The group in the columns with a prefix; None if all of them are empty."""
    values = {name: str(row.get(prefix + name, "")) for name in attributes}
    if prefix and not any(values.values()):
        return None
    return Group(tuple((name, value) for name, value in values.items() if value != ANY))


def _is_of(group: Group, grouping: Sequence[str]) -> bool:
    return {name for name, _ in group.attributes} == set(grouping)


def _add(found: dict[Any, Rate], key: tuple[Any, Group], rate: Rate) -> None:
    if key in found:
        raise TableError(
            f"rates: two rows for {' against '.join(map(str, key))}; a scenario uses one model and one threshold at "
            f"a time"
        )
    found[key] = rate
