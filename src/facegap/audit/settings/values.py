"""Conversion of setting values from the caller's form, and to the form in run.json."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePath
from typing import Any, Literal

from facegap.errors import SettingError

PUBLISHED: Literal["published"] = "published"
MOST_LETTERS = 120  # of a name in a heading
LOCAL, MOST_LOCAL = "local:", 256  # prefix before the number of processes on this machine


def one_or_many(kind: Callable[[Any], Any]) -> Callable[[Any], tuple[Any, ...]]:
    """A reader of one value or several, without duplicates, in the order given."""

    def read(value: Any) -> tuple[Any, ...]:
        several = value if isinstance(value, Sequence) and not isinstance(value, str) else [value]
        return tuple(dict.fromkeys(kind(one) for one in several))

    return read


def in_order(value: Any) -> tuple[int, ...]:
    """Whole numbers, ascending, without duplicates."""
    return tuple(sorted(one_or_many(int)(value)))


def path(value: Any) -> Path:
    """A path; text is converted."""
    return Path(value)


def accepted_score(value: Any) -> float | Literal["published"]:
    """A threshold as a score, or the word `published`."""
    if value == PUBLISHED:
        return PUBLISHED
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SettingError(f"--threshold: {value!r} is neither a number nor '{PUBLISHED}'") from None


def margin_parts(text: str) -> tuple[str, Literal["difference", "ratio"], float]:
    """Metric, scale and size of a margin in the form of --margin: "fnmr=x2" is a ratio, "fnmr=0.02" a difference.

    Raises
    ------
    SettingError : if the text is not of this form, a ratio is not above 1, or a difference not between 0 and 1

    Examples
    --------
    >>> margin_parts("fnmr=x2"), margin_parts("fnmr=0.02")
    (('fnmr', 'ratio', 2.0), ('fnmr', 'difference', 0.02))
    """
    name, sign, value = (part.strip() for part in text.partition("="))
    is_ratio = value.startswith("x")
    try:
        size = float(value.removeprefix("x"))
    except ValueError:
        size = math.nan
    if not name or not sign or math.isnan(size):
        raise SettingError(
            f"--margin {text!r} is not understood; give METRIC=VALUE, such as fnmr=x2 (a ratio of 2) or fnmr=0.02 (a "
            f"difference of 2 percentage points)"
        )
    if is_ratio and not 1 < size < math.inf:
        raise SettingError(f"--margin {text}: a ratio must be above 1; x2 is twice as many errors")
    if not is_ratio and not 0 < size < 1:
        raise SettingError(
            f"--margin {text}: a difference must be between 0 and 1; 0.02 is 2 percentage points. A ratio is written "
            f"with an x: "
            f"{name}=x2"
        )
    return name, "ratio" if is_ratio else "difference", size


def margin_texts(value: Any) -> tuple[str, ...]:
    """Margins, given as text or as a mapping from metric to value, in one spelling, each metric once."""
    given = [f"{name}={size}" for name, size in value.items()] if isinstance(value, Mapping) else value
    found: dict[str, str] = {}
    for text in one_or_many(str)(given):
        name, scale, size = margin_parts(text)
        spelling = f"{name}={'x' if scale == 'ratio' else ''}{size!r}".removesuffix(".0")
        if found.setdefault(name, spelling) != spelling:
            raise SettingError(f"--margin: {name} is given twice, as {found[name]} and {spelling}; give only one")
    return tuple(found.values())


def terms(value: Any) -> str:
    """The groupings of --by as one string."""
    return value if isinstance(value, str) else ",".join(value)


def short_text(value: Any) -> str:
    """One line of text for a heading: whitespace is normalised, and the length is at most MOST_LETTERS."""
    text = " ".join(str(value).split())
    if not text or len(text) > MOST_LETTERS:
        raise ValueError(f"give from 1 to {MOST_LETTERS} letters")
    return text


def column_names(value: Any) -> tuple[str, ...]:
    """Names of columns, given as a sequence or separated by commas, without duplicates, in the order given."""
    several = [value] if isinstance(value, str) else value
    names = [name.strip() for text in several for name in str(text).split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def age_band_parts(text: str) -> tuple[int, int, int]:
    """First age, last age and width in years of the bands in --age-bands: "0-99/10", "18-30/1", "18-30" (by year).

    Raises
    ------
    SettingError : if the text is not of this form, exceeds 150 years, or the bands do not fill the range

    Examples
    --------
    >>> age_band_parts("0-99/10"), age_band_parts("18-30")
    ((0, 99, 10), (18, 30, 1))
    """
    ages, slash, width = text.replace(" ", "").partition("/")
    first, dash, last = ages.partition("-")
    digits = [first, last, width if slash else "1"]
    if not dash or not all(part.isascii() and part.isdigit() and len(part) <= 3 for part in digits):
        raise SettingError(f"--age-bands {text!r}: write FIRST-LAST/WIDTH in years, such as 0-99/10 or 18-30/1")
    low, high, step = (int(part) for part in digits)
    if not 0 <= low <= high <= 150 or step < 1 or (high - low + 1) % step:
        raise SettingError(
            f"--age-bands {text}: bands of {step} years do not exactly cover the ages from {low} to {high}, or these "
            f"are not within 0 to 150; "
            "0-99/10 is ten bands of ten years"
        )
    return low, high, step


def age_bands_text(value: Any) -> str:
    """Age bands in normalised spelling."""
    first, last, width = age_band_parts(str(value))
    return f"{first}-{last}/{width}"


def scheduler_place(value: Any) -> str:
    """Address of a scheduler in the form of --scheduler: local:2, tcp://host:8786, or the path of a scheduler file.

    Raises
    ------
    SettingError : if the text is none of these
    """
    text = str(value)
    number = text.removeprefix(LOCAL)
    if text.startswith(LOCAL) and number.isascii() and number.isdigit() and 0 < int(number) <= MOST_LOCAL:
        return text
    if text.startswith(("tcp://", "tls://", "ucx://", "ws://", "wss://")) or text.endswith(".json"):
        return text
    raise SettingError(
        f"--scheduler {text}: write local:N for N processes on this machine (up to {MOST_LOCAL}), the address of a "
        f"scheduler such as "
        "tcp://host:8786, or the path of a scheduler file that ends in .json"
    )


def file_name(value: Any) -> str:
    """A path without its folders: run folders are shared, and a path would reveal who made them."""
    return PurePath(str(value)).name


def file_names(value: Any) -> list[str]:
    """Paths without their folders."""
    return [file_name(one) for one in value]
