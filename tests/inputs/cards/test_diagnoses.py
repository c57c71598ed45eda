"""Findings of the doctor are stored by weights and settings, identify no people, and never end an audit."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from facegap.errors import CardError
from facegap.inputs.cards import diagnoses as findings
from facegap.inputs.cards.diagnoses import (
    Finding,
    as_record,
    finding_path,
    finding_sentence,
    findings_folder,
    look_up,
    read_finding,
    settings_hash,
)
from facegap.inputs.cards.read import load_cards
from facegap.inputs.cards.schema import ModelCard


@pytest.fixture
def card() -> ModelCard:
    return load_cards()["mobileface_v2"]


def found(card: ModelCard, **changes: Any) -> Finding:
    """A finding that card settings are wrong."""
    finding = Finding(
        model=card.name,
        sha256=str(card.sha256),
        settings=settings_hash(card),
        verdict="wrong",
        measure="d'",
        value=0.6,
        aspect="scale",
        setting="0..255",
        difference=5.99,
        low=5.51,
        high=6.47,
        margin=0.33,
        fmr=0.001,
        fnmr=0.99,
        other_fnmr=0.01,
        subjects=150,
        images=300,
        variants=10,
        detector="yunet",
        at="2025-01-02",
    )
    return replace(finding, **changes)


def keep(finding: Finding, card: ModelCard, folder: Path) -> Path:
    path = finding_path(card, folder)
    path.write_text(json.dumps(as_record(finding)))
    return path


def changed(card: ModelCard, **keys: Any) -> ModelCard:
    assert card.input is not None
    return card.model_copy(update={"input": card.input.model_copy(update=keys)})


def test_a_finding_is_read_back_as_it_was(card: ModelCard, tmp_path: Path) -> None:
    keep(found(card), card, tmp_path)
    assert read_finding(card, tmp_path) == found(card)


def test_a_value_that_is_no_number_is_null_on_disk(card: ModelCard, tmp_path: Path) -> None:
    path = keep(found(card, low=math.nan), card, tmp_path)
    assert json.loads(path.read_text())["low"] is None
    again = read_finding(card, tmp_path)
    assert again is not None
    assert math.isnan(again.low)


def test_other_settings_of_the_same_weights_are_another_question(card: ModelCard, tmp_path: Path) -> None:
    keep(found(card), card, tmp_path)
    assert read_finding(changed(card, colour="BGR"), tmp_path) is None


@pytest.mark.parametrize(
    ("keys", "same"),
    [
        ({"name": "*"}, True),
        ({"colour": "BGR"}, False),
        ({"scale": (0.5, 0.5, 0.5)}, False),
        ({"size": (96, 112)}, False),
    ],
)
def test_the_hash_is_over_what_decides_the_answer(card: ModelCard, keys: dict[str, Any], same: bool) -> None:
    assert (settings_hash(changed(card, **keys)) == settings_hash(card)) is same


def test_words_about_the_model_are_no_settings(card: ModelCard) -> None:
    assert settings_hash(card.model_copy(update={"licence": "other", "verified": False})) == settings_hash(card)


def test_a_closed_service_has_no_weights_to_remember(tmp_path: Path, card: ModelCard) -> None:
    assert read_finding(card.model_copy(update={"sha256": None}), tmp_path) is None


def test_the_folder_lies_beside_the_weights_unless_it_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("FACEGAP_FINDINGS", raising=False)
    monkeypatch.setattr(findings, "cache_folder", lambda: tmp_path / "models")
    assert findings_folder() == tmp_path / "models" / "findings"
    monkeypatch.setenv("FACEGAP_FINDINGS", str(tmp_path / "elsewhere"))
    assert findings_folder() == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    "content",
    ["", "no json", "[]", '{"version": 3}', "[" * 100_000, json.dumps({"version": 2, "model": 3}), "\x00\xff"],
)
def test_a_file_that_is_no_finding_is_an_error_that_says_remove_it(
    card: ModelCard, tmp_path: Path, content: str
) -> None:
    finding_path(card, tmp_path).write_text(content)
    with pytest.raises(CardError, match=r"not a readable result of facegap doctor; remove it"):
        read_finding(card, tmp_path)


@pytest.mark.parametrize(
    "changes", [{"verdict": "fine"}, {"subjects": 1.5}, {"subjects": True}, {"at": "\x1b[31mred"}, {"value": "high"}]
)
def test_values_of_another_kind_are_refused(card: ModelCard, tmp_path: Path, changes: dict[str, Any]) -> None:
    finding_path(card, tmp_path).write_text(json.dumps(as_record(found(card)) | changes))
    with pytest.raises(CardError, match="remove it"):
        read_finding(card, tmp_path)


def test_a_finding_under_the_name_of_another_model_is_refused(card: ModelCard, tmp_path: Path) -> None:
    keep(found(card, sha256="0" * 64), card, tmp_path)
    with pytest.raises(CardError, match=": the weights or settings in it differ from those in its name; remove it"):
        read_finding(card, tmp_path)


def test_a_broken_file_is_a_warning_for_an_audit(
    card: ModelCard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACEGAP_FINDINGS", str(tmp_path))
    assert look_up([card]) == findings.StoredFindings()
    finding_path(card, tmp_path).write_text("{")
    remembered = look_up([card])
    assert remembered.alarms == ()
    assert len(remembered.warnings) == 1


@pytest.mark.parametrize(
    ("verdict", "where", "says"),
    [
        (
            "wrong",
            "alarms",
            r"THE CARD mobileface_v2 LOOKS WRONG.*0..255 is better by d' 5.99 \[5.51, 6.47\] on 150 subjects, 300 images, "
            r"with FNMR 0.01 instead of 0.99 at FMR 0.001",
        ),
        (
            "improvable",
            "checked",
            r"another setting does better there .*but the difference is below the level at "
            r"which a card is reported as wrong",
        ),
        ("holds", "checked", r"checked by doctor on 150 subjects, 300 images .*within noise of the best of 11"),
        ("not enough data", "warnings", r"not enough data"),
    ],
)
def test_each_verdict_has_its_place_and_its_words(
    card: ModelCard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, verdict: Any, where: str, says: str
) -> None:
    monkeypatch.setenv("FACEGAP_FINDINGS", str(tmp_path))
    keep(found(card, verdict=verdict), card, tmp_path)
    remembered = look_up([card])
    sentences = {name: getattr(remembered, name) for name in ("alarms", "warnings", "checked")}
    assert [name for name, said in sentences.items() if said] == [where]
    assert re.search(says, sentences[where][0])
    assert sentences[where][0] == finding_sentence(found(card, verdict=verdict))


def test_a_slightly_better_setting_is_no_alarm_and_no_warning(
    card: ModelCard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACEGAP_FINDINGS", str(tmp_path))
    keep(found(card, verdict="improvable", difference=0.2, low=0.1, high=0.3), card, tmp_path)
    remembered = look_up([card])
    assert (remembered.alarms, remembered.warnings) == ((), ())
    assert "another setting does slightly better there (scale 0..255: d' +0.2 [0.1, 0.3])" in remembered.checked[0]


def test_a_finding_of_the_older_rule_is_as_if_the_doctor_had_never_looked(
    card: ModelCard, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("FACEGAP_FINDINGS", str(tmp_path))
    older = as_record(found(card)) | {"version": 1}
    finding_path(card, tmp_path).write_text(json.dumps(older))
    assert read_finding(card) is None
    assert look_up([card]) == findings.StoredFindings()


def test_accuracies_have_no_fnmr_in_their_sentence(card: ModelCard) -> None:
    said = finding_sentence(found(card, measure="accuracy", fmr=math.nan, fnmr=math.nan, other_fnmr=math.nan))
    assert "FNMR" not in said
