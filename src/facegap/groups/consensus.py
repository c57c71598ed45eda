"""Consensus of annotators: the median label of each image, disputed images, and each annotator against the others.

A matrix of codes is int64 [annotators, images]: the index of the label on its scale, NO_LABEL (-1) for none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from facegap.groups.agreement import label_counts
from facegap.groups.annotations import NO_LABEL
from facegap.types import BoolArray, FloatArray, IntArray

Even = Literal["lower", "upper", "none"]
EVEN_RULES: Mapping[Even, str] = MappingProxyType(
    {
        "lower": "the lighter of the two",
        "upper": "the darker of the two",
        "none": "no label",
    }
)


@dataclass(frozen=True, eq=False)
class Consensus:
    """Consensus of the annotators on each image.

    codes   : int64 [images], index of the label, NO_LABEL if there is none
    answers : int64 [images], number of annotators who gave a label
    spread  : int64 [images], steps between the lightest and the darkest answer; on an unordered scale the number of
              different labels minus one; 0 with fewer than two answers
    tied    : bool [images], whether the median fell between two labels, so that the rule for even numbers applied
    """

    codes: IntArray
    answers: IntArray
    spread: IntArray
    tied: BoolArray


def consensus(codes: IntArray, labels: int, *, ordinal: bool, even: Even = "lower") -> Consensus:
    """The median label of each image; on an unordered scale the most frequent one.

    An even number of answers has two middle ones; the median is the label midway between them (2 and 4 give 3).
    even : if it lies between two labels (2 and 5): the lower (on facegap's scales the lighter) of the two, the upper,
           or none. On an unordered scale a tie for the most frequent label always gives none.
    """
    counts = label_counts(codes, labels)
    answers = counts.sum(axis=1)
    if ordinal:
        middle = medians(codes, labels)
        low, high = np.floor(middle), np.ceil(middle)
        spread = _range(counts)
    else:
        best = counts == counts.max(axis=1, keepdims=True)
        low, high = best.argmax(axis=1), labels - 1 - best[:, ::-1].argmax(axis=1)
        spread = np.maximum((counts > 0).sum(axis=1) - 1, 0)
        even = "none"
    tied = (low != high) & (answers > 0)
    chosen = {"lower": low, "upper": high, "none": np.where(tied, NO_LABEL, low)}[even]
    found = np.where(answers > 0, chosen, NO_LABEL).astype(np.int64)
    return Consensus(found, answers.astype(np.int64), spread.astype(np.int64), np.asarray(tied, dtype=np.bool_))


def medians(codes: IntArray, labels: int) -> FloatArray:
    """Median index of each image, the mean of the two middle answers if their number is even: float64 [images].

    NaN without answers.
    """
    counts = label_counts(codes, labels)
    answers = counts.sum(axis=1)
    up_to = np.cumsum(counts, axis=1)
    lower = (up_to >= ((answers + 1) // 2)[:, None]).argmax(axis=1)  # ranks count from 1
    upper = (up_to >= (answers // 2 + 1)[:, None]).argmax(axis=1)
    return np.where(answers > 0, (lower + upper) / 2, np.nan)


def _range(counts: IntArray) -> IntArray:
    """Steps from the lowest to the highest label given."""
    given = counts > 0
    last = given.shape[1] - 1 - given[:, ::-1].argmax(axis=1)
    return np.where(given.any(axis=1), last - given.argmax(axis=1), 0)


def differences_from_others(codes: IntArray, annotator: int, labels: int) -> FloatArray:
    """Index given by one annotator minus the median of all others: float64 [images], NaN where either is missing."""
    others = medians(np.delete(codes, annotator, axis=0), labels)
    own = codes[annotator]
    return np.where(own != NO_LABEL, own - others, np.nan)
