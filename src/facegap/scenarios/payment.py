"""Payment by face: can a run test a claimed false match rate?"""

from __future__ import annotations

import math

from facegap.derive.metrics import FMR
from facegap.errors import StatisticsError
from facegap.scenarios.group_rates import EVERYBODY, Measured
from facegap.scenarios.quantities import (
    NO_ATTACK,
    SAME_PEOPLE,
    Answer,
    Line,
    as_chance,
    exactly,
)
from facegap.statistics.dyadic import no_error_limits
from facegap.types import Rate


def payment(measured: Measured, *, target: float = 1e-6) -> Answer:
    """Payment by face with a claimed false match rate of one in a million: can this run test the claim?

    target  : the claimed false match rate
    Formula : S people form floor(S / 2) disjoint pairs. n independent pairs without a false match are compatible with a
              rate up to 1 - ((1 - level) / 2)^(1 / n) (Clopper-Pearson); the required n makes this equal to target
    Answers : above the target, if the interval lies above it; at most the target, if there are enough disjoint pairs and
              the interval ends below it; otherwise it cannot be determined
    Raises  : StatisticsError for a target outside (0, 1)
    """
    if not 0 < target < 1:
        raise StatisticsError(f"target: {target} is not a rate strictly between 0 and 1; 1e-6 is usual")
    lines = []
    for group in measured.groups_and_all:
        rate = measured.rate(FMR.name, group)
        limits = no_error_limits(rate.subjects, rate.trials, level=rate.level)
        cells = (
            as_chance(rate),
            f"{limits.disjoint_pairs:,}",
            exactly(limits.subject_level, "chance"),
            exactly(limits.pair_level, "chance"),
            f"{2 * pairs_needed(target, rate.level):,}",
            payment_answer(rate, target),
        )
        lines.append(Line("everybody" if group == EVERYBODY else str(group), math.nan, {FMR.name: rate}, cells))
    return Answer(
        f"payment: a false match rate of {target:g}",
        "",
        (
            "measured FMR",
            "disjoint pairs",
            "upper limit if none of these matched",
            "overconfident: if all pairs were independent",
            "people needed",
            "against the target",
        ),
        tuple(lines),
        (
            "Pairs that share a person are not independent: only disjoint pairs of people count as evidence in a run without "
            "any false match. The rule of three (at 95%: no event in n trials is compatible with a rate of 3 / n) requires "
            f"{3 / target:,.0f} such pairs; the two-sided limit used here requires somewhat more.",
            "Nothing is extrapolated: no curve is fitted to the highest scores, and no rate is given at a threshold that was "
            "not measured in the run. The result applies to the threshold named here; another threshold needs its own rates.",
            NO_ATTACK,
            SAME_PEOPLE,
        ),
    )


def payment_answer(rate: Rate, target: float) -> str:
    """What the data show about a claimed false match rate."""
    if rate.low > target:
        return "above the target"
    if rate.subjects // 2 >= pairs_needed(target, rate.level) and rate.high <= target:
        return "at most the target"
    return "cannot be determined"


def pairs_needed(target: float, level: float) -> int:
    """Independent pairs without a false match for an upper limit of at most `target`, 0 < target < 1."""
    return math.ceil(math.log((1 - level) / 2) / math.log1p(-target))
