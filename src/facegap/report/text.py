"""Formatting of numbers and names: proportions, differences, intervals and labels are all formatted here.

Proportions are per cent without a space (5%); differences of proportions are percentage points everywhere.
"""

from __future__ import annotations

import math
import unicodedata
from collections.abc import Callable, Sequence

MOST_IN_FULL = 1_000_000
NO_NUMBER = "–"
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # can move a cursor, or hide or reorder letters
MOST_PLACES = 13  # beyond this, a double is printed in full
NO_XML = frozenset("\ufffe\uffff")  # not allowed in XML files, and therefore in SVG


def clean(text: object) -> str:
    """Text without control, format and surrogate characters, which are replaced by the replacement character."""
    said = str(text)
    if said.isprintable():  # no character of HIDDEN or NO_XML is printable; a page formats tens of thousands of texts
        return said
    return "".join(
        "\ufffd" if unicodedata.category(letter) in HIDDEN or letter in NO_XML else letter for letter in said
    )


# ---- proportions ----


def percent(value: float, digits: int = 2) -> str:
    """A proportion in per cent; a dash for NaN.

    >>> percent(0.05), percent(0.000051)
    ('5.00%', '0.0051%')
    """
    return NO_NUMBER if math.isnan(value) else f"{hundredfold(value, digits)}%"


def rough_percent(value: float, digits: int = 3) -> str:
    """A proportion in per cent with this many significant digits, for rates that span orders of magnitude.

    >>> rough_percent(0.05), rough_percent(0.00000123)
    ('5%', '0.000123%')
    """
    return NO_NUMBER if math.isnan(value) else f"{100 * value:.{digits}g}%"


def interval(low: float, high: float, digits: int = 2) -> str:
    """An interval of proportions in per cent, or of differences in percentage points; a dash if it is undefined."""
    if math.isnan(low) or math.isnan(high):
        return NO_NUMBER
    return f"[{hundredfold(low, digits)}, {hundredfold(high, digits)}]"


def hundredfold(value: float, digits: int) -> str:
    """100 times a proportion with fixed decimals, or two significant digits if these would be lost: 0.0051."""
    small = value != 0 and abs(100 * value) < 10**-digits * 10
    return f"{100 * value:#.2g}" if small else f"{100 * value:.{digits}f}"


def not_ruled_out(high: float) -> str:
    """The rate that zero errors cannot rule out, from the upper limit of its interval.

    >>> not_ruled_out(0.082)
    'up to 8.2% cannot be ruled out'
    """
    return f"up to {percent(high, 1)} cannot be ruled out"


def level_text(proportion: float) -> str:
    """The level of an interval: 95%."""
    return f"{100 * proportion:g}%"


# ---- differences and ratios ----


def points(value: float, digits: int = 2) -> str:
    """A difference of proportions in percentage points; a dash for NaN.

    >>> points(0.03)
    '3.00 points'
    """
    return NO_NUMBER if math.isnan(value) else f"{hundredfold(value, digits)} points"


def signed_points(value: float, digits: int = 2) -> str:
    """A change in percentage points, with a plus sign if it is positive.

    >>> signed_points(0.03), signed_points(-0.03)
    ('+3.00 points', '-3.00 points')
    """
    return f"+{points(value, digits)}" if value > 0 else points(value, digits)


def difference(value: float, low: float, high: float, digits: int = 2) -> str:
    """A difference of proportions with its interval.

    >>> difference(0.03, 0.01, 0.05)
    '3.00 points [1.00, 5.00]'
    """
    return f"{points(value, digits)} {interval(low, high, digits)}"


def ratio(value: float, low: float, high: float, digits: int = 2) -> str:
    """A ratio with its interval.

    >>> ratio(4.0, 2.0, math.inf)
    '4.00 [2.00, ∞]'
    """
    return f"{number(value, digits)} [{number(low, digits)}, {number(high, digits)}]"


def margin(size: float, *, is_ratio: bool) -> str:
    """A margin on its own scale.

    >>> margin(0.02, is_ratio=False), margin(2.0, is_ratio=True)
    ('2 points', 'a ratio of 2')
    """
    return f"a ratio of {size:g}" if is_ratio else f"{100 * size:g} points"


def verdict(found: str, size: float, *, is_ratio: bool, differs: bool) -> str:
    """A verdict as printed, including the margin.

    >>> verdict("no gap larger than the margin", 0.02, is_ratio=False, differs=True)
    'no gap larger than 2 points, though not zero'
    """
    from facegap.statistics.verdicts import (
        BEYOND,  # importing this needs scipy, and an error message of the CLI needs only `clean`
        WITHIN,
    )

    if found == BEYOND:
        return f"gap larger than {margin(size, is_ratio=is_ratio)}"
    if found != WITHIN:
        return clean(found)
    return f"no gap larger than {margin(size, is_ratio=is_ratio)}" + (", though not zero" if differs else "")


def deciding_interval(low: float, high: float, level: float, size: float, *, is_ratio: bool) -> str:
    """The interval on which a verdict is based, with its level, on the scale of the margin; a dash without one.

    >>> deciding_interval(0.0123, 0.0456, 0.99, 0.02, is_ratio=False)
    '[1.23, 4.56] points, 99%'
    >>> deciding_interval(1.0004, 3.0, 0.99, 2.0, is_ratio=True)
    'ratio [1.0004, 3.00], 99%'
    """
    if math.isnan(low) or math.isnan(high):
        return NO_NUMBER
    least, most = (deciding_end(end, size, is_ratio=is_ratio) for end in (low, high))
    shown = f"ratio [{least}, {most}]" if is_ratio else f"[{least}, {most}] points"
    return f"{shown}, {deciding_level(level)}"


def deciding_level(level: float) -> str:
    """The level of an interval on which a verdict is based; never 100%.

    >>> deciding_level(1 - 0.05 / 6), deciding_level(1 - 1e-7)
    ('99.17%', '99.99999%')
    """
    rounded = f"{100 * level:.4g}"
    return f"{100 * level:.10g}%" if rounded == "100" else f"{rounded}%"


def deciding_end(end: float, size: float, *, is_ratio: bool, digits: int = 2) -> str:
    """One limit of such an interval: a ratio, or percentage points. Rounding never moves it onto no difference or the margin."""
    if is_ratio:
        return kept_apart(number, end, (1.0, size, 1 / size), digits)
    return kept_apart(hundredfold, end, (0.0, size, -size), digits, unit=100)


def kept_apart(
    write: Callable[[float, int], str], value: float, edges: Sequence[float], digits: int, *, unit: int = 1
) -> str:
    """A number with this many decimals, or with more if it would otherwise equal or cross one of the edges."""
    if not math.isfinite(value) or value > MOST_IN_FULL:
        return write(value, digits)
    for places in range(digits, MOST_PLACES):
        text = write(value, places)
        read = float(text)
        if all((read > unit * edge) == (value > edge) and (read < unit * edge) == (value < edge) for edge in edges):
            return text
    return repr(unit * value)


# ---- plain numbers ----


def number(value: float, digits: int = 2) -> str:
    """A plain number; a dash for NaN.

    >>> number(2.5), number(3.6e10), number(math.inf)
    ('2.50', 'over 1,000,000', '∞')
    """
    if math.isinf(value):
        return "∞"
    if value > MOST_IN_FULL:  # the upper limit of a ratio to almost zero: further digits would be meaningless
        return f"over {MOST_IN_FULL:,}"
    return NO_NUMBER if math.isnan(value) else f"{value:.{digits}f}"


def score(value: float) -> str:
    """A score or threshold: four decimals, or four digits on other scales; a dash for NaN."""
    if math.isnan(value):
        return NO_NUMBER
    return f"{value:.4f}" if value == 0 or 1e-2 <= abs(value) < 1e4 else f"{value:.4g}"


def p_value(p: float) -> str:
    """A p value; never 0."""
    return "< 0.0001" if p < 0.0001 else number(p, 4)


def p_equals(p: float) -> str:
    """A p value in a sentence, after the letter p: "= 0.0100" or "< 0.0001"."""
    return p_value(p) if p < 0.0001 else f"= {p_value(p)}"


def milliseconds(value: float | None) -> str:
    """Milliseconds; a dash if nothing was timed."""
    return NO_NUMBER if value is None else f"{value:.2f} ms"


def errors_of_trials(errors: int, trials: int) -> str:
    """The counts behind a rate: 8/120."""
    return f"{errors}/{trials}"
