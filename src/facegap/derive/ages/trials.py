"""Outcome of each image in an age check, and the trials and errors of its two rates.

An age check accepts a person without a document if the estimated age is at least the challenge age. False positive:
under the legal age, but accepted. False negative: of age, but must show a document.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from facegap.derive.outcomes import TrialsAndErrors, says_age, shown_to_a_model
from facegap.inputs.manifests.labels import age_estimate, side_of_limit
from facegap.store.run import Run
from facegap.types import BoolArray, FloatArray


@dataclass(frozen=True, eq=False)
class AgeCheck:
    """An age check of a run; arrays are of the rows of the manifest.

    limit, challenge : years
    lowest           : float64, the estimate, or the lower end of an estimated range; NaN for none
    shown            : bool, whether the image was shown to a model
    under, from_limit, straddles : bool, whether the labelled age is entirely below the limit, entirely at or above it,
                                   or on both sides of it
    """

    limit: float
    challenge: float
    lowest: FloatArray
    shown: BoolArray
    under: BoolArray
    from_limit: BoolArray
    straddles: BoolArray

    @property
    def answered(self) -> BoolArray:
        """Images with an estimate."""
        return np.asarray(self.shown & np.isfinite(self.lowest), np.bool_)

    def passes(self, challenge: float) -> BoolArray:
        """Return the images accepted without a document at a challenge age."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.answered & (self.lowest >= challenge), np.bool_)

    def false_positives(self, challenge: float) -> TrialsAndErrors:
        """Return trials, images of people under the limit with an estimate, and errors, those accepted."""
        trials = self.under & self.answered
        return trials, trials & self.passes(challenge)

    def false_negatives(self, challenge: float) -> TrialsAndErrors:
        """Return trials, images of people of age with an estimate, and errors, those not accepted."""
        trials = self.from_limit & self.answered
        return trials, trials & ~self.passes(challenge)

    @property
    def outcomes(self) -> Mapping[str, BoolArray]:
        """Return the images with each outcome, in order; every row of the manifest has exactly one."""
        labelled = self.under | self.from_limit | self.straddles
        return {
            "not_shown": ~self.shown,
            "without_age": self.shown & ~labelled,
            "straddling": self.shown & self.straddles,
            "no_estimate_under": self.shown & self.under & ~self.answered,
            "no_estimate_from_limit": self.shown & self.from_limit & ~self.answered,
            "under": self.under & self.answered,
            "from_limit": self.from_limit & self.answered,
        }


def age_check(run: Run) -> AgeCheck | None:
    """The age check of a run; None without --age-limit, or without ages."""
    limit = run.record.request.setting("faces", "age_limit")
    if limit is None or not says_age(run):
        return None
    stated = run.record.request.setting("faces", "challenge")
    sides = np.array([side_of_limit(str(label), float(limit)) or "" for label in run.manifest["age"]], np.str_)
    sent = shown_to_a_model(run.faces) & (run.predictions["outcome"] != "not_shown").to_numpy(np.bool_)
    return AgeCheck(
        float(limit),
        float(limit if stated is None else stated),
        lowest_ages(run),
        np.asarray(sent, np.bool_),
        sides == "under",
        sides == "from",
        sides == "straddles",
    )


def lowest_ages(run: Run) -> FloatArray:
    """The estimated age of each image, the lower end for a range or a class of ages; NaN for none."""
    age = run.predictions["age"].to_numpy(np.float64)
    low = run.predictions["age_low"].to_numpy(np.float64)
    ends = class_ends(run.record.request.card("classify"))
    of_class = (
        np.array([ends.get(float(value), np.nan) for value in age], np.float64) if ends else np.full(len(age), np.nan)
    )
    return np.where(np.isfinite(low), low, np.where(np.isfinite(of_class), of_class, age))


def class_ends(card: Mapping[str, Any]) -> dict[float, float]:
    """For a model with classes of ages: from the representative age of each class to its lower end."""
    outputs = card.get("outputs")
    spec = outputs.get("age") if isinstance(outputs, Mapping) else None
    if not isinstance(spec, Mapping) or spec.get("kind") != "bins":
        return {}
    found = [age_estimate(str(text)) for text in spec.get("bins") or ()]
    return {age: low for age, low in (one for one in found if one is not None) if np.isfinite(low)}


# ---- for METRICS ----


def passed_under_age(run: Run) -> TrialsAndErrors | None:
    """Age false positives at the challenge age; None without an age check."""
    check = age_check(run)
    return None if check is None else check.false_positives(check.challenge)


def stopped_of_age(run: Run) -> TrialsAndErrors | None:
    """Age false negatives at the challenge age; None without an age check."""
    check = age_check(run)
    return None if check is None else check.false_negatives(check.challenge)


def under_age_unanswered(run: Run) -> BoolArray:
    """Images of people under the limit that were shown but have no estimate, bool (rows,)."""
    return ended(run, "no_estimate_under")


def of_age_unanswered(run: Run) -> BoolArray:
    """Images of people of age that were shown but have no estimate, bool (rows,)."""
    return ended(run, "no_estimate_from_limit")


def ended(run: Run, outcome: str) -> BoolArray:
    """Images with a given outcome of the age check; none without an age check."""
    check = age_check(run)
    return np.zeros(len(run.manifest), np.bool_) if check is None else check.outcomes[outcome]
