"""The selfcheck page in Chromium: no requests, no scripts, hostile names as text, readable on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.plan.page import own_page
from facegap.plan.power import OwnFamily, People, own_power
from facegap.selfcheck.claims import claims_of
from facegap.selfcheck.labels import LabelSetting
from facegap.selfcheck.page import selfcheck_page
from facegap.selfcheck.study import Job, PowerSetting, Study, run_job
from facegap.worlds.families import Family
from facegap.worlds.people import Setting
from facegap.worlds.searches import SearchSetting

HOSTILE = '<script>document.title="owned"</script><img src=x onerror=alert(1)>'

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Both pages, with HTML in every name."""
    base = Setting("classification", 20, 2, 0.1, "beta", 0.1)
    specs = (
        base,
        Setting("impostor", 12, 1, 0.1, "probit", 0.1),
        Family(HOSTILE, (base, base), (HOSTILE, "b")),
        PowerSetting(base, 2, 0.3),
        SearchSetting(20, 10, 1, 0.2, 0.2, 1, 0.0),
        LabelSetting("classification", 20, 1, 0.1, 0.2, "probit", 0.0, 0.1),
    )
    jobs = tuple(Job(spec, 10) for spec in specs)
    rows = [run_job(job, 0) for job in jobs]
    study = Study(HOSTILE, HOSTILE, "0" * 64, jobs)
    people = (People(HOSTILE, np.full(20, 2)), People("b" * 300, np.full(20, 2)), People("c", np.full(20, 2)))
    own = OwnFamily(
        "error_rate_all", HOSTILE, np.nan, "", "singles", people, 3, 120, 0.1, 0.1, False, 0.02, 0.05, (HOSTILE,)
    )
    folder = tmp_path_factory.mktemp("pages")
    texts = {
        "worlds": selfcheck_page(study, rows, claims_of(rows), seed=0),
        "run": own_page([own_power(own, 10, (0,))], [HOSTILE], seed=0),
    }
    for name, text in texts.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in texts}


@pytest.fixture(params=["worlds", "run"])
def page(chromium: Any, pages: dict[str, Path], request: pytest.FixtureRequest) -> Iterator[Any]:
    """A page on a phone, recording every request, dialog and console message."""
    opened = chromium.new_page(viewport={"width": 390, "height": 800})
    opened.asked, opened.dialogs, opened.said = [], [], []
    opened.on("request", lambda asked: opened.asked.append(asked.url))
    opened.on("dialog", lambda dialog: (opened.dialogs.append(dialog.message), dialog.dismiss()))
    opened.on("console", lambda message: opened.said.append(message.text))
    opened.address = pages[request.param].as_uri()
    opened.goto(opened.address)
    yield opened
    opened.close()


def test_the_page_makes_no_request_and_runs_no_script(page: Any) -> None:
    assert [address for address in page.asked if not address.startswith("data:")] == [page.address]
    assert page.dialogs == []
    assert page.said == []
    assert page.locator("script, img:not(figure.chart img)").count() == 0


def test_names_that_are_html_are_shown_as_text(page: Any) -> None:
    assert page.title().startswith("facegap: ")
    assert page.get_by_text(HOSTILE).count() > 0


def test_a_phone_scrolls_tables_and_never_the_page(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_every_chart_has_a_text_alternative_and_fits_a_phone(page: Any) -> None:
    charts = page.locator("figure.chart img")
    assert charts.count() >= 1
    assert all(len(charts.nth(k).get_attribute("alt")) > 20 for k in range(charts.count()))
    for k in range(charts.count()):  # the narrow version, not a scaled wide one
        chart = charts.nth(k)
        assert 200 < chart.evaluate("picture => picture.naturalWidth") <= 390
        assert chart.evaluate("picture => picture.clientWidth >= 0.95 * picture.naturalWidth")


def test_terms_are_explained_at_a_touch_and_once_in_the_glossary(page: Any) -> None:
    names = set(page.locator("button.term").all_text_contents())
    assert {"simulated world", "probability of detection"} <= names
    assert names == set(page.locator("#glossary dt").all_text_contents())
    term = page.locator("button.term").first
    meaning = page.locator(f"#{term.get_attribute('popovertarget')}")
    assert not meaning.is_visible()
    term.click()
    assert meaning.is_visible()
    page.keyboard.press("Escape")


def test_long_tables_are_folded_and_open_on_paper_within_the_sheet(page: Any) -> None:
    page.set_viewport_size({"width": 688, "height": 900})
    page.emulate_media(media="print")
    right = page.evaluate(
        "Math.max(...[...document.querySelectorAll('table')].map(t => t.getBoundingClientRect().right))"
    )
    assert 300 < right <= 689
    page.emulate_media(media="screen")
    page.set_viewport_size({"width": 390, "height": 800})
