"""The page of a run in Chromium: it asks the network for nothing, runs nothing, and shows hostile labels as text."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest

import facegap as fg
from facegap.report.page import add_report

HOSTILE = '<script>document.title="owned"</script><img src=x onerror=alert(1)>'
PAGE = "report.html"

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, driven by Playwright."""
    executable = shutil.which("chromium")
    if executable is None:
        pytest.skip("chromium is not installed; apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(
            executable_path=executable, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield started
        started.close()


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory, draw: Any, toys: Any) -> Path:
    """A run over drawn people of whom some have a label that is HTML."""
    folder = tmp_path_factory.mktemp("hostile")
    lines = []
    for number in range(6):
        cv2.imwrite(str(folder / f"{number}.png"), draw(green=204 if number % 2 else 51))
        label = HOSTILE.replace('"', '""') if number < 3 else "plain"
        lines.append(f'{number}.png,{"f" if number % 3 else "m"},"{label}"')
    manifest = folder / "people.csv"
    manifest.write_text("image,gender,kind\n" + "\n".join(lines) + "\n", encoding="utf-8")
    out = folder / "run"
    run = fg.audit(manifest, out=out, min_subjects=2, **toys.two)
    add_report(out, run, include_ids=True)
    return out


@pytest.fixture
def page(browser: Any, run_folder: Path) -> Iterator[Any]:
    """The page, opened, with every request and dialog noted on it."""
    opened = browser.new_page(viewport={"width": 390, "height": 800})
    opened.asked = []
    opened.dialogs = []
    opened.on("request", lambda request: opened.asked.append(request.url))
    opened.on("dialog", lambda dialog: (opened.dialogs.append(dialog.message), dialog.dismiss()))
    opened.goto((run_folder / PAGE).as_uri())
    yield opened
    opened.close()


def test_the_page_asks_for_nothing_but_itself(page: Any, run_folder: Path) -> None:
    assert page.asked == [(run_folder / PAGE).as_uri()]


def test_a_label_that_is_html_is_shown_as_text_and_runs_nothing(page: Any) -> None:
    assert page.title() == "facegap: error rates by group"
    assert page.dialogs == []
    assert page.locator("img").count() == 0
    assert page.get_by_text(HOSTILE).count() > 0


def test_every_table_has_headers_for_its_rows_and_columns(page: Any) -> None:
    tables = page.locator("table")
    assert tables.count() >= 4
    for k in range(tables.count()):
        assert tables.nth(k).locator("thead th[scope=col]").count() >= 2
        rows = tables.nth(k).locator("tbody tr").count()
        assert tables.nth(k).locator("tbody th[scope=row]").count() == rows


def test_a_phone_scrolls_tables_and_never_the_page(page: Any) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
