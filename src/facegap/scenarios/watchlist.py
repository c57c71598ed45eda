"""A crowd in front of a camera with a watchlist: how many people are falsely stopped, and whether a stop is correct."""

from __future__ import annotations

from collections.abc import Sequence

from facegap.derive.metrics import FMR, FNMR
from facegap.errors import StatisticsError
from facegap.scenarios.group_rates import Measured
from facegap.scenarios.quantities import (
    ALL,
    BOX,
    CARRIED,
    SAME_PEOPLE,
    Answer,
    Line,
    Quantity,
    Shares,
    carried,
    chance_of_any,
    exactly,
    expected,
    share_of,
    spread,
    total,
)
from facegap.types import Group, Rate


def watchlist(
    measured: Measured,
    *,
    people: float = 60_000,
    entries: float = 1_000,
    people_of: Shares = None,
    entries_of: Shares = None,
    listed_share: float | None = None,
) -> Answer:
    """A camera compares every person of a crowd with a list: false stops, and whether a stop is correct.

    people, people_of   : size of the crowd, and the proportion of each group in it
    entries, entries_of : length of the list, and the proportion of each group on it
    listed_share        : proportion of the crowd that is on the list, distributed over groups like the list; None: not
                          stated, so correct stops are not computed
    Formula             : FPIR_g = 1 - prod_h (1 - FMR_gh)^entries_h (statistics/search.py, an independence bound);
                          false stops_g = (people_g - listed_g) FPIR_g; correct stops_g = listed_g (1 - FNMR_g)
    Raises              : StatisticsError for inconsistent settings
    """
    crowd = spread(people, measured.groups, people_of, what="the crowd")
    listing = spread(entries, measured.groups, entries_of, what="the list")
    listed = _listed_passers(people, entries, crowd, listing, measured.groups, listed_share)
    chances = [_chance_of_a_false_stop(measured, group, listing) for group in measured.groups]
    false_stops = [expected(max(n - k, 0.0), chance) for n, k, chance in zip(crowd, listed, chances, strict=True)]
    right_stops = [_right_stops(k, measured.rate(FNMR.name, g)) for k, g in zip(listed, measured.groups, strict=True)]
    stated = listed_share is not None
    lines = [
        Line(
            str(group),
            n,
            {metric: measured.rate(metric, group) for metric in (FMR.name, FNMR.name)},
            (chance, false, *_right_cells(right, false, stated=stated)),
        )
        for group, n, chance, false, right in zip(
            measured.groups, crowd, chances, false_stops, right_stops, strict=True
        )
    ]
    false, right = total(false_stops), total(right_stops)
    lines.append(Line(ALL, people, {}, ("", false, *_right_cells(right, false, stated=stated))))
    return Answer(
        f"watchlist: {people:,.0f} people pass, {entries:,.0f} entries on the list",
        "passers-by",
        ("probability of a false stop", "false stops", "correct stops", "probability that a stop is correct"),
        tuple(lines),
        (*_assumptions(listed_share), *_holes(measured, listing), SAME_PEOPLE, BOX, CARRIED),
        matrix=_matrix(measured),
    )


def _assumptions(listed_share: float | None) -> Sequence[str]:
    stated = (
        "The proportion of the crowd that is on the list was not stated, so correct stops cannot be computed: state it with "
        "--listed-share."
        if listed_share is None
        else f"{listed_share:g} of the crowd is on the list: stated, not measured, and shared among groups like the "
        "list. A listed person is correctly stopped unless rejected by their own entry (FNMR); matches of a listed "
        "person with another person's entry are ignored."
    )
    return (
        "The chance of a false stop is an independence bound, 1 - prod (1 - FMR)^entries over the groups of the list. "
        "Scores of one face against many entries are not independent: some faces are mistaken for many others, which "
        "makes the true chance lower on average. It is higher if the crowd and the list are more similar than the "
        "people of the run (relatives, twins, one neighbourhood, one age). Whatever the dependence, at the run's "
        "rates it is at "
        "most the sum of entries x FMR.",
        "Each person passes once and has one usable template; every entry is a different person (no duplicates) with "
        "one usable template; scores do not depend on the length of the list.",
        stated,
    )


def _holes(measured: Measured, listing: Sequence[float]) -> Sequence[str]:
    """A sentence if a relevant pair of groups was never compared."""
    on_list = [group for group, size in zip(measured.groups, listing, strict=True) if size]
    if all(measured.between(group, other).trials for group in measured.groups for other in on_list):
        return ()
    return (
        "Some groups were never compared with each other in this run, so quantities that depend on them cannot be "
        "determined (a grouping with many groups has no cross-group matrix; use fewer groups).",
    )


def _listed_passers(
    people: float,
    entries: float,
    crowd: Sequence[float],
    listing: Sequence[float],
    groups: Sequence[Group],
    listed_share: float | None,
) -> list[float]:
    """People of each group in the crowd who are on the list."""
    if listed_share is None:
        return [0.0] * len(groups)
    if not 0 <= listed_share <= 1:
        raise StatisticsError(f"listed_share: {listed_share} is not a proportion from 0 to 1")
    listed = [people * listed_share * on_list / entries if entries else 0.0 for on_list in listing]
    for group, k, passing, on_list in zip(groups, listed, crowd, listing, strict=True):
        if k > min(passing, on_list) * (1 + 1e-9):
            raise StatisticsError(
                f"listed_share: {listed_share:g} of {people:,.0f} people makes {k:g} listed people of group {group}, but "
                f"{passing:g} of that group pass and {on_list:g} are on the list; lower it or change the proportions"
            )
    return listed


def _chance_of_a_false_stop(measured: Measured, group: Group, listing: Sequence[float]) -> Quantity:
    """FPIR bound of one person of a group who is not on the list; groups without an entry have no effect."""
    used = [
        (measured.between(group, other), size) for other, size in zip(measured.groups, listing, strict=True) if size
    ]
    sizes = [size for _, size in used]
    return carried(lambda *fmr: chance_of_any(fmr, sizes), rising=[rate for rate, _ in used], unit="chance")


def _right_stops(listed: float, fnmr: Rate) -> Quantity:
    """Listed people who are matched with their own entry; 0 if no listed person passes."""
    if not listed:
        return exactly(0.0, "people")
    return carried(lambda refused: listed * (1 - refused), falling=[fnmr], unit="people")


def _right_cells(right: Quantity, false: Quantity, *, stated: bool) -> tuple[Quantity | str, Quantity | str]:
    """Correct stops, and the probability that a stop is correct, if the proportion on the list was stated."""
    if not stated:
        return "not stated", "not stated"
    if right.high == 0 and false.high > 0:
        return right, exactly(0.0, "chance")  # no listed person passes, so no stop is correct
    return right, share_of(right, false)


def _matrix(measured: Measured) -> tuple[tuple[Group, Group, Rate], ...]:
    """FMR of every two groups, each pair once, including the group's own."""
    groups = measured.groups
    return tuple((g, h, measured.between(g, h)) for k, g in enumerate(groups) for h in groups[k:])
