"""Normalise the labels of a manifest: gender words, missing values, ages and age ranges."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Literal

from facegap.types import UNKNOWN as UNKNOWN

GENDER_COLUMNS = ("gender", "sex")
GENDERS = {"m": "male", "male": "male", "man": "male", "f": "female", "female": "female", "woman": "female"}
TWO_GENDERS = ("female", "male")  # classes of a gender model, unless its card states others
OLDEST = 150.0  # years; a larger number, such as a year of birth, is not an age

Side = Literal["under", "from", "straddles"]

_NUMBER = r"(\d{1,4}(?:\.\d+)?)"
_AGE_FORMS = (
    (re.compile(rf"{_NUMBER}"), "exact"),
    (re.compile(rf"{_NUMBER}\s*(?:-|\u2013|\u2014|to)\s*{_NUMBER}"), "range"),
    (re.compile(rf"[(\[]\s*{_NUMBER}\s*,\s*{_NUMBER}\s*[)\]]"), "range"),
    (re.compile(rf"(?:more than|over|above|>=?)\s*{_NUMBER}"), "from"),
    (re.compile(rf"{_NUMBER}\s*(?:\+|and over|and older|or over|or older)"), "from"),
    (re.compile(rf"(?:under|less than|below|younger than|<=?)\s*{_NUMBER}"), "up to"),
)
_ENDS_BEFORE = re.compile(r"(?:under|less than|below|younger than|<(?!=))")


def normalise_label(column: str, value: str) -> str:
    """Return the normalised label by which facegap groups.

    Runs of white space become one space and the ends are stripped; an empty value, and the word in any case, is `unknown`.
    In a column named gender or sex, m, male, man, f, female and woman (any case) become male and female. Every other value is
    free text and stays unchanged.
    """
    text = " ".join(value.split())
    if not text or text.lower() == UNKNOWN:
        return UNKNOWN
    if column.lower() in GENDER_COLUMNS:
        return GENDERS.get(text.lower(), text)
    return text


@lru_cache(maxsize=4096)
def age_interval(label: str) -> tuple[float, float] | None:
    """Return the youngest and oldest age, in years, that the label allows; None if it is not an age.

    Accepted: 34, 34.5, "20-29", "20 to 29", "(25, 32)", "more than 70", "over 70", "70+", "under 3", "less than 3".
    An open end is infinity above and 0 below. A descending range or a number above 150 is not an age.
    """
    text = " ".join(label.lower().split())
    for form, meaning in _AGE_FORMS:
        if found := form.fullmatch(text):
            numbers = [float(group) for group in found.groups()]
            low = 0.0 if meaning == "up to" else numbers[0]
            high = math.inf if meaning == "from" else numbers[-1]
            return (low, high) if max(numbers) <= OLDEST and low <= high else None
    return None


def age_distance(predicted: float, label: str) -> float:
    """Return the years from the predicted age to the nearest end of the labelled range; 0 inside it, ends included.

    NaN if the label is not an age or the prediction is NaN. The ends are used as written: 29.5 is 0.5 beyond "20-29".
    """
    return abs(signed_age_distance(predicted, label))


def age_estimate(text: str) -> tuple[float, float] | None:
    """Return the age in years and, for a range, its lower end (NaN for a single age); None if it is not an age.

    A range is represented by its middle, an open one by its end: "25-32" is 28.5 from 25, "70+" is 70 from 70.

    Examples
    --------
    >>> age_estimate("31.5"), age_estimate("25-32"), age_estimate("70+"), age_estimate("young")
    ((31.5, nan), (28.5, 25.0), (70.0, 70.0), None)
    """
    interval = age_interval(text)
    if interval is None:
        return None
    low, high = interval
    if low == high:
        return low, math.nan
    return (low if math.isinf(high) else (low + high) / 2), low


@lru_cache(maxsize=4096)
def side_of_limit(label: str, limit: float) -> Side | None:
    """Return whether a labelled age is entirely below an age limit, at or above it, or straddles it; None if not an age.

    The limit applies to completed years: 17 and 17.9 are under 18, and 18 is not. A range is on one side if both ends are;
    "15-18" and "10-19" straddle 18. "Under 18" and "< 18" end before 18, "<= 18" does not.

    Examples
    --------
    >>> [side_of_limit(label, 18) for label in ("17", "0-17", "under 18", "10-19", "18", "20-29", "70+", "adult")]
    ['under', 'under', 'under', 'straddles', 'from', 'from', 'from', None]
    """
    interval = age_interval(label)
    if interval is None:
        return None
    low, high = interval
    if low >= limit:
        return "from"
    ends_before = _ENDS_BEFORE.match(" ".join(label.lower().split())) is not None
    return "under" if high < limit or (ends_before and high == limit) else "straddles"


def signed_age_distance(predicted: float, label: str) -> float:
    """Return the years by which a predicted age is above the labelled range, negative if below; 0 inside it, ends included.

    NaN if the label is not an age or the prediction is NaN.

    Examples
    --------
    >>> signed_age_distance(31.0, "20-29"), signed_age_distance(18.5, "20-29"), signed_age_distance(25.0, "20-29")
    (2.0, -1.5, 0.0)
    """
    interval = age_interval(label)
    if interval is None or math.isnan(predicted):
        return math.nan
    low, high = interval
    return predicted - high if predicted > high else predicted - low if predicted < low else 0.0
