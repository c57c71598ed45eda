"""The annotation pages without a browser: order of images, stored answers, withdrawn answers."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from facegap.errors import FacegapError


def label_all(visitor: Any, value: str = "5") -> int:
    """Answer until the end; return the number of answers."""
    visitor.get("/")
    count = 0
    while visitor.title.startswith("Photograph"):
        visitor.answer(value)
        count += 1
    return count


def test_every_photograph_is_shown_once_and_then_the_end(site_of: Callable[..., Any]) -> None:
    site = site_of()
    visitor = site.visitor()
    assert label_all(visitor) == 6
    assert visitor.title == "Done"
    assert "All 6 photographs are finished: 6 answered, 0 skipped." in visitor.page
    table = site.store.table()
    assert sorted(table["image"]) == sorted(site.people.images)
    assert set(table["annotator"]) == {"Ada"}
    assert set(table["value"]) == {"5"}


def test_each_annotator_has_their_own_order_which_a_restart_keeps(site_of: Callable[..., Any], tmp_path: Path) -> None:
    orders = []
    for k, name in enumerate(("Ada", "Bo", "Ada")):
        site = site_of(annotator=name, db=tmp_path / f"{k}.sqlite")
        label_all(site.visitor())
        orders.append(site.store.table()["image"].tolist())
    assert orders[0] == orders[2]
    assert sorted(orders[0]) == sorted(orders[1])
    assert orders[0] != orders[1]


def test_a_form_submitted_twice_adds_nothing(site_of: Callable[..., Any]) -> None:
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    sent = visitor.answer("4")
    after = visitor.hidden("answer")["image"]
    for _ in range(3):
        visitor.post("/answer", sent)
    assert visitor.hidden("answer")["image"] == after
    assert len(site.store.entries("monk", "Ada")) == 1
    assert len(site.store.table()) == 1


def test_going_back_and_choosing_otherwise_counts_as_a_correction(site_of: Callable[..., Any]) -> None:
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    sent = visitor.answer("4")
    visitor.post("/answer", sent | {"value": "7"})
    assert site.store.table()["value"].tolist() == ["7"]


def test_undo_shows_the_photograph_again_with_the_previous_answer(site_of: Callable[..., Any]) -> None:
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    first = visitor.answer("4")
    visitor.answer(skipped="too_small")
    visitor.undo()
    assert "It was: skipped (too_small)." in visitor.page
    undone = visitor.undo()
    assert "It was: 4." in visitor.page
    assert visitor.hidden("answer")["image"] == first["image"]
    assert site.store.table().empty
    visitor.answer("6")
    visitor.post("/undo", undone)  # the same form again withdraws nothing more
    assert site.store.table()["value"].tolist() == ["6"]
    assert "Photograph 2 of 6" in visitor.page


def test_undo_without_an_answer_does_nothing(site_of: Callable[..., Any]) -> None:
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    visitor.undo()
    assert visitor.title == "Photograph 1 of 6"
    assert site.store.table().empty


def test_a_skip_keeps_its_reason_and_a_note_stays_with_other(site_of: Callable[..., Any]) -> None:
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    visitor.answer(skipped="no_colour", note="ignored")
    visitor.answer(skipped="other", note=" a  mask\x00 ")
    visitor.answer(skipped="other")
    table = site.store.table()
    assert table["skipped"].tolist() == ["no_colour", "other: a mask\ufffd", "other"]
    assert set(table["value"]) == {""}


@pytest.mark.parametrize("fields", [{}, {"value": "11"}, {"skipped": "bored"}, {"value": "3", "image": "0" * 24}])
def test_an_unknown_form_saves_nothing(site_of: Callable[..., Any], fields: dict[str, str]) -> None:
    site = site_of()
    visitor = site.visitor()
    visitor.get("/")
    visitor.post("/answer", visitor.hidden("answer") | fields)
    assert visitor.status == 400
    assert 'class="fault"' in visitor.page
    assert site.store.table().empty


def test_practice_comes_first_is_not_exported_and_comes_again(site_of: Callable[..., Any]) -> None:
    site = site_of(practice=2)
    visitor = site.visitor()
    visitor.get("/")
    assert visitor.title == "Practice photograph 1 of 2"
    assert "These answers are not part of the results" in visitor.page
    practised = {visitor.answer("1")["image"], visitor.answer("10")["image"]}
    assert "Practice is over. From here on your answers count." in visitor.page
    assert site.store.table().empty
    assert label_all(visitor) == 6
    assert len(site.store.table()) == 6
    assert len(practised) == 2
    other = site.visitor()
    other.get("/")
    assert other.title == "Done"  # the same annotator continues in another browser


def test_more_photographs_to_practise_than_there_are_is_all_of_them(site_of: Callable[..., Any]) -> None:
    visitor = site_of(practice=50).visitor()
    visitor.get("/")
    assert visitor.title == "Practice photograph 1 of 6"


def test_several_people_give_their_names_and_work_on_their_own(site_of: Callable[..., Any]) -> None:
    site = site_of(annotator=None)
    visitors = {}
    for name in ("Ada", "Bo"):
        visitor = visitors[name] = site.visitor()
        visitor.get("/")
        assert visitor.title == "Who is there?"
        visitor.post("/start", visitor.hidden("/start") | {"name": f"  {name} "})
        assert visitor.title == "Photograph 1 of 6"
    visitors["Ada"].answer("2")
    assert label_all(visitors["Bo"], "9") == 6
    assert label_all(visitors["Ada"], "1") == 5
    table = site.store.table()
    assert table.groupby("annotator").size().to_dict() == {"Ada": 6, "Bo": 6}


def test_a_name_that_is_known_must_be_confirmed_in_whatever_case(site_of: Callable[..., Any]) -> None:
    site = site_of(annotator=None)
    first = site.visitor()
    first.get("/")
    first.post("/start", first.hidden("/start") | {"name": "Ada"})
    first.answer("5")
    second = site.visitor()
    second.get("/")
    second.post("/start", second.hidden("/start") | {"name": "ADA"})
    assert "<strong>Ada</strong> has labelled here before. Is that you?" in second.page
    second.post("/start", second.hidden("/start"))
    assert second.title == "Photograph 2 of 6"
    assert "Working as <strong>Ada</strong>" in second.page
    second.post("/leave", second.hidden("leave"))
    assert second.title == "Who is there?"


@pytest.mark.parametrize("name", ["", "   ", "x" * 65, "a\x07b", "a\u202eb"])
def test_an_invalid_name_is_rejected(site_of: Callable[..., Any], name: str) -> None:
    visitor = site_of(annotator=None).visitor()
    visitor.get("/")
    visitor.post("/start", visitor.hidden("/start") | {"name": name})
    assert visitor.status == 400
    assert "Give a name of 1 to 64 characters." in visitor.page


def test_a_photograph_that_cannot_be_shown_is_reported_and_can_be_skipped(site_of: Callable[..., Any]) -> None:
    site = site_of()
    folder = site.people.manifest.parent
    for image in site.people.images[:5]:
        (folder / image).unlink()
    (folder / site.people.images[5]).write_bytes(b"no picture")
    visitor = site.visitor()
    visitor.get("/")
    assert "This photograph cannot be shown (missing file)" in visitor.page or "(unreadable)" in visitor.page
    assert '<details id="skip" open>' in visitor.page
    while visitor.title.startswith("Photograph"):
        visitor.answer(skipped="not_shown")
    assert site.store.table()["skipped"].tolist() == ["not_shown"] * 6


def test_only_the_pixels_of_a_file_are_sent(site_of: Callable[..., Any], encode: Any) -> None:
    site = site_of()
    folder = site.people.manifest.parent
    pixels = np.full((40, 60, 3), (10, 120, 200), np.uint8)
    plain = encode(".jpg", pixels, cv2.IMWRITE_JPEG_QUALITY, 95)
    secret = b"Exif\0\0GPS 52.52 13.40 of somebody's home"
    hidden = plain[:2] + b"\xff\xe1" + (len(secret) + 2).to_bytes(2, "big") + secret + plain[2:]
    for image in site.people.images:
        (folder / image).write_bytes(hidden)
    visitor = site.visitor()
    visitor.get("/")
    source = re.search(r'src="(/image/[0-9a-f]+\.png)"', visitor.page)
    assert source
    sent = visitor.client.get(source[1])
    assert sent.headers["content-type"] == "image/png"
    assert sent.headers["x-content-type-options"] == "nosniff"
    assert b"GPS" not in sent.content
    shown = cv2.imdecode(np.frombuffer(sent.content, np.uint8), cv2.IMREAD_COLOR)
    assert shown is not None
    assert shown.shape == (40, 60, 3)
    assert np.abs(shown.astype(int) - pixels).max() <= 4


def test_a_large_photograph_is_made_smaller(site_of: Callable[..., Any]) -> None:
    site = site_of()
    folder = site.people.manifest.parent
    for image in site.people.images:
        cv2.imwrite(str(folder / image), np.zeros((700, 2100, 3), np.uint8))
    visitor = site.visitor()
    visitor.get("/")
    assert 'width="1024" height="341"' in visitor.page


def test_the_colours_of_the_scale_are_those_that_are_printed(site_of: Callable[..., Any]) -> None:
    visitor = site_of().visitor()
    sheet = visitor.client.get("/scale.css")
    assert sheet.headers["content-type"].startswith("text/css")
    assert ".swatch-0 { background: #f6ede4; }" in sheet.text
    assert ".swatch-9 { background: #292420; }" in sheet.text
    visitor.get("/")
    assert visitor.page.count('class="swatch swatch-') == 10


def test_a_scale_without_colours_is_described_in_words(site_of: Callable[..., Any]) -> None:
    visitor = site_of(scale="fitzpatrick").visitor()
    visitor.get("/")
    assert "swatch-0" not in visitor.page
    assert "dark brown to black" in visitor.page
    assert visitor.page.count('type="radio"') == 6
    visitor.answer("VI")
    assert visitor.title == "Photograph 2 of 6"


def test_a_measured_scale_cannot_be_annotated_by_eye(site_of: Callable[..., Any]) -> None:
    with pytest.raises(FacegapError, match="divides a measured colour"):
        site_of(scale="ita")


def test_one_file_of_answers_holds_several_scales_apart(site_of: Callable[..., Any]) -> None:
    monk, words = site_of(), site_of(scale="lighter_darker")
    assert label_all(monk.visitor(), "9") == 6
    assert label_all(words.visitor(), "darker") == 6
    assert monk.store.table().groupby("scale").size().to_dict() == {"lighter_darker": 6, "monk": 6}
