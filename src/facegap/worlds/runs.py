"""Whole runs without a gap: how often an audit says somewhere that there is one.

A run looks at several families: every grouping, every rate, every threshold. Each is drawn by itself, so that their data
are independent and false alarms add up as fast as they can.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facegap.statistics.family_tests import Judged
from facegap.statistics.gaps import ALPHA
from facegap.statistics.verdicts import GAPS_FOUND, verdicts
from facegap.types import BoolArray, FloatArray
from facegap.worlds.families import Family, drawn_family, judge_rates, pairs_of
from facegap.worlds.people import Kind, Setting

RATES: dict[Kind, float] = {"classification": 0.1, "impostor": 0.01, "genuine": 0.1}


@dataclass(frozen=True)
class RunAlarms:
    """Proportions of simulated runs without a gap in which some gap is found.

    each_family : in any family, each judged by itself
    primary     : in the primary family, judged as one
    """

    worlds: int
    families: int
    each_family: float
    primary: float


def null_families(groupings: int, groups: int, *, people: int, images: int, strength: float) -> list[Family]:
    """Families of equal groups: of every grouping the errors of a classifier, FMR and FNMR.

    people   : of each group; images: of each person
    strength : how far people differ, rho of `Setting`
    """
    return [
        Family(f"{kind} {k}", (Setting(kind, people, images, rate, "probit", strength),) * groups, ("",) * groups)
        for k in range(groupings)
        for kind, rate in RATES.items()
    ]


def run_alarms(families: Sequence[Family], primary: int, worlds: int, seed: int) -> RunAlarms:
    """False alarms of a run over some families of equal groups, of which the first `primary` are the primary family.

    Examples
    --------
    >>> found = run_alarms(null_families(1, 2, people=30, images=2, strength=0.0), 3, 50, 0)
    >>> (found.families, 0 <= found.primary <= found.each_family <= 1)
    (3, True)
    """
    drawn = [
        drawn_family(family, worlds, np.random.default_rng([seed, 88, number]))
        for number, family in enumerate(families)
    ]
    alone = [judged_family(family, *rates) for family, rates in zip(families, drawn, strict=True)]
    anywhere = np.any([is_alarm(found) for found in alone], axis=0)
    together = np.zeros(worlds, np.bool_)
    for k in range(primary):
        others = np.concatenate(
            [found.p for j, found in enumerate(alone[:primary]) if j != k] or [alone[k].p[:, :0]], 1
        )
        together |= is_alarm(judged_family(families[k], *drawn[k], others=others))
    return RunAlarms(worlds, len(families), float(anywhere.mean()), float(together.mean()))


def judged_family(
    family: Family, rates: FloatArray, effective: FloatArray, *, others: FloatArray | None = None
) -> Judged:
    """A family in every world, beside what it is tested together with."""
    first, second = pairs_of(len(family.groups))
    return judge_rates(
        rates,
        effective,
        first,
        second,
        is_ratio=family.is_ratio,
        margin=family.used_margin,
        alpha=ALPHA,
        others=others,
    )


def is_alarm(found: Judged) -> BoolArray:
    """Whether some pair of groups gets a verdict that says there is a gap, bool [worlds]."""
    said = verdicts(beyond_margin=found.beyond_margin, within_margin=found.within_margin, differs=found.differs)
    return np.asarray(np.isin(said, GAPS_FOUND).any(axis=1))
