"""A copy of a service's card has its own name and never replaces a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from facegap.catalogue.new_card.service import copy_card, service_cards
from facegap.cli import app
from facegap.errors import CardError
from facegap.inputs.cards.read import read_card


@pytest.mark.parametrize("name", sorted(service_cards()))
def test_the_copy_of_every_service_is_a_card_of_its_own_name(tmp_path: Path, name: str) -> None:
    card, original = read_card(copy_card(name, tmp_path / "My-Vendor.toml")), read_card(service_cards()[name])
    assert card.name == "my_vendor"
    assert card.model_copy(update={"name": name}) == original


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "vendor.toml").write_text("mine")
    with pytest.raises(CardError, match="the file already exists"):
        copy_card("compreface_verify", tmp_path / "vendor.toml")
    assert (tmp_path / "vendor.toml").read_text() == "mine"


@pytest.mark.parametrize(
    ("name", "out", "said"),
    [
        ("nobody", None, "copied from that of a service: compreface_embed, compreface_search"),
        ("../compreface_verify", None, "copied from that of a service"),
        ("compreface_verify", "vendor.csv", "the file name of a card must end in .toml"),
    ],
)
def test_what_cannot_be_copied_is_an_error_with_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, out: str | None, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CardError, match=said):
        copy_card(name, None if out is None else Path(out))
    assert not list(tmp_path.iterdir())


def test_the_command_says_how_to_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shown = CliRunner().invoke(app, ["card", "new", "deepface_verify", "--out", "vendor.toml"])
    assert shown.exit_code == 0
    assert "facegap doctor vendor.toml --manifest people.csv --send-images" in shown.output
    assert read_card(tmp_path / "vendor.toml").task == "verify"
