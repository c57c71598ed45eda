"""What a person wrote in a label column, made comparable: gender words, missing values, ages and ranges of age."""

from __future__ import annotations

import math
import re
from functools import lru_cache

from facegap.types import UNKNOWN as UNKNOWN

GENDER_COLUMNS = ("gender", "sex")
GENDERS = {"m": "male", "male": "male", "man": "male", "f": "female", "female": "female", "woman": "female"}
TWO_GENDERS = ("female", "male")  # what a model that says gender at all can mean, unless its card says otherwise
OLDEST = 150.0  # years; a larger number (a year of birth) is no age

_NUMBER = r"(\d{1,4}(?:\.\d+)?)"
_AGE_FORMS = (
    (re.compile(rf"{_NUMBER}"), "exact"),
    (re.compile(rf"{_NUMBER}\s*(?:-|\u2013|\u2014|to)\s*{_NUMBER}"), "range"),
    (re.compile(rf"[(\[]\s*{_NUMBER}\s*,\s*{_NUMBER}\s*[)\]]"), "range"),
    (re.compile(rf"(?:more than|over|above|>=?)\s*{_NUMBER}"), "from"),
    (re.compile(rf"{_NUMBER}\s*(?:\+|and over|and older|or over|or older)"), "from"),
    (re.compile(rf"(?:under|less than|below|younger than|<=?)\s*{_NUMBER}"), "up to"),
)


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
    An open end is infinity above and 0 below. A range that runs backwards or a number above 150 is no age.
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

    NaN where the label is no age or the prediction is NaN. The ends count as written: 29.5 is 0.5 beyond "20-29".
    """
    interval = age_interval(label)
    if interval is None or math.isnan(predicted):
        return math.nan
    low, high = interval
    return max(low - predicted, predicted - high, 0.0)
