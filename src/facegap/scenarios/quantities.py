"""Numbers of people and probabilities derived from rates, with ends derived from the intervals of the rates."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from facegap.errors import StatisticsError
from facegap.statistics.search import gallery_fpir_bound
from facegap.types import Group, Rate

Unit = Literal["people", "chance"]
Shares = Mapping[str, float] | None  # name of a group -> its proportion; None: equal proportions

ALL = "all groups together"
SAME_PEOPLE = (
    "The people and images of the scenario are like those of the run, and the model and the threshold are those of "
    "the run."
)
CARRIED = (
    "Intervals are propagated from those of the run's rates and refer to averages over many repetitions. The count of one "
    "day or one event also varies around its average."
)
BOX = (
    "If a quantity depends on several rates, all are set to their lower ends together and to their upper ends together: a "
    "box bound, wider than an interval that accounts for their dependence."
)
FEW_ERRORS = 10  # a number based on fewer errors is marked
FEW = f"A number based on fewer than {FEW_ERRORS} errors states how many: one error more or less would change it considerably."
NO_ATTACK = (
    "There are no attacks: no printed photograph, no mask, no altered image, no choice of a similar-looking victim."
)


class Ranged(Protocol):
    """A number with an interval: a Rate, or a Quantity derived from rates."""

    @property
    def value(self) -> float:
        """The estimate."""

    @property
    def low(self) -> float:
        """Lower end of the interval."""

    @property
    def high(self) -> float:
        """Upper end of the interval."""


@dataclass(frozen=True)
class Quantity:
    """A quantity for one group; NaN if it cannot be determined, which is never the same as 0.

    unit     : people (an expected number, at least 0) or chance (in [0, 1])
    rests_on : the rates from which it is derived; empty for stated numbers and for those derived from counts alone
    """

    value: float
    low: float
    high: float
    unit: Unit
    rests_on: tuple[Rate, ...] = ()

    @property
    def errors(self) -> int:
        """Errors behind the quantity, each rate counted once; 0 if it is based on no rate."""
        return sum(rate.errors for rate in {id(rate): rate for rate in self.rests_on}.values())

    @property
    def is_thin(self) -> bool:
        """Whether it is based on fewer than FEW_ERRORS errors, and must be marked."""
        return bool(self.rests_on) and self.errors < FEW_ERRORS


@dataclass(frozen=True)
class Line:
    """One group of a scenario.

    name   : of the group, or of the sum over groups
    people : number of people that the quantities refer to; NaN if the scenario counts no people
    rates  : metric -> the rate behind the quantities; empty in a sum
    cells  : one per column of the answer; text if there is no number
    """

    name: str
    people: float
    rates: Mapping[str, Rate]
    cells: tuple[Quantity | str, ...]


@dataclass(frozen=True)
class Answer:
    """The result of a scenario, with all its assumptions.

    who         : what `people` of a line counts
    columns     : headings of the cells, in order
    assumptions : sentences, printed with every answer
    matrix      : (group, other group, fmr) if the answer also depends on pairs across groups
    """

    title: str
    who: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    assumptions: tuple[str, ...]
    matrix: tuple[tuple[Group, Group, Rate], ...] = ()


def carried(
    function: Callable[..., float], *, rising: Sequence[Ranged] = (), falling: Sequence[Ranged] = (), unit: Unit
) -> Quantity:
    """`function` of some numbers, with its ends over the box of their intervals.

    function : of the increasing arguments, then the decreasing ones; monotone in each
    rising   : arguments in which it increases; the low end uses their low ends, the high end their high ends
    falling  : arguments in which it decreases; the other way round
    returns  : NaN if a required number is NaN. With more than one number, the box is wider than an interval that accounts
               for their dependence. It is based on the rates of all of them
    """

    def at(up: str, down: str) -> float:
        return float(function(*(getattr(x, up) for x in rising), *(getattr(x, down) for x in falling)))

    sources = tuple(rate for number in (*rising, *falling) for rate in rates_behind(number))
    return Quantity(at("value", "value"), at("low", "high"), at("high", "low"), unit, sources)


def rates_behind(number: Ranged) -> tuple[Rate, ...]:
    """The rates from which a number is derived: itself, if it is a rate."""
    if isinstance(number, Rate):
        return (number,)
    return number.rests_on if isinstance(number, Quantity) else ()


def exactly(value: float, unit: Unit) -> Quantity:
    """A number that was stated or derived from counts alone."""
    return Quantity(value, value, value, unit)


def as_chance(rate: Ranged) -> Quantity:
    """A rate as a probability."""
    return Quantity(rate.value, rate.low, rate.high, "chance", rates_behind(rate))


def expected(people: float, rate: Ranged) -> Quantity:
    """Expected number of errors among some people; 0 for no people, even if the rate was not measured."""
    if not people:
        return exactly(0.0, "people")
    return carried(lambda value: people * value, rising=[rate], unit="people")


def total(quantities: Sequence[Quantity]) -> Quantity:
    """Sum of numbers of people; its interval adds the low ends and the high ends, a box bound."""
    return carried(lambda *values: math.fsum(values), rising=quantities, unit="people")


def chance_of_any(chances: Sequence[float], times: Sequence[float]) -> float:
    """1 - prod (1 - chance)^times: the probability of at least one event if all trials are independent.

    chances in [0, 1] and times >= 0, of equal length; NaN if a chance is NaN, 0 without trials
    """
    return float(gallery_fpir_bound(np.array([chances], np.float64), np.array(times, np.float64))[0]) + 0.0  # no -0.0


def share_of(part: Ranged, rest: Ranged) -> Quantity:
    """part / (part + rest), NaN if both are 0."""

    def share(of_part: float, of_rest: float) -> float:
        return of_part / (of_part + of_rest) if of_part + of_rest else math.nan

    return carried(share, rising=[part], falling=[rest], unit="chance")


def spread(number: float, groups: Sequence[Group], shares: Shares, *, what: str) -> list[float]:
    """The expected part of `number` in each group, not rounded.

    shares : name of a group -> its proportion; 0 for groups that are not named. None: equal proportions
    what   : name of the setting, for messages
    Raises : StatisticsError for a negative or infinite number, no groups, an unknown group, a proportion outside [0, 1], or
             proportions that do not add up to 1
    """
    if not (math.isfinite(number) and number >= 0):
        raise StatisticsError(f"{what}: {number} is not a number of people; give 0 or more")
    names = [str(group) for group in groups]
    if not names:
        raise StatisticsError(f"{what}: no group has known labels throughout, so there are no people to count")
    if not shares:
        return [number / len(names)] * len(names)
    if len(set(names)) < len(names):
        raise StatisticsError(
            f"{what}: two groups have the same spelling ({', '.join(names)}); rename a label to distinguish them"
        )
    for name, share in shares.items():
        if name not in names:
            raise StatisticsError(f"{what}: no group {name!r}; there are {', '.join(names)}")
        if not 0 <= share <= 1:
            raise StatisticsError(f"{what}: {name} = {share} is not a proportion from 0 to 1")
    if abs(math.fsum(shares.values()) - 1) > 1e-6:
        raise StatisticsError(
            f"{what}: the proportions add up to {math.fsum(shares.values()):g}; they must add up to 1"
        )
    return [number * shares.get(name, 0.0) for name in names]
