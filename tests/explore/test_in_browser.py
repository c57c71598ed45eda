"""The explore page in Chromium: the slider changes the numbers, with and without the script; it fits narrow screens."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit.settings import Verify
from fixtures.settings import audit_embeddings

pytestmark = pytest.mark.browser

HOSTILE = '<img src=x onerror="document.title=1">'


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`facegap explore` as a separate process, over 60 people of two towns."""
    folder = tmp_path_factory.mktemp("explore")
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(60), 2)
    np.save(folder / "t.npy", np.repeat(rng.normal(size=(60, 10)), 2, axis=0) + 0.6 * rng.normal(size=(120, 10)))
    frame = pd.DataFrame({"image": [f"{k}.png" for k in range(120)], "subject": people})
    frame.assign(town=np.where(people < 30, HOSTILE, "Bonn")).to_csv(folder / "people.csv", index=False)
    settings = Verify(fmr=(), threshold=(0.7,))
    audit_embeddings(folder / "t.npy", folder / "people.csv", by="town", verify=settings, out=folder / "run")
    server = subprocess.Popen(
        [sys.executable, "-m", "facegap.cli", "explore", str(folder / "run"), "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert server.stdout is not None
    line = server.stdout.readline()
    assert "open http://127.0.0.1:" in line, line
    yield line.split("open ")[1].strip()
    server.send_signal(signal.SIGINT)
    assert server.wait(20) == 0
    server.stdout.close()


def opened(chromium: Any, address: str, *, script: bool = True, width: int = 1280) -> Any:
    context = chromium.new_context(java_script_enabled=script, viewport={"width": width, "height": 800})
    page = context.new_page()
    page.faults = []
    page.on("console", lambda message: page.faults.append(message.text))
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.settings = []
    page.on("request", lambda request: page.settings.append(request.url))
    page.goto(address)
    return page


def errors(page: Any, words: str) -> int:
    """Errors in the first row with these words on the page."""
    row = page.locator("tr", has=page.get_by_text(words)).first
    return int(row.locator("td").nth(2).inner_text().split("/")[0])


def refused(page: Any) -> int:
    """Errors in the first FNMR row on the page."""
    return errors(page, "falsely rejected (FNMR)")


def test_a_moved_slider_changes_the_numbers_at_once(chromium: Any, address: str) -> None:
    page = opened(chromium, address)
    before = refused(page)
    slider = page.get_by_label("Accept from score")
    slider.focus()
    with page.expect_navigation():
        page.keyboard.press("End")
    assert refused(page) > before
    assert errors(page, "falsely matched (FMR)") == 0
    assert page.faults == []
    assert all(url.startswith(address.split("?")[0]) for url in page.settings)
    page.context.close()


def test_the_keyboard_moves_the_slider_on_and_keeps_its_place(chromium: Any, address: str) -> None:
    page = opened(chromium, address)
    slider = page.get_by_label("Accept from score")
    start = float(slider.input_value())
    slider.focus()
    with page.expect_navigation():
        for _ in range(4):  # one view for all four
            page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "threshold"
    first = float(slider.input_value())
    with page.expect_navigation():
        page.keyboard.press("ArrowRight")
    step = float(slider.input_value()) - first
    assert first - start == pytest.approx(4 * step, rel=0.01)
    page.get_by_label("Groups by").focus()
    with page.expect_navigation():
        page.keyboard.press("ArrowUp")
    assert page.evaluate("document.activeElement.id") == "by"
    assert sum("threshold=" in url for url in page.settings) == 3
    assert page.faults == []
    page.context.close()


def test_without_a_script_the_form_does_the_same(chromium: Any, address: str) -> None:
    page = opened(chromium, address, script=False)
    before = refused(page)
    page.get_by_label("or exactly").fill("0.95")
    page.get_by_role("button", name="Show").click()
    assert "0.9500" in page.locator("label[for=threshold]").inner_text()
    assert refused(page) > before
    page.get_by_label("Groups by").select_option("everybody")
    page.get_by_role("button", name="Show").click()
    assert "0.9500" in page.locator("label[for=threshold]").inner_text()  # the threshold keeps its full precision
    assert page.locator("th[scope=row]").first.inner_text() == "all"
    page.context.close()


def test_hostile_labels_run_no_script_and_the_page_fits_a_phone(chromium: Any, address: str) -> None:
    page = opened(chromium, address, width=390)
    assert page.title() == "Explore a run – facegap"
    assert page.locator("img").count() == 0
    assert page.get_by_text(HOSTILE).count() > 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    unlabelled = page.evaluate(
        "[...document.querySelectorAll('select, input')].filter(field => !field.labels.length).length"
    )
    assert unlabelled == 0
    assert page.faults == []
    page.context.close()


def test_the_view_is_exported_as_csv(chromium: Any, address: str, tmp_path: Path) -> None:
    page = opened(chromium, address)
    with page.expect_download() as download:
        page.get_by_role("link", name="Export this table as CSV").first.click()
    download.value.save_as(tmp_path / "rates.csv")
    table = pd.read_csv(tmp_path / "rates.csv")
    assert refused(page) == table[table["metric"] == "fnmr"]["errors"].iloc[0]
    page.context.close()
