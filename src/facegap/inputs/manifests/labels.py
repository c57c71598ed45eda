"""What a person wrote in a label column, made comparable: gender words, missing values, ages and ranges of age."""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Literal

from facegap.types import UNKNOWN as UNKNOWN

GENDER_COLUMNS = ("gender", "sex")
GENDERS = {"m": "male", "male": "male", "man": "male", "f": "female", "female": "female", "woman": "female"}
TWO_GENDERS = ("female", "male")  # what a model that says gender at all can mean, unless its card says otherwise
OLDEST = 150.0  # years; a larger number (a year of birth) is not an age

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
    """The label as facegap groups by it.

    Runs of white space become one blank and the ends are stripped; an empty value, and the word in any case, is
    `unknown`. In a column named gender or sex, m, male, man, f, female and woman (any case) become male and female.
    Every other value is free text and stays as it is.
    """
    text = " ".join(value.split())
    if not text or text.lower() == UNKNOWN:
        return UNKNOWN
    if column.lower() in GENDER_COLUMNS:
        return GENDERS.get(text.lower(), text)
    return text


@lru_cache(maxsize=4096)
def age_interval(label: str) -> tuple[float, float] | None:
    """The youngest and oldest age, in years, that the label allows; None where it is no age.

    Understood: 34, 34.5, "20-29", "20 to 29", "(25, 32)", "more than 70", "over 70", "70+", "under 3", "less than 3".
    An open end is infinity above and 0 below. A range that runs backwards or a number above 150 is not an age.
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
    """Years from the predicted age to the nearest end of the labelled range; 0 inside it, ends included.

    NaN where the label is not an age or the prediction is NaN. The ends count as written: 29.5 is 0.5 beyond "20-29".
    """
    return abs(signed_age_distance(predicted, label))


def age_estimate(text: str) -> tuple[float, float] | None:
    """Years and, where the estimate is a range, its lower end (NaN for a single age); None where it is no age.

    A range stands for its middle, an open one for its end: "25-32" is 28.5 from 25, "70+" is 70 from 70.

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
    """On which side of an age limit a labelled age lies: wholly under it, from it up, or on both; None where it is no age.

    A limit divides completed years: 17 and 17.9 are under 18, and 18 is not. A range is on one side where both its ends are;
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
    """Years by which a predicted age lies above the labelled range, negative below it; 0 inside it, ends included.

    NaN where the label is not an age or the prediction is NaN.

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
