"""Simulated runs without a gap: how often an audit reports one anywhere.

A run tests several families: every grouping, every rate, every threshold. Each is simulated independently, because false
alarms accumulate fastest in independent data.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facegap.statistics.family_tests import GapTests
from facegap.statistics.gaps import ALPHA
from facegap.statistics.verdicts import GAPS_FOUND, verdicts
from facegap.types import BoolArray, FloatArray
from facegap.worlds.families import Family, evaluate_rates, pairs_of, simulated_family
from facegap.worlds.people import Kind, Setting

RATES: dict[Kind, float] = {"classification": 0.1, "impostor": 0.01, "genuine": 0.1}


@dataclass(frozen=True)
class RunAlarms:
    """Proportions of simulated runs without a gap in which a gap is reported.

    each_family : in any family, each tested separately
    primary     : in the primary family, tested as one
    """

    worlds: int
    families: int
    each_family: float
    primary: float


def null_families(groupings: int, groups: int, *, people: int, images: int, strength: float) -> list[Family]:
    """Families of equal groups: the errors of a classifier, FMR and FNMR of every grouping.

    people   : number in each group; images: number per person
    strength : between-person correlation, rho of `Setting`
    """
    return [
        Family(f"{kind} {k}", (Setting(kind, people, images, rate, "probit", strength),) * groups, ("",) * groups)
        for k in range(groupings)
        for kind, rate in RATES.items()
    ]


def run_alarms(families: Sequence[Family], primary: int, worlds: int, seed: int) -> RunAlarms:
    """False alarms of a run over families of equal groups, of which the first `primary` are the primary family.

    Examples
    --------
    >>> found = run_alarms(null_families(1, 2, people=30, images=2, strength=0.0), 3, 50, 0)
    >>> (found.families, 0 <= found.primary <= found.each_family <= 1)
    (3, True)
    """
    simulated = [
        simulated_family(family, worlds, np.random.default_rng([seed, 88, number]))
        for number, family in enumerate(families)
    ]
    alone = [family_results(family, *rates) for family, rates in zip(families, simulated, strict=True)]
    anywhere = np.any([is_alarm(found) for found in alone], axis=0)
    together = np.zeros(worlds, np.bool_)
    for k in range(primary):
        others = np.concatenate(
            [found.p for j, found in enumerate(alone[:primary]) if j != k] or [alone[k].p[:, :0]], 1
        )
        together |= is_alarm(family_results(families[k], *simulated[k], others=others))
    return RunAlarms(worlds, len(families), float(anywhere.mean()), float(together.mean()))


def family_results(
    family: Family, rates: FloatArray, effective: FloatArray, *, others: FloatArray | None = None
) -> GapTests:
    """A family in every simulation, with the p values that are tested together with it."""
    first, second = pairs_of(len(family.groups))
    return evaluate_rates(
        rates,
        effective,
        first,
        second,
        is_ratio=family.is_ratio,
        margin=family.used_margin,
        alpha=ALPHA,
        others=others,
    )


def is_alarm(found: GapTests) -> BoolArray:
    """Whether any pair of groups gets a verdict that reports a gap, bool [worlds]."""
    verdict = verdicts(beyond_margin=found.beyond_margin, within_margin=found.within_margin, differs=found.differs)
    return np.asarray(np.isin(verdict, GAPS_FOUND).any(axis=1))
