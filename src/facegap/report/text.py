"""Numbers and names as words: one place decides how a share, an interval or a hostile label is written."""

from __future__ import annotations

import math
import unicodedata

NO_NUMBER = "–"
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})  # can move a cursor, or hide or reorder letters
NO_XML = frozenset("\ufffe\uffff")  # no XML file, and so no SVG, may hold them


def clean(text: object) -> str:
    """Text without control, format and surrogate characters; each becomes the replacement character."""
    said = str(text)
    if said.isprintable():  # nothing of HIDDEN and NO_XML is; a page asks for tens of thousands of texts
        return said
    return "".join(
        "\ufffd" if unicodedata.category(letter) in HIDDEN or letter in NO_XML else letter for letter in said
    )


def percent(value: float, digits: int = 2) -> str:
    """A share in per cent; a dash where there is none."""
    return NO_NUMBER if math.isnan(value) else f"{hundredfold(value, digits)} %"


def interval(low: float, high: float, digits: int = 2) -> str:
    """An interval of shares in per cent; a dash where it is not defined."""
    if math.isnan(low) or math.isnan(high):
        return NO_NUMBER
    return f"[{hundredfold(low, digits)}, {hundredfold(high, digits)}]"


def hundredfold(value: float, digits: int) -> str:
    """100 times a share with fixed decimals; with two significant digits where these would be lost: 0.0051."""
    small = value != 0 and abs(100 * value) < 10**-digits * 10
    return f"{100 * value:.2g}" if small else f"{100 * value:.{digits}f}"


def number(value: float, digits: int = 2) -> str:
    """A plain number; a dash where there is none."""
    if math.isinf(value):
        return "∞"
    return NO_NUMBER if math.isnan(value) else f"{value:.{digits}f}"


def score(value: float) -> str:
    """A score or threshold: four decimals, or four digits where the scale is another; a dash where there is none."""
    if math.isnan(value):
        return NO_NUMBER
    return f"{value:.4f}" if value == 0 or 1e-2 <= abs(value) < 1e4 else f"{value:.4g}"


def p_value(p: float) -> str:
    """A p value; never 0."""
    return "< 0.0001" if p < 0.0001 else number(p, 4)


def milliseconds(value: float | None) -> str:
    """Milliseconds; a dash where nothing was timed."""
    return NO_NUMBER if value is None else f"{value:.2f} ms"
