"""The settings of the explore page, checked from the address of a request."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from facegap.derive.groupings import Grouping
from facegap.errors import FacegapError
from facegap.explore.failures import COLUMNS, KINDS, NAMED
from facegap.explore.rates import Explored
from facegap.explore.searches import ranks_of
from facegap.report.text import clean, score

EVERYBODY = "everybody"
KEYS = ("by", "threshold", "exact", "rank", "cut", "kind", "group", "sort", "order", "page", "table")


@dataclass(frozen=True)
class Settings:
    """A view: groups of one grouping at a threshold and a cut, with filtered and sorted failures.

    rank : length of the candidate list of a search; 0 without searches
    """

    grouping: Grouping
    threshold: float
    cut: float
    kind: str = ""
    group: str = ""
    sort: str = ""
    descending: bool = True
    page: int = 1
    rank: int = 0

    def address(self, path: str = "/", **changed: str) -> str:
        """The address of this view, or of one with some keys changed."""
        query = {
            "by": grouping_name(self.grouping),
            "threshold": plain(self.threshold),
            "cut": plain(self.cut),
            "rank": str(self.rank) if self.rank else "",
            "kind": self.kind,
            "group": self.group,
            "sort": self.sort,
            "order": "down" if self.descending else "up",
            "page": str(self.page),
            **changed,
        }
        return f"{path}?{urlencode({key: value for key, value in query.items() if value})}"


def grouping_name(grouping: Grouping) -> str:
    """The name of a grouping in an address."""
    return "*".join(grouping) or EVERYBODY


def plain(value: float) -> str:
    """A number in an address with full precision; empty for None."""
    return "" if math.isnan(value) else repr(value)


def sorts_of(*, include_ids: bool) -> tuple[str, ...]:
    """The columns by which failures can be sorted: all displayed ones."""
    return (*COLUMNS, *NAMED) if include_ids else COLUMNS


def settings_of(query: Mapping[str, str], view: Explored, *, include_ids: bool = False) -> Settings:
    """The view requested by an address.

    include_ids : whether failures have names, by which they can be sorted

    Raises
    ------
    FacegapError : an unknown key or value; nothing is silently replaced
    """
    for key in query:
        if key not in KEYS:
            raise FacegapError(f"there is no setting {clean(key)!r}")
    groupings = {grouping_name(grouping): grouping for grouping in view.groupings}
    first = grouping_name(view.groupings[min(1, len(view.groupings) - 1)])
    grouping = groupings[one_of(query, "by", (*groupings,), first)]
    threshold = (
        a_number(query, "exact", math.nan) if query.get("exact") else a_number(query, "threshold", view.threshold)
    )
    cut = a_number(query, "cut", 0.0)
    if not 0 <= cut <= 1:
        raise FacegapError("the probability cut-off must be between 0 and 1")
    page = a_number(query, "page", 1.0)
    if not 1 <= page <= 1e9 or page != int(page):
        raise FacegapError("page numbers start at 1")
    groups = tuple(str(group) for group in view.cells(grouping).groups)
    # If other groups are chosen, the filtered group no longer exists, so the filter is removed.
    group = query.get("group", "") if query.get("group", "") in groups else ""
    return Settings(
        grouping,
        threshold,
        cut,
        one_of(query, "kind", ("", *KINDS), ""),
        group,
        one_of(query, "sort", ("", *sorts_of(include_ids=include_ids)), ""),
        one_of(query, "order", ("down", "up"), "down") == "down",
        int(page),
        rank_of(query, view),
    )


def thresholds_of(view: Explored, settings: Settings) -> list[tuple[str, str]]:
    """The thresholds of the run, including its searches: as text, with the address of the view at each in full precision."""
    record = view.run.record
    points = [*record.operating, *(record.identification.operating if record.identification else ())]
    values = dict.fromkeys(point.threshold for point in points)
    return [(score(value), settings.address(threshold=plain(value), page="1")) for value in values]


def rank_of(query: Mapping[str, str], view: Explored) -> int:
    """The requested rank, one of those of the run, by default the first; 0 without searches."""
    ranks = [str(rank) for rank in ranks_of(view)]
    return int(one_of(query, "rank", tuple(ranks), ranks[0])) if ranks else 0


def one_of(query: Mapping[str, str], key: str, allowed: tuple[str, ...], default: str) -> str:
    """A value of a closed set."""
    value = query.get(key, default)
    if value not in allowed:
        raise FacegapError(f"{key}: {clean(value)!r} is not an option")
    return value


def a_number(query: Mapping[str, str], key: str, default: float) -> float:
    """A finite number, or the default."""
    text = query.get(key, "")
    if not text:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise FacegapError(f"{key}: {clean(text)!r} is not a number")
    return value
