"""Licence classes: only known licences, spelled exactly, and not contradicted by the card."""

from __future__ import annotations

from typing import get_args

import pytest
from typer.testing import CliRunner

from facegap.catalogue.tables import models_table
from facegap.cli import app
from facegap.inputs.cards.licences import LICENCES, licence_class
from facegap.inputs.cards.read import load_cards
from facegap.inputs.cards.schema import ModelCard, Task


def card(licence: str, commercial: bool | str) -> ModelCard:
    return load_cards()["yunet"].model_copy(update={"licence": licence, "commercial_use": commercial})


@pytest.mark.parametrize(
    ("licence", "commercial", "expected"),
    [
        ("MIT", True, "commercial"),
        ("CC BY 4.0", True, "commercial"),
        ("GPL-3.0", True, "commercial"),
        ("MIT", "unknown", "unknown"),
        ("MIT", False, "non-commercial"),
        ("MIT (code; nothing further is said of the weights)", True, "unknown"),
        ("A licence of our own", True, "unknown"),
        ("unknown", "unknown", "unknown"),
        ("CC BY-NC-SA 4.0", True, "non-commercial"),
        ("InsightFace, non-commercial research only", False, "non-commercial"),
    ],
)
def test_a_licence_is_what_both_the_table_and_the_card_say(licence: str, commercial: bool | str, expected: str) -> None:
    assert licence_class(card(licence, commercial)) == expected


def test_every_licence_of_the_table_has_a_source() -> None:
    assert all(licence.source and licence.allows != "unknown" for licence in LICENCES.values())


def test_no_card_that_forbids_or_leaves_open_commercial_use_is_listed_as_commercial() -> None:
    cards = load_cards()
    for name in (row[0] for row in models_table([], licence="commercial").rows):
        assert cards[name].commercial_use is True
    classes = [len(models_table([], licence=kind).rows) for kind in ("commercial", "non-commercial", "unknown")]
    assert sum(classes) == len(cards)
    assert all(classes)


def test_the_command_filters_by_task_and_licence() -> None:
    shown = CliRunner().invoke(app, ["models", "--task", "embed", "--licence", "commercial"])
    assert shown.exit_code == 0
    assert "mobileface_v2" in shown.stdout and "sface" in shown.stdout
    assert not any(name in shown.stdout for name in ("arcface_r50", "sphere20", "edgeface_s", "yunet", "fairface"))
    assert {row[1] for row in models_table([], task="detect").rows} == {"detect"}


def test_the_command_takes_every_task() -> None:
    for task in get_args(Task):
        assert CliRunner().invoke(app, ["models", "--task", task]).exit_code == 0
