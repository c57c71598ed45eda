"""Simulated families of gaps: how often the verdicts of an audit are correct.

The rates come from `worlds.rates`, and the tests are the audit's own, applied to all simulations at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from facegap.statistics.effective import RateColumns
from facegap.statistics.family_tests import GapTests, Sides, gap_tests
from facegap.statistics.gaps import ALPHA
from facegap.statistics.lending import lent_trials
from facegap.statistics.verdicts import GAPS_FOUND, VERDICTS, WITHIN, verdicts
from facegap.types import AnyArray, FloatArray, IntArray
from facegap.worlds.people import METRICS, PAIR_KINDS, Setting, setting_key
from facegap.worlds.rates import cells_of_a_world, rates_of

NO_GAP, SMALLER, AT_MARGIN, LARGER, TWICE, MORE = PLANTED = (
    "no gap",
    "below the margin",
    "the margin",
    "between it and twice",
    "twice the margin",
    "more than twice",
)
CLOSE = 1e-9
WORLDS_AT_ONCE, NUMBERS_AT_ONCE = 500, 2_000_000


@dataclass(frozen=True)
class Family:
    """Groups whose rates are tested together.

    groups : one setting each, all of one kind
    margin : as in `gap_family`; None uses the default of the metric
    """

    name: str
    groups: tuple[Setting, ...]
    group_names: tuple[str, ...]
    margin: float | None = None

    @property
    def metric(self) -> str:
        """Name of the metric."""
        return METRICS[self.groups[0].kind].name

    @property
    def is_ratio(self) -> bool:
        """Whether the margin is a ratio."""
        return METRICS[self.groups[0].kind].is_ratio

    @property
    def used_margin(self) -> float:
        """The margin as a number."""
        return METRICS[self.groups[0].kind].margin if self.margin is None else self.margin


@dataclass(frozen=True)
class FamilyOutcome:
    """Verdicts on a family in many simulations.

    false_alarm : proportion of simulations in which two groups with equal rates get `gap` or a larger verdict; NaN if no two
                  rates are equal
    differs     : the same for Holm's p of at most alpha
    dishonest   : proportion of simulations in which a gap at or above the margin gets `no gap larger than the margin`;
                  NaN if there is none
    found       : proportion of simulations in which the largest gap gets `gap` or a larger verdict; NaN if there is none
    found_any   : the same for any planted gap
    confusion   : planted size -> verdict -> count, over simulations and pairs of groups
    """

    family: Family
    worlds: int
    false_alarm: float
    differs: float
    dishonest: float
    found: float
    found_any: float
    confusion: dict[str, dict[str, int]]


def evaluate_family(family: Family, worlds: int, seed: int) -> FamilyOutcome:
    """Simulate a family and count the verdicts on its gaps."""
    rng = np.random.default_rng([seed, 77, *setting_key(family.groups[0]), len(family.groups)])
    rates, effective = simulated_family(family, worlds, rng)
    first, second = pairs_of(len(family.groups))
    found = evaluate_rates(rates, effective, first, second, is_ratio=family.is_ratio, margin=family.used_margin)
    return outcome_of(family, found, planted_gaps(family, first, second))


def simulated_family(family: Family, worlds: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Rates and effective trials, with trials lent to groups with few errors, of many simulations: float64 [worlds, groups]."""
    simulated = [rates_of_many(group, worlds, rng) for group in family.groups]
    rates = np.stack([np.concatenate([part.value for part in parts]) for parts in simulated], axis=1)
    effective = np.stack([np.concatenate([part.effective_trials for part in parts]) for parts in simulated], axis=1)
    trials, subjects = (
        np.array([getattr(parts[0], name)[0] for parts in simulated], np.int64) for name in ("trials", "subjects")
    )
    return rates, lent_trials(np.rint(rates * trials).astype(np.int64), trials, subjects, effective)


def rates_of_many(setting: Setting, worlds: int, rng: np.random.Generator) -> list[RateColumns]:
    """Rates of one group in many simulations, computed in parts to bound the memory."""
    heavy = setting.subjects > 100 and setting.kind in PAIR_KINDS
    size = max(1, min(50 if heavy else WORLDS_AT_ONCE, NUMBERS_AT_ONCE // cells_of_a_world(setting)))
    return [rates_of(setting, min(size, worlds - start), rng)[0] for start in range(0, worlds, size)]


def pairs_of(groups: int) -> tuple[IntArray, IntArray]:
    """Indices of both groups of each gap, in the order of `gap_family`."""
    first, second = np.triu_indices(groups, 1)
    return first.astype(np.int64), second.astype(np.int64)


def evaluate_rates(
    rates: FloatArray,
    effective: FloatArray,
    first: IntArray,
    second: IntArray,
    *,
    is_ratio: bool,
    margin: float,
    alpha: float = ALPHA,
    others: FloatArray | None = None,
) -> GapTests:
    """The gaps between groups `first` and `second` in many simulations, as `gap_family` tests them for one.

    rates, effective : float64 [worlds, groups]
    others           : p of the gaps that are tested together with these, float64 [worlds, any]; None: no others
    returns          : arrays [worlds, gaps]
    """
    known = np.nan_to_num(effective)  # a rate without an interval cannot be tested
    sides: Sides = (rates[:, first], known[:, first], rates[:, second], known[:, second])
    return gap_tests(sides, is_ratio=is_ratio, margin=margin, alpha=alpha, others=others)


def planted_gaps(family: Family, first: IntArray, second: IntArray) -> FloatArray:
    """Size of each planted gap on the margin's scale: a ratio of at least 1, or a difference of at least 0."""
    rates = np.array([group.rate for group in family.groups])
    larger, smaller = np.maximum(rates[first], rates[second]), np.minimum(rates[first], rates[second])
    return np.asarray(larger / smaller if family.is_ratio else larger - smaller, dtype=np.float64)


def planted_size(gaps: FloatArray, margin: float, *, is_ratio: bool) -> AnyArray:
    """Each gap as one of PLANTED. Twice a ratio of 2 is a ratio of 4, since ratios are added on the log scale."""
    size = np.log(gaps) if is_ratio else gaps
    unit = np.log(margin) if is_ratio else margin
    share = size / unit
    return np.select(
        [share < CLOSE, share < 1 - CLOSE, share < 1 + CLOSE, share < 2 - CLOSE, share < 2 + CLOSE],
        [NO_GAP, SMALLER, AT_MARGIN, LARGER, TWICE],
        default=MORE,
    )


def outcome_of(family: Family, found: GapTests, gaps: FloatArray) -> FamilyOutcome:
    """Proportions and counts of the verdicts of many simulations."""
    outcome = verdicts(beyond_margin=found.beyond_margin, within_margin=found.within_margin, differs=found.differs)
    is_found = np.isin(outcome, GAPS_FOUND)
    size = planted_size(gaps, family.used_margin, is_ratio=family.is_ratio)
    none, reaching = size == NO_GAP, ~np.isin(size, (NO_GAP, SMALLER))
    return FamilyOutcome(
        family=family,
        worlds=len(outcome),
        false_alarm=proportion_of_worlds(is_found[:, none]),
        differs=proportion_of_worlds(found.differs[:, none]),
        dishonest=proportion_of_worlds((outcome == WITHIN)[:, reaching]),
        found=proportion_of_worlds(is_found[:, ~none & (gaps == gaps.max(initial=0))]),
        found_any=proportion_of_worlds(is_found[:, ~none]),
        confusion={
            str(planted): {verdict: int((outcome[:, size == planted] == verdict).sum()) for verdict in VERDICTS}
            for planted in PLANTED
            if (size == planted).any()
        },
    )


def proportion_of_worlds(hits: AnyArray) -> float:
    """Proportion of simulations (the first axis) with a hit in any gap; NaN without gaps."""
    return float(hits.any(axis=1).mean()) if hits.shape[1] else float("nan")


def raised_family(base: Setting, groups: int, gap: float, name: str) -> Family:
    """A family of equal groups except the first, whose rate is higher by `gap`: a ratio, or a difference."""
    is_ratio = METRICS[base.kind].is_ratio
    raised = replace(base, rate=base.rate * gap if is_ratio else base.rate + gap)
    return Family(name, (raised, *[base] * (groups - 1)), group_labels(groups))


def group_labels(groups: int) -> tuple[str, ...]:
    """Default names of groups."""
    return tuple(f"group {k + 1}" for k in range(groups))


def merged(confusions: Sequence[dict[str, dict[str, int]]]) -> dict[str, dict[str, int]]:
    """Several confusion tables added up."""
    total: dict[str, dict[str, int]] = {}
    for planted in PLANTED:
        rows = [table[planted] for table in confusions if planted in table]
        if rows:
            total[planted] = {verdict: sum(row[verdict] for row in rows) for verdict in VERDICTS}
    return total
