"""The phases of an audit: all announced phases are in the list, in order."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from facegap.audit.phases import (
    IMAGES,
    OF_COMPARISONS,
    OF_PREDICTIONS,
    PAIRS,
    RATES,
    REPORT,
    SEARCHES,
    THRESHOLD_SET,
    counted_by,
    phases_of,
)
from facegap.audit.predictions import audit_predictions
from facegap.audit.scores import audit_embeddings
from facegap.audit.settings import AuditSettings, Identify, Verify, changed, settings_from


def test_a_classifier_has_three_phases_and_an_embedder_more() -> None:
    assert phases_of(AuditSettings(classify="c")) == (IMAGES, RATES, REPORT)
    assert phases_of(AuditSettings(embed="e")) == (IMAGES, PAIRS, RATES, REPORT)
    whole = AuditSettings(embed="e", identify=Identify(), verify=Verify(threshold_on=Path("others.csv")))
    assert phases_of(whole) == (THRESHOLD_SET, IMAGES, PAIRS, SEARCHES, RATES, REPORT)


def test_progress_counts_what_is_asked_for() -> None:
    assert counted_by(AuditSettings(embed="e")) == "images"
    asked = settings_from({"verify_service": "vendor", "stop_when_decided": True})
    assert counted_by(asked) == "pairs"
    assert counted_by(settings_from({"classify": "vendor", "stop_when_decided": True})) == "people"


def test_black_boxes_announce_what_their_lists_say(tmp_path: Path, make_compared: Any, make_answered: Any) -> None:
    told: list[str] = []
    make_compared(tmp_path, ["Ayr"])
    settings = settings_from({"by": "gender", "folder": None, "min_subjects": 5, "threshold": 0.7})
    audit_embeddings(
        tmp_path / "templates.npy", tmp_path / "people.csv", changed(settings, phase=told.append), model="box"
    )
    assert (*told, REPORT) == OF_COMPARISONS
    told.clear()
    make_answered(tmp_path, ["Ayr"])
    audit_predictions(
        tmp_path / "answers.csv",
        tmp_path / "people.csv",
        changed(settings, phase=told.append),
        model="box",
        classes=None,
    )
    assert (*told, REPORT) == OF_PREDICTIONS
