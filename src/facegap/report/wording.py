"""The name of a group in a sentence: "darker-skinned women", "men measured as darker", "East Asian women", "people (site: B)".

Labels come from outside and can be any text: only words for gender, tone and race become part of a phrase; other
labels follow it with the name of their column.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

import pandas as pd

from facegap.inputs.manifests.labels import GENDER_COLUMNS, age_interval
from facegap.report.text import clean
from facegap.types import Group

MEASURED, ANNOTATED = "measured_", "annotated_"
TONES = frozenset({"tone", "skin_tone", "skin", "skintone"})
LIGHT_AND_DARK = frozenset({"darker", "lighter", "dark", "light", "medium", "darkest", "lightest"})
ORIGINS = frozenset({"race", "ethnicity", "ethnic_group", "race_ethnicity"})
PEOPLE = "people"
OF_AGE: Mapping[str, str] = MappingProxyType({"female": "women", "male": "men"})
ALL_SUBJECTS = "all subjects"  # name of the row or panel of all groups together
OF_ANY_AGE: Mapping[str, str] = MappingProxyType({"female": "women and girls", "male": "men and boys"})
ADULT_FROM = 18.0  # years
WORD = re.compile(r"[^\W\d_](?:[^\W\d_]|[ _'-])*")  # a label that can stand before a noun


def group_words(group: Group, *, adults: bool = True) -> str:
    """The group in words.

    adults : whether no labelled person is a child, as "women" and "men" are used for adults only

    >>> group_words(Group((("tone", "darker"), ("gender", "female"))))
    'darker-skinned women'
    >>> group_words(Group((("gender", "male"), ("measured_tone", "darker"))))
    'men measured as darker'
    >>> group_words(Group((("site", "B"),)))
    'people (site: B)'
    """
    noun, before, behind, named = PEOPLE, [], [], []
    for column, value in group.attributes:
        name, label = column.lower(), clean(value)
        if name in GENDER_COLUMNS and value in OF_AGE:
            noun = (OF_AGE if adults else OF_ANY_AGE)[value]
        elif name in TONES and value.lower() in LIGHT_AND_DARK:
            before.append(f"{label.lower()}-skinned")
        elif name.startswith((MEASURED, ANNOTATED)):
            behind.append(given_tone(name, label))
        elif name in ORIGINS and WORD.fullmatch(label):
            before.append(label.replace("_", " "))
        else:
            named.append(f"{clean(column).replace('_', ' ')}: {label}")
    told = " ".join([*before, noun, *(part for part in [" and ".join(behind)] if part)])
    return f"{told} ({', '.join(named)})" if named else told


def given_tone(column: str, label: str) -> str:
    """A tone and its source: it describes skin in a photograph, and is not a property of a person."""
    how, scale = column.split("_", 1)
    said = {"measured": "measured as", "annotated": "annotated as"}[how]
    return f"{said} {label}" if scale in TONES else f"{said} {scale.replace('_', ' ').capitalize()} {label}"


def all_adults(manifest: pd.DataFrame) -> bool:
    """Whether no row of a manifest has an age below ADULT_FROM; also true without ages."""
    if "age" not in manifest.columns:
        return True
    found = [age_interval(str(label)) for label in manifest["age"].unique()]
    return not any(ends is not None and ends[0] < ADULT_FROM for ends in found)
