"""compare.html in Chromium: no requests, and nothing cut off on a phone or in print."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

from facegap.compare.build import compare, write_comparison
from fixtures.settings import audit_predictions

HOSTILE = "<img src=x onerror=alert(1)>" + "y" * 90
CUT_OFF = """
[...document.querySelectorAll("table, img, p, li, h1, h2, h3")].filter(
  (shown) => shown.getClientRects().length && shown.getBoundingClientRect().right > document.documentElement.clientWidth + 1
).map((shown) => shown.outerHTML.slice(0, 60))
"""

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page(chromium: Any, tmp_path_factory: pytest.TempPathFactory, make_answered: Any) -> Iterator[Any]:
    """A comparison of two vendors, opened in the browser; one group name is markup, and every request and dialog is recorded."""
    folder = tmp_path_factory.mktemp("vendors")
    make_answered(folder, [HOSTILE, "Bonn"], out=folder / "first")
    said = pd.read_csv(folder / "answers.csv", keep_default_na=False)
    said["prediction"] = "female"
    said.to_csv(folder / "others.csv", index=False)
    by = "gender,town*gender"
    audit_predictions(
        folder / "others.csv", folder / "people.csv", by=by, groups={"min_subjects": 5}, out=folder / "second"
    )
    write_comparison(compare([folder / "first", folder / "second"]), folder / "out")
    opened = chromium.new_page(viewport={"width": 390, "height": 800})
    opened.noted = []
    opened.on("request", lambda request: opened.noted.append(request.url.split(",")[0]))
    opened.on("dialog", lambda dialog: (opened.noted.append(dialog.message), dialog.dismiss()))
    opened.goto((folder / "out" / "compare.html").as_uri())
    opened.evaluate("for (const folded of document.querySelectorAll('details')) folded.open = true")
    yield opened
    opened.close()


def test_a_comparison_makes_no_request_and_runs_no_script(page: Any) -> None:
    assert {address for address in page.noted if not address.startswith("data:")} == {page.url}
    assert page.locator("img:not(figure.chart img)").count() == 0
    assert page.get_by_text(HOSTILE).count() > 0


def test_a_phone_shows_it_without_scrolling_sideways(page: Any) -> None:
    for width in (320, 390, 768, 1280):
        page.set_viewport_size({"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_on_paper_no_chart_and_no_table_is_cut_off(page: Any) -> None:
    page.set_viewport_size({"width": 688, "height": 900})
    page.emulate_media(media="print")
    assert page.locator("figure.chart img").count() >= 2
    assert page.evaluate(CUT_OFF) == []
    page.emulate_media(media="screen")


def test_terms_are_explained_and_every_number_is_there_on_demand(page: Any) -> None:
    names = set(page.locator("button.term").all_text_contents())
    assert {"paired difference", "verdict of a comparison", "change of a gap"} <= names
    assert names == set(page.locator("#glossary dt").all_text_contents())
    folded = page.locator("#paired details table tbody tr")
    assert folded.count() > page.locator("#paired > .scroll table tbody tr").count() > 0
