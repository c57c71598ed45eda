"""The data set cards are complete, and datasets.md matches them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from facegap.errors import CardError
from facegap.inputs.datasets.adapters import ADAPTERS
from facegap.inputs.datasets.cards import CARDS, datasets_markdown, load_datasets

ROOT = Path(__file__).parents[3]
# The names of all sets that must be described.
DESCRIBED = {
    "ppb",
    "fairface",
    "lfw",
    "rfw",
    "bupt_balancedface",
    "bfw",
    "casia_face_africa",
    "demogpairs",
    "casual_conversations",
    "casual_conversations_v2",
    "facet",
    "fhibe",
    "mst_e",
    "utkface",
    "ijb_c",
    "morph",
    "meds_ii",
    "cfd",
    "congress",
    "ms_celeb_1m",
    "wider_face",
}


def test_the_page_is_what_the_cards_say() -> None:
    written = (ROOT / "datasets.md").read_text(encoding="utf-8")
    assert written == datasets_markdown(), "write datasets.md again from datasets_markdown()"


def test_every_set_that_must_be_described_has_a_card() -> None:
    assert {card.name for card in load_datasets()} == DESCRIBED


def test_every_adapter_has_a_card_and_every_card_a_known_adapter() -> None:
    named = {card.adapter for card in load_datasets()} - {"csv", "none"}
    assert named == set(ADAPTERS) - {"folders"}


def test_counts_that_are_well_known() -> None:
    cards = {card.name: card for card in load_datasets()}
    assert (cards["ppb"].images, cards["fairface"].images) == (1270, 108_501)
    assert (cards["lfw"].images, cards["lfw"].people) == (13_233, 5749)
    assert (cards["casual_conversations"].people, cards["casual_conversations_v2"].people) == (3011, 5567)
    assert cards["mst_e"].people == 19


def test_what_is_withdrawn_ended_or_contested_says_so_in_the_overview() -> None:
    rows = {line.split("](#")[1].split(")")[0]: line for line in datasets_markdown().splitlines() if "](#" in line}
    assert "withdrawn by its publisher, **contested**" in rows["ms_celeb_1m"]
    assert "distribution has ended" in rows["ijb_c"]
    assert all("**contested**" in rows[name] for name in ("rfw", "wider_face", "morph", "utkface"))
    assert "**contested**" not in rows["fhibe"]


def test_every_link_of_the_overview_leads_to_a_section() -> None:
    page = datasets_markdown()
    assert sorted(re.findall(r"\]\(#(\w+)\)", page)) == sorted(re.findall(r'<a id="(\w+)"></a>', page))


def changed(folder: Path, old: str, new: str) -> Path:
    text = CARDS.read_text(encoding="utf-8")
    assert old in text
    (folder / "cards.toml").write_text(text.replace(old, new, 1), encoding="utf-8")
    return folder / "cards.toml"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        (
            "images = 1270",
            "pictures = 1270",
            r"cards\.toml: \[\[dataset\]\] 1 \(ppb\), key pictures: unknown; the keys of this table are name, title",
        ),
        (
            "images = 1270",
            'images = "many"',
            r"\[\[dataset\]\] 1 \(ppb\), key images: Input should be a valid integer \(it is 'many'\)",
        ),
        ('citation = "Buol', 'note = "Buol', r"\[\[dataset\]\] 1 \(ppb\), key citation: missing"),
        ('status = "ended"', 'status = "gone"', r"\[\[dataset\]\] \d+ \(ijb_c\), key status: Input should be"),
        ('name = "ppb"', 'title2 = "ppb"', r"\[\[dataset\]\] 1, key name: missing"),
        ('name = "fairface"', 'name = "ppb"', r"two cards are named ppb"),
        ("[[dataset]]", "[[dataset", r"cards\.toml: "),
    ],
)
def test_a_malformed_card_is_named_with_its_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    with pytest.raises(CardError, match=said):
        load_datasets(changed(tmp_path, old, new))


def test_a_file_that_is_not_there_is_a_card_error(tmp_path: Path) -> None:
    with pytest.raises(CardError, match=r"lost\.toml"):
        load_datasets(tmp_path / "lost.toml")


def test_every_card_that_something_loads_says_where_its_layout_was_seen() -> None:
    for card in load_datasets():
        assert bool(card.layout_seen) == (card.adapter in ADAPTERS or card.name == "congress"), card.name
    page = datasets_markdown()
    assert page.count("- Layout seen: ") == sum(bool(card.layout_seen) for card in load_datasets())


def test_a_card_names_the_command_of_its_adapter() -> None:
    for card in load_datasets():
        if card.adapter in ADAPTERS:
            assert f"`facegap manifest {card.adapter} FOLDER`" in card.load, card.name
