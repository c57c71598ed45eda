"""Sentences of the doctor about a card with a better alternative: no accusation without reason."""

from __future__ import annotations

from typing import Any

import pytest

from facegap.doctor.alternatives import Variant
from facegap.doctor.evidence import Evaluation, SettingResult
from facegap.doctor.sample import MEASURES
from facegap.doctor.text import improvable_text, wrong_text
from facegap.inputs.cards.read import load_cards

EMBEDDER, CLASSIFIER = load_cards()["mobileface_v2"], load_cards()["ssrnet_gender_imdb"]


def identity(
    card: float, other: float, low: float, than: float, fnmr: float, *, opinion: Any = "improvable"
) -> Evaluation:
    variant = Variant("scale", "-1..1", EMBEDDER)
    high = 2 * (other - card) - low
    settings = (
        SettingResult(variant, card, 0.0, 0.0, 0.0, 1.0, 1.0, 0.01, 0, "the card itself", (than,)),
        SettingResult(variant, other, other - card, low, high, 0.0, 0.0, 0.01, 0, "better than the card", (fnmr,)),
    )
    return Evaluation(MEASURES["identity"], settings, 198, 396, opinion, (0.001,))


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (
            identity(6.5, 6.7, 0.1, 0.005, 0.005),
            "Another setting does slightly better here: scale -1..1, by d' +0.20 [+0.10, +0.30] (FNMR at FMR 0.001: 0.50% "
            "instead of 0.50%). This is not a reason to change a card that agrees with the model's documentation.",
        ),
        (identity(6.0, 7.0, 0.1, 0.02, 0.01), "too small to decide whether it is better by more than the margin"),
        (identity(6.0, 7.0, 0.9, 0.01, 0.01), "No error rate measured on these people decreases by a point"),
    ],
)
def test_a_better_setting_that_does_not_accuse_is_reported_with_the_reason(found: Evaluation, says: str) -> None:
    best = found.best
    assert best is not None
    said = improvable_text(best, found)
    assert says in said
    assert "WRONG" not in said


def test_a_crop_that_does_better_by_several_points_depends_on_the_portraits() -> None:
    variant = Variant("crop", "margin 0.4", CLASSIFIER)
    settings = (
        SettingResult(variant, 0.671, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0, "the card itself"),
        SettingResult(variant, 0.738, 0.066, 0.041, 0.092, 0.0, 0.0, 0.0, 0, "better than the card"),
    )
    found = Evaluation(MEASURES["gender"], settings, 1189, 1189, "improvable")
    said = improvable_text(settings[1], found)
    assert said.startswith("Another setting does better here: crop margin 0.4, by accuracy +6.6 [+4.1, +9.2] points.")
    assert "The best margin also depends on the portraits" in said


def test_a_wrong_card_is_reported_with_the_error_rate() -> None:
    found = identity(5.78, 6.46, 0.44, 0.035, 0.005, opinion="wrong")
    assert wrong_text(found).startswith(
        "CARD LOOKS WRONG: scale -1..1 is better by d' +0.68 [+0.44, +0.92] (FNMR at FMR 0.001: 0.50% instead of 3.5%)."
    )
