"""docs/models.md matches the cards, and contains everything that a reader must know."""

from __future__ import annotations

import re
from pathlib import Path

from typer.testing import CliRunner

from facegap.cli import app
from facegap.inputs.cards.pages import cell, models_markdown
from facegap.inputs.cards.read import load_cards

ROOT = Path(__file__).parents[3]


def test_the_page_is_what_the_cards_say() -> None:
    written = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
    assert written == models_markdown(), "write docs/models.md again: facegap models --markdown > docs/models.md"


def test_the_command_prints_the_page() -> None:
    shown = CliRunner().invoke(app, ["models", "--markdown"])
    assert shown.exit_code == 0
    assert shown.output == models_markdown()


def test_every_card_has_a_section_that_its_line_leads_to() -> None:
    page = models_markdown()
    names = sorted(load_cards())
    assert sorted(re.findall(r"\]\(#model-(\w+)\)", page)) == names
    assert sorted(re.findall(r'<a id="model-(\w+)"></a>', page)) == names


def section(name: str) -> str:
    return models_markdown().split(f'<a id="model-{name}"></a>')[1].split("<a id=")[0]


def test_a_section_says_licence_training_data_file_and_limits() -> None:
    said = section("sface")
    card = load_cards()["sface"]
    assert "- Licence: Apache-2.0. Commercial use: allowed." in said
    assert "the last was withdrawn by its publisher in 2019 (unknown data)" in said
    assert f"sha256 `{card.sha256}`" in said
    assert "- Threshold of its authors: 0.363 (cosine)" in said
    assert "- Output: an embedding of 128 numbers" in said
    assert all(limit in said for limit in card.known_limits)
    assert "- Output: gender (female, male); age" in section("genderage")


def test_what_may_not_be_used_commercially_and_was_not_run_says_so_in_the_overview() -> None:
    rows = {
        line.split("](#model-")[1].split(")")[0]: line for line in models_markdown().splitlines() if "](#model-" in line
    }
    for name, card in load_cards().items():
        assert ("| not allowed |" in rows[name]) == (card.commercial_use is False)
        assert rows[name].endswith("| yes |" if card.verified else "| no |")


def test_a_bar_in_a_licence_does_not_end_its_cell() -> None:
    assert cell("a | b\n c") == "a \\| b c"
