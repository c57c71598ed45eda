"""Parse dates in tables, and compute the age between two of them."""

from __future__ import annotations

import re
from datetime import date, datetime

PLAIN = ("%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d.%m.%Y")  # no text is valid in two of them
AMERICAN = "%m/%d/%Y"
OLDEST = 120
_YEAR = re.compile(r"(18|19|20)\d\d(\.0)?")


def years_between(born: str, taken: str, *, form: str | None = None) -> str:
    """Return the years from birth to a photograph as text; empty if a date is invalid or the age is implausible.

    If a date is only a year, both possible ages are returned: "43-44".

    form : format of both dates for `datetime.strptime`; None: one of PLAIN, which exclude 03/04/2005, whose order is unknown

    Examples
    --------
    >>> years_between("1970-12-31", "2004-01-01"), years_between("1970", "2004-01-01"), years_between("", "2004-01-01")
    ('33', '33-34', '')
    """
    start, end = date_of(born, form), date_of(taken, form)
    if start is not None and end is not None:
        years = end.year - start.year - ((end.month, end.day) < (start.month, start.day))
        return str(years) if 0 <= years <= OLDEST else ""
    first, last = year_of(born, start), year_of(taken, end)
    if first is None or last is None or not 0 < last - first <= OLDEST:
        return ""
    return f"{last - first - 1}-{last - first}"


def date_of(text: str, form: str | None) -> date | None:
    """Parse a date, ignoring a time of day after it; None if invalid."""
    words = text.strip().replace("T", " ").split()
    for one in (form,) if form else PLAIN:
        try:
            return datetime.strptime(words[0], one).date() if words else None
        except ValueError:
            continue
    return None


def year_of(text: str, found: date | None) -> int | None:
    """Return the year of a date, or a year alone; None if it is neither."""
    if found is not None:
        return found.year
    return int(text.strip()[:4]) if _YEAR.fullmatch(text.strip()) else None
